"""Inputs that ask for more than they are: refused or read within twice the limits' memory.

The limits are a sixteenth of the defaults, so that all of it takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pccore.errors import OptionError
from pccore.files import load_bytes
from pccore.limits import Limits, current_limits

REPOSITORY = Path(__file__).resolve().parents[2]
LIMITS = {
    "MAX_BYTES": "32M", "MAX_JSON_BYTES": "4M", "MAX_JSON_VALUES": "1250000",
    "MAX_JSON_CONTAINERS": "250000", "MAX_TEXT_SIZE": "100000", "MAX_SCOPE_BITS": "64M",
    "MAX_VALUES": "8M", "MAX_TABLE_BYTES": "1M", "MAX_TABLE_CELLS": "512k", "MAX_LINE": "128k",
    "MAX_PIXELS": "4M",
}  # fmt: skip
ALLOWED = 2 * 32 * 2**20
#: What the allocator and modules that are imported late take.
NOISE = 12 * 2**20
#: What must not be taken, with the words that say why.
REFUSED = {
    "json of objects": "PCCORE_MAX_JSON_CONTAINERS=250000",
    "deep json": "PCCORE_MAX_JSON_CONTAINERS=250000",
    "deep json behind flat": "nested too deeply, more than 100",
    "d-DNNF of literals": "PCCORE_MAX_TEXT_SIZE=100000",
    "code that laughs": "more than 2000000 terms",
    "gzip of blank lines": "PCCORE_MAX_TEXT_SIZE=100000",
    "gzip above the limit": "PCCORE_MAX_BYTES=33554432",
    "einet above the limit": "PCCORE_MAX_VALUES=8388608",
    "einet, one leaf often": "PCCORE_MAX_BYTES=33554432",
    "safetensors, a header of 2^60": "claims 1152921504606846976 bytes",
    "npz above the limit": "PCCORE_MAX_VALUES=8388608",
    "npz, several at the limit": "PCCORE_MAX_VALUES=8388608",
    "npz, names": "PCCORE_MAX_NAME=200",
    "npz, many members": "PCCORE_MAX_MEMBERS=256",
    "csv, one line": "PCCORE_MAX_LINE=131072",
    "csv above the limit": "PCCORE_MAX_TABLE_BYTES=1048576",
    "picture above the limit": "PCCORE_MAX_PIXELS=4194304",
}


def test_memory_time_and_place(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz._bombs"],
        env=os.environ
        | {f"PCCORE_{name}": value for name, value in LIMITS.items()}
        | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert len(found) > 40
    wrong = [
        f"{name}: {one['seconds']:.1f} s, {one['grown'] >> 20} MB: {one['said']}"
        for name, one in found.items()
        if one["seconds"] > 5 or one["grown"] > ALLOWED + NOISE or "CRASH" in one["said"]
    ]
    assert not wrong, "\n".join(wrong)
    for name, words in REFUSED.items():
        assert words in found[name]["said"], (name, found[name]["said"])
    assert {one.name for one in tmp_path.iterdir()} <= {"d.npz", "d.csv"}  # its own inputs


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert current_limits() == Limits()
    monkeypatch.setenv("PCCORE_MAX_BYTES", "1k")
    monkeypatch.setenv("PCCORE_MAX_GROUPS", " 7 ")
    assert current_limits() == Limits(max_bytes=1024, max_groups=7)
    with pytest.raises(
        ValueError, match=r"2000 bytes are more than the 1024 allowed \(the limit is"
    ):
        load_bytes(b" " * 2000, "m.pc.json")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1T", "9" * 40])
def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("PCCORE_MAX_UNITS", text)
    with pytest.raises(OptionError, match=r"PCCORE_MAX_UNITS: .* is no positive size"):
        current_limits()
