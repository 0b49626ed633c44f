"""Texts that are no token, or that two readers would read differently."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode

from auth.compact import MAX_TOKEN_LENGTH
from tests.auth.hostile.making import HS256, PUBLISHED_CLAIMS, Table, by_key, by_publisher
from tests.auth.minting import RSA_KEY, SECRET, ably_claims, ably_token, crafted, part, signed_with

GOOD = by_key()
HEAD, CLAIMS, MAC = GOOD.split(".")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
EXP = ably_claims()["exp"]


def claims(text: str | bytes) -> str:
    """These claims, whatever they are, signed as they should be."""
    return by_key(claims=text)


def plain(part_of_token: str) -> str:
    """In the alphabet of ordinary base64, with its padding."""
    return b64encode(b64decode(part_of_token + "=" * (-len(part_of_token) % 4), altchars=b"-_")).decode()


REFUSED: Table = {
    (40144, "token_form"): {
        "nothing": "",
        "a blank": " ",
        "dots": "..",
        "more dots": "....",
        "NUL": "\0",
        "the key": f"bank.server1:{SECRET.decode()}",
        "null": "null",
        "one part": HEAD,
        "two parts": f"{HEAD}.{CLAIMS}",
        "four parts": f"{GOOD}.{MAC}",
        "five parts": f"{GOOD}.{MAC}.{MAC}",
        "six parts": f"{GOOD}.{MAC}.{MAC}.{MAC}",
        "no header": f".{CLAIMS}.{MAC}",
        "no claims": f"{HEAD}..{MAC}",
        "no signature": f"{HEAD}.{CLAIMS}.",
        "Bearer before it": f"Bearer {GOOD}",
        "quotes around it": f'"{GOOD}"',
        "a blank before it": f" {GOOD}",
        "a blank after it": f"{GOOD} ",
        "a line feed after it": f"{GOOD}\n",
        "a carriage return after it": f"{GOOD}\r\n",
        "a tab within": f"{HEAD}\t.{CLAIMS}.{MAC}",
        "a line feed within": f"{HEAD}.{CLAIMS[:9]}\n{CLAIMS[9:]}.{MAC}",
        "NUL after it": f"{GOOD}\0",
        "a space of no width after it": f"{GOOD}\u200b",
        "a mark of byte order before it": f"\ufeff{GOOD}",
        "a dot of full width": GOOD.replace(".", "．"),
        "a letter of full width": GOOD.replace("e", "ｅ", 1),
        "a Cyrillic letter": GOOD.replace("e", "\u0435", 1),
        "a surrogate": f"{GOOD}\udc80",
        "percent signs": GOOD.replace(".", "%2E"),
        "padding": f"{HEAD}.{CLAIMS}.{MAC}=",
        "padding everywhere": ".".join(text + "=" * (-len(text) % 4) for text in GOOD.split(".")),
        "ordinary base64": ".".join(plain(text) for text in by_key(x="\u00ff\u00fe???>>>").split(".")),
        "another text of the same mac": f"{HEAD}.{CLAIMS}.{MAC[:-1]}{ALPHABET[ALPHABET.index(MAC[-1]) + 1]}",
        "a mac of an impossible length": f"{HEAD}.{CLAIMS}.{MAC}AA",
        "as JSON": json.dumps({"protected": HEAD, "payload": CLAIMS, "signature": MAC}),
        "as JSON with several signatures": json.dumps(
            {"payload": CLAIMS, "signatures": [{"protected": HEAD, "signature": MAC}]}
        ),
        "encrypted": f"{part({'alg': 'dir', 'enc': 'A256GCM', 'kid': 'bank.server1'})}..{part(b'iv')}.{CLAIMS}.{MAC}",
        "encrypted for a public key": f"{part({'alg': 'RSA-OAEP', 'enc': 'A128GCM'})}.{MAC}.{MAC}.{CLAIMS}.{MAC}",
        "a token as claims": by_key(claims=GOOD, cty="JWT"),
        "a token as text in claims": claims(json.dumps(GOOD)),
        "compressed claims": crafted(HS256 | {"zip": "DEF"}, zlib.compress(json.dumps(ably_claims()).encode()), SECRET),
        "claims in UTF-16": claims(json.dumps(ably_claims()).encode("utf-16")),
        "claims after a mark of byte order": claims("\ufeff" + json.dumps(ably_claims())),
        "claims that are no UTF-8": claims(b'{"exp":1,"x":"\xff"}'),
        "claims in overlong UTF-8": claims(b'{"exp":1,"x":"\xc0\xaf"}'),
        "claims that are a list": claims(json.dumps([ably_claims()])),
        "claims that are a number": claims("7"),
        "claims that are null": claims("null"),
        "claims and something after": claims(json.dumps(ably_claims()) + "{}"),
        "claims with a comment": claims(f'{{"exp":{EXP}/**/}}'),
        "claims with a comma too many": claims(f'{{"exp":{EXP},}}'),
        "claims with single quotes": claims(f"{{'exp':{EXP}}}"),
        "claims with a control character": claims(f'{{"exp":{EXP},"x":"\n"}}'),
        "exp twice": claims(f'{{"iat":1,"exp":1,"exp":{EXP}}}'),
        "exp twice, once in disguise": claims(f'{{"iat":1,"exp":1,"\\u0065xp":{EXP}}}'),
        "a capability twice": claims(f'{{"iat":1,"exp":{EXP},"x-ably-capability":"{{}}","x-ably-capability":"{{}}"}}'),
        "a member twice within a claim": claims(f'{{"iat":1,"exp":{EXP},"x":{{"y":1,"y":2}}}}'),
        "alg twice": crafted('{"alg":"none","kid":"bank.server1","alg":"HS256"}', ably_claims(), SECRET),
        "kid twice": crafted('{"alg":"HS256","kid":"x","kid":"bank.server1"}', ably_claims(), SECRET),
        "alg twice, once in disguise": crafted(
            '{"alg":"HS256","kid":"bank.server1","\\u0061lg":"none"}', ably_claims(), SECRET
        ),
        "iss twice": signed_with(RSA_KEY, "RS256", {"alg": "RS256"}, '{"iss":"x","iss":"https://login.bank.example/"}'),
        "exp not a number": claims('{"iat":1,"exp":NaN}'),
        "exp infinite": claims('{"iat":1,"exp":Infinity}'),
        "exp minus infinite": claims('{"iat":1,"exp":-Infinity}'),
        "exp of 5,000 digits": claims(f'{{"iat":1,"exp":{"9" * 5000}}}'),
        "exp in hexadecimal": claims('{"iat":1,"exp":0x7fffffff}'),
        "exp with a leading zero": claims(f'{{"iat":1,"exp":0{EXP}}}'),
        "nested without end": claims('{"exp":' + "[" * 6000),
        "a header that is a list": crafted([HS256], ably_claims(), SECRET),
        "a header that is text": crafted("text", ably_claims(), SECRET),
        "a header nested without end": crafted("[" * 6000, ably_claims(), SECRET),
    },
    (40144, "size"): {
        "too long": ably_token(x="x" * MAX_TOKEN_LENGTH),
        "one million letters": "x" * 1_000_000,
        "one million dots": "." * 1_000_000,
        "a signature of a megabyte": f"{HEAD}.{CLAIMS}.{'A' * 1_000_000}",
    },
    (40144, "embedded"): {
        "a wrapper in a wrapper": by_key(**{"x-ably-token": by_key(**{"x-ably-token": GOOD})}),
        "a list of tokens in a wrapper": claims(json.dumps({"exp": EXP, "x-ably-token": [GOOD]})),
    },
    (40140, "signature"): {
        "a wrapper around a token of another secret": by_publisher(
            RSA_KEY, "RS256", "rsa", **{"x-ably-token": by_key(b"x")}
        ),
    },
    (40143, "embedded"): {
        "a wrapper around an issuer's token": by_key(
            **{"x-ably-token": signed_with(RSA_KEY, "RS256", {"alg": "RS256", "kid": "rsa"}, PUBLISHED_CLAIMS)}
        ),
    },
}
