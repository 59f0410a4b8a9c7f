"""Stepping through a pass: which one, how far, and what happens at the current unit.

Like the list of evidence, the browser sends all of what is wished with a number, and Python answers
with the number that it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ..assets import component

__all__ = ["Wish", "read_wish", "stepper"]

_MOST = 10**6
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown.

    chosen: id of the pass. step: from 1; 0 for the whole pass. alone: only the induced tree.
    scale: "linear" or "log". seed: of the sample.
    """

    chosen: str
    step: int
    alone: bool
    scale: str
    seed: int
    seq: int


def read_wish(payload: object) -> Wish | None:
    """Validate what the browser sent; None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    chosen, step, alone = payload.get("pass"), payload.get("step"), payload.get("alone")
    scale, seed, seq = payload.get("scale"), payload.get("seed"), payload.get("seq")
    if not isinstance(chosen, str) or len(chosen) > 40 or type(seq) is not int:
        return None
    if type(step) is not int or not 0 <= step <= _MOST or type(alone) is not bool:
        return None
    if scale not in ("linear", "log") or type(seed) is not int or not 0 <= seed < _SEEDS:
        return None
    return Wish(chosen, step, alone, scale, seed, seq)


def stepper(
    key: str,
    passes: Sequence[Mapping[str, str]],
    wish: Wish,
    shown: Mapping[str, Any],
    *,
    label: str,
    on_change: Callable[[Wish], None] | None = None,
) -> None:
    """Draw the controls and the current step.

    Args:
        key: unique and constant.
        passes: each ``{"id", "label", "title"}`` and, where it cannot be asked, ``"refused"``: why.
        wish: what is shown now; its ``seq`` is ignored.
        shown: ``{"count", "title", "equation", "filled", "notes", "rolls", "tree", "reason"}``:
            the number of steps; texts of the current one; for each roll ``{"what", "u",
            "intervals": [[label, low, high], ...], "hit"}``; whether there is an induced tree;
            why there are no steps, "" where there are.
        label: name of the controls for screen readers.
        on_change: called with what is wished, before the rerun that it causes.
    """

    def sent() -> Wish | None:
        state = st.session_state.get(key)
        return read_wish(state.get("wish") if isinstance(state, Mapping) else None)

    def changed() -> None:
        found = sent()
        if found is not None and on_change is not None:
            on_change(found)

    seen = sent()
    component("stepper", ("dice", "main"))(
        key=key,
        data={
            "passes": [dict(one) for one in passes],
            "pass": wish.chosen,
            "step": wish.step,
            "alone": wish.alone,
            "scale": wish.scale,
            "seed": wish.seed,
            "shown": dict(shown),
            "label": label,
            "seq": seen.seq if seen else 0,
        },
        default={"wish": None},
        on_wish_change=changed,
    )
