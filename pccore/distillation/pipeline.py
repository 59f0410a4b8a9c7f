"""The stages of latent variable distillation (Liu, Zhang and Van den Broeck 2023, secs. 3.2, 4).

1. Embeddings of what is behind each hidden variable are clustered: z for every row.
2. "parts": p(x, z) = p(z) prod_i p(x_i | z_i) is learned from rows and their z (eq. 3). Given z
   the flows of all states but one are zero, so every p(x_i | z_i = j) learns from the rows that
   belong to it alone, all of them in the same tensor operations. Where all sums are deterministic
   given z, one update is the maximum in closed form.
3. "latents": p(z) alone learns from the rows, p(x_i | z_i) stays as it is.
4. "tune": everything learns from the rows, by mini-batch EM with a shrinking step.

Every stage is a run directory, with checkpoints, which a stopped distillation is resumed from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split
from pccore.distillation.assign import Assignments, Embeddings, assign, values_of
from pccore.distillation.states import below, blurred, deterministic
from pccore.errors import DataError, RunError
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit
from pccore.learn.directory import RunDirectory
from pccore.learn.em import EMOptions, OnlineEMOptions
from pccore.learn.events import Event
from pccore.learn.prepare import prepare_run
from pccore.learn.run import execute
from pccore.learn.trainer import TrainOptions
from pccore.options import option
from pccore.transform import hidden_groups, with_states

ASSIGNMENTS = "assignments.npz"


@dataclass(frozen=True)
class DistilOptions:
    """How the stages learn."""

    parts_epochs: int = option(
        20, help="epochs in which the parts learn from rows and their hidden states", minimum=1
    )
    latents_epochs: int = option(
        10, help="epochs in which only the hidden variables' distribution learns", minimum=0
    )
    tune_epochs: int = option(20, help="epochs in which everything learns", minimum=0)
    batch_size: int = option(100, help="rows per update", minimum=1, maximum=1_000_000)
    step: float = option(
        0.1, help="how far each batch moves the parameters", minimum=1e-4, maximum=1.0
    )
    annealing: float = option(
        0.9, help="the step shrinks by this factor after each epoch", minimum=0.5, maximum=1.0
    )
    pseudocount: float = option(
        0.1, help="prior observations for each unit's parameters", minimum=0.0, maximum=100.0
    )
    soften: float = option(
        0.0,
        help="share of what the units of a group have in common that is mixed into each after the "
        "parts: clusters that are too sure of themselves do not learn; 0.6 suits chains",
        minimum=0.0,
        maximum=0.99,
        advanced=True,
    )
    patience: int = option(
        5, help="a stage ends after this many epochs without a better validation score", minimum=0
    )
    seed: int = option(0, help="of the clusters and of the shuffling", minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True)
class Stage:
    """A stage that has ended. score: mean log-likelihood of its best epoch in nats, with z where
    z was given, on the validation rows where there are some."""

    name: str
    run: Path
    epochs: int
    score: float
    seconds: float


@dataclass(frozen=True)
class Distilled:
    """circuit: as it was, with learned parameters. closed_form: whether "parts" was one update."""

    circuit: Circuit
    stages: tuple[Stage, ...]
    hidden: tuple[str, ...]
    closed_form: bool


@dataclass
class _Pipeline:
    folder: Path
    dataset: Dataset
    model: str
    data: str
    options: DistilOptions
    listener: Callable[[str, Event], None] | None
    resume: bool
    device: str = "cpu"
    stages: list[Stage] = field(default_factory=list[Stage])

    def run(
        self,
        name: str,
        circuit: Circuit,
        dataset: Dataset,
        epochs: int,
        *,
        closed: bool = False,
        frozen: Collection[str] = (),
        annealing: float | None = None,
    ) -> Circuit:
        """Train in the stage's own run directory, or go on with it; returns the best circuit."""
        o = self.options
        run = RunDirectory(self.folder / f"{len(self.stages) + 1}-{name}")
        if not (self.resume and run.exists()):
            prepare_run(
                run.path,
                circuit,
                dataset,
                model=self.model,
                data=self.data,
                method="em" if closed else "online-em",
                method_options=EMOptions(o.pseudocount)
                if closed
                else OnlineEMOptions(o.step, o.pseudocount, annealing or 1.0),
                train_options=TrainOptions(
                    epochs=1 if closed else epochs,
                    batch_size=o.batch_size,
                    patience=o.patience,
                    seed=o.seed,
                ),
                device=self.device,
                title=name,
                frozen=frozen,
            )
        listener = self.listener
        told = None if listener is None else lambda event: listener(name, event)
        if execute(run, resume=True, data=dataset, listener=told) != "finished":
            raise RunError("was stopped", where=str(run.path), hint="resume the distillation")
        best = run.best()
        scores = run.scores()
        if best is None or scores.best is None or scores.epoch is None:
            raise DataError("no epoch gave the data a positive probability", where=str(run.path))
        self.stages.append(Stage(name, run.path, scores.epoch, scores.best, scores.seconds))
        return best


