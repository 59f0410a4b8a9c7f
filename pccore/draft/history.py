"""Undo and redo without limit: a draft, and the differences that led to it and away from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pccore.draft.document import Draft
from pccore.draft.nodes import Node
from pccore.graph import Json


@dataclass(frozen=True, slots=True)
class _Side:
    """What differs from the other side of a step. order: of all ids, None where it is the same."""

    nodes: Mapping[str, Node | None]
    order: tuple[str, ...] | None
    roots: tuple[str, ...]
    variables: tuple[str, ...]
    meta: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class _Step:
    before: _Side
    after: _Side


@dataclass(frozen=True)
class History:
    """A draft with its past and future; immutable.

    Steps keep the nodes that changed only, so that thousands of them cost little.
    """

    present: Draft
    past: tuple[_Step, ...] = ()
    future: tuple[_Step, ...] = ()

    def push(self, draft: Draft) -> History:
        """The history after a change; what was undone before it is forgotten.

        Nothing happens where the draft is the same.
        """
        step = _difference(self.present, draft)
        if step is None:
            return self
        return History(draft, (*self.past, step))

    def undo(self) -> History:
        """One step back, or the same history where there is none."""
        if not self.past:
            return self
        step = self.past[-1]
        return History(_go(self.present, step.before), self.past[:-1], (*self.future, step))

    def redo(self) -> History:
        """One step forward again, or the same history where there is none."""
        if not self.future:
            return self
        step = self.future[-1]
        return History(_go(self.present, step.after), (*self.past, step), self.future[:-1])


def _difference(old: Draft, new: Draft) -> _Step | None:
    ids = [n for n in (*old.nodes, *new.nodes) if old.nodes.get(n) != new.nodes.get(n)]
    reordered = tuple(old.nodes) != tuple(new.nodes)
    step = _Step(_side(old, ids, reordered), _side(new, ids, reordered))
    return step if ids or reordered or _rest(step.before) != _rest(step.after) else None


def _side(draft: Draft, ids: list[str], reordered: bool) -> _Side:
    return _Side(
        {n: draft.nodes.get(n) for n in ids},
        tuple(draft.nodes) if reordered else None,
        draft.roots,
        draft.variables,
        draft.meta,
    )


def _rest(side: _Side) -> tuple[object, ...]:
    return side.roots, side.variables, side.meta


def _go(draft: Draft, side: _Side) -> Draft:
    nodes = {**draft.nodes, **side.nodes}
    order = nodes if side.order is None else side.order
    found = {n: node for n in order if (node := nodes[n]) is not None}
    return dataclasses.replace(
        draft,
        nodes=MappingProxyType(found),
        roots=side.roots,
        variables=side.variables,
        meta=side.meta,
    )
