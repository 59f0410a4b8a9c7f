"""What sessions share: content ids, the caches, and names that are no ids."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from hypothesis import given, strategies

from pc_workbench import errors, paths, store
from pccore.build import bernoulli, circuit
from pccore.errors import DataError, NotFoundError
from pccore.graph import Circuit

HOSTILE = (
    "",
    ".",
    "..",
    "../secret",
    "a/b",
    "/etc/passwd",
    "..%2f",
    "a\\b",
    "a\x00b",
    "a\nb",
    "m-0123456789abcdef/..",
    "~root",
    "x" * 500,
    "é",
)


def small(p: float = 0.6, title: str = "small") -> Circuit:
    a, b = bernoulli("A", p), bernoulli("A", 0.1)
    return circuit(0.4 * a + 0.6 * b, meta={"title": title})


pytestmark = pytest.mark.usefixtures("home")


def test_the_id_is_the_content():
    first, again, other = (store.put_model(c) for c in (small(), small(), small(0.7)))
    assert first == again != other
    assert first.startswith("m-") and len(first) == 18
    assert store.get_circuit(first).params.equal(small().params)
    assert store.title_of(first) == "small"
    assert store.title_of("") == ""


def test_a_stored_model_survives_the_process():
    model = store.put_model(small())
    st.cache_resource.clear()
    assert store.get_circuit(model).variables == ("A",)
    assert store.get_report(model).valid
    assert store.is_valid(model)
    assert float(store.get_program(model)(store_rows())[0]) == pytest.approx(-1.2039728, abs=1e-5)


def store_rows():
    import torch

    return torch.tensor([[1.0]])


def test_the_cache_returns_the_same_object():
    model = store.put_model(small())
    assert store.get_circuit(model) is store.get_circuit(model)
    assert store.get_program(model) is store.get_program(model)


def test_models_are_listed_newest_first_and_damage_is_skipped(home: Path):
    import os

    old, new = store.put_model(small(0.2, "old")), store.put_model(small(0.3, "new"))
    os.utime(home / "models" / f"{old}.pc.safetensors", (1, 1))
    (home / "models" / "m-0000000000000000.pc.safetensors").write_bytes(b"junk")
    (home / "models" / "m-0000000000000000.json").write_text("{")
    (home / "models" / "stranger.txt").write_text("hello")
    listed = store.models()
    assert [one.id for one in listed] == [new, old]
    assert (listed[0].title, listed[0].variables) == ("new", 1)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_id_never_reaches_the_disk(name: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(NotFoundError):
        store.get_circuit(name)
    with pytest.raises((NotFoundError, DataError)):
        store.get_dataset(name)
    with pytest.raises(NotFoundError):
        paths.below(Path("/nowhere"), name, "run")


@given(strategies.text(max_size=40))
def test_what_is_an_id_stays_below_its_folder(name: str):
    if paths.is_id(name):
        folder = Path("/nowhere/runs")
        assert paths.below(folder, name, "run").resolve().parent == folder
    else:
        with pytest.raises(NotFoundError):
            paths.below(Path("/nowhere"), name, "run")


def test_unknown_ids_say_where_to_go():
    with pytest.raises(NotFoundError, match="Gallery"):
        store.get_circuit("m-0123456789abcdef")
    with pytest.raises(NotFoundError, match="Gallery"):
        store.get_circuit("nobody")


def test_datasets_are_taken_by_name_only(tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "1,0\n0,1\n" * 20)
    with pytest.raises(NotFoundError):
        store.get_dataset(str(table))
    assert store.get_dataset("parity").num_variables == 5


def test_a_dataset_has_a_picture():
    assert store.picture("parity").startswith(b"\x89PNG")


def test_references_for_the_command_line():
    model = store.put_model(small())
    assert store.model_reference(model).endswith(f"{model}.pc.safetensors")


def test_a_foreign_title_stays_on_one_short_line():
    model = store.put_model(small(title="A" * 5000 + "\n\n# heading"))
    assert len(store.title_of(model)) <= 80 and "\n" not in store.title_of(model)
    assert store.models()[0].title == store.title_of(model)


def test_untrained_is_noted_beside_the_file(home: Path):
    fresh = store.put_model(small(0.3), untrained=True)
    assert store.is_untrained(fresh) and not store.is_untrained(store.put_model(small(0.4)))
    (home / "models" / f"{fresh}.json").write_text("[")
    assert not store.is_untrained(fresh) and not store.is_untrained("../../etc/passwd")


def test_a_sentence_keeps_the_name_of_a_file():
    assert errors.sentence(DataError("bad", where="model.pc.json")).startswith("model.pc.json")
    assert errors.sentence(DataError("there is none")) == "There is none."
