"""pccore classify: training a circuit for each class, and what it says and writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from pccore.build import bernoulli, circuit
from pccore.files import load_model, save_model
from tests.cli.helpers import Run, assert_one_line


def labelled_file(folder: Path, name: str = "coins.npz") -> str:
    """Images of 2x2 with two classes, in the members that common image sets use."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 300), ("test", 100)):
        labels = rng.integers(0, 2, count)
        chance = np.where(labels == 1, 0.8, 0.2)[:, None, None]
        arrays[f"{split}_x"] = (rng.random((count, 2, 2)) < chance).astype(np.uint8)
        arrays[f"{split}_y"] = labels.astype(np.uint8)
    np.savez(folder / name, **arrays)  # type: ignore[arg-type]
    return name


def test_a_structure_is_trained_for_each_class(run: Run, folder: Path) -> None:
    data = labelled_file(folder)
    options = ["--set", "components=2", "--set", "epochs=3", "--set", "pseudocount=0.5"]
    result = run("classify", "naive_bayes", "--data", data, "--method", "em", *options, "-o", "out",
                 "--json")  # fmt: skip
    found = result.json
    assert found["accuracy"] > 0.8 and found["samples"] == 100 and found["classes"] == 2
    assert set(found["areas"]) == {"0", "1"} and found["mean_area"] > 0.85
    assert np.sum(found["confusion"]) == 100
    text = (folder / "out" / "precision-recall.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["class"] for row in rows} == {"0", "1"}
    assert (folder / "out" / "precision-recall.svg").read_text().startswith("<?xml")
    models = [load_model(folder / "out" / f"class-{k}.pc.safetensors") for k in (0, 1)]
    assert all(len(model.variables) == 4 for model in models)
    again = run("classify", "out", "--data", data, "--json").json
    assert again["method"] is None and again["areas"] == found["areas"]
    (folder / "out" / "class-1.pc.safetensors").unlink()
    assert_one_line(run("classify", "out", "--data", data), "class-1.pc.safetensors")
    assert_one_line(run("classify", "out", "--data", data, "--set", "epochs=1"), "nothing to --set")


def test_a_model_can_be_the_start_of_every_class(run: Run, folder: Path) -> None:
    data = labelled_file(folder)
    run("build", "naive_bayes", "--data", data, "--set", "components=2", "-o", "m.pc.json")
    result = run("classify", "m.pc.json", "--data", f"{data}:train", "--set", "epochs=2",
                 "--limit", 50)  # fmt: skip
    assert result.status == 0, result.err
    assert "accuracy" in result.out and "50 rows of coins:train" in result.out


def test_roots_are_classes_and_nothing_is_trained(run: Run, folder: Path) -> None:
    data = labelled_file(folder)
    leaves = [[bernoulli(f"X{i}", p) for i in range(4)] for p in (0.2, 0.8)]
    tops = [a * b * c * d for a, b, c, d in leaves]
    save_model(circuit(tops), folder / "both.pc.json")
    found = run("classify", "both.pc.json", "--data", data, "--json").json
    assert found["method"] is None and found["accuracy"] > 0.85


def test_bad_input_is_one_line(run: Run, folder: Path) -> None:
    data = labelled_file(folder)
    assert_one_line(run("classify", "rat", "--data", "parity"), "no labels")
    assert_one_line(run("classify", "magic", "--data", data), "magic")
    assert_one_line(run("classify", "rat", "--data", data, "--method", "x"), "known are")
    assert_one_line(run("classify", "rat", "--data", data, "--set", "k=1"), "unknown option 'k'")
    three = [bernoulli("X0", p) for p in (0.1, 0.2, 0.3)]
    save_model(circuit(three), folder / "three.pc.json")
    assert_one_line(run("classify", "three.pc.json", "--data", data), "columns")
