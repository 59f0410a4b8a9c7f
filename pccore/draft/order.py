"""Walks over the nodes of a draft, without recursion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pccore.draft.nodes import Node
from pccore.errors import GraphError


def children_first(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The ids, children before parents; otherwise in the order of `nodes`.

    Raises GraphError for a cycle, naming a unit on it.
    """
    order: list[str] = []
    state: dict[str, bool] = {}  # False while below it, True when done
    for start in nodes:
        if start in state:
            continue
        stack: list[tuple[str, int]] = [(start, 0)]
        state[start] = False
        while stack:
            n, i = stack[-1]
            arcs = nodes[n].arcs
            if i == len(arcs):
                stack.pop()
                state[n] = True
                order.append(n)
                continue
            stack[-1] = (n, i + 1)
            child = arcs[i].child
            if child not in state:
                state[child] = False
                stack.append((child, 0))
            elif not state[child]:
                raise GraphError("the unit is below itself: a cycle", where=nodes[child].name)
    return tuple(order)


def heights(nodes: Mapping[str, Node], order: Sequence[str]) -> dict[str, int]:
    """Edges on the longest path below each node. order: children first."""
    height: dict[str, int] = {}
    for n in order:
        height[n] = max((1 + height[arc.child] for arc in nodes[n].arcs), default=0)
    return height


def reaches(nodes: Mapping[str, Node], start: str, goal: str) -> bool:
    """Whether `goal` is `start` or below it."""
    seen = {start}
    stack = [start]
    while stack:
        n = stack.pop()
        if n == goal:
            return True
        for arc in nodes[n].arcs:
            if arc.child not in seen:
                seen.add(arc.child)
                stack.append(arc.child)
    return False


def below(nodes: Mapping[str, Node], starts: Sequence[str]) -> set[str]:
    """The starts and everything below them."""
    seen = set(starts)
    stack = list(starts)
    while stack:
        for arc in nodes[stack.pop()].arcs:
            if arc.child not in seen:
                seen.add(arc.child)
                stack.append(arc.child)
    return seen
