"""A few faults of the campaign (`pccore bench faults`), in the process that it is run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_few_faults_break_no_promise() -> None:
    # Of its own, as processes are forked, which pytest's threads would not survive.
    done = subprocess.run(
        [sys.executable, str(FOLDER / "faults.py"), "--quick", "--seed", "3", "--json"],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(
            [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] >= 20 and found["problems"] == []
    assert {"kill", "kill-saving", "full-disk", "damage", "model"} <= found["kinds"].keys()
