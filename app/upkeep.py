"""Housekeeping of the server process: warm imports, garbage while nobody waits, what has expired.

The configuration switches Streamlit's collection after every rerun off (with torch imported it
costs 115 ms of everybody's time), so reference cycles are collected here instead.
"""

from __future__ import annotations

import functools
import gc
import importlib
import logging
import threading
import time
from collections.abc import Callable

from streamlit import runtime

COLLECT_EVERY = 60.0  # seconds
QUIET_FOR = 3.0  # seconds without a run before a collection may start
OVERDUE = 600.0  # seconds after which it starts anyway
SHORTLY = 0.5  # seconds without a run before a module of `LATER` is read
PATIENT = 5.0  # seconds after which it is read anyway
#: What pages import when they are first opened: read ahead, so that no visitor waits for it.
LATER = (
    *(f"pc_workbench.screens.{name}" for name in (
        "gallery", "inspect", "query", "train", "complete", "build", "compare", "learn")),
    "pandas",  # every table
)  # fmt: skip
EXPIRE_EVERY = 3600.0  # seconds between looks for workspaces that nobody opens


class Upkeep:
    """A thread that imports what pages need, then collects garbage in quiet moments."""

    def __init__(self) -> None:
        self._touched = 0.0  # of the monotonic clock; nobody yet
        self._thread = threading.Thread(target=self._run, name="pcw-upkeep", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Somebody is waiting for a run just now."""
        self._touched = time.monotonic()

    def _run(self) -> None:
        importlib.import_module("pc_workbench.store")
        # One thread for each visitor's question: threads of one question that wait for each other
        # while others (or training) hold the cores made a completion 50 times slower.
        importlib.import_module("torch").set_num_threads(1)
        # Before the server is up, Streamlit warns of every cache that a page declares.
        self._wait(lambda: not runtime.exists())
        for name in LATER:
            self._wait(lambda: time.monotonic() < self._touched + SHORTLY)
            importlib.import_module(name)
        # What is imported stays: freezing it keeps every later collection short.
        gc.collect()
        gc.freeze()
        last = time.monotonic()
        expired = last - EXPIRE_EVERY
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            quiet = now - self._touched >= QUIET_FOR
            if (quiet and now - last >= COLLECT_EVERY) or now - last >= OVERDUE:
                gc.collect()
                last = time.monotonic()
            if quiet and now - expired >= EXPIRE_EVERY:
                _expire()
                expired = now

    @staticmethod
    def _wait(busy: Callable[[], bool]) -> None:
        """Sleep while something is the case, but not too long."""
        end = time.monotonic() + PATIENT
        while time.monotonic() < end and busy():
            time.sleep(0.1)


def _expire() -> None:
    """Remove workspaces and publications that nobody has opened for as long as this server keeps
    them."""
    from pc_workbench import limits, publish, workspaces

    allowed = limits.current()
    for what, expire, keep in (
        ("workspace", workspaces.expire, allowed.keep_seconds),
        ("publication", publish.expire, allowed.publication_seconds),
    ):
        for name in () if keep is None else expire(keep):
            logging.getLogger("pc_workbench").info("the %s …%s has expired", what, name[-4:])


@functools.cache
def upkeep() -> Upkeep:
    """The one of this process, started when first asked for."""
    return Upkeep()
