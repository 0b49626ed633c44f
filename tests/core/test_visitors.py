"""How many may come from where, and that whoever left makes room."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Rate
from gateway.core.visitors import MAX_IDLE_ADDRESSES, Bounds, Visitors
from gateway.errors import TooManyConnections

HERE, THERE = "192.0.2.7", "198.51.100.9"  # RFC 5737


def test_an_address_has_room_for_so_many_and_again_when_one_leaves() -> None:
    visitors = Visitors(Bounds(per_address=2), 0.0)
    first, _ = visitors.enter(HERE, 0.0), visitors.enter(HERE, 0.0)

    with pytest.raises(TooManyConnections):
        visitors.enter(HERE, 0.0)
    visitors.enter(THERE, 0.0)
    visitors.leave(first)

    visitors.enter(HERE, 0.0)


def test_a_customer_of_ipv6_is_one_address_however_many_it_uses() -> None:
    visitors = Visitors(Bounds(per_address=2), 0.0)
    visitors.enter("2001:db8:0:1::1", 0.0)
    visitors.enter("2001:db8:0:1:ffff::2", 0.0)

    with pytest.raises(TooManyConnections):
        visitors.enter("2001:db8:0:1::3", 0.0)
    visitors.enter("2001:db8:0:2::1", 0.0)


def test_ipv4_in_ipv6_is_ipv4() -> None:
    visitors = Visitors(Bounds(per_address=1), 0.0)
    visitors.enter(HERE, 0.0)

    with pytest.raises(TooManyConnections):
        visitors.enter(f"::ffff:{HERE}", 0.0)


def test_new_connections_of_an_address_are_as_fast_as_they_may_be() -> None:
    visitors = Visitors(Bounds(address_rate=Rate(1.0, 3.0)), 0.0)

    at_once = [visitors.knock(HERE, 0.0) for _ in range(5)]
    elsewhere = visitors.knock(THERE, 0.0)
    later = [visitors.knock(HERE, 2.0) for _ in range(3)]

    assert at_once == [None, None, None, "connects_of_address", "connects_of_address"]
    assert elsewhere is None
    assert later == [None, None, "connects_of_address"]


def test_all_together_are_bounded_too_and_so_is_who_is_not_counted_by_address() -> None:
    visitors = Visitors(Bounds(address_rate=Rate(100.0, 100.0), rate=Rate(1.0, 2.0)), 0.0)

    found = [visitors.knock(address, 0.0) for address in (HERE, "", THERE, "")]

    assert found == [None, None, "connects", "connects"]


def test_who_is_not_counted_by_address_may_be_any_number() -> None:
    visitors = Visitors(Bounds(per_address=1, address_rate=Rate(1.0, 1.0)), 0.0)

    assert {visitors.knock("", 0.0) for _ in range(10)} == {None}
    assert {visitors.enter("", 0.0) for _ in range(10)} == {""}
    visitors.leave("")


def test_a_client_and_an_app_have_room_for_so_many() -> None:
    visitors = Visitors(Bounds(per_client=1, per_app=3), 0.0)
    visitors.admit("bank", "ada")
    visitors.admit("bank", None)

    with pytest.raises(TooManyConnections, match="clientId"):
        visitors.admit("bank", "ada")
    visitors.admit("bank", "bob")
    with pytest.raises(TooManyConnections, match="app"):
        visitors.admit("bank", "eve")
    visitors.admit("shop", "ada")
    visitors.dismiss("bank", "ada")

    visitors.admit("bank", "ada")


def test_nothing_is_bounded_where_nothing_is_set() -> None:
    visitors = Visitors(Bounds(), 0.0)

    for _ in range(100):
        assert visitors.knock(HERE, 0.0) is None
        visitors.enter(HERE, 0.0)
        visitors.admit("bank", "ada")
    assert visitors.origins == 0


def test_a_flood_of_addresses_costs_bounded_memory_and_nobody_who_is_here() -> None:
    visitors = Visitors(Bounds(per_address=1, address_rate=Rate(1.0, 1.0)), 0.0)
    visitors.enter(HERE, 0.0)

    for number in range(MAX_IDLE_ADDRESSES + 100):
        visitors.knock(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)

    assert visitors.origins <= MAX_IDLE_ADDRESSES + 1
    with pytest.raises(TooManyConnections):
        visitors.enter(HERE, 0.0)


@given(st.lists(st.tuples(st.sampled_from([HERE, THERE, "2001:db8::1"]), st.booleans()), max_size=60))
def test_as_many_are_counted_as_are_here(steps: list[tuple[str, bool]]) -> None:
    """Whatever comes and goes: an address is refused exactly when it is full."""
    visitors, here, names = Visitors(Bounds(per_address=3), 0.0), Counter[str](), {}
    for address, comes in steps:
        if not comes:
            if here[address]:
                visitors.leave(names[address])
                here[address] -= 1
            continue
        try:
            names[address] = visitors.enter(address, 0.0)
        except TooManyConnections:
            assert here[address] == 3
        else:
            here[address] += 1
            assert here[address] <= 3
