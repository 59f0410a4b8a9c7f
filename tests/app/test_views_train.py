"""What Build and Train draw and write: curves, tables, sizes, pictures, commands, slider stops."""

from __future__ import annotations

import csv
import io
import shlex

import numpy as np
import pytest

from pc_workbench import controls
from pc_workbench.views import commands, curves, regions, sheets, sizes
from pccore import datasets, structures
from pccore.errors import OptionError
from pccore.options import describe


def epoch(number: int, train: float | None, valid: float | None, best: bool = False) -> dict:
    return {
        "event": "epoch",
        "epoch": number,
        "train_log_likelihood": train,
        "valid_log_likelihood": valid,
        "seconds": 0.5,
        "best": best,
        "impossible": 0,
    }


def test_events_become_curves_once_each():
    events = curves.merge({}, [epoch(0, -9, -8, True), {"event": "step", "epoch": 0}, {"x": 1}])
    events = curves.merge(events, [epoch(1, None, -5, True), epoch(0, -9, -7)])
    assert [one["name"] for one in curves.series(events)] == ["training", "validation"]
    training, validation = curves.series(events)
    assert validation["x"] == [0, 1] and validation["y"] == [-7.0, -5.0]
    assert training["y"][0] == -9.0 and np.isnan(training["y"][1])
    assert curves.best(events) == {"x": 1, "y": -5.0, "label": "best, epoch 1"}


def test_without_validation_training_decides():
    events = curves.merge({}, [epoch(0, -9, None, True)])
    assert [one["name"] for one in curves.series(events)] == ["training"]
    assert curves.best(events) == {"x": 0, "y": -9.0, "label": "best, epoch 0"}
    assert curves.best({}) is None
    assert curves.best(curves.merge({}, [epoch(0, None, None, True)])) is None


def test_the_table_as_csv():
    events = curves.merge({}, [epoch(1, -2.5, None), epoch(0, -3.0, -4.0, True)])
    rows = list(csv.DictReader(io.StringIO(curves.to_csv(events))))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert rows[1]["valid_log_likelihood"] == "" and rows[0]["best"] == "True"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (-1, "–"),
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (61, "1 min 01 s"),
        (3661, "1 h 01 min"),
        (10**6, "11 days"),
        (float("inf"), "11574 days"),
    ],
)
def test_durations(seconds: float | None, text: str):
    assert sizes.duration(seconds) == text


def test_numbers():
    assert sizes.count(12_345) == "12,345"
    assert sizes.count(1_240_000) == "1.24 million"
    assert sizes.plural(1, "unit") == "1 unit" and sizes.plural(0, "unit") == "0 units"
    assert sizes.nats(-1.234) == "−1.23" and sizes.nats(None) == "–"
    assert sizes.rate(0.0) == "–" and sizes.rate(2.5) == "2.5"


def test_contact_sheets():
    for name in ("digits", "parity"):
        sheet = sheets.contact_sheet(datasets.load(name), width=320)
        assert sheet.dtype == np.uint8 and sheet.ndim == 3 and sheet.shape[2] == 3
        assert sheet.shape[1] <= 321 and sheet.std() > 10


@pytest.mark.parametrize("name", list(structures.structures()))
def test_region_graphs(name: str):
    shape = structures.shape_of(datasets.load("digits"))
    size = {"rat": {"units": 1, "replicas": 3}, "pd": {"units": 1}}.get(name)
    scene = regions.scene(structures.build_structure(name, shape, size))
    assert scene is not None
    ids = {node["id"] for node in scene["nodes"]}
    assert len(ids) == len(scene["nodes"]) <= regions.MOST_NODES
    assert all(edge["source"] in ids and edge["target"] in ids for edge in scene["edges"])
    below = {edge["target"] for edge in scene["edges"]}
    assert len(ids - below) == 1, "one root"


def test_a_region_graph_that_is_too_large_is_not_drawn():
    shape = structures.shape_of(datasets.load("digits"))
    circuit = structures.build_structure("rat", shape, {"units": 1, "replicas": 60})
    assert regions.scene(circuit) is None


def test_commands_survive_strange_names():
    python, command = commands.build("rat", "my data; rm -rf", {"depth": "4"})
    words = shlex.split(command)
    assert words[:5] == ["pccore", "build", "rat", "--data", "my data; rm -rf"]
    assert words[5:] == ["--set", "depth=4", "-o", "rat.pc.safetensors"]
    compile(python, "shown", "exec")
    python, command = commands.train("a'b", "digits", "em", {"pseudocount": "1"}, {"epochs": "3"})
    assert shlex.split(command)[2] == "a'b"
    compile(python, "shown", "exec")


def test_the_python_of_build_does_what_it_says(tmp_path, monkeypatch):
    import subprocess
    import sys

    python, _ = commands.build("naive_bayes", "parity", {"components": "2"})
    done = subprocess.run([sys.executable, "-c", python], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "naive_bayes.pc.safetensors").stat().st_size > 0


def test_every_slider_holds_its_default_and_stays_in_range():
    for structure in structures.structures().values():
        for info in describe(structure.options):
            if info.kind in ("int", "float") and info.maximum is not None:
                stops = controls.ladder(info, info.default)
                numbers = [stop for stop in stops if stop is not None]
                assert info.default in stops and numbers == sorted(set(numbers))
                assert info.minimum <= numbers[0] and numbers[-1] <= info.maximum
                assert len(stops) <= 80


def test_an_error_is_placed_beside_the_option_it_names():
    assert controls.concerns(OptionError("too deep", where="depth"), "depth")
    assert controls.concerns(OptionError("option 'units' must be"), "units")
    assert not controls.concerns(OptionError("too deep", where="depth"), "units")
