"""What Build and Train draw and write: curves, tables, sizes, pictures, commands, slider stops."""

from __future__ import annotations

import csv
import io
import runpy
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from pc_workbench import controls
from pc_workbench.views import class_figure, commands, curves, looks, regions, sheets, sizes
from pc_workbench.views.curves import Story
from pccore import datasets, structures
from pccore.classify import Report, precision_recall
from pccore.datasets import ImageShape
from pccore.errors import OptionError
from pccore.learn import Health, RunConfig
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
    story = curves.merge(Story(), [epoch(0, -9, -8, True), {"event": "step", "epoch": 0}, {"x": 1}])
    story = curves.merge(story, [epoch(1, None, -5, True), epoch(0, -9, -7)])
    assert [one["name"] for one in curves.series(story)] == ["training", "validation"]
    training, validation = curves.series(story)
    assert validation["x"] == [0, 1] and validation["y"] == [-7.0, -5.0]
    assert training["y"][0] == -9.0 and np.isnan(training["y"][1])
    assert curves.best(story) == {"x": 1, "y": -5.0, "label": "best, epoch 1"}


def test_without_validation_training_decides():
    story = curves.merge(Story(), [epoch(0, -9, None, True)])
    assert [one["name"] for one in curves.series(story)] == ["training"]
    assert curves.best(story) == {"x": 0, "y": -9.0, "label": "best, epoch 0"}
    assert curves.best(Story()) is None
    assert curves.best(curves.merge(Story(), [epoch(0, None, None, True)])) is None


def test_the_table_as_csv():
    story = curves.merge(Story(), [epoch(1, -2.5, None), epoch(0, -3.0, -4.0, True)])
    rows = list(csv.DictReader(io.StringIO(curves.to_csv(story))))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert rows[1]["valid_log_likelihood"] == "" and rows[0]["best"] == "True"


def test_the_axis_may_count_seconds():
    story = curves.merge(Story(), [epoch(n, -9 + n, -8 + n, best=n == 2) for n in range(4)])
    assert curves.places(story, "seconds") == {0: 0.5, 1: 1.0, 2: 1.5, 3: 2.0}
    assert curves.series(story, "seconds")[0]["x"] == [0.5, 1.0, 1.5, 2.0]
    found = curves.best(story, "seconds")
    assert found is not None and (found["x"], found["label"]) == (1.5, "best, epoch 2")


def test_what_happens_to_a_run_is_written_on_the_curve():
    told = [epoch(n, -9 + n, -8 + n) for n in range(5)]
    told[2]["impossible"], told[3]["impossible"] = 1200, 3
    told[2:2] = [{"event": "paused", "epoch": 1}, {"event": "resumed", "epoch": 1}]
    told += [{"event": "finished", "reason": "patience", "epochs": 4, "best_epoch": 4}]
    story = curves.merge(Story(), told)
    assert curves.notes(story) == [
        {"x": 1.0, "label": "paused, resumed"},
        {"x": 2.0, "label": "1,200 impossible rows"},
        {"x": 4.0, "label": "early stop, all rows possible"},
    ]
    assert [mark["x"] for mark in curves.notes(story, "seconds")] == [1.0, 1.5, 2.5]
    converged = {"event": "finished", "reason": "converged", "epochs": 4}
    assert curves.merge(Story(), [converged]).marks == ((4, "converged"),)
    whole = {"event": "finished", "reason": "epochs", "epochs": 4}
    assert curves.merge(Story(), [whole]).marks == ()


def test_marks_that_come_often_stand_once():
    told = [epoch(n, -9 + n, -8 + n) for n in range(9)]
    told += [{"event": "resumed", "epoch": n} for n in range(7)]
    told += [{"event": "paused", "epoch": 3}, {"event": "damaged"}]
    assert curves.notes(curves.merge(Story(), told)) == [
        {"x": 3.0, "label": "paused"},
        {"x": 6.0, "label": "resumed 7 times"},
        {"x": 8.0, "label": "a line here is damaged"},
    ]


def test_what_tells_runs_apart():
    one = {"step": 0.5, "epochs": 5, "batch_size": 10, "prior": "flat"}
    other = {**one, "epochs": 7, "batch_size": 20}
    assert curves.apart([one, other]) == ["epochs 5, batch size 10", "epochs 7, batch size 20"]
    assert curves.apart([one, other, {"epochs": 5}]) == ["epochs 5", "epochs 7", "epochs 5"]
    assert curves.apart([one]) == [""] and curves.apart([]) == []
    assert curves.apart([one, other], most=1) == ["epochs 5", "epochs 7"]


def test_other_runs_are_drawn_by_their_deciding_score():
    one = curves.merge(Story(), [epoch(0, -9, -8), epoch(1, -7, -6)])
    other = curves.merge(Story(), [epoch(0, -5, None)])
    found = curves.overlay([("A, em", one), ("A, em", other), ("training", one)])
    assert [curve["name"] for curve in found] == ["A, em", "A, em (2)", "training (2)"]
    assert found[0]["y"] == [-8.0, -6.0] and found[1]["y"] == [-5.0]
    assert {curve["style"] for curve in found} == {"line"}


