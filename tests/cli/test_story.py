"""Build, train, eval, query, complete; and training that is interrupted and continued."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pccore.cli import training
from pccore.datasets import load
from pccore.files import load_model
from pccore.learn import Epoch, RunDirectory, Step
from pccore.queries import log_likelihood
from tests.cli.helpers import Run, assert_one_line

SMALL = ("--set", "depth=2", "--set", "replicas=2", "--set", "units=3")


def build(run: Run, data: str = "digits") -> str:
    result = run("build", "rat", "--data", data, *SMALL, "-o", f"{data}.pc.safetensors", "--json")
    assert result.json["model"] == f"{data}.pc.safetensors"
    assert result.json["parameters"] == load_model(f"{data}.pc.safetensors").num_parameters
    return f"{data}.pc.safetensors"


def same_parameters(first: str | Path, second: str | Path) -> bool:
    return load_model(first).params.equal(load_model(second).params)


def test_the_whole_story(run: Run, folder: Path):
    model = build(run)
    trained = run(
        "train", model, "--data", "digits", "--method", "em", "--set", "epochs=2",
        "--run", "runs/first", "-o", "trained.pc.safetensors", "--json",
    )  # fmt: skip
    found = trained.json
    assert {k: found[k] for k in ("run", "state", "epochs", "model")} == {
        "run": "runs/first",
        "state": "finished",
        "epochs": 2,
        "model": "trained.pc.safetensors",
    }
    assert "epoch   2" in trained.err and "rows/s" in trained.err and "left" in trained.err
    assert same_parameters("trained.pc.safetensors", "runs/first/best.pc.safetensors")
    events = [
        json.loads(line) for line in Path("runs/first/metrics.jsonl").read_text().splitlines()
    ]
    epochs = [e for e in events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [0, 1, 2]
    assert epochs[-1]["valid_log_likelihood"] == found["valid_log_likelihood"]
    assert found["best_log_likelihood"] == max(e["valid_log_likelihood"] for e in epochs)

    scored = run("eval", "trained.pc.safetensors", "--data", "digits:valid", "--json").json
    assert scored["log_likelihood"] == pytest.approx(found["best_log_likelihood"], abs=1e-3)
    rows = load("digits").test
    exact = log_likelihood(load_model("trained.pc.safetensors"), np.array(rows)).mean()
    scored = run("eval", "trained.pc.safetensors", "--data", "digits", "--json").json
    assert scored["samples"] == len(rows)
    assert scored["log_likelihood"] == pytest.approx(float(exact), abs=1e-3)
    before = run("eval", model, "--data", "digits", "--json").json["log_likelihood"]
    assert scored["log_likelihood"] > before + 5

    asked = run("query", "trained.pc.safetensors", "--evidence", "X0=0", "--ask", "mpe", "--json")
    assert len(asked.json["mpe"]) == 64

    completed = run(
        "complete", "trained.pc.safetensors", "--data", "digits:test", "--hide", "left",
        "--method", "mean", "--baselines", "nn,pca", "--limit", 20, "-o", "out", "--json",
    ).json  # fmt: skip
    assert {"mse", "baselines", "samples", "seconds_per_image"} <= set(completed)
    assert completed["samples"] == 20 and completed["hidden_values"] == 32
    assert set(completed["baselines"]) == {"nn", "pca"}
    assert len(list(Path("out").glob("completion-*.png"))) == 20
    with Image.open("out/completion-00000.png") as picture:
        visible = np.asarray(picture)[:, 4:]
    truth = rows[0].reshape(8, 8)[:, 4:] * (255 / 16)
    assert np.array_equal(visible, np.round(truth))
    with Image.open("out/contact-sheet.png") as sheet:
        assert sheet.width > 16 * 64 and sheet.height > 5 * 64
    text = run(
        "complete", "trained.pc.safetensors", "--data", "digits", "--hide", "top", "--limit", 3
    ).out
    assert "MSE mpe" in text and "bound" in text


@pytest.mark.parametrize("method", ["em", "online-em", "adam"])
def test_resume_equals_uninterrupted(run: Run, method: str):
    model = build(run, "parity")
    common = ("train", model, "--data", "parity", "--method", method, "--set", "patience=0")
    assert run(*common, "--set", "epochs=4", "--run", "whole", "-o", "a.pc.json").status == 0
    assert run(*common, "--set", "epochs=2", "--run", "parts", "-o", "b.pc.json").status == 0
    assert not same_parameters("a.pc.json", "b.pc.json")
    more = ("train", "--resume", "--run", "parts", "--set", "epochs=4", "-o", "b.pc.json")
    assert run(*more).status == 0
    assert same_parameters("a.pc.json", "b.pc.json")
    ends = [RunDirectory(name).read_checkpoint() for name in ("whole", "parts")]
    assert ends[0] is not None and ends[1] is not None
    assert ends[0][1] == ends[1][1]
    assert ends[0][0].keys() == ends[1][0].keys()
    assert all(t.equal(ends[1][0][name]) for name, t in ends[0][0].items())
    whole, parts = (
        [{k: v for k, v in e.items() if k != "seconds"} for e in RunDirectory(name).metrics()[0]]
        for name in ("whole", "parts")
    )
    assert parts.pop(3) == {"event": "resumed", "epoch": 2}
    assert whole == parts


def test_resuming_a_finished_run_changes_nothing(run: Run):
    model = build(run, "parity")
    common = ("train", model, "--data", "parity", "--set", "epochs=2", "--run", "r")
    first = run(*common, "-o", "a.pc.json", "--json").json
    again = run(*common, "--resume", "-o", "b.pc.json", "--json").json
    assert same_parameters("a.pc.json", "b.pc.json")
    assert again["best_log_likelihood"] == first["best_log_likelihood"]


def test_resume_begins_where_there_is_nothing_yet(run: Run):
    # What a job script wants that is started again and again with the same command.
    model = build(run, "parity")
    command = ("train", model, "--data", "parity", "--set", "epochs=1", "--run", "r", "--resume")
    assert run(*command).status == 0
    assert run(*command).status == 0


def test_a_resumed_run_keeps_what_it_is(run: Run):
    model = build(run, "parity")
    settings = ("--method", "online-em", "--set", "epochs=1", "--set", "step=0.2")
    run("train", model, "--data", "parity", *settings, "--run", "r")
    resume = ("train", "--resume", "--run", "r")
    before = Path("r/config.json").read_text()
    assert_one_line(run(*resume, "--set", "step=0.5"), "step=0.2", "epochs")
    assert_one_line(run(*resume, "--set", "seed=5"), "seed=0")
    assert_one_line(run(*resume, "--method", "em"), "'online-em'", "'em'")
    assert_one_line(run(*resume, "--data", "digits"), "'parity'", "'digits'")
    assert_one_line(run("train", "other.pc.json", *resume[1:]), "'other.pc.json'")
    assert Path("r/config.json").read_text() == before
    assert_one_line(
        run("train", model, "--data", "parity", "--run", "r"), "already holds a run", "resume"
    )


def test_a_run_in_use_is_left_alone(run: Run):
    model = build(run, "parity")
    run("train", model, "--data", "parity", "--set", "epochs=1", "--run", "r")
    status = json.loads(Path("r/status.json").read_text())
    del status["crc32"]  # a status may be written by hand
    status |= {"state": "running", "process": os.getppid(), "heartbeat": 4e9}
    Path("r/status.json").write_text(json.dumps(status))
    assert_one_line(run("train", "--resume", "--run", "r"), str(os.getppid()), "at work")
    status |= {"process": 2**22 + 1}  # above the largest process id of Linux
    Path("r/status.json").write_text(json.dumps(status))
    assert run("train", "--resume", "--run", "r").status == 0


def test_damaged_runs(run: Run):
    model = build(run, "parity")
    for name, content in (
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", '{"model": 1, "magic": 2}'),
        ("checkpoint.safetensors", "nothing"),
        ("initial.pc.safetensors", "nothing"),
        ("best.pc.safetensors", "nothing"),
    ):
        folder = f"{name}-{content}"
        first = run("train", model, "--data", "parity", "--set", "epochs=1", "--run", folder)
        path = Path(folder) / name
        path.write_text(content)
        again = run("train", "--resume", "--run", folder)
        assert again.status == 0 and again.err.startswith(f"resuming {folder}\n{name}"), again
        assert again.out.splitlines()[:-1] == first.out.splitlines()[:-1]  # but for the seconds
        assert run("train", "--resume", "--run", folder).status == 0
    for name in ("checkpoint.safetensors", "checkpoint.previous.safetensors"):
        (Path(folder) / name).write_text("nothing")
    assert_one_line(run("train", "--resume", "--run", folder), "checkpoint.safetensors", "previous")


def test_changed_data_are_noticed(run: Run):
    rows = np.eye(4, dtype=np.float32).repeat(5, 0)
    np.savez("d.npz", train=rows, valid=rows, test=rows)
    run("build", "naive_bayes", "--data", "d.npz", "-o", "m.pc.json")
    assert (
        run("train", "m.pc.json", "--data", "d.npz", "--run", "r", "--set", "epochs=1").status == 0
    )
    np.savez("d.npz", train=1 - rows, valid=rows, test=rows)
    assert_one_line(run("train", "--resume", "--run", "r"), "d.npz", "changed")


def test_the_first_interrupt_stops_and_resuming_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch):
    model = build(run, "parity")
    common = ("train", model, "--data", "parity", "--method", "online-em", "--set", "epochs=5",
              "--set", "patience=0")  # fmt: skip
    run(*common, "--run", "whole", "-o", "a.pc.json")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    hear = training.Watcher.hear

    def interrupted(self: training.Watcher, event: Any) -> None:
        hear(self, event)
        if isinstance(event, Step) and event.epoch == 3 and event.batch == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training.Watcher, "hear", interrupted)
    stopped = run(*common, "--run", "parts", "-o", "b.pc.json")
    assert stopped.status == 130
    assert "pccore train --resume --run parts" in stopped.err
    assert "stopped" in stopped.out
    assert not Path("b.pc.json").exists()
    assert Path("parts/checkpoint.safetensors").exists()
    assert json.loads(Path("parts/status.json").read_text())["state"] == "stopped"
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(training.Watcher, "hear", hear)
    assert run("train", "--resume", "--run", "parts", "-o", "b.pc.json").status == 0
    assert same_parameters("a.pc.json", "b.pc.json")


def test_restarts_keep_the_best_on_validation(run: Run):
    model = build(run, "parity")
    common = ("train", model, "--data", "parity", "--method", "em", "--set", "epochs=3")
    common += ("--restarts", "3", "--run", "parts")
    found = run(*common, "-o", "best.pc.json", "--json").json
    scores = [each["best_log_likelihood"] for each in found["restarts"]]
    assert len(set(scores)) == 3
    assert found["best_log_likelihood"] == max(scores)
    assert found["run"] == found["restarts"][scores.index(max(scores))]["run"]
    assert same_parameters("best.pc.json", f"{found['run']}/best.pc.safetensors")
    plain = run("train", model, "--data", "parity", "--set", "epochs=3", "--run", "one", "--json")
    assert plain.json["best_log_likelihood"] == scores[0]
    assert_one_line(run(*common), "already holds a run")
    again = run(*common, "--resume")
    assert again.status == 0 and again.out.count("finished") == 4
    assert_one_line(run(*common, "--run", "one"), "single run")


def test_training_beside_the_main_thread(run: Run):
    model = build(run, "parity")
    statuses: list[int] = []

    def work() -> None:
        from pccore.cli import main

        statuses.append(main(["train", model, "--data", "parity", "--set", "epochs=1"]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert statuses == [0]
    (made,) = Path("runs").iterdir()  # the default: runs/TIME
    assert RunDirectory(made).exists()


def test_progress_lines(run: Run, capsys: pytest.CaptureFixture[str]):
    from pccore.cli.output import Progress

    watcher = training.Watcher(RunDirectory("r"), Progress())
    watcher.hear(Step(1, 1, 10, 12345.6, 125.0))
    watcher.hear(Epoch(1, -10.5, None, 1.0, True, 3))
    text = capsys.readouterr().err
    assert text == (
        "epoch   1  train -10.5000  12,346 rows/s  2:05 min left  3 rows have probability zero\n"
    )


def test_presets_and_settings_of_training(run: Run):
    model = build(run, "parity")
    run("train", model, "--data", "parity:train", "--method", "online-em", "--preset",
        "einet-paper", "--set", "epochs=1", "--title", "a name", "--threads", "1",
        "--run", "r")  # fmt: skip
    config = RunDirectory("r").config()
    assert config.method_options["step"] == 0.5
    assert config.train_options["batch_size"] == 500
    assert config.train_options["epochs"] == 1
    assert (config.title, config.data, config.device, config.threads) == (
        "a name",
        "parity",
        "cpu",
        1,
    )
    assert run("train", "--resume", "--run", "r", "--preset", "einet-paper").status == 0
