"""Sequences of words: a sentence typed with blanks, its words as values, what fills the blanks."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pccore.datasets import Dataset
from pccore.errors import EvidenceError
from pccore.graph import Circuit

#: What stands for a word that is not known, when shown and when typed.
BLANK = "___"
#: Share of the rows that end in a word for it to be what fills up short rows.
FILLING = 0.9


def vocabulary(circuit: Circuit, dataset: Dataset) -> tuple[str, ...] | None:
    """The words of a dataset whose rows are sequences that the circuit is about, else None."""
    names = dataset.variables
    if names != circuit.variables or len(names) < 2:
        return None
    words = dataset.categories.get(names[0])
    if words is None or any(dataset.categories.get(name) != words for name in names):
        return None
    states = [circuit.domain(v).states if v in circuit.domains else 0 for v in range(len(names))]
    return words if all(count == len(words) for count in states) else None


def filling(dataset: Dataset) -> int | None:
    """The word that rows shorter than the columns are filled up with, None where none is."""
    last = dataset.train[:, -1]
    values, counts = np.unique(last[~np.isnan(last)], return_counts=True)
    if not len(values) or counts.max() < FILLING * len(last):
        return None
    return int(values[counts.argmax()])


def parse(text: str, words: Sequence[str], length: int, fill: int | None) -> list[int | None]:
    """The words of a sentence, None for blanks, which are runs of underscores or `?`.

    A sentence that ends with the word that fills up rows is filled up with it; otherwise what
    follows is open. Raises EvidenceError for an unknown word, naming ones like it, and for too
    many words.
    """
    known = {word: number for number, word in enumerate(words)}
    found: list[int | None] = []
    for word in _split(text, known):
        if re.fullmatch(r"_+|\?|…", word):
            found.append(None)
        elif word in known or word.lower() in known:
            found.append(known.get(word, known.get(word.lower())))
        else:
            near = difflib.get_close_matches(word.lower(), list(words), 4, 0.5)
            hint = f"near it are {', '.join(near)}" if near else None
            raise EvidenceError(f"the model does not know the word {word[:40]!r}", hint=hint)
    while len(found) > length and fill is not None and found[-1] == fill:
        found.pop()
    if len(found) > length:
        raise EvidenceError(f"the model has room for {length} words, not {len(found)}")
    rest = fill if found and fill is not None and found[-1] == fill else None
    return [*found, *[rest] * (length - len(found))]


def _split(text: str, known: Collection[str]) -> list[str]:
    """Words; a stop at the end of one is a word where it is known as such."""
    found: list[str] = []
    for part in text.split():
        stopped = len(part) > 1 and part[-1] in known and part not in known
        found += [part[:-1], part[-1]] if stopped else [part]
    return found


def text(
    row: Sequence[float] | np.ndarray, words: Sequence[str], marked: Sequence[int] = ()
) -> str:
    """A row as a sentence: blanks shown, repeats of the last word left out, marked words in
    brackets."""
    parts = [BLANK if math.isnan(value) else words[int(value)] for value in row]
    end = len(parts)
    while end > 1 and parts[end - 1] == parts[end - 2] != BLANK:
        end -= 1
    end = max(end, max(marked, default=0) + 1)
    return " ".join(f"[{p}]" if i in marked else p for i, p in enumerate(parts[:end]))


@dataclass(frozen=True)
class Blank:
    """A blank and what fills it: (word, P(word | the other words)), the most probable first."""

    place: int
    ranked: tuple[tuple[int, float], ...]


def blanks(
    row: np.ndarray, tables: Sequence[np.ndarray], most: int = 8, until: int | None = None
) -> list[Blank]:
    """Ranked alternatives for each missing value of a row; tables: [C] of each variable.

    until: places from which on blanks are left out.
    """
    found: list[Blank] = []
    for place in np.flatnonzero(np.isnan(row))[:until].tolist():
        chances = tables[place]
        order = np.argsort(-chances, kind="stable")[:most]
        found.append(Blank(place, tuple((int(c), float(chances[c])) for c in order)))
    return found


def evidence(row: np.ndarray, variables: Sequence[str]) -> str:
    """What is known of a row, as the link writes it."""
    return ",".join(
        f"{name}={int(value)}"
        for name, value in zip(variables, row, strict=True)
        if not math.isnan(value)
    )
