"""How objects show themselves in a notebook: small circuits as drawings, the rest as cards.

`Circuit`, `Report` and `Trace` find `html` and `svg` here by name (`pccore.discovery.Shown`): they
lie in lower layers than what draws them. Every string of a model is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import singledispatch
from html import escape

from pccore.check import PROPERTIES, Report
from pccore.drawing import picture, to_svg
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.reference import Trace

#: Units and edges of a circuit that is drawn.
MAX_UNITS, MAX_EDGES = 60, 150
#: Rows of a table that are written out.
MAX_ROWS = 20
#: Names that are listed.
_NAMES = 8

# Inherits the colours of the notebook, dark or light; the drawing has paper of its own.
_CARD = (
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;display:inline-block;"
    "border:1px solid #8888;border-radius:6px;padding:8px 12px;max-width:100%;overflow-x:auto"
)


@singledispatch
def html(shown: object) -> str | None:
    """The object as HTML; None where there is nothing better than its text."""
    return None


@singledispatch
def svg(shown: object) -> str | None:
    """The object as a drawing; None where there is none, or where it would not be legible."""
    return None


@svg.register
def _(circuit: Circuit) -> str | None:
    if circuit.num_units > MAX_UNITS or circuit.num_edges > MAX_EDGES:
        return None
    return _drawing(circuit)


@html.register
def _(circuit: Circuit) -> str:
    drawn = svg(circuit)
    return _card(_heading(circuit), "" if drawn is None else _paper(drawn))


@html.register
def _(report: Report) -> str:
    rows = [(name, report.properties[name]) for name in PROPERTIES if name in report.properties]
    lines = [f"{'✓' if v == 'yes' else '✗' if v == 'no' else '?'} {v}" for _, v in rows]
    table = _table(("property", ""), zip((name for name, _ in rows), lines, strict=True))
    said = "valid" if report.valid else "not valid"
    found = [witness.message for witness in report.violations]
    items = "".join(f"<li>{escape(text)}</li>" for text in found[:MAX_ROWS])
    if len(found) > MAX_ROWS:
        items += f"<li>and {len(found) - MAX_ROWS} more</li>"
    return _card(f"<b>{said}</b>", table, f"<ul>{items}</ul>" if items else "")


@svg.register
def _(trace: Trace) -> str | None:
    if len(trace.x) != 1 or svg(trace.circuit) is None:
        return None
    values = {
        Unit(g, k): math.exp(min(float(log), 700.0))
        for g, logs in enumerate(trace.log_values)
        for k, log in enumerate(logs[0])
    }
    return _drawing(trace.circuit, values)


@html.register
def _(trace: Trace) -> str:
    drawn = svg(trace)
    if drawn is not None:
        return _card(f"<b>Values</b> of {_heading(trace.circuit)}", _paper(drawn))
    count = _count(len(trace.x), "row")
    heading = f"<b>Log-values</b> of {count} under {_heading(trace.circuit)}"
    header = [f"log {trace.circuit.unit_name(root)}" for root in trace.circuit.roots[:_NAMES]]
    rows = ([f"{value:.6g}" for value in row[:_NAMES]] for row in trace.root[:MAX_ROWS])
    more = len(trace.x) - MAX_ROWS
    return _card(heading, _table(header, rows), f"and {more} more rows" if more > 0 else "")


# -- pieces ----------------------------------------------------------------------------------


def _drawing(circuit: Circuit, values: dict[Unit, float] | None = None) -> str | None:
    try:
        drawn = to_svg(picture(circuit, values=values))
    except PCError:  # nothing to draw
        return None
    return drawn[drawn.index("<svg") :]


def _paper(drawn: str) -> str:
    return f'<div style="margin-top:8px;overflow-x:auto">{drawn}</div>'


def _heading(circuit: Circuit) -> str:
    title = str(circuit.meta.get("title", "") or "Circuit")
    names = ", ".join(circuit.variables[:_NAMES])
    names += ", …" if len(circuit.variables) > _NAMES else ""
    sizes = {"sum": 0, "product": 0, "leaf": 0}
    for group in circuit.groups:
        sizes[group.kind] += group.size
    kinds = [_count(size, kind) for kind, size in sizes.items() if size]
    facts = [
        f"{_count(len(circuit.variables), 'variable')} ({names})" if names else "no variables",
        f"{_count(circuit.num_units, 'unit')} in {_count(len(circuit.groups), 'group')}",
        ", ".join(kinds),
        _count(circuit.num_edges, "edge"),
        _count(circuit.num_parameters, "parameter"),
        f"depth {circuit.depth}",
    ]
    return f"<b>{escape(title)}</b><br>{escape(' · '.join(facts))}"


def _count(number: int, noun: str) -> str:
    several = "leaves" if noun == "leaf" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th style="text-align:left">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    style = "font-size:inherit"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _card(*parts: str) -> str:
    return f'<div style="{_CARD}">{"".join(parts)}</div>'
