"""Who may connect: apps, their keys, and the identity providers they trust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from auth.addresses import check_url
from auth.capability import OPERATIONS
from auth.discovery import configuration_url
from gateway.settings.section import Bounds, ReadableFile, Section, Several, secret_text

MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: a key of HS256 has at least the 256 bits of its hash


def _operation(text: str) -> str:
    if text not in OPERATIONS:
        raise ValueError(f"{text!r} is no operation; it must be one of {', '.join(sorted(OPERATIONS))}")
    return text


Operation = Annotated[str, AfterValidator(_operation)]
Operations = Annotated[tuple[Operation, ...], Several, Field(min_length=1)]
Rights = Annotated[
    dict[str, Operations], Bounds('channel patterns with their operations, such as {"account:*" = ["subscribe"]}')
]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Bounds("1 to 64 letters, digits, - or _")]


Url = Annotated[str, AfterValidator(check_url), Field(max_length=2000), Bounds("an https:// URL")]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...], Several]


class AppKey(Section):
    """One key of an app: ``APP.ID:SECRET`` for servers, and what their tokens are signed with."""

    id: Name = Field(description="Its name within the app; clients call the key APP.ID.")
    secret: SecretStr | None = Field(
        default=None, min_length=MIN_SECRET_BYTES, max_length=1000, description="The secret. Better kept in a file."
    )
    secret_file: ReadableFile | None = Field(default=None, description="File that holds the secret.")
    older_secret: SecretStr | None = Field(
        default=None,
        min_length=MIN_SECRET_BYTES,
        max_length=1000,
        description="A secret that is still accepted while the new one is brought everywhere; nothing is signed with it.",
    )
    older_secret_file: ReadableFile | None = Field(default=None, description="File that holds the older secret.")
    capability: Rights = Field(
        default={"*": ("*",)}, min_length=1, max_length=1000, description="What the key may do, and its tokens at most."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """One secret, at most one older one, and long ones."""
        if (self.secret is None) == (self.secret_file is None):
            yield "secret_file", "is missing or not alone; give exactly one of secret and secret_file"
        elif len(self.read_secret()) < MIN_SECRET_BYTES:
            yield "secret_file", f"holds too short a secret; it must have at least {MIN_SECRET_BYTES} bytes"
        if self.older_secret is not None and self.older_secret_file is not None:
            yield "older_secret_file", "is not alone; give at most one of older_secret and older_secret_file"
        elif any(len(secret) < MIN_SECRET_BYTES for secret in self.read_older_secrets()):
            yield "older_secret_file", f"holds too short a secret; it must have at least {MIN_SECRET_BYTES} bytes"

    def read_secret(self) -> bytes:
        """The secret itself."""
        return (secret_text(self.secret, self.secret_file) or "").encode()

    def read_older_secrets(self) -> tuple[bytes, ...]:
        """The secret before it, if that is still accepted."""
        older = secret_text(self.older_secret, self.older_secret_file)
        return () if older is None else (older.encode(),)


class AppIssuer(Section):
    """A company's own identity provider, whose tokens are taken as they are."""

    issuer: str = Field(min_length=1, max_length=2000, description="The tokens' `iss`, to the letter.")
    jwks_url: Url | None = Field(default=None, description="Where its public keys are.")
    discovery: bool = Field(
        default=False,
        description="Instead: ask the issuer itself, at `/.well-known/openid-configuration` below its name.",
    )
    openid_configuration_url: Url | None = Field(
        default=None, description="Instead: where it says where they are, if not there."
    )
    public_key_file: ReadableFile | None = Field(default=None, description="Instead: its one public key, PEM.")
    audience: str = Field(
        min_length=1,
        max_length=2000,
        description="What must be among the tokens' `aud`, so that tokens for others are refused.",
    )
    authorized_parties: Texts = Field(
        default=(),
        max_length=100,
        description="Apps that the tokens may have been issued to: their `azp`, else `client_id`; none given: any.",
    )
    required_claims: Annotated[
        dict[str, Annotated[Texts, Field(min_length=1)]],
        Bounds('claims with the values that will do, such as {acr = ["strong"], scope = ["realtime"]}'),
    ] = Field(
        default={},
        max_length=100,
        description=(
            "What else tokens must say: of each claim one of the values. "
            "In `scope` and `scp` a value of several words asks for all of them."
        ),
    )
    algorithms: Annotated[tuple[Algorithm, ...], Several] = Field(
        default=("RS256", "ES256", "EdDSA"),
        min_length=1,
        description="Signatures that are taken; a key that does not name its own is used with the first of its kind.",
    )
    client_id: str | None = Field(
        default="{sub}", min_length=1, max_length=1000, description="Template over the claims: who the client is."
    )
    capability: Rights = Field(
        min_length=1,
        max_length=1000,
        description="Templates over the claims: what it may do; `{accounts[*]}` gives one pattern for each.",
    )
    leeway_seconds: float = Field(default=30.0, ge=0, le=300, description="By how much its clock and ours may differ.")
    max_age_seconds: float | None = Field(
        default=None,
        ge=1,
        le=31536000,
        description="How long after its `iat` a token is good at most, whatever it says; not given: as long as it says.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Keys come from one place."""
        places = (self.jwks_url, self.discovery or None, self.openid_configuration_url, self.public_key_file)
        if len(places) - places.count(None) != 1:
            yield (
                "jwks_url",
                "is missing or not alone; give exactly one of jwks_url, discovery, openid_configuration_url and public_key_file",
            )
        if self.discovery:
            try:
                configuration_url(self.issuer)
            except ValueError:
                yield "discovery", "needs an issuer that is an https:// URL; give openid_configuration_url or jwks_url"

    def configuration_url(self) -> str | None:
        """Where the issuer says where its keys are, if that is how they are found."""
        return configuration_url(self.issuer) if self.discovery else self.openid_configuration_url


class App(Section):
    """One tenant: its keys and issuers, and connections that only they can resume."""

    id: Name = Field(description="First part of its keys' names.")
    keys: Annotated[tuple[AppKey, ...], Several] = Field(default=(), max_length=1000, description="Its keys.")
    issuers: Annotated[tuple[AppIssuer, ...], Several] = Field(
        default=(), max_length=100, description="Identity providers it trusts."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Somebody must be able to connect, and names name one thing."""
        if not self.keys and not self.issuers:
            yield "keys", "is missing; without a key or an issuer nobody can connect"
        ids = [key.id for key in self.keys]
        for name in sorted({name for name in ids if ids.count(name) > 1}):
            yield "keys", f"has {name!r} more than once; every key needs an id of its own"
