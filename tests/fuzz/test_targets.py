"""Every reader under mutated and made-up input: a result or a PCError, soon, and nothing else.

PCCORE_FUZZ=100 tries a hundred times as many examples; `campaign.py` searches by coverage.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target, survives
from tests.fuzz.targets import targets

SCALE = int(os.environ.get("PCCORE_FUZZ", "1"))
CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(targets())
PATIENCE = 5.0  # seconds of this process


def soon(target: Target, data: bytes) -> None:
    before = time.process_time()
    survives(target, data)
    assert time.process_time() - before < PATIENCE, "too slow"


@st.composite
def mutated(draw: st.DrawFn, target: Target) -> bytes:
    """A sound input, a few places of which were overwritten, moved, repeated or cut."""
    data = bytearray(draw(st.sampled_from(target.seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.sampled_from((1, 1, 2, 4, 8, 40, 200)))
        match draw(st.integers(0, 5)):
            case 0:
                word = draw(st.sampled_from(target.words) if target.words else st.binary())
                data[at : at + draw(st.integers(0, len(word)))] = word
            case 1:
                data[at : at + size] = draw(st.binary(max_size=8))
            case 2 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 3:
                del data[at : at + size]
            case 4:
                piece = data[at : at + size] * draw(st.sampled_from((1, 2, 30)))
                data[at:at] = piece[:4000]
            case _:
                other = draw(st.sampled_from(target.seeds))
                start = draw(st.integers(0, max(0, len(other) - 1)))
                data[at : at + size] = other[start : start + size]
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_sound_inputs(name: str):
    """A seed that is refused would test nothing but the refusal."""
    target = targets()[name]
    taken = [survives(target, seed) is None for seed in target.seeds]
    assert any(taken), "no seed is taken"


@pytest.mark.parametrize("name", NAMES)
def test_mutations(name: str):
    target = targets()[name]

    @settings(max_examples=25 * SCALE, suppress_health_check=list(HealthCheck), database=None)
    @given(mutated(target))
    def run(data: bytes) -> None:
        soon(target, data)

    run()


@pytest.mark.parametrize("name", NAMES)
def test_noise(name: str):
    target = targets()[name]

    @settings(max_examples=5 * SCALE, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.binary(max_size=300) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "replace"))
    )
    def run(data: bytes) -> None:
        soon(target, data)

    run()


FOUND = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once(path: Path):
    soon(targets()[path.parent.name], path.read_bytes())
