"""What a violation breaks, ready to be shown: two numbers, two bars and the paths in words."""

from __future__ import annotations

import html
from dataclasses import dataclass

from pc_workbench.views import labels
from pccore.check import Witness
from pccore.check.walk import path_text
from pccore.consequence import Consequence
from pccore.graph import Circuit

_CSS = (
    "<style>.pcw-effect{display:grid;grid-template-columns:max-content 1fr max-content;"
    "gap:3px 8px;align-items:center;font-size:14px;font-variant-numeric:tabular-nums}"
    ".pcw-effect i{display:block;height:12px;border-radius:3px;min-width:2px;box-sizing:border-box;"
    "border:1.5px solid currentColor}"
    ".pcw-effect i.computed{background:repeating-linear-gradient(45deg,currentColor 0 2px,"
    "transparent 2px 6px)}"
    ".pcw-effect i.truth{background:currentColor;opacity:.65}</style>"
)


@dataclass(frozen=True, slots=True)
class Effect:
    """The two answers to one evidence. computed: of the upward pass; truth: by enumeration."""

    who: str
    given: str
    computed: float
    truth: float
    wrong: str


def effect(circuit: Circuit, found: Consequence, computed: float) -> Effect:
    """The answers of a consequence, with the upward pass's value as the engine computed it."""
    given = ", ".join(f"{name}={value:g}" for name, value in found.evidence.items())
    who = "S" if found.unit == circuit.root else circuit.unit_name(found.unit)
    larger, smaller = max(computed, found.truth), min(computed, found.truth)
    over = found.kind == "over"
    counts = "over-counts" if over else "under-counts"
    if smaller > 0 and larger / smaller > 1.005:
        counts += f": {larger / smaller:.3g} times too {'much' if over else 'little'}"
    return Effect(who, given, computed, found.truth, counts)


def bars(shown: Effect) -> str:
    """Both numbers with a bar each, as HTML; texts are escaped, the wrong one is hatched."""
    top = max(shown.computed, shown.truth) or 1.0
    given = shown.given or "∗"
    if len(given) > 16:
        given = "e"
    rows = []
    for kind, name, value in (
        ("computed", f"{shown.who}({given})", shown.computed),
        ("truth", "true sum", shown.truth),
    ):
        width = f"{100 * value / top:.1f}%"
        rows.append(
            f"<span>{html.escape(name)}</span><span><i class='{kind}' style='width:{width}'></i>"
            f"</span><b>{html.escape(labels.number(value))}</b>"
        )
    return f"{_CSS}<div class='pcw-effect'>{''.join(rows)}</div>"


def paths(circuit: Circuit, witness: Witness) -> list[str]:
    """Each path in words: how the variable arrives, or that it does not."""
    if not witness.paths or not witness.variables:
        return []
    variable = witness.variables[0]
    name = circuit.variables[variable]
    texts: list[str] = []
    for path in witness.paths:
        line = path_text(circuit, (witness.unit, *path))
        lacks = variable not in circuit.scopes[path[-1].group]
        texts.append(f"{line} lacks {name}" if lacks else f"{line} has {name}")
    return texts
