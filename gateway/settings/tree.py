"""All settings of a process, as one value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings.apps import App
from gateway.settings.audit import AuditSettings
from gateway.settings.backends import KafkaSettings, RedisSettings
from gateway.settings.continuity import CursorSettings, HistorySettings, ReceiptSettings, ReplaySettings
from gateway.settings.namespaces import Namespace, NamespaceName
from gateway.settings.revocation import RevocationSettings
from gateway.settings.section import Section, Several
from gateway.settings.server import LimitSettings, LogSettings, PublishSettings, ServerSettings, WindowSettings


class Settings(Section, BaseSettings):
    """
    Everything that an operator decides.

    Built by `load` from file and environment; built directly it takes exactly what it is given.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    server: ServerSettings = Field(
        default_factory=ServerSettings, description="The sockets that clients and operators reach."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="How many of what.")
    window: WindowSettings = Field(default_factory=WindowSettings, description="What the edge remembers.")
    publish: PublishSettings = Field(
        default_factory=PublishSettings, description="What clients publish, on its way to Kafka."
    )
    history: HistorySettings = Field(
        default_factory=HistorySettings, description="Who writes the history; namespaces say how much is kept."
    )
    kafka: KafkaSettings = Field(description="Where the records are.")
    replay: ReplaySettings = Field(
        default_factory=ReplaySettings, description="What is read again in Kafka for clients that were away for long."
    )
    cursors: CursorSettings = Field(
        default_factory=CursorSettings, description="Where devices stand that keep nothing themselves."
    )
    receipts: ReceiptSettings = Field(
        default_factory=ReceiptSettings, description="Receipts of what was delivered; namespaces say where they go."
    )
    redis: RedisSettings = Field(description="Where connections and history are kept.")
    revocation: RevocationSettings = Field(
        default_factory=RevocationSettings, description="Tokens and rights that are taken back before their end."
    )
    apps: Annotated[tuple[App, ...], Several] = Field(min_length=1, max_length=1000, description="Who may connect.")
    namespaces: dict[NamespaceName, Namespace] = Field(
        min_length=1,
        max_length=1000,
        description="Channels `name:…` and their topics; `default` is for all other channels, absent they are refused.",
    )
    audit: AuditSettings = Field(default_factory=AuditSettings, description="Who did what, for auditors.")
    log: LogSettings = Field(default_factory=LogSettings, description="What is logged.")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Names name one thing, and the channels of `default` have no rest."""
        ids = [app.id for app in self.apps]
        for name in sorted({name for name in ids if ids.count(name) > 1}):
            yield "apps", f"has {name!r} more than once; every app needs an id of its own"
        issuers = [(issuer.issuer, issuer.audience) for app in self.apps for issuer in app.issuers]
        for name, audience in sorted({issuer for issuer in issuers if issuers.count(issuer) > 1}):
            yield (
                "apps",
                f"trusts {name!r} for {audience!r} more than once; issuer and audience must tell a token's app",
            )
        if "default" in self.namespaces and "{channel}" not in self.namespaces["default"].key:
            yield (
                "namespaces.default.key",
                "must hold {channel}: channels of other names have no common first part to leave out",
            )

        fed = {topic for of in self.namespaces.values() for topic in (of.topic, of.publish_topic)}
        for name, namespace in self.namespaces.items():
            if namespace.receipts_topic in fed and namespace.receipts_topic is not None:
                yield (
                    f"namespaces.{name}.receipts_topic",
                    "is a topic that messages go through; receipts would be delivered, and those receipted: give them their own",
                )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: `gateway.settings.sources` alone reads files and the environment."""
        return (init_settings,)
