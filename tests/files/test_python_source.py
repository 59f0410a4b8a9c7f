"""Builder code comes back as the circuit it describes, and nothing else is understood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.errors import SourceError
from pccore.files import to_code
from pccore.files.python_source import MAX_LENGTH, from_code
from pccore.graph import Circuit
from pccore.structures.figures import figures
from tests.strategies import circuits, random_circuit

BY_HAND = '''
"""Rain and wet grass."""
from pccore.build import bernoulli, circuit

rain, dry = bernoulli("Rain", 0.9), bernoulli("Rain", 0.1)
wet, fine = bernoulli("Wet", 4 / 5), bernoulli("Wet", 0.2)
model = circuit(0.3 * (rain * wet) + 0.7 * (dry * fine).named("dry"))
'''


def same(one: Circuit, other: Circuit) -> bool:
    return (
        [(g.name, g.kind, g.inputs) for g in one.groups]
        == [(g.name, g.kind, g.inputs) for g in other.groups]
        and one.roots == other.roots
        and one.variables == other.variables
        and one.params.equal(other.params)
        and dict(one.meta) == dict(other.meta)
    )


def test_what_people_write_by_hand() -> None:
    model = from_code(BY_HAND)
    assert model.variables == ("Rain", "Wet")
    assert "dry" in {g.name for g in model.groups}
    assert model.num_units == 7


@pytest.mark.parametrize("name", sorted(figures()))
def test_figures_come_back(name: str) -> None:
    model = figures()[name]()
    try:
        code = to_code(model)
    except ValueError:
        return
    again = from_code(code)
    assert same(again, from_code(to_code(again)))
    assert again.num_units <= model.num_units


@settings(max_examples=60)
@given(circuits(grouped=False, normalised=False, zero_weights=True, roots=2))
def test_random_circuits_come_back(model: Circuit) -> None:
    again = from_code(to_code(model))
    assert same(again, from_code(to_code(again)))


def test_real_leaves_come_back() -> None:
    model = random_circuit(5, variables=3, reals=2, grouped=False)
    again = from_code(to_code(model))
    assert same(again, from_code(to_code(again)))


@pytest.mark.parametrize(
    ("code", "marked", "message"),
    [
        ("", "", "makes no circuit"),
        ("import os\nos.system('true')", "os.system", "not one of the builders"),
        ("__import__('os')", "__import__", "not one of the builders"),
        ("x = [1 for _ in y]", "[1 for _ in y]", "not builder code"),
        ("for x in y: pass", "for x in y: pass", "not builder code"),
        ("def f(): pass", "def f(): pass", "not builder code"),
        ("x = bernoulli.__globals__", "bernoulli.__globals__", "not builder code"),
        ("x = y", "y", "not defined"),
        ("x = bernoulli('A', 1.5)", "bernoulli('A', 1.5)", "probability|between|outside"),
        ("x = bernoulli('A')", "bernoulli('A')", "does not take"),
        ("x = bernoulli(*['A', 1])", "*['A', 1]", "not builder code"),
        ("x = bernoulli(**{})", "bernoulli(**{})", "not builder code"),
        ("x = 'a' * 1000000000", "'a' * 1000000000", "multiplied and added"),
        ("x = [0] * 1000000000", "[0] * 1000000000", "multiplied and added"),
        ("x = 10 ** 10 ** 10", "10 ** 10", "multiplied and added"),
        ("x = 99999999999999999999", "99999999999999999999", "too large"),
        ("x = 1.named('a')", None, "invalid"),
        ("x = (1).named('a')", "(1).named('a')", "only units"),
        ("x = bernoulli('ä', 0.5) * 2\ny = ö", "bernoulli('ä', 0.5) * 2", "combined"),
        ("x = Leaf('A', Gaussian(), torch.tensor([0.0]))", "torch.tensor([0.0])", "shape"),
        ("x = Leaf('A', Nothing(), 1)", "Nothing()", "leaf family"),
        ("x = bernoulli('A', 0.5", None, "never closed"),
    ],
)
def test_anything_else_is_refused_where_it_stands(
    code: str, marked: str | None, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        from_code(code)
    if marked is not None:
        assert code[caught.value.start : caught.value.end] == marked


def test_long_and_deep_code_is_refused() -> None:
    with pytest.raises(SourceError, match="more than"):
        from_code(" " * (MAX_LENGTH + 1))
    with pytest.raises(SourceError, match="nested"):
        from_code("x = " + "(" * 500 + "1" + ")" * 500)
    with pytest.raises(SourceError, match="nested"):
        from_code("x = " + "-" * 5000 + "1")
    with pytest.raises(SourceError, match="nested"):
        from_code("x = " + "1 + " * 5000 + "1")


@settings(max_examples=200)
@given(st.text(alphabet="abx=()[]'\"*+-.,:\n 01#\\\0é", max_size=40))
def test_no_text_is_answered_with_anything_else(code: str) -> None:
    with pytest.raises(SourceError) as caught:
        from_code(code)
    assert 0 <= caught.value.start <= caught.value.end <= len(code)
