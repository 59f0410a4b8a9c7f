"""The shared prior of leaves: pseudo-observations like what all units of a region have seen."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from pccore.build import bernoulli, circuit, mix
from pccore.compile import compile_circuit
from pccore.compile.banks import LeafBank
from pccore.datasets import load
from pccore.graph import LeafGroup
from pccore.learn.em import UNIFORM_SHARE, EMOptions, FullEM, OnlineEM, OnlineEMOptions
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.params import Params
from pccore.structures import build_structure, shape_of

PRIORS: tuple[Literal["uniform"], Literal["shared"]] = ("uniform", "shared")
FAMILIES = (Bernoulli(), Binomial(6), Categorical(5), Categorical(200), Gaussian())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_the_shared_observations_are_those_of_the_group(family: LeafFamily) -> None:
    generator = torch.Generator().manual_seed(0)
    stored = family.initial((3, 4), generator, None)
    bank = LeafBank(("a",), [stored], family, torch.device("cpu"), torch.float64)
    statistics = bank.zero_statistics()
    x = torch.randint(0, 2, (3, 4, 7), generator=generator).double()
    counts = bank.counts(statistics)
    shift = 0.0 if bank.shift is None else bank.shift[0].unsqueeze(-1)
    counts[0] += family.sufficient_statistics(x - shift).sum(2)
    counts[0, :, 3] = 0  # a unit that has seen nothing
    before = bank.absolute(counts).clone()
    bank.share(statistics, 2.0)
    gained = bank.absolute(bank.counts(statistics)) - before
    torch.testing.assert_close(gained[:, :, 3], torch.zeros_like(gained[:, :, 3]))
    whole = before.sum(2) * (2.0 / 21)  # of three units with seven observations each
    torch.testing.assert_close(gained[:, :, :3], whole.unsqueeze(2).expand(-1, -1, 3, -1).clone())


def test_em_with_a_shared_prior_by_hand() -> None:
    """Two Bernoullis that know which rows are theirs: counts, and 4 observations of all rows."""
    sides = [bernoulli("A", p) * bernoulli("B", 0.5) for p in (1e-9, 1 - 1e-9)]
    model = circuit(mix([0.5, 0.5], sides))
    x = torch.tensor([[0.0, 0], [0, 1], [0, 1], [1, 1]])
    program = compile_circuit(model, dtype=torch.float64)
    learner = FullEM(program, 4, EMOptions(pseudocount=4.0, prior="shared"))
    learner.batch(x)
    learner.end_epoch()
    leaves = [g for g in model.groups if isinstance(g, LeafGroup)]
    assert all(leaf.size == 1 for leaf in leaves)  # so that what they share is their own
    rare = next(float(program.params[g.parameter]) for g in leaves if g.variables == (1,))
    own = 2 / 3
    expected = (2 + 4 * (1 - UNIFORM_SHARE) * own + 2 * UNIFORM_SHARE) / (3 + 4)
    assert rare == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("prior", ["uniform", "shared"])
def test_units_are_pulled_to_what_they_share(prior: Literal["uniform", "shared"]) -> None:
    data = load("digits")
    made = build_structure("rat", shape_of(data), {"units": 3, "replicas": 1, "depth": 1})
    program = compile_circuit(made)
    options = OnlineEMOptions(step=1.0, pseudocount=100.0, prior=prior)
    OnlineEM(program, 300, options).batch(torch.tensor(data.train[:300]))
    leaves = [g for g in made.groups if isinstance(g, LeafGroup)]
    corner = next(g for g in leaves if 0 in g.variables)
    black = program.params[corner.parameter][corner.variables.index(0), :, 0]
    # The first pixel is black in every image.
    assert (float(black.min()) > 0.9) == (prior == "shared")


def test_without_pseudocount_the_priors_are_the_same() -> None:
    data = load("digits")
    made = build_structure("rat", shape_of(data), {"units": 3, "replicas": 2})
    results: list[Params] = []
    for prior in PRIORS:
        program = compile_circuit(made)
        learner = OnlineEM(program, 100, OnlineEMOptions(pseudocount=0.0, prior=prior))
        learner.batch(torch.tensor(data.train[:100]))
        results.append(program.params)
    assert results[0].equal(results[1])
