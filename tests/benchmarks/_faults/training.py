"""Faults of a single training: kills, full disks, damaged files."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path

from pccore.cli import main
from pccore.learn import RunDirectory
from pccore.learn.directory import CHECKPOINT, INITIAL
from tests.benchmarks._faults.disk import Disk, End
from tests.benchmarks._faults.scene import METHODS, Scene, Verdict, must_be_sentences

#: Seconds between checkpoints of runs that are killed at a moment: after every batch, now and then.
INTERVALS = (0.0, 0.05)


def killed_training(scene: Scene, chance: random.Random) -> Verdict:
    """kill -9 at a random moment"""
    verdict, method = Verdict(), chance.choice(METHODS)
    every = chance.choice(INTERVALS)
    with scene.fresh("killed") as path:
        moment = chance.random() * scene.reference(method).seconds
        scene.fork(lambda: main(scene.begin(method, path)), kill_after=moment, every=every)
        _judge(scene, method, path, verdict, every)
    return verdict


def killed_saving(scene: Scene, chance: random.Random) -> Verdict:
    """kill -9 at a random byte of what is written"""
    return _at_a_byte(scene, chance, "kill")


def full_disk(scene: Scene, chance: random.Random) -> Verdict:
    """disk full at a random byte, ENOSPC from then on"""
    return _at_a_byte(scene, chance, "full")


def _at_a_byte(scene: Scene, chance: random.Random, end: End) -> Verdict:
    verdict, method = Verdict(), chance.choice(METHODS)
    limit = chance.randrange(scene.reference(method).written)

    def train() -> int:
        Disk(limit, end).install()
        return main(scene.begin(method, path))

    with scene.fresh(end) as path:
        ended = scene.fork(train)
        if end == "full":
            must_be_sentences(ended, verdict)
            # Near the end only a look may be missing, for whose sake no run fails.
            if ended.status and "No space left" not in ended.said:
                verdict.complain(f"it does not say that the disk is full: {ended.said}")
        _judge(scene, method, path, verdict)
    return verdict


def _judge(scene: Scene, method: str, path: Path, verdict: Verdict, interval: float = 0.0) -> None:
    if RunDirectory(path).exists():
        scene.must_be_readable(path, verdict)
    scene.must_continue(method, path, verdict, excused=1, interval=interval)


def small_file_system(scene: Scene, chance: random.Random) -> Verdict:
    """file system full (a small tmpfs, or RLIMIT_FSIZE where that cannot be mounted)"""
    verdict, method = Verdict(), chance.choice(METHODS)
    with scene.fresh("small") as path:
        path.mkdir()
        kib = chance.randrange(8, 160, 4)
        with _mounted(path, kib) as mounted:
            run = path / "run"

            def train() -> int:
                if not mounted:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 256, kib * 256))
                return main(scene.begin(method, run))

            must_be_sentences(scene.fork(train), verdict)
            if (run / "config.json").exists():
                scene.must_be_readable(run, verdict)
            if mounted:
                subprocess.run(["mount", "-o", "remount,size=64m", str(path)], check=True)
            scene.must_continue(method, run, verdict, excused=1)
    return verdict


@contextlib.contextmanager
def _mounted(path: Path, kib: int) -> Generator[bool]:
    """A file system of so many KiB; False where there are no rights to mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(path)], check=True)


# -- damage --------------------------------------------------------------------------------


def cut(data: bytes, chance: random.Random) -> bytes:
    """cut off"""
    return data[: chance.randrange(len(data))] if data else data


def flipped(data: bytes, chance: random.Random) -> bytes:
    """a bit flipped"""
    changed = bytearray(data)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zeroed(data: bytes, chance: random.Random) -> bytes:
    """zeros from some byte on, as a power cut may leave"""
    start = chance.randrange(len(data) + 1)
    return data[:start] + bytes(len(data) - start)


DAMAGE: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, flipped, flipped, zeroed)


def damaged_file(scene: Scene, chance: random.Random) -> Verdict:
    """a file of a run directory damaged or gone, of a run that was killed or has finished"""
    verdict, method = Verdict(), chance.choice(METHODS)
    with scene.fresh("damaged") as path:
        if chance.random() < 0.7:
            scene.half(method, path, 0.2 + 0.7 * chance.random())
        else:
            scene.reference(method)
            shutil.copytree(scene.folder / f"whole-{method}", path)
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        target = chance.choice(files)
        what = _damage(target, chance)
        scene.must_be_readable(path, verdict)
        # The checkpoint before is one batch older, which may have been the last of an epoch.
        excused = 2 if target.name == CHECKPOINT else 1
        scene.must_continue(method, path, verdict, excused)
        verdict.problems = verdict.problems and [
            f"{method}, {target.name} {what}: {problem}" for problem in verdict.problems
        ]
    return verdict


def _damage(target: Path, chance: random.Random) -> str:
    if chance.random() < 0.15:
        target.unlink()
        return "gone"
    how = chance.choice(DAMAGE)
    target.write_bytes(how(target.read_bytes(), chance))
    return str(how.__doc__)


def damaged_queued(scene: Scene, chance: random.Random) -> Verdict:
    """a file of a run that has not begun damaged: it begins, or says in a sentence why not"""
    verdict, method = Verdict(), chance.choice(METHODS)
    with scene.fresh("queued") as path:
        scene.reference(method)
        whole = scene.folder / f"whole-{method}"
        path.mkdir()
        for name in ("config.json", "config.copy.json", INITIAL, "status.json"):
            shutil.copy(whole / name, path / name)
        target = chance.choice(sorted(path.iterdir()))
        what = _damage(target, chance)
        scene.must_be_readable(path, verdict)
        ended = scene.command(*scene.begin(method, path), "--resume")
        must_be_sentences(ended, verdict)
        if ended.status == 0:
            scene.must_be_whole(method, path, verdict)
        elif target.name != INITIAL:
            verdict.complain(f"{target.name} {what}: {ended.said}")
    return verdict


def damaged_live(scene: Scene, chance: random.Random) -> Verdict:
    """a file damaged while the run goes on, which does not mind"""
    verdict, method = Verdict(), chance.choice(METHODS)
    with scene.fresh("live") as path:
        moment = time.monotonic() + chance.random() * scene.reference(method).seconds
        child = os.fork()
        if not child:
            while time.monotonic() < moment:
                time.sleep(0.005)
            with contextlib.suppress(OSError, IndexError):
                names = ("control.json", "status.json", "config.json", "look.safetensors")
                _damage(path / chance.choice(names), chance)
            os._exit(0)
        ended = scene.fork(lambda: main(scene.begin(method, path)))
        os.waitpid(child, 0)
        must_be_sentences(ended, verdict)
        if ended.status:
            verdict.complain(ended.said)
        scene.must_be_readable(path, verdict)
        scene.must_continue(method, path, verdict, excused=0)
    return verdict
