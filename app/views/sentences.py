"""Sequences of words: a sentence typed with blanks, its words as values, what fills the blanks."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pccore.datasets import Dataset
from pccore.errors import EvidenceError
from pccore.evidence import write_evidence
from pccore.graph import Circuit

#: What stands for a word that is not known, when shown and when typed.
BLANK = "___"
#: What is less probable is no alternative.
LEAST = 0.001
#: Share of the rows that end in a word for it to be what fills up short rows.
FILLING = 0.9


@dataclass(frozen=True)
class Vocabulary:
    """words: by their code. fill: the code that rows shorter than the columns are filled up
    with, None where none is."""

    words: tuple[str, ...]
    fill: int | None

    def word(self, value: float) -> str:
        """The word of a value, a blank for NaN."""
        return BLANK if math.isnan(value) else self.words[int(value)]


def vocabulary(circuit: Circuit, dataset: Dataset) -> Vocabulary | None:
    """The words of a dataset whose rows are sequences that the circuit is about, else None."""
    names = dataset.variables
    if names != circuit.variables or len(names) < 2:
        return None
    words = dataset.categories.get(names[0])
    if words is None or any(dataset.categories.get(name) != words for name in names):
        return None
    states = [circuit.domain(v).states if v in circuit.domains else 0 for v in range(len(names))]
    if any(count != len(words) for count in states):
        return None
    return Vocabulary(words, _filling(dataset))


def _filling(dataset: Dataset) -> int | None:
    last = dataset.train[:, -1]
    values, counts = np.unique(last[~np.isnan(last)], return_counts=True)
    if not len(values) or counts.max() < FILLING * len(last):
        return None
    return int(values[counts.argmax()])


def parse(text: str, known_words: Vocabulary, length: int) -> np.ndarray:
    """The words of a sentence as a row, [length], NaN for blanks: runs of underscores, or `?`.

    A sentence that ends with the word that fills up rows is filled up with it; otherwise what
    follows is open. Raises EvidenceError for an unknown word, naming ones like it, and for too
    many words.
    """
    words, fill = known_words.words, known_words.fill
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
    row = [*found, *[rest] * (length - len(found))]
    return np.array([math.nan if one is None else one for one in row], dtype=np.float64)


def _split(text: str, known: Collection[str]) -> list[str]:
    """Words; a stop at the end of one is a word where it is known as such."""
    found: list[str] = []
    for part in text.split():
        stopped = len(part) > 1 and part[-1] in known and part not in known
        found += [part[:-1], part[-1]] if stopped else [part]
    return found


def parts(row: np.ndarray, words: Vocabulary, least: int = 0) -> list[str]:
    """A row as words with blanks, without the repeats at its end of a blank or of the word that
    fills it up; `least`: so many stay."""
    found = [words.word(value) for value in row]
    ends = {BLANK} if words.fill is None else {BLANK, words.words[words.fill]}
    end = len(found)
    while end > max(1, least) and found[end - 1] == found[end - 2] and found[end - 1] in ends:
        end -= 1
    return found[:end]


def text(row: np.ndarray, words: Vocabulary, marked: Sequence[int] = ()) -> str:
    """A row as a sentence, marked words in brackets."""
    found = parts(row, words, max(marked, default=-1) + 1)
    return " ".join(f"[{part}]" if i in marked else part for i, part in enumerate(found))


@dataclass(frozen=True)
class Blank:
    """A blank and what fills it: (word, P(word | the other words)), the most probable first."""

    place: int
    ranked: tuple[tuple[int, float], ...]


def blanks(row: np.ndarray, tables: Sequence[np.ndarray], most: int = 8) -> list[Blank]:
    """Ranked alternatives for each missing value of a row; tables: [C] of each variable."""
    found: list[Blank] = []
    for place in np.flatnonzero(np.isnan(row)).tolist():
        chances = tables[place]
        order = np.argsort(-chances, kind="stable")[:most]
        ranked = [(int(c), float(chances[c])) for c in order if chances[c] >= LEAST]
        found.append(Blank(place, tuple(ranked)))
    return found


def evidence(row: np.ndarray, circuit: Circuit) -> str:
    """What is known of a row, as the link writes it."""
    pairs = zip(circuit.variables, row.tolist(), strict=True)
    return write_evidence(circuit, {name: v for name, v in pairs if not math.isnan(v)})


def percent(chance: float) -> str:
    """A probability in a few characters."""
    return f"{100 * chance:.{1 if chance < 0.1 else 0}f} %"


def nats(value: float) -> str:
    """A log-probability with a proper minus."""
    return "−∞" if math.isinf(value) else f"{value:.2f}".replace("-", "−")


def code(model: str, row: np.ndarray, circuit: Circuit) -> tuple[str, str]:
    """(Python, command) that fill in the blanks of a row and say its hidden states."""
    given = {
        name: int(value)
        for name, value in zip(circuit.variables, row, strict=True)
        if not math.isnan(value)
    }
    python = (
        "from pccore.compile import compile_circuit\n"
        "from pccore.completion import fill_together, most_probable_states\n"
        "from pccore.files import load_model\n"
        "from pccore.queries import marginals, posterior_of, sample\n"
        "from pccore.transform import hidden_groups, hidden_names, with_states\n\n"
        f"circuit = load_model({model!r})\n"
        f"known = {given!r}\n"
        "print(marginals(circuit, known).probabilities)  # P(word | known) at each place\n"
        "print(fill_together(compile_circuit(circuit), known))\n"
        "print(sample(circuit, 5, known))\n"
        "groups = hidden_groups(circuit)\n"
        "whole = with_states(circuit, groups)\n"
        "print(posterior_of(whole, known, hidden_names(circuit, groups)))\n"
        "print(most_probable_states(circuit, groups, known))\n"
    )
    words = ["pccore", "query", model]
    if given:
        words += ["--evidence", evidence(row, circuit)]
    return python, shlex.join([*words, "--ask", "marginals"])
