"""Vtrees: full binary trees over the variables, along which a PSDD or SDD is structured."""

from __future__ import annotations

from dataclasses import dataclass

from pccore.errors import FileError
from pccore.files.base import Source
from pccore.files.importing.lines import at_line, count_is, integer, shown, source_of, words_of

_MAX_ID = 2**31


@dataclass(frozen=True, slots=True)
class Vtree:
    """The nodes by number, children before parents, the root last.

    numbers: from ids of the file. variable: from 0, -1 for inner nodes. left, right, parent:
    numbers, -1 for none. scope: bits of the variables below each node.
    """

    numbers: dict[int, int]
    variable: list[int]
    left: list[int]
    right: list[int]
    parent: list[int]
    scope: list[int]

    @property
    def variables(self) -> int:
        """How many variables columns need: one more than the largest."""
        return self.scope[-1].bit_length()


def read_vtree(source: Source) -> Vtree:
    """The vtree in a file. Raises FileError with the line."""
    found: dict[int, tuple[int, int, int, int]] = {}
    limits = source.limits
    for line, words in words_of(source):
        with at_line(line):
            if words[0] == b"vtree":
                continue
            if words[0] not in (b"L", b"I"):
                raise FileError(f"a line starts with vtree, L, I or c, not {shown(words[0])}")
            count_is(words, 3 if words[0] == b"L" else 4, "a vtree node")
            node = integer(words[1], "the id", 0, _MAX_ID)
            if node in found:
                raise FileError(f"there are two nodes {node}")
            if len(found) >= 2 * limits.max_variables:
                raise FileError(
                    f"more than {limits.max_variables} variables are not supported",
                    hint=limits.way_out("max_variables"),
                )
            if words[0] == b"L":
                variable = integer(words[2], "the variable", 1, limits.max_variables)
                found[node] = (variable - 1, -1, -1, line)
            else:
                left, right = (integer(word, "a child", 0, _MAX_ID) for word in words[2:])
                found[node] = (-1, left, right, line)
    return _ordered(found, limits.max_scope_bits)


def vtree_beside(source: Source) -> Vtree | None:
    """The vtree that came with a circuit. Raises FileError with its name and line."""
    companion = source.beside((".vtree",))
    if companion is None:
        return None
    try:
        return read_vtree(source_of(companion, source.limits))
    except FileError as error:
        where = f"{companion.name}, {error.where}" if error.where else companion.name
        raise FileError(error.message, where=where) from None


def _ordered(found: dict[int, tuple[int, int, int, int]], room: int) -> Vtree:
    parents: dict[int, int] = {}
    for node, (_, left, right, line) in found.items():
        for child in (left, right):
            if child < 0:
                continue
            if child not in found or child in parents or left == right:
                what = "does not exist" if child not in found else "has two parents"
                raise FileError(f"the child {child} {what}", where=f"line {line}")
            parents[child] = node
    tops = [node for node in found if node not in parents]
    if len(tops) != 1:
        raise FileError(f"a vtree has one root, not {len(tops)}")
    order, waiting = list[int](), [tops[0]]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += [child for child in found[node][1:3] if child >= 0]
    if len(order) != len(found):
        raise FileError(f"{len(found) - len(order)} nodes are in a cycle, not below the root")
    order.reverse()
    numbers = {node: number for number, node in enumerate(order)}
    tree = Vtree(numbers, [], [], [], [], [])
    for node in order:
        variable, left, right, line = found[node]
        tree.variable.append(variable)
        tree.left.append(numbers.get(left, -1))
        tree.right.append(numbers.get(right, -1))
        tree.parent.append(numbers[parents[node]] if node in parents else -1)
        below = (
            [1 << variable] if variable >= 0 else [tree.scope[numbers[c]] for c in (left, right)]
        )
        if len(below) == 2 and below[0] & below[1]:
            raise FileError("a variable has two leaves", where=f"line {line}")
        bits = below[0] | below[-1]
        room -= bits.bit_length()
        if room < 0:
            raise FileError("the vtree is too deep for its number of variables")
        tree.scope.append(bits)
    return tree
