"""Gallery, Build and Train as Streamlit runs them, without a browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import jobs, store
from pccore import build, datasets, structures
from pccore.files import FORMATS, SampleModel, save_model
from pccore.structures import figures
from tests.app.pages import build_page, gallery_page, train_page
from tests.files.importing.samples import SAMPLES

PATIENCE = 90.0


pytestmark = pytest.mark.usefixtures("one_run_at_a_time")


def show(page: Callable[[], None], **parameters: str) -> AppTest:
    at = AppTest.from_function(page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    return at.run()


def small_model(dataset: str = "parity") -> str:
    shape = structures.shape_of(datasets.load(dataset))
    circuit = structures.build_structure("naive_bayes", shape, {"components": 3})
    return store.put_model(circuit.with_meta({**circuit.meta, "title": "Small one"}))


def button(at: AppTest, label: str):
    return next(one for one in at.button if one.label == label)


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def clean(at: AppTest) -> None:
    assert not at.exception
    assert not [e.value for e in at.error]


def test_gallery_lists_stored_models_and_chooses_one():
    model = small_model()
    at = show(gallery_page)
    clean(at)
    assert any("Small one" in m.value for m in at.markdown)
    next(b for b in at.button if b.key == f"pcw_use_{model}").click().run()
    clean(at)
    assert parameter(at, "model") == model
    assert next(b for b in at.button if b.key == f"pcw_use_{model}").disabled


def test_sample_cards_tell_valid_from_broken(home: Path, monkeypatch: pytest.MonkeyPatch):
    a, b = build.bernoulli("A", 0.3), build.bernoulli("B", 0.4)
    found = []
    for name, root in (("good", 0.5 * a + 0.5 * a), ("bad", 0.5 * a + 0.5 * b)):
        path = home / f"{name}.pc.json"
        save_model(build.circuit(root), path)
        found.append(SampleModel(name, f"The {name} one", "A <b>story</b>", path))
    monkeypatch.setattr(store, "samples", lambda: tuple(found))
    at = show(gallery_page)
    clean(at)
    texts = [m.value for m in at.markdown]
    assert "**The good one**" in texts and "**The bad one**" in texts
    assert any("valid" in t for t in texts) and any("broken" in t for t in texts)
    assert not any("<b>" in t.replace("\\<", "") for t in texts)
    assert store.default_model() == "good"
    next(b for b in at.button if b.key == "pcw_use_bad").click().run()
    clean(at)
    assert parameter(at, "model") == "bad"


def test_gallery_puts_the_trained_samples_first_and_the_broken_ones_last():
    at = show(gallery_page)
    clean(at)
    keys = [b.key.removeprefix("pcw_use_") for b in at.button if b.key.startswith("pcw_use_")]
    verdicts = [store.verdict(name) for name in keys]
    assert set(keys[:2]) == set(store.FIRST_CHOICE)
    broken = [maker.__name__ for maker in figures.groups()["broken"]]
    assert keys[-len(broken) :] == broken
    assert set(verdicts[: -len(broken)]) == {"valid"}
    assert {"broken", "valid, not decomposable"} <= set(verdicts)
    headings = [one.value for one in at.subheader]
    assert headings[0] == "Trained" and headings[-1] == "Broken on purpose"


def test_the_gallery_shows_the_sections_that_are_asked_for():
    at = show(gallery_page)
    next(one for one in at.button_group if one.label == "Show").select("Classic models").run()
    clean(at)
    assert [one.value for one in at.subheader] == ["Classic models"]
    keys = {b.key.removeprefix("pcw_use_") for b in at.button if b.key.startswith("pcw_use_")}
    assert keys == {maker.__name__ for maker in figures.groups()["classics"]}


def test_the_orange_badge_is_for_what_is_valid_and_not_decomposable():
    at = show(gallery_page)
    assert any("orange" in m.value and "not decomposable" in m.value for m in at.markdown)


def test_gallery_shows_every_dataset_with_a_picture():
    at = AppTest.from_function(gallery_page, default_timeout=60)
    at.session_state["pcw_gallery"] = "Datasets"
    at.run()
    clean(at)
    shown = {b.key for b in at.button}
    assert {f"pcw_data_{info.name}" for info in datasets.names()} <= shown
    next(b for b in at.button if b.key == "pcw_data_parity").click().run()
    assert parameter(at, "dataset") == "parity"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.pc.json", b"{"),
        ("x.pc.json", b""),
        ("x.pc.safetensors", b"\xff" * 100),
        ("pickle.json", b"\x80\x04."),
        ("<b>.json", b"[]"),
    ],
)
def test_a_bad_upload_is_one_sentence_and_changes_nothing(name: str, content: bytes):
    model = small_model()
    at = AppTest.from_function(gallery_page, default_timeout=60)
    at.query_params["model"] = model
    at.session_state["pcw_gallery"] = "Upload a model"
    at.run()
    at.file_uploader[0].set_value([(name, content, "application/octet-stream")]).run()
    assert not at.exception
    assert len(at.error) == 1 and "\n" not in at.error[0].value
    assert parameter(at, "model") == model


def test_a_good_upload_becomes_the_current_model():
    import io

    stream = io.BytesIO()
    FORMATS()["pc.json"].save(store.get_circuit(small_model()), stream)
    at = AppTest.from_function(gallery_page, default_timeout=60)
    at.session_state["pcw_gallery"] = "Upload a model"
    at.run()
    content = stream.getvalue()
    at.file_uploader[0].set_value([("mine.pc.json", content, "application/json")]).run()
    clean(at)
    assert store.title_of(parameter(at, "model")) == "Small one"
    assert "Small one" in at.success[0].value


def test_an_sdd_comes_with_its_vtree():
    sample = SAMPLES["sdd"]
    vtree = sample.companions[0]
    at = AppTest.from_function(gallery_page, default_timeout=60)
    at.session_state["pcw_gallery"] = "Upload a model"
    at.run()
    files = [(vtree.name, vtree.data, "text/plain"), ("m.sdd", sample.text.encode(), "text/plain")]
    at.file_uploader[0].set_value(files).run()
    clean(at)
    model = parameter(at, "model")
    assert store.title_of(model) == "m.sdd"
    assert store.get_circuit(model).num_units == sample.load().num_units
    assert "load_model('m.sdd')" in at.code[1].value
    at.file_uploader[0].set_value([files[1], ("other.psdd", b"psdd 1", "text/plain")]).run()
    assert "2 models" in at.error[0].value and parameter(at, "model") == model


def test_build_previews_creates_and_says_how():
    at = show(build_page, building="generate", dataset="parity", structure="naive_bayes")
    clean(at)
    before = [m.value for m in at.metric]
    slider = next(s for s in at.select_slider if s.label == "Components")
    slider.set_value(4).run()
    clean(at)
    assert [m.value for m in at.metric] != before
    assert parameter(at, "options") == "components:4"
    command = "pccore build naive_bayes --data parity --set components=4"
    assert any(command in c.value for c in at.code)
    button(at, "Create").click().run()
    clean(at)
    circuit = store.get_circuit(parameter(at, "model"))
    assert [m.value for m in at.metric] == [
        f"{n:,}" for n in (circuit.num_units, circuit.num_edges, circuit.num_parameters)
    ]
    assert any("is the current model" in m.value for m in at.markdown)


@pytest.mark.parametrize("name", list(structures.structures()))
def test_every_structure_has_a_preview(name: str):
    at = show(build_page, building="generate", structure=name)
    clean(at)
    assert len(at.metric) == 3


def test_a_bad_option_is_told_beside_its_widget():
    at = show(build_page, building="generate", dataset="parity", structure="rat", options="depth:5")
    assert not at.exception
    assert button(at, "Create").disabled
    assert any("5 variables cannot be split 5 times" in c.value for c in at.caption)
    assert at.warning


def test_a_long_chain_is_drawn_in_part_and_advanced_options_stand_apart():
    at = show(build_page, building="generate", structure="hmm", options="start:clusters")
    assert not at.exception
    assert any("8 of 64 variables" in caption.value for caption in at.caption)
    at = show(build_page, building="generate", dataset="parity", structure="hclt")
    (more,) = at.expander
    inside = {widget.label for widget in [*more.select_slider, *more.selectbox, *more.toggle]}
    assert {"Information", "Bins", "Tied"} <= inside
    assert "Units" not in inside


def test_a_structure_that_does_not_suit_the_data():
    at = show(build_page, building="generate", dataset="parity", structure="pd")
    clean(at)
    structure = next(s for s in at.selectbox if s.label == "Structure")
    assert not any("Poon" in option for option in structure.options)
    assert parameter(at, "structure") == "rat"


@pytest.mark.parametrize(
    "parameters",
    [
        {"structure": "nonsense"},
        {"dataset": "nonsense"},
        {"options": "units:banana"},
        {"options": "nonsense:1"},
        {"options": "units:999999"},
        {"options": "delta:x", "structure": "pd"},
    ],
)
def test_hostile_links_do_not_break_build(parameters: dict[str, str]):
    at = show(build_page, building="generate", **parameters)
    assert not at.exception
    assert at.selectbox


def test_train_without_a_model_says_where_to_get_one():
    at = show(train_page)
    clean(at)
    assert any("Gallery" in i.value for i in at.info)
    assert button(at, "Start").disabled


def test_train_says_that_a_model_is_untrained():
    shape = structures.shape_of(datasets.load("parity"))
    circuit = structures.build_structure("naive_bayes", shape, {"components": 2})
    model = store.put_model(circuit, untrained=True)
    at = show(train_page, model=model, dataset="parity")
    clean(at)
    assert any("untrained" in i.value for i in at.info)
    assert not store.is_untrained("digits_pd") and not store.is_untrained("m-" + "0" * 16)


def test_a_broken_model_is_refused_with_the_unit_that_is_wrong():
    a = [build.bernoulli(f"X{i}", 0.3) for i in range(5)]
    broken = build.circuit(0.5 * (a[0] * a[1] * a[2] * a[3] * a[4]) + 0.5 * (a[0] * a[1] * a[2]))
    at = show(train_page, model=store.put_model(broken), dataset="parity")
    clean(at)
    assert "Training needs a circuit that is smooth" in at.warning[0].value
    assert button(at, "Start").disabled and not any("dataset" in b.label for b in at.button)


def test_a_run_whose_folder_is_gone_is_closed_by_hand(home: Path):
    options = {"dataset": "parity", "training": "epochs:1"}
    at = show(train_page, model=small_model(), **options)
    button(at, "Start").click().run()
    run = until_state(at, "finished")
    shutil.rmtree(home / "runs" / run)
    at.run()
    clean(at)
    assert "not on this server" in at.warning[0].value
    button(at, "Close this run").click().run()
    clean(at)
    assert parameter(at, "run") == "" and not at.warning


def test_train_with_another_dataset_offers_a_fitting_one():
    at = show(train_page, model=small_model(), dataset="digits")
    clean(at)
    assert "5 variables" in at.warning[0].value and "64" in at.warning[0].value
    button(at, "Use the dataset parity").click().run()
    clean(at)
    assert not at.warning and not button(at, "Start").disabled


def until_state(at: AppTest, *states: str) -> str:
    run = parameter(at, "run")
    end = time.monotonic() + PATIENCE
    while (state := jobs.registry().view(run).state) not in states:
        assert time.monotonic() < end, f"still {state}"
        time.sleep(0.05)
    at.run()
    return run


def test_train_from_start_to_the_best_model():
    model = small_model()
    at = show(train_page, model=model, dataset="parity", training="epochs:3")
    clean(at)
    assert any("--set epochs=3" in c.value for c in at.code)
    button(at, "Start").click().run()
    clean(at)
    run = until_state(at, "finished")
    clean(at)
    assert run.startswith("r-") and len(run) == 18
    button(at, "Use the best model").click().run()
    clean(at)
    best = parameter(at, "model")
    assert best != model
    assert store.title_of(best) == "Small one, trained on parity"
    assert any("is the current model" in m.value for m in at.markdown)


def test_a_run_is_found_again_by_its_link_and_can_be_stopped():
    options = {"dataset": "parity", "training": "epochs:100000~patience:0"}
    at = show(train_page, model=small_model(), **options)
    button(at, "Start").click().run()
    run = until_state(at, "running")
    other = show(train_page, run=run)  # a reload: a new session with the same link
    clean(other)
    button(other, "Pause").click().run()
    until_state(other, "paused")
    button(other, "Resume").click().run()
    until_state(other, "running")
    button(other, "Stop").click().run()
    until_state(other, "stopped")
    clean(other)
    assert not button(other, "Resume").disabled


@pytest.mark.parametrize(
    "parameters",
    [
        {"run": "r-0123456789abcdef"},
        {"run": "..%2f"},
        {"learner": "nonsense"},
        {"training": "epochs:0~tolerance:x"},
        {"model": "m-0123456789abcdef"},
        {"model": "nobody"},
    ],
)
def test_hostile_links_do_not_break_train(parameters: dict[str, str]):
    at = show(train_page, **parameters)
    assert not at.exception
    assert at.selectbox and button(at, "Start").disabled
