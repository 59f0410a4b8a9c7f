"""What the product reads from strangers, as functions of bytes: the list of the fuzzing harness.

A target may raise PCError (its text is fit to be shown) and nothing else. `test_targets.py` runs
it under hypothesis, `campaign.py` under atheris. A new reader of files is covered by itself
(`pccore.files.FORMATS`); anything else gets a function and a line in `_datasets` or `_texts`.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from pc_workbench import state
from pc_workbench.components.canvas.codec import read_event, unpack_mask
from pc_workbench.views.draft_ops import apply_batch, read_edits
from pc_workbench.views.lesson import parse_lesson
from pc_workbench.views.lesson_live import opening, terms_of
from pc_workbench.views.own_picture import read_picture
from pc_workbench.views.query_evidence import read as read_given
from pccore import datasets
from pccore.bundle import Bundle, bundle_bytes, read_bundle
from pccore.check import check
from pccore.completion.masks import hidden_pixels
from pccore.datasets import ImageShape, notes
from pccore.datasets.fetch import read_idx
from pccore.draft import Draft, History, from_json, to_json
from pccore.errors import PCError
from pccore.evidence import parse_evidence
from pccore.files import FORMATS, Companion, Limits, load_bytes, save_bytes, writable
from pccore.files.python_source import from_code
from pccore.formula import format_formula, parse_formula
from pccore.learn.directory import RunDirectory
from pccore.options import parse_assignments
from pccore.structures.figures import figures
from tests.files.importing.messages import sample as message_sample
from tests.files.importing.samples import SAMPLES
from tests.files.support import rich, small

REPOSITORY = Path(__file__).resolve().parents[2]
#: Bounds small enough that a file which keeps them is handled at once.
LIMITS = Limits(
    max_bytes=2**20,
    max_json_bytes=2**19,
    max_groups=5_000,
    max_units=200_000,
    max_parameters=400_000,
    max_variables=5_000,
    max_text_size=50_000,
    max_line=20_000,
)
#: Separates the members of an input of several files; a reader of one file never sees it.
CUT = b"\n=====\n"


@dataclass(frozen=True)
class Target:
    """run: reads bytes. seeds: sound inputs to start from. words: what a mutation may put in."""

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


def survives(target: Target, data: bytes) -> PCError | None:
    """Run a target; the typed error that it raised, None where the input was taken.

    Any other exception passes through: that is a find.
    """
    try:
        target.run(data)
    except PCError as error:
        text = str(error)
        assert 0 < len(text) < 1500, f"a message of {len(text)} characters"
        assert text.isprintable(), f"a message that cannot be shown: {text!a}"
        return error
    return None


# -- models ------------------------------------------------------------------------------------


def _model(name: str, companions: Sequence[str] = ()) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        first, *others = data.split(CUT)[: 1 + len(companions)] if companions else [data]
        beside = [Companion(n, d) for n, d in zip(companions, others, strict=False)]
        circuit = load_bytes(first, name, LIMITS, beside)
        circuit.validate_params()
        if circuit.num_units + circuit.num_edges <= 2_000:
            _used(circuit)

    return run


def _used(circuit) -> None:
    """What a page does with a circuit as soon as it is there: check, and every small text."""
    check(circuit)
    for format_ in writable():
        if format_.name in ("dot", "svg", "tikz", "formula", "python", "pc.json"):
            try:
                save_bytes(circuit, "m" + format_.suffixes[0])
            except PCError:
                continue  # a format need not hold every circuit


def _models() -> list[Target]:
    found: list[Target] = []
    samples = list(SAMPLES.values())
    for format_ in FORMATS().values():
        if format_.load is None:
            continue
        name = "m" + format_.suffixes[0]
        seeds = [
            CUT.join([s.text.encode(), *(c.data for c in s.companions)])
            for s in samples
            if s.name.endswith(format_.suffixes)
        ]
        if format_.name == "spnc":
            seeds += [message_sample(query=query) for query in (False, True)]
        for make in (small, rich, *list(figures().values())[:4]):
            try:
                seeds.append(save_bytes(make(), name))
            except PCError:
                continue
        beside = ["m" + suffix for suffix in format_.companions[:2]]
        label = "file-" + format_.name.replace(".", "-")
        found.append(Target(label, _model(name, beside), tuple(seeds), _WORDS))
    return found


_WORDS = (
    *b"-1 0 1 2 99999999999999999999 1e999 -1e999 nan inf -inf 1e308 -0.0 0x10 4294967296".split(),
    *b"9223372036854775807 + * D L ( ) [ ] {{ }} ; | c EOF <script> // /* . , { } \" ' \\".split(),
    *(b"**9", b"\xff", b"\x00", "\u202e".encode(), "\u0661".encode(), b"\r", b"\n", b"\t"),
)


# -- data --------------------------------------------------------------------------------------


def _dataset(name: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            found = datasets.load(path if path.parent == Path(folder) else path.parent)
            assert found.train.ndim == 2 and len(found.variables) == found.train.shape[1]

    return run


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _picture(kind: str, mode: str = "L", size: tuple[int, int] = (4, 3)) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 7 if mode != "RGB" else (1, 2, 3)).save(stream, kind)
    return stream.getvalue()


def _datasets() -> list[Target]:
    table = np.arange(12, dtype=np.uint8).reshape(6, 2) % 3
    csv = [
        b"a,b\n1,2\n3,4\n1,0\n",
        b"colour;size\nred;1.5\nblue;\nred;?\n",
        b"1\t2\n3\t4\n5\t6\n",
        b'"x, y",<b>\n"1","2"\n3,NA\n',
    ]
    pictures = [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("ppm", "PPM")]
    return [
        Target(
            "data-npz",
            _dataset("d.npz"),
            (
                _npz(train=table, test=table),
                _npz(x=table.reshape(2, 2, 3), y=np.arange(2)),
                _npz(x=table.astype(np.float32), variables=np.array(["p", "q"])),
                _zip(("x.npy", _npy(table)), ("../../evil.npy", _npy(table))),
            ),
            _WORDS,
        ),
        Target("data-npy-shards", _dataset("d/train-0.npy"), (_npy(table), _npy(table * 1.5))),
        Target("data-csv", _dataset("d.csv"), tuple(csv), _WORDS),
        Target("data-zip", _dataset("d.zip"), (_images(), _zip(("a/b/c/d.png", b""))), _WORDS),
        Target("data-parquet", _dataset("d.parquet"), (_parquet(),)),
        Target("data-notes", _notes, (_noted(),), _WORDS),
        Target("data-idx", _idx, (_idx_bytes(),)),
        Target("bundle", read_bundle, _bundles(), _WORDS),
        Target("data-debd", _dataset("d.train.data"), (b"0,1\n1,0\n", b"1,1,0\n0,0,1\n"), _WORDS),
        *(
            Target(
                f"data-{suffix}",
                _dataset(f"d/a.{suffix}"),
                (_picture(kind), _picture(kind, "RGB")),
            )
            for suffix, kind in pictures
        ),
        Target("mask-png", _mask, (_picture("PNG", "1"), _picture("PNG"))),
        Target(
            "own-picture",
            lambda data: read_picture(data, ImageShape(4, 4, 1, 16)),
            tuple(_picture(k, m) for k in ("PNG", "GIF", "WEBP", "JPEG") for m in ("L", "RGB")),
        ),
    ]


def _zip(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def _images() -> bytes:
    members = [(f"all/{label}/{n}.png", _picture("PNG")) for label in "ab" for n in range(4)]
    return _zip(*members, ("__MACOSX/._a", b"x"))


def _parquet() -> bytes:
    columns = {"n": [1.5, None, 3.0, 4.0], "word": ["a", "b", None, "a"], "t": [True, False] * 2}
    stream = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), stream)
    return stream.getvalue().to_pybytes()


def _noted() -> bytes:
    return notes.to_text(datasets.load("digits", limit=2)).encode()


def _notes(data: bytes) -> None:
    notes.from_text(data.decode("utf-8", "surrogateescape"), "fuzz")


def _idx_bytes() -> bytes:
    return gzip.compress(struct.pack(">HBBII", 0, 8, 2, 2, 3) + bytes(range(6)))


def _idx(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "x.gz"
        path.write_bytes(data)
        read_idx(path)


def _bundles() -> tuple[bytes, ...]:
    circuit, data = small(), datasets.load("digits", limit=2)
    return (
        bundle_bytes(Bundle("t", circuit, None, "digits", {"evidence": "X1=1"})),
        bundle_bytes(Bundle("t", None, data, state={"seed": "3"}, run={"config.json": b"{}"})),
    )


def _mask(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(data)
        hidden_pixels(path, ImageShape(3, 4, 1, 16))


# -- texts -------------------------------------------------------------------------------------


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of texts; bytes that are no UTF-8 become lone surrogates, as a hostile text has."""
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _formula(text: str) -> None:
    circuit = parse_formula(text)
    circuit.validate_params()
    try:
        again = format_formula(circuit)
    except PCError:
        return
    parse_formula(again)


