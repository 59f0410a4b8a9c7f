"""The numbers of a completion as short captions."""

from __future__ import annotations

import math

from pc_workbench.components.pictures import Card
from pc_workbench.views.completion import Completion, Picture


def caption(found: Completion, quality: str, picture: Picture) -> str:
    """Quality, log-probability and error of one completion."""
    parts = [quality]
    if picture.log_probability is not None:
        parts.append(nats(log_name(found), picture.log_probability))
    if picture.mse is not None:
        parts.append(f"MSE {picture.mse:.0f}")
    return " · ".join(parts)


def bound_or_exact(found: Completion) -> str:
    """How good MPE and tree are."""
    return "exact" if found.exact else "bound"


def summary(found: Completion) -> str:
    """What the circuit thinks of the visible part, and of the truth."""
    parts = [nats(f"{log_name(found)}(visible)", found.log_visible) + " nats"]
    if found.log_truth is not None:
        parts.append(nats(f"{log_name(found)}(truth | visible)", found.log_truth) + " nats")
    return " · ".join(parts)


def log_name(found: Completion) -> str:
    """A small p is a density."""
    return "log p" if found.density else "log P"


def nats(name: str, value: float | None) -> str:
    """A named number of nats."""
    if value is None:
        return name
    if math.isinf(value):
        return f"{name} −∞"
    return f"{name} {value:.1f}".replace("-", "−")


def cards(found: Completion) -> list[Card]:
    """All pictures of a completion as cards of a row, with their scores."""
    quality = bound_or_exact(found)
    listed = [
        ("Posterior mean", "exact", found.mean),
        ("MPE", quality, found.mpe),
        ("Sums up, max down", quality, found.tree),
        *((f"Sample {i}", "exact", one) for i, one in enumerate(found.samples, 1)),
    ]
    shown = [
        Card(label, picture.image, _scores(found, how, picture))
        for label, how, picture in listed
        if picture is not None
    ]
    if found.uncertainty is not None:
        shown.append(Card("Uncertainty", found.uncertainty, found.white))
    return shown


def _scores(found: Completion, quality: str, picture: Picture) -> str:
    """Like `caption`, the error first: it is what is compared."""
    return " · ".join(reversed(caption(found, quality, picture).split(" · ")))
