"""
`lastmile check`: whether everything that the settings name is there and as it should be.

Kafka and Redis are asked at the same time, each with the deadline that the settings give it, so the whole takes no
longer than the slowest of them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping

from gateway.core.routing import Router
from gateway.credentials import issuers_of
from gateway.errors import KafkaUnavailable, StoreUnavailable
from gateway.logs import redact
from gateway.settings import KafkaSettings, Settings
from gateway.store.eviction import UNTOLD, eviction_policy
from gateway.store.redis import Line, connect, disconnect
from gateway.stream.topics import TopicFacts, Topics
from gateway.terminal.audit_advice import advise_audit, audit_demand
from gateway.terminal.revocation_advice import advise_revocations, missing_revocations, revocation_demand
from gateway.terminal.topic_advice import Commands, Demand, Finding, advise, missing


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; what is wrong with one thing does not keep the others from being looked at."""
    async with asyncio.TaskGroup() as tasks:
        redis = tasks.create_task(_redis(settings))
        kafka = tasks.create_task(_kafka(settings))
    return [*_routes(settings), *_issuers(settings), *_certificate(settings), *redis.result(), *kafka.result()]


def demands(settings: Settings) -> list[Demand]:
    """What each topic is needed for, over all namespaces."""
    asked: dict[str, list[str]] = {}
    history: dict[str, float] = {}
    for name, namespace in settings.namespaces.items():
        asked.setdefault(namespace.topic, []).append(f"namespaces.{name}.topic")
        history[namespace.topic] = max(history.get(namespace.topic, 0.0), namespace.history_seconds)
    receipts: dict[str, list[str]] = {}
    for name, namespace in settings.namespaces.items():
        if namespace.receipts_topic is not None:
            receipts.setdefault(namespace.receipts_topic, []).append(f"namespaces.{name}.receipts_topic")
    fed = [
        Demand(topic, tuple(asked_by), history[topic], settings.window.max_seconds, settings.kafka.max_record_bytes)
        for topic, asked_by in asked.items()
    ]
    return [*fed, *(Demand(topic, tuple(asked_by)) for topic, asked_by in receipts.items())]


def _routes(settings: Settings) -> Iterator[Finding]:
    try:
        Router(settings.namespaces)
    except ValueError as error:
        yield Finding("error", "settings", str(error))


def _issuers(settings: Settings) -> Iterator[Finding]:
    try:
        issuers_of(settings)
    except ValueError as error:
        yield Finding(
            "error", "issuers", str(error), "give each issuer a public_key_file that fits its algorithms, as PEM"
        )


def _certificate(settings: Settings) -> Iterator[Finding]:
    certificate, key = settings.server.tls_certificate_file, settings.server.tls_key_file
    if certificate is None or key is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        text = f"server.tls_certificate_file and server.tls_key_file cannot be used together: {error}"
        yield Finding(
            "error", "tls", text, "write the certificate chain and its own private key to these files, both as PEM"
        )


async def _redis(settings: Settings) -> list[Finding]:
    redis = connect(settings.redis)
    line = Line(redis, settings.redis.timeout_seconds)
    try:
        await line.check()
        policy = await eviction_policy(line)
    except StoreUnavailable as error:
        reason = redact(str(error.__cause__)) or f"no answer within {settings.redis.timeout_seconds:g} s"
        return [
            Finding(
                "error",
                "redis",
                f"cannot be used: {reason}",
                "see that redis.url is right, that Redis runs there and lets this machine in",
            )
        ]
    finally:
        await line.close()
        await disconnect(redis)
    return [Finding("ok", "redis", "answers"), *_eviction(settings, policy)]


def _eviction(settings: Settings, policy: str | None) -> Iterator[Finding]:
    """A history that may have holes is not used at all."""
    has_history = any(of.history_seconds > 0 and of.history_messages > 0 for of in settings.namespaces.values())
    if policy is None or not has_history:
        return
    if policy == UNTOLD:
        text = "does not tell whether it drops keys when it is full, so no history is kept in it"
        yield Finding("warning", "redis", text, "allow this user the command INFO (ACL SETUSER … +info)")
    else:
        text = f"drops keys when it is full (maxmemory-policy {policy}), so no history is kept in it: holes would not be seen"
        remedy = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration file; or a Redis of its own"
        yield Finding("warning", "redis", text, remedy)


async def _kafka(settings: Settings) -> list[Finding]:
    try:
        topics = Topics(settings.kafka)
    except KafkaUnavailable as error:
        return [_no_kafka(settings.kafka, error)]
    wanted = demands(settings)
    state, journal = settings.revocation.topic, settings.audit.topic
    try:
        facts = await topics.look([*(demand.topic for demand in wanted), *filter(None, (state, journal))])
        configs, unread = await _configs(topics, facts)
        brokers = await topics.brokers()
    except KafkaUnavailable as error:
        return [_no_kafka(settings.kafka, error)]
    finally:
        topics.close()
    needs_credentials = settings.kafka.security_protocol != "PLAINTEXT"
    commands = Commands(settings.kafka.bootstrap_servers, needs_credentials=needs_credentials, brokers=brokers)
    return [
        Finding("ok", "kafka", "answers"),
        *unread,
        *_topics(wanted, facts, configs, commands),
        *([] if state is None else _revocations(settings, state, facts, configs, commands)),
        *([] if journal is None else _audit(settings, journal, facts, configs, commands)),
    ]


async def _configs(topics: Topics, names: Iterable[str]) -> tuple[Mapping[str, Mapping[str, str]], list[Finding]]:
    """Topic settings, which a user of Kafka need not be allowed to read."""
    try:
        return await topics.configs(names), []
    except KafkaUnavailable as error:
        text = (
            f"does not tell how its topics are configured, so retention and cleanup were not checked: {error.message}"
        )
        return {}, [Finding("warning", "kafka", text, "allow this user DescribeConfigs on the topics")]


def _topics(
    wanted: Iterable[Demand],
    facts: Mapping[str, TopicFacts],
    configs: Mapping[str, Mapping[str, str]],
    commands: Commands,
) -> Iterator[Finding]:
    for demand in wanted:
        fact = facts.get(demand.topic)
        if fact is None:
            yield missing(demand, commands)
        else:
            yield from advise(demand, fact.partitions, fact.replicas, configs.get(demand.topic, {}), commands)


def _revocations(
    settings: Settings,
    topic: str,
    facts: Mapping[str, TopicFacts],
    configs: Mapping[str, Mapping[str, str]],
    commands: Commands,
) -> list[Finding]:
    demand, fact = revocation_demand(topic, settings.kafka.max_record_bytes), facts.get(topic)
    if fact is None:
        return [missing_revocations(demand, commands)]
    return advise_revocations(demand, fact.partitions, fact.replicas, configs.get(topic, {}), commands)


def _audit(
    settings: Settings,
    topic: str,
    facts: Mapping[str, TopicFacts],
    configs: Mapping[str, Mapping[str, str]],
    commands: Commands,
) -> list[Finding]:
    fact = facts.get(topic)
    if fact is None:
        return [missing(audit_demand(topic), commands)]
    has_file = settings.audit.file is not None
    return advise_audit(topic, fact.replicas, configs.get(topic, {}), commands, has_file=has_file)


def _no_kafka(settings: KafkaSettings, error: KafkaUnavailable) -> Finding:
    remedy = (
        f"see that kafka.bootstrap_servers ({settings.bootstrap_servers}) names brokers that this machine reaches, "
        f"and that their listener speaks kafka.security_protocol ({settings.security_protocol})"
    )
    return Finding("error", "kafka", redact(error.message), remedy)
