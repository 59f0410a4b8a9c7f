"""tune: what was tried is told, the best is written and is an ordinary model."""

from __future__ import annotations

import pytest

from tests.cli.helpers import Run, assert_one_line

START = ("tune", "pd", "--data", "digits", "--set", "start=clusters", "--rows", "200")
GRID = ("--try", "delta", "4", "2,1", "--try", "units", "2", "9", "--set", "leaf=gaussian")


def test_completion(run: Run) -> None:
    found = run(*START, *GRID, "--hide", "top", "--no-mirror", "-o", "m.pc.safetensors", "--json")
    assert found.err.count("trials") == 3
    told = found.json
    kept = [trial for trial in told["trials"] if trial["kept"]]
    assert len(kept) == 1 and kept[0]["mse"] == told["valid_mse"]
    assert told["valid_mse"] == min(trial["mse"] for trial in told["trials"])
    assert told["options"]["mirror"] is False
    assert {trial["delta"] for trial in told["trials"]} == {"4", "2,1"}
    asked = ("--data", "digits:valid", "--hide", "top", "--method", "mean", "--json")
    completed = run("complete", "m.pc.safetensors", *asked).json
    assert completed["mse"] == pytest.approx(told["valid_mse"], rel=0.3)  # other rows


def test_likelihood_for_people(run: Run) -> None:
    found = run(*START, *GRID, "--score", "likelihood", "-o", "m.pc.safetensors")
    assert found.status == 0
    assert found.out.count("yes") >= 1 and "log_likelihood" in found.out


def test_bad_usage(run: Run) -> None:
    assert_one_line(run(*START), "-o")
    end = ("-o", "m.pc.json")
    assert_one_line(run(*START, "--try", "units", *end), "units", "no values")
    assert_one_line(run(*START, "--try", "units", "2", "--try", "units", "3", *end), "twice")
    assert_one_line(run(*START, "--try", "units", "two", *end), "units")
    assert_one_line(run(*START, "--try", "units", "2", "--hide", "nose", *end), "nose")
    assert_one_line(run(*START, "--hide", ",", *end), "--hide")
    assert_one_line(run("tune", "rat", "--data", "digits", *end), "rat")
