"""NAME.dot: a drawing of the circuit in Graphviz's language (for writing only).

Every string that comes from a model is written as a quoted, escaped string, so that no
name can become markup, an attribute or another statement.

Source: https://graphviz.org/doc/info/lang.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Literal

import graphviz
import torch

from pccore.errors import FileError, OptionError
from pccore.files.base import Format
from pccore.graph import Circuit, Group, LeafGroup, SparseEdges, SumGroup, Unit

#: Above this many units the drawing shows groups instead, unless told otherwise.
MAX_UNITS = 300
#: Above this many elements a drawing is refused: no layout ends on it.
MAX_ELEMENTS = 20_000

_SYMBOLS: Mapping[str, str] = MappingProxyType({"sum": "⊕", "product": "⊗"})


def to_dot(
    circuit: Circuit,
    level: Literal["auto", "group", "unit"] = "auto",
    *,
    values: Mapping[Unit, float | str] | None = None,
    weights: bool = True,
) -> str:
    """The circuit as a DOT graph, roots on top and marked by a double outline.

    level: "unit" draws every unit, with the weights on the edges; "group" draws one node
    per group, with its number of units; "auto" chooses by the number of units. values: written
    beside the units. weights: on the edges of sums.

    Raises OptionError when `level` asks for a drawing of more than MAX_ELEMENTS nodes and
    edges.
    """
    if level == "auto":
        level = "unit" if circuit.num_units <= MAX_UNITS else "group"
    if level == "unit":
        elements = circuit.num_units + circuit.num_edges
    else:
        elements = sum(1 + len(group.inputs) for group in circuit.groups)
    if elements > MAX_ELEMENTS:
        raise OptionError(
            f"a drawing of {elements} nodes and edges is more than the {MAX_ELEMENTS} allowed",
            hint="draw the groups instead" if level == "unit" else "export a part of it",
        )
    title = circuit.meta.get("title")
    lines = ["digraph circuit {"]
    if isinstance(title, str) and title:
        lines.append(f"  graph [label={quoted(title)} labelloc=t]")
    lines += ['  node [fontname="Helvetica"]', '  edge [fontname="Helvetica" fontsize=10]']
    lines += _units(circuit, values or {}, weights) if level == "unit" else _groups(circuit)
    return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    r"""`text` as a DOT string: shown as it is, line breaks kept (\n), never markup."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "�")
    escaped = graphviz.quoting.quote(graphviz.escape(plain)).replace("\n", "\\n")
    return escaped if escaped.startswith('"') else f'"{escaped}"'


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the drawing; raises FileError where `to_dot` raises OptionError."""
    try:
        text = to_dot(circuit)
    except OptionError as error:
        raise FileError(error.message, hint=error.hint) from None
    # A name may hold a lone surrogate, which UTF-8 cannot.
    stream.write(text.encode(errors="replace"))


def _units(circuit: Circuit, values: Mapping[Unit, float | str], weights: bool) -> Iterator[str]:
    # A circuit whose weights are missing or misshapen is drawn too, without those weights.
    stand_ins = {
        group.parameter: torch.ones(circuit.parameter_shape(group))
        for group in circuit.groups
        if group.kind == "sum" and not _fits(circuit, group)
    }
    drawn = circuit.with_params(circuit.params.updated(stand_ins))
    roots = set(circuit.roots)
    for position, group in enumerate(circuit.groups):
        known = weights and group.kind == "sum" and _fits(circuit, group)
        for index in range(group.size):
            unit = Unit(position, index)
            name = circuit.unit_name(unit)
            if group.kind == "leaf":
                text, shape = f"{name}\n{_distribution(circuit, group, index)}", "box"
            else:
                text, shape = _SYMBOLS[group.kind], "circle"
            outline = " peripheries=2" if unit in roots else ""
            if unit in values:
                value = values[unit]
                shown = value if isinstance(value, str) else f"{value:.3g}"
                outline += f" xlabel={quoted(shown)}"
            node = f"u{position}_{index}"
            yield f"  {node} [label={quoted(text)} shape={shape} tooltip={quoted(name)}{outline}]"
            for edge in drawn.children(unit):
                label = f' [label="{edge.weight:.3g}"]' if known else ""
                yield f"  {node} -> u{edge.child.group}_{edge.child.index}{label}"


def _groups(circuit: Circuit) -> Iterator[str]:
    rooted = {root.group for root in circuit.roots}
    for position, group in enumerate(circuit.groups):
        text = quoted(f"{group.name}\n{_what(circuit, group)}")
        shape = "box" if group.kind == "leaf" else "ellipse"
        outline = " peripheries=2" if position in rooted else ""
        yield f"  g{position} [label={text} shape={shape}{outline}]"
        for child in group.inputs:
            yield f"  g{position} -> g{child}"


def _what(circuit: Circuit, group: Group) -> str:
    count = f"{group.size} unit" + ("s" if group.size != 1 else "")
    if group.kind == "leaf":
        return f"{count}, {group.family.name}\n{_variables(circuit, group)}"
    edges = "sparse" if isinstance(group.edges, SparseEdges) else group.edges
    return f"{_SYMBOLS[group.kind]} {count}, {edges}"


def _variables(circuit: Circuit, group: LeafGroup) -> str:
    names = [circuit.variables[v] for v in group.variables[:6]]
    more = len(group.variables) - len(names)
    return ", ".join(names) + (f", {more} more" if more else "")


def _distribution(circuit: Circuit, group: LeafGroup, index: int) -> str:
    about = f"{_variables(circuit, group)} ~ {group.family.name}"
    if not _fits(circuit, group):
        return about
    numbers = circuit.params[group.parameter][0, index].reshape(-1).tolist()
    if len(group.variables) != 1 or len(numbers) > 4:
        return about
    return f"{about}({', '.join(f'{x:.3g}' for x in numbers)})"


def _fits(circuit: Circuit, group: LeafGroup | SumGroup) -> bool:
    """Whether the group's parameter is there and has the right shape."""
    tensor = circuit.params.get(group.parameter)
    return tensor is not None and tuple(tensor.shape) == circuit.parameter_shape(group)


FORMAT = Format(
    name="dot", title="Graphviz drawing", suffixes=(".dot", ".gv"), save=save, drawing=True
)
