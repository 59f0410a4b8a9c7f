"""mixture: options go to whom they belong, the best starts are kept, the model is ordinary."""

from __future__ import annotations

import pytest

from tests.cli.helpers import Run, assert_one_line

SETTINGS = ("--set", "epochs=2", "--set", "depth=2", "--set", "replicas=2", "--set", "units=2")


def test_a_mixture_is_trained_and_can_be_used(run: Run) -> None:
    arguments = ("mixture", "rat", "--data", "digits", "--components", "3", "--restarts", "2")
    arguments += ("--method", "online-em", "--set", "step=0.2", *SETTINGS, "--jobs", "1")
    found = run(*arguments, "--run", "parts", "-o", "m.pc.safetensors", "--json")
    assert found.err.count("component") == 6
    told = found.json
    assert told["components"] == 3
    assert sum(told["weights"]) == pytest.approx(1)
    kept = [t for t in told["trials"] if t["kept"]]
    assert [t["component"] for t in kept] == [0, 1, 2]
    scores = run("eval", "m.pc.safetensors", "--data", "digits:valid", "--json").json
    assert scores["log_likelihood"] == pytest.approx(told["valid_log_likelihood"], rel=1e-5)
    properties = run("info", "m.pc.safetensors", "--json").json["properties"]
    assert properties["smooth"] and properties["decomposable"] and properties["normalized"]
    again = run(*arguments, "--run", "parts", "-o", "m.pc.safetensors")
    assert_one_line(again, "already holds a run")


def test_restarts_for_people(run: Run) -> None:
    found = run(
        "mixture", "rat", "--data", "digits", "--components", "1", "--restarts", "2", *SETTINGS,
        "--jobs", "1", "-o", "m.pc.safetensors",
    )  # fmt: skip
    assert found.status == 0
    assert found.out.count("yes") == 1
    assert "valid log likelihood" in found.out


def test_bad_usage(run: Run) -> None:
    start = ("mixture", "rat", "--data", "digits")
    assert_one_line(run(*start), "-o")
    assert_one_line(run(*start, "--set", "no=1", "-o", "m.pc.json"), "'no'", "rat", "em")
    assert_one_line(run(*start, "--components", "0", "-o", "m.pc.json"), "components")
    assert_one_line(run("mixture", "ra", "--data", "digits", "-o", "m.pc.json"), "'ra'")
    assert_one_line(run(*start, "--set", "epochs=x", "-o", "m.pc.json"), "epochs")
