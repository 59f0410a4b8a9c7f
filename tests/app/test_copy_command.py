"""*Copy command*: the command repeats a run of any kind, and its run appears in the app."""

from __future__ import annotations

import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pc_workbench import jobs, paths, runs
from pccore import datasets, structures
from pccore.cli import main
from pccore.distillation import DistilRunOptions, execute_run, prepare_distillation
from pccore.learn import Origin, RunDirectory, TrainOptions, prepare_run
from pccore.learn.em import OnlineEMOptions
from pccore.transform import grow, prune

TWO = TrainOptions(epochs=2, patience=0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    jobs.registry.cache_clear()
    yield tmp_path / "home" / "runs"
    jobs.registry.cache_clear()


def begun(kind: str, folder: Path) -> RunDirectory:
    """A run of a kind, as the app begins it."""
    name = "digits" if kind == "label" else "parity"
    data = datasets.load(name)
    shape = structures.shape_of(data)
    if kind == "distil":
        model = structures.build_structure("hclt", shape, {"units": 2})
        options = DistilRunOptions(parts_epochs=2, latents_epochs=1, tune_epochs=2)
        return prepare_distillation(
            folder, model, data, model="m", data=name, options=options, threads=1, title="A *tree*"
        )
    rat = {"depth": 1, "replicas": 2, "units": 3}
    model = structures.build_structure("rat", shape, rat)
    origin = None
    if kind == "prune":
        model, origin = prune(model, threshold=0.2), Origin("before", 1, "pruned")
    elif kind == "grow":
        model, origin = grow(model, None, 1.0, None, 0.1, 0), Origin("before", 1, "grown")
    return prepare_run(
        folder, model, data, model="m", data=name, method="online-em",
        method_options=OnlineEMOptions(step=0.3), train_options=TWO, threads=1, title="A $title",
        label=3 if kind == "label" else None, origin=origin,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["train", "label", "distil", "prune", "grow"])
def test_the_command_repeats_the_run_which_appears(kind: str, home: Path):
    first = begun(kind, home / "first")
    assert execute_run(first) == "finished"
    words = shlex.split(runs.command("first")[1])
    assert words[:2] == ["pccore", "train"]
    assert main(words[1:]) == 0
    listed = {view.id: (config, view.state) for config, view in jobs.registry().runs()}
    config, state = listed["first-again"]
    before = first.config()
    assert state == "finished"
    same = ("method", "method_options", "train_options", "label", "title", "threads", "data")
    assert [getattr(config, n) for n in same] == [getattr(before, n) for n in same]
    one, other = (run.best() for run in (first, RunDirectory(home / "first-again")))
    assert one is not None and other is not None and one.params.equal(other.params)


def test_the_python_beside_it_does_the_same(home: Path, tmp_path: Path):
    first = begun("distil", home / "first")
    execute_run(first)
    script = tmp_path / "shown.py"
    script.write_text(runs.command("first")[0])
    runpy.run_path(str(script))
    one, other = (run.best() for run in (first, RunDirectory(home / "first-again")))
    assert one is not None and other is not None and one.params.equal(other.params)
