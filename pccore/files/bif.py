"""Bayesian networks in the interchange format (.bif), compiled to circuits exactly.

Variables keep their names; state s is the s-th of the variable's states, whose names are in the
notes of the circuit (`meta["states"]`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from pccore.errors import FileError
from pccore.files import checks
from pccore.files.base import Limits, Source
from pccore.files.importing.elimination import Factor, FloatArray, compile_factors
from pccore.files.importing.formats import reading
from pccore.graph import Circuit, Json

_TOKEN = re.compile(
    r'(?P<space>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>"[^"\n]*")|(?P<mark>[{}()\[\]|,;])'
    r'|(?P<word>[^\s{}()\[\]|,;"]+)',
    re.DOTALL,
)


class _Tokens:
    """Words and marks, each with its line."""

    def __init__(self, text: str) -> None:
        self._found = self._all(text)
        self.line = 1
        self.token = ""
        self.step()

    def _all(self, text: str) -> Iterator[tuple[str, int]]:
        line, at = 1, 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or (match[0].startswith("/*") and match.lastgroup == "word"):
                raise FileError("a text or comment does not end", where=f"line {line}")
            if match.lastgroup != "space":
                yield match[0], line
            line += match[0].count("\n")
            at = match.end()

    def step(self) -> str:
        """The present token; the next one becomes the present one ("" at the end)."""
        now = self.token
        self.token, self.line = next(self._found, ("", self.line))
        return now

    def at(self, *marks: str) -> bool:
        """Whether the present token is one of these."""
        return self.token in marks

    def fail(self, what: str) -> FileError:
        """An error at the present token."""
        shown = ascii(self.token[:40]) if self.token else "the end of the file"
        return FileError(f"{what} is expected, not {shown}", where=f"line {self.line}")

    def take(self, mark: str) -> None:
        """Step over `mark`. Raises FileError if something else is there."""
        if self.token != mark:
            raise self.fail(repr(mark))
        self.step()

    def name(self, limits: Limits) -> str:
        """A word or quoted text, as a name."""
        if not self.token or self.token in "{}()[]|,;":
            raise self.fail("a name")
        where = f"line {self.line}"
        return checks.name(self.step().strip('"'), "the name", limits, where)

    def skip_statement(self) -> None:
        """Step behind the next semicolon."""
        while self.token != ";":
            if self.token in ("", "{", "}"):
                raise self.fail("';'")
            self.step()
        self.step()

    def numbers(self) -> list[float]:
        """Numbers up to the next semicolon, with or without commas."""
        values: list[float] = []
        while self.token != ";":
            if self.token == ",":
                self.step()
                continue
            try:
                value = float(self.token)
            except ValueError:
                raise self.fail("a probability") from None
            if not 0 <= value < math.inf:
                raise self.fail("a probability")
            values.append(value)
            self.step()
        self.step()
        return values


class _Network:
    """Variables with their states, and a table for each variable."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.numbers: dict[str, int] = {}
        self.states: list[dict[str, int]] = []
        self.factors: dict[int, Factor] = {}
        self._room = limits.max_text_size

    def read(self, tokens: _Tokens) -> None:
        """Every block of the file."""
        while tokens.token:
            word = tokens.step()
            if word == "network":
                while not tokens.at("{"):
                    tokens.name(self.limits)
                tokens.step()
                self._properties(tokens)
            elif word == "variable":
                self._variable(tokens)
            elif word == "probability":
                self._probability(tokens)
            else:
                raise FileError(
                    f"a block is network, variable or probability, not {word[:40]!a}",
                    where=f"line {tokens.line}",
                )

    def _properties(self, tokens: _Tokens) -> None:
        while not tokens.at("}"):
            tokens.skip_statement()
        tokens.step()

    def _variable(self, tokens: _Tokens) -> None:
        where = f"line {tokens.line}"
        name = tokens.name(self.limits)
        if name in self.numbers:
            raise FileError(f"two variables are named {checks.shown(name)}", where=where)
        tokens.take("{")
        states: dict[str, int] = {}
        while not tokens.at("}"):
            if not tokens.at("type"):
                tokens.skip_statement()
                continue
            tokens.step()
            tokens.take("discrete")
            while tokens.at("[", "]") or tokens.token.isdecimal():
                tokens.step()
            tokens.take("{")
            while not tokens.at("}"):
                if tokens.at(","):
                    tokens.step()
                    continue
                state = tokens.name(self.limits)
                if state in states:
                    raise FileError(
                        f"two states of {name} are named {checks.shown(state)}", where=where
                    )
                states[state] = len(states)
            tokens.step()
            if tokens.at(";"):
                tokens.step()
        tokens.step()
        if not states:
            raise FileError(f"variable {checks.shown(name)} has no states", where=where)
        self.numbers[name] = len(self.states)
        self.states.append(states)

    def _known(self, tokens: _Tokens) -> int:
        where = f"line {tokens.line}"
        name = tokens.name(self.limits)
        if name not in self.numbers:
            raise FileError(f"there is no variable {checks.shown(name)} before", where=where)
        return self.numbers[name]

    def _probability(self, tokens: _Tokens) -> None:
        where = f"line {tokens.line}"
        tokens.take("(")
        own, parents = self._known(tokens), list[int]()
        if tokens.at("|"):  # older files leave it out
            tokens.step()
        while not tokens.at(")"):
            parents.append(self._known(tokens))
            if tokens.at(","):
                tokens.step()
        tokens.take(")")
        if len({own, *parents}) != 1 + len(parents) or len(parents) > 29:
            raise FileError("a variable is mentioned twice, or has too many parents", where=where)
        if own in self.factors:
            raise FileError("the variable has a table already", where=where)
        shape = [len(self.states[v]) for v in (*parents, own)]
        self._room -= math.prod(shape)
        if self._room < 0:
            raise FileError("the tables are too large", where=where)
        table = self._table(tokens, parents, shape)
        if np.isnan(table).any():
            raise FileError("the table has no entry for some states", where=where)
        self.factors[own] = Factor((*parents, own), table)

    def _table(self, tokens: _Tokens, parents: list[int], shape: list[int]) -> FloatArray:
        tokens.take("{")
        table, rows = np.full(shape, np.nan), math.prod(shape[:-1])
        default: list[float] | None = None
        while not tokens.at("}"):
            where = f"line {tokens.line}"
            word = tokens.step()
            if word == "(":
                key = self._key(tokens, parents)
                table[key] = _fitting(tokens.numbers(), shape[-1], where)
            elif word == "table":
                # The variable itself is the slowest, as in the interchange format's own examples.
                values = _fitting(tokens.numbers(), rows * shape[-1], where)
                whole = np.array(values).reshape(shape[-1], *shape[:-1])
                table = np.ascontiguousarray(np.moveaxis(whole, 0, -1))
            elif word == "default":
                default = _fitting(tokens.numbers(), shape[-1], where)
            elif word == "property":
                tokens.skip_statement()
            else:
                raise FileError(f"{word[:40]!a} is not expected here", where=where)
        tokens.step()
        return table if default is None else np.where(np.isnan(table), np.array(default), table)

    def _key(self, tokens: _Tokens, parents: list[int]) -> tuple[int, ...]:
        where = f"line {tokens.line}"
        key: list[int] = []
        while not tokens.at(")"):
            state = tokens.name(self.limits)
            if len(key) >= len(parents) or state not in self.states[parents[len(key)]]:
                raise FileError(f"{checks.shown(state)} is no state of the parent", where=where)
            key.append(self.states[parents[len(key)]][state])
            if tokens.at(","):
                tokens.step()
        tokens.step()
        if len(key) != len(parents):
            raise FileError(f"{len(parents)} states are expected, not {len(key)}", where=where)
        return tuple(key)


