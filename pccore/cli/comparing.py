"""compare: two models, how they are built and how far apart they are."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import Any

from pccore.cli.output import clean, emit, pairs
from pccore.errors import PCError
from pccore.files import load_model
from pccore.queries.compare import Differences, Distance, Extreme, Figure, differences, distance

#: Differences that are listed one by one for people; --json has all of them.
LISTED = 40


def compare(options: argparse.Namespace) -> int:
    """Differences of structure and distance of the distributions; 1 if anything differs."""
    first, second = load_model(options.first), load_model(options.second)
    built = differences(first, second)
    apart: Distance | None = None
    problem = ""
    try:
        apart = distance(
            first, second, shared=options.shared, samples=options.count, seed=options.seed
        )
    except PCError as error:
        # Circuits over different variables can still be compared as structures.
        problem = str(error)
    payload: dict[str, Any] = {
        "identical": built.identical,
        "same": built.same,
        "level": built.level,
        "differences": [
            {
                "status": one.status,
                "unit": one.name,
                "kind": one.kind,
                "variables": one.scope,
                "what": one.what,
            }
            for one in built.units
        ],
        "distance": None if apart is None else _distance(apart),
        "problem": problem or None,
    }
    emit(options, payload, _lines(built, apart, problem))
    return 0 if built.identical else 1


def _distance(apart: Distance) -> dict[str, Any]:
    return {
        "quality": apart.quality,
        "inputs": apart.inputs,
        "variables": apart.variables,
        "kl": _figure(apart.kl),
        "reverse_kl": _figure(apart.reverse),
        "total_variation": _figure(apart.total_variation),
        "largest_difference": _extreme(apart.gap),
        "largest_ratio": _extreme(apart.ratio),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    """JSON has no infinity: then the value is null and `infinite` is true."""
    return {
        "value": figure.value,
        "infinite": math.isinf(figure.value),
        "standard_error": figure.error,
        "quality": figure.quality,
    }


def _extreme(extreme: Extreme) -> dict[str, Any]:
    return {
        "state": extreme.state,
        "log_probability": [extreme.first, extreme.second],
        "quality": extreme.quality,
    }


def _lines(built: Differences, apart: Distance | None, problem: str) -> Iterator[str]:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    counts = ", ".join(f"{built.count(word)} {word}" for word in ("added", "removed", "changed"))
    yield f"{built.level}s: {counts}, {built.same} the same"
    for one in built.units[:LISTED]:
        yield clean(f"{signs[one.status]} {one.kind} {one.name}: {'; '.join(one.what)}")
    if len(built.units) > LISTED:
        yield f"... and {len(built.units) - LISTED} more"
    if apart is None:
        yield clean(f"the distributions cannot be compared: {problem}")
        return
    rows = [("KL(A||B)", apart.kl), ("KL(B||A)", apart.reverse)]
    rows.append(("total variation", apart.total_variation))
    yield from pairs((name, _text(figure)) for name, figure in rows)
    state = ", ".join(f"{name}={value:g}" for name, value in list(apart.gap.state.items())[:20])
    yield clean(
        f"largest difference at {state}: log-probability {apart.gap.first:.6g} and "
        f"{apart.gap.second:.6g}"
    )


def _text(figure: Figure) -> str:
    error = f" +- {figure.error:.2g}" if figure.error else ""
    return f"{figure.value:.6g}{error} ({figure.quality})"
