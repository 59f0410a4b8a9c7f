"""Arithmetic circuits of Libra (.ac) and what Juice makes of them (.spn).

The first line holds the numbers of states, `(2 2 3)`; then a line is a node: `v` an indicator, `n`
a constant, `*` a product, `+` a sum; Juice writes a log-weight behind each child of a sum. `EOF`
ends the circuit, the node before it is the root. Variables and nodes count from 0. What Libra
writes behind it (which constant belongs to which feature) is not needed.

Libra writes constants as they are, other programs their logarithms. A file that has a negative one,
or none but zeros, has logarithms.
"""

from __future__ import annotations

import functools
import re

from pccore.errors import FileError
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.fold import Folder
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import (
    at_line,
    count_is,
    integer,
    integers,
    log_weight,
    log_weights,
    shown,
    words_of,
)
from pccore.files.importing.nodes import Nodes
from pccore.graph import Circuit


class _Reader:
    """Turns lines into nodes. weighted: sums have log-weights where both readings are possible."""

    def __init__(self, cards: list[int], limits: Limits, weighted: bool) -> None:
        self.cards = cards
        self.weighted = weighted
        self.nodes = Nodes(limits)
        self.true = self.nodes.add_product([])
        self.numbers: list[int] = []
        self.constants: list[tuple[int, float]] = []  # the edge that weighs 1, and by how much

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        kind = words[0]
        if kind == b"v":
            count_is(words, 3, "an indicator")
            variable = integer(words[1], "the variable", 0, len(self.cards) - 1)
            state = integer(words[2], "the state", 0, self.cards[variable] - 1)
            node = self.nodes.literal(variable, state, self.cards[variable])
        elif kind == b"n":
            count_is(words, 2, "a constant")
            self.constants.append((len(self.nodes.children), log_weights(words[1:])[0]))
            node = self.nodes.add_sum([self.true])
        elif kind == b"*":
            node = self.nodes.add_product(self._below(words[1:]))
        elif kind == b"+":
            node = self._sum(words[1:])
        else:
            raise FileError(f"a line starts with v, n, *, + or EOF, not {shown(kind)}")
        self.numbers.append(node)

    def _below(self, words: list[bytes]) -> list[int]:
        if not words:
            raise FileError("the node has no children")
        children = integers(words, "children")
        for child in children:
            if not 0 <= child < len(self.numbers):
                raise FileError(f"there is no earlier node {child}")
        return [self.numbers[child] for child in children]

    def _sum(self, words: list[bytes]) -> int:
        plain = all(word.isdigit() for word in words)
        if plain and (not self.weighted or len(words) % 2):
            return self.nodes.add_sum(self._below(words))
        if len(words) % 2:
            raise FileError("a sum needs a log-weight behind each child")
        return self.nodes.add_sum(self._below(words[::2]), log_weights(words[1::2]))

    def weigh(self) -> None:
        """Give the constants their values, once all of them are known."""
        values = [value for _, value in self.constants]
        logarithms = min(values, default=0.0) < 0 or not any(values)
        for edge, value in self.constants:
            self.nodes.log_weights[edge] = value if logarithms else log_weight(value)


def read_nodes(source: Source, weighted: bool = False) -> tuple[Nodes, int, list[int]]:
    """(nodes without constants, the root, states of each variable) of a file.

    weighted: sums have log-weights where both readings are possible. Raises FileError.
    """
    lines = words_of(source, comment=None)
    number, words = next(lines, (1, []))
    head = b" ".join(words).decode("ascii", "replace")
    with at_line(number):
        cards = _cards(head, source.limits)
    reader = _Reader(cards, source.limits, weighted)
    for number, words in lines:
        if words == [b"EOF"]:
            break
        with at_line(number):
            reader.add(words)
    else:
        raise FileError("there is no line EOF at the end", hint="is the file complete?")
    if not reader.numbers:
        raise FileError("there are no nodes")
    reader.weigh()
    # A network polynomial is 1 per indicator where a value is missing: smoothing would change it.
    folder = Folder(source.limits, idempotent=False, categories=None)
    return *folder.fold(reader.nodes, reader.numbers[-1]), cards


def _load(source: Source, weighted: bool) -> Circuit:
    nodes, root, cards = read_nodes(source, weighted)
    return assemble(nodes, root, [f"X{v}" for v in range(len(cards))], {})


def _cards(head: str, limits: Limits) -> list[int]:
    if not re.fullmatch(r"\(\s*[0-9]+(\s+[0-9]+)*\s*\)", head):
        raise FileError("the first line holds the numbers of states, as in (2 2 3)")
    words = head.strip("()").split()
    if len(words) > limits.max_variables:
        raise FileError(
            f"more than {limits.max_variables} variables are not supported",
            hint=limits.way_out("max_variables"),
        )
    return [integer(word.encode(), "the number of states", 1, 2**20) for word in words]


def recognises(start: bytes) -> bool:
    """Whether the first two lines are numbers of states and a node."""
    return re.match(rb"\s*\([0-9 ]+\)\s*\n\s*[vn*+] ", start) is not None


AC = reading(
    "ac",
    "Libra arithmetic circuit",
    (".ac",),
    functools.partial(_load, weighted=False),
    recognises,
)
SPN = reading("spn", "Juice or Libra SPN", (".spn",), functools.partial(_load, weighted=True))
