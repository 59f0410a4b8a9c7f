"""Density estimation on the Twenty Datasets: EiNets beside table 1 of the EiNet paper.

    PCCORE_DATA=... pccore bench twenty                      those of the folder that table 1 has
    PCCORE_DATA=... pccore bench twenty --datasets nltcs,dna these, or any others

Mean test log-likelihood in nats. For every dataset the same search: random binary trees of a few
depths and widths, their parameters from clusters and then stochastic EM with early stopping; then
the best on validation once more from other seeds, as long as the budget lasts, and the even mixture
of the best few if validation prefers it. Nothing is chosen on the test rows. Source of the goals:
Peharz et al. 2020, table 1.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pccore.datasets import Dataset, load, names
from pccore.errors import DataError, OptionError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.structures import build_structure, shape_of
from pccore.transform import join
from tests.benchmarks._density import Fit, batch_rows, fit, mixture_scores, row_scores
from tests.benchmarks._speed.output import table

#: Table 1, EiNet column, by the names that the data sets have in their usual files.
PAPER: Mapping[str, float] = MappingProxyType(
    {
        "nltcs": -6.015, "msnbc": -6.119, "kdd": -2.183, "plants": -13.676, "jester": -52.563,
        "baudio": -39.879, "bnetflix": -56.544, "accidents": -35.594, "tretail": -10.916,
        "pumsb_star": -31.954, "dna": -96.086, "kosarek": -11.029, "msweb": -10.026,
        "book": -34.739, "tmovie": -51.705, "cwebkb": -157.282, "cr52": -87.368,
        "c20ng": -153.938, "bbc": -248.332, "ad": -26.273,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A tree and its prior, 10 replicas each."""

    depth: int
    units: int
    pseudocount: float

    def __str__(self) -> str:
        return f"D={self.depth} K={self.units} prior {self.pseudocount:g}"


#: The cheap ones first, for data that leave no time for more.
SETTINGS = (
    Setting(1, 20, 1.0),
    Setting(1, 20, 10.0),
    Setting(1, 60, 2.0),
    Setting(2, 20, 1.0),
    Setting(1, 100, 5.0),
    Setting(2, 40, 3.0),
)
REPLICAS = 10
LEARNING: Mapping[str, object] = MappingProxyType(
    {"step": 0.1, "annealing": 0.95, "prior": "shared", "epochs": 60, "patience": 3}
)
#: No setting may take more than this share of the budget, and the search no more than that.
LONGEST, SEARCH = 0.25, 0.6
HEAD = ("data", "test", "paper", "gap", "valid", "members", "trials", "cpu s", "wall s", "chosen")
#: Members of the final mixture at most.
MEMBERS = 8


@dataclass(frozen=True, eq=False)
class Trial:
    """A trained circuit with the scores of the validation rows."""

    setting: Setting
    found: Fit
    scores: torch.Tensor


@dataclass(frozen=True)
class Row:
    """One line of the result, nats; gap: how much better than the paper."""

    dataset: str
    test: float
    paper: float | None
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

    def __init__(self, data: Dataset, budget: float, seed: int) -> None:
        self.data = data
        self.budget = budget
        self.seed = seed
        self.start = time.process_time()
        self.shape = shape_of(data)
        self.trials: list[Trial] = []

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.process_time() - self.start

    def settings(self) -> Iterator[Setting]:
        """Those that the number of variables allows."""
        for setting in SETTINGS:
            if 2**setting.depth <= self.data.num_variables:
                yield setting

    def run(self) -> None:
        """All settings that the budget allows, then the best one again; at least one trial."""
        for setting in self.settings():
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
        options = {
            "depth": setting.depth,
            "units": setting.units,
            "replicas": REPLICAS,
            "start": "clusters",
            "seed": seed,
        }
        circuit = build_structure("rat", self.shape, options)
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


def measure(name: str, options: argparse.Namespace) -> Row:
    """Search, choose on validation, and only then look at the test rows."""
    wall = time.perf_counter()
    data = load(name)
    search = Search(data, options.budget, options.seed)
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
    paper = PAPER.get(data.name)
    return Row(
        data.name,
        test,
        paper,
        None if paper is None else test - paper,
        valid,
        ", ".join(dict.fromkeys(str(trial.setting) for trial in chosen)),
        len(chosen),
        len(search.trials),
        options.seed,
        seconds,
        wall,
    )


def chosen_names(text: str) -> list[str]:
    """Those given, or those below PCCORE_DATA that table 1 has. Raises OptionError for none."""
    found = [n.strip() for n in text.split(",") if n.strip()]
    if not found:
        there = {info.name for info in names()}
        found = [name for name in PAPER if name in there]
    if not found:
        raise OptionError("none of the Twenty Datasets is there", hint="set PCCORE_DATA")
    return found


def main() -> None:
    """Measure and print, a line as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", default="", metavar="A,B", help="names or paths")
    parser.add_argument(
        "--budget", type=float, default=300.0, help="seconds of processor time for each dataset"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output", metavar="DIR", help="for the models")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    lines: list[list[str]] = []
    for name in chosen_names(options.datasets):
        row = measure(name, options)
        rows.append(row)
        paper, gap = (
            ("", "") if row.paper is None or row.gap is None
            else (f"{row.paper:.3f}", f"{row.gap:+.3f}")
        )  # fmt: skip
        lines.append(
            [row.dataset, f"{row.test:.3f}", paper, gap, f"{row.valid:.3f}", str(row.members),
             str(row.trials), f"{row.seconds:.0f}", f"{row.wall_seconds:.0f}", row.setting]
        )  # fmt: skip
        if not options.json:
            print("  ".join(lines[-1]), flush=True)
    known = [row.gap for row in rows if row.gap is not None]
    if options.json:
        facts: dict[str, Any] = {"seed": options.seed, "budget": options.budget}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}))
        return
    title = f"mean test log-likelihood in nats, seed {options.seed}"
    print("\n".join(table(HEAD, lines, False, title)))
    print(f"{sum(gap >= 0 for gap in known)} of {len(known)} at least as good as table 1")


if __name__ == "__main__":
    main()