def distil(
    folder: str | Path,
    circuit: Circuit,
    dataset: Dataset,
    embeddings: Embeddings | None = None,
    options: DistilOptions | None = None,
    *,
    assignments: Assignments | None = None,
    hidden: Sequence[str] | None = None,
    model: str = "circuit",
    data: str = "",
    device: str = "cpu",
    resume: bool = False,
    listener: Callable[[str, Event], None] | None = None,
) -> Distilled:
    """Learn the circuit's parameters by way of its hidden variables; see the module.

    folder: gets a run directory for each stage. embeddings: what is clustered; the values
    themselves where None. assignments: instead of clusters. hidden: names of the groups of
    which each unit is a state, those that the structure has noted where None. listener: told of
    each event with the name of its stage.

    Raises RunError where a stage is stopped or the folder holds other runs, DataError,
    OptionError, NotFoundError or PropertyError where parts do not suit each other.
    """
    chosen = options or DistilOptions()
    groups = hidden_groups(circuit, hidden)
    whole = with_states(circuit, groups)
    clustered(folder, resume)
    if assignments is None:
        given = values_of(dataset, circuit, groups) if embeddings is None else embeddings
        assignments = _assigned(Path(folder), circuit, groups, given, chosen.seed, resume)
    joined = assignments.join(dataset, circuit, groups)
    closed = deterministic(whole)
    pipeline = _Pipeline(
        Path(folder), dataset, model, data or dataset.name, chosen, listener, resume, device
    )
    best = pipeline.run("parts", whole, joined, chosen.parts_epochs, closed=closed)
    result = circuit.with_params({name: best.params[name] for name in circuit.params})
    result = blurred(result, chosen.soften)
    if chosen.latents_epochs:
        inside = below(circuit, groups)
        if not set(result.params) <= inside:
            result = pipeline.run("latents", result, dataset, chosen.latents_epochs, frozen=inside)
    if chosen.tune_epochs:
        result = pipeline.run(
            "tune", result, dataset, chosen.tune_epochs, annealing=chosen.annealing
        )
    names = tuple(circuit.groups[g].name for g in groups)
    # The files of a run keep neither title nor notes that the circuit came with.
    return Distilled(result.with_meta(circuit.meta), tuple(pipeline.stages), names, closed)


def clustered(folder: str | Path, resume: bool) -> bool:
    """Whether the states of the hidden variables are in the folder, so that nothing has to be
    embedded. Raises RunError where the folder holds runs that are not to be resumed."""
    path = Path(folder)
    if not resume and any(RunDirectory(run).exists() for run in path.glob("1-*")):
        raise RunError("already holds a distillation", where=str(path), hint="resume it")
    return resume and (path / ASSIGNMENTS).exists()


def _assigned(
    folder: Path,
    circuit: Circuit,
    groups: Sequence[int],
    embeddings: Embeddings,
    seed: int,
    resume: bool,
) -> Assignments:
    """From the folder where they are there and wanted, else by k-means, and written there."""
    path = folder / ASSIGNMENTS
    if clustered(folder, resume):
        try:
            with np.load(path, allow_pickle=False) as stored:
                states: dict[Split, npt.NDArray[np.int16]] = {s: stored[s] for s in SPLITS}
                return Assignments(states, stored["used"])
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"cannot be read: {error}", where=str(path)) from None
    found = assign(circuit, groups, embeddings, seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path, lambda stream: np.savez_compressed(stream, used=found.used, **found.states)
    )
    return found
