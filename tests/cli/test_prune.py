"""prune: what it reports, and that the written model is the pruned one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pccore import oracle
from pccore.build import bernoulli, circuit, mix, product
from pccore.files import load_model, save_model
from tests.cli.helpers import Run, assert_one_line


@pytest.fixture
def mixture(folder: Path) -> str:
    """Three components, one of weight zero and one of weight 0.1."""
    parts = [product(bernoulli("A", p), bernoulli("B", 1 - p)) for p in (0.2, 0.5, 0.8)]
    save_model(circuit(mix([0.9, 0.0, 0.1], parts)), folder / "m.pc.json")
    random = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=random.integers(0, 2, (50, 2)).astype(np.float32))
    return "m.pc.json"


def test_zero_weights_change_nothing(run: Run, mixture: str) -> None:
    found = run("prune", mixture, "-o", "p.pc.json", "--data", "d.npz:train", "--json").json
    assert (found["before"]["edges"], found["after"]["edges"]) == (9, 6)
    assert (found["before"]["units"], found["after"]["units"]) == (10, 7)
    assert found["properties"] == {"smooth": True, "decomposable": True}
    assert found["data"]["largest_difference"] < 1e-12
    assert found["data"]["before"] == pytest.approx(found["data"]["after"])
    assert found["data"]["lost"] == 0
    before, after = (oracle.log_table(load_model(f)) for f in (mixture, "p.pc.json"))
    np.testing.assert_allclose(after, before)


def test_a_threshold_says_what_it_costs(run: Run, mixture: str) -> None:
    arguments = ("prune", mixture, "--threshold", "0.2", "-o", "p.pc.json")
    found = run(*arguments, "--data", "d.npz:train", "--json").json
    assert found["after"]["edges"] == 3
    assert found["data"]["largest_difference"] > 0.1
    text = run(*arguments, "--data", "d.npz:train")
    assert text.status == 0
    assert "largest difference" in text.out
    assert run(*arguments, "--json").json["data"] is None


def test_bad_usage(run: Run, mixture: str) -> None:
    assert_one_line(run("prune", mixture), "-o")
    for bad in ("1", "-0.1", "nan", "1e3", "a"):
        assert_one_line(run("prune", mixture, f"--threshold={bad}", "-o", "p.pc.json"), bad)


def test_what_hard_em_left_at_zero(run: Run) -> None:
    """Learned with counts that are not smoothed, most edges are zero: none of them is missed."""
    run("build", "dense", "--data", "digits", "--set", "regions=random", "-o", "a.pc.safetensors")
    learn = ("--method", "hard-em", "--set", "epochs=2", "--set", "smoothing=0", "--run", "r")
    trained = run("train", "a.pc.safetensors", "--data", "digits", *learn, "-o", "b.pc.safetensors")
    assert trained.status == 0, trained.err
    found = run("prune", "b.pc.safetensors", "--data", "digits", "-o", "c.pc.safetensors", "--json")
    assert found.json["after"]["edges"] < 0.3 * found.json["before"]["edges"]
    assert found.json["data"]["largest_difference"] < 1e-3
    assert found.json["data"]["lost"] == 0
    assert run("check", "c.pc.safetensors").status == 0
    again = run("train", "c.pc.safetensors", "--data", "digits", "--method", "em",
                "--set", "epochs=2", "--run", "s", "--json")  # fmt: skip
    assert again.json["state"] == "finished"
