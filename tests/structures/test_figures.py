from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pccore import oracle
from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.structures import figures as module
from pccore.structures.figures import build_family, figures, groups
from tests.structures.helpers import NAN, over_all_states, states, value


def figure1(x1: float, x2: float) -> float:
    """The formula of the paper's sec. 2, indicators set to 1 for what is missing."""
    p1, n1 = (1.0, 1.0) if math.isnan(x1) else (x1, 1 - x1)
    p2, n2 = (1.0, 1.0) if math.isnan(x2) else (x2, 1 - x2)
    return (
        0.5 * (0.6 * p1 + 0.4 * n1) * (0.3 * p2 + 0.7 * n2)
        + 0.2 * (0.6 * p1 + 0.4 * n1) * (0.2 * p2 + 0.8 * n2)
        + 0.3 * (0.9 * p1 + 0.1 * n1) * (0.2 * p2 + 0.8 * n2)
    )


@pytest.mark.parametrize("name", figures())
def test_every_figure_is_a_legal_circuit_with_a_story(name: str) -> None:
    circuit = figures()[name]()
    circuit.validate_params()
    assert len(str(circuit.meta["title"])) < 80
    assert len(str(circuit.meta["story"])) > 80
    for group in circuit.groups:
        assert 0 < len(group.name) < 20
        assert group.name.isprintable()


@pytest.mark.parametrize("x1", [0, 1, NAN])
@pytest.mark.parametrize("x2", [0, 1, NAN])
def test_figure1_naive_bayes(x1: float, x2: float) -> None:
    circuit = module.figure1_naive_bayes()
    assert value(circuit, x1, x2) == pytest.approx(figure1(x1, x2), rel=1e-12)


def test_figure1_story_tells_its_numbers() -> None:
    circuit = module.figure1_naive_bayes()
    assert value(circuit, 1, 0) == pytest.approx(0.522)
    assert value(circuit, 1, NAN) == pytest.approx(0.69)


def test_figure1_shares_its_sums() -> None:
    circuit = module.figure1_naive_bayes()
    # 4 indicators, 4 sums of two, 3 products, 1 root: not 6 inner sums.
    assert circuit.num_units == 12


def test_figure1_junction_tree() -> None:
    circuit = module.figure1_junction_tree()
    for x1, x2, x3 in states(3):
        p1 = 0.7 if x1 else 0.3
        p2 = (0.2, 0.9)[x1] if x2 else 1 - (0.2, 0.9)[x1]
        p3 = (0.6, 0.1)[x1] if x3 else 1 - (0.6, 0.1)[x1]
        assert value(circuit, x1, x2, x3) == pytest.approx(p1 * p2 * p3, rel=1e-12)


def test_figure2_without_its_hidden_variable_is_figure1() -> None:
    circuit = module.figure2_hidden_variable()
    for x1, x2 in itertools.product((0, 1, NAN), repeat=2):
        assert value(circuit, x1, x2, NAN) == pytest.approx(figure1(x1, x2))
    assert [value(circuit, NAN, NAN, y) for y in range(3)] == pytest.approx([0.5, 0.2, 0.3])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_figure3_is_uniform_over_even_states(n: int) -> None:
    deep, flat = module.figure3_parity(n), module.figure3_mixture(n)
    for x in states(n):
        expected = 0.0 if sum(x) % 2 else 2.0 ** (1 - n)
        assert value(deep, *x) == pytest.approx(expected, rel=1e-12)
        assert value(flat, *x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [2, 5, 40, 1000])
def test_figure3_parity_is_linear(n: int) -> None:
    circuit = module.figure3_parity(n)
    inner = sum(group.kind != "leaf" for group in circuit.groups)
    assert inner == 3 * (2 * n - 3)
    assert circuit.num_units == inner + 2 * n


@pytest.mark.parametrize("n", [2, 5, 9])
def test_figure3_mixture_is_exponential(n: int) -> None:
    circuit = module.figure3_mixture(n)
    assert sum(group.kind == "product" for group in circuit.groups) == 2 ** (n - 1)


@pytest.mark.parametrize("n", [-1, 0, 1, 10_000])
def test_figure3_refuses_other_sizes(n: int) -> None:
    with pytest.raises(OptionError, match="variables"):
        module.figure3_parity(n)
    with pytest.raises(OptionError, match="variables"):
        module.figure3_mixture(n)


def test_incomplete_counts_too_little() -> None:
    circuit = module.incomplete()
    assert value(circuit, NAN, NAN) == pytest.approx(1)
    assert over_all_states(circuit) == pytest.approx(1.4)
    scopes = [circuit.scopes[i] for i in circuit.groups[circuit.root.group].inputs]
    assert len(set(scopes)) == 2


def test_inconsistent_counts_too_much() -> None:
    circuit = module.inconsistent()
    assert value(circuit, NAN, NAN) == pytest.approx(1)
    assert over_all_states(circuit) == pytest.approx(0.5)
    for group in circuit.groups:
        if group.kind == "sum":
            assert len({circuit.scopes[i] for i in group.inputs}) == 1


