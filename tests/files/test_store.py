"""Names, paths, sample models, and files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pccore.errors import FileError, NotFoundError
from pccore.files import (
    FORMATS,
    describe,
    load_bytes,
    load_model,
    sample_models,
    save_bytes,
    save_model,
    store,
    writable,
)
from tests.files.support import differences, discrete, holds, rich, small, stored, written


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two sample models in place of the real one."""
    folder = tmp_path / "samples"
    folder.mkdir()
    monkeypatch.setattr(store, "sample_models_folder", lambda: folder)
    save_model(small(), folder / "two_products.pc.json")
    save_model(rich(), folder / "wild.pc.safetensors")
    (folder / "README.md").write_text("not a model")
    (folder / "drawing.dot").write_text("digraph {}")
    (folder / ".hidden.pc.json").write_text("{")
    return folder


def test_a_sample_is_loaded_by_name(samples: Path):
    assert differences(small(), load_model("two_products")) == []
    assert differences(small(), load_model("two_products.pc.json")) == []
    assert describe("wild").title == "Rich <b>& wild</b>"


def test_samples_are_listed_with_their_stories(samples: Path):
    found = sample_models()
    assert [(s.name, s.title) for s in found] == [
        ("two_products", "Small"),
        ("wild", "Rich <b>& wild</b>"),
    ]
    assert found[0].story == "Two products." and found[0].path == samples / "two_products.pc.json"


def test_a_broken_sample_is_reported_and_not_skipped(samples: Path):
    (samples / "bad.pc.json").write_text('{"format": "pccore"')
    with pytest.raises(FileError, match=r"bad\.pc\.json, line 1"):
        sample_models()


def test_a_sample_is_found_beside_a_folder_of_its_name(samples: Path, monkeypatch):
    (samples.parent / "wild").mkdir()
    monkeypatch.chdir(samples.parent)
    assert load_model("wild").num_units == rich().num_units


def test_a_file_goes_before_a_sample_of_its_file_name(samples: Path, monkeypatch):
    monkeypatch.chdir(samples.parent)
    save_model(rich(), "two_products.pc.json")
    assert load_model("two_products.pc.json").num_units == rich().num_units


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("two_product", "did you mean two_products?"),
        ("zzz", "samples are two_products, wild"),
        ("zzz.pc.json", "there is no file or sample model 'zzz.pc.json'"),
        ("../samples/none.pc.json", "there is no such file"),
        ("nul\0byte", "there is no file or sample model 'nul?byte'"),
        ("x" * 5000, "there is no file or sample model '..."),
        ("\x1b[31mred", "'?[31mred'"),
    ],
)
def test_unknown_names(samples: Path, name: str, phrase: str):
    with pytest.raises(NotFoundError) as caught:
        load_model(name)
    assert phrase in str(caught.value)


def test_a_missing_path_is_no_sample(samples: Path):
    with pytest.raises(NotFoundError, match="there is no such file"):
        load_model(Path("two_products"))


def test_the_real_samples_all_load():
    for sample in sample_models():
        circuit = load_model(sample.name)
        assert sample.title and sample.story and circuit.meta["title"] == sample.title
        assert describe(sample.name).units == circuit.num_units


@pytest.mark.parametrize("name", ["model.txt", "model", "model.json", ".pc"])
def test_unknown_suffixes(name: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text("something else")
    for attempt in (lambda: load_model(path), lambda: save_model(small(), path)):
        with pytest.raises(FileError, match="does not end in a known format") as caught:
            attempt()
        assert ".pc.json, .pc.safetensors" in str(caught.value)
    assert path.read_text() == "something else"


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path):
    with pytest.raises(FileError, match="not a regular file"):
        load_model(tmp_path)
    if hasattr(os, "mkfifo"):
        pipe = tmp_path / "pipe.pc.json"
        os.mkfifo(pipe)
        with pytest.raises(FileError, match="not a regular file"):
            load_model(pipe)


def test_errors_name_the_file(tmp_path: Path):
    path = tmp_path / "m.pc.json"
    path.write_text("{")
    with pytest.raises(FileError) as caught:
        load_model(path)
    assert caught.value.where == f"{path}, line 1, column 2"


def test_names_of_uploads_are_shown_safely():
    with pytest.raises(FileError) as caught:
        load_bytes(b"{", "\x1b[31m\n" + "x" * 900 + ".pc.json")
    text = str(caught.value)
    assert text.isprintable() and len(text) < 300


@pytest.mark.parametrize("suffix", [s for f in writable() for s in f.suffixes])
def test_a_download_has_the_bytes_of_the_file(suffix: str, tmp_path: Path):
    format_ = next(f for f in writable() if suffix in f.suffixes)
    circuit = rich() if holds(rich(), format_) else discrete()
    path = written(circuit, tmp_path, suffix)
    assert save_bytes(circuit, path.name) == path.read_bytes()


def test_a_download_that_cannot_be_made_is_named():
    with pytest.raises(FileError, match=r"^m\.txt: the name does not end in a known format"):
        save_bytes(small(), "m.txt")
    with pytest.raises(FileError, match=r"^m\.pc\.json, meta\.x: a file cannot hold"):
        save_bytes(small().with_meta({"x": b""}), "m.pc.json")  # type: ignore[dict-item]


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path):
    path = written(small(), tmp_path)
    save_model(rich(), path)
    assert differences(rich(), load_model(path)) == []
    assert os.listdir(tmp_path) == [path.name]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(small(), tmp_path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="cannot be written: No space left on device"):
        save_model(rich(), path)
    with pytest.raises(FileError, match="a file cannot hold the object"):
        save_model(small().with_meta({"x": object()}), path)  # type: ignore[dict-item]
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_missing_folder_is_named(tmp_path: Path):
    path = tmp_path / "none" / "m.pc.json"
    with pytest.raises(FileError, match="the folder does not exist") as caught:
        save_model(small(), path)
    assert caught.value.where == str(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_files_have_the_usual_permissions(tmp_path: Path):
    before = os.umask(0o027)
    try:
        path = written(small(), tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_readable_file_looks_as_documented():
    text = stored(small(), FORMATS()["pc.json"]).decode()
    leaf = '"kind": "leaf", "family": "bernoulli", "variables": ["X1"], "values": 0.6}'
    assert f'    {{"name": "x1", {leaf},\n' in text
    assert '    {"name": "p1", "kind": "product", "inputs": ["x1", "x2"]},\n' in text
    assert '"inputs": ["p1", "p2"], "values": [0.4, 0.6]}\n  ],\n  "roots": ["s1"]\n}\n' in text


def test_large_circuits_are_sent_to_the_other_format(tmp_path: Path, monkeypatch):
    from pccore.files import native_json

    monkeypatch.setattr(native_json, "_MAX_NUMBERS", 10)
    with pytest.raises(FileError, match=r"save it as NAME\.pc\.safetensors"):
        written(small(), tmp_path)