@cache
def _subject():
    return small()


@cache
def _discrete():
    return parse_formula(_FORMULA)


_FORMULA = "0.5*(0.6*x1 + 0.4*!x1)*(0.3*x2 + 0.7*!x2) + 0.5*(0.1*x1 + 0.9*!x1)*x2"


def _evidence(text: str) -> None:
    parse_evidence(text, _subject())


def _given(text: str) -> None:
    """What a link says of evidence: observed, soft and hidden."""
    parts = (text + "\n\n").split("\n")
    soft, hidden = (tuple(_pairs(part.split("~"), ":")) for part in parts[1:3])
    read_given(parts[0], soft, hidden, _discrete())


def _pairs(parts: Sequence[str], sign: str) -> list[tuple[str, str]]:
    split = (part.partition(sign) for part in parts if part)
    return [(name, value) for name, _, value in split]


def _link(text: str) -> None:
    found, _ = state.decode(dict(_pairs(text.split("\n"), "=")))
    again, ignored = state.decode(state.encode(found))
    assert again == found and not ignored


def _wire(text: str) -> None:
    """What the components of the browser send: a mask, a batch of edits."""
    unpack_mask(text, (3, 4))
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return
    read_event(payload, (3, 4), None, 0)
    edits = read_edits(payload)
    if edits is not None:
        history = History(Draft())
        for batch in edits.batches:
            history = apply_batch(history, batch)


