"""Inspect and Complete as Streamlit runs them, without a browser."""

from __future__ import annotations

import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pc_workbench import store
from pc_workbench.components.canvas.codec import pack_mask
from pc_workbench.views.masks import mask_png, mask_to_link
from pccore import datasets, structures
from pccore.build import bernoulli, circuit
from pccore.cli import main
from pccore.completion import components_of
from pccore.structures.figures import figures
from tests.app.pages import complete_page, inspect_page, opened

pytestmark = pytest.mark.usefixtures("home")


def show(page: Callable[[], None], **parameters: str) -> AppTest:
    return rerun(opened(page, **parameters))


def rerun(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    return at


def button(at: AppTest, label: str) -> Any:
    return next(one for one in at.button if label in one.label)


def press(at: AppTest, label: str) -> AppTest:
    button(at, label).click()
    return rerun(at)


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def texts(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.code]
    return "\n".join(one.value for one in parts)


def figure(name: str) -> str:
    return store.put_model(figures()[name]())


def picture_model(dataset: str = "digits") -> str:
    shape = structures.shape_of(datasets.load(dataset))
    model = structures.build_structure("rat", shape, {"depth": 2, "replicas": 2, "units": 3})
    return store.put_model(model)


def graph_event(at: AppTest, kind: str, node: str | None) -> AppTest:
    at.session_state["pcw_inspect_graph"] = {"event": {"type": kind, "id": node, "nonce": 1}}
    return rerun(at)


def paint(at: AppTest, mask: np.ndarray, sequence: int = 1, version: int = 0) -> AppTest:
    at.session_state["pcw_paint_8x8"] = {
        "mask": {
            "bits": pack_mask(mask),
            "sequence": sequence,
            "height": 8,
            "width": 8,
            "image_id": "any",
            "mask_version": version,
        }
    }
    return rerun(at)


@pytest.mark.parametrize("page", [inspect_page, complete_page])
def test_without_a_model_there_is_a_way_on(page: Callable[[], None]):
    at = show(page)
    assert "No model is chosen yet" in at.info[0].value and not at.error


@pytest.mark.parametrize("page", [inspect_page, complete_page])
def test_a_model_that_is_gone_is_one_sentence(page: Callable[[], None]):
    at = show(page, model="m-0123456789abcdef")
    assert len(at.error) == 1 and "not on this server" in at.error[0].value


@pytest.mark.parametrize("name", sorted(figures()))
def test_every_figure_can_be_inspected(name: str):
    at = show(inspect_page, model=figure(name))
    assert not at.error
    words = texts(at)
    broken = "violation" in words and "no violations" not in words
    faults = [one for one in at.button if one.key and one.key.startswith("pcw_finding")]
    assert bool(faults) == broken
    assert "smooth" in words and "Partition function" in words


def test_a_violation_is_shown_in_the_graph():
    at = show(inspect_page, model=figure("incomplete"))
    press(at, "lacks X2")
    assert parameter(at, "unit").startswith("u:") and parameter(at, "view") == "w:0"
    assert "S = 0.6 · P + 0.4 · B1" in texts(at)
    press(at, "lacks X2")
    assert parameter(at, "view") == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("incomplete", ("lacks X2", "under-counts: 1.84 times too little", "is not valid")),
        ("inconsistent", ("Path 2", "over-counts: 2 times too much", "is not valid")),
        ("buried_mistake", ("Path 1", "under-counts: 1.5 times too little")),
        ("squared_gaussian", ("Observe nothing", "over-counts: 4.55 times too much")),
        ("valid_though_broken", ("P **over-counts", "valid all the same", "9 pieces of evidence")),
        ("consistent_not_decomposable", ("no answer is wrong", "valid all the same")),
    ],
)
def test_a_violation_says_what_it_breaks(name: str, words: tuple[str, ...]):
    at = show(inspect_page, model=figure(name))
    next(one for one in at.button if str(one.key).startswith("pcw_finding_")).click()
    rerun(at)
    assert not at.error
    said = texts(at)
    for word in words:
        assert word in said
    assert "### Repair" in said


def test_a_file_with_illegal_weights_is_one_sentence():
    """No command writes such a file, but a broken or hostile one can say so."""
    model = figure("incomplete")
    path = store.model_path(model)
    weights = store.get_circuit(model).params["S"]
    content = path.read_bytes()
    assert content.count(weights.numpy().tobytes()) == 1
    path.write_bytes(content.replace(weights.numpy().tobytes(), (-weights).numpy().tobytes()))
    st.cache_resource.clear()
    at = show(inspect_page, model=model)
    assert "weight -0.6 at" in at.error[0].value and "is negative" in at.error[0].value


