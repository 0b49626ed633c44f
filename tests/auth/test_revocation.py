"""What is revoked, for whom, and for how long; what an entitlement leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import Capability
from auth.errors import AuthError, TokenExpired, TokenMalformed, TokenRevoked
from auth.keys import Key, KeyRing
from auth.principal import Principal
from auth.revocation import Address, BadTarget, Cut, NoRoom, Rulings, Target, parse_target
from auth.verifier import Verifier
from tests.auth.minting import ISSUER, KEY, NOW, ably_token, an_issuer, by_token, issuer_token

DAY = 86400.0
CLIENT = Address("bank", Target("clientId", "42"))


def rulings(max_count: int = 1000) -> Rulings:
    return Rulings(max_token_age_seconds=DAY, max_count=max_count)


def principal(
    client_id: str | None = "42",
    issued_at: float | None = NOW - 10,
    key_name: str | None = "bank.server1",
    revocation_key: str | None = None,
    capability: tuple[str, ...] = ("account:1", "account:2:*"),
) -> Principal:
    return Principal(
        app_id="bank",
        key_name=key_name,
        client_id=client_id,
        is_wildcard=False,
        capability=Capability.parse({pattern: ["subscribe", "publish"] for pattern in capability}),
        expires_at=NOW + 3600,
        method="ably_jwt",
        issued_at=issued_at,
        revocation_key=revocation_key,
    )


def is_refused(by: Rulings, who: Principal, now: float = NOW) -> bool:
    try:
        by.review(who, now)
    except TokenRevoked:
        return True
    return False


@pytest.mark.parametrize(
    ("scope", "target", "is_concerned"),
    [
        ("bank", "clientId:42", True),
        ("bank.server1", "clientId:42", True),
        ("bank.server2", "clientId:42", False),
        ("shop", "clientId:42", False),
        ("bank", "clientId:4", False),
        ("bank", "clientId:42 ", False),
        ("bank", "revocationKey:branch-7", True),
        ("bank", "revocationKey:42", False),
        ("bank", "channel:account:1", True),
        ("bank", "channel:account:2:*", True),
        ("bank", "channel:account:2:cards", False),
        ("bank", "channel:account:*", False),
    ],
)
def test_a_target_means_these_tokens(scope: str, target: str, is_concerned: bool) -> None:
    """Of a channel: those that name exactly this resource, as Ably has it."""
    decided = rulings()

    decided.revoke(Address(scope, parse_target(target)), Cut(NOW, 0.0), NOW)

    assert is_refused(decided, principal(revocation_key="branch-7")) is is_concerned


@pytest.mark.parametrize(
    "text", ["", "clientId", "clientId:", "planet:mars", "clientId:a\nb", "clientId:" + "x" * 2049, "CLIENTID:42"]
)
def test_a_target_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadTarget):
        parse_target(text)


@pytest.mark.parametrize(("issued_at", "is_out"), [(NOW - 1, True), (NOW, False), (NOW + 1, False), (None, True)])
def test_what_was_issued_later_is_good(issued_at: float | None, is_out: bool) -> None:
    """A token that does not say when is older than anything."""
    decided = rulings()

    decided.revoke(CLIENT, Cut(NOW, 0.0), NOW)

    assert is_refused(decided, principal(issued_at=issued_at)) is is_out


def test_a_key_is_no_token() -> None:
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW, 0.0), NOW)
    holder = replace(principal(), method="basic", issued_at=None, expires_at=None)

    assert decided.admit(holder, NOW) is holder
    assert not decided.is_doomed(holder)


def test_a_margin_is_a_time_to_renew() -> None:
    """Doomed at once, refused when its time has come, of which one hears once."""
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW, NOW + 30), NOW)

    assert decided.is_doomed(principal())
    assert not is_refused(decided, principal(), NOW + 29)
    assert decided.due(NOW + 29) == []
    assert decided.due(NOW + 30) == [CLIENT]
    assert decided.due(NOW + 31) == []
    assert is_refused(decided, principal(), NOW + 30)


def test_a_later_revocation_with_a_margin_makes_nothing_good_again() -> None:
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW - 5, 0.0), NOW)

    held = decided.revoke(CLIENT, Cut(NOW, NOW + 30), NOW)

    assert held == Cut(NOW, 0.0)
    assert is_refused(decided, principal(issued_at=NOW - 10))


def test_one_that_was_pardoned_and_revoked_anew_is_told_of_at_its_new_time() -> None:
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW, NOW + 10), NOW)
    decided.pardon(CLIENT)
    decided.revoke(CLIENT, Cut(NOW, NOW + 20), NOW)

    assert decided.due(NOW + 15) == []
    assert decided.due(NOW + 20) == [CLIENT]


def test_a_pardon_lifts_it() -> None:
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW, 0.0), NOW)

    decided.pardon(CLIENT)
    decided.pardon(CLIENT)

    assert not is_refused(decided, principal())


# ---------------------------------------------------------------------- memory


def test_it_leaves_when_no_token_from_before_it_can_be_alive() -> None:
    """And until then every token that it means is over by itself: nothing comes back to life."""
    decided = rulings()
    decided.revoke(CLIENT, Cut(NOW, 0.0), NOW)
    long_lived = replace(principal(issued_at=NOW - 1), expires_at=NOW + 100 * DAY)

    decided.sweep(NOW + DAY - 1)
    assert len(decided) == 1
    with pytest.raises(TokenRevoked):
        decided.admit(long_lived, NOW + DAY - 2)
    decided.sweep(NOW + DAY)
    assert len(decided) == 0
    with pytest.raises(TokenExpired):
        decided.admit(long_lived, NOW + DAY)


def test_what_concerns_nobody_any_more_is_not_taken_in() -> None:
    decided = rulings()

    assert decided.revoke(CLIENT, Cut(NOW - DAY, 0.0), NOW) is None
    assert len(decided) == 0


def test_where_tokens_can_be_revoked_they_end_in_time_and_say_when_they_were_issued() -> None:
    decided = rulings()

    assert (
        decided.admit(replace(principal(issued_at=NOW - 10), expires_at=NOW + 100 * DAY), NOW).expires_at
        == NOW - 10 + DAY
    )
    with pytest.raises(TokenMalformed):
        decided.admit(principal(issued_at=None), NOW)


def test_sweeping_comes_round_to_everything() -> None:
    decided = rulings(max_count=5000)
    for number in range(3000):
        decided.revoke(Address("bank", Target("channel", str(number))), Cut(NOW + number % 2 * DAY, 0.0), NOW)

    for _ in range(4):
        decided.sweep(NOW + DAY)

    assert len(decided) == 1500


def test_there_is_a_bound_and_it_says_so() -> None:
    """What is known can still be raised, withdrawn and made room of."""
    decided = rulings(max_count=2)
    decided.revoke(CLIENT, Cut(NOW - 5, 0.0), NOW)
    decided.entitle("bank", "7", Capability.parse({"a": ["*"]}))

    with pytest.raises(NoRoom):
        decided.revoke(Address("bank", Target("clientId", "8")), Cut(NOW, 0.0), NOW)
    with pytest.raises(NoRoom):
        decided.entitle("bank", "8", Capability.parse({"a": ["*"]}))
    decided.revoke(CLIENT, Cut(NOW, 0.0), NOW)
    decided.entitle("bank", "7", None)
    decided.entitle("bank", "8", Capability.parse({"a": ["*"]}))

    assert is_refused(decided, principal(issued_at=NOW - 1))


# ---------------------------------------------------------------------- entitlements


def test_an_entitlement_takes_and_its_end_gives_back() -> None:
    """Whatever came first: the token's own rights are never lost, and never widened."""
    decided = rulings()
    decided.entitle("bank", "42", Capability.parse({"account:*": ["subscribe"], "support:*": ["*"]}))
    whole = principal(capability=("account:1", "chat:1"))

    less = decided.review(whole, NOW)
    decided.entitle("bank", "42", Capability.parse({"chat:*": ["publish"]}))
    other = decided.review(less, NOW)
    decided.entitle("bank", "42", None)

    assert less.capability == Capability.parse({"account:1": ["subscribe"]})
    assert other.capability == Capability.parse({"chat:1": ["publish"]})
    assert decided.review(other, NOW) == whole


