"""runs: what was trained, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pccore.cli.output import emit, table
from pccore.learn import RunDirectory
from pccore.learn.board import to_tensorboard
from pccore.learn.overview import (
    RESULTS,
    RunSummary,
    differences,
    matching,
    summaries,
    to_csv,
)

#: Columns of the table, with their heads.
_COLUMNS = (
    ("run", "run"), ("state", "state"), ("method", "method"), ("model", "model"), ("data", "data"),
    ("epoch", "epoch"), ("best_log_likelihood", "best"), ("train_log_likelihood", "train"),
    ("valid_log_likelihood", "valid"), ("seconds", "seconds"),
)  # fmt: skip


def runs(options: argparse.Namespace) -> int:
    """The table or the differences of runs; 1 if none meets the conditions."""
    found = [run for folder in options.folders or ["runs"] for run in summaries(folder)]
    kept = matching(found, options.where)
    if options.csv is not None:
        Path(options.csv).write_text(to_csv(kept), encoding="utf-8")
    written = 0
    if options.tensorboard is not None:
        for run in kept:
            to_tensorboard(RunDirectory(run.path), options.tensorboard)
            written += 1
    apart = differences(kept)
    payload: dict[str, Any] = {
        "runs": [
            {"run": run.name, "path": str(run.path), **run.results, "settings": run.settings}
            for run in kept
        ],
        "differences": apart,
        "csv": options.csv,
        "tensorboard": options.tensorboard if written else None,
    }
    emit(options, payload, _diff(kept) if options.diff else _table(kept))
    return 0 if kept else 1


def _table(runs: Sequence[RunSummary]) -> list[str]:
    cells = [[run.value(name) for name, _ in _COLUMNS] for run in runs]
    lines = list(table([head for _, head in _COLUMNS], cells))
    return lines if runs else [*lines, "no run meets the conditions"]


def _diff(runs: Sequence[RunSummary]) -> list[str]:
    """A setting a line, a run a column; below the settings what came of them."""
    rows = [[name, *map(_text, values)] for name, values in differences(runs).items()]
    rows += [[name, *(_text(run.value(name)) for run in runs)] for name in RESULTS]
    return list(table(["", *(run.name for run in runs)], rows))


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
