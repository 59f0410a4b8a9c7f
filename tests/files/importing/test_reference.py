"""Real circuits that nobody here wrote, against values that were computed independently.

The files are not part of the repository: PCCORE_CIRCUITS names their folder, and the tests are
skipped where there is none.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from pccore.check import check
from pccore.compile import Program, compile_circuit
from pccore.datasets import load
from pccore.errors import NotFoundError
from pccore.files import load_model
from pccore.queries.likelihood import log_likelihood, log_value

FOLDER = Path(os.environ.get("PCCORE_CIRCUITS", "/work/shared/circuits"))
READ = ("psdd", "nnf-c2d", "nnf-d4v2", "sdd")


def entries(formats: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    path = FOLDER / "reference.json"
    if not path.is_file():
        return {}
    found = json.loads(path.read_text())["circuits"]
    return {name: entry for name, entry in found.items() if entry["format"] in formats}


ENTRIES = entries(READ)
each = pytest.mark.parametrize("name", sorted(ENTRIES) or [None])
LOGISTIC = entries(("logistic-circuit",))


def entry(name: str | None) -> dict[str, Any]:
    if name is None:
        pytest.skip(f"the circuits are not here: no {FOLDER / 'reference.json'}")
    return ENTRIES[name]


def compiled(found: dict[str, Any]) -> Program:
    return compile_circuit(load_model(FOLDER / found["file"]), dtype=torch.float64)


def log_count(text: str) -> float:
    return math.log(int(text)) if int(text) else -math.inf


@each
def test_partition_and_queries(name: str | None):
    found = entry(name)
    program = compiled(found)
    variables = len(program.circuit.variables)
    assert variables == found["num_vars"]
    counted = "model_count" in found
    rows = torch.full((1 + 2 * len(found["queries"]), variables), math.nan, dtype=torch.float64)
    expected = [log_count(found["model_count"]) if counted else found["logZ"]]
    for query in found["queries"]:
        row = rows[len(expected)]
        for variable, value in query["evidence"].items():
            row[int(variable)] = value
        expected.append(log_count(query["model_count"]) if counted else query["log_p_evidence"])
        if not counted:
            rows[len(expected)] = row
            rows[len(expected), query["query_var"]] = 1
            expected.append(query["log_p_evidence_and_query1"])
    got = log_value(program, rows[: len(expected)])
    assert got.tolist() == pytest.approx(expected, abs=1e-6)


@each
def test_average_log_likelihood(name: str | None):
    found = entry(name)
    if "test_avg_ll" not in found:
        pytest.skip("there is no reference value")
    try:
        test = load(found["dataset"]).test
    except NotFoundError as error:
        pytest.skip(f"the data are not here: {error}")
    assert len(test) == found["test_rows"]
    likelihoods = log_likelihood(compiled(found), torch.tensor(test))
    assert float(likelihoods.mean()) == pytest.approx(found["test_avg_ll"], abs=1e-6)
    assert likelihoods[:5].tolist() == pytest.approx(found["test_first5_ll"], abs=1e-6)


@each
def test_promised_properties(name: str | None):
    found = entry(name)
    circuit = load_model(FOLDER / found["file"])
    if circuit.num_edges > 20_000:
        pytest.skip("the check of a circuit of this size takes a while")
    promised = ["smooth", "decomposable", "structured_decomposable"]
    verdicts = check(circuit, [*promised, "deterministic"]).properties
    assert verdicts["smooth"] == "yes"
    if found["format"] in ("psdd", "sdd"):
        assert [verdicts[p] for p in promised] == ["yes"] * 3
    # A d-DNNF that lists a literal twice in a conjunction means it once.
    assert verdicts["decomposable"] == "yes"
    assert verdicts["deterministic"] in ("yes", "unknown")
    if found["format"] == "psdd":
        assert circuit.num_units == found["reachable_nodes_expanded"]
        assert circuit.num_edges == found["edges"]


@pytest.mark.parametrize("name", sorted(LOGISTIC) or [None])
def test_logits_of_logistic_circuits(name: str | None):
    if name is None:
        pytest.skip(f"the circuits are not here: no {FOLDER / 'reference.json'}")
    found = LOGISTIC[name]
    program = compile_circuit(load_model(FOLDER / found["file"]), dtype=torch.float64)
    assert len(program.circuit.variables) == found["num_vars"]
    assert len(program.circuit.roots) == found["outputs"]
    queries = found["queries_hard"]
    rows = torch.tensor([[float(state) for state in query["assignment"]] for query in queries])
    for root in range(found["outputs"]):
        expected = [query["logits"][root] for query in queries]
        assert log_value(program, rows, root).tolist() == pytest.approx(expected, abs=1e-6)
