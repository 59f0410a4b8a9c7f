"""The variables of a circuit as a list: click a state to observe it, see every posterior.

The browser owns what was clicked and sends all of it, with a number; Python answers with the number
that it has read, so that an answer to an earlier click never takes back a later one::

    evidence_list("evidence", rows, on_change=read)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import streamlit as st

from ..assets import component

__all__ = ["EvidenceEdit", "evidence_list", "read_evidence"]

#: Rows, numbers in a row, and letters in an id that are taken from the browser at most.
MOST_ROWS, MOST_NUMBERS, LONGEST = 5_000, 1_000, 400


@dataclass(frozen=True, slots=True)
class EvidenceEdit:
    """All that is observed in the list.

    observed: value by the id of a row. soft: likelihoods by id. find: what is searched for.
    """

    observed: Mapping[str, float]
    soft: Mapping[str, tuple[float, ...]]
    find: str
    clear: bool
    seq: int


def read_evidence(payload: object) -> EvidenceEdit | None:
    """Validate what the browser sent; None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    observed, soft = payload.get("observed"), payload.get("soft")
    find, seq = payload.get("find"), payload.get("seq")
    if type(seq) is not int or not isinstance(find, str) or len(find) > LONGEST:
        return None
    if not isinstance(observed, Mapping) or not isinstance(soft, Mapping):
        return None
    if len(observed) > MOST_ROWS or len(soft) > MOST_ROWS:
        return None
    if not all(_is_id(name) and _is_number(value) for name, value in observed.items()):
        return None
    for name, values in soft.items():
        if not _is_id(name) or not isinstance(values, Sequence) or len(values) > MOST_NUMBERS:
            return None
        if not all(_is_number(value) and value >= 0 for value in values):
            return None
    return EvidenceEdit(
        MappingProxyType({name: float(value) for name, value in observed.items()}),
        MappingProxyType({name: tuple(map(float, values)) for name, values in soft.items()}),
        find,
        payload.get("clear") is True,
        seq,
    )


def _is_id(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def evidence_list(
    key: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    label: str,
    height: int = 480,
    more: int = 0,
    version: str = "",
    on_change: Callable[[EvidenceEdit], None] | None = None,
) -> None:
    """Draw the list.

    Args:
        key: unique and constant.
        rows: each ``{"id", "name", "states"}``: the texts of the states, empty for a number, and
            ``"values"``, the value of each state (None: cannot be observed). Optionally ``given``
            (the observed value), ``soft`` (likelihoods), ``chances`` and ``before`` (posterior and
            prior of each state), ``mean``, ``deviation``, ``curve`` (``[[x, y], ...]`` of a
            density), ``hint`` (text), ``latent`` (True for a hidden variable), ``softens``,
            ``covered`` (a state to be marked).
        label: name of the list for screen readers.
        height: of the list in pixels.
        more: rows that are not sent; a search asks Python for them.
        version: of the model: with another one the browser forgets what was clicked.
        on_change: called with what was clicked, before the rerun that it causes.
    """

    def sent() -> EvidenceEdit | None:
        state = st.session_state.get(key)
        return read_evidence(state.get("given") if isinstance(state, Mapping) else None)

    def changed() -> None:
        found = sent()
        if found is not None and on_change is not None:
            on_change(found)

    seen = sent()
    component("evidence", ("row", "main"))(
        key=key,
        data={
            "rows": [dict(row) for row in rows],
            "label": label,
            "height": int(height),
            "more": int(more),
            "version": version,
            "seq": seen.seq if seen else 0,
        },
        default={"given": None},
        on_given_change=changed,
    )
