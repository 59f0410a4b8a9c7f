"""Evidence as text: numbers, and states by their names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.build import categorical, circuit, gaussian
from pccore.errors import EvidenceError
from pccore.evidence import (
    evidence_rows,
    parse_evidence,
    state_names,
    write_evidence,
)
from pccore.graph import Circuit


def named(words: list[str], states: int = 3) -> Circuit:
    share = [1 / states] * states
    leaves = categorical("colour", share) * categorical("size", share) * gaussian("x", 0, 1)
    return circuit(1.0 * leaves).with_meta({"states": {"colour": list(words)}})


def test_a_state_by_its_name() -> None:
    model = named(["blue", "green", "red"])
    assert parse_evidence("colour=red, size=2,x=-1.5", model) == {"colour": 2, "size": 2, "x": -1.5}
    assert parse_evidence("colour=1", model) == {"colour": 1}
    assert math.isnan(parse_evidence("colour=?", model)["colour"])
    rows = evidence_rows(model, {"colour": "green", "x": 1})
    np.testing.assert_array_equal(rows.numpy(), [[1, math.nan, 1]])


def test_a_name_counts_before_a_number() -> None:
    model = named(["5", "1", "2"])
    assert parse_evidence("colour=1", model) == {"colour": 1}
    assert parse_evidence("colour=0", model) == {"colour": 0}  # no name looks like this
    assert write_evidence(model, {"colour": 0.0}) == "colour=5"


def test_a_number_that_is_the_name_of_another_state() -> None:
    model = named(["2", "2.0"])  # state 2 has no name
    assert write_evidence(model, {"colour": 2.0}) == "colour=2.00"
    assert parse_evidence("colour=2.00", model) == {"colour": 2}


@pytest.mark.parametrize("text", ["colour=purple", "colour=Red", "size=red", 'x="red"'])
def test_an_unknown_name_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        parse_evidence(text, named(["blue", "green", "red"]))
    listed = "blue, green, red" in str(caught.value)
    assert listed == text.startswith("colour")


@pytest.mark.parametrize("value", ["purple", "1"])
def test_a_mapping_takes_names_only(value: str) -> None:
    with pytest.raises(EvidenceError):
        evidence_rows(named(["blue", "green", "red"]), {"size": value})


@pytest.mark.parametrize(
    "noted",
    [None, 3, {}, {"colour": "red"}, {"colour": [1, 2, 3]}, {"colour": ["a", "a", "b"]},
     {"colour": ["a", "b", "c", "d"]}, {"other": ["a"]}, {"colour": []}],
)  # fmt: skip
def test_notes_that_are_no_names_are_passed_over(noted: object) -> None:
    model = named([]).with_meta({"states": noted})  # type: ignore[dict-item]
    assert state_names(model, "colour") == ()
    assert parse_evidence("colour=1", model) == {"colour": 1}


def test_fewer_names_than_states() -> None:
    model = named(["a", "b"])
    assert state_names(model, "colour") == ("a", "b", "")
    assert parse_evidence("colour=2", model) == {"colour": 2}


words = st.lists(
    st.text('ab ,="\\?é0', min_size=1, max_size=5) | st.sampled_from(("0", "1", "2", "2.0")),
    min_size=1,
    max_size=3,
    unique=True,
)


@given(words, st.integers(0, 2), st.integers(0, 2))
def test_what_is_written_is_read(names: list[str], colour: int, size: int) -> None:
    model = named(names)
    evidence = {"colour": float(colour), "size": float(size)}
    assert parse_evidence(write_evidence(model, evidence), model) == evidence


@given(st.text('abcolour=",\\? 01', max_size=30))
def test_any_text_is_evidence_or_an_error(text: str) -> None:
    try:
        parse_evidence(text, named(["a", "b", "c"]))
    except EvidenceError:
        return
