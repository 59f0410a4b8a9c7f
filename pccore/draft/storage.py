"""A draft as JSON, written by us and read with suspicion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn, cast

from pccore.draft.document import MAX_EDGES, MAX_UNITS, Draft
from pccore.draft.nodes import Arc, Leaf, Node, check_name
from pccore.errors import FileError, GraphError, NotFoundError, ParameterError
from pccore.graph import Json
from pccore.leaves import family_from_dict

#: The largest text that is read.
MAX_BYTES = 8_000_000
#: Variables of a stored draft.
MAX_VARIABLES = 10_000
_MARK = "pc-workbench draft"
_VERSION = 1
_KINDS = ("sum", "product", "leaf")


def to_json(draft: Draft) -> str:
    """The draft as one JSON object; `from_json` gives an equal draft back."""
    return json.dumps(
        {
            "format": _MARK,
            "version": _VERSION,
            "variables": list(draft.variables),
            "roots": list(draft.roots),
            "meta": dict(draft.meta),
            "nodes": [_encode(node) for node in draft.nodes.values()],
        },
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def _encode(node: Node) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "x": node.x,
        "y": node.y,
    }
    if node.arcs:
        entry["children"] = [arc.child for arc in node.arcs]
    if node.weights:
        entry["weights"] = list(node.weights)
    if node.leaf is not None:
        entry["leaf"] = {
            "variable": node.leaf.variable,
            **node.leaf.family.to_dict(),
            "values": list(node.leaf.values),
        }
    return entry


def from_json(text: str) -> Draft:
    """Read a draft. Raises FileError that says what is wrong, and at which unit."""
    if len(text) > MAX_BYTES:
        raise FileError(f"{len(text):,} characters are more than the {MAX_BYTES:,} of a draft")
    if text.count("{") > 4 * MAX_UNITS + 1000 or text.count(",") > 500_000:
        raise FileError("the text holds more than a draft can")
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"not valid JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise FileError("lists are nested too deeply") from None
    except FileError:
        raise
    except ValueError:
        raise FileError("a number has too many digits") from None
    return _read(_object(found, "the draft"))


def _read(entry: Mapping[str, object]) -> Draft:
    if entry.get("format") != _MARK or entry.get("version") != _VERSION:
        raise FileError(f"not a draft of version {_VERSION}")
    _keys(entry, {"format", "version", "variables", "roots", "meta", "nodes"}, "the draft")
    variables = _names(entry.get("variables"), "variables")
    meta = _object(entry.get("meta"), "meta")
    rows = entry.get("nodes")
    if not isinstance(rows, list) or len(cast("list[object]", rows)) > MAX_UNITS:
        raise FileError(f"nodes must be a list of at most {MAX_UNITS} entries")
    try:
        nodes = [_node(_object(row, "a node")) for row in cast("list[object]", rows)]
        if sum(len(node.arcs) for node in nodes) > MAX_EDGES:
            raise GraphError(f"a drawing has at most {MAX_EDGES:,} edges")
        draft = Draft(
            variables=variables, meta=MappingProxyType(cast("dict[str, Json]", dict(meta)))
        ).paste(nodes)
        if [node.name for node in draft.nodes.values()] != [node.name for node in nodes]:
            raise GraphError("two units have one name")
        return draft.set_roots(_names(entry.get("roots"), "roots"))
    except (GraphError, ParameterError, NotFoundError) as error:
        raise FileError(error.message, where=error.where) from None


def _node(entry: Mapping[str, object]) -> Node:
    id, kind, name = entry.get("id"), entry.get("kind"), entry.get("name")
    if not isinstance(id, str) or not isinstance(name, str) or kind not in _KINDS:
        raise FileError("a node needs an id, a name and a kind")
    where = name[:80]
    _keys(entry, {"id", "kind", "name", "x", "y", "children", "weights", "leaf"}, where)
    children = entry.get("children", [])
    weights = entry.get("weights")
    if not isinstance(children, list):
        raise FileError("children must be a list", where=where)
    below = cast("list[object]", children)
    given: list[float | None] = [None] * len(below)
    if weights is not None:
        if not isinstance(weights, list) or len(cast("list[object]", weights)) != len(below):
            raise FileError("there must be one weight for each child", where=where)
        given = [_number(w, where) for w in cast("list[object]", weights)]
    arcs: list[Arc] = []
    for child, weight in zip(below, given, strict=True):
        if not isinstance(child, str):
            raise FileError("a child must be the id of a node", where=where)
        arcs.append(Arc(child, weight))
    leaf = _leaf(_object(entry["leaf"], where), where) if "leaf" in entry else None
    x, y = _number(entry.get("x"), where), _number(entry.get("y"), where)
    return Node(id, kind, name, x, y, tuple(arcs), leaf)


def _leaf(entry: Mapping[str, object], where: str) -> Leaf:
    variable, values = entry.get("variable"), entry.get("values")
    if not isinstance(variable, str) or not isinstance(values, list):
        raise FileError("a leaf needs a variable and values", where=where)
    family = family_from_dict({k: v for k, v in entry.items() if k not in ("variable", "values")})
    numbers = tuple(_number(value, where) for value in cast("list[object]", values))
    return Leaf(variable, family, numbers)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileError("a number was expected", where=where)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FileError("a number is too large", where=where)
    return number


def _names(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(cast("list[object]", value)) > MAX_VARIABLES:
        raise FileError(f"{what} must be a list of at most {MAX_VARIABLES} names")
    found: list[str] = []
    for name in cast("list[object]", value):
        if not isinstance(name, str):
            raise FileError(f"{what} must be texts")
        if what == "variables":
            try:
                check_name(name, "variable")
            except GraphError as error:
                raise FileError(error.message) from None
        found.append(name)
    if len(set(found)) < len(found):
        raise FileError(f"{what} must be distinct")
    return tuple(found)


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise FileError("an object was expected", where=where)
    return cast("dict[str, object]", value)


def _keys(entry: Mapping[str, object], known: set[str], where: str) -> None:
    unknown = entry.keys() - known
    if unknown:
        raise FileError(f"there is an unknown key {min(unknown)[:40]!r}", where=where)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FileError("a key appears twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise FileError(f"{constant} is not a number that a draft can hold")
