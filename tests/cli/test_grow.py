"""grow, and prune --flow: by what the data use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pccore import oracle
from pccore.files import load_model, save_model
from pccore.structures import Shape, build_structure
from tests.cli.helpers import Run, assert_one_line


@pytest.fixture
def model(folder: Path) -> str:
    """A hidden Markov model and rows for it."""
    save_model(build_structure("hmm", Shape.of(6), {"units": 3}), folder / "m.pc.json")
    random = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=random.integers(0, 2, (60, 6)).astype(np.float32))
    return "m.pc.json"


def test_grow_without_noise_changes_nothing(run: Run, model: str) -> None:
    found = run("grow", model, "--noise", "0", "-o", "g.pc.json", "--json").json
    assert found["before"]["units"] == 3 * 16 + 1
    assert found["after"]["units"] == 6 * 16 + 1
    assert found["data"] is None
    before, after = (oracle.log_table(load_model(f)) for f in (model, "g.pc.json"))
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_grow_by_flow_and_by_name(run: Run, model: str) -> None:
    arguments = ("grow", model, "--groups", "Z(X2)", "--share", "0.3", "-o", "g.pc.json")
    text = run(*arguments, "--data", "d.npz:train")
    assert text.status == 0, text.err
    assert "log-likelihood after" in text.out
    found = run(*arguments, "--data", "d.npz:train", "--json").json
    assert found["after"]["units"] == 4 * 16 + 1
    assert abs(found["data"]["after"] - found["data"]["before"]) < 1
    grown = load_model("g.pc.json")
    assert np.exp(oracle.log_table(grown)).sum() == pytest.approx(1, abs=1e-5)
    assert len({id(t) for t in grown.params.values()}) == 3


def test_prune_by_flow_says_what_it_costs_at_most(run: Run, model: str) -> None:
    arguments = ("prune", model, "--flow", "0.4", "-o", "p.pc.json")
    found = run(*arguments, "--data", "d.npz:train", "--json").json
    assert found["flow"] == 0.4
    assert found["after"]["edges"] < found["before"]["edges"]
    assert found["data"]["loss"] <= found["data"]["bound"] + 1e-9
    assert "at most" in run(*arguments, "--data", "d.npz:train").out
    table = np.exp(oracle.log_table(load_model("p.pc.json")))
    assert table.sum() == pytest.approx(1, abs=1e-5)


def test_materialise(run: Run, model: str) -> None:
    scopes = ("--latent", "Z5=X4,X5", "--latent", "Z1=X0,X1,X2,X3,X4,X5")
    found = run("materialise", model, *scopes, "-o", "z.pc.json", "--json").json
    assert found["states"] == {"Z5": 3, "Z1": 3}
    assert found["largest_difference"] < 1e-6
    assert found["properties"] == {"smooth": True, "decomposable": True, "deterministic": False}
    assert load_model("z.pc.json").variables[-2:] == ("Z5", "Z1")
    assert_one_line(run("materialise", model, "--latent", "Z", "-o", "z.pc.json"), "--latent")
    assert_one_line(run("materialise", model, "--latent", "Z=X0,X2", "-o", "z.pc.json"), "Z")


def test_bad_usage(run: Run, model: str) -> None:
    assert_one_line(run("grow", model), "-o")
    assert_one_line(run("grow", model, "--share", "2", "-o", "g.pc.json"), "share")
    assert_one_line(run("grow", model, "--noise=-1", "-o", "g.pc.json"), "noise")
    assert_one_line(run("grow", model, "--groups", "nobody", "-o", "g.pc.json"), "nobody")
    assert_one_line(run("grow", model, "--groups", "root", "-o", "g.pc.json"), "root")
    assert_one_line(run("prune", model, "--flow", "0.5", "-o", "p.pc.json"), "--data")
