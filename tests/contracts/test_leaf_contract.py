"""What every leaf family has to satisfy; a new file in pccore/leaves is picked up by itself."""

import json
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest
import torch
from torch import Tensor, distributions

from pccore.errors import NotFoundError, ParameterError
from pccore.leaves import LeafFamily, Summary, families, family_from_dict
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.histogram import Histogram
from pccore.leaves.indicator import Indicator
from pccore.leaves.poisson import Poisson

#: Hyperparameters worth testing; other families are tested with their defaults.
HYPERPARAMETERS: Mapping[str, tuple[Mapping[str, float], ...]] = MappingProxyType(
    {
        "binomial": ({"trials": 1}, {"trials": 16}, {"trials": 255}),
        "categorical": ({"categories": 1}, {"categories": 2}, {"categories": 17}),
        "indicator": ({"categories": 2}, {"categories": 5}),
        "histogram": ({"categories": 3},),
        "gaussian": ({}, {"min_variance": 0.2, "max_variance": 3.0}),
    }
)
#: The same distribution in torch.
TWINS: Mapping[str, Callable[[LeafFamily, Tensor], distributions.Distribution]] = MappingProxyType(
    {
        "bernoulli": lambda f, p: distributions.Bernoulli(p),
        "binomial": lambda f, p: distributions.Binomial(f.trials, p),  # type: ignore[attr-defined]
        "categorical": lambda f, p: distributions.Categorical(p),
        "histogram": lambda f, p: distributions.Categorical(p),
        "gaussian": lambda f, p: distributions.Normal(p[..., 0], p[..., 1].sqrt()),
        "poisson": lambda f, p: distributions.Poisson(p),
    }
)
#: Parameters that must be refused.
ILLEGAL: tuple[tuple[LeafFamily, object], ...] = (
    (Bernoulli(), -0.1),
    (Bernoulli(), 1.1),
    (Binomial(4), 1.5),
    (Categorical(2), [0.5, 0.6]),
    (Categorical(2), [1.5, -0.5]),
    (Gaussian(), [0.0, 0.0]),
    (Gaussian(), [0.0, -1.0]),
    (Gaussian(), [math.inf, 1.0]),
    (Gaussian(), [0.0, math.inf]),
    (Indicator(2), 2.0),
    (Indicator(2), 0.5),
    (Indicator(2), -1.0),
    (Histogram(2), [0.0, 0.0]),
    (Histogram(2), [1.0, -0.5]),
    (Histogram(2), [math.inf, 0.5]),
    (Poisson(), -0.5),
    (Poisson(), math.inf),
)


FAMILIES = [
    family(**choice)
    for name, family in sorted(families().items())
    for choice in HYPERPARAMETERS.get(name, ({},))
]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: str(f.to_dict()))
trainable = pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f.trainable], ids=lambda f: str(f.to_dict())
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(family: LeafFamily, shape: tuple[int, int] = (3, 4)) -> Tensor:
    """Legal parameters, float64 [3, 4, *P]."""
    values = family.initial(shape, seeded(), None).double()
    return (
        values / values.sum(-1, keepdim=True)
        if isinstance(family, Categorical | Histogram)
        else values
    )


def grid(family: LeafFamily, params: Tensor) -> tuple[Tensor, float]:
    """Values that carry all the mass, [N], and the length that each stands for."""
    support = family.support
    if support.states is not None:
        return torch.arange(support.states, dtype=torch.float64), 1.0
    mean, deviation = family.mean(params), family.variance(params).sqrt()
    if support.kind == "count":
        return torch.arange(float((mean + 15 * deviation).max()) + 30, dtype=torch.float64), 1.0
    low, high = (mean - 9 * deviation).min(), (mean + 9 * deviation).max()
    step = float(deviation.min()) / 2
    return torch.arange(float(low), float(high), step, dtype=torch.float64), step


def mass(family: LeafFamily, params: Tensor) -> tuple[Tensor, Tensor]:
    """Values [N] and their probabilities [N, 3, 4]."""
    values, length = grid(family, params)
    return values, family.log_prob(values[:, None, None], params).exp() * length


@every_family
def test_log_prob_equals_torch(family: LeafFamily):
    twin = TWINS.get(family.name)
    params = parameters(family)
    values, _ = grid(family, params)
    found = family.log_prob(values[:, None, None], params)
    if twin is None:  # an indicator is a point mass; a new family has no twin yet
        assert torch.allclose(found.exp().sum(0), torch.ones(3, 4, dtype=torch.float64))
        return
    expected = twin(family, params).log_prob(values[:, None, None].expand(-1, 3, 4))
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


