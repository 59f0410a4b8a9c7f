"""What the current circuit can be held against: other models, and what it was a change ago."""

from __future__ import annotations

from dataclasses import dataclass

from pc_workbench import desk, drafts, state, store
from pccore.draft import History
from pccore.errors import NotFoundError, PCError
from pccore.graph import Circuit

#: In the link: the current drawing before its last change, such as a repair.
UNDONE = "before_the_last_change"


@dataclass(frozen=True)
class Subject:
    """One of the two circuits. version: for the key of a cache. reference: for code, or ""."""

    id: str
    title: str
    circuit: Circuit
    version: str
    reference: str


def subject(name: str, model: str) -> Subject:
    """The circuit of a choice on the page; model: the current one. Raises PCError."""
    if name != UNDONE:
        circuit = store.get_circuit(name)
        reference = store.model_reference(name)
        return Subject(name, store.title_of(name), circuit, store.version(name), reference)
    history = _history(model)
    if history is None or not history.past:
        raise NotFoundError("the current circuit has not been changed here yet")
    circuit = history.undo().present.finished.circuit
    title = f"{store.title_of(model)} (before its last change)"
    return Subject(name, title, circuit, f"{store.version(model)} before", "")


def candidates(model: str) -> tuple[str, ...]:
    """What can be chosen: one change ago, earlier models of this session, stored ones, samples."""
    names = [
        *state.earlier_models(),
        *(one.id for one in store.models()[:30]),
        *(one.name for one in store.samples()),
    ]
    others = tuple(name for name in dict.fromkeys(names) if name != model and _exists(name))
    history = _history(model)
    return (UNDONE, *others) if history is not None and history.past else others


def label(model: str, name: str) -> str:
    """How a choice is called."""
    if not name:
        return "Compare the current circuit with …"
    if name == UNDONE:
        return "The current one before its last change"
    try:
        title = store.title_of(name)
    except PCError:
        return name
    earlier = state.earlier_models()
    return f"{title} (the current one before)" if earlier[:1] == (name,) else title


def first_choice(model: str, options: tuple[str, ...]) -> str:
    """What was current before, where nothing was chosen; "" if there is no such circuit."""
    return next((name for name in (UNDONE, *state.earlier_models()) if name in options), "")


def _history(model: str) -> History | None:
    """The changes of the current drawing; None for other models."""
    if not drafts.is_drawing(model) or model != state.get().model:
        return None
    try:
        return desk.current().history
    except PCError:
        return None


def _exists(model: str) -> bool:
    try:
        store.model_path(model)
    except PCError:
        return False
    return True
