"""Prune and grow on Train, and distillation as a method there."""

from __future__ import annotations

import math
import runpy
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import jobs, runs, store
from pc_workbench.views import commands, curves, reshape
from pc_workbench.views.curves import Past, Story
from pccore import datasets, structures
from pccore.cli import main
from pccore.files import load_model
from pccore.learn import RunConfig
from tests.app.pages import opened, train_page

PATIENCE = 120.0

pytestmark = pytest.mark.usefixtures("one_run_at_a_time")


def rerun(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    assert not [e.value for e in at.error]
    return at


def show(**parameters: str) -> AppTest:
    return rerun(opened(train_page, **parameters))


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def button(at: AppTest, label: str) -> Any:
    return next(one for one in at.button if one.label == label)


def finished(at: AppTest) -> str:
    run = parameter(at, "run")
    end = time.monotonic() + PATIENCE
    while jobs.registry().view(run).state != "finished":
        found = jobs.registry().view(run)
        assert time.monotonic() < end and found.state != "failed", found
        time.sleep(0.05)
    rerun(at)
    return run


def tree() -> str:
    shape = structures.shape_of(datasets.load("parity"))
    circuit = structures.build_structure("hclt", shape, {"units": 4})
    return store.put_model(circuit.with_meta({**circuit.meta, "title": "Tree"}))


def epoch(number: int, valid: float, best: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "event": "epoch", "epoch": number, "train_log_likelihood": valid - 1,
        "valid_log_likelihood": valid, "seconds": 0.5, "best": best, "impossible": 0, **more,
    }  # fmt: skip


def test_a_run_that_goes_on_is_drawn_after_the_one_before() -> None:
    first = curves.merge(Story(), [epoch(0, -9), epoch(1, -5), epoch(2, -6, False)])
    second = replace(
        curves.merge(Story(), [epoch(0, -5.5), epoch(1, -4)]), past=Past(first, 1, "pruned")
    )
    third = replace(curves.merge(Story(), [epoch(0, -4.1)]), past=Past(second, 1, "grown"))
    by_name = {one["name"]: one for one in curves.series(third)}
    assert by_name["validation"]["x"] == [2]
    before = by_name["before"]
    assert before["x"] == [0, 1, 1, 1, 2]
    assert before["y"][:2] == [-9, -5] and math.isnan(before["y"][2])
    assert before["y"][3:] == [-5.5, -4]
    assert curves.notes(third) == [{"x": 1, "label": "pruned"}, {"x": 2, "label": "grown"}]
    assert curves.best(third)["label"] == "best, epoch 2"
    seconds = {one["name"]: one for one in curves.series(second, "seconds")}
    assert seconds["validation"]["x"] == [1.5, 2.0]
    assert [one["name"] for one in curves.overlay([("a", third)])] == ["a"]


def test_stages_are_told_and_what_knows_the_states_is_another_curve() -> None:
    story = curves.merge(
        Story(),
        [
            {"event": "stage", "stage": "embeddings", "done": 2, "of": None},
            {"event": "stage", "stage": "parts", "done": 0, "of": 5},
            epoch(0, -9, False, stage="parts"), epoch(1, -8, False, stage="parts"),
            {"event": "stage", "stage": "tune", "done": 0, "of": 3},
            epoch(2, -7, stage="tune"),
        ],
    )  # fmt: skip
    assert [one["name"] for one in curves.series(story)] == [
        "training", "validation", "with hidden states",
    ]  # fmt: skip
    assert curves.series(story)[1]["x"] == [2] and curves.series(story)[2]["y"] == [-9, -8]
    assert story.stages == (("embeddings", 2, None), ("parts", 1, 5), ("tune", 0, 3))
    assert "**tune** 0 of 3" in curves.stages_text(story, False)
    assert {"x": 1, "label": "tune"} in curves.notes(story)


def test_a_pruned_model_loses_no_more_than_the_bound() -> None:
    data = datasets.load("digits")
    model = load_model("digits_rat")
    found = reshape.pruned(model, data.train[:300], 0.3)
    assert found.circuit.num_edges < model.num_edges
    change = found.change
    assert change.bound is not None and change.loss <= change.bound + 1e-6
    assert [row[""] for row in found.table()] == ["units", "edges", "parameters", "nats a row"]
    assert "cannot be more than" in found.verdict()
    places = reshape.places_to_grow(model)
    name = next(iter(places))
    grown = reshape.grown(model, data.train[:300], [name], 1.0, 0.0, 0)
    assert grown.circuit.num_units > model.num_units
    assert grown.change.after == pytest.approx(grown.change.before, abs=1e-3)


@pytest.mark.parametrize("kind", ["prune", "grow"])
def test_the_code_of_a_change_runs(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    model = str(store.model_path(tree()))
    wanted: dict[str, Any] = {"kind": kind, "share": 0.5}
    if kind == "grow":
        groups = list(reshape.places_to_grow(load_model(model)))[:2]
        wanted |= {"groups": groups, "noise": 0.1, "seed": 0}
    config = RunConfig("reshaped.pc.safetensors", "parity", "em", {}, {"epochs": 1})
    python, command = reshape.code(model, config, wanted, commands.rerun(config))
    (tmp_path / "shown.py").write_text(python)
    runpy.run_path(str(tmp_path / "shown.py"))
    by_python = load_model("reshaped.pc.safetensors")
    assert main(shlex.split(command.splitlines()[0])[1:]) == 0
    assert load_model("reshaped.pc.safetensors").num_edges == by_python.num_edges


def test_a_run_is_pruned_and_goes_on() -> None:
    at = show(model=tree(), dataset="parity", learner="em", training="epochs:3")
    button(at, "Start").click()
    rerun(at)
    first = finished(at)
    assert any("Prune or grow" in one.label for one in at.expander)
    assert not any(one.label == "Go on as a new run" for one in at.button)
    at.session_state["pcw_reshape"] = True  # opened
    rerun(at)
    at.select_slider(key="pcw_reshape_share").set_value(0.5)
    rerun(at)
    assert any("cannot be more than" in one.value.replace("\\", "") for one in at.caption)
    button(at, "Go on as a new run").click()
    rerun(at)
    second = finished(at)
    assert second != first
    config = jobs.registry().directory(second).config()
    assert config.origin is not None and config.origin.run == first
    assert config.origin.change == "pruned 50% by flow"
    story = runs.story(jobs.registry().view(second))
    assert story.past is not None and story.past.epoch == config.origin.epoch
    assert curves.begin(story) == config.origin.epoch
    before, after = (jobs.registry().directory(one).initial() for one in (first, second))
    assert after.num_edges < before.num_edges
    again = next(shlex.split(c.value) for c in at.code if f"{second}/initial" in c.value)
    assert again[:2] == ["pccore", "train"]
    assert runs.run_title(second).startswith("**Tree, pruned 50%")
    assert runs.use_best(second) == "Tree, pruned 50% by flow, trained on parity"


def test_distillation_is_a_method() -> None:
    options = "parts_epochs:2~latents_epochs:1~tune_epochs:2"
    at = show(model=tree(), dataset="parity", learner="distil", training=options)
    command, python = next(
        (b.value, p.value)
        for b, p in zip(at.code, at.code[1:], strict=False)
        if b.value.startswith("pccore train") and "--method distil" in b.value
    )
    assert "parts_epochs=2" in command
    compile(python, "shown", "exec")
    button(at, "Start").click()
    rerun(at)
    run = finished(at)
    story = runs.story(jobs.registry().view(run))
    assert [name for name, _, _ in story.stages] == ["embeddings", "parts", "latents", "tune"]
    assert any("✓" in one.value and "tune" in one.value for one in at.markdown)
    assert runs.use_best(run) == "Tree, trained on parity"
    # A random tree has no hidden variables that clusters could tell.
    shape = structures.shape_of(datasets.load("parity"))
    other = store.put_model(structures.build_structure("rat", shape, {"depth": 1}))
    bare = show(model=other, dataset="parity", learner="distil")
    button(bare, "Start").click()
    bare.run()
    assert len(bare.error) == 1 and "hidden variable" in bare.error[0].value
