"""Targets: every format that a model is read from, with the files that may come with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pccore.check import check
from pccore.errors import PCError
from pccore.files import FORMATS, Companion, load_bytes, load_together, save_bytes, writable
from pccore.structures.figures import figures
from tests.files.importing.einets import networks, packed
from tests.files.importing.messages import sample as message_sample
from tests.files.importing.samples import SAMPLES
from tests.files.support import rich, small
from tests.fuzz.target import CUT, LIMITS, WORDS, Target


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


def models() -> list[Target]:
    found: list[Target] = []
    samples = list(SAMPLES.values())
    for format_ in FORMATS().values():
        if format_.load is None:
            continue
        name = "m" + format_.suffixes[0]
        own = [s for s in samples if s.name.endswith(format_.suffixes)]
        seeds = [CUT.join([s.text.encode(), *(c.data for c in s.companions)]) for s in own]
        if format_.name == "spnc":
            seeds += [message_sample(query=query) for query in (False, True)]
        if format_.name == "einet":
            seeds += [packed(arrays) for arrays in _EINETS.values()]
        for make in (small, rich, *list(figures().values())[:4]):
            try:
                seeds.append(save_bytes(make(), name))
            except PCError:
                continue
        beside = max(([c.name for c in s.companions] for s in own), key=len, default=[])
        beside = beside or ["m" + suffix for suffix in format_.companions[:2]]
        label = "file-" + format_.name.replace(".", "-")
        found.append(Target(label, _model(name, beside), tuple(seeds), WORDS))
    found.append(Target("einet-text", _einet, tuple(_text(a) for a in _EINETS.values()), WORDS))
    together = [
        CUT.join([f"{s.name}\n{s.text}".encode(), *(_named(c) for c in s.companions)])
        for s in samples
    ]
    found.append(Target("upload-together", _together, tuple(together), WORDS))
    return found


_EINETS = {name: arrays for name, arrays in networks().items() if "pd" not in name}


def _text(arrays: Mapping[str, Any]) -> bytes:
    return str(arrays["einet"]).encode()


def _einet(data: bytes) -> None:
    """A hostile text beside sound arrays; a mutated archive rarely gets so far."""
    text = data.decode("utf-8", "replace").replace("\0", " ")
    _model("m.einet.npz")(packed({**_EINETS["rat-normal"], "einet": np.array(text)}))


def _named(companion: Companion) -> bytes:
    return f"{companion.name}\n".encode() + companion.data


def _together(data: bytes) -> None:
    """Several files at once, each behind a line with its name."""
    files = [part.partition(b"\n") for part in data.split(CUT)[:4]]
    load_together([Companion(n.decode("utf-8", "replace"), d) for n, _, d in files], LIMITS)
