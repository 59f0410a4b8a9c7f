"""Sentences of a small English grammar, one word a column: sequences with agreement and memory.

A subject decides the number of its verb across what stands between them, verbs decide what they
take, animals eat and things do not. Words are codes; `categories` names them. Short sentences
end in full stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from pccore.datasets.base import Bundled, Dataset
from pccore.leaves.base import Support

_Words = Mapping[str, str]  # one -> many

LENGTH = 12
_ROWS = (6000, 1000, 1000)
_SEED = 2023
_DESCRIPTION = "English sentences of a small grammar, up to 11 words from a vocabulary of 92"

_ANIMALS: _Words = MappingProxyType({
    "cat": "cats", "dog": "dogs", "bird": "birds", "fox": "foxes", "mouse": "mice",
    "horse": "horses",
})  # fmt: skip
_PEOPLE: _Words = MappingProxyType(
    {"teacher": "teachers", "child": "children", "farmer": "farmers", "queen": "queens"}
)
_THINGS: _Words = MappingProxyType({
    "ball": "balls", "house": "houses", "tree": "trees", "book": "books", "boat": "boats",
    "apple": "apples", "stone": "stones",
})  # fmt: skip
_SEEING: _Words = MappingProxyType(
    {"sees": "see", "finds": "find", "likes": "like", "watches": "watch"}
)
_EATING: _Words = MappingProxyType({"eats": "eat", "bites": "bite"})
_READING: _Words = MappingProxyType({"reads": "read", "writes": "write"})
_RESTING: _Words = MappingProxyType(
    {"sleeps": "sleep", "waits": "wait", "runs": "run", "sings": "sing"}
)
_SAYING: _Words = MappingProxyType({"says": "say", "thinks": "think"})
_FOOD = ("apple", "apples", "mouse", "mice", "bird", "birds")
_LIVELY = ("young", "old", "hungry", "happy", "quiet")
_PLAIN = ("old", "small", "red", "green", "heavy")
_PLACES = ("garden", "river", "forest", "town", "field")
_NEAR = ("in", "near", "behind")
_WHEN = ("today", "often", "now", "again")


class _Writer:
    def __init__(self) -> None:
        self._random = np.random.RandomState(_SEED)

    def _one(self, words: tuple[str, ...] | list[str]) -> str:
        return words[self._random.randint(len(words))]

    def _chance(self, share: float) -> bool:
        return bool(self._random.random_sample() < share)

    def _article(self, plural: bool) -> list[str]:
        if plural:
            return [self._one(("the", "some", "many", "two"))] if self._chance(0.8) else []
        return [self._one(("the", "a", "this", "every"))]

    def _noun(self, words: _Words, plural: bool) -> str:
        single = self._one(list(words))
        return words[single] if plural else single

    def _phrase(self, words: _Words, qualities: tuple[str, ...]) -> tuple[list[str], bool]:
        """Article, quality, noun; and whether it is many."""
        plural = self._chance(0.4)
        quality = [self._one(qualities)] if self._chance(0.35) else []
        return [*self._article(plural), *quality, self._noun(words, plural)], plural

    def _place(self) -> list[str]:
        return [self._one(_NEAR), "the", self._one(_PLACES)]

    def _verb(self, words: _Words, plural: bool) -> str:
        single = self._one(list(words))
        return words[single] if plural else single

    def sentence(self) -> list[str]:
        """Words without the full stop."""
        person = self._chance(0.5)
        subject, plural = self._phrase(_PEOPLE if person else _ANIMALS, _LIVELY)
        if self._chance(0.25):
            subject += self._place()
        kind = self._random.random_sample()
        if kind < 0.3:
            rest = [self._verb(_RESTING, plural)]
            if self._chance(0.5):
                rest += self._place()
        elif kind < 0.7 or (person and kind < 0.75):
            seen = (
                self._phrase(_THINGS, _PLAIN)
                if self._chance(0.6)
                else self._phrase(_ANIMALS, _LIVELY)
            )
            rest = [self._verb(_SEEING, plural), *seen[0]]
        elif not person:
            rest = [self._verb(_EATING, plural), "the", self._one(_FOOD)]
        elif kind < 0.88:
            rest = [self._verb(_READING, plural), *self._article(False), "book"]
        else:
            who, many = self._phrase(_ANIMALS, _LIVELY)
            rest = [self._verb(_SAYING, plural), "that", *who, self._verb(_RESTING, many)]
        if self._chance(0.25):
            rest.append(self._one(_WHEN))
        return [*subject, *rest]


@lru_cache(maxsize=1)
def make() -> Dataset:
    """Sentences of fewer words than columns; the rest of a row is full stops."""
    writer = _Writer()
    texts: list[list[str]] = []
    while len(texts) < sum(_ROWS):
        words = writer.sentence()
        if len(words) < LENGTH:
            texts.append(words + ["."] * (LENGTH - len(words)))
    vocabulary = (".", *sorted({word for text in texts for word in text} - {"."}))
    code = {word: number for number, word in enumerate(vocabulary)}
    rows = np.array([[code[word] for word in text] for text in texts], dtype=np.float32)
    train, valid, test = np.split(rows, np.cumsum(_ROWS)[:-1])
    names = tuple(f"word {t + 1}" for t in range(LENGTH))
    return Dataset(
        name="sentences",
        train=train,
        valid=valid,
        test=test,
        variables=names,
        supports=(Support("finite", len(vocabulary)),) * LENGTH,
        description=_DESCRIPTION,
        categories=dict.fromkeys(names, vocabulary),
    )


SENTENCES = Bundled("sentences", _DESCRIPTION, _ROWS, LENGTH, make)
