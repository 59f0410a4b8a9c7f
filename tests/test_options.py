from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.errors import OptionError
from pccore.options import (
    OptionInfo,
    describe,
    option,
    parse_assignments,
    parse_options,
    to_dict,
    validate,
)


@dataclass(frozen=True)
class Options:
    kind_of: ClassVar[str] = "test"
    depth: int = option(2, help="number of splits", minimum=1, maximum=12)
    rate: float = option(0.1, help="step size", minimum=0.0, step=0.01)
    balanced: bool = option(True, help="halves of equal size")
    method: str = option("em", help="learner", choices=("em", "sgd"))
    mode: Literal["fast", "slow"] = option("fast", help="speed")
    title: str = option("", help="free text")
    sizes: tuple[int, ...] = option((1, 2), help="sizes", minimum=1)
    levels: tuple[float, ...] = option((0.5,), help="levels", minimum=0, maximum=1)
    limit: int | None = option(None, help="rows", minimum=1)
    note: str | None = option(None, help="text or none")
    plain: int = 7


def test_defaults() -> None:
    assert parse_options(Options, {}) == Options()


def test_describe() -> None:
    infos = describe(Options)
    assert [info.name for info in infos] == [
        "depth", "rate", "balanced", "method", "mode", "title", "sizes", "levels", "limit",
        "note", "plain",
    ]  # fmt: skip
    by_name = {info.name: info for info in infos}
    assert by_name["depth"] == OptionInfo(
        "depth", "int", False, 2, 1, 12, None, None, "number of splits"
    )
    assert by_name["mode"].choices == ("fast", "slow")
    assert by_name["limit"].optional and by_name["limit"].kind == "int"
    assert by_name["levels"].kind == "floats"
    assert by_name["rate"].step == 0.01
    assert by_name["plain"].help == "" and by_name["plain"].default == 7
    assert by_name["depth"].allowed() == "an integer from 1 to 12"
    assert by_name["limit"].allowed() == "an integer of at least 1, or none"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("depth", "4", 4),
        ("depth", " 4 ", 4),
        ("depth", "1e1", 10),
        ("depth", 4.0, 4),
        ("depth", np.int64(4), 4),
        ("rate", "1e-3", 1e-3),
        ("rate", "2", 2.0),
        ("rate", 3, 3.0),
        ("rate", np.float32(0.5), None),  # numpy's float32 is no Python float: refused below
        ("balanced", "no", False),
        ("balanced", "TRUE", True),
        ("balanced", "0", False),
        ("balanced", False, False),
        ("method", "sgd", "sgd"),
        ("mode", "slow", "slow"),
        ("title", " a, b ", " a, b "),
        ("title", "none", "none"),
        ("sizes", "3,4,5", (3, 4, 5)),
        ("sizes", "(3, 4)", (3, 4)),
        ("sizes", "[3]", (3,)),
        ("sizes", "3,", (3,)),
        ("sizes", "", ()),
        ("sizes", [5, 6], (5, 6)),
        ("levels", "0, 1,0.25", (0.0, 1.0, 0.25)),
        ("limit", "none", None),
        ("limit", "", None),
        ("limit", None, None),
        ("limit", "5", 5),
        ("note", "None", None),
        ("note", "", ""),
        ("note", "text", "text"),
    ],
)
def test_values(name: str, text: object, value: object) -> None:
    if isinstance(text, np.float32):
        text, value = float(text), float(text)
    parsed = getattr(parse_options(Options, {name: text}), name)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "given_value", "said"),
    [
        ("depth", "four", "'four'"),
        ("depth", "0", "from 1 to 12"),
        ("depth", "13", "from 1 to 12"),
        ("depth", "2.5", "an integer"),
        ("depth", "1_0", "an integer"),
        ("depth", "", "an integer"),
        ("depth", True, "True"),
        ("depth", None, "None"),
        ("depth", [1], "[1]"),
        ("depth", "9" * 5000, "an integer"),
        ("depth", "9" * 20000, "..."),
        ("rate", "nan", "a number"),
        ("rate", "inf", "a number"),
        ("rate", "-0.1", "at least 0"),
        ("rate", "1,5", "a number"),
        ("balanced", "maybe", "true or false"),
        ("balanced", 1, "true or false"),
        ("method", "adam", "one of 'em', 'sgd'"),
        ("mode", "medium", "one of 'fast', 'slow'"),
        ("title", 3, "a text"),
        ("sizes", "1,,2", "integers separated by commas"),
        ("sizes", "1;2", "integers separated by commas"),
        ("sizes", "0,1", "at least 1"),
        ("sizes", 3, "integers"),
        ("sizes", [1, None], "integers"),
        ("levels", "0.5,2", "from 0 to 1"),
        ("limit", "0", "at least 1, or none"),
    ],
)
def test_bad_values(name: str, given_value: object, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_options(Options, {name: given_value}, where="structure test")
    text = str(caught.value)
    assert text.startswith(f"structure test: option {name!r} must be")
    assert said in text
    assert "\n" not in text and len(text) < 300


def test_unknown_name_lists_and_suggests() -> None:
    with pytest.raises(OptionError, match=r"unknown option 'dpeth'.*depth, rate.*mean 'depth'\?"):
        parse_options(Options, {"dpeth": "3"})
    with pytest.raises(OptionError) as caught:
        parse_options(Options, {"zzz": "3"})
    assert "did you mean" not in str(caught.value)


def test_base_keeps_what_is_not_given() -> None:
    base = Options(depth=5, title="preset")
    assert parse_options(Options, {"depth": "6"}, base=base) == Options(depth=6, title="preset")


def test_rules_between_options() -> None:
    @dataclass(frozen=True)
    class Pair:
        low: int = option(0, help="")
        high: int = option(1, help="")

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    with pytest.raises(OptionError, match="low is above high"):
        parse_options(Pair, {"low": "3"})


def test_validate() -> None:
    validate(Options())
    with pytest.raises(OptionError, match="'depth' must be an integer from 1 to 12, not 99"):
        validate(Options(depth=99))
    with pytest.raises(OptionError, match="'depth'"):
        validate(Options(depth="4"))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="'method'"):
        validate(Options(method="adam"))


