"""Whatever is wrong with the input: status 2 and one line that says what and where."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pccore.files import load_model, save_model
from tests.cli.helpers import Run, assert_one_line
from tests.cli.test_contract import split_npz

# -- usage ---------------------------------------------------------------------------------

USAGE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("COMMAND", "pccore --help")),
    ("trian", ("'trian'", "'train'")),
    ("info", ("MODEL", "pccore info --help")),
    ("info bayes.pc.json more", ("unrecognized arguments: more",)),
    ("info bayes.pc.json --jsn", ("--jsn",)),
    ("query bayes.pc.json", ("--ask",)),
    ("query bayes.pc.json --ask luck", ("'luck'", "probability")),
    ("query bayes.pc.json --ask sample --count 0", ("--count", "'0'")),
    ("query bayes.pc.json --ask sample --count ten", ("--count", "'ten'")),
    ("query bayes.pc.json --ask sample --count 10000000", ("--count", "at most 2000000")),
    ("query bayes.pc.json --ask sample --seed -3", ("--seed",)),
    ("query bayes.pc.json --ask partition --evidence X1=1", ("no evidence",)),
    ("query bayes.pc.json --ask probability --root 1", ("no root 1", "1 root")),
    ("eval bayes.pc.json", ("--data",)),
    ("eval bayes.pc.json --data parity --device abacus", ("--device", "'abacus'")),
    ("eval bayes.pc.json --data parity --precision float8", ("--precision", "float8")),
    ("eval bayes.pc.json --data parity --threads 0", ("--threads",)),
    ("build", ("STRUCTURE",)),
    ("build rat --variables 4", ("-o",)),
    ("build rat -o m.pc.json", ("--data", "--variables")),
    ("build tree --variables 4 -o m.pc.json", ("'tree'", "rat")),
    ("build rat --variables 4 -o m.txt", ("m.txt", ".pc.json")),
    ("build rat --variables 4 -o nowhere/m.pc.json", ("nowhere", "folder")),
    ("build rat --variables 4 --data parity -o m.pc.json", ("--variables",)),
    ("build rat --variables 0 -o m.pc.json", ("--variables",)),
    ("build rat --variables 4 --states 1 -o m.pc.json", ("--states",)),
    ("build rat --image 4 -o m.pc.json", ("--image", "HxW")),
    ("build rat --image 2x2 --variables 5 -o m.pc.json", ("4 variables",)),
    ("build rat --variables 4 --set depth -o m.pc.json", ("'depth'", "key=value")),
    ("build rat --variables 4 --set depht=1 -o m.pc.json", ("'depht'", "did you mean 'depth'")),
    ("build rat --variables 4 --set depth=9 -o m.pc.json", ("depth", "at most 2")),
    ("build rat --variables 4 --set depth=two -o m.pc.json", ("depth", "an integer")),
    ("build rat --variables 4 --set depth=1 --set depth=1 -o m.pc.json", ("twice",)),
    ("build rat --variables 4 --preset einet -o m.pc.json", ("'einet'", "'einet-paper'")),
    ("build pd --variables 4 -o m.pc.json", ("image",)),
    ("train", ("MODEL",)),
    ("train bayes.pc.json", ("--data",)),
    ("train bayes.pc.json --data parity --method magic", ("'magic'", "em")),
    ("train bayes.pc.json --data parity --set speed=2", ("'speed'", "epochs", "pseudocount")),
    ("train bayes.pc.json --data parity --set epochs=0", ("epochs", "1")),
    ("train bayes.pc.json --data parity --preset best", ("'best'", "there are none")),
    ("train bayes.pc.json --data parity -o m.txt", ("m.txt",)),
    ("train bayes.pc.json --data parity --device cuda:99", ("--device",)),
    ("train --resume --run nothing", ("nothing", "no run")),
    ("train --list --method magic", ("'magic'",)),
    ("complete bayes.pc.json --data parity", ("--hide",)),
    ("complete bayes.pc.json --data parity --hide left --method guess", ("--method", "'guess'")),
    ("complete bayes.pc.json --data parity --hide left --baselines nn,luck", ("'luck'", "pca")),
    ("convert bayes.pc.json", ("OUT",)),
    ("convert bayes.pc.json out.xyz", ("out.xyz", ".pc.json")),
    ("convert bayes.pc.json .", (".",)),
    ("datasets nothing", ("'nothing'", "digits")),
    ("bench ../../setup", ("benchmark",)),
)


@pytest.mark.parametrize(("line", "parts"), USAGE, ids=[line for line, _ in USAGE])
def test_usage(run: Run, bayes: str, line: str, parts: tuple[str, ...]):
    assert_one_line(run(*line.split()), *parts)


def test_nothing_is_written_for_bad_usage(run: Run, bayes: str, folder: Path):
    before = sorted(folder.iterdir())
    for line, _ in USAGE:
        if line.startswith(("build", "train", "convert")):
            run(*line.split())
    assert sorted(folder.iterdir()) == before


# -- evidence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "parts"),
    [
        ("X9=1", ("'X9'", "X1, X2")),
        ("X1", ("'X1'", "NAME=VALUE")),
        ("=1", ("NAME=VALUE",)),
        ("X1=yes", ("'yes'", "X1")),
        ("X1=2", ("X1", "2", "0 to 1")),
        ("X1=0.5", ("X1", "0.5")),
        ("X1=-1", ("X1", "-1")),
        ("X1=inf", ("X1", "inf")),
        ("X1=1,X1=1", ("X1", "twice")),
        ("X1=1;X2=0", ("1;X2",)),
        ("X1=1\nX2=0", ()),
    ],
)
def test_evidence(run: Run, bayes: str, evidence: str, parts: tuple[str, ...]):
    for ask in ("probability", "marginals", "derivatives"):
        assert_one_line(run("query", bayes, "--evidence", evidence, "--ask", ask), *parts)


@pytest.mark.parametrize("ask", ["marginals", "mpe", "sample"])
def test_impossible_evidence(run: Run, folder: Path, ask: str):
    from pccore.build import circuit, indicator

    save_model(circuit(indicator("X", 1) * indicator("Y", 0)), folder / "sure.pc.json")
    result = run("query", "sure.pc.json", "--evidence", "X=0", "--ask", ask)
    assert_one_line(result, "probability zero")


# -- data ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([[0.0, 1.0, 1.0]], ("3 columns", "2 variables")),
        ([[0.0]], ("1 column", "2 variables")),
        ([[0.0, 1.0], [0.0, 2.0]], ("row 1", "X2", "2")),
        ([[0.5, 1.0]], ("row 0", "X1", "0.5")),
        ([[-1.0, 1.0]], ("X1", "-1")),
        ([[math.inf, 1.0]], ("d.npz",)),
    ],
)
def test_data_that_does_not_fit(run: Run, bayes: str, rows: list[list[float]], parts: tuple[str]):
    data = split_npz(Path("d.npz"), rows)
    assert_one_line(run("eval", bayes, "--data", data), *parts)
    assert_one_line(run("train", bayes, "--data", data, "--run", "r"))
    assert not Path("r").exists()


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("d.npz", b"not a zip", ("d.npz",)),
        ("d.npz", b"", ("d.npz",)),
        ("d.csv", b"", ("d.csv",)),
        ("d.csv", b"a,b\n1\n", ("d.csv",)),
        ("d.txt", b"1 2 3", ("d.txt",)),
        ("d.test.data", b"0,1\n", ("d",)),
    ],
)
def test_unreadable_data(
    run: Run, bayes: str, folder: Path, name: str, content: bytes, parts: tuple[str, ...]
):
    (folder / name).write_bytes(content)
    assert_one_line(run("eval", bayes, "--data", f"./{name}"), *parts)


def test_pickled_arrays_are_not_loaded(run: Run, bayes: str):
    np.savez("d.npz", train=np.array([[{"a": 1}]], dtype=object))
    assert_one_line(run("eval", bayes, "--data", "d.npz"), "d.npz")


def test_a_split_without_rows(run: Run, bayes: str):
    np.savez("d.npz", train=np.eye(2), valid=np.zeros((0, 2)), test=np.zeros((0, 2)))
    assert_one_line(run("eval", bayes, "--data", "d.npz"), "d:test", "no rows")
    assert_one_line(run("eval", bayes, "--data", "d.npz:best"), "d.npz:best")


# -- model files ---------------------------------------------------------------------------


def changed(edit: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """The JSON file with one thing changed."""

    def make(data: bytes) -> bytes:
        document = json.loads(data)
        edit(document)
        return json.dumps(document).encode()

    return make


def weights(document: dict[str, Any], values: list[object]) -> None:
    group = next(g for g in document["groups"] if g["name"] == "A1")
    group["values"] = values


def inputs(document: dict[str, Any], names: list[str]) -> None:
    next(g for g in document["groups"] if g["name"] == "A1")["inputs"] = names


#: Unpickling this makes a file.
PICKLE = b"cos\nsystem\n(S'touch hacked'\ntR."

MODELS: tuple[tuple[str, Callable[[bytes], bytes], tuple[str, ...]], ...] = (
    ("empty", lambda d: b"", ("empty",)),
    ("not JSON", lambda d: b"hello", ()),
    ("truncated", lambda d: d[: len(d) // 2], ()),
    ("trailing", lambda d: d + b"{}", ()),
    ("binary", lambda d: bytes(range(256)) * 40, ()),
    ("a pickle", lambda d: PICKLE, ()),
    ("a list", lambda d: b"[1, 2]", ()),
    ("deep", lambda d: b"[" * 100_000 + b"]" * 100_000, ()),
    ("huge number", lambda d: d.replace(b'"version": 1', b'"version": 1' + b"0" * 5000), ()),
    ("other version", changed(lambda d: d.update(version=99)), ("99",)),
    ("other format", changed(lambda d: d.update(format="exe")), ("exe",)),
    ("unknown key", changed(lambda d: d.update(surprise=1)), ("surprise",)),
    ("negative weight", changed(lambda d: weights(d, [1.4, -0.4])), ("A1", "-0.4")),
    ("NaN weight", changed(lambda d: weights(d, [math.nan, 0.4])), ()),
    ("infinite weight", changed(lambda d: weights(d, [math.inf, 0.4])), ()),
    ("too few weights", changed(lambda d: weights(d, [0.4])), ("A1",)),
    ("text as weight", changed(lambda d: weights(d, ["0.4", 0.6])), ("A1",)),
    ("cycle", changed(lambda d: inputs(d, ["S", "x1"])), ("A1", "S")),
    ("itself", changed(lambda d: inputs(d, ["A1", "x1"])), ("A1",)),
    ("unknown input", changed(lambda d: inputs(d, ["nobody", "x1"])), ("A1", "nobody")),
    ("no root", changed(lambda d: d.update(roots=[])), ("root",)),
    ("unknown root", changed(lambda d: d.update(roots=["nobody"])), ("nobody",)),
    ("same name", changed(lambda d: d["groups"].append(d["groups"][0])), ("x1",)),
    ("giant", changed(lambda d: d["groups"][0].update(size=10**12)), ("x1",)),
    ("unknown variable", changed(lambda d: d["groups"][0].update(variables=["Q"])), ("Q",)),
    ("unknown family", changed(lambda d: d["groups"][0].update(family={"family": "os"})), ("os",)),
    ("escape codes", changed(lambda d: d.update(roots=["\x1b[2J\n\nrm"])), ()),
)


@pytest.mark.parametrize("command", ["info", "check", "eval", "query", "train", "convert"])
@pytest.mark.parametrize(
    ("change", "parts"), [m[1:] for m in MODELS], ids=[name for name, _, _ in MODELS]
)
def test_hostile_models(
    run: Run,
    bayes: str,
    folder: Path,
    command: str,
    change: Callable[[bytes], bytes],
    parts: tuple[str, ...],
):
    (folder / "bad.pc.json").write_bytes(change((folder / bayes).read_bytes()))
    more = {
        "eval": ("--data", "parity"),
        "query": ("--ask", "probability"),
        "train": ("--data", "parity", "--run", "r"),
        "convert": ("out.pc.safetensors",),
    }.get(command, ())
    result = run(command, "bad.pc.json", *more)
    assert_one_line(result, "bad.pc.json", *parts)
    assert "\x1b" not in result.err and len(result.err) < 800
    for name in ("r", "out.pc.safetensors", "hacked"):
        assert not Path(name).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b"",
        lambda d: d[:20],
        lambda d: d[: len(d) // 2],
        lambda d: d[:-1],
        lambda d: b"\xff" * 8 + d[8:],
        lambda d: (2**40).to_bytes(8, "little") + d[8:],
        lambda d: d[:8] + b"x" + d[9:],
        lambda d: PICKLE,
        lambda d: d.replace(b"A1", b"A2"),
    ],
)
def test_hostile_tensors(run: Run, bayes: str, folder: Path, change: Callable[[bytes], bytes]):
    save_model(load_model(bayes), folder / "good.pc.safetensors")
    data = (folder / "good.pc.safetensors").read_bytes()
    (folder / "bad.pc.safetensors").write_bytes(change(data))
    for command in ("info", "check"):
        assert_one_line(run(command, "bad.pc.safetensors"), "bad.pc.safetensors")
    assert not Path("hacked").exists()


def test_oversized_files_are_not_read(run: Run, folder: Path):
    for name in ("big.pc.json", "big.pc.safetensors"):
        with (folder / name).open("wb") as stream:
            stream.truncate(2**40)  # a hole: takes no space
        assert_one_line(run("info", name), name, "bytes")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("missing.pc.json", ("missing.pc.json",)),
        ("./missing.pc.json", ("missing.pc.json",)),
        (".", (".",)),
        ("x" * 5000, ("no file",)),
        ("nul\0byte", ()),
        ("/dev/zero", ("/dev/zero",)),
        ("", ()),
    ],
)
def test_models_that_are_not_there(run: Run, name: str, parts: tuple[str, ...]):
    assert_one_line(run("info", name), *parts)


def test_names_cannot_steer_the_terminal(run: Run, bayes: str, folder: Path):
    document = json.loads((folder / bayes).read_text())
    document["meta"] = {"title": "\x1b[31mred\x07"}
    (folder / "odd.pc.json").write_text(json.dumps(document))
    assert_one_line(run("info", "odd.pc.json"), "meta.title")


# -- completion ----------------------------------------------------------------------------


@pytest.fixture
def digits_model(run: Run) -> str:
    """An untrained model of the digits."""
    made = run(
        "build",
        "naive_bayes",
        "--data",
        "digits",
        "--set",
        "components=2",
        "-o",
        "d.pc.safetensors",
    )
    assert made.status == 0
    return "d.pc.safetensors"


def test_bad_masks(run: Run, digits_model: str):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("none.png")
    Image.fromarray(np.full((8, 9), 255, np.uint8)).save("wide.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save("jpeg.png", format="JPEG")
    Path("text.png").write_text("no picture")
    complete = ("complete", digits_model, "--data", "digits", "--limit", 2, "--hide")
    assert_one_line(run(*complete, "middle"), "'middle'", "left")
    assert_one_line(run(*complete, "gone.png"), "gone.png", "no such file")
    assert_one_line(run(*complete, "none.png"), "none.png", "hides no pixel")
    assert_one_line(run(*complete, "wide.png"), "wide.png", "8x9", "8x8")
    assert_one_line(run(*complete, "jpeg.png"), "jpeg.png", "PNG")
    assert_one_line(run(*complete, "text.png"), "text.png", "PNG")
    Path("file").write_text("in the way")
    assert_one_line(run(*complete, "left", "-o", "file"), "file")


def test_rows_that_are_no_images(run: Run):
    run("build", "rat", "--data", "parity", "--set", "depth=1", "-o", "p.pc.json")
    result = run("complete", "p.pc.json", "--data", "parity", "--hide", "left")
    assert_one_line(result, "parity", "no images")


# -- faults of the program -----------------------------------------------------------------


def fail(error: BaseException) -> Callable[..., object]:
    def failing(*arguments: object) -> object:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (TypeError("one\ntwo"), 3, "TypeError: one two (--debug shows where)"),
        (MemoryError(), 3, "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried ..."), 3, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "x.pc.json"), 2, "x.pc.json: Permission denied"),
    ],
)
def test_faults_take_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, text: str
):
    from pccore.cli import models

    monkeypatch.setattr(models, "load_model", fail(error))
    result = run("info", "x")
    assert result.status == status
    assert result.out == "" and text in result.err and result.err.count("\n") == 1
    if status == 3:
        traced = run("info", "x", "--debug").err
        assert "Traceback" in traced and "models.py" in traced
