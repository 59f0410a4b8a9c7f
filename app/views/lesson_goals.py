"""What a learner is asked to do in a step of a lesson, and how it is checked.

A goal is a frozen dataclass: its fields are the keys that a `task` block of a lesson may have
(texts with `{{expressions}}`, see `lesson_terms`), its method `judge` looks at what was done and
says what it gives. `GOALS` is the registry; a new kind of goal is a class and a line there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol

import numpy as np

from pc_workbench.views.lesson_subject import Subject, as_text, complete_states
from pc_workbench.views.lesson_terms import Terms, show
from pc_workbench.views.markup import plain
from pccore.reference import evaluate

#: What the answer is given with, besides the circuit itself.
Widget = Literal["number", "choice", "unit", ""]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a step is solved, and a sentence or two about what was done (Markdown)."""

    solved: bool
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was given besides acting on the circuit: a typed number, a choice, a unit's name."""

    typed: str = ""
    option: str = ""
    unit: str = ""


class Goal(Protocol):
    """The contract of a goal. at_once: whether every act is judged, without pressing Check."""

    widget: ClassVar[Widget]
    at_once: ClassVar[bool]

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Look at the live circuit and the answer."""
        ...


def read_number(text: str) -> float | None:
    """A number as people type it: `0.25`, `0,25`, `1/4`, `25 %`; None for anything else."""
    cleaned = text.strip().replace("−", "-")
    percent = cleaned.endswith("%")
    cleaned = cleaned.rstrip("%").strip()
    if cleaned.count(",") == 1 and "." not in cleaned:
        cleaned = cleaned.replace(",", ".")
    upper, slash, lower = cleaned.partition("/")
    try:
        value = float(upper) / (float(lower) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        return None
    return (value / 100 if percent else value) if math.isfinite(value) else None


def close(value: float, wanted: float, tolerance: float) -> bool:
    """Whether two numbers agree, relatively or to the digits that people write.

    Rounding to 0.0005 is forgiven, where that is at most a twentieth of the number.
    """
    size = abs(wanted)
    return abs(value - wanted) <= max(tolerance * size, min(5e-4, 0.05 * size), 1e-9)


def _first_true(pairs: Pairs, terms: Terms) -> str:
    """The text of the first condition that holds, "" if none does."""
    return next((terms.text(text) for what, text in pairs if terms.value(what)), "")


@dataclass(frozen=True, slots=True)
class Number:
    """Type a number. answer: an expression. tolerance: relative.

    mistakes: (expression, what to say to whom typed its value).
    """

    answer: str
    tolerance: float = 0.005
    mistakes: Pairs = ()
    widget: ClassVar[Widget] = "number"
    at_once: ClassVar[bool] = False

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compare with the answer, then with the mistakes that are expected."""
        if not answer.typed.strip():
            return Verdict(False, "Type a number first.")
        value = read_number(answer.typed)
        if value is None:
            return Verdict(False, "This is not a number; write it like 0.25 or 1/4.")
        wanted = terms.number(self.answer)
        if close(value, wanted, self.tolerance):
            return Verdict(True, f"{show(wanted)} is right.")
        for expression, text in self.mistakes:
            if close(value, terms.number(expression), self.tolerance):
                return Verdict(False, terms.text(text))
        side = "small" if value < wanted else "large"
        return Verdict(False, f"{show(value)} is too {side}.")


@dataclass(frozen=True, slots=True)
class Choice:
    """Choose one of some texts. options: texts; or options_from: an expression, `children("S")`.

    answer: an expression whose text is the right option. wrong: (option, what to say of it).
    """

    answer: str
    options: tuple[str, ...] = ()
    options_from: str = ""
    wrong: Pairs = ()
    otherwise: str = ""
    widget: ClassVar[Widget] = "choice"
    at_once: ClassVar[bool] = False

    def choices(self, terms: Terms) -> tuple[str, ...]:
        """The options, filled in; plain texts."""
        if self.options_from:
            found = terms.value(self.options_from)
            return tuple(map(show, found if isinstance(found, tuple) else (found,)))
        return self.options

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compare with the right option."""
        if not answer.option:
            return Verdict(False, "Choose an answer first.")
        if answer.option == show(terms.value(self.answer)):
            return Verdict(True, f"{plain(answer.option)} is right.")
        text = dict(self.wrong).get(answer.option, self.otherwise)
        said = terms.also(chosen=answer.option).text(text)
        return Verdict(False, f"Not {plain(answer.option)}. {said}".strip())


@dataclass(frozen=True, slots=True)
class Pick:
    """Select a unit in the drawing. among: an expression, the names of those that are right.

    mistakes: (condition, text), where `chosen` is the unit; otherwise: the text for the rest.
    """

    among: str
    mistakes: Pairs = ()
    otherwise: str = ""
    widget: ClassVar[Widget] = "unit"
    at_once: ClassVar[bool] = True

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Look whether the selected unit is among the right ones."""
        if not answer.unit:
            return Verdict(False, "Select a unit in the drawing, or in the list below it.")
        found = terms.value(self.among)
        names = found if isinstance(found, tuple) else (found,)
        if answer.unit in names:
            return Verdict(True, f"{plain(answer.unit)} is right.")
        named = terms.also(chosen=answer.unit)
        text = _first_true(self.mistakes, named) or named.text(self.otherwise)
        return Verdict(False, f"{plain(answer.unit)} is not it. {text}".strip())


