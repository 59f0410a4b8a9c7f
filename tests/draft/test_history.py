"""Undo and redo over any edits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.check import check
from pccore.draft import (
    Draft,
    History,
    Leaf,
)
from pccore.errors import GraphError, PCError
from pccore.leaves.indicator import Indicator
from pccore.structures.figures import figure3_parity
from tests.draft.helpers import check_invariants, small

OPERATIONS = (
    *("add", "leaf", "connect", "delete", "cut", "weight"),
    *("rename", "move", "roots", "paste", "tidy"),
)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, int, float]]:
    one = st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 30),
        st.integers(0, 30),
        st.floats(-1, 2),
    )
    return draw(st.lists(one, max_size=40))


def perform(draft: Draft, edit: tuple[str, int, int, float], number: int) -> Draft:
    what, i, j, value = edit
    ids = list(draft.nodes) or ["nobody"]
    a, b = ids[i % len(ids)], ids[j % len(ids)]
    kind = ("sum", "product")[j % 2]
    leaf = Leaf(f"X{i % 3}", Indicator(2), (float(j % 2),))
    edges = [(n.id, arc.child, 0) for n in draft.nodes.values() for arc in n.arcs] or [(a, b, 0)]
    edge = edges[i % len(edges)]
    if what == "add":
        return draft.add(f"n{number}", kind, i, j)
    if what == "leaf":
        return (
            draft.add(f"n{number}", "leaf", i, j, leaf=leaf) if j % 3 else draft.set_leaf(a, leaf)
        )
    if what == "connect":
        return draft.connect(a, b, value if draft.node(a).kind == "sum" else None, again=i % 4 == 0)
    if what == "delete":
        return draft.delete({a, b})
    if what == "cut":
        return draft.disconnect(*edge) if j % 2 else draft.reconnect(edge, target=b)
    if what == "weight":
        return draft.set_weight(edge, value) if j % 2 else draft.normalise(edge[0])
    if what == "rename":
        return draft.rename(a, f"name {j}")
    if what == "move":
        return draft.move({a: (value, j), b: (i, value)})
    if what == "roots":
        return draft.set_roots([a, b])
    if what == "paste":
        return draft.duplicate({a: f"m{number}", b: f"k{number}"})
    return draft.tidied()


@settings(max_examples=60)
@given(edits())
def test_any_edits_keep_the_invariants_and_can_all_be_undone(steps):
    history = History(Draft())
    seen = [history.present]
    for number, step in enumerate(steps):
        try:
            changed = perform(history.present, step, number)
        except PCError:
            continue
        check_invariants(changed)
        longer = history.push(changed)
        if longer is not history:
            seen.append(changed)
        else:
            assert changed == history.present
        history = longer
        try:
            made = changed.circuit()
        except GraphError:
            assert changed.effective_roots == ()
        else:
            check(made)
    assert len(history.past) == len(seen) - 1
    for draft in reversed(seen):
        assert history.present == draft and list(history.present.nodes) == list(draft.nodes)
        history = history.undo()
    assert history.undo() is history
    for draft in seen:
        assert history.present == draft and list(history.present.nodes) == list(draft.nodes)
        history = history.redo()
    assert history.redo() is history


def test_a_new_edit_forgets_what_was_undone():
    history = History(Draft()).push(small())
    history = history.undo().push(Draft().add("a", "sum"))
    assert history.redo() is history
    assert history.push(history.present) is history


def test_history_keeps_only_what_changed():
    draft = Draft.of(figure3_parity(40))
    history = History(draft)
    for i in range(2000):
        history = history.push(history.present.move({"u0": (float(i), 0.0)}))
    assert len(history.past) == 2000
    assert all(len(step.before.nodes) == 1 and step.before.order is None for step in history.past)
