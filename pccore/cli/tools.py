"""bench and app: programs of their own, run as child processes."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from pccore.cli.output import clean, emit
from pccore.errors import NotFoundError


def benchmarks_folder() -> Path:
    """Where a checkout of the repository keeps its benchmarks."""
    return Path(__file__).resolve().parents[2] / "tests" / "benchmarks"


def benchmarks(folder: Path) -> dict[str, Path]:
    """The benchmarks of a folder by name. Raises NotFoundError where there is no such folder."""
    if not folder.is_dir():
        raise NotFoundError(
            "benchmarks are in the repository, not in the installed package",
            hint="run this in a checkout with an editable install",
        )
    paths = sorted(p for p in folder.glob("*.py") if not p.name.startswith(("_", "conftest")))
    return {path.stem: path for path in paths}


def bench(options: argparse.Namespace) -> int:
    """Run a benchmark, or list them."""
    folder = benchmarks_folder()
    known = benchmarks(folder)
    if options.name is None:
        emit(options, {"benchmarks": list(known)}, list(known) or ["there are no benchmarks yet"])
        return 0
    path = known.get(options.name.replace("-", "_").removesuffix(".py"))
    if path is None:
        listed = ", ".join(known) or "none"
        raise NotFoundError(f"there is no benchmark {clean(options.name)!r}; known are: {listed}")
    flags = ["--json"] if options.json else []
    # Benchmarks import helpers as `tests.NAME`, and run where the user is.
    root = str(folder.parents[1])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return run_child([str(path), *options.rest, *flags], {**os.environ, "PYTHONPATH": paths})


def app(options: argparse.Namespace) -> int:
    """Start the workbench."""
    if importlib.util.find_spec("pc_workbench") is None:
        raise NotFoundError("the workbench is not installed", hint="pip install pc-workbench")
    return run_child(["-m", "pc_workbench", *options.rest], None)


def run_child(arguments: Sequence[str], environment: Mapping[str, str] | None) -> int:
    """Run Python with these arguments and return its exit status.

    Ctrl-C reaches the child by itself; a request to terminate is passed on, so that no server
    is left behind.
    """
    child = subprocess.Popen([sys.executable, *arguments], env=environment)

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = signal.signal(signal.SIGTERM, forward)
    try:
        while True:
            try:
                status = child.wait()
            except KeyboardInterrupt:
                continue  # the child has it, too, and ends in its own way
            return status if status >= 0 else 128 - status
    finally:
        signal.signal(signal.SIGTERM, before)
