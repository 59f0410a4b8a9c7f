"""Damaged files of other programs load, or are refused by a FileError that names a place.

PCCORE_FUZZ=1000 tries a thousand times as many examples, for some hours of looking for more.
"""

from __future__ import annotations

import os
import re
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.errors import FileError
from pccore.files import Companion, Limits, load_bytes
from tests.files.importing.samples import SAMPLES, VTREE, Sample

SCALE = int(os.environ.get("PCCORE_FUZZ", "1"))
LIMITS = Limits(max_text_size=100_000, max_variables=5_000, max_line=10_000)
WHICH = st.sampled_from(sorted(SAMPLES))
#: What programs and attackers write where a number should be.
_ODD = (
    "-1 0 1 2 3 7 99999999999999999999 1e999 -1e999 nan inf -inf 1e308 -0.0 1_0 0x10 4294967296 "
    '9223372036854775807 + * D L ( ) [ ] ; | c EOF \u0661 \u202e <script> " // /* . , { }'
)
ODD = st.sampled_from(_ODD.split(" "))


def survives(sample: Sample, data: bytes) -> None:
    before = time.process_time()
    try:
        circuit = sample.load(data, LIMITS)
    except FileError as error:
        text = str(error)
        assert text.startswith(sample.name) and len(text) < 1000 and text.isprintable()
        return
    finally:
        assert time.process_time() - before < 5  # a hang, on whatever machine
    circuit.validate_params()
    assert circuit.num_units + circuit.num_edges <= LIMITS.max_text_size


@settings(max_examples=300 * SCALE)
@given(WHICH, st.lists(st.tuples(st.integers(0, 400), ODD), min_size=1, max_size=4))
def test_words_that_are_replaced(which: str, changes: list[tuple[int, str]]):
    words = re.split(r"(\s+|[|;,(){}*+])", SAMPLES[which].text)
    for place, odd in changes:
        words[place % len(words)] = odd
    survives(SAMPLES[which], "".join(words).encode())


@settings(max_examples=200 * SCALE)
@given(WHICH, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=4))
def test_lines_that_move_or_repeat(which: str, moves: list[tuple[int, int]]):
    lines = SAMPLES[which].text.splitlines(keepends=True)
    for start, end in moves:
        lines.insert(end % len(lines), lines[start % len(lines)])
        if start % 2:
            del lines[start % len(lines)]
    survives(SAMPLES[which], "".join(lines).encode())


@settings(max_examples=200 * SCALE)
@given(WHICH, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=4))
def test_bits_that_flip(which: str, flips: list[tuple[float, int]]):
    data = bytearray(SAMPLES[which].text.encode())
    for position, bit in flips:
        data[min(int(position * len(data)), len(data) - 1)] ^= 1 << bit
    survives(SAMPLES[which], bytes(data))


@settings(max_examples=200 * SCALE)
@given(WHICH, st.floats(0, 1), st.binary(max_size=6))
def test_files_that_end_early(which: str, share: float, tail: bytes):
    data = SAMPLES[which].text.encode()
    survives(SAMPLES[which], data[: int(share * len(data))] + tail)


@settings(max_examples=150 * SCALE)
@given(st.lists(st.tuples(st.integers(0, 100), ODD), min_size=1, max_size=3))
def test_companions_that_are_damaged(changes: list[tuple[int, str]]):
    words = re.split(r"(\s+)", VTREE)
    for place, odd in changes:
        words[place % len(words)] = odd
    vtree = Companion("m.vtree", "".join(words).encode())
    try:
        load_bytes(SAMPLES["sdd"].text.encode(), "m.sdd", LIMITS, (vtree,))
    except FileError as error:
        assert "line" in str(error) or "m.vtree" in str(error)
