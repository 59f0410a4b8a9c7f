"""pccore compare, and figures of any size by pccore build."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pccore.files import load_model
from pccore.structures.figures import figure3_mixture
from tests.cli.helpers import Run, assert_one_line


def test_equal_models(run: Run):
    found = run("compare", "figure1_naive_bayes", "figure1_naive_bayes", "--json")
    assert found.status == 0 and found.json["identical"] is True
    assert found.json["same"] == 12 and found.json["differences"] == []
    assert found.json["distance"]["total_variation"]["value"] == pytest.approx(0)


def test_different_models(run: Run):
    found = run("compare", "incomplete", "inconsistent", "--json")
    assert found.status == 1
    said = {(d["status"], d["unit"]) for d in found.json["differences"]}
    assert ("removed", "B1") in said and ("changed", "S") in said
    apart = found.json["distance"]
    assert apart["quality"] == "exact" and apart["inputs"] == 4
    assert apart["largest_difference"]["state"] == {"X1": 1.0, "X2": 0.0}
    # p is 0.6 A1 A2 + 0.4 B1 over 1.4, q is A1 A2 over its sum.
    p, q = (0.6 * 0.9 * 0.3 + 0.4 * 0.2) / 1.4, 0.6 * 0.7
    logs = apart["largest_difference"]["log_probability"]
    assert [math.exp(v) for v in logs] == pytest.approx([p, q])


def test_the_same_for_people(run: Run):
    found = run("compare", "incomplete", "inconsistent")
    assert found.status == 1
    assert "+ product P2" in found.out and "- sum B1" in found.out and "(exact)" in found.out


def test_other_variables(run: Run):
    arguments = ("compare", "figure1_naive_bayes", "figure2_hidden_variable", "--json")
    found = run(*arguments)
    assert found.json["distance"] is None and "only the second has Y" in found.json["problem"]
    found = run(*arguments, "--shared")
    assert found.json["problem"] is None
    assert found.json["distance"]["variables"] == ["X1", "X2"]


def test_infinity_and_estimates(run: Run, tmp_path: Path):
    run("build", "parity", "--set", "n=4", "-o", str(tmp_path / "p.pc.json"))
    free = tmp_path / "free.pc.json"
    run("build", "factorized", "--variables", "4", "-o", str(free))
    renamed = load_model(free)
    from pccore.files import save_model
    from pccore.graph import Circuit

    names = [f"X{v}" for v in range(1, 5)]
    save_model(Circuit(renamed.groups, renamed.roots, names, renamed.params), free)
    found = run("compare", str(free), str(tmp_path / "p.pc.json"), "--json").json["distance"]
    # The data say 2 states, an indicator says 2 states: the domains agree.
    assert found["kl"] == {
        "value": None,
        "infinite": True,
        "standard_error": 0.0,
        "quality": "exact",
    }
    found = run("compare", "old_geyser", "old_geyser", "--count", "100", "--json").json["distance"]
    assert found["quality"] == "estimate" and found["inputs"] == 100


def test_bad_models(run: Run):
    assert_one_line(run("compare", "incomplete", "no_such_model"), "no_such_model")
    assert_one_line(run("compare", "incomplete"), "required")


def test_parity_of_any_size(run: Run, tmp_path: Path):
    target = tmp_path / "m.pc.json"
    made = run(
        "build", "parity", "--set", "n=6", "--set", "form=mixture", "-o", str(target), "--json"
    )
    assert made.json["structure"] == "parity"
    assert made.json["options"] == {"n": 6, "form": "mixture"}
    assert load_model(target).params.equal(figure3_mixture(6).params)
    assert_one_line(run("build", "parity", "--set", "n=1", "-o", str(target)), "n")
    assert_one_line(run("build", "parity", "--variables", "3", "-o", str(target)), "own variables")
    listed = run("build", "--list", "--json").json["structures"]
    assert "parity" in [one["name"] for one in listed]


@pytest.mark.parametrize("suffix", ["svg", "tex", "pdf", "png", "dot"])
def test_convert_draws(run: Run, suffix: str, tmp_path: Path):
    target = tmp_path / f"m.{suffix}"
    done = run("convert", "figure1_naive_bayes", str(target), "--json")
    assert done.status == 0 and done.json["bytes"] == target.stat().st_size > 500
    assert_one_line(run("convert", "digits_rat", str(tmp_path / "d.pdf")), "12,011 units")
