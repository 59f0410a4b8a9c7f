"""Train as Streamlit runs it: every method, presets, overlays, looks, the command of a run."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import jobs, state, store
from pccore import datasets, structures
from pccore.learn import Status, TrainOptions, methods, prepare_run
from pccore.options import describe
from pccore.presets import presets
from tests.app.pages import opened, train_page

PATIENCE = 90.0


pytestmark = pytest.mark.usefixtures("one_run_at_a_time")


def show(**parameters: str) -> AppTest:
    return opened(train_page, **parameters).run()


def small_model(dataset: str) -> str:
    shape = structures.shape_of(datasets.load(dataset))
    options = {"components": 3} if dataset == "parity" else {"depth": 1, "replicas": 2, "units": 2}
    name = "naive_bayes" if dataset == "parity" else "rat"
    circuit = structures.build_structure(name, shape, options)
    return store.put_model(circuit.with_meta({**circuit.meta, "title": "Small *one*"}))


def clean(at: AppTest) -> None:
    assert not at.exception
    assert not [e.value for e in at.error]


def button(at: AppTest, label: str):
    return next(one for one in at.button if one.label == label)


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def trained(at: AppTest) -> str:
    button(at, "Start").click().run()
    clean(at)
    run = parameter(at, "run")
    end = time.monotonic() + PATIENCE
    while jobs.registry().view(run).state != "finished":
        assert time.monotonic() < end, jobs.registry().view(run)
        time.sleep(0.05)
    at.run()
    clean(at)
    return run


@pytest.mark.parametrize("method", sorted(methods()))
def test_every_method_offers_its_options_with_what_they_mean(method: str):
    at = show(model=small_model("parity"), dataset="parity", learner=method)
    clean(at)
    own = methods()[method]
    infos = [*describe(TrainOptions), *describe(own.options)]
    groups = (at.select_slider, at.selectbox, at.toggle, at.number_input, at.text_input)
    shown = {w.key: w.label.replace("\\", "") for group in groups for w in group}
    for info in infos:
        if info.name == "batch_size" and not own.make.mini_batch:  # type: ignore[attr-defined]
            assert f"pcw_training_{info.name}" not in shown
            continue
        assert f"pcw_training_{info.name}" in shown, info.name
        assert info.help in shown[f"pcw_training_{info.name}"]
    further = {w.key for w in at.expander[0].select_slider}
    assert {f"pcw_training_{i.name}" for i in infos if i.advanced} >= further > set()
    assert not button(at, "Start").disabled


@pytest.mark.parametrize(
    ("method", "name"), [(m, name) for m in sorted(methods()) for name in presets(m)]
)
def test_a_preset_sets_the_options_and_defaults_take_them_back(method: str, name: str):
    at = show(model=small_model("parity"), dataset="parity", learner=method)
    settings = at.selectbox(key="pcw_train_preset")
    assert settings.value == "defaults"
    settings.select(name).run()
    clean(at)
    assert at.selectbox(key="pcw_train_preset").value == name
    assert parameter(at, "training") != ""
    assert any(presets(method)[name].source in c.value.replace("\\", "") for c in at.caption)
    at.number_input(key="pcw_training_seed").set_value(5).run()
    assert at.selectbox(key="pcw_train_preset").value == "your own"
    at.selectbox(key="pcw_train_preset").select("defaults").run()
    clean(at)
    assert parameter(at, "training") == ""


def test_runs_lie_over_each_other_on_either_axis():
    model = small_model("parity")
    at = show(model=model, dataset="parity", learner="em", training="epochs:3")
    first = trained(at)
    assert not at.multiselect
    at.selectbox(key="pcw_widget_learner").select("hard-em").run()
    second = trained(at)
    assert second != first
    at.multiselect(key="pcw_beside").select(first).run()
    clean(at)
    assert parameter(at, "beside") == first
    found = show(run=second, beside=f"{first}~gone", axis="seconds")
    clean(found)
    assert found.multiselect[0].value == [first]
    assert parameter(found, "beside") == first
    code = [c.value for c in at.code if c.language == "bash"]
    rerun = next(shlex.split(c) for c in code if "hard-em" in c and "epochs=3" in c)
    assert rerun[:2] == ["pccore", "train"]


def test_samples_and_flags_are_shown_when_a_run_has_ended():
    at = show(model=small_model("digits"), dataset="digits", training="epochs:1")
    trained(at)
    said = [caption.value for caption in at.caption]
    assert any(text.startswith("Samples, the best model") for text in said) and "Mean" in said
    assert any("sums" in one.value and "take part" in one.value for one in at.markdown)
    assert len(at.get("image")) == 2 and at.get("download_button")


def test_a_damaged_look_is_one_sentence(home: Path):
    at = show(model=small_model("parity"), dataset="parity", training="epochs:1")
    run = trained(at)
    (home / "runs" / run / "look.safetensors").write_bytes(b"?")
    at.run()
    assert not at.exception
    assert any("cannot be read" in caption.value for caption in at.caption)


@pytest.mark.parametrize(
    "link", [{"beside": "../x"}, {"axis": "miles"}, {"beside": "a~b~c~d~e~f~g"}]
)
def test_hostile_links_are_ignored(link: dict[str, str]):
    assert state.decode(link) == (state.AppState(), tuple(link))


def test_classes_are_trained_one_by_one_and_told_apart():
    training = "epochs:2"
    at = show(model=small_model("digits"), dataset="digits", training=training)
    button(at, "Train one circuit for each class").click().run()
    clean(at)
    runs = parameter(at, "classes").split("~")
    assert len(runs) == 10
    labels = [jobs.registry().directory(run).config().label for run in runs]
    assert labels == list(range(10))
    end = time.monotonic() + PATIENCE
    while not all(jobs.registry().view(run).state == "finished" for run in runs):
        assert time.monotonic() < end
        assert not any(jobs.registry().view(run).message for run in runs)
        time.sleep(0.1)
    at.run()
    clean(at)
    found = {one.label: one.value for one in at.metric}
    assert float(found["Accuracy"].split()[0]) > 70 and float(found["Mean area"]) > 0.7
    assert found["Test rows"] == "269"
    button(at, "Close").click().run()
    clean(at)
    assert parameter(at, "classes") == ""


def test_data_without_labels_have_no_classes():
    at = show(model=small_model("parity"), dataset="parity")
    clean(at)
    assert not any(one.label.startswith("Train one circuit") for one in at.button)
    strange = show(model=small_model("digits"), dataset="digits", classes="r-0123~r-4567")
    assert not strange.exception
    assert any("do not belong together" in one.value for one in strange.warning)


def test_a_reloaded_page_keeps_the_classes_alive():
    """Its session has another token: what the link names is looked at by somebody."""

    def watching() -> None:
        import streamlit as st

        from pc_workbench import session, state

        state.sync()
        st.text(session.owns_jobs())

    at = AppTest.from_function(watching)
    assert at.run().text[0].value == "False"
    at.query_params["classes"] = "r-0123~r-4567"
    assert at.run().text[0].value == "True"


def test_runs_stand_side_by_side_and_are_filtered():
    model = small_model("parity")
    at = show(model=model, dataset="parity", learner="em", training="epochs:2")
    first = trained(at)
    at.selectbox(key="pcw_widget_learner").select("hard-em").run()
    second = trained(at)

    def listed(found: AppTest) -> list[str]:
        return next(list(d.value["run"]) for d in found.dataframe if "run" in d.value)

    assert sorted(listed(at)) == sorted([first, second])
    apart = next(d.value for d in at.dataframe if "setting" in d.value)
    assert {"method", "smoothing", "best log likelihood"} <= set(apart["setting"])
    at.text_input(key="pcw_runs_filter").set_value("method=em, epochs<3").run()
    clean(at)
    assert listed(at) == [first]
    command = next(c.value for c in at.code if c.value.startswith("pccore runs"))
    words = shlex.split(command)
    assert words[words.index("--where") + 1 :: 2][:1] == ["method=em"]
    at.text_input(key="pcw_runs_filter").set_value("state=failed").run()
    assert any("No run meets" in one.value for one in at.info)
    for wrong in ("nothing", "<b>=1"):
        at.text_input(key="pcw_runs_filter").set_value(wrong).run()
        assert not at.exception and len(at.error) == 1 and "<b>" not in at.error[0].value
        assert len(listed(at)) == 2


def test_interrupted_runs_are_offered_and_go_on(home: Path):
    model = small_model("parity")
    for name in ("cut-1", "cut-2"):
        run = prepare_run(
            home / "runs" / name, store.get_circuit(model), datasets.load("parity"),
            model="*m*", data="parity", train_options=TrainOptions(epochs=2, patience=0),
        )  # fmt: skip
        run.write_status(Status("running", time.time(), 2**22 + 5, epoch=1, epochs=2))
    at = show(model=model, dataset="parity", learner="em")
    clean(at)
    assert any("2 runs were interrupted" in m.value and "\\*m" in m.value for m in at.markdown)
    assert any("--resume --run" in code.value and "cut-1" in code.value for code in at.code)
    button(at, "Resume all").click().run()
    clean(at)
    end = time.monotonic() + PATIENCE
    while {jobs.registry().view(name).state for name in ("cut-1", "cut-2")} != {"finished"}:
        assert time.monotonic() < end
        time.sleep(0.05)
    at.run()
    clean(at)
    assert not any("interrupted" in m.value for m in at.markdown)
