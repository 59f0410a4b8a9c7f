"""distil: stages on the command line, and states that the user brings."""

from __future__ import annotations

import numpy as np
import pytest

from pccore.datasets import load
from pccore.distillation import DistilRunOptions, execute_run, prepare_distillation
from pccore.files import load_model
from pccore.learn import Epoch
from tests.cli.helpers import Run, assert_one_line

SETTINGS = (
    "--set", "parts_epochs=2", "--set", "latents_epochs=1", "--set", "tune_epochs=1",
)  # fmt: skip


@pytest.fixture
def patches(run: Run) -> str:
    run(
        "build", "patches", "--data", "digits", "--set", "latents=4", "--set", "units=2",
        "-o", "p.pc.safetensors",
    )  # fmt: skip
    return "p.pc.safetensors"


def test_stages_and_what_they_came_to(run: Run, patches: str) -> None:
    arguments = (
        "distil", patches, "--data", "digits", "--embeddings", "autoencoder",
        "--set", "embed.epochs=1", "--set", "embed.width=8", "--set", "embed.heads=1",
        *SETTINGS, "--run", "r", "-o", "m.pc.safetensors",
    )  # fmt: skip
    found = run(*arguments, "--json")
    assert [stage["stage"] for stage in found.json["stages"]] == ["parts", "latents", "tune"]
    assert "embeddings  epoch 1" in found.err
    assert found.json["hidden"]
    scores = run("eval", "m.pc.safetensors", "--data", "digits:valid", "--json").json
    assert scores["log_likelihood"] == pytest.approx(
        found.json["stages"][-1]["log_likelihood"], rel=1e-4
    )
    assert_one_line(run(*arguments), "already holds a distillation")
    again = run(*arguments, "--resume")
    assert again.status == 0
    assert "closed form" in again.out


def test_states_from_a_file(run: Run, patches: str) -> None:
    digits = load("digits")
    rng = np.random.default_rng(0)
    count = 4
    np.savez("z.npz", train=rng.integers(0, 4, (len(digits.train), count)))
    start = ("distil", patches, "--data", "digits", *SETTINGS, "-o", "m.pc.safetensors")
    assert run(*start, "--embeddings", "z.npz", "--run", "a").status == 0
    np.savez("z.npz", train=rng.integers(0, 5, (len(digits.train), count)))
    assert_one_line(run(*start, "--embeddings", "z.npz"), "outside -1 .. 3")
    np.savez("z.npz", train=np.zeros((3, count, 2)))
    assert_one_line(run(*start, "--embeddings", "z.npz"), "not")


def test_as_one_run_that_is_listed_and_resumed(run: Run, patches: str) -> None:
    start = ("train", patches, "--data", "digits", "--method", "distil", *SETTINGS)
    found = run(*start, "--run", "runs/d", "--title", "Mine", "-o", "m.pc.safetensors", "--json")
    assert found.status == 0 and found.json["state"] == "finished"
    (listed,) = run("runs", "--json").json["runs"]
    assert listed["settings"]["method"] == "distil" and listed["settings"]["title"] == "Mine"
    scores = run("eval", "m.pc.safetensors", "--data", "digits:valid", "--json").json
    assert scores["log_likelihood"] == pytest.approx(found.json["best_log_likelihood"], rel=1e-4)
    assert run("train", "--resume", "--run", "runs/d").status == 0
    assert_one_line(run("train", "--resume", "--run", "runs/d", "--set", "patience=3"), "keeps it")
    assert_one_line(run(*start, "--set", "epochs=3"), "unknown option 'epochs'")
    assert_one_line(run(*start, "--label", "3", "--run", "x"), "--label")
    assert "distil" in {m["name"] for m in run("train", "--list", "--json").json["methods"]}


def test_bad_usage(run: Run, patches: str) -> None:
    start = ("distil", patches, "--data", "digits", "-o", "m.pc.safetensors")
    assert_one_line(run(*start, "--embeddings", "dreams"), "no embeddings 'dreams'")
    assert_one_line(run(*start, "--embeddings", "tokens"), "behind each column")
    assert_one_line(run(*start, "--set", "embed.epochs=1"), "have no options")
    assert_one_line(run(*start, "--hidden", "nobody"), "no group 'nobody'")
    assert_one_line(run("distil", "naive_bayes", "--data", "digits", "-o", "m.pc.json"), "")


def test_train_resumes_one_of_the_app(run: Run, patches: str) -> None:
    options = DistilRunOptions(parts_epochs=1, latents_epochs=1, tune_epochs=1)
    job = prepare_distillation(
        "job", load_model(patches), load("digits"), model=patches, data="digits", options=options
    )

    def stop(event: object) -> None:
        if isinstance(event, Epoch):
            job.request("stop")

    assert execute_run(job, listener=stop) == "stopped"
    found = run("train", "--resume", "--run", "job", "-o", "m.pc.safetensors", "--json")
    assert found.json["state"] == "finished"
    scores = run("eval", "m.pc.safetensors", "--data", "digits:valid", "--json").json
    assert scores["log_likelihood"] == pytest.approx(found.json["best_log_likelihood"], rel=1e-4)


def test_train_says_who_resumes_stages(run: Run, patches: str) -> None:
    start = ("distil", patches, "--data", "digits", *SETTINGS, "-o", "m.pc.safetensors")
    assert run(*start, "--run", "r").status == 0
    assert_one_line(run("train", "--resume", "--run", "r"), "pccore distil MODEL")
