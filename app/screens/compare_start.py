"""Compare before a second circuit is chosen: what the current one can be held against, examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import errors, state, store
from pc_workbench.screens.compare_subject import label
from pc_workbench.views import sizes
from pccore.errors import PCError

_Thing = TypeVar("_Thing")
#: Cards in a line, and models that are offered.
COLUMNS, MOST = 3, 6
#: Models that are looked at for variables in common, and the share of all that these are at least:
#: many have an X1.
_LOOKED_AT, _ALIKE = 60, 0.4
#: (A, B, title, what there is to see); sample models.
PAIRS: Sequence[tuple[str, str, str, str]] = (
    (
        "figure3_mixture",
        "figure3_parity",
        "Shallow and deep parity",
        "The same distribution: one sum over 16 products, and a circuit that shares its parts.",
    ),
    (
        "incomplete",
        "inconsistent",
        "Two broken circuits",
        "What was added, removed and changed, and the input on which it shows most.",
    ),
    (
        "digits_rat",
        "digits_pd",
        "Two models of digits",
        "Other structures, the same data: how far apart they are, and a digit that tells.",
    ),
)


def show(model: str, options: Sequence[str]) -> None:
    """Models with variables in common, the most first, then examples. options: what may be
    chosen."""
    near = _near(model, options)
    if near:
        title = errors.plain(store.title_of(model))
        st.markdown(f"**Hold {title} against**")
        for cells, line in _lines(near):
            for cell, (name, shared) in zip(cells, line, strict=False):
                with cell.container(border=True, height="stretch", vertical_alignment="distribute"):
                    _card(model, name, shared)
    else:
        st.caption("No other model here has many variables in common with the current one.")
    known = {one.name for one in store.samples()}
    pairs = [pair for pair in PAIRS if {pair[0], pair[1]} <= known]
    if pairs:
        st.markdown("**Or open an example of two**")
    for cells, line in _lines(pairs):
        for cell, (first, second, title, story) in zip(cells, line, strict=False):
            with cell.container(border=True, height="stretch", vertical_alignment="distribute"):
                with st.container(gap="small"):
                    st.markdown(f"**{title}**")
                    st.caption(story)
                st.button(
                    "Open both",
                    key=f"pcw_pair_{second}",
                    on_click=_open,
                    args=(first, second),
                    width="stretch",
                )


def _card(model: str, name: str, shared: int) -> None:
    names, units = _facts(store.version(name), name)
    with st.container(gap="small"):
        st.markdown(f"**{errors.plain(label(model, name))}**")
        same = shared == len(names) == len(store.get_circuit(model).variables)
        common = "the same variables" if same else f"{sizes.plural(shared, 'variable')} in common"
        st.caption(f"{common} · {sizes.plural(units, 'unit')}")
    st.button("Compare", key=f"pcw_against_{name}", on_click=_choose, args=(name,), width="stretch")


def _near(model: str, options: Sequence[str]) -> list[tuple[str, int]]:
    """(model, how many variables it shares), the most alike first."""
    own = set(store.get_circuit(model).variables)
    found: list[tuple[float, int, str]] = []
    for name in options[:_LOOKED_AT]:
        try:
            names, _ = _facts(store.version(name), name)
        except PCError:
            continue  # damaged, or of another version
        shared = len(own.intersection(names))
        alike = shared / max(1, len(own.union(names)))
        if alike >= _ALIKE:
            found.append((alike, shared, name))
    # Of equally near ones the order of the options stays.
    return [(name, shared) for _, shared, name in sorted(found, key=lambda one: -one[0])[:MOST]]


@st.cache_resource(max_entries=256, show_spinner=False)
def _facts(version: str, name: str) -> tuple[tuple[str, ...], int]:
    """Variables, and how many units."""
    circuit = store.get_circuit(name)
    return circuit.variables, circuit.num_units


def _lines(things: Sequence[_Thing]) -> Iterator[tuple[Sequence[DeltaGenerator], Sequence[_Thing]]]:
    """(columns, things) of a grid, line by line."""
    for start in range(0, len(things), COLUMNS):
        yield st.columns(COLUMNS, gap="medium"), things[start : start + COLUMNS]


def _choose(name: str) -> None:
    state.update(other=name)


def _open(first: str, second: str) -> None:
    state.choose_model(second)
    state.update(other=first)