def test_notes_can_be_looked_at():
    at = show(inspect_page, model=figure("dead_parts"))
    notes = [one for one in at.button if str(one.key).startswith("pcw_note_")]
    assert any("no root" in one.label for one in notes)
    notes[0].click()
    rerun(at)
    assert parameter(at, "view").startswith("w:") and parameter(at, "unit").startswith("u:")


def test_a_unit_says_what_it_means():
    model = figure("figure1_naive_bayes")
    c1 = store.get_circuit(model).group_index("C1")
    at = show(inspect_page, model=model, unit=f"u:{c1}:0", evidence="X1=1")
    said = texts(at)
    assert "The distribution of X1 and X2, were C1 the whole circuit." in said
    # P(C1 | X1 = 1) = 0.5 * 0.6 / (0.5 * 0.6 + 0.2 * 0.9 + 0.3 * 0.7)
    (bar,) = at.get("progress")
    assert "0.4348 given X1=1" in bar.proto.text.replace("\\", "")
    wrong = show(inspect_page, model=model, unit=f"u:{c1}:0", evidence="Nobody=1")
    assert not wrong.error and "no variable" in texts(wrong)


def test_a_query_that_is_not_licensed_says_what_is_missing():
    words = texts(show(inspect_page, model=figure("incomplete")))
    assert "needs smooth" in words


def test_a_selected_unit_shows_its_function_and_survives_a_reload():
    model = figure("figure1_naive_bayes")
    root = store.get_circuit(model).root
    at = show(inspect_page, model=model, unit=f"u:{root.group}:{root.index}")
    assert "S = 0.5 · C1 + 0.2 · C2 + 0.3 · C3" in texts(at)
    assert at.dataframe[0].value["weight"].tolist() == [0.5, 0.2, 0.3]


@pytest.mark.parametrize("unit", ["u:999:0", "g:x", "l:7:leaf", "nonsense"])
def test_a_unit_that_does_not_exist_is_ignored(unit: str):
    at = show(inspect_page, model=figure("incomplete"), unit=unit, view="w:999~l:3:what")
    assert not at.error and "Select a unit" in texts(at)


def test_a_large_model_opens_collapsed():
    at = show(inspect_page, model=picture_model())
    assert not at.error and "no violations" in texts(at)
    rerun(at)


def test_complete_asks_for_a_model_of_pictures():
    model = store.put_model(circuit(bernoulli("A", 0.5) * bernoulli("B", 0.5)))
    at = show(complete_page, model=model)
    assert "neither pixels nor words" in at.info[0].value


def test_nothing_hidden_invites_to_paint():
    at = show(complete_page, model=picture_model())
    assert not at.error and not at.warning
    assert parameter(at, "mask") == ""


def test_a_stroke_is_kept_in_the_link_and_found_again():
    model = picture_model()
    at = show(complete_page, model=model, image="5")
    mask = np.zeros((8, 8), bool)
    mask[2:5, :4] = True
    paint(at, mask)
    text = mask_to_link(mask)
    assert parameter(at, "mask") == text and not at.warning
    again = show(complete_page, model=model, image="5", mask=text)
    assert parameter(again, "mask") == text and not again.warning


def test_a_moment_of_a_stroke_stays_out_of_the_link():
    at = show(complete_page, model=picture_model())
    at.session_state["pcw_paint_8x8"] = {
        "mask": {
            "bits": pack_mask(np.ones((8, 8), bool)),
            "sequence": 1,
            "height": 8,
            "width": 8,
            "image_id": "any",
            "mask_version": 0,
            "final": False,
        }
    }
    rerun(at)
    assert parameter(at, "mask") == ""


def test_the_page_takes_a_dataset_that_fits_the_model():
    at = show(complete_page, model=picture_model("shapes"), dataset="digits")
    assert parameter(at, "dataset") == "shapes" and not at.error


def test_a_row_that_does_not_exist_is_the_last_one():
    at = show(complete_page, model=picture_model(), image="999999", split="valid")
    assert not at.error and not at.exception


def test_resample_changes_the_seed():
    at = show(complete_page, model=picture_model())
    press(at, "Resample")
    assert parameter(at, "seed") == "1"


def test_a_broken_model_of_pictures_says_why():
    shape = structures.shape_of(datasets.load("digits"))
    good = structures.build_structure("rat", shape, {"depth": 1, "replicas": 1, "units": 1})
    broken = type(good)(good.groups[:1], [(0, 0)], good.variables, good.params, good.meta)
    mask = mask_to_link(np.ones((8, 8), bool))
    at = show(complete_page, model=store.put_model(broken), mask=mask)
    assert not at.exception