def _draft(text: str) -> None:
    assert from_json(to_json(from_json(text))) is not None


def _lesson(text: str) -> None:
    lesson = parse_lesson(text, "fuzz")
    for step in lesson.steps[:3]:
        live = opening(lesson, step)
        terms = terms_of(lesson, step, live)
        for part in step.body:
            if isinstance(part, str):
                terms.text(part)
        if step.task is not None:
            terms.text(step.task.ask)


@cache
def _terms():
    lesson = parse_lesson(_LESSON, "fuzz")
    return terms_of(lesson, lesson.steps[0], opening(lesson, lesson.steps[0]))


_LESSON = """+++
title = "T"
minutes = 3
model = "figure3_parity(4)"
goals = ["g"]
+++
## One
Text {{S(X1=1)}} and {{range(3)}}.

```step
evidence = "X1=1"
```
```task
goal = "number"
ask = "What is {{1 + 1}}?"
answer = "S()"
```
"""


def _run(data: bytes) -> None:
    """A run directory that another program wrote."""
    names = ("config.json", "status.json", "metrics.jsonl", "control.json")
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        for name, content in zip(names, data.split(CUT), strict=False):
            (Path(folder) / name).write_bytes(content)
        run = RunDirectory(folder)
        run.config()
        run.status()
        run.requested()
        run.metrics()
        run.scores()


def _texts() -> list[Target]:
    lessons = [p.read_bytes() for p in sorted((REPOSITORY / "app/lessons").glob("*.md"))[:3]]
    draft = to_json(Draft().add("n1", "sum", 0.0, 0.0).add("n2", "product", 1.0, 5.0)).encode()
    run = CUT.join(
        [
            b'{"model":"m","data":"digits","method":"em","train_options":{"epochs":3},"title":"t"}',
            b'{"state":"running","heartbeat":1.5,"epoch":1}',
            b'{"event":"epoch","epoch":1,"train_log_likelihood":-3.0,"seconds":0.5}\n',
            b'{"command":"stop"}',
        ]
    )
    edits = json.dumps(
        {
            "stream": "stream01", "author": "author01",
            "batches": [{"seq": 1, "sheet": "", "ops": [
                {"op": "add", "id": "n1", "kind": "sum", "x": 1, "y": 2},
                {"op": "add", "id": "n2", "kind": "leaf", "x": 1, "y": 2, "leaf": {
                    "variable": "X", "family": {"family": "bernoulli"}, "values": [0.5]}},
                {"op": "connect", "source": "n1", "target": "n2", "weight": 0.5},
            ]}],
        }
    ).encode()  # fmt: skip
    link = (
        b"model=figure1_naive_bayes\nevidence=X1=1,X2=0\noptions=units:4~depth:3\n"
        b"soft=X%201:0.2%200.8~Y:1\nview=w1~w2\nimage=3\nmuted=1.2.3"
    )
    return [
        Target("formula", _text(_formula), (_FORMULA.encode(), b"x1", b"(x+!x)^3*y"), _WORDS),
        Target("python-source", _text(from_code), (_CODE,), _WORDS),
        Target("evidence", _text(_evidence), (b"X1=1,X2=0.5", b"X1=?"), _WORDS),
        Target("given", _text(_given), (b"x1=1\nx2:0.2 0.8\nS:H=1", b"x1=?"), _WORDS),
        Target("link", _text(_link), (link, b"mask=AAA=\nseed=4"), (*_WORDS, b"~", b":", b"%00")),
        Target("wire", _text(_wire), (edits, b"AAA="), _WORDS),
        Target("draft", _text(_draft), (draft,), _WORDS),
        Target("lesson", _text(_lesson), (_LESSON.encode(), *lessons), _WORDS),
        Target(
            "lesson-expression",
            _text(lambda text: _terms().text(text)),
            (b"{{S(X1=1)}}", b"{{2**3 + max(1, 2)}}", b'{{edge_flow("S", "C1", "X1=1")}}'),
            (*_WORDS, *(f"{name}(".encode() for name in ("range", "live.S", "round", "P"))),
        ),
        Target(
            "assignments",
            _text(lambda text: parse_assignments(text.split("\n"))),
            (b"units=4\ndepth=3",),
            _WORDS,
        ),
        Target("run-directory", _run, (run,), _WORDS),
    ]


_CODE = b'''"""Rain."""
from pccore.build import bernoulli, circuit

rain, dry = bernoulli("Rain", 0.9), bernoulli("Rain", 0.1)
model = circuit(0.3 * rain + 0.7 * dry.named("dry"))
'''


@cache
def targets() -> Mapping[str, Target]:
    """All targets by name."""
    found = [*_models(), *_datasets(), *_texts()]
    return MappingProxyType({target.name: target for target in found})
