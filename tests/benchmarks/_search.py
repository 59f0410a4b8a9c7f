"""What the searches over structures share: trials within a budget, and the best few together."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pccore.datasets import Dataset, load, names
from pccore.errors import DataError, OptionError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.structures import Shape, build_structure, shape_of
from pccore.transform import join
from tests.benchmarks._density import Fit, batch_rows, fit, mixture_scores, row_scores
from tests.benchmarks._speed.output import table

LEARNING: Mapping[str, object] = MappingProxyType(
    {"step": 0.1, "annealing": 0.95, "prior": "shared", "epochs": 60, "patience": 3}
)
#: No setting may take more than this share of the budget, and the search no more than that.
LONGEST, SEARCH = 0.25, 0.6
#: Members of the final mixture at most.
MEMBERS = 8


@dataclass(frozen=True)
class Setting:
    """A structure, its options, and the prior of its training."""

    structure: str
    options: tuple[tuple[str, object], ...]
    pseudocount: float
    title: str
    fewest: int = 2

    def __str__(self) -> str:
        return f"{self.title} prior {self.pseudocount:g}"

    def build(self, shape: Shape, seed: int) -> Circuit:
        """The circuit, its parameters from clusters of the data."""
        options = {**dict(self.options), "start": "clusters", "seed": seed}
        return build_structure(self.structure, shape, options)


def trees(depth: int, units: int, pseudocount: float, replicas: int = 10) -> Setting:
    """Random binary trees (Peharz et al. 2020)."""
    options = (("depth", depth), ("units", units), ("replicas", replicas))
    return Setting("rat", options, pseudocount, f"D={depth} K={units}", 2**depth)


def hidden_tree(units: int, pseudocount: float) -> Setting:
    """A hidden Chow-Liu tree (Liu and Van den Broeck 2021)."""
    return Setting("hclt", (("units", units),), pseudocount, f"HCLT K={units}")


@dataclass(frozen=True, eq=False)
class Trial:
    """A trained circuit with the scores of the validation rows."""

    setting: Setting
    found: Fit
    scores: torch.Tensor


@dataclass(frozen=True)
class Row:
    """One line of the result, nats; gap: how much better than what is published."""

    dataset: str
    test: float
    published: float | None
    gap: float | None
    valid: float
    setting: str
    members: int
    trials: int
    seed: int
    seconds: float
    wall_seconds: float


class Search:
    """The trials of one dataset. budget: seconds of processor time."""

    def __init__(
        self, data: Dataset, settings: Sequence[Setting], budget: float, seed: int
    ) -> None:
        self.data = data
        self.settings = [s for s in settings if s.fewest <= data.num_variables]
        self.budget = budget
        self.seed = seed
        self.start = time.process_time()
        self.shape = shape_of(data)
        self.trials: list[Trial] = []

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.process_time() - self.start

    def run(self) -> None:
        """All settings that the budget allows, then the best one again; at least one trial."""
        for setting in self.settings:
            if not self.trials or self.spent < SEARCH * self.budget:
                self.add(setting, self.seed)
        if not self.trials:
            raise DataError("one variable is too few for a tree", where=self.data.name)
        best = max(self.trials, key=lambda trial: trial.found.valid)
        for seed in range(self.seed + 1, self.seed + MEMBERS):
            if self.spent + best.found.seconds < self.budget:
                self.add(best.setting, seed)

    def add(self, setting: Setting, seed: int) -> None:
        """Build and train once more."""
        start = time.process_time()
        circuit = setting.build(self.shape, seed)
        learning = {
            **LEARNING,
            "pseudocount": setting.pseudocount,
            "batch_size": batch_rows(len(self.data.train)),
        }
        left = self.budget - (start - self.start)
        seconds = min(LONGEST * self.budget, left)
        found = fit(circuit, self.data, learning, start, seconds, seed)
        scores = row_scores(found.circuit, self.data.valid)
        self.trials.append(Trial(setting, found, scores))
        print(
            f"{self.data.name}: {setting}, seed {seed}: valid {found.valid:.4f} after "
            f"{found.best_epoch} of {found.epochs} epochs, {found.seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def members(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Those whose even mixture explains the validation rows best: one after another is taken for
    as long as that helps. A trial may not be taken twice."""
    chosen: list[Trial] = []
    best = -float("inf")
    left = list(trials)
    while left and len(chosen) < MEMBERS:
        scored = [
            (float(mixture_scores([t.scores for t in (*chosen, trial)]).mean()), n)
            for n, trial in enumerate(left)
        ]
        score, number = max(scored)
        if score <= best:
            break
        best = score
        chosen.append(left.pop(number))
    return tuple(chosen)