@dataclass(frozen=True, slots=True)
class Observe:
    """Set the evidence. given: the evidence that is looked for, as text."""

    given: str
    mistakes: Pairs = ()
    widget: ClassVar[Widget] = ""
    at_once: ClassVar[bool] = False

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compare what is observed, variable by variable."""
        live = terms.live
        wanted = live.evidence(self.given)
        value, target = live.value(), live.value(wanted)
        if dict(live.given) == dict(wanted):
            return Verdict(True, f"With {as_text(wanted)} observed, S(e) is {show(target)}.")
        text = _first_true(self.mistakes, terms) or _difference(live, wanted)
        return Verdict(
            False,
            f"What you did gives S(e) = {show(value)}; we look for {show(target)}. {text}",
        )


def _difference(live: Subject, wanted: Mapping[str, float]) -> str:
    for name in live.circuit.variables:
        have, want = live.given.get(name), wanted.get(name)
        if have == want:
            continue
        if want is None:
            return f"{plain(name)} should not be observed."
        if have is None:
            return f"{plain(name)} is not observed yet."
        return f"{plain(name)} is observed to be {have:g}."
    return ""


@dataclass(frozen=True, slots=True)
class Reach:
    """Bring a quantity of the live circuit to a value, by whatever control the step has.

    what: an expression with `live.`. name: what it is called. target: an expression.
    mistakes: (condition, text).
    """

    what: str
    target: str
    name: str
    tolerance: float = 0.01
    mistakes: Pairs = ()
    widget: ClassVar[Widget] = ""
    at_once: ClassVar[bool] = False

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compute it and compare."""
        value, target = terms.number(self.what), terms.number(self.target)
        name = terms.text(self.name)
        text = _first_true(self.mistakes, terms)
        if close(value, target, self.tolerance) and not text:
            return Verdict(True, f"{name} is {show(value)}.")
        said = f"What you did gives {name} = {show(value)}; we look for {show(target)}. {text}"
        return Verdict(False, said.strip())


@dataclass(frozen=True, slots=True)
class Weights:
    """Set the weights of a sum. target: (child, expression) of each weight that counts."""

    sum: str
    target: Pairs
    tolerance: float = 0.01
    mistakes: Pairs = ()
    widget: ClassVar[Widget] = ""
    at_once: ClassVar[bool] = False

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compare weight by weight."""
        unit = terms.live.unit(self.sum)
        weights = terms.live.weights(unit)
        text = _first_true(self.mistakes, terms)
        for child, expression in self.target:
            value = float(weights[terms.live.child_number(unit, child)])
            wanted = terms.number(expression)
            if abs(value - wanted) > self.tolerance:
                side = "small" if value < wanted else "large"
                said = f"The weight of {plain(child)} is {show(value)}, which is too {side}. {text}"
                return Verdict(False, said.strip())
        return Verdict(True, "The weights are right.")


@dataclass(frozen=True, slots=True)
class Repair:
    """Change the circuit until properties hold. keeps: S(x) of complete states, up to a factor."""

    holds: tuple[str, ...]
    keeps: bool = True
    widget: ClassVar[Widget] = ""
    at_once: ClassVar[bool] = True

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Check the live circuit, and its distribution by enumeration."""
        report = terms.live.report
        for name in self.holds:
            if report.properties[name] != "yes":
                words = [w.message for w in report.of(name)][:1]
                more = f" {words[0][:1].upper()}{words[0][1:]}." if words else ""
                return Verdict(False, f"The circuit is not {name} yet.{plain(more)}")
        if self.keeps and not same_distribution(terms.opening, terms.live):
            return Verdict(
                False,
                "The property holds, but the circuit now represents another distribution than "
                "before. Reset the step and look for a repair that keeps it.",
            )
        kept = ", and the distribution is the one it was" if self.keeps else ""
        return Verdict(True, f"The circuit is {' and '.join(self.holds)} now{kept}.")


def same_distribution(before: Subject, after: Subject) -> bool:
    """Whether S(x) / sum of S(x) agrees on all complete states."""
    states = complete_states(before.circuit)
    if states is None or before.circuit.variables != after.circuit.variables:
        return False
    logs = [evaluate(one.circuit, states).root[:, 0] for one in (before, after)]
    first, second = (np.exp(log - log.max()) for log in logs)
    return bool(np.allclose(first / first.sum(), second / second.sum(), atol=1e-9))


@dataclass(frozen=True, slots=True)
class Do:
    """Do something until a condition holds. otherwise: what to say until then."""

    when: str
    otherwise: str
    mistakes: Pairs = ()
    widget: ClassVar[Widget] = ""
    at_once: ClassVar[bool] = False

    def judge(self, terms: Terms, answer: Answer) -> Verdict:
        """Compute the condition."""
        if terms.value(self.when):
            return Verdict(True, "Done.")
        return Verdict(False, _first_true(self.mistakes, terms) or terms.text(self.otherwise))


#: The kinds of goal, by the name that a lesson gives as `goal`.
GOALS: Mapping[str, type[Goal]] = MappingProxyType(
    {
        "number": Number,
        "choice": Choice,
        "pick": Pick,
        "observe": Observe,
        "reach": Reach,
        "weights": Weights,
        "repair": Repair,
        "do": Do,
    }
)