@every_family
def test_log_prob_is_linear_in_the_statistics(family: LeafFamily):
    params = parameters(family)
    values, _ = grid(family, params)
    statistics = family.sufficient_statistics(values)
    coefficients = family.coefficients(params)
    assert statistics.shape == (len(values), family.num_statistics)
    assert coefficients.shape == (3, 4, family.num_statistics)
    terms = statistics[:, None, None] * coefficients
    terms = torch.where(statistics[:, None, None] == 0, torch.zeros_like(terms), terms)
    expected = terms.sum(-1) + family.log_base(values)[:, None, None]
    assert torch.allclose(family.log_prob(values[:, None, None], params), expected)


@every_family
def test_observations_are_counted(family: LeafFamily):
    values, _ = grid(family, parameters(family))
    summed = family.sufficient_statistics(values[:3]).sum(0)
    assert float(family.observations(summed)) == pytest.approx(len(values[:3]))


@every_family
def test_one_hot_means_one_hot(family: LeafFamily):
    if not family.one_hot:
        assert family.num_statistics <= 3
        return
    states = family.support.states
    assert states is not None
    code = family.sufficient_statistics(torch.arange(float(states)))
    assert torch.equal(code, torch.eye(states))


@every_family
def test_the_mass_is_one(family: LeafFamily):
    _, probabilities = mass(family, parameters(family))
    assert torch.allclose(probabilities.sum(0), torch.ones(3, 4, dtype=torch.float64))


@every_family
def test_mean_and_variance(family: LeafFamily):
    params = parameters(family)
    values, probabilities = mass(family, params)
    mean = (values[:, None, None] * probabilities).sum(0)
    variance = ((values[:, None, None] - mean) ** 2 * probabilities).sum(0)
    assert torch.allclose(family.mean(params), mean, atol=1e-6)
    assert torch.allclose(family.variance(params), variance, atol=1e-6)


@every_family
def test_the_mode_is_a_maximum(family: LeafFamily):
    params = parameters(family)
    values, _ = grid(family, params)
    best = family.log_prob(values[:, None, None], params).max(0).values
    mode = family.mode(params)
    assert mode.shape == (3, 4)
    assert (family.log_prob(mode, params) >= best - 1e-9).all()


@every_family
def test_samples_follow_the_distribution(family: LeafFamily):
    params = parameters(family, (1, 2))
    count = 20_000
    drawn = family.sample(params[None].expand(count, *params.shape), seeded())
    assert drawn.shape == (count, 1, 2)
    assert family.support.contains(drawn).all()
    mean, variance = family.mean(params), family.variance(params)
    assert ((drawn.mean(0) - mean).abs() <= 5 * (variance / count).sqrt() + 1e-9).all()
    assert torch.allclose(drawn.var(0), variance, rtol=0.1, atol=1e-9)
    states = family.support.states
    if states is not None:
        _, probabilities = mass(family, params)
        frequency = (drawn == torch.arange(states)[:, None, None, None]).double().mean(1)
        assert (frequency - probabilities).abs().max() < 5 * math.sqrt(0.25 / count)
    again = family.sample(params[None].expand(count, *params.shape), seeded())
    assert torch.equal(drawn, again)


@trainable
def test_the_m_step_recovers_the_parameters(family: LeafFamily):
    params = parameters(family)
    values, probabilities = mass(family, params)
    expected = torch.einsum("nds,nk->dsk", probabilities, family.sufficient_statistics(values))
    assert torch.allclose(family.m_step(1000 * expected, 0.0), params, rtol=1e-6, atol=1e-6)
    # A little prior hardly moves it, a lot of prior moves it and keeps it legal.
    assert torch.allclose(family.m_step(1e6 * expected, 1.0), params, atol=1e-3)
    family.validate(family.m_step(expected, 1e6))


@trainable
def test_the_m_step_learns_from_samples(family: LeafFamily):
    params = parameters(family, (1, 2))
    drawn = family.sample(params[None].expand(20_000, *params.shape), seeded())
    found = family.m_step(family.sufficient_statistics(drawn).sum(0), 0.0)
    assert torch.allclose(found, params, rtol=0.1, atol=0.03)


