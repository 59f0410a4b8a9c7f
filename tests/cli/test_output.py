"""What is printed, piece by piece."""

from __future__ import annotations

import io
import math

import pytest

from pccore.cli.output import (
    LONGEST_LINE,
    Progress,
    clean,
    duration,
    listing,
    one_line,
    pairs,
    plain,
    table,
)
from pccore.errors import OptionError
from pccore.options import parse_options
from pccore.presets import Facts, preset_options, presets


def test_what_json_cannot_hold_becomes_null():
    assert plain({"a": [math.nan, (math.inf, 1)], 2: {"b": -math.inf}}) == {
        "a": [None, [None, 1]],
        "2": {"b": None},
    }


def test_text_is_made_safe():
    assert clean("a\x1b[2J\x9bb") == "a [2J b"
    assert one_line(" a\n\n b\tc ") == "a b c"
    assert len(one_line("x" * 10_000)) == LONGEST_LINE


def test_alignment():
    assert pairs([("a", 1), ("long", "x")]) == ["a     1", "long  x"]
    assert pairs([]) == []
    assert list(table(("n", "name"), [(1.0, "b"), (22, None)])) == [" n  name", " 1  b", "22"]
    assert list(table(("a",), [])) == ["a"]


def test_long_lists_are_cut():
    assert listing(["a", "b"]) == "2: a, b"
    assert listing([str(i) for i in range(100)], 4) == "100: 0, 1, 2, ..., 99"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.21, "4.2 s"), (187, "3:07 min"), (3599.9, "1:00 h"), (7500, "2:05 h")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_rewrites_its_line():
    stream = Terminal()
    progress = Progress(stream)
    progress.update("a long text")
    progress.update("too soon")
    assert stream.getvalue() == "\ra long text"
    progress.say("done")
    assert stream.getvalue() == "\ra long text\r           \rdone\n"
    progress.clear()
    assert stream.getvalue().endswith("done\n")


def test_progress_elsewhere_only_says():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.update("a")
    progress.say("b")
    progress.clear()
    assert stream.getvalue() == "b\n"


SUBJECTS = (("rat", "einet-paper"), ("rat", "hyperspn-paper"), ("pd", "einet-paper"))


@pytest.mark.parametrize(("structure", "name"), SUBJECTS)
@pytest.mark.parametrize("variables", [2, 64, 3072])
def test_presets_of_structures_are_legal_options(structure: str, name: str, variables: int):
    from pccore.structures import find_structure

    options = preset_options(structure, name, Facts(variables, 255.0))
    assert parse_options(find_structure(structure).options, options)
    assert presets(structure)[name].source


def test_variances_of_a_preset_follow_the_scale_of_the_pixels():
    # Peharz et al. 2020, sec. 4.2: a standard deviation of at most 0.1 on the scale 0 to 1.
    options = preset_options("pd", "einet-paper", Facts(64, 16.0))
    assert options["max_variance"] == pytest.approx(1.6**2)
    assert options["min_variance"] == pytest.approx((1e-3 * 16) ** 2)


def test_unknown_presets():
    with pytest.raises(OptionError, match="did you mean 'einet-paper'"):
        preset_options("rat", "einet-papers", Facts(4))
    with pytest.raises(OptionError, match="there are none"):
        preset_options("nothing", "x", Facts(4))
