"""The sentences keep the rules of their grammar."""

from __future__ import annotations

from pccore.datasets import load


def test_sentences_are_words_and_then_full_stops() -> None:
    data = load("sentences")
    (vocabulary,) = set(data.categories.values())
    assert vocabulary[0] == "." and len(vocabulary) == 92
    for split in (data.train, data.valid, data.test):
        ended = split == 0
        assert ended[:, -1].all()
        assert (ended[:, 1:] >= ended[:, :-1]).all()


def test_verbs_agree_with_their_subjects() -> None:
    data = load("sentences")
    vocabulary = data.categories["word 1"]
    texts = [" ".join(vocabulary[int(c)] for c in row) for row in data.train]
    assert any("the cat sleeps" in text for text in texts)
    for wrong in (
        "cats sleeps",
        "cat sleep ",
        "every dogs",
        "some dog ",
        "ball eats",
        "child eats",
    ):
        assert not any(wrong in text for text in texts), wrong
