"""How one value of the app's state is written in a link, and read back from a hostile one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

#: Separates the items of a list in a link; no item contains it.
SEPARATOR = "~"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Codec:
    """parse: text from a link to a value, raising ValueError; write: the value as text."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str


def text(pattern: str, longest: int) -> Codec:
    """A text that matches a pattern as a whole."""
    compiled = re.compile(pattern)

    def parse(given: str) -> str:
        if len(given) > longest or not compiled.fullmatch(given):
            raise ValueError("not of the expected form")
        return given

    return Codec(parse)


def printable(longest: int) -> Codec:
    """Any text without control characters."""

    def parse(given: str) -> str:
        if len(given) > longest or not given.isprintable():
            raise ValueError("not a printable text")
        return given

    return Codec(parse)


def choice(*values: str) -> Codec:
    """One of some words."""

    def parse(given: str) -> str:
        if given not in values:
            raise ValueError("not one of " + ", ".join(values))
        return given

    return Codec(parse)


def whole(minimum: int, maximum: int) -> Codec:
    """An integer in a range, ends included."""

    def parse(given: str) -> int:
        # int() would also take blanks, signs, underscores and other scripts' digits.
        if not re.fullmatch(r"[0-9]{1,12}", given) or not minimum <= int(given) <= maximum:
            raise ValueError(f"not a whole number from {minimum} to {maximum}")
        return int(given)

    return Codec(parse, lambda value: str(int(value)))


def items(pattern: str, most: int) -> Codec:
    """A tuple of short texts that match a pattern."""
    compiled = re.compile(pattern)

    def parse(given: str) -> tuple[str, ...]:
        if len(given) > 200 * most:
            raise ValueError("too long")
        parts = tuple(given.split(SEPARATOR)) if given else ()
        if len(parts) > most or not all(len(p) <= 200 and compiled.fullmatch(p) for p in parts):
            raise ValueError("not a list of ids")
        return parts

    return Codec(parse, SEPARATOR.join)


def pairs(most: int) -> Codec:
    """Options as (name, value text) pairs, written `name:value~name:value`."""
    one = re.compile(r"([a-z][a-z0-9_]{0,39}):([A-Za-z0-9_.,+\-]{0,80})")

    def parse(given: str) -> Pairs:
        if len(given) > 125 * most:
            raise ValueError("too long")
        found = [one.fullmatch(part) for part in given.split(SEPARATOR)] if given else []
        if len(found) > most or not all(found):
            raise ValueError("not a list of options")
        result = tuple((match[1], match[2]) for match in found if match)
        if len({name for name, _ in result}) < len(result):
            raise ValueError("an option is given twice")
        return result

    return Codec(parse, lambda value: SEPARATOR.join(f"{n}:{v}" for n, v in value))


def texts(most: int) -> Codec:
    """(name, text) pairs of any printable texts, percent-encoded: `X%201:0.2%200.8~Y:1%200`."""

    def parse(given: str) -> Pairs:
        if len(given) > 400 * most:
            raise ValueError("too long")
        parts = [part.split(":") for part in given.split(SEPARATOR)] if given else []
        if len(parts) > most or not all(len(part) == 2 for part in parts):
            raise ValueError("not a list of pairs")
        found = tuple((unquote(name), unquote(value)) for name, value in parts)
        if not all(n and len(n) <= 200 and (n + v).isprintable() for n, v in found):
            raise ValueError("not printable texts")
        if len({name for name, _ in found}) < len(found):
            raise ValueError("a name is given twice")
        return found

    def write(value: Pairs) -> str:
        escaped = ((quote(n, safe="").replace("~", "%7E"), quote(v, safe="")) for n, v in value)
        return SEPARATOR.join(f"{n}:{v.replace('~', '%7E')}" for n, v in escaped)

    return Codec(parse, write)
