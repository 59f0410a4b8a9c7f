"""Drawings in DOT: what is shown, when groups are shown instead, and escaping."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit
from pccore.errors import FileError, OptionError
from pccore.files import FORMATS, save_model, to_dot
from pccore.files.dot import quoted
from pccore.graph import Circuit, LeafGroup, SumGroup
from pccore.leaves.bernoulli import Bernoulli
from tests.files.support import rich, small, stored

#: A line of our DOT: a brace, or words whose attributes are numbers, words or quoted strings.
VALUE = r'("([^"\\]|\\.)*"|[A-Za-z_0-9]+)'
ATTRIBUTES = rf"\[[a-z]+={VALUE}( [a-z]+={VALUE})*\]"
LINE = re.compile(rf"digraph circuit \{{|\}}|  \w+( -> \w+)?( {ATTRIBUTES})?", re.DOTALL)


def statements(text: str) -> list[str]:
    """The lines of a drawing, each checked against the little grammar it may use."""
    lines = text.removesuffix("\n").split("\n")
    assert all(LINE.fullmatch(line) for line in lines)
    return lines


def test_units_and_weights_are_drawn():
    lines = statements(to_dot(small()))
    assert '  u5_0 [label="⊕" shape=circle tooltip="s1" peripheries=2]' in lines
    assert '  u5_0 -> u4_0 [label="0.6"]' in lines
    assert '  u1_0 [label="x2\\nX2 ~ gaussian(-1.5, 0.25)" shape=box tooltip="x2"]' in lines
    assert sum("->" in line for line in lines) == small().num_edges


def test_groups_are_drawn_on_request():
    lines = statements(to_dot(rich(), level="group"))
    assert sum("->" in line for line in lines) == sum(len(g.inputs) for g in rich().groups)
    assert '  g9 [label="dense\\n⊕ 2 units, dense" shape=ellipse]' in lines
    assert any(line.startswith('  g13 [label="top') and "peripheries=2" in line for line in lines)


def wide(units: int) -> Circuit:
    groups = [LeafGroup("x", units, Bernoulli(), (0,), "x"), SumGroup("s", 1, (0,), "s")]
    params = {"x": torch.full((1, units), 0.5), "s": torch.ones(1, units)}
    return Circuit(groups, [(1, 0)], ["V"], params)


def test_large_circuits_collapse_to_groups():
    assert len(statements(to_dot(wide(299)))) > 590
    assert len(statements(to_dot(wide(300)))) == 7
    assert len(statements(to_dot(wide(300), level="unit"))) > 590


def test_drawings_that_nothing_could_lay_out_are_refused(tmp_path):
    with pytest.raises(OptionError, match="draw the groups instead"):
        to_dot(wide(20_000), level="unit")
    model = small()
    chain = Circuit(
        [*model.groups, *(SumGroup(f"t{i}", 1, (5 + i,), "t") for i in range(10_000))],
        [(5, 0)],
        model.variables,
        {**model.params, "t": torch.ones(1, 1)},
    )
    with pytest.raises(FileError, match="nodes and edges"):
        save_model(chain, tmp_path / "m.dot")


def test_broken_circuits_are_drawn_without_their_weights():
    model = small()
    for params in ({}, {**model.params, "s1": torch.ones(7)}):
        lines = statements(to_dot(model.with_params(params)))
        assert "  u5_0 -> u4_0" in lines


@given(st.text(max_size=20))
@example('"]; evil [label="')
@example("\\")
@example('\\"')
@example("<b>bold</b>")
@example("\\N \\G \\l")
@example("a\r\nb\0")
def test_names_stay_inside_their_quotes(name: str):
    model = circuit(bernoulli(name, 0.5).named(name), meta={"title": name})
    lines = statements(to_dot(model))
    assert len(lines) == (6 if name else 5)


@given(st.text(max_size=20))
def test_a_quoted_text_is_one_string_on_one_line(text: str):
    found = quoted(text)
    inner = found[1:-1].replace("\\\\", "")
    assert found[0] == found[-1] == '"' and "\n" not in found
    assert '"' not in inner.replace('\\"', "")


def test_lone_surrogates_can_be_written():
    data = stored(circuit(bernoulli("\ud800", 0.5)), FORMATS()["dot"])
    assert '"x1\\n? ~ bernoulli' in data.decode()


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("level", ["unit", "group"])
def test_graphviz_accepts_it(level):
    text = to_dot(rich(), level=level)
    done = subprocess.run(
        ["dot", "-Tplain"], input=text.encode(), capture_output=True, timeout=60, check=True
    )
    assert done.stdout.startswith(b"graph")
