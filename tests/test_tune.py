"""Options chosen on validation rows: the best of those tried, from rows that may be looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pccore import datasets
from pccore.completion import complete_rows, hidden_pixels, mean_squared_error
from pccore.datasets.augment import mirrored
from pccore.errors import DataError, OptionError
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from pccore.tune import COMPLETING, Target, completion_grid, tune

DIGITS = datasets.load("digits", limit=300)
IMAGE = DIGITS.image
OWN = Target(folds=1)
GRID = {"delta": ((4,), (2,)), "units": (2, 12), "variance_floor": (0.3,)}


def same(a, b) -> bool:
    return a.params.equal(b.params)


def test_the_best_of_the_trials_is_built_from_all_rows():
    told: list[int] = []
    found = tune(
        "pd", DIGITS, GRID, settings=COMPLETING, target=OWN, listener=lambda t, n: told.append(n)
    )
    assert told == [4, 4, 4, 4]  # one to begin with, one for each further value, no mirror images
    assert found.best.score == min(trial.score for trial in found.trials)
    assert found.best.options == {"delta": (2,), "units": 12, "variance_floor": 0.3}
    assert not found.best.mirror  # digits are no longer digits
    rows = np.concatenate([DIGITS.train, DIGITS.valid])
    whole = replace(DIGITS, train=rows, labels={})
    assert same(
        found.circuit,
        build_structure("pd", shape_of(whole), {**COMPLETING, **found.best.options}),
    )


def test_the_score_is_the_error_of_both_completions():
    found = tune(
        "pd", DIGITS, {"units": (5,)}, settings=COMPLETING, target=Target(mirror=False, folds=1)
    )
    circuit = build_structure("pd", shape_of(DIGITS), {**COMPLETING, "units": 5})
    assert IMAGE is not None
    errors = []
    for half in ("left", "bottom"):
        hidden = hidden_pixels(half, IMAGE)
        guess = complete_rows(circuit, DIGITS.valid, hidden, "mean", IMAGE)
        errors.append(mean_squared_error(DIGITS.valid, guess, hidden, IMAGE))
    assert found.best.score == pytest.approx(np.mean(errors))


def test_few_rows_take_turns_at_validating():
    rows = np.concatenate([DIGITS.train, DIGITS.valid])
    blocks = np.array_split(np.arange(len(rows)), 3)
    target = Target(mirror=False, folds=3)
    found = tune("pd", DIGITS, {"units": (5,)}, settings=COMPLETING, target=target)
    scores = []
    for block in blocks:
        part = replace(DIGITS, train=np.delete(rows, block, axis=0), valid=rows[block], labels={})
        own = Target(mirror=False, folds=1)
        one = tune("pd", part, {"units": (5,)}, settings=COMPLETING, target=own)
        scores.append(one.best.score)
    mean = np.average(scores, weights=[len(block) for block in blocks])
    assert found.best.score == pytest.approx(mean)
    assert found.options == {**COMPLETING, "units": 5}


def test_by_likelihood_on_data_that_are_no_images():
    table = replace(datasets.load("digits"), image=None)
    grid = {"components": (1, 8)}
    target = Target("likelihood", folds=1)
    found = tune("naive_bayes", table, grid, settings={"start": "clusters"}, target=target)
    options = {"start": "clusters", "components": 8}
    circuit = build_structure("naive_bayes", shape_of(table), options)
    expected = float(log_likelihood(circuit, torch.tensor(table.valid)).double().mean())
    assert found.best.options == {"components": 8} and found.best.score == pytest.approx(expected)
    assert found.best.score > found.trials[0].score


def test_mirror_images_where_they_help():
    # Nothing in the training rows looks like the validation rows, but their mirror images do.
    generator = np.random.default_rng(0)
    assert IMAGE is not None
    picture = np.zeros((60, 8, 8), dtype=np.float32)
    picture[:, :, :4] = generator.choice([2.0, 14.0], (60, 8, 1))
    rows = picture.reshape(60, 64)
    other = picture[:, :, ::-1].reshape(60, 64)
    data = replace(DIGITS, train=rows, valid=other[:30], test=other[30:], labels={})
    found = tune("pd", data, {"units": (3,)}, settings=COMPLETING, target=OWN)
    assert found.best.mirror
    whole = replace(data, train=np.concatenate([rows, other[:30]]))
    expected = build_structure("pd", shape_of(mirrored(whole)), {**COMPLETING, "units": 3})
    assert same(found.circuit, expected)


def test_test_rows_are_not_looked_at():
    nothing = replace(DIGITS, test=DIGITS.test[:0], labels={})
    settings = {**COMPLETING, "units": 4}
    grid = {"delta": ((4,),)}
    found = [tune("pd", data, grid, settings=settings, target=OWN) for data in (DIGITS, nothing)]
    assert same(found[0].circuit, found[1].circuit)


def test_few_rows_for_the_trials():
    found = tune(
        "pd", DIGITS, {"units": (4,)}, settings=COMPLETING, target=Target(rows=50, folds=1)
    )
    rows = DIGITS.train[np.linspace(0, len(DIGITS.train) - 1, 50).round().astype(int)]
    valid = DIGITS.valid[np.linspace(0, len(DIGITS.valid) - 1, 5).round().astype(int)]
    again = replace(DIGITS, train=rows, valid=valid, labels={})
    expected = tune("pd", again, {"units": (4,)}, settings=COMPLETING, target=OWN)
    assert [t.score for t in found.trials] == [t.score for t in expected.trials]


def test_what_is_tried_by_itself_suits_the_size():
    assert IMAGE is not None
    assert completion_grid(IMAGE)["delta"] == ((2,),)
    large = datasets.ImageShape(64, 48)
    assert completion_grid(large)["delta"] == ((13,), (11,))


def test_refused():
    with pytest.raises(DataError, match="validation"):
        tune("pd", datasets.load("digits", valid=False), GRID, target=OWN)
    with pytest.raises(DataError, match="images"):
        tune("rat", replace(DIGITS, image=None), {"units": (2,)})
    with pytest.raises(OptionError, match="rat"):
        tune("rat", DIGITS)
    with pytest.raises(OptionError, match="units"):
        tune("rat", DIGITS, {"units": ()})
    with pytest.raises(OptionError, match="flavour"):
        tune("rat", DIGITS, {"flavour": (1,)})


def test_what_may_be_chance_does_not_replace_what_the_search_begins_with():
    table = replace(datasets.load("digits"), image=None)
    settings = {"start": "clusters", "components": 8}
    target = Target("likelihood", folds=1, rows=300)
    found = tune("naive_bayes", table, {"seed": range(5)}, settings=settings, target=target)
    assert found.best.options == {"seed": 0}
    assert max(trial.score for trial in found.trials) > found.best.score
