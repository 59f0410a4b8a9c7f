"""Networks of the UAI competitions (.uai): BAYES and MARKOV, compiled to circuits exactly.

Variable v is column v; the table of a function lists its last variable fastest. The partition
function is that of the network: 1 for BAYES.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pccore.errors import FileError
from pccore.files.base import Limits, Source
from pccore.files.importing.elimination import Factor, compile_factors
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import at_line, integer, shown, words_of
from pccore.graph import Circuit


class _Words:
    """The words of a file one by one, with the line of the last one."""

    def __init__(self, source: Source) -> None:
        self.line = 0
        self._words = self._all(source)

    def _all(self, source: Source) -> Iterator[bytes]:
        for line, words in words_of(source, comment=None):
            self.line = line
            yield from words

    def next(self, what: str) -> bytes:
        """The next word. Raises FileError at the end."""
        word = next(self._words, None)
        if word is None:
            raise FileError(f"the file ends where {what} is expected", where=f"line {self.line}")
        return word

    def count(self, what: str, low: int, high: int) -> int:
        """The next word as an integer from `low` to `high`."""
        word = self.next(what)
        with at_line(self.line):
            return integer(word, what, low, high)

    def weight(self) -> float:
        """The next word as a finite number >= 0."""
        word = self.next("a table entry")
        with at_line(self.line):
            value = float(word)
            if not 0 <= value < math.inf:
                raise FileError(f"the table entry {shown(word)} is not a finite number >= 0")
        return value


def load(source: Source) -> Circuit:
    """The circuit of a network. Raises FileError with the line, also for a treewidth that is too
    large."""
    words = _Words(source)
    kind = words.next("BAYES or MARKOV").upper()
    if kind not in (b"BAYES", b"MARKOV"):
        raise FileError(
            f"a network starts with BAYES or MARKOV, not {shown(kind)}", where=f"line {words.line}"
        )
    limits = source.limits
    variables = words.count("the number of variables", 1, limits.max_variables)
    cards = [words.count("the number of states", 1, 2**20) for _ in range(variables)]
    count = words.count("the number of functions", 0, source.size)
    scopes = [_scope(words, variables) for _ in range(count)]
    factors = [_factor(words, scope, cards, limits) for scope in scopes]
    return compile_factors(factors, cards, [f"X{v}" for v in range(variables)], {}, limits)


def _scope(words: _Words, variables: int) -> tuple[int, ...]:
    count = words.count("the number of variables of a function", 0, min(30, variables))
    scope = tuple(words.count("a variable", 0, variables - 1) for _ in range(count))
    if len(set(scope)) != count:
        raise FileError("a function mentions a variable twice", where=f"line {words.line}")
    return scope


def _factor(words: _Words, scope: tuple[int, ...], cards: list[int], limits: Limits) -> Factor:
    shape = tuple(cards[v] for v in scope)
    size = math.prod(shape)
    stated = words.count("the size of a table", 0, limits.max_text_size)
    if stated != size:
        raise FileError(
            f"a table over {size} states has {stated} entries", where=f"line {words.line}"
        )
    return Factor(scope, np.array([words.weight() for _ in range(size)]).reshape(shape))


def recognises(start: bytes) -> bool:
    """Whether the first word is that of a network."""
    return start.split(maxsplit=1)[:1] in ([b"BAYES"], [b"MARKOV"])


UAI = reading("uai", "UAI network", (".uai",), load, recognises)
