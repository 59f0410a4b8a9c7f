"""A home of its own for what a page keeps, and for the runs that it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from pc_workbench import jobs, paths


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for models and workspaces; nothing is remembered from another test."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture
def one_run_at_a_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home whose runs wait for each other; none of them is left behind."""
    monkeypatch.setenv(jobs.LIMIT_VARIABLE, "1")
    st.cache_data.clear()
    jobs.registry.cache_clear()
    yield
    jobs.registry().close()
    assert jobs.registry().processes() == ()
    jobs.registry.cache_clear()
