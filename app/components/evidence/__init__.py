"""The variables of a circuit with their posteriors: a click observes, forgets, observes softly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from ...views.evidence_rows import Observed, Row
from ..assets import component

__all__ = ["Observed", "Row", "evidence_list", "read_observed"]


def read_observed(payload: object) -> tuple[Observed, int] | None:
    """Validate what the browser sent: (evidence, its number), None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    hard, soft, number = payload.get("observed"), payload.get("soft"), payload.get("seq")
    if not isinstance(hard, Mapping) or not isinstance(soft, Mapping) or type(number) is not int:
        return None
    likelihoods: dict[str, tuple[float, ...]] = {}
    for name, values in soft.items():
        if not isinstance(values, Sequence) or not all(_is_number(v) for v in values):
            return None
        likelihoods[str(name)] = tuple(float(v) for v in values)
    if not all(_is_number(value) for value in hard.values()):
        return None
    return Observed({str(k): float(v) for k, v in hard.items()}, likelihoods), number


def evidence_list(
    rows: Sequence[Row],
    observed: Observed,
    *,
    key: str,
    height: int,
    on_change: Callable[[Observed], None],
) -> None:
    """Draw the list.

    Args:
        rows: the variables in their order.
        observed: what is observed now.
        key: unique and constant.
        height: of the scrolling part in pixels.
        on_change: called with the evidence before the rerun that a click causes.
    """

    def sent() -> tuple[Observed, int] | None:
        state = st.session_state.get(key)
        return read_observed(state.get("evidence") if isinstance(state, Mapping) else None)

    def changed() -> None:
        found = sent()
        if found is not None:
            on_change(found[0])

    seen = sent()
    component("evidence", ("main",))(
        key=key,
        data={
            "variables": [
                {
                    "id": row.id,
                    "name": row.name,
                    "note": row.note,
                    "states": row.states and [[t, _finite(p)] for t, p in row.states],
                    "mean": _finite(row.mean),
                    "deviation": _finite(row.deviation),
                    "soften": row.soften,
                }
                for row in rows
            ],
            "observed": dict(observed.hard),
            "soft": {name: list(values) for name, values in observed.soft.items()},
            "seq": seen[1] if seen else 0,
            "height": int(height),
        },
        default={"evidence": None},
        on_evidence_change=changed,
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
