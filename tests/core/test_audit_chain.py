"""Whether a changed, missing, added or moved line is found, wherever it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit_chain import GENESIS, Broken, Head, follow, seal


def chain(count: int, head: Head | None = None) -> tuple[list[bytes], Head]:
    head = head or Head()
    lines = []
    for number in range(count):
        line, head = seal({"at": "2026-11-25T00:00:00.000Z", "event": "connect", "client": f"ada {number}"}, head)
        lines.append(line)
    return lines, head


def test_a_line_is_json_and_says_what_it_continues() -> None:
    (line, next_line), head = chain(2)

    first, second = json.loads(line), json.loads(next_line)

    assert (first["seq"], first["prev"], first["event"], first["client"]) == (0, GENESIS, "connect", "ada 0")
    assert (second["seq"], second["prev"]) == (1, first["hash"])
    assert head == Head(2, second["hash"])


@given(st.integers(0, 20))
def test_a_whole_chain_is_followed_to_its_end(count: int) -> None:
    lines, head = chain(count)

    assert follow(lines) == follow(lines, Head()) == head


@given(st.integers(1, 12), st.data())
def test_a_change_of_any_byte_is_found(count: int, data: st.DataObject) -> None:
    lines, _ = chain(count)
    at = data.draw(st.integers(0, count - 1))
    byte = data.draw(st.integers(0, len(lines[at]) - 2))  # the end of the line is no part of it
    flipped = data.draw(st.integers(1, 255))
    changed = bytearray(lines[at])
    changed[byte] ^= flipped
    lines[at] = bytes(changed)

    with pytest.raises(Broken) as broken:
        follow(lines, Head())

    assert broken.value.number in {at + 1, at + 2}


@given(st.integers(2, 12), st.data())
def test_a_line_taken_out_put_in_again_or_moved_is_found(count: int, data: st.DataObject) -> None:
    lines, _ = chain(count)
    at = data.draw(st.integers(0, count - 2))
    what = data.draw(st.sampled_from(["out", "again", "moved"]))
    if what == "out":
        del lines[at]
    elif what == "again":
        lines.insert(at, lines[at])
    else:
        lines[at], lines[at + 1] = lines[at + 1], lines[at]

    with pytest.raises(Broken, match="line"):
        follow(lines, Head())


def test_a_line_that_was_sealed_anew_breaks_the_next_one() -> None:
    """Who can write the file can compute hashes too."""
    lines, _ = chain(3)
    lines[1], _ = seal(
        {"at": "…", "event": "connect", "client": "somebody else"}, Head(1, json.loads(lines[0])["hash"])
    )

    with pytest.raises(Broken, match="line 3: does not continue"):
        follow(lines)


def test_a_chain_may_begin_where_its_first_lines_were_put_away() -> None:
    lines, head = chain(5)

    assert follow(lines[2:]) == head
    with pytest.raises(Broken, match="lines are missing"):
        follow(lines[2:], Head())


@pytest.mark.parametrize("line", [b"", b"{}", b"x", b'{"seq":0}', b'{"a":1,"hash":"' + b"0" * 64 + b'"}'])
def test_what_is_no_line_is_told(line: bytes) -> None:
    with pytest.raises(Broken, match="line 1"):
        follow([line])


def test_a_value_that_looks_like_a_seal_is_no_seal() -> None:
    """Clients choose their names."""
    line, head = seal({"event": "connect", "client": 'x","hash":"0000"}'}, Head())

    assert follow([line]) == head
