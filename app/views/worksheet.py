"""Questions on paper: a worksheet, and apart from it the key, as Markdown and as HTML to print."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

from pc_workbench.views.lesson_terms import show
from pc_workbench.views.markup import plain
from pc_workbench.views.questions_base import Question
from pc_workbench.views.questions_part import Part
from pccore.drawing import picture, to_svg
from pccore.errors import PCError

_STYLE = """
@page { margin: 18mm 16mm; }
body { font: 11.5pt/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #111;
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5em; margin: 0 0 .2em; }
.facts, footer { color: #555; font-size: .9em; }
figure { margin: 1em 0; text-align: center; break-inside: avoid; }
figure svg { max-width: 100%; height: auto; max-height: 24rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9em; background: #f4f4f4;
  padding: .5em .7em; }
ol.questions { padding-left: 1.6em; }
ol.questions > li { margin: 0 0 1.1em; break-inside: avoid; }
ul.options { list-style: none; padding: .3em 0 0; margin: 0; }
ul.options li::before { content: "☐"; margin-right: .5em; }
.line { display: inline-block; border-bottom: 1px solid #555; width: 9em; height: 1.6em; }
.space { height: 3.2em; }
.answer { font-weight: 600; }
@media print { body { margin: 0; } }
"""


@dataclass(frozen=True)
class Worksheet:
    """A set of questions on one circuit. title: of the circuit. seed: gives the same set again."""

    part: Part
    questions: tuple[Question, ...]
    title: str
    seed: int

    @property
    def heading(self) -> str:
        """The first line."""
        return f"Questions on: {self.title}"

    @property
    def subject(self) -> str:
        """A line on what the questions are about."""
        below = self.part.below
        what = f"About the sub-circuit below {below}. " if below else ""
        return f"{what}{len(self.questions)} questions, seed {self.seed}."

    @property
    def svg(self) -> str:
        """The circuit as a picture, "" where it cannot be drawn."""
        try:
            return to_svg(picture(self.part.circuit, names=True))
        except PCError:
            return ""

    @property
    def formula(self) -> str:
        """The circuit as a text, "" where the notation cannot say it."""
        from pccore.formula import format_formula

        try:
            # Without title and story, which may give an answer away.
            return format_formula(self.part.circuit.with_meta({})).strip()
        except PCError:
            return ""


def answer_text(question: Question) -> str:
    """The right answer as a text."""
    if isinstance(question.answer, str):
        return question.answer
    return show(question.answer)


# -- Markdown --------------------------------------------------------------------------------


def to_markdown(sheet: Worksheet) -> str:
    """The worksheet without answers; the picture is embedded."""
    lines = [f"# {plain(sheet.heading)}", "", plain(sheet.subject), ""]
    if sheet.svg:
        data = base64.b64encode(sheet.svg.encode()).decode("ascii")
        lines += [f"![The circuit](data:image/svg+xml;base64,{data})", ""]
    if sheet.formula:
        lines += [*(f"    {line}" for line in sheet.formula.splitlines()), ""]
    for number, question in enumerate(sheet.questions, 1):
        lines += [f"{number}. {plain(question.text)}", ""]
        if question.options:
            lines += [*(f"    - [ ] {plain(option)}" for option in question.options), ""]
        else:
            lines += ["    Answer: ______________", ""]
    return "\n".join(lines)


def key_to_markdown(sheet: Worksheet) -> str:
    """The answers with their reasons."""
    lines = [f"# Key to: {plain(sheet.title)}", "", plain(sheet.subject), ""]
    for number, question in enumerate(sheet.questions, 1):
        lines += [f"{number}. {plain(question.text)}", ""]
        lines += [f"    **{plain(answer_text(question))}**", ""]
        lines += [f"    {plain(question.explanation)}", ""]
        if question.equation:
            lines += [f"    {plain(question.equation)}", ""]
    return "\n".join(lines)


# -- HTML ------------------------------------------------------------------------------------


def to_html(sheet: Worksheet) -> str:
    """The worksheet as one page to print, with room for the answers."""
    items: list[str] = []
    for question in sheet.questions:
        if question.options:
            options = "".join(f"<li>{_text(option)}</li>" for option in question.options)
            room = f'<ul class="options">{options}</ul>'
        else:
            room = '<div class="space"></div><div>Answer: <span class="line"></span></div>'
        items.append(f"<li>{_text(question.text)}{room}</li>")
    figure = f"<figure>{_inline(sheet.svg)}</figure>" if sheet.svg else ""
    formula = f"<pre>{_text(sheet.formula)}</pre>" if sheet.formula else ""
    name = '<p>Name: <span class="line"></span></p>'
    return _page(sheet.heading, sheet.subject, name + figure + formula, items)


def key_to_html(sheet: Worksheet) -> str:
    """The key as one page to print."""
    items = [
        f'<li>{_text(question.text)}<div class="answer">{_text(answer_text(question))}</div>'
        f"<div>{_text(question.explanation)}</div>"
        + (f"<pre>{_text(question.equation)}</pre>" if question.equation else "")
        + "</li>"
        for question in sheet.questions
    ]
    return _page(f"Key to: {sheet.title}", sheet.subject, "", items)


def _page(heading: str, facts: str, before: str, items: list[str]) -> str:
    questions = f'<ol class="questions">{"".join(items)}</ol>'
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(heading)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{_text(heading)}</h1><p class="facts">{_text(facts)}</p>{before}{questions}'
        "</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text)


def _inline(svg: str) -> str:
    """An SVG file as part of a page: without the XML declaration."""
    return svg[svg.index("<svg") :]
