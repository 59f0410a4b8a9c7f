"""The Data page, uploads that are kept, bundles and links, as Streamlit runs them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pc_workbench import datastore, jobs, paths, store
from pc_workbench.views import commands, inline, tables
from pccore import datasets, structures
from pccore.build import bernoulli, categorical, circuit, gaussian
from pccore.bundle import Bundle, bundle_bytes
from pccore.datasets.uploads import load_upload
from pccore.errors import EvidenceError, FileError, PCError
from pccore.evidence import parse_evidence
from pccore.files import Companion
from pccore.graph import Circuit
from pccore.learn import RunConfig, RunDirectory, execute, prepare_run
from tests.app.pages import gallery_page

TEXT = "id,colour,size,age\n" + "".join(
    f"{i},{['red', 'green', 'blue'][i % 3]},{['S', 'M', 'L', ''][i % 4]},{20 + i}\n"
    for i in range(60)
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path / "none"))
    st.cache_resource.clear()
    st.cache_data.clear()
    jobs.registry.cache_clear()
    yield tmp_path
    jobs.registry().close()
    jobs.registry.cache_clear()


def table() -> datasets.Dataset:
    return load_upload([Companion("t.csv", TEXT.encode())])


def data_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import data

    state.sync()
    with errors.boundary():
        data.page()


def shell_page() -> None:
    from pc_workbench import shell

    shell.run(lambda: None)


def start(page: object, **link: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=90)  # type: ignore[arg-type]
    for name, value in link.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error, app.exception or app.error
    return app


def said(app: AppTest, name: str) -> str:
    """A parameter of the link, which is a list where the test has set it."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def test_uploads_are_kept_by_content() -> None:
    one = datastore.put(table(), "My Data, 2024.csv")
    assert one == datastore.put(table(), "My Data, 2024.csv") and one.startswith(
        "my_data_2024_csv-"
    )
    assert [stored.id for stored in datastore.listed()] == [one]
    assert one in [info.name for info in store.dataset_infos()]
    found = store.get_dataset(one)
    assert found.fingerprint() == table().fingerprint() and found.categories == table().categories
    reference = store.dataset_reference(one)
    assert datasets.load(reference).fingerprint() == table().fingerprint()
    assert store.get_dataset(reference) is found and datastore.title(reference) == datastore.title(
        one
    )
    assert datastore.id_of("digits") is None and store.dataset_reference("digits") == "digits"
    for name in ("../" + one, "/etc/" + one + ".npz", one[:-1], "t-000000000000"):
        assert datastore.id_of(name) is None
        with pytest.raises(PCError):
            store.get_dataset(name)


def test_the_page_shows_types_and_keeps_what_was_changed() -> None:
    one = datastore.put(table(), "t")
    app = start(data_page, dataset=one)
    assert "**4** variables" in " ".join(m.value for m in app.markdown)
    assert "id: ignore" in " ".join(c.value for c in app.caption)  # suggested
    app.text_input(key="pcw_data_name").set_value("ready")
    app.segmented_control(key="pcw_data_split").set_value("Shuffled").run()
    app.text_input(key="pcw_data_shares").set_value("50/25/25").run()
    next(b for b in app.button if b.label == "Save as a new dataset").click().run()
    assert not app.exception and not app.error
    made = store.get_dataset(said(app, "dataset"))
    assert made.variables == ("colour", "size", "age")
    assert datasets.types_of(made)["age"] == "count" and len(made.test) == 15
    assert any("**ready** is kept" in s.value for s in app.success)


def test_a_split_that_is_none_is_said() -> None:
    app = start(data_page, dataset=datastore.put(table(), "t"))
    app.segmented_control(key="pcw_data_split").set_value("Shuffled").run()
    app.text_input(key="pcw_data_shares").set_value("50/25").run()
    next(b for b in app.button if b.label == "Save as a new dataset").click().run()
    assert any("no split" in e.value for e in app.error)


def test_images_and_an_unknown_dataset() -> None:
    app = start(data_page, dataset="digits")
    assert "images of 8x8" in " ".join(m.value for m in app.markdown)
    app = AppTest.from_function(data_page, default_timeout=90)
    app.query_params["dataset"] = "gone-000000000000"
    app.run()
    assert not app.exception and any("no dataset" in e.value for e in app.error)


def test_edits_of_the_table() -> None:
    data = table()
    found = datasets.describe(data)
    rows = tables.variable_rows(found, {"age": "count"})
    types, states = ([row[key] for row in rows] for key in ("Type", "States, in order"))
    made = tables.changes(found, types, states)
    assert made == tables.Changes({"age": "count"}, {})
    states[2] = "S, M, L"
    made = tables.changes(found, types, states)
    assert made.orders == {"size": ("S", "M", "L")}
    python, command = commands.prepare("t.csv", made.types, made.orders, "80/10/10", 3)
    assert "--order size=S,M,L" in command and "--split 80/10/10 --seed 3" in command
    compile(python, "shown", "exec")
    rows, more = tables.preview(data, "train")
    assert rows[0]["colour"] in ("red", "green", "blue") and more == 0
    shape = structures.shape_of(data)
    model = structures.build_structure("rat", shape, {"units": "2"})
    text = tables.row_evidence(data, "train", 0, model)
    assert f"colour={rows[0]['colour']}" in text