@pytest.mark.parametrize("name", ["valid_though_broken", "consistent_not_decomposable"])
def test_these_are_valid_for_all_evidence(name: str) -> None:
    circuit = figures()[name]()
    for x in itertools.product((0, 1, NAN), repeat=2):
        phi = sum(
            value(circuit, *state)
            for state in states(2)
            if all(math.isnan(e) or e == s for e, s in zip(x, state, strict=True))
        )
        assert value(circuit, *x) == pytest.approx(phi, rel=1e-12)


def test_squared_gaussian_integral() -> None:
    circuit = module.squared_gaussian()
    assert value(circuit, NAN, NAN) == pytest.approx(1)
    expected = math.exp(-1 / 4) / math.sqrt(4 * math.pi)
    assert expected == pytest.approx(0.2197, abs=5e-5)
    integral = math.exp(oracle.log_measure(circuit, np.array([NAN, 0.0])))
    assert integral == pytest.approx(expected / math.sqrt(2 * math.pi), rel=1e-6)


def test_buried_mistake_is_one_unit() -> None:
    circuit = module.buried_mistake()
    wrong = [
        group.name
        for group in circuit.groups
        if group.kind == "sum" and len({circuit.scopes[i] for i in group.inputs}) > 1
    ]
    assert wrong[0] == "E3"
    assert over_all_states(circuit) != pytest.approx(value(circuit, *[NAN] * 6))


@pytest.mark.parametrize(
    ("name", "violated"),
    [
        ("figure1_naive_bayes", {"deterministic"}),
        ("figure1_junction_tree", set[str]()),
        ("figure2_hidden_variable", set[str]()),
        ("figure3_parity", set[str]()),
        ("figure3_mixture", set[str]()),
        ("incomplete", {"smooth", "deterministic"}),
        ("inconsistent", {"consistent", "decomposable", "structured_decomposable"}),
        (
            "valid_though_broken",
            {"smooth", "consistent", "decomposable", "structured_decomposable"},
        ),
        ("consistent_not_decomposable", {"decomposable", "structured_decomposable"}),
        ("buried_mistake", {"smooth"}),
        ("naive_bayes_spam", set[str]()),
        ("weather_hmm", {"deterministic"}),
        ("chow_liu_tree", set[str]()),
        ("old_geyser", {"deterministic"}),
        ("course_psdd", set[str]()),
        ("two_paths", {"consistent", "decomposable", "structured_decomposable"}),
        ("forgotten_day", {"smooth", "deterministic"}),
        ("dead_parts", {"reachable", "alive"}),
        ("unnormalised", {"normalized", "deterministic"}),
    ],
)
def test_what_check_says(name: str, violated: set[str]) -> None:
    properties = check(figures()[name]()).properties
    assert {k for k, answer in properties.items() if answer != "yes"} - NOTES == violated - NOTES


#: What is no fault and is tested where it is checked.
NOTES = {"alternating", "alive"}


# -- broken ones -----------------------------------------------------------------------------


def test_two_paths_count_a_square() -> None:
    circuit = module.two_paths()
    assert value(circuit, NAN, NAN, NAN) == pytest.approx(1)
    assert over_all_states(circuit) == pytest.approx(0.58)


def test_forgotten_day_under_counts() -> None:
    circuit = module.forgotten_day()
    assert value(circuit, *[NAN] * 4) == pytest.approx(1)
    assert over_all_states(circuit) > 1.1
    smooth = check(circuit).of("smooth")
    assert {circuit.unit_name(w.unit) for w in smooth} == {"Z3|rain", "Z3|sun"}


def test_unnormalised_is_legal() -> None:
    circuit = module.unnormalised()
    assert check(circuit).valid
    assert value(circuit, NAN, NAN) == pytest.approx(8)
    assert over_all_states(circuit) == pytest.approx(8)


def test_dead_parts_change_nothing() -> None:
    circuit = module.dead_parts()
    assert check(circuit).valid
    for x1, x2 in itertools.product((0, 1, NAN), repeat=2):
        p1 = 1 if math.isnan(x1) else 0.6 if x1 else 0.4
        p2 = 1 if math.isnan(x2) else 0.3 if x2 else 0.7
        assert value(circuit, x1, x2) == pytest.approx(p1 * p2)
    (lonely,) = check(circuit).of("reachable")[:1]
    assert circuit.unit_name(lonely.unit) in ("nobody", "D1")


def test_at_least_six_are_broken_on_purpose() -> None:
    members = groups()
    assert set(members) == {"figures", "classics", "broken"}
    assert sum(not check(make()).valid for make in members["broken"]) >= 6
    assert all(check(make()).valid for name in ("figures", "classics") for make in members[name])
    assert [m.__name__ for makers in members.values() for m in makers] == list(figures())


# -- families --------------------------------------------------------------------------------


def test_parity_of_any_size() -> None:
    deep = build_family("parity", {"n": "7"})
    assert deep.variables == tuple(f"X{i}" for i in range(1, 8))
    assert deep.meta["options"] == {"n": 7, "form": "deep"}
    flat = build_family("parity", {"n": 7, "form": "mixture"})
    assert flat.num_units == 14 + 64 + 1
    assert len(build_family("parity", {"n": 1000}).variables) == 1000
    with pytest.raises(OptionError, match="2 to 14"):
        build_family("parity", {"n": 15, "form": "mixture"})
    with pytest.raises(OptionError):
        build_family("parity", {"n": 1})
    with pytest.raises(NotFoundError, match="known are parity"):
        build_family("pairity")
