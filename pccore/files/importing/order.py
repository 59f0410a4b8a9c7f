"""Children before parents, for files that list their nodes in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pccore.errors import FileError


def children_first(root: int, below: Mapping[int, Sequence[int]]) -> list[int]:
    """The nodes at or below `root`, children before parents. Raises FileError for a cycle."""
    order: list[int] = []
    state: dict[int, int] = {}  # 1 while its children are visited, 2 when it is in the order
    waiting = [root]
    while waiting:
        node = waiting[-1]
        if state.get(node) is None:
            state[node] = 1
            for child in below.get(node, ()):
                if state.get(child) == 1:
                    raise FileError(f"node {child} is below itself, through node {node}")
                if child not in state:
                    waiting.append(child)
        else:
            waiting.pop()
            if state[node] == 1:
                state[node] = 2
                order.append(node)
    return order