def test_a_row_is_observed_by_the_names_of_its_states() -> None:
    def model(names: list[str]) -> Circuit:
        leaf = categorical("size", [0.2, 0.3, 0.5])
        return circuit(1.0 * leaf).with_meta({"states": {"size": names}})

    def first(words: str) -> datasets.Dataset:
        text = "size\n" + "\n".join(words.split()) + "\n"
        return load_upload([Companion("t.csv", text.encode())], {"size": "categorical"})

    def observed(data: datasets.Dataset, names: list[str]) -> dict[str, float]:
        made = model(names)
        return parse_evidence(tables.row_evidence(data, "train", 0, made), made)

    for data in (first("c a b c a b c a b c a b"), first("2 1 0 2 1 0 2 1 0 2 1 0")):
        seen = str(tables.preview(data, "train")[0][0]["size"])
        for order in itertools.permutations("abc" if seen in "abc" else "012"):
            assert observed(data, list(order)) == {"size": order.index(seen)}
        assert observed(data, []) == {"size": data.train[0, 0]}
    with pytest.raises(EvidenceError, match="the model knows no state"):
        observed(first("c a b c a b c a b c a b"), ["x", "y", "z"])


def test_all_rows_as_csv_and_the_dataset_as_a_file(home: Path) -> None:
    data = table()
    lines = tables.split_csv(data, "train").splitlines()
    assert lines[0] == "id,colour,size,age" and len(lines) == 1 + len(data.train)
    assert lines[1].split(",")[1] == tables.preview(data, "train")[0][0]["colour"]
    head = tables.summary_rows(datasets.describe(data))[1]
    assert head["Variable"] == "colour" and "Values" not in head


def small() -> object:
    return circuit(1.0 * (bernoulli("X1", 0.25) * gaussian("X2", 1.5, 2.0)))


def test_a_circuit_in_a_link() -> None:
    made = small()
    text = inline.write(made)  # type: ignore[arg-type]
    assert 0 < len(text) < 1000
    assert inline.write(inline.read(text)) == text
    for wrong in ("", "!", text[:-9], "A" * 100, text + text):
        with pytest.raises(FileError):
            inline.read(wrong)
    big = structures.build_structure("rat", structures.shape_of(datasets.load("digits")), {})
    assert inline.write(big) == ""


def test_a_link_opens_the_circuit_with_its_evidence() -> None:
    app = start(shell_page, circuit=inline.write(small()), evidence="X1=1", dataset="shapes")  # type: ignore[arg-type]
    assert "circuit" not in app.query_params
    assert said(app, "evidence") == "X1=1"
    assert store.get_circuit(said(app, "model")).variables == ("X1", "X2")
    app = AppTest.from_function(shell_page, default_timeout=90)
    app.query_params["circuit"] = "AAAA"
    app.run()
    assert not app.exception and any("damaged" in e.value for e in app.error)


def bundle(tmp_path: Path, data: str) -> bytes:
    found = table()
    shape = structures.shape_of(found)
    model = structures.build_structure("rat", shape, {"units": "2", "replicas": "1"})
    run = prepare_run(tmp_path / "run", model, found, model="m", data=data)
    execute(run, data=found)
    from pccore.bundle import read_run

    state = {"evidence": "colour=red", "run": "r-other", "seed": "7", "nonsense": "x", "step": "-1"}
    return bundle_bytes(
        Bundle("Shared", model, found, "my table", state, read_run(tmp_path / "run"))
    )


def test_a_bundle_opens_at_its_place(home: Path) -> None:
    app = start(gallery_page)
    app.session_state["pcw_gallery"] = "Upload a model"
    app.run()
    app.file_uploader(key="pcw_upload").upload(
        "a.pcbundle", bundle(home, "/etc/passwd"), "application/octet-stream"
    ).run()
    assert not app.exception and not app.error
    assert any("Shared" in s.value for s in app.success)
    assert said(app, "evidence") == "colour=red" and said(app, "seed") == "7"
    one = said(app, "dataset")
    assert datastore.title(one) == "my_table"
    run = said(app, "run")
    assert run != "r-other"
    view = jobs.registry().view(run)
    assert view.state == "stopped" and view.status.epoch > 0
    directory: RunDirectory = jobs.registry().directory(run)
    # The data are those of the bundle, never a path that it names.
    assert directory.config().data == store.dataset_reference(one)
    assert directory.best() is not None


def test_a_damaged_bundle_changes_nothing(home: Path) -> None:
    app = start(gallery_page)
    app.session_state["pcw_gallery"] = "Upload a model"
    app.run()
    before = dict(app.query_params)
    app.file_uploader(key="pcw_upload").upload(
        "a.pcbundle", bundle(home, "t")[:-400], "application/octet-stream"
    ).run()
    assert not app.exception and app.error
    assert dict(app.query_params) == before and datastore.listed() == ()


def test_a_run_without_its_data_names_none(home: Path) -> None:
    from pc_workbench import sharing

    found = sharing._here(RunConfig("m", "/etc/passwd", device="cuda"), "")
    assert (found.data, found.device) == ("not passed on", "cpu")
