"""Runs for TensorBoard, an optional dependency (`pip install tensorboard`)."""

from __future__ import annotations

import importlib
import importlib.util
import io
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pccore.errors import OptionError
from pccore.learn.directory import RunDirectory
from pccore.learn.overview import summarise

#: The events of an epoch that become curves, and what these are called.
_CURVES: Mapping[str, str] = {
    "train_log_likelihood": "log-likelihood/training",
    "valid_log_likelihood": "log-likelihood/validation",
    "impossible": "rows of probability zero",
    "seconds": "seconds per epoch",
}


def available() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def packed(runs: Iterable[str | Path]) -> bytes:
    """Run directories for TensorBoard as a zip archive with the one folder `tensorboard`.

    Raises as `to_tensorboard` does.
    """
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(stream, "w") as archive:
        for run in runs:
            to_tensorboard(RunDirectory(run), folder)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                archive.write(path, Path("tensorboard") / path.relative_to(folder))
    return stream.getvalue()


def to_tensorboard(run: RunDirectory, folder: str | Path) -> int:
    """Write the curves and settings of a run to FOLDER/NAME for TensorBoard; how many epochs.

    Times count from the moment the run was made, by seconds of training alone. Raises OptionError
    where TensorBoard is not installed, RunError for a run that cannot be read.
    """
    try:
        board: Any = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise OptionError(
            "TensorBoard is not installed here", hint="pip install tensorboard"
        ) from error
    summary = summarise(run)
    now = run.created()
    epochs = [event for event in run.metrics()[0] if event.get("event") == "epoch"]
    target = Path(folder) / run.name
    for old in target.glob("events.out.tfevents.*"):  # TensorBoard would show both
        old.unlink()
    with board.SummaryWriter(str(target)) as writer:
        lines = [f"- {name}: `{value}`" for name, value in summary.settings.items()]
        writer.add_text("settings", "\n".join(lines), walltime=now)
        for event in epochs:
            now += event.get("seconds") or 0.0
            for key, title in _CURVES.items():
                if isinstance(event.get(key), int | float):
                    writer.add_scalar(title, event[key], event["epoch"], walltime=now)
        best = summary.results["best_log_likelihood"]
        if best is not None:
            shown = {k: v for k, v in summary.settings.items() if v is not None}
            writer.add_hparams(shown, {"best log-likelihood": best}, run_name=".")
    return len(epochs)
