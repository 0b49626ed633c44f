"""Well-formed tokens with the right signature, which say something that must not be taken."""

from __future__ import annotations

import json
from typing import Any

from tests.auth.hostile.making import Table, by_key
from tests.auth.minting import AUDIENCE, ISSUER, NOW, ably_claims, issuer_token

SOON, LATER = int(NOW) + 31, int(NOW) + 3600


def ably(**claims: Any) -> str:
    return by_key(claims=ably_claims(**claims))


def asking(capability: Any) -> str:
    return ably(**{"x-ably-capability": capability if isinstance(capability, str) else json.dumps(capability)})


REFUSED: Table = {
    (40142, "expired"): {
        "ended now": ably(exp=int(NOW)),
        "ended long ago": ably(iat=1, exp=2),
        "ended at the epoch": ably(iat=0, exp=0),
        "of an issuer, ended beyond its leeway": issuer_token(exp=int(NOW) - 30),
    },
    (40140, "future"): {
        "issued in the future": ably(iat=SOON),
        "good from the future on": ably(nbf=SOON),
        "issued in milliseconds": ably(iat=int(NOW * 1000), exp=int(NOW * 2000)),
        "of an issuer, of the future": issuer_token(nbf=SOON, iat=SOON),
    },
    (40144, "times"): {
        "no end": ably(exp=None),
        "no beginning": ably(iat=None),
        "an end that is null": by_key(claims=ably_claims() | {"exp": None}),
        "an end that is true": ably(exp=True),
        "an end that is text": ably(exp=str(LATER)),
        "an end that is a list": ably(exp=[LATER]),
        "an end that is an object": ably(exp={"$gt": 0}),
        "an end below zero": ably(exp=-1),
        "an end after the end of time": ably(exp=2**53),
        "an end of 400 digits": ably(exp=10**400),
        "an end of 1e999": by_key(claims=f'{{"iat":{int(NOW)},"exp":1e999}}'),
        "a beginning that is text": ably(nbf="0"),
        "a beginning that is null": by_key(claims=ably_claims() | {"nbf": None}),
        "a date of issue that is false": ably(iat=False),
        "of an issuer, no end": issuer_token(exp=None),
        "of an issuer, an end that is text": issuer_token(exp=str(LATER)),
    },
    (40140, "audience"): {
        "for nobody": issuer_token(aud=None),
        "for somebody else": issuer_token(aud="payments"),
        "for a list of others": issuer_token(aud=["payments", "cards"]),
        "for an empty list": issuer_token(aud=[]),
        "for a longer name": issuer_token(aud=f"{AUDIENCE}2"),
        "for several in one text": issuer_token(aud=f"payments {AUDIENCE}"),
        "for the name in capitals": issuer_token(aud=AUDIENCE.upper()),
        "for all": issuer_token(aud="*"),
        "for an object": issuer_token(aud={AUDIENCE: True}),
        "for a list within a list": issuer_token(aud=[[AUDIENCE]]),
        "for a name with NUL": issuer_token(aud=f"{AUDIENCE}\0"),
        "for a name with a letter that looks alike": issuer_token(aud=AUDIENCE.replace("a", "\u0430")),
    },
    (40143, "issuer"): {
        "of nobody": issuer_token(iss=None),
        "of somebody else": issuer_token(iss="https://evil.example/"),
        "of the issuer without its slash": issuer_token(iss=ISSUER.rstrip("/")),
        "of the issuer in capitals": issuer_token(iss=ISSUER.upper()),
        "of the issuer with a path": issuer_token(iss=f"{ISSUER}../evil/"),
        "of the issuer as a user": issuer_token(iss="https://login.bank.example@evil.example/"),
        "of a list of issuers": issuer_token(iss=[ISSUER]),
        "of a letter that looks alike": issuer_token(iss=ISSUER.replace("a", "\u0430")),
        "of the issuer and NUL": issuer_token(iss=f"{ISSUER}\0"),
        "of a number": issuer_token(iss=7),
    },
    (40140, "claims"): {
        "for a client that is a list": issuer_token(sub=["alice"]),
        "for a client that is an object": issuer_token(sub={"id": "alice"}),
        "for a client that is true": issuer_token(sub=True),
        "for a client of 1.5": issuer_token(sub=1.5),
        "for no client": issuer_token(sub=None),
        "for a client of nothing": issuer_token(sub=""),
        "for a client with NUL": issuer_token(sub="alice\0"),
        "for a client written backwards": issuer_token(sub="\u202eecila"),
    },
    (40012, "client_id_form"): {
        "for all clients of an issuer": issuer_token(sub="*"),
        "for a client of 513 letters": issuer_token(sub="x" * 513),
        "an Ably token for nothing": ably(**{"x-ably-clientId": ""}),
        "an Ably token with a line feed": ably(**{"x-ably-clientId": "ada\nbob"}),
        "an Ably token with NUL": ably(**{"x-ably-clientId": "ada\0"}),
        "an Ably token written backwards": ably(**{"x-ably-clientId": "\u202eada"}),
        "an Ably token with a surrogate": by_key(claims=json.dumps(ably_claims(**{"x-ably-clientId": "\udc80"}))),
    },
    (40144, "client_id"): {
        "an Ably token for a list": ably(**{"x-ably-clientId": ["ada"]}),
        "an Ably token for a number": ably(**{"x-ably-clientId": 7}),
        "an Ably token for an object": ably(**{"x-ably-clientId": {"$ne": ""}}),
    },
    (40144, "capability"): {
        "a capability that is an object": ably(**{"x-ably-capability": {"*": ["*"]}}),
        "a capability that is true": ably(**{"x-ably-capability": True}),
    },
    (40000, "capability"): {
        "a capability that is no JSON": asking("*"),
        "a capability of nothing": asking(""),
        "a capability of unknown operations": asking({"account:42": ["admin"]}),
        "a capability of an operation in capitals": asking({"account:42": ["SUBSCRIBE"]}),
        "a capability of operations as text": asking({"account:42": "*"}),
        "a capability with a resource twice": asking('{"account:42":["subscribe"],"account:42":["*"]}'),
        "a capability with a resource twice, in disguise": asking(
            '{"account:42":["subscribe"],"\\u0061ccount:42":["*"]}'
        ),
        "a capability with a name of 2,049 letters": asking({"x" * 2049: ["*"]}),
    },
    (40160, "nothing_in_common"): {
        "other channels than the key's": asking({"card:42": ["*"]}),
        "a namespace that begins alike": asking({"accounts:42": ["*"]}),
        "a namespace in capitals": asking({"ACCOUNT:42": ["*"]}),
        "a namespace with NUL": asking({"account\0:42": ["*"]}),
        "a namespace with a letter that looks alike": asking({"\u0430ccount:42": ["*"]}),
        "a path": asking({"../account:42": ["*"]}),
        "meta channels": asking({"[meta]account:42": ["*"], "[meta]*": ["*"]}),
        "other operations than the key's": asking({"account:42": ["publish"]}),
        "an empty capability": asking({}),
    },
    (40160, "no_claims"): {
        "all accounts": issuer_token(accounts=["*"]),
        "all accounts, as text": issuer_token(accounts="*"),
        "accounts with a star": issuer_token(accounts=["4*", "*2", "**"]),
        "accounts with a colon": issuer_token(accounts=["42:*", "42:cards", ":", "x:*"]),
        "accounts with a qualifier": issuer_token(accounts=["[meta]log", "[*]*", "]", "["]),
        "accounts that are templates": issuer_token(accounts=["{sub}", "{accounts[*]}"]),
        "accounts with control characters": issuer_token(accounts=["42\0", "4\n2", "\u200b", "\u2028"]),
        "accounts of nothing": issuer_token(accounts=[""]),
        "accounts that are lists": issuer_token(accounts=[["42"]]),
        "accounts that are objects": issuer_token(accounts={"42": True}),
        "accounts that are not there": issuer_token(accounts=None),
        "accounts that are true": issuer_token(accounts=[True, False, None, 4.2]),
    },
    (40160, "too_many_patterns"): {"two thousand accounts": issuer_token(accounts=list(range(2000)))},
}
