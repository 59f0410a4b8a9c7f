"""Runs side by side: results, settings in which they differ, conditions, CSV, TensorBoard."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest

from pccore.cli import main
from pccore.datasets import load
from pccore.errors import OptionError, RunError
from pccore.learn import TrainOptions, execute, method_named, prepare_run
from pccore.learn.overview import RESULTS, RunSummary, differences, matching, summaries, to_csv
from pccore.structures import build_structure
from pccore.structures.base import shape_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short runs, one of which has not begun, and one that is damaged."""
    found = tmp_path_factory.mktemp("runs")
    data = load("parity")
    model = build_structure("naive_bayes", shape_of(data))
    for name, method, pseudocount in (("a", "em", 1.0), ("b", "em", 0.25), ("c", "adam", None)):
        own = method_named(method).options
        run = prepare_run(
            found / name, model, data, model="m, the 'first'", data="parity", method=method,
            method_options=own() if pseudocount is None else own(pseudocount=pseudocount),
            train_options=TrainOptions(epochs=2),
        )  # fmt: skip
        if name != "c":
            execute(run, data=data)
    (found / "broken").mkdir()
    (found / "broken" / "config.json").write_text("{")
    return found


@pytest.fixture
def runs(folder: Path) -> tuple[RunSummary, ...]:
    return tuple(sorted(summaries(folder), key=lambda run: run.name))


def test_results_are_those_of_the_metrics(runs: tuple[RunSummary, ...], folder: Path) -> None:
    assert [run.name for run in runs] == ["a", "b", "c"]
    lines = (folder / "a" / "metrics.jsonl").read_text().splitlines()
    epochs = [e for e in map(json.loads, lines) if e["event"] == "epoch"]
    best = max(e["valid_log_likelihood"] for e in epochs)
    a, c = runs[0].results, runs[2].results
    assert a["best_log_likelihood"] == best and a["epoch"] == 2 and a["state"] == "finished"
    assert a["seconds"] == pytest.approx(sum(e["seconds"] for e in epochs))
    assert c["state"] == "queued" and c["best_log_likelihood"] is None and c["epoch"] is None
    assert summaries(folder / "a")[0] == runs[0]
    for nothing in (folder / "nowhere", folder / "broken"):
        with pytest.raises(RunError):
            summaries(nothing)


def test_differences_are_the_settings_that_differ(runs: tuple[RunSummary, ...]) -> None:
    assert differences(runs[:2]) == {"pseudocount": (1.0, 0.25)}
    apart = differences(runs)
    assert apart["method"] == ("em", "em", "adam")
    assert apart["learning_rate"] == (None, None, 0.03)
    assert "data" not in apart and "epochs" not in apart
    assert differences(runs[:1]) == {} == differences([])


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ([], "abc"),
        (["method=em"], "ab"),
        (["method = EM", "pseudocount<1"], "b"),
        (["pseudocount=1.00"], "a"),
        (["pseudocount>=0.25"], "ab"),
        (["pseudocount!=1"], "bc"),
        (["state!=finished"], "c"),
        (["best_log_likelihood<0"], "ab"),
        (["run=c"], "c"),
        (["method<em"], ""),
        (["threads="], "abc"),
    ],
)
def test_conditions(runs: tuple[RunSummary, ...], conditions: list[str], names: str) -> None:
    assert "".join(run.name for run in matching(runs, conditions)) == names


@pytest.mark.parametrize("wrong", ["", "method", "=1", "colour=red", "a b=1"])
def test_what_is_no_condition(runs: tuple[RunSummary, ...], wrong: str) -> None:
    with pytest.raises(OptionError, match=r"no condition|no run has a setting"):
        matching(runs, [wrong])


def test_csv_has_every_setting(runs: tuple[RunSummary, ...]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(runs))))
    assert [row["run"] for row in rows] == ["a", "b", "c"]
    assert set(rows[0]) >= {*RESULTS, "pseudocount", "learning_rate", "torch"}
    assert rows[0]["model"] == "m, the 'first'" and rows[0]["learning_rate"] == ""
    assert float(rows[1]["pseudocount"]) == 0.25


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(folder)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 4 and table[0].split()[:3] == ["run", "state", "method"]
    assert main(["runs", str(folder / "a"), str(folder / "b"), "--diff"]) == 0
    text = capsys.readouterr().out
    assert "pseudocount" in text and "learning_rate" not in text
    target = tmp_path / "x.csv"
    where = ["--where", "method=em", "--csv", str(target), "--json"]
    assert main(["runs", str(folder), *where]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(run["run"] for run in found["runs"]) == ["a", "b"]
    assert list(found["differences"]) == ["pseudocount"]
    assert len(target.read_text().splitlines()) == 3
    assert main(["runs", str(folder), "--where", "method=none"]) == 1
    assert main(["runs", str(tmp_path)]) == 2


def test_without_tensorboard_a_sentence_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # As Python treats a package that is not there.
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert main(["runs", str(folder), "--tensorboard", str(tmp_path / "tb")]) == 2
    said = capsys.readouterr().err
    assert "TensorBoard is not installed here (pip install tensorboard)" in said
    assert not (tmp_path / "tb").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own modules
def test_tensorboard_reads_what_was_written(folder: Path, tmp_path: Path) -> None:
    import importlib

    target = tmp_path / "tb"
    for _ in range(2):  # a second export replaces the first
        assert main(["runs", str(folder), "--tensorboard", str(target)]) == 0
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(target / "a"))
    events.Reload()
    told = [(e.step, e.value) for e in events.Scalars("log-likelihood/validation")]
    lines = (folder / "a" / "metrics.jsonl").read_text().splitlines()
    epochs = [e for e in map(json.loads, lines) if e["event"] == "epoch"]
    assert told == [
        (e["epoch"], pytest.approx(e["valid_log_likelihood"], rel=1e-6)) for e in epochs
    ]
