"""tune: a structure with the options that do best on validation rows."""

from __future__ import annotations

import argparse
import time
from typing import Any

from pccore.cli.models import sizes
from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import check_target, required
from pccore.datasets import load, parse_reference
from pccore.errors import OptionError
from pccore.files import save_model
from pccore.options import parse_assignments
from pccore.tune import Target, Trial
from pccore.tune import tune as search


def tune(options: argparse.Namespace) -> int:
    """Try, choose, build, write."""
    target = check_target(required(options.output, "-o", "tune"))
    grid: dict[str, list[str]] = {}
    for key, *values in options.grid:
        if key in grid:
            raise OptionError(f"{key} is there twice", where="--try")
        grid[key] = values
    hide = tuple(name.strip() for name in options.hide.split(",") if name.strip())
    if not hide:
        raise OptionError("names nothing to hide", where="--hide")
    wanted = Target(options.score, hide, not options.no_mirror, options.folds, options.rows)
    progress = Progress()
    start = time.perf_counter()

    def tell(trial: Trial, total: int) -> None:
        cells = [f"{key} {value}" for key, value in _cells(trial).items()]
        progress.say(f"at most {total} trials: {', '.join(cells)}: {trial.score:.6g}")

    found = search(
        options.structure,
        load(parse_reference(options.data)[0]),
        grid or None,
        settings=parse_assignments(options.set),
        target=wanted,
        listener=tell,
    )
    seconds = time.perf_counter() - start
    save_model(found.circuit, target)
    name = "mse" if options.score == "completion" else "log_likelihood"
    rows = [
        {**_cells(t), name: t.score, "seconds": t.seconds, "kept": t is found.best}
        for t in found.trials
    ]
    payload: dict[str, Any] = {
        "model": options.output,
        "structure": options.structure,
        "options": {**found.best.options, "mirror": found.best.mirror},
        f"valid_{name}": found.best.score,
        **sizes(found.circuit),
        "seconds": seconds,
        "trials": rows,
    }
    body = [[("yes" if c else "") if h == "kept" else c for h, c in row.items()] for row in rows]
    facts = [*sizes(found.circuit).items(), ("seconds", f"{seconds:.3g}")]
    facts.append(("wrote", options.output))
    emit(options, payload, [*table(list(rows[0]), body), *pairs(facts)])
    return 0


def _cells(trial: Trial) -> dict[str, object]:
    """The options of a trial as they are typed."""
    cells = {
        key: ",".join(map(str, value)) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        for key, value in trial.options.items()
    }
    return {**cells, "mirror": "yes" if trial.mirror else "no"}
