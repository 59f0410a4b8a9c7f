"""Many runs at a glance: what each was asked for, how far it came, in what they differ."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pccore.csv_text import csv_text
from pccore.errors import OptionError, RunError
from pccore.learn.directory import RunConfig, RunDirectory, find_runs

#: A setting of a run, None where it has none of this name.
Setting = str | int | float | bool | None

#: What is told of each run besides its settings.
RESULTS = (
    "state",
    "epoch",
    "best_epoch",
    "best_log_likelihood",
    "train_log_likelihood",
    "valid_log_likelihood",
    "seconds",
)
_CONDITION = re.compile(r"\s*([\w-]+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
)


@dataclass(frozen=True)
class RunSummary:
    """One run. settings: by name, the method's and the training's options among them.

    results: by the names in RESULTS; log-likelihoods in mean nats per row, of the last epoch and of
    the best (on validation where there is any), None where there is no such number (yet); seconds
    of training.
    """

    name: str
    path: Path
    settings: Mapping[str, Setting]
    results: Mapping[str, Setting]

    def value(self, name: str) -> Setting:
        """A setting or a result, None where there is none of this name."""
        if name == "run":
            return self.name
        return self.results[name] if name in self.results else self.settings.get(name)


def summarise(run: RunDirectory) -> RunSummary:
    """What the directory of a run tells. Raises RunError where it cannot be read."""
    scores = run.scores()
    results: dict[str, Setting] = {
        "state": run.status().state,
        "epoch": scores.epoch,
        "best_epoch": scores.best_epoch,
        "best_log_likelihood": scores.best,
        "train_log_likelihood": scores.train,
        "valid_log_likelihood": scores.valid,
        "seconds": scores.seconds,
    }
    return RunSummary(run.name, run.path, settings(run.config()), results)


def summaries(folder: str | Path) -> tuple[RunSummary, ...]:
    """The run in a folder, or the runs directly inside it, newest first; damaged ones are left
    out. Raises RunError where there is none."""
    own = RunDirectory(folder)
    runs = [own] if own.exists() else find_runs(folder)
    found: list[RunSummary] = []
    for run in runs:
        try:
            found.append(summarise(run))
        except RunError:
            if run is own:
                raise
    if not found:
        raise RunError("holds no run", where=str(folder))
    return tuple(found)


def settings(config: RunConfig) -> dict[str, Setting]:
    """Everything that a run was asked for, by name."""
    found: dict[str, Setting] = {
        "title": config.title or None,
        "model": config.model,
        "data": config.data,
        "label": config.label,
        "method": config.method,
    }
    found |= {str(k): _scalar(v) for k, v in config.method_options.items()}
    found |= {str(k): _scalar(v) for k, v in config.train_options.items()}
    found |= {"device": config.device, "threads": config.threads, "memory": config.memory}
    found |= {str(k): _scalar(v) for k, v in config.environment.items()}
    if config.origin is not None:
        found |= {"follows": config.origin.run, "change": config.origin.change}
    return {**found, "fingerprint": config.data_fingerprint[:12] or None}


def differences(runs: Sequence[RunSummary]) -> dict[str, tuple[Setting, ...]]:
    """The settings in which runs differ: for each the values, in their order."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    found = {name: tuple(run.settings.get(name) for run in runs) for name in names}
    return {name: values for name, values in found.items() if len(set(map(repr, values))) > 1}


def matching(runs: Iterable[RunSummary], conditions: Iterable[str]) -> tuple[RunSummary, ...]:
    """The runs that meet all conditions: "method=em", "pseudocount<=0.1", "state!=failed".

    The names are those of settings and RESULTS; `<` and its kin hold for numbers alone. Raises
    OptionError for what is no condition, or for a name that no run has.
    """
    kept = tuple(runs)
    known = {"run"} | {name for run in kept for name in (*run.settings, *run.results)}
    for text in conditions:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise OptionError(f"{text!r} is no condition", hint="such as method=em or step<0.1")
        name, sign, wanted = match.groups()
        if name not in known:
            raise OptionError(
                f"no run has a setting {name!r}", hint=f"known are: {', '.join(sorted(known))}"
            )
        kept = tuple(run for run in kept if _holds(run.value(name), sign, wanted))
    return kept


def to_csv(runs: Sequence[RunSummary]) -> str:
    """A run a line: its name, results and settings; empty where it has none."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    columns = ["run", *RESULTS, *(name for name in names if name not in RESULTS)]
    return csv_text(columns, ([run.value(name) for name in columns] for run in runs))


def _scalar(value: object) -> Setting:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _holds(value: Setting, sign: str, wanted: str) -> bool:
    number = _number(wanted)
    known = float(value) if isinstance(value, int | float) else None
    if sign in _ORDERS:
        return known is not None and number is not None and _ORDERS[sign](known, number)
    if known is not None and number is not None and not isinstance(value, bool):
        same = known == number
    else:
        same = ("" if value is None else str(value)).casefold() == wanted.casefold()
    return same if sign == "=" else not same


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