@trainable
@pytest.mark.parametrize("pseudocount", [0.0, 0.01, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_to_learn_from_is_no_accident(
    family: LeafFamily, pseudocount: float, dtype: torch.dtype
):
    nothing = torch.zeros((2, 3, family.num_statistics), dtype=dtype)
    found = family.m_step(nothing, pseudocount)
    assert found.dtype == dtype
    assert torch.isfinite(found).all()
    family.validate(found)


@trainable
def test_the_m_step_survives_tiny_and_huge_counts(family: LeafFamily):
    values, _ = grid(family, parameters(family))
    one = family.sufficient_statistics(values[:1].float())
    for scale in (1e-30, 1e-12, 1e12):
        family.validate(family.m_step(one * scale, 0.0))


@trainable
def test_constrain_inverts_unconstrain(family: LeafFamily):
    params = parameters(family)
    found = family.constrain(family.unconstrain(params))
    assert torch.allclose(found, params, atol=1e-6)
    raw = 3 * torch.randn(params.shape, generator=seeded())
    family.validate(family.constrain(raw))


@trainable
def test_what_was_moved_to_the_edge_has_a_gradient(family: LeafFamily):
    raw = torch.full(parameters(family).shape, -60.0)
    raw[..., 0].neg_() if family.parameter_shape else raw[0].neg_()
    raw.requires_grad_()
    coefficients = family.coefficients(family.constrain(raw))
    counts = torch.zeros_like(coefficients)
    torch.where(counts == 0, 0.0, counts * coefficients).sum().backward()
    assert raw.grad is not None and torch.isfinite(raw.grad).all()


@every_family
def test_initial_values_are_legal_and_reproducible(family: LeafFamily):
    shape = (3, 4)
    first = family.initial(shape, seeded(1), None)
    assert first.dtype == torch.float32
    assert first.shape == (*shape, *family.parameter_shape)
    family.validate(first)
    assert torch.equal(first, family.initial(shape, seeded(1), None))
    if family.trainable and family.support.states != 1:
        assert not torch.equal(first, family.initial(shape, seeded(2), None))


@every_family
def test_initial_values_may_know_the_data(family: LeafFamily):
    states = family.support.states
    counts = None if states is None else torch.ones(3, states, dtype=torch.float64)
    middle = 0.5 if states is None else (states - 1) / 2
    mean = torch.full((3,), middle, dtype=torch.float64)
    for variance in (0.0, 1.0):  # a constant column has no variance
        summary = Summary(mean, torch.full((3,), variance, dtype=torch.float64), counts)
        found = family.initial((3, 4), seeded(), summary)
        assert found.shape == (3, 4, *family.parameter_shape)
        assert found.dtype == torch.float32
        family.validate(found)


@every_family
def test_nothing_outside_the_support(family: LeafFamily):
    params = parameters(family)
    outside = [math.inf, -math.inf]
    if family.support.kind != "real":
        outside += [-1.0, 0.5]
    if family.support.states is not None:
        outside.append(float(family.support.states))
    x = torch.tensor(outside, dtype=torch.float64)
    assert not family.support.contains(x).any()
    assert torch.isneginf(family.log_prob(x[:, None, None], params)).all()


@every_family
def test_shapes_broadcast_and_dtypes_stay(family: LeafFamily):
    params = parameters(family).float()
    values = family.mode(params)
    assert values.dtype == torch.float32
    assert family.log_prob(values[0, 0], params).shape == (3, 4)
    assert family.log_prob(torch.zeros(5, 1, 1), params).shape == (5, 3, 4)
    assert family.log_prob(values, params).dtype == torch.float32
    assert family.sufficient_statistics(values).dtype == torch.float32
    assert family.sample(params, seeded()).dtype == torch.float32
    for moment in (family.mean(params), family.variance(params)):
        assert moment.shape == (3, 4)
        assert moment.dtype == torch.float32


@every_family
def test_nan_is_no_parameter(family: LeafFamily):
    params = parameters(family)
    family.validate(params)
    broken = params.clone()
    broken.view(-1)[-1] = math.nan
    with pytest.raises(ParameterError):
        family.validate(broken)


@pytest.mark.parametrize(("family", "value"), ILLEGAL, ids=str)
def test_illegal_parameters_are_refused(family: LeafFamily, value: object):
    with pytest.raises(ParameterError, match=family.name):
        family.validate(torch.tensor(value, dtype=torch.float64))


@pytest.mark.parametrize(
    ("family", "value", "x", "expected"),
    [
        (Bernoulli(), 0.0, 1.0, -math.inf),
        (Bernoulli(), 0.0, 0.0, 0.0),
        (Bernoulli(), 1.0, 1.0, 0.0),
        (Bernoulli(), 1.0, 0.0, -math.inf),
        (Binomial(4), 0.0, 0.0, 0.0),
        (Binomial(4), 1.0, 4.0, 0.0),
        (Binomial(4), 1.0, 3.0, -math.inf),
        (Categorical(3), [0.0, 1.0, 0.0], 1.0, 0.0),
        (Categorical(3), [0.0, 1.0, 0.0], 2.0, -math.inf),
        (Poisson(), 0.0, 0.0, 0.0),
        (Poisson(), 0.0, 2.0, -math.inf),
        (Indicator(3), 1.0, 1.0, 0.0),
        (Indicator(3), 1.0, 0.0, -math.inf),
    ],
    ids=str,
)
def test_certainty_is_not_nan(family: LeafFamily, value: object, x: float, expected: float):
    params = torch.tensor(value, dtype=torch.float64)
    assert float(family.log_prob(torch.tensor(x, dtype=torch.float64), params)) == expected
    assert float(family.log_prob(family.mode(params), params)) == 0.0


@every_family
def test_descriptions_survive_json(family: LeafFamily):
    described = json.loads(json.dumps(family.to_dict()))
    assert family_from_dict(described) == family
    assert hash(family_from_dict(described)) == hash(family)


@pytest.mark.parametrize(
    ("description", "error"),
    [
        ({"family": "nobody"}, NotFoundError),
        ({}, NotFoundError),
        ({"family": ["categorical"]}, NotFoundError),
        ({"family": "bernoulli", "p": 1}, ParameterError),
        ({"family": "categorical", "categories": "many"}, ParameterError),
        ({"family": "categorical", "categories": True}, ParameterError),
        ({"family": "categorical", "categories": 0}, ParameterError),
        pytest.param({"family": "categorical", "categories": 2.5}, ParameterError),
        ({"family": "categorical", "categories": 10**12}, ParameterError),
        pytest.param({"family": "binomial", "trials": 2.5}, ParameterError),
        ({"family": "binomial", "trials": float("nan")}, ParameterError),
        pytest.param({"family": "indicator", "categories": 1.5}, ParameterError),
        ({"family": "gaussian", "min_variance": 0}, ParameterError),
        ({"family": "gaussian", "min_variance": float("nan")}, ParameterError),
    ],
    ids=str,
)
def test_bad_descriptions_are_refused(description: dict[str, object], error: type[Exception]):
    with pytest.raises(error):
        family_from_dict(description)


@every_family
def test_recentring(family: LeafFamily):
    params = parameters(family)
    shift = torch.tensor([0.5, -2.0, 10.0], dtype=torch.float64)[:, None]
    moved = family.recentred(params, shift)
    if moved is None:
        assert family.support.kind != "real"
        return
    values, _ = grid(family, params)
    x = values[:, None, None]
    assert torch.allclose(family.log_prob(x - shift, moved), family.log_prob(x, params))
    statistics = family.sufficient_statistics(x).sum(0)
    expected = family.sufficient_statistics(x - shift).sum(0)
    assert torch.allclose(family.recentred_statistics(statistics, shift), expected)
    out = torch.full_like(moved, torch.nan)
    assert family.recentred(params, shift, out) is out
    assert torch.equal(out, moved)


@every_family
@pytest.mark.parametrize("pseudocount", [0.0, 0.7])
def test_advancing_in_place_is_a_blend_with_the_m_step(family: LeafFamily, pseudocount: float):
    """Whatever the strides; what no sample has reached stays."""
    params = parameters(family)
    values, _ = grid(family, params)
    generator = torch.Generator().manual_seed(0)
    flows = torch.rand((len(values), *params.shape[:2], 1), generator=generator).double()
    flows[:, 0, 0] = 0.0
    statistics = (flows * family.sufficient_statistics(values)[:, None, None]).sum(0)
    scale, step = 20.0, 0.3
    expected = family.blend(params, family.m_step(statistics * scale, pseudocount), step)
    expected[0, 0] = params[0, 0]
    for order in (False, True):
        given, counts = params.clone(), statistics.clone()
        if order:  # a plane for each number
            given = given.movedim(-1, 0).contiguous().movedim(0, -1)
            counts = counts.movedim(-1, 0).contiguous().movedim(0, -1)
        family.advance(given, counts, scale, pseudocount, step)
        torch.testing.assert_close(given, expected)
        logs = torch.empty_like(counts)
        family.write_coefficients(given, logs)
        torch.testing.assert_close(logs, family.coefficients(given))