def test_pictures_of_a_look_lie_side_by_side():
    image = ImageShape(2, 3, maximum=10)
    scale = round(looks.WIDE / 3)
    across = (looks.LINE + looks.GAP) // (3 * scale + looks.GAP)
    rows = torch.tensor([[0.0, 5, 10, 0, 0, 0]] * (2 * across - 1))
    sheet = looks.sheet(rows, image)
    assert sheet.shape == (
        2 * 2 * scale + looks.GAP,
        across * (3 * scale + looks.GAP) - looks.GAP,
        4,
    )
    assert sheet[0, 0].tolist() == [0, 0, 0, 255] and sheet[0, scale, 0] == 128
    assert sheet[-1, -1, 3] == 0  # that many there are not
    colour = looks.sheet(torch.ones(1, 12), ImageShape(2, 2, 3, maximum=1))
    assert colour.shape[2] == 4 and (colour == 255).all()
    assert looks.sheet(torch.ones(2, 10**6), ImageShape(1000, 1000)).shape == (2003, 1000, 4)
    assert looks.to_png(sheet)[:4] == b"\x89PNG"


def test_flags_say_what_does_no_work():
    fine = looks.flags(Health(3, 200, sums=4, leaves=9, weights=12))
    assert [level for level, _, _ in fine] == ["fine"] and "4 sums and 9 leaf units" in fine[0][2]
    ill = Health(
        3, 200, sums=40, unused_sums=2, leaves=9, unused_leaves=1, names=("S3[1]", "x<b>"),
        weights=12, zero_weights=5, variances=8, low_variances=8, probabilities=6,
        zero_probabilities=1,
    )  # fmt: skip
    found = looks.flags(ill)
    assert [word for _, word, _ in found] == [
        "dead parts", "dead parts", "zero weights", "floor", "zeros",
    ]  # fmt: skip
    assert "2 of 40 sums" in found[0][2] and "S3[1]" in found[0][2]
    assert "1 of 9 leaf units" in found[1][2] and "8 of 8 variances" in found[3][2]


def test_the_command_of_a_run_names_what_differs_from_the_defaults():
    config = RunConfig(
        "m", "digits", "hard-em",
        {"up": "max", "smoothing": 0.1, "leaves": False, "gone": 1},
        {"epochs": 7, "patience": 10},
    )  # fmt: skip
    words = shlex.split(commands.rerun(config)[1])
    settings = [words[n + 1] for n, word in enumerate(words) if word == "--set"]
    assert settings == ["up=max", "leaves=false", "epochs=7"]
    assert words[:7] == ["pccore", "train", "m", "--data", "digits", "--method", "hard-em"]
    python, command = commands.rerun(replace(config, label=3))
    assert "--label=3" in command and "label=3" in python
    compile(python, "shown", "exec")


def test_the_python_of_a_classification_runs(tmp_path, capsys):
    python, command = commands.classify(
        "digits_rat", "digits", "online-em", {"step": "0.5"}, {"epochs": "1"}
    )
    words = shlex.split(command)
    assert words[:3] == ["pccore", "classify", "digits_rat"] and "epochs=1" in words
    script = tmp_path / "shown.py"
    script.write_text(python)
    found = runpy.run_path(str(script))
    assert found["report"].accuracy > 0.5 and capsys.readouterr().out


def test_what_classes_are_taken_for_each_other_is_told():
    labels = np.array([0, 0, 1, 1, 1])
    scores = np.array([[3.0, -3], [-1, 1], [-2, 2], [-3, 3], [-4, 4]])
    curves_ = tuple(precision_recall(scores[:, c], labels == c) for c in (0, 1))
    confusion = np.array([[1, 1], [0, 3]])
    report = Report((0, 1), curves_, scores, scores.argmax(1), 0.8, confusion)
    table = class_figure.table(report, ["<b>", "one"])
    assert table[0]["taken for"] == "one (1)" and table[1]["taken for"] == ""
    assert (table[0]["recognised"], table[1]["recognised"], table[1]["rows"]) == (0.5, 1.0, 3)
    figure = class_figure.figure(report, ["<b>", "one"])
    assert len(figure.data) == 2 and "<" not in figure.data[0].name


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
    # A Chow-Liu tree has a group for each state of each variable.
    data = "parity" if name == "chow_liu" else "digits"
    shape = structures.shape_of(datasets.load(data))
    small = {"units": 1, "replicas": 3}
    size = {"rat": small, "hyperspn": {"replicas": 1}, "pd": {"units": 1}}.get(name)
    if name in ("hclt", "patches"):
        size = {"start": "random"}
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


def test_curves_as_a_picture_for_papers():
    from xml.etree import ElementTree

    from pc_workbench.views import curve_picture

    story = curves.merge(Story(), [epoch(0, -900, None), *(epoch(n, -9 / n, -8) for n in (1, 2))])
    series = [*curves.series(story), *curves.overlay([("<b>other</b>", story)])]
    root = ElementTree.fromstring(curve_picture.to_svg(series, "a & b", "epoch", "nats"))
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a & b", "training", "validation", "<b>other</b>", "epoch", "nats"} <= set(texts)
    paths = [p.get("d") for p in root.iter("{http://www.w3.org/2000/svg}path")]
    assert any(path and path.startswith("M") and path.count("L") == 2 for path in paths)
    # A gap is no line, and nothing at all is still a picture.
    assert all("nan" not in (path or "") for path in paths)
    for nothing in ([], [{"name": "x", "x": [0.0], "y": [float("nan")]}]):
        ElementTree.fromstring(curve_picture.to_svg(nothing, "", "epoch", "nats"))
