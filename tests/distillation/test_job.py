"""A distillation as one run: told, stopped, resumed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pccore.distillation import (
    DistilRunOptions,
    execute_run,
    prepare_distillation,
    run_method,
    run_methods,
)
from pccore.errors import NotFoundError, OptionError, RunError
from pccore.learn import Epoch, RunDirectory, methods
from pccore.structures import build_structure, shape_of
from tests.distillation.support import binary

OPTIONS = DistilRunOptions(parts_epochs=3, latents_epochs=2, tune_epochs=3, patience=0)


def prepared(path: Path) -> RunDirectory:
    data = binary(4, states=3)
    model = build_structure("hclt", shape_of(data), {"units": 3})
    return prepare_distillation(path, model, data, model="m", data="chain", options=OPTIONS)


def test_every_stage_is_told_and_the_best_is_kept(tmp_path: Path) -> None:
    run = prepared(tmp_path / "run")
    assert execute_run(run, data=binary(4, states=3)) == "finished"
    events, _ = run.metrics()
    stages = [e["stage"] for e in events if e["event"] == "stage"]
    assert stages == ["embeddings", "parts", "latents", "tune"]
    epochs = [e for e in events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == list(range(len(epochs)))
    assert not any(e["best"] for e in epochs if e["stage"] == "parts")
    best = run.best()
    assert best is not None and best.variables == run.initial().variables
    assert best.meta["latents"] == run.initial().meta["latents"]
    tuned = RunDirectory(run.path / "3-tune")
    assert run.scores().best == pytest.approx(tuned.scores().best)
    assert run.look() is not None and run.status().state == "finished"
    assert run.status().epoch == run.status().epochs == len(epochs) - 1


def test_a_stopped_one_goes_on_where_it_was(tmp_path: Path) -> None:
    data = binary(4, states=3)
    whole, broken = prepared(tmp_path / "whole"), prepared(tmp_path / "broken")
    execute_run(whole, data=data)

    def stop(event: object) -> None:
        if isinstance(event, Epoch) and (broken.path / "3-tune").exists():
            broken.request("stop")
            RunDirectory(broken.path / "3-tune").request("stop")

    assert execute_run(broken, data=data, listener=stop) == "stopped"
    assert broken.best() is not None
    assert execute_run(broken, data=data, resume=True) == "finished"
    one, other = whole.best(), broken.best()
    assert one is not None and other is not None and one.params.equal(other.params)


def test_a_paused_one_waits(tmp_path: Path) -> None:
    run = prepared(tmp_path / "run")
    seen: list[str] = []

    def release() -> None:
        end = time.monotonic() + 60
        while run.status().state != "paused" and time.monotonic() < end:
            time.sleep(0.05)
        seen.append(run.status().state)
        run.request("run")

    waiter = threading.Thread(target=release)

    def pause(event: object) -> None:
        if isinstance(event, Epoch) and not waiter.ident:
            time.sleep(0.3)  # the control file is looked at now and then
            run.request("pause")
            waiter.start()

    assert execute_run(run, data=binary(4, states=3), listener=pause) == "finished"
    waiter.join()
    assert seen == ["paused"]
    told = [e["event"] for e in run.metrics()[0]]
    assert told.count("paused") == told.count("resumed") == 1


def test_refusals(tmp_path: Path) -> None:
    data = binary(4)
    rat = build_structure("rat", shape_of(data), {"depth": 1})
    with pytest.raises(OptionError, match="hidden variable"):
        prepare_distillation(tmp_path / "r", rat, data, model="m", data="d")
    assert not (tmp_path / "r").exists()
    assert set(run_methods()) == {*methods(), "distil"}
    with pytest.raises(NotFoundError):
        run_method("magic")
    with pytest.raises(RunError, match="no single learner"):
        run_method("distil").make(None, 1, None)  # type: ignore[arg-type]
