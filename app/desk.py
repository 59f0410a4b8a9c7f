"""The drawing that a session edits: its history, what was typed, and how it gets to the disk.

A model of any kind can lie on the desk; the first change makes it a drawing of this session
(`drafts`), which from then on is overwritten in place, so that every page sees it at once. A
drawing that somebody else began, or that another tab of the same workspace is at work on, is copied
at the first change, too.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import streamlit as st
import torch

from pc_workbench import drafts, errors, limits, session, state, store, workspaces
from pc_workbench.views.draft_ops import Batch, Edits, apply_batch
from pccore.check import Report, check
from pccore.compile import Program, compile_circuit
from pccore.draft import Draft, Finished, History, adopt
from pccore.errors import GraphError, NotFoundError, ParameterError, PCError, SourceError
from pccore.evidence import Evidence
from pccore.graph import Circuit
from pccore.queries import UnitValues, unit_values

#: Drawings whose history a session remembers.
REMEMBERED = 4
_DESKS, _ACKS, _AUTHORS = "pcw_desks", "pcw_desk_acks", "pcw_desk_authors"
LEFT = 600.0  # seconds after which another tab of the workspace goes on with a drawing
_STREAMS = 8  # mounted editors whose acknowledgements are remembered


class Drawn:
    """A draft and what is computed from it, once."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    @cached_property
    def finished(self) -> Finished | None:
        """The circuit and its nodes; None where nothing is finished."""
        try:
            return self.draft.finished
        except GraphError:
            return None

    @property
    def circuit(self) -> Circuit | None:
        """The circuit of the finished part."""
        return None if self.finished is None else self.finished.circuit

    @cached_property
    def report(self) -> Report | None:
        """What `check` says of the circuit."""
        return None if self.circuit is None else check(self.circuit)

    @cached_property
    def program(self) -> Program | None:
        """The circuit compiled, to be read in float64."""
        return None if self.circuit is None else compile_circuit(self.circuit, dtype=torch.float64)

    def values(self, evidence: Evidence) -> UnitValues | None:
        """The value of every unit. Raises EvidenceError."""
        return None if self.program is None else unit_values(self.program, evidence)


@dataclass(frozen=True)
class Desk:
    """What lies on the desk; replaced as a whole at every change.

    model: the id in the link. token: names this sheet for the browser, also when its model gets
    another id. stamp: of the file that was last read or written. typed: the text beside the
    drawing, where it is not what the drawing says by itself; notation: the one it was typed in.
    problem: where the typed text is wrong, and why. refused: why the last gesture was. witness:
    number of the violation that is looked at; looked: how often something was, and its nodes.
    version: grows with every change that does not come from the canvas. note: why the canvas is
    empty although there is a model.
    """

    model: str
    history: History
    token: str = field(default_factory=lambda: secrets.token_hex(6))
    stamp: str = ""
    owner: str = ""
    typed: str | None = None
    notation: str = ""
    problem: tuple[int, int, str] | None = None
    refused: str = ""
    witness: int | None = None
    looked: tuple[int, tuple[str, ...]] | None = None
    version: int = 0
    note: str = ""

    @property
    def draft(self) -> Draft:
        """The drawing as it is."""
        return self.history.present

    @cached_property
    def drawn(self) -> Drawn:
        """What is computed from the drawing."""
        return Drawn(self.draft)


# -- which desk ------------------------------------------------------------------------------


def current() -> Desk:
    """The desk with the current model. Raises PCError where it cannot be drawn."""
    model = state.get().model
    found = _desks().get(model)
    # A drawing that is no longer on the disk is still on this desk.
    if found is not None and _stamp(model) in ("", found.stamp):
        return found
    if drafts.is_drawing(model):
        stored = drafts.load(model)
        if found is None:
            found = Desk(model, History(stored.draft))
        history = found.history.push(stored.draft)
        disk = {"stamp": stored.stamp, "owner": stored.owner}
        return _put(_with(found, history=history, typed=None, version=found.version + 1, **disk))
    draft = Draft.of(store.get_circuit(model)) if model else Draft()
    return _put(Desk(model, History(draft)))


