"""Sets of variables as frozen bitsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=False)
class Scope:
    """A set of variable indices, stored as the bits of one integer.

    Union, intersection and difference are single integer operations, so scopes of
    thousands of variables stay cheap. Build with `Scope.of` or `Scope.from_iterable`.
    """

    bits: int = 0

    @classmethod
    def of(cls, *variables: int) -> Scope:
        """Scope of the given variable indices (each >= 0)."""
        return cls.from_iterable(variables)

    @classmethod
    def from_iterable(cls, variables: Iterable[int]) -> Scope:
        """Scope of the variable indices in `variables` (each >= 0)."""
        bits = 0
        for variable in variables:
            bits |= 1 << variable
        return cls(bits)

    @classmethod
    def full(cls, count: int) -> Scope:
        """Scope of the variables 0 .. count - 1."""
        return cls((1 << count) - 1)

    def __or__(self, other: Scope) -> Scope:
        return Scope(self.bits | other.bits)

    def __and__(self, other: Scope) -> Scope:
        return Scope(self.bits & other.bits)

    def __sub__(self, other: Scope) -> Scope:
        return Scope(self.bits & ~other.bits)

    def __le__(self, other: Scope) -> bool:
        return self.bits & ~other.bits == 0

    def __lt__(self, other: Scope) -> bool:
        return self <= other and self.bits != other.bits

    def isdisjoint(self, other: Scope) -> bool:
        """Whether no variable is in both."""
        return self.bits & other.bits == 0

    def __contains__(self, variable: int) -> bool:
        return bool(self.bits >> variable & 1)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __bool__(self) -> bool:
        return self.bits != 0

    def __iter__(self) -> Iterator[int]:
        """Variable indices in ascending order."""
        bits = self.bits
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def pretty(self, names: Sequence[str] | None = None, limit: int = 8) -> str:
        """Readable form such as `{X0..X3, X7}`; runs of three or more are abbreviated.

        At most `limit` runs are written out, the rest is counted.
        """
        runs: list[list[int]] = []
        for variable in self:
            if runs and variable == runs[-1][1] + 1:
                runs[-1][1] = variable
            else:
                runs.append([variable, variable])

        def name(variable: int) -> str:
            return names[variable] if names is not None else f"X{variable}"

        parts: list[str] = []
        for first, last in runs[:limit]:
            if last - first >= 2:
                parts.append(f"{name(first)}..{name(last)}")
            else:
                parts.extend(name(v) for v in range(first, last + 1))
        if len(runs) > limit:
            rest = sum(last - first + 1 for first, last in runs[limit:])
            parts.append(f"and {rest} more")
        return "{" + ", ".join(parts) + "}"

    def __repr__(self) -> str:
        return f"Scope{self.pretty()}"
