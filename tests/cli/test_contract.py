"""The keys and exit statuses that scripts rely on."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from pccore import oracle
from pccore.build import bernoulli, circuit
from pccore.check import PROPERTIES, check
from pccore.files import load_model, save_model
from pccore.structures.figures import figures
from tests.cli.helpers import Run, assert_one_line

ALL = ("units", "groups", "edges", "parameters", "depth")


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


def split_npz(path: Path, test: list[list[float]]) -> str:
    """A data file whose test split has these rows."""
    rows = np.array(test, dtype=np.float32)
    np.savez(path, train=rows, valid=rows, test=rows)
    return str(path)


# -- info, check, convert ------------------------------------------------------------------


def test_info(run: Run, bayes: str):
    found = run("info", bayes, "--json").json
    model = load_model(bayes)
    assert found["variables"] == ["X1", "X2"]
    assert {k: found[k] for k in ALL} == {
        "units": model.num_units,
        "groups": len(model.groups),
        "edges": model.num_edges,
        "parameters": model.num_parameters,
        "depth": model.depth,
    }
    names = {"smooth", "consistent", "decomposable", "structured_decomposable", "normalized"}
    assert set(found["properties"]) == names | {"deterministic"}
    verdicts = check(model).properties
    for name, value in found["properties"].items():
        assert value is {"yes": True, "no": False, "unknown": None}[verdicts[name]]
    assert found["properties"]["smooth"] is True
    assert found["properties"]["deterministic"] is False


def test_info_says_null_for_unknown(run: Run, bayes: str, monkeypatch: pytest.MonkeyPatch):
    from pccore.check import Report
    from pccore.cli import models

    def unsure(model: object, names: object) -> Report:
        return Report(load_model(bayes), dict.fromkeys(PROPERTIES, "unknown"), ())

    monkeypatch.setattr(models, "check_circuit", unsure)
    assert set(run("info", bayes, "--json").json["properties"].values()) == {None}
    assert "unknown" in run("info", bayes).out


def test_text_is_for_people(run: Run, mixed: str):
    text = run("info", mixed).out
    assert "a finite number" in text and "0 to 1" in text and "normalized" in text
    assert "{" not in text


def test_check_of_a_valid_circuit(run: Run, bayes: str):
    result = run("check", bayes, "--json")
    assert result.status == 0
    assert result.json["valid"] is True and result.json["violations"] == []


@pytest.mark.parametrize("name", list(figures()))
def test_check_agrees_with_the_engine(run: Run, folder: Path, name: str):
    model = figures()[name]()
    save_model(model, folder / "m.pc.json")
    result = run("check", "m.pc.json", "--json")
    report = check(model)
    assert result.json["valid"] is report.valid
    assert len(result.json["violations"]) == len(report.violations)
    assert result.status == (1 if report.violations else 0)
    for violation in result.json["violations"]:
        assert set(violation) == {"property", "unit", "children", "variables", "message"}
    text = run("check", "m.pc.json")
    assert text.status == result.status
    for witness in report.violations:
        assert witness.message in text.out


def test_check_names_the_place(run: Run, broken: str):
    (violation,) = run("check", broken, "--json").json["violations"]
    assert violation["property"] == "smooth"
    assert violation["unit"] == "S"
    assert violation["children"] == ["B1"]
    assert violation["variables"] == ["X2"]
    assert "B1" in violation["message"] and "X2" in violation["message"]


def test_convert_there_and_back(run: Run, bayes: str):
    there = run("convert", bayes, "m.pc.safetensors", "--json").json
    assert there["output"] == "m.pc.safetensors" and there["bytes"] > 0
    assert run("convert", "m.pc.safetensors", "back.pc.json").status == 0
    assert Path("back.pc.json").read_text() == Path(bayes).read_text()


# -- eval ----------------------------------------------------------------------------------


def test_eval_equals_enumeration(run: Run, bayes: str):
    rows = [[0.0, 1.0], [1.0, 0.0], [1.0, math.nan]]
    data = split_npz(Path("d.npz"), rows)
    found = run("eval", bayes, "--data", f"{data}:test", "--json").json
    logs = [float(oracle.log_probability(load_model(bayes), row)) for row in rows]
    assert {"log_likelihood", "bits_per_dimension", "samples", "seconds"} <= set(found)
    assert found["log_likelihood"] == pytest.approx(np.mean(logs), abs=1e-12)
    assert found["bits_per_dimension"] == pytest.approx(-sum(logs) / math.log(2) / 5, abs=1e-12)
    assert found["samples"] == 3
    assert found["seconds"] > 0
    assert found["impossible"] == 0


def test_eval_normalises(run: Run, mixed: str):
    data = split_npz(Path("d.npz"), [[2.0, 1.0]])
    found = run("eval", mixed, "--data", data, "--json").json
    density = 0.25 * 0.9 / math.sqrt(2 * math.pi * 0.25)
    assert found["log_likelihood"] == pytest.approx(math.log(density), abs=1e-12)


def test_eval_counts_impossible_rows(run: Run, junction: str, folder: Path):
    save_model(circuit(bernoulli("X1", 1.0) * bernoulli("X2", 0.5)), folder / "sure.pc.json")
    data = split_npz(Path("d.npz"), [[0.0, 1.0], [1.0, 1.0]])
    found = run("eval", "sure.pc.json", "--data", data, "--json").json
    assert found["log_likelihood"] is None
    assert found["impossible"] == 1
    assert "1 rows have probability zero" in run("eval", "sure.pc.json", "--data", data).out


def test_eval_takes_the_split_and_the_limit(run: Run, bayes: str):
    np.savez("d.npz", train=np.ones((8, 2)), valid=np.zeros((5, 2)), test=np.eye(2))
    for split, count in (("train", 8), ("valid", 5), ("test", 2)):
        assert run("eval", bayes, "--data", f"d.npz:{split}", "--json").json["samples"] == count
    assert run("eval", bayes, "--data", "d.npz:train", "--limit", 3, "--json").json["samples"] == 3


def test_eval_in_single_precision(run: Run, bayes: str):
    data = split_npz(Path("d.npz"), [[0.0, 1.0]])
    double = run("eval", bayes, "--data", data, "--json").json["log_likelihood"]
    single = run("eval", bayes, "--data", data, "--precision", "float32", "--json").json
    assert single["log_likelihood"] == pytest.approx(double, abs=1e-6)
    assert single["log_likelihood"] != double


# -- query ---------------------------------------------------------------------------------


@pytest.mark.parametrize("evidence", ["", "X1=1", "X1=1,X2=0", " X2 = 1 , ", "X1=?,X2=0"])
def test_query_probability(run: Run, bayes: str, evidence: str):
    row = {"X1": math.nan, "X2": math.nan}
    for part in evidence.split(","):
        name, _, value = part.strip().partition("=")
        if name and value.strip() != "?":
            row[name.strip()] = float(value)
    expected = float(oracle.log_probability(load_model(bayes), list(row.values())))
    ask = ("query", bayes, "--evidence", evidence, "--json", "--ask")
    assert run(*ask, "probability").json["probability"] == pytest.approx(math.exp(expected))
    assert run(*ask, "log_probability").json["log_probability"] == pytest.approx(expected)


def test_query_partition(run: Run, mixed: str):
    found = run("query", mixed, "--ask", "partition", "--json").json
    assert found["partition"] == pytest.approx(8.0)
    assert found["log_partition"] == pytest.approx(math.log(8))


def test_query_marginals(run: Run, mixed: str):
    found = run("query", mixed, "--ask", "marginals", "--json").json["marginals"]
    assert found["B"] == pytest.approx([0.25 * 0.1 + 0.75, 0.25 * 0.9])
    assert found["H"]["mean"] == pytest.approx(0.25 * 2.0 + 0.75 * 1.0)
    assert found["H"]["variance"] == pytest.approx(0.25 + 0.25 * 0.75)
    seen = run("query", mixed, "--ask", "marginals", "--evidence", "B=1", "--json").json
    assert seen["marginals"]["H"]["mean"] == pytest.approx(2.0)


def test_query_mpe_says_how_good_it_is(run: Run, junction: str, bayes: str):
    exact = run("query", junction, "--ask", "mpe", "--evidence", "X3=1", "--json").json
    assert exact["quality"] == "exact"
    best = oracle.mpe(load_model(junction), [math.nan, math.nan, 1.0])
    assert list(exact["mpe"].values()) == [int(v) for v in best[0].tolist()]
    assert all(isinstance(v, int) for v in exact["mpe"].values())
    assert exact["mpe"]["X3"] == 1
    assert run("query", bayes, "--ask", "mpe", "--json").json["quality"] == "bound"
    assert "exact" in run("query", junction, "--ask", "mpe").out
    assert "bound" in run("query", bayes, "--ask", "mpe").out


def test_query_samples_are_repeatable(run: Run, mixed: str):
    ask = ("query", mixed, "--ask", "sample", "--count", 400, "--json")
    first = run(*ask, "--seed", 7).json["sample"]
    assert len(first) == 400
    assert first == run(*ask, "--seed", 7).json["sample"]
    assert first != run(*ask, "--seed", 8).json["sample"]
    assert np.mean([s["B"] for s in first]) == pytest.approx(0.225, abs=0.08)
    unseeded = run(*ask).json
    assert run(*ask, "--seed", unseeded["seed"]).json["sample"] == unseeded["sample"]


def test_a_variable_in_no_leaf(run: Run, folder: Path):
    save_model(circuit(bernoulli("X", 0.25), variables=["X", "W"]), folder / "w.pc.json")
    assert "in no leaf" in run("info", "w.pc.json").out
    ask = ("query", "w.pc.json", "--evidence", "X=1,W=7.5", "--json", "--ask")
    assert run(*ask, "probability").json["probability"] == pytest.approx(0.25)
    (drawn,) = run("query", "w.pc.json", "--ask", "sample", "--json").json["sample"]
    assert drawn["W"] is None and drawn["X"] in (0, 1)
    assert run("query", "w.pc.json", "--ask", "mpe", "--json").json["mpe"] == {"X": 0, "W": None}


def test_query_conditional_samples_keep_the_evidence(run: Run, mixed: str):
    ask = ("query", mixed, "--ask", "sample", "--evidence", "B=1", "--count", 50, "--seed", 1)
    drawn = run(*ask, "--json").json["sample"]
    assert {s["B"] for s in drawn} == {1}
    assert run(*ask).out.count("\n") == 51


def test_query_derivatives(run: Run, bayes: str):
    found = run("query", bayes, "--ask", "derivatives", "--json").json
    model = load_model(bayes)
    down = found["derivatives"]
    assert set(down) == {g.name for g in model.groups}
    assert down["S"] == 1.0
    # P(X1 = 1) is the derivative by the leaf x1 (SPN paper, sec. 2), the weights being normal.
    assert down["x1"] == pytest.approx(math.exp(oracle.log_probability(model, [1.0, math.nan])))
    assert down["C1"] == pytest.approx(0.5)
    assert found["values"]["S"] == pytest.approx(1.0)


def test_derivatives_of_broken_circuits_are_allowed(run: Run, broken: str):
    found = run("query", broken, "--ask", "derivatives", "--evidence", "X1=1", "--json").json
    assert found["derivatives"]["B1"] == pytest.approx(0.4)


@pytest.mark.parametrize("ask", ["probability", "partition", "marginals", "mpe", "sample"])
def test_queries_that_need_a_property_are_refused_with_the_witness(run: Run, broken: str, ask: str):
    assert_one_line(run("query", broken, "--ask", ask), "smooth", "B1", "X2", "pccore check")


def test_several_roots(run: Run, folder: Path):
    a, b = bernoulli("X", 0.25), bernoulli("X", 0.75)
    save_model(circuit([a, b]), folder / "two.pc.json")
    ask = ("query", "two.pc.json", "--evidence", "X=1", "--ask", "probability", "--json")
    assert run(*ask).json["probability"] == pytest.approx(0.25)
    assert run(*ask, "--root", 1).json["probability"] == pytest.approx(0.75)
    assert_one_line(run(*ask, "--root", 2), "no root 2", "2 roots")


# -- datasets, build, lists ----------------------------------------------------------------


def test_datasets(run: Run):
    listed = run("datasets", "--json").json["datasets"]
    assert {"digits", "parity"} <= {entry["name"] for entry in listed}
    digits = run("datasets", "digits", "--json").json
    assert (digits["variables"], digits["train"], digits["image"]) == (
        64,
        1259,
        "8x8, values 0..16",
    )
    assert "8x8" in run("datasets", "digits").out
    assert "parity" in run("datasets").out


def test_datasets_of_a_folder(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_csv(folder / "mine.csv", ["a", "b"], [[0, 1], [1, 0], [1, 1], [0, 0]] * 5)
    monkeypatch.setenv("PCCORE_DATA", str(folder))
    listed = {e["name"]: e for e in run("datasets", "--json").json["datasets"]}
    assert listed["mine"]["variables"] == 2
    assert run("datasets", "mine", "--json").json["variable_names"] == ["a", "b"]


def test_build_without_data(run: Run):
    made = run("build", "rat", "--variables", 8, "--set", "depth=2", "-o", "m.pc.json", "--json")
    assert made.json["options"]["depth"] == 2
    assert load_model("m.pc.json").variables == tuple(f"X{i}" for i in range(8))
    made = run("build", "pd", "--image", "4x6", "--states", "real", "-o", "i.pc.safetensors")
    assert made.status == 0
    model = load_model("i.pc.safetensors")
    assert len(model.variables) == 24 and model.domain(0).kind == "real"


def test_presets(run: Run):
    paper = ("build", "rat", "--variables", 512, "--states", "real", "--preset", "einet-paper")
    made = run(*paper, "-o", "e.pc.safetensors", "--json").json
    assert made["parameters"] == 243_410  # Peharz et al. 2020: D = 4, R = 10, K = 10
    made = run(*paper, "--set", "units=2", "-o", "e.pc.safetensors", "--json").json
    assert made["options"]["units"] == 2 and made["options"]["replicas"] == 10


def test_lists(run: Run):
    built = {s["name"]: s for s in run("build", "--list", "--json").json["structures"]}
    assert {"rat", "pd"} <= set(built)
    assert "einet-paper" in built["rat"]["presets"]
    assert "depth" in [o["name"] for o in built["rat"]["options"]]
    assert [s["name"] for s in run("build", "rat", "--list", "--json").json["structures"]] == [
        "rat"
    ]
    learned = run("train", "--list", "--json").json
    assert {"em", "online-em", "adam"} <= {m["name"] for m in learned["methods"]}
    assert "epochs" in [o["name"] for o in learned["shared_options"]]
    assert "--preset einet-paper" in run("build", "--list").out
    assert "learning_rate" in run("train", "--list", "--method", "adam").out


def test_json_may_come_first(run: Run, bayes: str):
    assert run("--json", "info", bayes).json == run("info", bayes, "--json").json