def _fitting(values: list[float], count: int, where: str) -> list[float]:
    if len(values) != count:
        raise FileError(f"{count} probabilities are expected, not {len(values)}", where=where)
    return values


def load(source: Source) -> Circuit:
    """The circuit of a Bayesian network. Raises FileError with the line, also for a treewidth that
    is too large."""
    if source.size > source.limits.max_json_bytes:
        raise FileError(
            f"{source.size} bytes are too many for a network",
            hint=source.limits.way_out("max_json_bytes"),
        )
    data = source.stream.read(source.size)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:  # the programs of the time wrote what they were given
        text = data.decode("latin-1")
    network = _Network(source.limits)
    network.read(_Tokens(text))
    names = list(network.numbers)
    for name, number in network.numbers.items():
        if number not in network.factors:
            raise FileError(f"variable {checks.shown(name)} has no probabilities")
    if not names:
        raise FileError("there are no variables")
    states: dict[str, Json] = {n: list(network.states[v]) for n, v in network.numbers.items()}
    many = sum(len(s) for s in network.states) > source.limits.max_meta_values // 2
    meta: dict[str, Json] = {} if many else {"states": states}
    cards = [len(states) for states in network.states]
    factors = [network.factors[v] for v in range(len(cards))]
    return compile_factors(factors, cards, names, meta, source.limits)


def recognises(start: bytes) -> bool:
    """Whether the first word is that of a network and a block follows."""
    return re.match(rb"\s*network\b[^{\n]*\{", start) is not None


BIF = reading("bif", "BIF Bayesian network", (".bif",), load, recognises)
