from hypothesis import given
from hypothesis import strategies as st

from pccore.scope import Scope

SETS = st.frozensets(st.integers(0, 200), max_size=12)


@given(SETS, SETS)
def test_scopes_behave_like_sets(a: frozenset[int], b: frozenset[int]):
    one, two = Scope.from_iterable(a), Scope.of(*b)
    assert set(one | two) == a | b
    assert set(one & two) == a & b
    assert set(one - two) == a - b
    assert (one <= two) == (a <= b)
    assert (one < two) == (a < b)
    assert one.isdisjoint(two) == a.isdisjoint(b)
    assert (one == two) == (a == b)
    assert len(one) == len(a)
    assert bool(one) == bool(a)
    assert list(one) == sorted(a)
    assert all((v in one) == (v in a) for v in range(201))


def test_scopes_are_hashable_values():
    assert {Scope.of(1, 2): "x"}[Scope.of(2, 1)] == "x"
    assert Scope.full(3) == Scope.of(0, 1, 2)
    assert Scope() == Scope.full(0)


def test_pretty_abbreviates_runs():
    assert Scope.of(0, 1, 2, 3, 7).pretty() == "{X0..X3, X7}"
    assert Scope.of(0, 1, 4).pretty() == "{X0, X1, X4}"
    assert Scope.of(0, 2).pretty(["rain", "sun", "wind"]) == "{rain, wind}"
    assert Scope.from_iterable(range(0, 20, 2)).pretty(limit=3) == "{X0, X2, X4, and 7 more}"
    assert repr(Scope()) == "Scope{}"
