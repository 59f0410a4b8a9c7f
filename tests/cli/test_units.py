"""Values, hidden variables and the polynomial on the command line; soft and hidden evidence."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pccore import oracle, reference
from pccore.build import bernoulli, circuit, gaussian, indicator, mix
from pccore.cli.parser import ASKS
from pccore.files import load_model, save_model
from pccore.graph import Unit
from pccore.structures.figures import figures
from pccore.transform import materialise
from tests.cli.helpers import Run, assert_one_line


def test_values_of_every_unit(run: Run, bayes: str):
    found = run("query", bayes, "--ask", "values", "--evidence", "X1=1,X2=0", "--json").json
    model = load_model(bayes)
    trace = reference.evaluate(model, {"X1": 1, "X2": 0})
    flows = reference.flows(model, trace)
    for g, group in enumerate(model.groups):
        assert found["log_values"][group.name] == pytest.approx(
            None if (v := float(trace.log_values[g][0, 0])) == -math.inf else v
        )
        assert found["values"][group.name] == pytest.approx(math.exp(v))
        assert found["flows"][group.name] == pytest.approx(float(flows[g][0, 0]))
    assert found["values"]["S"] == pytest.approx(0.522)
    assert found["log_partition"] == pytest.approx(0.0)
    assert "0.522" in run("query", bayes, "--ask", "values", "--evidence", "X1=1,X2=0").out


def test_values_of_broken_circuits_are_allowed(run: Run, broken: str):
    found = run("query", broken, "--ask", "values", "--json").json
    assert set(found["values"]) == {group.name for group in load_model(broken).groups}


def test_soft_evidence(run: Run, bayes: str):
    model = load_model(bayes)
    states, table = oracle.states(model), np.exp(oracle.log_table(model))
    weights = table * np.array([0.5, 3.0])[states[:, 0].astype(int)]
    ask = ("query", bayes, "--soft", "X1=0.5 3", "--json", "--ask")
    found = run(*ask, "probability").json
    assert found["probability"] == pytest.approx(weights.sum() / table.sum())
    assert found["soft"] == {"X1": [0.5, 3.0]}
    chances = run(*ask, "marginals").json["marginals"]
    for v, name in enumerate(model.variables):
        expected = [weights[states[:, v] == c].sum() / weights.sum() for c in (0, 1)]
        assert chances[name] == pytest.approx(expected)
    assert run(*ask, "values").json["values"]["S"] == pytest.approx(weights.sum())
    sure = ("query", bayes, "--soft", "X1=1 0, X2=0:2", "--json", "--ask")
    assert run(*sure, "sample").json["sample"] == [{"X1": 0, "X2": 1}]
    assert run(*sure, "mpe").json["mpe"] == {"X1": 0, "X2": 1}


def test_observed_hidden_variables(run: Run, bayes: str):
    made = materialise(load_model(bayes), {"S": "Y"})
    ask = ("query", bayes, "--observe-hidden", "S=2", "--json", "--ask")
    expected = math.exp(oracle.log_probability(made, {"Y": 2}))
    found = run(*ask, "probability").json
    assert found["probability"] == pytest.approx(expected) == pytest.approx(0.3)
    assert found["observe_hidden"] == {"S": 2}
    chances = run(*ask, "marginals").json["marginals"]
    for mine, truth in zip(chances.values(), oracle.marginals(made, {"Y": 2}), strict=False):
        assert mine == pytest.approx(truth.tolist())


def test_hidden_posterior(run: Run, bayes: str):
    ask = ("query", bayes, "--ask", "hidden", "--evidence", "X1=1")
    found = run(*ask, "--json").json["hidden"]
    made = materialise(load_model(bayes), {"S": "Y"})
    assert found["S"][:-1] == pytest.approx(oracle.marginals(made, {"X1": 1})[2].tolist())
    assert found["S"][-1] == pytest.approx(0.0)
    assert set(found) == {"S", "A1", "A2", "B1", "B2"}
    assert "takes no part" in run(*ask).out


def test_polynomial(run: Run, bayes: str, folder: Path):
    ask = ("query", bayes, "--ask", "polynomial", "--evidence", "X1=1")
    found = run(*ask, "--json").json
    assert found["polynomial"] == "0.168·X1·X2 + 0.522·X1·¬X2 + 0.082·¬X1·X2 + 0.228·¬X1·¬X2"
    assert [m["covers"] for m in found["monomials"]] == [True, True, False, False]
    assert found["monomials"][1] == {
        "text": "0.522·X1·¬X2",
        "coefficient": pytest.approx(0.522),
        "factors": [{"factor": "X1", "exponent": 1}, {"factor": "¬X2", "exponent": 1}],
        "trees": 3,
        "flag": "multilinear",
        "covers": True,
    }
    assert found["multilinear"] is True
    assert found["log_value"] == pytest.approx(math.log(0.69))
    assert "0.522·X1·¬X2" in run(*ask).out
    save_model(figures()["inconsistent"](), folder / "i.pc.json")
    flags = run("query", "i.pc.json", "--ask", "polynomial", "--json").json
    assert flags["multilinear"] is False
    assert "contradiction" in {m["flag"] for m in flags["monomials"]}


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--soft", "X1"), ("'X1'", "NAME=NUMBER")),
        (("--soft", "X1=a b"), ("X1", "'a' is not a number")),
        (("--soft", "X1=1"), ("X1", "1 likelihoods", "2 states")),
        (("--soft", "X1=1 -1"), ("likelihood -1", "state 1")),
        (("--soft", "X1=1 2,X1=1 2"), ("X1", "twice")),
        (("--soft", "Z=1 2"), ("no variable 'Z'",)),
        (("--observe-hidden", "S"), ("'S'", "UNIT=NUMBER")),
        (("--observe-hidden", "S=9"), ("S", "child 9", "0 to 2")),
        (("--observe-hidden", "S=-1"), ("S", "'-1'")),
        (("--observe-hidden", "S=1,S=2"), ("S", "twice")),
        (("--observe-hidden", "C1=0"), ("C1", "only sums")),
        (("--observe-hidden", "T=0"), ("no unit 'T'",)),
    ],
)
def test_bad_soft_and_hidden_evidence(
    run: Run, bayes: str, arguments: tuple[str, ...], parts: tuple[str, ...]
):
    assert_one_line(run("query", bayes, "--ask", "probability", *arguments), *parts)


@pytest.mark.parametrize("ask", ["partition", "polynomial"])
@pytest.mark.parametrize("given", [("--soft", "X1=1 2"), ("--observe-hidden", "S=0")])
def test_queries_without_soft_evidence(run: Run, bayes: str, ask: str, given: tuple[str, str]):
    assert_one_line(run("query", bayes, "--ask", ask, *given), "takes no")


def test_hidden_needs_a_decomposable_circuit_and_possible_evidence(
    run: Run, broken: str, folder: Path
):
    assert_one_line(run("query", broken, "--ask", "hidden"), "smooth", "B1")
    save_model(circuit(mix([0.5, 0.5], [indicator("X", 1)] * 2)), folder / "never.pc.json")
    result = run("query", "never.pc.json", "--ask", "hidden", "--evidence", "X=0")
    assert_one_line(result, "probability zero")


def test_real_variables(run: Run, folder: Path):
    save_model(circuit(gaussian("H", 1.0, 2.0) * bernoulli("B", 0.5)), folder / "g.pc.json")
    result = run("query", "g.pc.json", "--ask", "probability", "--soft", "H=1 2")
    assert_one_line(result, "H", "finitely many states")
    found = run("query", "g.pc.json", "--ask", "polynomial", "--json").json
    assert found["polynomial"] == "0.5·B·N(H; 1, 2) + 0.5·¬B·N(H; 1, 2)"


def test_large_polynomials_are_refused(run: Run, folder: Path):
    wide = bernoulli("X0", 0.5) * bernoulli("X1", 0.5)
    for i in range(2, 20):
        wide = wide * bernoulli(f"X{i}", 0.5)
    save_model(circuit(wide), folder / "wide.pc.json")
    assert_one_line(run("query", "wide.pc.json", "--ask", "polynomial"), "too large", "4096")


def test_a_trace_holds_every_unit_and_the_edges_taken(run: Run, bayes: str, folder: Path):
    ask = ("query", bayes, "--evidence", "X1=1", "--json", "--trace", "t.json", "--ask")
    answer = run(*ask, "mpe").json
    found = json.loads((folder / "t.json").read_text())
    model = load_model(bayes)
    run_of = reference.evaluate(model, {"X1": 1})
    flows = reference.flows(model, run_of)
    assert (found["pccore_trace"], found["query"], found["root"]) == (1, "mpe", "S")
    assert found["evidence"] == {"X1": 1} and found["answer"]["mpe"] == answer["mpe"]
    units = {unit["name"]: unit for unit in found["units"]}
    assert set(units) == {group.name for group in model.groups}
    for g, group in enumerate(model.groups):
        log = float(run_of.log_values[g][0, 0])
        unit = units[group.name]
        assert unit["log_value"] == pytest.approx(None if log == -math.inf else log)
        assert unit["flow"] == pytest.approx(float(flows[g][0, 0]))
        assert unit["kind"] == group.kind
        children = [edge.child for edge in model.children(Unit(g, 0))]
        assert [c["name"] for c in unit.get("children", [])] == [
            model.unit_name(c) for c in children
        ]
    (tree,) = found["trees"]
    assert tree["assignment"] == answer["mpe"]
    best = reference.max_product(model, {"X1": 1})
    edges = {(edge["parent"], edge["child"]) for edge in tree["edges"]}
    assert edges == {(model.unit_name(a), model.unit_name(b)) for a, b in best.edges}
    assert tree["log_value"] == pytest.approx(best.log_value)


@pytest.mark.parametrize("word", [ask for ask in ASKS if ask not in ("partition", "polynomial")])
def test_every_query_can_be_traced(run: Run, junction: str, folder: Path, word: str):
    ask = ("query", junction, "--evidence", "X3=1", "--seed", 3, "--json", "--trace", "t.json")
    answer = run(*ask, "--ask", word).json
    found = json.loads((folder / "t.json").read_text())
    assert found["query"] == word
    assert found["answer"] == {k: v for k, v in answer.items() if k != "evidence"}


def test_traced_samples_are_those_of_their_trees(run: Run, bayes: str, folder: Path):
    ask = ("query", bayes, "--ask", "sample", "--count", 5, "--seed", 1, "--trace", "t.json")
    drawn = run(*ask, "--json").json["sample"]
    trees = json.loads((folder / "t.json").read_text())["trees"]
    assert [tree["assignment"] for tree in trees] == drawn
    assert_one_line(run(*ask[:4], "--count", 2000, "--trace", "t.json"), "--count", "1000 samples")
    assert_one_line(run(*ask[:-1], "none/t.json"), "none")


def test_broken_circuits_and_the_rest_are_traced(run: Run, broken: str, bayes: str, folder: Path):
    for model, word in ((broken, "values"), (bayes, "partition"), (bayes, "polynomial")):
        assert run("query", model, "--ask", word, "--trace", "t.json").status == 0
        assert json.loads((folder / "t.json").read_text())["units"]
