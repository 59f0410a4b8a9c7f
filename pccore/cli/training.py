"""train: a run in a directory, from the beginning or continued."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import (
    catalogue_entry,
    catalogue_lines,
    check_target,
    device_of,
    option_lines,
    option_rows,
    required,
)
from pccore.cli.watching import Watcher, polite_interrupts
from pccore.datasets import Dataset, load, parse_reference
from pccore.datasets.labels import only
from pccore.distillation import (
    DistilRunOptions,
    clustered,
    execute_run,
    prepare_distillation,
    run_method,
    run_methods,
)
from pccore.errors import OptionError, RunError
from pccore.files import load_model, save_model
from pccore.learn import RunDirectory, TrainOptions, prepare_run
from pccore.learn.distributed import PATIENCE, Peers, joined, launched
from pccore.options import describe, parse_assignments, parse_options, to_dict
from pccore.presets import Facts, Value, preset_options
from pccore.structures import redrawn, summarise

#: The options that a resumed run may change: when to stop.
FLEXIBLE = frozenset({"epochs", "patience", "tolerance", "threshold"})

#: Seconds without a sign of life after which a run counts as abandoned.
ABANDONED = 30.0


def train(options: argparse.Namespace) -> int:
    """Train and write the best model; 130 if interrupted."""
    if options.list:
        return _list(options)
    target = None if options.output is None else check_target(options.output)
    if options.device is not None and not launched():
        device_of(options.device)
    if options.restarts > 1 and launched():
        raise OptionError("--restarts is for one process", hint="start them one by one")
    patience = float(options.peer_timeout or PATIENCE)
    with joined(options.device or "cpu", patience) as peers:
        return _train(options, target, peers)


def _train(options: argparse.Namespace, target: Path | None, peers: Peers) -> int:
    folder = default_folder() if options.run is None else Path(options.run)
    if options.restarts == 1:
        outcomes = [_one_run(folder, options, peers)]
    else:
        outcomes = _restarts(folder, options, peers)
    kept = outcomes[-1]
    if kept is None:
        return 2  # the process that leads has said why
    if not peers.leads:
        return 130 if kept.state == "stopped" else 0
    if kept.state == "finished":
        kept = max((o for o in outcomes if o is not None), key=lambda outcome: outcome.score)
        best = kept.run.best()
        if best is None:
            raise RunError(
                "no epoch gave the data a positive probability", where=str(kept.run.path)
            )
        if target is not None:
            save_model(best, target)
    _report(options, kept, [o for o in outcomes if o is not None])
    if kept.state == "stopped":
        again = "" if options.restarts == 1 else f" --restarts {options.restarts} MODEL --data D"
        Progress().say(f"stopped; continue with: pccore train --resume --run {folder}{again}")
        return 130
    return 0


@dataclass(frozen=True)
class _Outcome:
    """How a run has ended. facts: what is reported of it; nothing in processes that follow."""

    run: RunDirectory
    state: str
    facts: dict[str, Any]

    @property
    def score(self) -> float:
        """Log-likelihood of the best epoch; -inf where there is none."""
        score = self.facts["best_log_likelihood"]
        return -float("inf") if score is None else float(score)


def _one_run(
    path: Path, options: argparse.Namespace, peers: Peers, restart: int = 0
) -> _Outcome | None:
    """Begin or continue one run; None in processes whose leader could not."""
    dataset: Dataset | None = None
    heading, folder = "", ""
    try:
        if peers.leads:
            asked = RunDirectory(path)
            dataset, heading = _ready(asked, options, restart)
            folder = str(asked.path)
    finally:
        # The others wait here; they leave where there is nothing to do.
        folder = peers.leaders_text(folder)
    if not folder:
        return None
    run = RunDirectory(folder)
    watcher = Watcher(run, Progress(None if peers.leads else io.StringIO()), heading)
    with polite_interrupts(watcher):
        state = execute_run(
            run, resume=options.resume, listener=watcher.hear, data=dataset, peers=peers
        )
    if not peers.leads:
        return _Outcome(run, state, {})
    watcher.progress.clear()
    return _Outcome(run, state, _facts(run, watcher, state))


def _restarts(folder: Path, options: argparse.Namespace, peers: Peers) -> list[_Outcome | None]:
    """Runs in folder/00, folder/01 ...: the model as it is, then other random parameters."""
    if RunDirectory(folder).exists():
        raise RunError("holds a single run", where=str(folder), hint="another --run")
    outcomes: list[_Outcome | None] = []
    for restart in range(options.restarts):
        found = _one_run(folder / f"{restart:02d}", options, peers, restart)
        outcomes.append(found)
        if found is None or found.state == "stopped":
            break
    return outcomes


def _ready(run: RunDirectory, options: argparse.Namespace, restart: int) -> tuple[Dataset, str]:
    """The data of a run that can be executed, and how it introduces itself."""
    if options.resume and run.exists():
        return _continue(run, options), f"resuming {run.path}"
    dataset = _begin(run, options, restart)
    seen = dataset if options.label is None else only(dataset, options.label)
    return dataset, f"run {run.path}: {len(seen.rows('train'))} training rows"


# -- beginning and continuing --------------------------------------------------------------


def _begin(run: RunDirectory, options: argparse.Namespace, restart: int) -> Dataset:
    if options.resume and (options.model is None or options.data is None):
        again = f"a distillation: pccore distil MODEL --data D --resume --run {run.path} -o OUT"
        hint = again if clustered(run.path, True) else None
        raise RunError("holds no run to resume", where=str(run.path), hint=hint)
    model = required(options.model, "MODEL", "train")
    data = parse_reference(required(options.data, "--data", "train"))[0]
    method = options.method or "em"
    circuit = load_model(model)
    dataset = load(data)
    method_options, train_options = _options(method, options)
    if isinstance(method_options, DistilRunOptions):
        _refuse_with_distillation(options)
        prepare_distillation(
            run.path, circuit, dataset, model=model, data=data, options=method_options,
            threads=options.threads, title=options.title,
        )  # fmt: skip
        return dataset
    if restart:
        circuit = redrawn(circuit, restart, summarise(dataset.train, dataset.supports))
        seed = (train_options.seed + restart) % 2**31
        train_options = dataclasses.replace(train_options, seed=seed)
    prepare_run(
        run.path,
        circuit,
        dataset,
        model=model,
        data=data,
        method=method,
        method_options=method_options,
        train_options=train_options,
        device=options.device or "cpu",
        threads=options.threads,
        memory=options.memory,
        title=options.title,
        label=options.label,
    )
    return dataset


def _refuse_with_distillation(options: argparse.Namespace) -> None:
    """What a distillation, which begins with clusters, has no use for."""
    given = {
        "--restarts": options.restarts > 1,
        "--label": options.label is not None,
        "--device": options.device not in (None, "cpu"),
        "--memory": options.memory is not None,
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise OptionError("is not for a distillation", where=name)


def _continue(run: RunDirectory, options: argparse.Namespace) -> Dataset:
    """Check that what is asked for is the run that is there; extend it where that is allowed."""
    config, status = run.config(), run.status()
    silence = time.time() - status.heartbeat
    if status.state in ("running", "paused") and silence < ABANDONED and _alive(status.process):
        raise RunError(f"process {status.process} is at work on it", where=str(run.path))
    for word, asked, there in (
        ("model", options.model, config.model),
        ("data", options.data and parse_reference(options.data)[0], config.data),
        ("method", options.method, config.method),
        ("label", options.label, config.label),
    ):
        if asked is not None and asked != there:
            raise OptionError(
                f"the run has the {word} {there!r}, not {asked!r}",
                where=str(run.path),
                hint="to resume, leave it out",
            )
    base = (
        parse_options(run_method(config.method).options, config.method_options),
        parse_options(TrainOptions, config.train_options),
    )
    # A preset was merged when the run began; here it would undo what was set beside it.
    method_options, train_options = _options(config.method, options, base, preset=False)
    # A name that both have is the method's, as in `training_options`.
    asked = {**to_dict(train_options), **to_dict(method_options)}
    there = {**to_dict(base[1]), **to_dict(base[0])}
    # The stages of a distillation are runs that have their options already.
    flexible = FLEXIBLE if config.train_options else frozenset[str]()
    for name, value in asked.items():
        if value != there[name] and name not in flexible:
            raise OptionError(
                f"the run has {name}={there[name]}, a resumed run keeps it",
                where=str(run.path),
                hint=f"only {', '.join(sorted(flexible)) or 'how it computes'} may change",
            )
    changed = dataclasses.replace(
        config,
        train_options=to_dict(train_options) if config.train_options else {},
        device=options.device or config.device,
        threads=options.threads or config.threads,
        memory=options.memory or config.memory,
    )
    if changed != config:
        run.write_config(changed)
    return load(config.data)


def _options(
    method: str,
    options: argparse.Namespace,
    base: tuple[Any, TrainOptions] | None = None,
    preset: bool = True,
) -> tuple[Any, TrainOptions]:
    """--preset and --set, each key given to the method or to the training."""
    given: dict[str, Value | str] = {}
    if preset and options.preset is not None:
        given |= preset_options(method, options.preset, Facts(0))
    return training_options(method, given | parse_assignments(options.set), base)


def training_options(
    method: str,
    given: Mapping[str, Value | str],
    base: tuple[Any, TrainOptions] | None = None,
) -> tuple[Any, TrainOptions]:
    """Each key given to the method or to the training. Raises OptionError."""
    kind = run_method(method).options
    own = {i.name for i in describe(kind)}
    # A distillation has stages, and options for each.
    shared = set[str]() if kind is DistilRunOptions else {i.name for i in describe(TrainOptions)}
    unknown = [name for name in given if name not in own | shared]
    if unknown:
        more = f" of the method, and {', '.join(sorted(shared))}" if shared else ""
        raise OptionError(
            f"unknown option {unknown[0]!r}, known are: {', '.join(sorted(own))}{more}",
            where=f"method {method}",
        )
    first, second = base or (None, None)
    return (
        parse_options(
            kind, {k: v for k, v in given.items() if k in own}, base=first, where=f"method {method}"
        ),
        parse_options(
            TrainOptions,
            {k: v for k, v in given.items() if k not in own},
            base=second,
            where="training",
        ),
    )


def _alive(process: int) -> bool:
    """Whether a process of this machine exists."""
    if process <= 0 or os.name != "posix":
        return process > 0
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def default_folder() -> Path:
    """runs/TIME, a new one."""
    name = time.strftime("%Y%m%d-%H%M%S")
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


# -- what came out -------------------------------------------------------------------------


def _facts(run: RunDirectory, watcher: Watcher, state: str) -> dict[str, Any]:
    scores = run.scores()
    return {
        "run": str(run.path),
        "state": state,
        "reason": watcher.finished.reason if watcher.finished else None,
        "epochs": scores.epoch,
        "train_log_likelihood": scores.train,
        "valid_log_likelihood": scores.valid,
        "best_epoch": scores.best_epoch,
        "best_log_likelihood": scores.best,
        "seconds": watcher.seconds,
    }


def _report(options: argparse.Namespace, kept: _Outcome, outcomes: list[_Outcome]) -> None:
    """What was kept, and before it a line for each restart where there are several."""
    payload = {**kept.facts, "model": options.output if kept.state == "finished" else None}
    shown = {k: v for k, v in payload.items() if v is not None}
    lines = pairs(
        (k.replace("_", " "), f"{v:.6g}" if isinstance(v, float) else v) for k, v in shown.items()
    )
    if options.restarts > 1:
        payload["seconds"] = sum(outcome.facts["seconds"] for outcome in outcomes)
        payload["restarts"] = [outcome.facts for outcome in outcomes]
        heads = ("run", "state", "epochs", "best_log_likelihood")
        lines = [*table(heads, [[o.facts[h] for h in heads] for o in outcomes]), *lines]
    emit(options, payload, lines)


def _list(options: argparse.Namespace) -> int:
    named = options.method
    chosen = run_methods() if named is None else {named: run_method(named)}
    found = [catalogue_entry(method) for method in chosen.values()]
    shared = option_rows(TrainOptions)
    lines = [line for entry in found for line in catalogue_lines(entry)]
    lines += ["every method:", *option_lines(shared)]
    emit(options, {"methods": found, "shared_options": shared}, lines)
    return 0