def current_or_empty() -> tuple[Desk, str]:
    """The desk with the current model, or with nothing where that cannot be drawn, and why."""
    try:
        desk = current()
    except PCError as error:
        why = errors.sentence(error)
        note = f"The canvas is empty. {why} What you draw here becomes a new circuit."
        desk = _put(Desk(state.get().model, History(Draft()), note=note))
    return desk, desk.note


def begin(draft: Draft) -> Desk:
    """A new drawing that starts as `draft`; it becomes the current model."""
    desk = Desk("", History(draft))
    return _save(desk)


def _desks() -> dict[str, Desk]:
    return st.session_state.setdefault(_DESKS, {})


def _put(desk: Desk) -> Desk:
    desks = _desks()
    desks.pop(desk.model, None)
    desks[desk.model] = desk
    for model in list(desks)[:-REMEMBERED]:
        del desks[model]
    return desk


def _stamp(model: str) -> str:
    """The stamp of a drawing on disk, "" where there is none."""
    try:
        return drafts.stamp(model) if drafts.is_drawing(model) else ""
    except NotFoundError:
        return ""


# -- changes ---------------------------------------------------------------------------------


def edit(edits: Edits) -> None:
    """Apply what the browser sent and was not applied yet."""
    _remember_author(edits.author)
    acks: dict[str, int] = st.session_state.setdefault(_ACKS, {})
    done = acks.get(edits.stream, 0)
    todo = [batch for batch in edits.batches if batch.seq > done]
    if not todo:
        return
    desk, _ = current_or_empty()
    before = desk
    for batch in todo:
        if batch.sheet == desk.token:
            desk = _gesture(desk, batch)
    acks.pop(edits.stream, None)
    acks[edits.stream] = todo[-1].seq
    for stream in list(acks)[:-_STREAMS]:
        del acks[stream]
    if desk.history is not before.history:
        _save(desk, before)
    else:
        _put(desk)


def _gesture(desk: Desk, batch: Batch) -> Desk:
    try:
        history = apply_batch(desk.history, batch)
    except PCError as error:
        text = str(error)
        return _with(desk, refused=text[:1].upper() + text[1:] + ".", version=desk.version + 1)
    if history is desk.history:
        return _with(desk, refused="")
    return _turned(desk, history)


def _turned(desk: Desk, history: History) -> Desk:
    """The desk after a change of the drawing; a faulty text stays for its author to repair."""
    typed = desk.typed if desk.problem else None
    return _with(desk, history=history, refused="", typed=typed, witness=None)


def _with(desk: Desk, **changes: Any) -> Desk:
    """The desk with other fields; what was computed from the drawing is kept where it stays."""
    new = dataclasses.replace(desk, **changes)
    if new.draft is desk.draft and "drawn" in desk.__dict__:
        new.__dict__["drawn"] = desk.drawn
    return new


def change(alter: Callable[[Draft], Draft]) -> None:
    """Change the drawing on behalf of the page. Raises PCError."""
    desk, _ = current_or_empty()
    history = desk.history.push(alter(desk.draft))
    if history is not desk.history:
        _save(_with(_turned(desk, history), version=desk.version + 1), desk)


def take_circuit(circuit: Circuit) -> None:
    """A repaired or otherwise changed circuit replaces the drawing; places are kept. PCError."""
    change(lambda draft: adopt(draft, circuit)[0])


def read_text(
    text: str, notation: str, parse: Callable[[str], Circuit], *, whole: bool = True
) -> None:
    """Take over a text that somebody typed; where it is wrong, keep it and say where.

    whole: whether the notation shows what no root reaches.
    """
    desk, _ = current_or_empty()
    try:
        circuit = parse(text)
        draft, _ = adopt(desk.draft, circuit, whole=whole)
    except SourceError as error:
        problem = (error.start, error.end, error.message)
    except (GraphError, ParameterError) as error:
        problem = (0, len(text), str(error))
    else:
        history = desk.history.push(draft)
        changed = _with(
            desk, history=history, typed=text, notation=notation, problem=None, refused="",
            witness=None, version=desk.version + 1,
        )  # fmt: skip
        if history is desk.history:
            _put(changed)
        else:
            _save(changed, desk)
        return
    _put(_with(desk, typed=text, notation=notation, problem=problem))


