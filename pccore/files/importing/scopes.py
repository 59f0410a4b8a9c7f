"""Scopes of very many nodes: equal ones are one object, unions are remembered."""

from __future__ import annotations

from collections.abc import Iterable

from pccore.errors import FileError
from pccore.files.base import Limits


def spread(bits: int) -> tuple[int, int]:
    """A key for a set: the hash of an integer alone is the same for 1 << v and 1 << (v + 61)."""
    return bits.bit_length(), bits


class Scopes:
    """Sets of variables by number: `bits[k]` is set k; number 0 is the empty set.

    room: the bits that further sets may take.
    """

    def __init__(self, limits: Limits) -> None:
        self.bits: list[int] = [0]
        self._numbers: dict[tuple[int, int], int] = {spread(0): 0}
        self._unions: dict[tuple[int, int], int] = {}
        # Unlike in our own files, a few bytes here can ask for very many scopes.
        self.room = limits.max_scope_bits // 8
        self._hint = limits.way_out("max_scope_bits")

    def number(self, bits: int) -> int:
        """The number of a set. Raises FileError where all sets together are too large."""
        key = spread(bits)
        found = self._numbers.get(key)
        if found is None:
            # Some 600 bits are what the entries cost, whatever the set.
            self.room -= bits.bit_length() + 600
            if self.room < 0:
                raise FileError("the scopes of all nodes together are too large", hint=self._hint)
            found = self._numbers[key] = len(self.bits)
            self.bits.append(bits)
        return found

    def union(self, numbers: Iterable[int]) -> int:
        """The number of the union of some sets."""
        total = 0
        for other in numbers:
            if other != total:
                key = (total, other)
                found = self._unions.get(key)
                if found is None:
                    found = self.number(self.bits[total] | self.bits[other])
                    self._unions[key] = found
                total = found
        return total
