"""Faults of model files, of every format that can be written and read."""

from __future__ import annotations

import random
from pathlib import Path

from pccore.cli import main
from pccore.files import load_model, save_bytes, save_model
from pccore.files.store import FORMATS
from tests.benchmarks._faults.scene import Scene, Verdict, must_be_sentences
from tests.benchmarks._faults.training import DAMAGE

#: Formats whose files say themselves whether they are whole; text can be edited by hand.
CHECKED = (".pc.safetensors",)


def damaged_model(scene: Scene, chance: random.Random) -> Verdict:
    """a model file damaged: refused in a sentence, or read as the same model"""
    verdict = Verdict()
    source = chance.choice(sorted(scene.folder.glob("model-*")))
    target = scene.folder / f"damaged{source.name.removeprefix('model-').partition('.')[0]}"
    target = target.with_name(target.name + "." + source.name.partition(".")[2])
    how = chance.choice(DAMAGE)
    target.write_bytes(how(source.read_bytes(), chance))
    same = target.read_bytes() == source.read_bytes()
    ended = scene.fork(lambda: _read(target, source, same))
    target.unlink()
    if ended.status == 3:
        verdict.said = "read as another model"
        if source.name.endswith(CHECKED):
            verdict.complain(f"{source.name}, {how.__doc__}: read as another model")
    else:
        must_be_sentences(ended, verdict)
        if verdict.problems:
            verdict.complain(f"{source.name}, {how.__doc__}")
    return verdict


def _read(target: Path, source: Path, same: bool) -> int:
    """0: the same model, 2: refused, 3: another model."""
    status = main(["info", str(target)])
    if status or same:
        return status
    found, wanted = (save_bytes(load_model(p), "x.pc.safetensors") for p in (target, source))
    return 0 if found == wanted else 3


def write_models(scene: Scene) -> None:
    """One of each format that can be written and read, and some more of our own."""
    rat = load_model(scene.folder / "rat.pc.safetensors")
    hyper = load_model(scene.folder / "hyper.pc.safetensors")
    for name, circuit in (("rat", rat), ("hyper", hyper)):
        for suffix in (".pc.json", ".pc.safetensors"):
            save_model(circuit, scene.folder / f"model-{name}{suffix}")
    small = load_model("naive_bayes_spam")
    for format_ in FORMATS().values():
        if format_.save is None or format_.load is None:
            continue
        try:
            save_model(small, scene.folder / f"model-small{format_.suffixes[0]}")
        except ValueError:  # a format that cannot hold it
            continue
