"""The lines of the metrics: whole, or recognised as damaged."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pccore.learn.lines import DAMAGED, event_of, line_of

VALUES = some.none() | some.booleans() | some.integers() | some.floats() | some.text()
EVENTS = some.dictionaries(some.text(), VALUES, min_size=1).filter(lambda e: "crc32" not in e)


@given(EVENTS)
def test_an_event_comes_back(event: dict[str, object]) -> None:
    found = event_of(line_of(event).encode())
    assert found.keys() == event.keys()
    for name, value in event.items():
        gone = isinstance(value, float) and not math.isfinite(value)
        assert found[name] == (None if gone else value)


@given(some.data())
def test_no_flipped_bit_changes_a_value(data: some.DataObject) -> None:
    event = {"event": "epoch", "epoch": 12, "train_log_likelihood": -91.25, "best": True}
    line = bytearray(line_of(event).encode())
    bit = data.draw(some.integers(0, 8 * len(line) - 1))
    line[bit // 8] ^= 1 << bit % 8
    found = event_of(bytes(line))
    # Where the name of the checksum itself was hit, the rest is as it was.
    assert found == dict(DAMAGED) or {k: found.get(k) for k in event} == event


def test_a_line_is_an_object_of_json_with_its_checksum_last() -> None:
    line = line_of({"event": "epoch", "epoch": 0})
    assert list(json.loads(line)) == ["event", "epoch", "crc32"]


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_what_is_no_event_is_damaged(line: bytes) -> None:
    assert event_of(line) == dict(DAMAGED)


def test_older_lines_have_no_checksum() -> None:
    assert event_of(b'{"event": "epoch", "epoch": 3}') == {"event": "epoch", "epoch": 3}
