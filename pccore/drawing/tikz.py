r"""A picture as LaTeX: a document of the class standalone that needs TikZ and nothing else.

The source is plain ASCII. Accented Latin letters become accents, Greek letters become
mathematics, anything else its code point; what LaTeX would take for a command is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pccore.drawing.picture import LINE, RADIUS, Node, Picture, Point
from pccore.drawing.shapes import INK, VALUE, Colour, sign
from pccore.drawing.texts import Run, Text

_SPECIAL: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "#": r"\#",
        "$": r"\$",
        "%": r"\%",
        "&": r"\&",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\ensuremath{<}",
        ">": r"\ensuremath{>}",
        "|": r"\ensuremath{|}",
        '"': r"\textquotedblright{}",
        "`": r"\textquoteleft{}",
        "'": r"\textquoteright{}",
        # No ligatures: -- must stay two signs.
        "-": "-{}",
        ",": ",{}",
        "?": "?{}",
        "!": "!{}",
        "−": r"\ensuremath{-}",
        "∞": r"\ensuremath{\infty}",
        "¬": r"\ensuremath{\lnot}",
        "Δ": r"\ensuremath{\Delta}",
        "…": r"\dots{}",
        "ß": r"\ss{}",
        "æ": r"\ae{}",
        "ø": r"\o{}",
        "ł": r"\l{}",
        "ı": r"\i{}",
        "·": r"\ensuremath{\cdot}",
        "×": r"\ensuremath{\times}",
    }
)
_ACCENTS: Mapping[str, str] = MappingProxyType(
    {
        "\u0300": "`",
        "\u0301": "'",
        "\u0302": "^",
        "\u0303": "~",
        "\u0304": "=",
        "\u0306": "u",
        "\u0307": ".",
        "\u0308": '"',
        "\u030a": "r",
        "\u030b": "H",
        "\u030c": "v",
        "\u0327": "c",
    }
)
#: Greek letters that plain TeX has under their Unicode names.
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau"
    "|upsilon|phi|chi|psi|omega"
)
_CAPITALS = re.compile("gamma|delta|theta|lambda|xi|pi|sigma|upsilon|phi|psi|omega")

_HEAD = r"""\documentclass[tikz,border=3pt]{standalone}
\begin{document}
\begin{tikzpicture}[x=1pt, y=-1pt, line cap=round, line join=round,
  unit/.style={circle, draw=ink, fill=white, line width=0.9pt, inner sep=0pt,
    minimum size=%(size)spt},
  edge/.style={draw=ink!70, line width=0.7pt},
  weight/.style={fill=white, inner sep=0.8pt, font=\scriptsize},
  beside/.style={anchor=west, inner sep=3pt, font=\scriptsize},
  below leaf/.style={anchor=base, inner sep=0pt, font=\small}]
\definecolor{ink}{RGB}{%(ink)s}
\definecolor{value}{RGB}{%(value)s}
"""
_TAIL = "\\end{tikzpicture}\n\\end{document}\n"


def to_tikz(drawn: Picture) -> str:
    """The picture as a LaTeX document; `pdflatex` with the class standalone makes a page of it."""
    head = _HEAD % {"size": _n(2 * RADIUS), "ink": _rgb(INK), "value": _rgb(VALUE)}
    body: list[str] = []
    for number, node in enumerate(drawn.nodes):
        body.append(rf"\node[unit] (n{number}) at ({_n(node.x)},{_n(node.y)}) {{}};")
        body += _sign(node)
        body += _texts(number, node)
    for arc in drawn.arcs:
        inner = "".join(f" -- {_point(point)}" for point in arc.points[1:-1])
        body.append(rf"\draw[edge] (n{arc.parent}){inner} -- (n{arc.child});")
    for arc in drawn.arcs:
        if arc.weight:
            body.append(rf"\node[weight] at {_point(arc.label)} {{{escaped(arc.weight)}}};")
    title = escaped(drawn.title)
    return f"% {title}\n{head}" + "\n".join(body) + f"\n{_TAIL}"


def escaped(text: str) -> str:
    """The text as LaTeX that shows it, in ASCII and on one line."""
    return "".join(_character(c) for c in unicodedata.normalize("NFC", text))


def latex(line: Text) -> str:
    """A line with its bars and subscripts."""
    return "".join(_run(run) for run in line)


def _run(run: Run) -> str:
    text = escaped(run.text)
    if run.over:
        text = rf"\ensuremath{{\overline{{\mbox{{{text}}}}}}}"
    return rf"\textsubscript{{{text}}}" if run.sub else text


def _character(c: str) -> str:
    if c in _SPECIAL:
        return _SPECIAL[c]
    if " " <= c <= "~":
        return c
    parts = unicodedata.normalize("NFD", c)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        base = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0])
        return rf"\{_ACCENTS[parts[1]]}{{{base}}}"
    words = unicodedata.name(c, "").split()
    if len(words) == 4 and words[0] == "GREEK" and words[2] == "LETTER":
        letter = words[3].lower().replace("lamda", "lambda")
        if words[1] == "SMALL" and _GREEK.fullmatch(letter):
            return rf"\ensuremath{{\{letter}}}"
        if words[1] == "CAPITAL" and _CAPITALS.fullmatch(letter):
            return rf"\ensuremath{{\{letter.capitalize()}}}"
    return f"[U+{ord(c):04X}]" if c.isprintable() else " "


def _sign(node: Node) -> Iterator[str]:
    style = r"\fill[ink]" if node.glyph == "bars" else r"\draw[ink, line width=0.9pt]"
    for line in sign(node.glyph):
        points = " -- ".join(_point((node.x + x, node.y + y)) for x, y in line)
        yield f"{style} {points};"
    if node.root:
        top = node.y - RADIUS
        yield rf"\draw[edge] {_point((node.x, top))} -- {_point((node.x, top - 9))};"


def _texts(number: int, node: Node) -> Iterator[str]:
    for k, line in enumerate(node.below):
        place = _point((node.x, node.y + RADIUS + LINE * (k + 1) - 1))
        yield rf"\node[below leaf] at {place} {{{latex(line)}}};"
    lines = [escaped(node.name)] if node.name else []
    if node.value:
        lines.append(rf"\textcolor{{value}}{{{escaped(node.value)}}}")
    if lines:
        joined = r" \\ ".join(lines)
        yield rf"\node[beside, align=left] at (n{number}.east) {{{joined}}};"


def _point(point: Point) -> str:
    return f"({_n(point[0])},{_n(point[1])})"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _rgb(colour: Colour) -> str:
    return ",".join(str(part) for part in colour)