def test_nothing_at_all_may_be_left() -> None:
    decided = rulings()
    decided.entitle("bank", "42", Capability.parse({}))

    assert not decided.review(principal(), NOW).capability


def test_an_entitlement_is_of_one_client_of_one_app() -> None:
    decided = rulings()
    decided.entitle("shop", "42", Capability.parse({}))
    decided.entitle("bank", "43", Capability.parse({}))
    anonymous = principal(client_id=None)

    assert decided.review(principal(), NOW) == principal()
    assert decided.review(anonymous, NOW) is anonymous


def test_a_channel_that_was_taken_can_still_be_revoked_by() -> None:
    """The token names it, whatever an entitlement leaves of that."""
    decided = rulings()
    decided.entitle("bank", "42", Capability.parse({}))
    left = decided.review(principal(), NOW)

    decided.revoke(Address("bank", Target("channel", "account:1")), Cut(NOW, 0.0), NOW)

    assert is_refused(decided, left)


# ---------------------------------------------------------------------- the verifier


def test_whoever_is_let_in_was_looked_at() -> None:
    decided = rulings()
    verifier = Verifier(KeyRing([KEY]), [an_issuer()], rulings=decided)
    tokens = [
        ably_token(**{"x-ably-clientId": "alice"}),
        issuer_token(),
        ably_token(**{"x-ably-revocation-key": "seven"}),
    ]
    for token in tokens:
        verifier.verify(by_token(token), NOW)

    decided.revoke(Address("bank", Target("clientId", "alice")), Cut(NOW + 1, 0.0), NOW)
    decided.revoke(Address("bank", Target("revocationKey", "seven")), Cut(NOW + 1, 0.0), NOW)

    for token in tokens:
        with pytest.raises(TokenRevoked):
            verifier.verify(by_token(token), NOW)


