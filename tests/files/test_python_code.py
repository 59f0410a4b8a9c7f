"""Exported code rebuilds the circuit, and no string in a circuit becomes code."""

from __future__ import annotations

import ast
import runpy
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit, gaussian, product
from pccore.errors import FileError, OptionError, ParameterError
from pccore.files import save_model, to_code
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.gaussian import Gaussian
from pccore.reference import evaluate
from tests.files.support import differences, rich, small
from tests.strategies import circuits, random_circuit, random_evidence


def run(code: str) -> Circuit:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.py"
        path.write_text(code, encoding="utf-8")
        return runpy.run_path(str(path))["model"]


def meaning(model: Circuit) -> tuple[object, ...]:
    """What the roots compute, as nested descriptions shared by identity of content."""
    known: dict[object, int] = {}
    number: dict[Unit, int] = {}

    def intern(description: object) -> int:
        return known.setdefault(description, len(known))

    for position, group in enumerate(model.groups):
        for index in range(group.size):
            unit = Unit(position, index)
            if isinstance(group, LeafGroup):
                values = model.params[group.parameter].double()
                leaves = [
                    intern((repr(group.family), v, str(values[at, index].tolist())))
                    for at, v in enumerate(group.variables)
                ]
                one = len(leaves) == 1
                number[unit] = leaves[0] if one else intern(("product", tuple(leaves)))
            else:
                edges = model.children(unit)
                if group.kind == "product":
                    inner: object = tuple(number[e.child] for e in edges)
                else:
                    inner = tuple((e.weight, number[e.child]) for e in edges)
                number[unit] = intern((group.kind, inner))
    text = {value: key for key, value in known.items()}
    reached: dict[int, object] = {}
    stack = [number[root] for root in model.roots]
    order: list[int] = []
    while stack:
        at = stack.pop()
        if at in reached:
            continue
        reached[at] = len(order)
        order.append(at)
        below = text[at][1]  # type: ignore[index]
        if text[at][0] in ("sum", "product"):  # type: ignore[index]
            stack += [c[1] if isinstance(c, tuple) else c for c in reversed(below)]
    return tuple(relabelled(text[at], reached) for at in order)


def relabelled(description: object, labels: dict[int, object]) -> object:
    kind, *rest = description  # type: ignore[misc]
    if kind == "product":
        return kind, tuple(labels[c] for c in rest[0])
    if kind == "sum":
        return kind, tuple((w, labels[c]) for w, c in rest[0])
    return description


def test_a_built_circuit_is_rebuilt_exactly():
    assert differences(small(), run(to_code(small()))) == []


def test_code_of_code_is_the_same():
    once = to_code(run(to_code(rich(torch.float64))))
    assert to_code(run(once)) == once


@settings(max_examples=40)
@given(circuits(variables=4, reals=1, roots=2))
def test_random_circuits_mean_the_same(model: Circuit):
    rebuilt = run(to_code(model))
    assert meaning(rebuilt) == meaning(model)
    assert rebuilt.variables == model.variables
    assert all(group.size == 1 for group in rebuilt.groups)
    x = random_evidence(np.random.default_rng(0), model, rows=4)
    np.testing.assert_allclose(evaluate(rebuilt, x).root, evaluate(model, x).root, rtol=1e-12)


def test_every_family_and_edge_is_exported():
    model = rich(torch.float32)
    rebuilt = run(to_code(model))
    assert meaning(rebuilt) == meaning(model)
    assert dict(rebuilt.meta) == dict(model.meta)
    names = {group.name for group in rebuilt.groups}
    assert {"top", "mixed[1]", "b[0]", "g[1]"} <= names
    assert Gaussian(min_variance=0.01) in {
        g.family for g in rebuilt.groups if isinstance(g, LeafGroup)
    }


def test_unreachable_units_are_left_out():
    one = small()
    more = Circuit(
        [*one.groups, ProductGroup("dead", 1, (0, 1))], one.roots, one.variables, one.params
    )
    assert "dead" not in to_code(more)


def test_the_code_is_readable():
    assert to_code(small()) == (
        "from pccore.build import bernoulli, circuit, gaussian, mix, product\n"
        "\n"
        'x1 = bernoulli("X1", 0.6).named("x1")\n'
        'x2 = gaussian("X2", -1.5, 0.25).named("x2")\n'
        'p1 = product(x1, x2).named("p1")\n'
        'x3 = bernoulli("X1", 0.1).named("x3")\n'
        'p2 = product(x3, x2).named("p2")\n'
        's1 = mix([0.4, 0.6], [p1, p2]).named("s1")\n'
        "\n"
        "model = circuit(\n"
        "    s1,\n"
        '    variables=["X1", "X2"],\n'
        "    meta={'title': 'Small', 'story': 'Two products.', 'order': [1, 2.5, None]},\n"
        ")\n"
    )


HOSTILE = [
    '"); import os; os.abort(); ("',
    "'''",
    '"""',
    "a\nimport os",
    "\\",
    '\\"',
    "{0}",
    "model",
    "circuit",
    "class",
    "None",
    "é",
    "ﬁ",
    "1",
    "",
    "mix",
    "\u2028x",
    "\ud800",
]
NAMES = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), min_size=7, unique=True)


@settings(max_examples=40)
@given(NAMES)
def test_names_never_become_code(names: list[str]):
    a, b = bernoulli(names[0], 0.6).named(names[1]), bernoulli(names[2], 0.3).named(names[3])
    root = (0.5 * product(a, b).named(names[4]) + 0.5 * product(b, a).named(names[5])).named(
        names[6]
    )
    model = circuit(root)
    tree = ast.parse(to_code(model))
    kinds = [type(node).__name__ for node in tree.body]
    assert kinds == ["ImportFrom"] + ["Assign"] * 6
    assert differences(model, run(to_code(model))) == []


def test_unit_names_that_clash_stay_apart():
    groups = [
        LeafGroup("x", 2, Gaussian(), (0,), "x"),
        LeafGroup("x[1]", 1, Gaussian(), (0,), "y"),
        SumGroup("s", 1, (0, 1), "s"),
    ]
    params = {
        "x": torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]),
        "y": torch.tensor([[[2.0, 1.0]]]),
        "s": torch.tensor([[0.2, 0.3, 0.5]]),
    }
    model = Circuit(groups, [(2, 0)], ["V"], params)
    rebuilt = run(to_code(model))
    assert [group.name for group in rebuilt.groups] == ["x[0]", "x[1]'", "x[1]", "s"]
    assert meaning(rebuilt) == meaning(model)


def test_large_circuits_are_refused(tmp_path: Path):
    model = random_circuit(0)
    wide = Circuit(
        [LeafGroup("g", 301, Gaussian(), (0,), "g")],
        [(0, 0)],
        ["V"],
        {"g": torch.ones(1, 301, 2)},
    )
    assert to_code(model)
    with pytest.raises(OptionError, match="301 units, too many for code"):
        to_code(wide)
    with pytest.raises(FileError, match="too many for code"):
        save_model(wide, tmp_path / "m.build.py")


def test_illegal_parameters_are_refused():
    model = circuit(gaussian("X", 0.0, 1.0))
    with pytest.raises(ParameterError, match="x1"):
        to_code(model.with_params({"x1": torch.full((1, 1, 2), float("nan"))}))