def hold_text(text: str, notation: str) -> None:
    """Keep a text that says nothing yet; the drawing stays."""
    _put(_with(current_or_empty()[0], typed=text, notation=notation, problem=None))


def drop_text() -> None:
    """Forget what was typed: the text shows the drawing again."""
    _put(_with(current_or_empty()[0], typed=None, problem=None))


def look_at(number: int) -> None:
    """Mark one violation, and select its unit; a second time puts it aside."""
    desk, _ = current_or_empty()
    report, finished = desk.drawn.report, desk.drawn.finished
    if report is None or finished is None or number >= len(report.witnesses):
        return
    if desk.witness == number:
        _put(_with(desk, witness=None))
        return
    times = 1 if desk.looked is None else desk.looked[0] + 1
    unit = finished.id_of(report.witnesses[number].unit)
    _put(_with(desk, witness=number, looked=(times, (unit,))))


def acknowledged() -> Mapping[str, int]:
    """The last gesture that was applied, by stream."""
    return st.session_state.get(_ACKS, {})


# -- the disk --------------------------------------------------------------------------------


def _save(desk: Desk, before: Desk | None = None) -> Desk:
    """Write the drawing where it is ours, else to a new id that becomes the current model."""
    ours = (
        drafts.is_drawing(desk.model)
        and (desk.owner in {drafts.owner_of(author) for author in _authors()} or _left(desk.model))
        and _stamp(desk.model) == desk.stamp != ""
    )
    model = desk.model if ours else drafts.new_id()
    if not ours:
        desk = _with(desk, history=_renamed(desk.history), model=model)
    author = _authors()[-1]
    stamp = _write(model, desk.draft, author, fresh=not ours)
    desk = _put(_with(desk, stamp=stamp, owner=drafts.owner_of(author), note=""))
    if before is not None and before.model != model and not drafts.is_drawing(before.model):
        _desks().pop(before.model, None)  # its history belongs to the drawing now
    if state.get().model != model:
        if before is None:
            state.choose_model(model)
        else:
            state.update(model=model)
    return desk


def _left(model: str) -> bool:
    """Whether a drawing of this workspace was left alone: no other tab is at work on it."""
    home = session.workspace()
    return bool(home) and model in workspaces.drawings(home) and drafts.age(model) > LEFT


def _write(model: str, draft: Draft, author: str, *, fresh: bool) -> str:
    """Save a drawing where there is room for it. fresh: it is new. Raises FileError, QuotaError."""
    circuit = drafts.circuit_of(draft)
    limits.current().check_model(0 if circuit is None else circuit.num_parameters)
    home = session.workspace()
    if not home:
        return drafts.save(model, draft, author)
    if fresh:
        session.room(0)
    stamp = drafts.save(model, draft, author, workspaces.drawings(home) if fresh else ())
    if fresh:
        workspaces.add_drawing(home, model)
    return stamp


def _renamed(history: History) -> History:
    """The drawing says that it is no longer what it was made from."""
    meta = dict(history.present.meta)
    title = str(meta.get("title") or "")
    meta.pop("story", None)
    if not title:
        meta["title"] = "Drawing"
    elif not title.endswith(", edited") and title != "Drawing":
        meta["title"] = f"{title}, edited"
    return dataclasses.replace(history, present=dataclasses.replace(history.present, meta=meta))


def _authors() -> list[str]:
    """The tokens by which this session owns drawings, the one to be written last."""
    return [session.token(), *st.session_state.get(_AUTHORS, ())]


def _remember_author(author: str) -> None:
    known = [one for one in st.session_state.get(_AUTHORS, ()) if one != author]
    st.session_state[_AUTHORS] = [*known[-3:], author]