def test_who_acts_for_a_client_is_that_client() -> None:
    """A token that may claim any."""
    decided = rulings()
    verifier = Verifier(KeyRing([KEY]), [], rulings=decided)
    wildcard = by_token(ably_token(**{"x-ably-clientId": "*"}))
    decided.revoke(CLIENT, Cut(NOW + 1, 0.0), NOW)

    assert verifier.verify(replace(wildcard, client_id="43"), NOW).client_id == "43"
    with pytest.raises(TokenRevoked):
        verifier.verify(replace(wildcard, client_id="42"), NOW)


def test_who_was_let_in_by_a_secret_that_is_gone_is_told() -> None:
    """Stolen and taken out of the settings: its tokens end; those of the new one, and of one that is still accepted, do not."""
    old, new = b"the-stolen-secret-of-more-than-thirty-two", b"the-other-secret-of-more-than-thirty-two"
    both = Key(KEY.app_id, KEY.key_id, new, KEY.capability, (old,))
    verifier = Verifier(KeyRing([both]), [])
    stolen, good = (verifier.verify(by_token(ably_token(secret)), NOW) for secret in (old, new))
    assert verifier.review(stolen, NOW) is stolen

    verifier.trust(KeyRing([replace(both, older_secrets=())]), [])

    assert verifier.review(good, NOW) is good
    with pytest.raises(TokenRevoked):
        verifier.review(stolen, NOW)


def test_who_was_let_in_by_a_key_or_issuer_that_is_gone_is_told() -> None:
    verifier = Verifier(KeyRing([KEY]), [an_issuer()])
    by_key, by_issuer = verifier.verify(by_token(ably_token()), NOW), verifier.verify(by_token(issuer_token()), NOW)
    other = Key("bank", "other", b"another-secret-of-more-than-thirty-two", Capability.parse({"*": ["*"]}))
    assert verifier.review(by_key, NOW) is by_key
    assert verifier.review(by_issuer, NOW) is by_issuer

    verifier.trust(KeyRing([other]), [])

    for principal in (by_key, by_issuer):
        with pytest.raises(TokenRevoked):
            verifier.review(principal, NOW)
    with pytest.raises(AuthError) as refused:
        verifier.review(replace(by_key, method="basic"), NOW)
    assert refused.value.code == 40101
    assert by_issuer.issuer == ISSUER


# ---------------------------------------------------------------------- all of it, against a second reading

names = st.sampled_from(["a", "b", "a:b"])
times = st.integers(0, 20)
addresses = st.builds(
    Address,
    st.sampled_from(["bank", "shop", "bank.k", "shop.k"]),
    st.builds(Target, st.sampled_from(["clientId", "revocationKey", "channel"]), names),
)
principals = st.builds(
    lambda app, by_key, client, group, issued, patterns: replace(
        principal(client, float(issued), f"{app}.k" if by_key else None, group, tuple(patterns)), app_id=app
    ),
    st.sampled_from(["bank", "shop"]),
    st.booleans(),
    st.none() | names,
    st.none() | names,
    times,
    st.sets(names, min_size=1),
)
steps = st.lists(st.tuples(addresses, st.none() | st.tuples(times, st.just(0) | times)), max_size=12)


def second_reading(history: list[tuple[Address, tuple[int, int] | None]], who: Principal, now: float) -> bool:
    """Any record since the last pardon of its address that is later than the token, once the first of them applies."""
    scopes = {who.app_id, who.key_name}
    for address in {address for address, _ in history}:
        since = [cut for at, cut in history if at == address]
        while None in since:
            since = since[since.index(None) + 1 :]
        cuts = [cut for cut in since if cut is not None]
        kind, value = address.target
        means = {
            "clientId": who.client_id == value,
            "revocationKey": who.revocation_key == value,
            "channel": who.granted.to_text().find(f'"{value}":') >= 0,
        }[kind]
        is_older = any((who.issued_at or 0.0) < before for before, _ in cuts)
        if address.scope in scopes and means and is_older and min(at for _, at in cuts) <= now:
            return True
    return False


@given(steps, principals, times)
def test_matching_is_what_a_second_reading_says(
    history: list[tuple[Address, tuple[int, int] | None]], who: Principal, now: int
) -> None:
    """In whatever order: a log that is compacted to its last records has been read from another beginning."""
    decided = rulings()

    for address, cut in history:
        if cut is None:
            decided.pardon(address)
        else:
            decided.revoke(address, Cut(float(cut[0]), float(cut[1])), 0.0)

    assert is_refused(decided, who, float(now)) is second_reading(history, who, float(now))
    assert len(decided) == len({a for a, _ in history if [c for at, c in history if at == a][-1] is not None})
