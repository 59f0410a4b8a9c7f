"""A mixture of circuits over clusters of the data, each trained on its own part.

The training rows are clustered by k-means, one circuit is trained on each cluster, and a sum over
them, weighted by the clusters' shares, is one ordinary circuit: every query works on it, and it
can be trained further. With one cluster this is random restarts of a single circuit.

Source: Peharz et al. 2020, sec. 4.2 (100 clusters of images, an EiNet on each).
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch

from pccore.datasets import Dataset
from pccore.errors import DataError, RunError
from pccore.graph import Circuit
from pccore.learn.base import method_named
from pccore.learn.directory import RunDirectory
from pccore.learn.prepare import prepare_run
from pccore.learn.run import execute
from pccore.learn.trainer import TrainOptions
from pccore.options import describe, option, parse_options, to_dict
from pccore.structures import build_structure, find_structure, shape_of
from pccore.structures.clustering import Clusters
from pccore.transform import join

#: Attempts at k-means, of which the best is taken.
ATTEMPTS = 3


@dataclass(frozen=True)
class MixtureOptions:
    """How the data are divided and how often each part is tried."""

    components: int = option(
        10, help="clusters of the rows, and circuits in the mixture", minimum=1, maximum=10_000
    )
    restarts: int = option(
        1,
        help="trainings of each circuit from different starts; the best on validation is kept",
        minimum=1,
        maximum=1000,
    )
    jobs: int = option(
        1,
        help="trainings at the same time, each in a process of its own with one thread; "
        "1: one after the other in this process",
        minimum=1,
        maximum=1024,
    )


@dataclass(frozen=True)
class Recipe:
    """What is built and trained on each part.

    structure_options: as `build_structure` takes them; method_options: None for the defaults. The
    seeds of structure and training are counted up from those given, so that no two are alike.
    """

    structure: str
    structure_options: Mapping[str, object] = field(default_factory=dict[str, object])
    method: str = "em"
    method_options: object = None
    train_options: TrainOptions = field(default_factory=TrainOptions)


@dataclass(frozen=True)
class Trial:
    """One training that has ended.

    component, restart: numbers from 0. rows: of its part. score: mean log-likelihood of the best
    epoch in nats, on the part's validation rows, or on its training rows where it has none.
    """

    component: int
    restart: int
    rows: int
    epochs: int
    score: float
    seconds: float
    run: Path


@dataclass(frozen=True)
class Mixture:
    """circuit: the whole. shares: weight of each component. kept: its best trial. trials: all."""

    circuit: Circuit
    shares: tuple[float, ...]
    kept: tuple[Trial, ...]
    trials: tuple[Trial, ...]


def divide(dataset: Dataset, components: int, seed: int = 0) -> list[Dataset]:
    """The dataset in parts of similar rows, at most `components` of them.

    The clusters are those of the training rows; rows for validation go to the nearest, test rows
    and labels are left out. A missing value is taken for the mean of its column.
    """
    if components == 1:
        return [dataset]
    if dataset.streams:
        raise DataError("clusters need rows that fit into memory", where=dataset.name)
    clusters = Clusters.fit(dataset.train, dataset.supports, components, seed, restarts=ATTEMPTS)
    train, valid = clusters.assign(dataset.train), clusters.assign(dataset.valid)
    parts: list[Dataset] = []
    for k in range(len(clusters.centres)):
        rows = dataset.train[train == k]
        if not len(rows):
            continue
        parts.append(
            replace(
                dataset,
                name=f"{dataset.name}, cluster {k}",
                train=rows,
                valid=dataset.valid[valid == k],
                test=dataset.test[:0],
                labels={},
                label_names=(),
            )
        )
    return parts


def train_mixture(
    folder: str | Path,
    dataset: Dataset,
    recipe: Recipe,
    options: MixtureOptions | None = None,
    *,
    data: str = "",
    seed: int = 0,
    resume: bool = False,
    listener: Callable[[Trial, int, int], None] | None = None,
) -> Mixture:
    """Divide, build, train and join; see the module.

    folder: gets a run directory for each training, `00-0` being component 0, restart 0. data: the
    dataset's name for the records. seed: of the clusters. resume: runs that are in the
    folder are continued, finished ones are not repeated. listener: told of each trial as it
    ends, with how many have ended and how many there are.

    Raises RunError where a training fails or is stopped, or the folder already holds runs (with
    resume: of another recipe or other data), DataError,
    OptionError or PropertyError where data, options or structure do not suit each other.
    """
    chosen = options or MixtureOptions()
    parts = divide(dataset, chosen.components, seed)
    tasks: list[_Task] = []
    for component, part in enumerate(parts):
        for restart in range(chosen.restarts):
            run = Path(folder) / f"{component:02d}-{restart}"
            number = component * chosen.restarts + restart
            threads = 1 if chosen.jobs > 1 else None
            _prepare(run, part, recipe, data or dataset.name, number, threads, resume)
            tasks.append(_Task(component, restart, run, part))
    trials: list[Trial] = []
    with closing(_train_all(tasks, chosen.jobs)) as results:
        for trial in results:
            trials.append(trial)
            if listener is not None:
                listener(trial, len(trials), len(tasks))
    trials.sort(key=lambda trial: (trial.component, trial.restart))
    kept = tuple(
        max((t for t in trials if t.component == k), key=lambda t: t.score)
        for k in range(len(parts))
    )
    rows = [len(part.train) for part in parts]
    shares = tuple(count / sum(rows) for count in rows)
    circuits = [_best(trial) for trial in kept]
    meta = {key: v for key, v in circuits[0].meta.items() if key != "options"}
    if len(circuits) > 1:
        meta["title"] = f"Mixture of {len(circuits)}: {meta.get('title', recipe.structure)}"
    return Mixture(join(circuits, shares, meta), shares, kept, tuple(trials))


class _Task(NamedTuple):
    """One training to do. Dataset and path can be sent to another process."""

    component: int
    restart: int
    path: Path
    data: Dataset


def _prepare(
    path: Path,
    part: Dataset,
    recipe: Recipe,
    data: str,
    number: int,
    threads: int | None,
    resume: bool,
) -> None:
    """Build the circuit and write the run directory, or see that it is the one that is there."""
    known = {info.name: info.default for info in describe(find_structure(recipe.structure).options)}
    own = dict(recipe.structure_options)
    if "seed" in known:
        own["seed"] = int(str(own.get("seed", known["seed"]))) + number
    train = replace(recipe.train_options, seed=recipe.train_options.seed + number)
    run = RunDirectory(path)
    if not (resume and run.exists()):
        prepare_run(
            path,
            build_structure(recipe.structure, shape_of(part), own),
            part,
            model=recipe.structure,
            data=data,
            method=recipe.method,
            method_options=recipe.method_options,
            train_options=train,
            threads=threads,
            title=part.name,
        )
        return
    config = run.config()
    chosen = method_named(recipe.method).options
    wanted = {
        "structure": (config.model, recipe.structure),
        "structure's options": (
            run.initial().meta.get("options"),
            to_dict(parse_options(find_structure(recipe.structure).options, own)),
        ),
        "method": (config.method, recipe.method),
        "method's options": (config.method_options, to_dict(recipe.method_options or chosen())),
        "training options": (config.train_options, to_dict(train)),
    }
    for what, (there, asked) in wanted.items():
        if there != asked:
            raise RunError(f"the run has another {what}, {there}, not {asked}", where=str(path))


@contextmanager
def _no_main() -> Generator[None]:
    """Processes that start here import no main module: below Streamlit, or a test of a page, that
    is the script of the page, which would run in each of them. A pool starts its processes when
    work is submitted."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _train_all(tasks: list[_Task], jobs: int) -> Generator[Trial]:
    """The trials as they end."""
    workers = min(jobs, len(tasks))
    if workers == 1:
        yield from map(_train, tasks)
        return
    # Not forked: torch's threads would not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
        with _no_main():
            waiting = {pool.submit(_train, task) for task in tasks}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise RunError(f"a training process died: {error}", hint="fewer jobs") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _train(task: _Task) -> Trial:
    """Do one run; what it found is in its directory."""
    run = RunDirectory(task.path)
    start = time.perf_counter()
    if execute(run, resume=True, data=task.data) != "finished":
        raise RunError("was stopped", where=str(task.path), hint="resume the mixture")
    scores = run.scores()
    if scores.best is None or scores.epoch is None:
        raise DataError("no epoch gave the data a positive probability", where=str(task.path))
    return Trial(
        task.component,
        task.restart,
        len(task.data.train),
        scores.epoch,
        scores.best,
        time.perf_counter() - start,
        task.path,
    )


def _best(trial: Trial) -> Circuit:
    circuit = RunDirectory(trial.run).best()
    if circuit is None:
        raise RunError("holds no trained circuit", where=str(trial.run))
    return circuit
