"""The programs of the Complete page: the current model, without what is muted, and its rivals."""

from __future__ import annotations

import contextlib

import streamlit as st

from pc_workbench import state, store
from pc_workbench.views.completion import image_shape
from pccore.compile import Program, compile_circuit
from pccore.completion import mute
from pccore.datasets import ImageShape
from pccore.errors import OptionError, PCError

#: Models beside the current one.
MOST = 3


def program(model: str) -> Program:
    """The current model, compiled, without its muted components. Raises PCError.

    What a link mutes and the model does not have is forgotten.
    """
    muted = state.get().muted
    if not muted:
        return store.get_program(model)
    try:
        return _muted(model, store.version(model), muted)
    except OptionError:
        state.update(muted=())
        return store.get_program(model)


@st.cache_resource(max_entries=8, show_spinner=False)
def _muted(model: str, version: str, muted: tuple[str, ...]) -> Program:
    return compile_circuit(mute(store.get_circuit(model), muted))


def rivals(model: str, grid: ImageShape) -> tuple[str, ...]:
    """Other models of pictures of this size: what was current before, stored ones, samples."""
    names = [
        *state.earlier_models(),
        *state.get().rivals,
        *(one.id for one in store.models()[:30] if one.variables == grid.size),
        *(one.name for one in store.samples()),
    ]
    sizes = (grid.height, grid.width, grid.channels)
    found = [name for name in dict.fromkeys(names) if name != model and _sizes(name) == sizes]
    return tuple(found)


def _sizes(model: str) -> tuple[int, int, int] | None:
    with contextlib.suppress(PCError):
        return _sizes_of(model, store.version(model))
    return None


@st.cache_resource(max_entries=256, show_spinner=False)
def _sizes_of(model: str, version: str) -> tuple[int, int, int] | None:
    grid = image_shape(store.get_circuit(model))
    return None if grid is None else (grid.height, grid.width, grid.channels)
