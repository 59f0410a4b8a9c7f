"""Targets: formulas, code, evidence, links, drafts, lessons, messages of the browser, runs."""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch

from pc_workbench import state
from pc_workbench.components.canvas.codec import read_event, unpack_mask
from pc_workbench.views import inline, sentences
from pc_workbench.views.draft_ops import apply_batch, read_edits
from pc_workbench.views.lesson import parse_lesson
from pc_workbench.views.lesson_live import opening, terms_of
from pc_workbench.views.query_evidence import read as read_given
from pccore.draft import Draft, History, from_json, to_json
from pccore.errors import PCError
from pccore.evidence import parse_evidence
from pccore.files import save_bytes
from pccore.files.python_source import from_code
from pccore.formula import format_formula, parse_formula
from pccore.learn.directory import RunDirectory
from pccore.learn.storage import read_tensors, write_tensors
from pccore.options import parse_assignments
from tests.files.support import small
from tests.fuzz.target import CUT, REPOSITORY, WORDS, Target


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


def _inline(data: bytes) -> None:
    """The circuit inside a link, as the address has it and behind the packing."""
    try:
        inline.read(data.decode("utf-8", "surrogateescape"))
    except PCError:
        inline.read(base64.urlsafe_b64encode(zlib.compress(data)).decode())


def _checkpoint(data: bytes) -> None:
    """Tensors and numbers of a run, as a bundle may bring them."""
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "checkpoint.safetensors"
        path.write_bytes(data)
        read_tensors(path)


def _checkpoint_bytes() -> bytes:
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "checkpoint.safetensors"
        write_tensors(path, {"w": torch.tensor([0.25, 0.75])}, {"epoch": 1, "best": [1.5]})
        return path.read_bytes()


_VOCABULARY = sentences.Vocabulary(("the", "cat", "sees", "a", "dog", "."), 5)


def texts() -> list[Target]:
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
        Target("formula", _text(_formula), (_FORMULA.encode(), b"x1", b"(x+!x)^3*y"), WORDS),
        Target("python-source", _text(from_code), (_CODE,), WORDS),
        Target("evidence", _text(_evidence), (b"X1=1,X2=0.5", b"X1=?"), WORDS),
        Target("given", _text(_given), (b"x1=1\nx2:0.2 0.8\nS:H=1", b"x1=?"), WORDS),
        Target("link", _text(_link), (link, b"mask=AAA=\nseed=4"), (*WORDS, b"~", b":", b"%00")),
        Target("inline", _inline, (save_bytes(_discrete(), "m.pc.json"), b"eJw"), WORDS),
        Target("checkpoint", _checkpoint, (_checkpoint_bytes(),), WORDS),
        Target(
            "sentence",
            _text(lambda text: sentences.parse(text, _VOCABULARY, 6)),
            (b"the cat sees ___ dog.", b"The ? a"),
            (b"_", b"?", b".", "\u2026".encode()),
        ),
        Target("wire", _text(_wire), (edits, b"AAA="), WORDS),
        Target("draft", _text(_draft), (draft,), WORDS),
        Target("lesson", _text(_lesson), (_LESSON.encode(), *lessons), WORDS),
        Target(
            "lesson-expression",
            _text(lambda text: _terms().text(text)),
            (b"{{S(X1=1)}}", b"{{2**3 + max(1, 2)}}", b'{{edge_flow("S", "C1", "X1=1")}}'),
            (*WORDS, *(f"{name}(".encode() for name in ("range", "live.S", "round", "P"))),
        ),
        Target(
            "assignments",
            _text(lambda text: parse_assignments(text.split("\n"))),
            (b"units=4\ndepth=3",),
            WORDS,
        ),
        Target("run-directory", _run, (run,), WORDS),
    ]


_CODE = b'''"""Rain."""
from pccore.build import bernoulli, circuit

rain, dry = bernoulli("Rain", 0.9), bernoulli("Rain", 0.1)
model = circuit(0.3 * rain + 0.7 * dry.named("dry"))
'''