def test_classes_that_are_no_options() -> None:
    @dataclass(frozen=True)
    class Required:
        depth: int

    @dataclass(frozen=True)
    class Strange:
        depth: bytes = b""

    for cls in (Required, Strange, int):
        with pytest.raises(TypeError):
            describe(cls)


def test_assignments() -> None:
    assert parse_assignments(["a=1", " b = x=y ", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for texts in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(OptionError):
            parse_assignments(texts)


legal = st.builds(
    Options,
    depth=st.integers(1, 12),
    rate=st.floats(0, 1e30),
    balanced=st.booleans(),
    method=st.sampled_from(["em", "sgd"]),
    mode=st.sampled_from(["fast", "slow"]),
    title=st.text(max_size=50),
    sizes=st.lists(st.integers(1, 10**20), max_size=5).map(tuple),
    levels=st.lists(st.floats(0, 1), max_size=5).map(tuple),
    limit=st.none() | st.integers(1, 10**9),
    note=st.none() | st.text(max_size=9).filter(lambda t: t.strip().lower() != "none"),
    plain=st.integers(),
)


@given(legal)
def test_round_trip_through_json(instance: Options) -> None:
    validate(instance)
    assert parse_options(Options, json.loads(json.dumps(to_dict(instance)))) == instance


@given(legal)
def test_round_trip_through_texts(instance: Options) -> None:
    texts = {
        name: ",".join(map(repr, value)) if isinstance(value, list) else str(value)
        for name, value in to_dict(instance).items()
    }
    assert parse_options(Options, texts) == instance


@given(
    st.sampled_from([info.name for info in describe(Options)]),
    st.text(max_size=30) | st.none() | st.booleans() | st.integers() | st.floats()
    | st.lists(st.integers() | st.floats() | st.text(max_size=3), max_size=3) | st.binary(),
)  # fmt: skip
def test_anything_is_either_legal_or_an_option_error(name: str, value: object) -> None:
    try:
        instance = parse_options(Options, {name: value})
    except OptionError as error:
        assert name in str(error)
    else:
        validate(instance)
