"""What the browser did to a drawing: operations as JSON, checked and applied to a draft.

A batch is one gesture, hence one step of undo: `{"seq": 7, "sheet": "1f0a", "ops": [...]}`. The
browser sends all batches that were not acknowledged yet, so that none is lost when two gestures
come before one answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from pccore.draft import Arc, Draft, Edge, History, Leaf, Node
from pccore.errors import GraphError
from pccore.leaves import family_from_dict

#: Batches that may wait for an answer, and operations of one batch.
MOST_BATCHES, MOST_OPS = 500, 50
#: Places that one `move`, units that one `paste` may name.
MOST_NODES = 1000
_STREAM = re.compile(r"[a-z0-9]{8,32}")

Op = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """One gesture. seq: grows with every gesture of one stream; sheet: what was drawn on."""

    seq: int
    sheet: str
    ops: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Edits:
    """What the browser sent. stream: one mounted editor; author: a tab, also over a reload."""

    stream: str
    author: str
    batches: tuple[Batch, ...]


def read_edits(payload: object) -> Edits | None:
    """Validate the form of what the browser sent; None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    stream, author, rows = payload.get("stream"), payload.get("author"), payload.get("batches")
    if not isinstance(stream, str) or not _STREAM.fullmatch(stream):
        return None
    if not isinstance(author, str) or not _STREAM.fullmatch(author):
        return None
    if not isinstance(rows, list) or len(rows) > MOST_BATCHES:
        return None
    batches: list[Batch] = []
    for row in rows:
        if not isinstance(row, Mapping) or type(row.get("seq")) is not int:
            return None
        ops = row.get("ops")
        if not isinstance(ops, list) or not 0 < len(ops) <= MOST_OPS:
            return None
        if not all(isinstance(op, Mapping) and isinstance(op.get("op"), str) for op in ops):
            return None
        if batches and row["seq"] <= batches[-1].seq:
            return None
        batches.append(Batch(row["seq"], str(row.get("sheet", ""))[:40], tuple(ops)))
    return Edits(stream, author, tuple(batches))


def apply_batch(history: History, batch: Batch) -> History:
    """The history after one gesture. Raises PCError; the history then stays as it was."""
    first = batch.ops[0]["op"]
    if first == "undo":
        return history.undo()
    if first == "redo":
        return history.redo()
    draft = history.present
    for op in batch.ops:
        draft = apply_op(draft, op)
    return history.push(draft)


def apply_op(draft: Draft, op: Op) -> Draft:
    """The draft after one operation. Raises PCError, GraphError where the form is wrong."""
    known = _OPERATIONS.get(op["op"])
    if known is None:
        raise GraphError(f"there is no operation {str(op['op'])[:40]!r}")
    try:
        return known(draft, op)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, GraphError) or hasattr(error, "where"):  # a PCError says it all
            raise
        raise GraphError(f"the operation {op['op']} was not understood") from None


# -- the operations --------------------------------------------------------------------------


def _add(draft: Draft, op: Op) -> Draft:
    leaf = _leaf(op["leaf"]) if op["kind"] == "leaf" else None
    name = _text(op["name"]) if op.get("name") else None
    if op["kind"] not in ("sum", "product", "leaf"):
        raise ValueError("kind")
    return draft.add(
        _text(op["id"]), op["kind"], _number(op["x"]), _number(op["y"]), name=name, leaf=leaf
    )


def _delete(draft: Draft, op: Op) -> Draft:
    return draft.delete(
        [_text(n) for n in _few(op.get("nodes", []))], [_edge(e) for e in _few(op.get("edges", []))]
    )


def _connect(draft: Draft, op: Op) -> Draft:
    weight = op.get("weight")
    return draft.connect(
        _text(op["source"]),
        _text(op["target"]),
        None if weight is None else _number(weight),
        again=op.get("again") is True,
    )


def _reconnect(draft: Draft, op: Op) -> Draft:
    source, target = op.get("source"), op.get("target")
    return draft.reconnect(
        _edge(op["edge"]),
        source=None if source is None else _text(source),
        target=None if target is None else _text(target),
        again=op.get("again") is True,
    )


def _move(draft: Draft, op: Op) -> Draft:
    places = op["places"]
    if not isinstance(places, Mapping) or len(places) > MOST_NODES:
        raise ValueError("places")
    return draft.move({_text(n): (_number(x), _number(y)) for n, (x, y) in places.items()})


def _paste(draft: Draft, op: Op) -> Draft:
    nodes: list[Node] = []
    for entry in _few(op["nodes"]):
        leaf = _leaf(entry["leaf"]) if entry["kind"] == "leaf" else None
        arcs = tuple(
            Arc(_text(child), None if weight is None else _number(weight))
            for child, weight in _few(entry.get("arcs", []))
        )
        place = (_number(entry["x"]), _number(entry["y"]))
        nodes.append(
            Node(_text(entry["id"]), entry["kind"], _text(entry["name"]), *place, arcs, leaf)
        )
    return draft.paste(nodes)


_OPERATIONS: Mapping[str, Callable[[Draft, Op], Draft]] = MappingProxyType(
    {
        "add": _add,
        "delete": _delete,
        "connect": _connect,
        "reconnect": _reconnect,
        "weight": lambda draft, op: draft.set_weight(_edge(op["edge"]), _number(op["weight"])),
        "normalise": lambda draft, op: draft.normalise(_text(op["id"])),
        "leaf": lambda draft, op: draft.set_leaf(_text(op["id"]), _leaf(op["leaf"])),
        "rename": lambda draft, op: draft.rename(_text(op["id"]), _text(op["name"]).strip()),
        "move": _move,
        "roots": lambda draft, op: draft.set_roots([_text(n) for n in _few(op["ids"])]),
        "paste": _paste,
        "tidy": lambda draft, op: draft.tidied(),
    }
)


# -- values ----------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError("not a text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _few(value: object) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > 20 * MOST_NODES:
        raise ValueError("not a list")
    return value


def _edge(value: object) -> Edge:
    source, target, number = cast("Sequence[Any]", value)
    if type(number) is not int:
        raise ValueError("not an edge")
    return _text(source), _text(target), number


def _leaf(value: object) -> Leaf:
    """`{"variable", "family": {"family": name, hyperparameters}, "values": [...]}`."""
    entry = cast("Mapping[str, Any]", value)
    family = entry["family"]
    if not isinstance(family, Mapping) or len(family) > 20:
        raise ValueError("not a family")
    numbers = tuple(_number(v) for v in _few(entry["values"]))
    return Leaf(_text(entry["variable"]).strip(), family_from_dict(family), numbers)