LEFT = mask_to_link(np.repeat([[True] * 4 + [False] * 4], 8, 0))


def test_models_stand_side_by_side():
    model, other = picture_model(), "digits_rat"
    at = show(complete_page, model=model, mask=LEFT, lab="side", rivals=f"{other}~parity")
    assert not at.error and not at.warning
    (choice,) = at.multiselect
    assert choice.value == [other]  # the other one has no pictures of this size
    assert "--method mean,mpe,tree,sample" in texts(at) and other in texts(at)
    at.toggle(key="pcw_lab_baselines").set_value(True)
    rerun(at)
    assert not at.error and not at.warning
    at = show(complete_page, model=model, lab="side")
    assert "Hide some pixels" in texts(at)


def test_a_muted_component_stays_muted_and_can_come_back():
    model = picture_model()
    at = show(complete_page, model=model, mask=LEFT, lab="components")
    at.session_state["pcw_lab_look"] = "How it completes this picture"
    rerun(at)
    assert not at.error and not at.warning
    nothing = np.full(64, np.nan)
    component = components_of(store.get_circuit(model), nothing).components[0].id
    at = show(complete_page, model=model, mask=LEFT, lab="components", muted=component)
    assert f"mute(model, ['{component}'])" in texts(at) and not at.warning
    press(at, "Unmute all")
    assert parameter(at, "muted") == ""
    at = show(complete_page, model=model, mask=LEFT, muted=component)
    assert "1 component is muted" in texts(at)


def test_a_link_that_mutes_what_is_not_there_mutes_nothing():
    at = show(complete_page, model=picture_model(), mask=LEFT, muted="999.0.0")
    assert not at.error and parameter(at, "muted") == ""


def test_many_pictures_are_completed_at_once():
    at = show(complete_page, model=picture_model(), lab="batch", split="valid")
    assert button(at, "Complete 20 pictures").disabled
    at = show(complete_page, model=picture_model(), mask=LEFT, lab="batch")
    at.number_input(key="pcw_batch_count").set_value(3)
    rerun(at)
    press(at, "Complete 3 pictures")
    assert not at.error
    summary, table = at.dataframe
    assert len(summary.value) == 6 and len(table.value) == 18
    assert "Least squared error" in texts(at) and "--limit 3" in texts(at)
    at.number_input(key="pcw_batch_count").set_value(4)
    rerun(at)
    assert "an earlier batch" in texts(at)


@pytest.mark.parametrize("lab", ["side", "components"])
def test_a_moment_of_a_stroke_computes_nothing_below_the_picture(
    lab: str, monkeypatch: pytest.MonkeyPatch
):
    at = show(complete_page, model=picture_model(), mask=LEFT, lab=lab)
    assert not at.error and not at.warning

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed during a stroke")

    monkeypatch.setattr("pc_workbench.screens.complete_lab.components_of", refuse)
    monkeypatch.setattr("pc_workbench.screens.complete_lab.complete", refuse)
    at.session_state["pcw_paint_8x8"] = {
        "mask": {
            "bits": pack_mask(np.eye(8, dtype=bool)),
            "sequence": 1,
            "height": 8,
            "width": 8,
            "image_id": "any",
            "mask_version": 0,
            "final": False,
        }
    }
    rerun(at)
    assert not at.error and not at.warning


@pytest.mark.parametrize("lab", ["", "side", "components", "batch"])
def test_the_code_that_is_shown_runs(
    lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    model = picture_model()
    component = components_of(store.get_circuit(model), np.full(64, np.nan)).components[0].id
    at = show(complete_page, model=model, mask=LEFT, lab=lab, rivals="digits_rat", muted=component)
    if lab == "batch":
        at.number_input(key="pcw_batch_count").set_value(2)
        rerun(at)
    (python,) = [one.value for one in at.code if one.language == "python"]
    (command,) = [one.value for one in at.code if one.language == "bash"]
    assert f"'{component}'" in python and command
    monkeypatch.chdir(tmp_path)
    Path("mask.png").write_bytes(mask_png(np.repeat([[True] * 4 + [False] * 4], 8, 0)))
    Path("shown.py").write_text(python)
    runpy.run_path("shown.py")
    printed = capsys.readouterr().out
    assert bool(printed) == bool(lab)
    lines = [line for line in command.splitlines() if not line.startswith("#")]
    for line in lines if lab in ("side", "batch") else ():
        assert main([*shlex.split(line)[1:], "--json"]) == 0
