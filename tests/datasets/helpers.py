from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def real_data() -> Path:
    """The folder of real data, or a skip that says why."""
    folder = Path(os.environ.get("PCCORE_DATA") or _BESIDE)
    if not folder.is_dir():
        pytest.skip("needs real data: PCCORE_DATA is not set")
    return folder
