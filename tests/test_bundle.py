"""Bundles: what goes in comes out, and nothing else does."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit
from pccore.bundle import (
    CIRCUIT,
    MANIFEST,
    Bundle,
    bundle_bytes,
    read_bundle,
    read_run,
    unpack,
    write_bundle,
)
from pccore.cli import main
from pccore.datasets import load
from pccore.errors import FileError, PCError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.learn import RunDirectory, execute, prepare_run
from pccore.queries import log_probability


def model() -> Circuit:
    return circuit(
        0.3 * (bernoulli("X0", 0.9) * bernoulli("X1", 0.2))
        + 0.7 * (bernoulli("X0", 0.1) * bernoulli("X1", 0.6))
    )


def whole() -> Bundle:
    state = {"evidence": "X0=1", "view": "S~P", "seed": "3"}
    return Bundle("A title", model(), load("parity"), "parity", state)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    write_bundle(whole(), tmp_path / "a.pcbundle")
    found = read_bundle(tmp_path / "a.pcbundle")
    assert (found.title, found.dataset_name, found.state) == ("A title", "parity", whole().state)
    assert found.dataset is not None and found.circuit is not None
    assert found.dataset.fingerprint() == load("parity").fingerprint()
    rows = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    assert torch.equal(log_probability(found.circuit, rows), log_probability(model(), rows))
    assert bundle_bytes(found) == bundle_bytes(read_bundle(bundle_bytes(found)))
    with pytest.raises(PCError, match="pcbundle"):
        write_bundle(whole(), tmp_path / "a.zip")
    with pytest.raises(PCError, match="nothing"):
        bundle_bytes(Bundle())


def test_a_run_goes_on_elsewhere(tmp_path: Path) -> None:
    data = load("shapes", limit=40)
    from pccore.structures import build_structure, shape_of

    made = build_structure("rat", shape_of(data), {"units": "2", "replicas": "1"})
    run = prepare_run(tmp_path / "run", made, data, model="m", data="shapes")
    execute(run, data=data)
    content = bundle_bytes(Bundle(circuit=made, run=read_run(tmp_path / "run")))
    paths = unpack(read_bundle(content), tmp_path / "out")
    copy = RunDirectory(paths["run"])
    assert copy.config() == run.config() and copy.metrics()[0] == run.metrics()[0]
    best, again = run.best(), copy.best()
    assert best is not None and again is not None
    assert all(torch.equal(best.params[k], again.params[k]) for k in best.params)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [CIRCUIT, "run"]
    with pytest.raises(PCError, match="not empty"):
        unpack(read_bundle(content), tmp_path / "out")


def altered(name: str, data: bytes, drop: str = "") -> bytes:
    """A bundle in which a member is another, or has come along."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(bundle_bytes(whole()))) as old,
        zipfile.ZipFile(stream, "w") as new,
    ):
        for member in old.namelist():
            if member not in (name, drop):
                new.writestr(member, old.read(member))
        new.writestr(name, data)
    return stream.getvalue()


def manifest(**changes: object) -> bytes:
    with zipfile.ZipFile(io.BytesIO(bundle_bytes(whole()))) as archive:
        return json.dumps({**json.loads(archive.read(MANIFEST)), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nothing", "no readable zip"),
        (altered(CIRCUIT, b"{}"), "not what the manifest says"),
        (altered("other", b"", drop=MANIFEST), "no manifest"),
        (altered("../evil", b""), "outside"),
        (altered("/tmp/evil", b""), "outside"),  # noqa: S108 - is never written
        (altered(MANIFEST, b"[]"), "no object"),
        (altered(MANIFEST, manifest(version=9)), "version 9"),
        (altered(MANIFEST, manifest(format="zip")), "version"),
        (altered(MANIFEST, manifest(files={"run/../../x": "0"})), "not known"),
        (altered(MANIFEST, manifest(files={"dataset.npz": "0"})), "not what the manifest"),
        (altered(MANIFEST, manifest(files=[1])), "files of the manifest"),
        (altered(MANIFEST, manifest(state={"evidence": 3})), "state of the manifest"),
        (altered(MANIFEST, manifest(state={"evidence": "x" * 30_000})), "state of the manifest"),
        (altered(MANIFEST, manifest(title="x" * 500)), "title"),
        (altered(MANIFEST, manifest(title=["x"])), "title"),
        (altered(MANIFEST, b"[" * 10_000), "nest|JSON"),
    ],
)
def test_hostile_bundles(content: bytes, said: str) -> None:
    with pytest.raises(PCError, match=said):
        read_bundle(content, "a.pcbundle")


def test_members_that_a_bundle_does_not_have_are_refused() -> None:
    with pytest.raises(FileError, match=r"'extra\.bin' is not known"):
        read_bundle(altered("extra.bin", b"x"))


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=40)
def test_any_byte_may_be_wrong(place: int, byte: int) -> None:
    content = bytearray(bundle_bytes(Bundle("t", model(), state={"a": "b"})))
    content[place % len(content)] = byte
    try:
        read_bundle(bytes(content))
    except PCError:
        return


def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(model(), "m.pc.json")
    pack = ["bundle", "pack", "a.pcbundle", "--model", "m.pc.json", "--evidence"]
    assert main([*pack, "X0=1", "--data", "parity", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["state"] == {"evidence": "X0=1"} and made["circuit"]["variables"] == 2
    assert main(["bundle", "info", "a.pcbundle", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"]["name"]
    assert main(["bundle", "unpack", "a.pcbundle", "out", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert set(files) == {"circuit", "dataset", "state"}
    assert load(files["dataset"]).fingerprint() == load("parity").fingerprint()
    for wrong in (
        [*pack, "X9=1"],
        ["bundle", "pack", "a.zip", "--model", "m.pc.json"],
        ["bundle", "pack", "b.pcbundle"],
        ["bundle", "unpack", "a.pcbundle"],
        ["bundle", "unpack", "m.pc.json", "new"],
        ["bundle", "info", "missing.pcbundle"],
    ):
        assert main(wrong) == 2
        assert capsys.readouterr().err.startswith("pccore: error:")