def together(trials: Sequence[Trial]) -> Circuit:
    """The even mixture as one circuit."""
    circuits = [trial.found.circuit for trial in trials]
    return join(circuits, [1 / len(circuits)] * len(circuits), circuits[0].meta)


def measure(
    name: str,
    settings: Sequence[Setting],
    published: Mapping[str, float],
    options: argparse.Namespace,
) -> Row:
    """Search, choose on validation, and only then look at the test rows."""
    wall = time.perf_counter()
    data = load(name)
    search = Search(data, settings, options.budget, options.seed)
    search.run()
    chosen = members(search.trials)
    circuit = together(chosen)
    seconds, wall = search.spent, time.perf_counter() - wall
    test = float(row_scores(circuit, data.test).mean())
    valid = float(row_scores(circuit, data.valid).mean())
    if options.output:
        folder = Path(options.output)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(circuit, folder / f"{data.name}.pc.safetensors")
    goal = published.get(data.name)
    return Row(
        data.name,
        test,
        goal,
        None if goal is None else test - goal,
        valid,
        ", ".join(dict.fromkeys(str(trial.setting) for trial in chosen)),
        len(chosen),
        len(search.trials),
        options.seed,
        seconds,
        wall,
    )


def chosen_names(text: str, published: Mapping[str, float]) -> list[str]:
    """Those given, or those below PCCORE_DATA that have a published number. Raises OptionError
    for none."""
    found = [n.strip() for n in text.split(",") if n.strip()]
    if not found:
        there = {info.name for info in names()}
        found = [name for name in published if name in there]
    if not found:
        raise OptionError("none of the Twenty Datasets is there", hint="set PCCORE_DATA")
    return found


def parser_for(description: str, budget: float) -> argparse.ArgumentParser:
    """The options of a search over datasets."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--datasets", default="", metavar="A,B", help="names or paths")
    parser.add_argument(
        "--budget", type=float, default=budget, help="seconds of processor time for each dataset"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output", metavar="DIR", help="for the models")
    parser.add_argument("--json", action="store_true")
    return parser


def report(
    options: argparse.Namespace,
    published: Mapping[str, float],
    column: str,
    row_of: Callable[[str], Row],
) -> None:
    """Measure and print, a line as soon as it is known. column: heading of what is published."""
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    lines: list[list[str]] = []
    for name in chosen_names(options.datasets, published):
        row = row_of(name)
        rows.append(row)
        goal = "" if row.published is None else f"{row.published:.3f}"
        gap = "" if row.gap is None else f"{row.gap:+.3f}"
        lines.append(
            [row.dataset, f"{row.test:.3f}", goal, gap, f"{row.valid:.3f}", str(row.members),
             str(row.trials), f"{row.seconds:.0f}", f"{row.wall_seconds:.0f}", row.setting]
        )  # fmt: skip
        if not options.json:
            print("  ".join(lines[-1]), flush=True)
    if options.json:
        facts: dict[str, Any] = {"seed": options.seed, "budget": options.budget}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}))
        return
    known = [row.gap for row in rows if row.gap is not None]
    head = ("data", "test", column, "gap", "valid", "members", "trials", "cpu s", "wall s")
    title = f"mean test log-likelihood in nats, seed {options.seed}"
    print("\n".join(table((*head, "chosen"), lines, False, title)))
    print(f"{sum(gap >= 0 for gap in known)} of {len(known)} at least as good as {column}")
