"""Questions that are answered by computing: values, probabilities, dice, winners."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from pc_workbench.views.lesson_functions import roll
from pc_workbench.views.lesson_subject import Given, Subject, as_text, states_of
from pc_workbench.views.lesson_terms import show
from pc_workbench.views.questions_base import (
    Question,
    children_hint,
    licensed,
    listed,
    names_of,
    pick,
    readable,
    some_evidence,
    under,
)
from pccore.graph import Unit

_TERMS = 6  # children in a filled-in equation


def value(subject: Subject, rng: np.random.Generator) -> Question | None:
    """The value of a unit under evidence."""
    given = some_evidence(subject, rng)
    units = [*subject.sums(), *subject.of_kind("product")]
    unit = pick(rng, [u for u in units if 1 < len(subject.children(u)) <= _TERMS])
    if given is None or unit is None:
        return None
    values = subject.values(given)
    result = values.value_of(unit)
    if not math.isfinite(result):
        return None
    name = subject.name(unit)
    children = [f"{subject.shown(c)} = {show(values.value_of(c))}" for c in subject.children(unit)]
    hint = children_hint(subject, unit, given)
    kind = subject.circuit.groups[unit.group].kind
    rule = "weighted sum" if kind == "sum" else "product"
    return Question(
        "value",
        f"{under(given)}: what is the value of {name}?{hint}",
        result,
        f"{name} is the {rule} of its children: {listed(children)}.",
        equation=f"{name} = {_filled(subject, unit, given)} = {show(result)}",
        given=tuple(given.items()),
        units=(name,),
    )


def _filled(subject: Subject, unit: Unit, given: Given) -> str:
    """`0.6 · 1 + 0.4 · 0`, or `0.9 · 0.8`."""
    values = subject.values(given)
    numbers = [show(values.value_of(child)) for child in subject.children(unit)]
    if subject.circuit.groups[unit.group].kind != "sum":
        return " · ".join(numbers)
    weights = subject.weights(unit).tolist()
    return " + ".join(f"{show(w)} · {v}" for w, v in zip(weights, numbers, strict=True))


def probability(subject: Subject, rng: np.random.Generator) -> Question | None:
    """P(e)."""
    given = some_evidence(subject, rng)
    if given is None or not readable(subject) or not licensed(subject, "probability"):
        return None
    top, whole = subject.value(given), subject.partition()
    if not 0 < whole < math.inf:
        return None
    return Question(
        "probability",
        f"What is P({as_text(given)})?",
        top / whole,
        "The probability of evidence is the root's value with the evidence, divided by the "
        "root's value with nothing observed.",
        equation=f"S(e) / Z = {show(top)} / {show(whole)} = {show(top / whole)}",
        given=tuple(given.items()),
        units=(subject.name(subject.circuit.root),),
    )


def posterior(subject: Subject, rng: np.random.Generator) -> Question | None:
    """P(X = x | e) of a variable that is not observed."""
    given = some_evidence(subject, rng, leave=1)
    if given is None or not readable(subject) or not licensed(subject, "conditional"):
        return None
    circuit = subject.circuit
    scope = circuit.scopes[circuit.root.group]
    free = [v for v in scope if circuit.variables[v] not in given and states_of(circuit, v)]
    if not free:
        return None
    v = int(rng.choice(free))
    name, state = circuit.variables[v], int(rng.integers(states_of(circuit, v) or 1))
    both = {**given, name: float(state)}
    top, below = subject.value(both), subject.value(given)
    return Question(
        "posterior",
        f"What is P({name} = {state} | {as_text(given)})?",
        top / below,
        "The posterior is the value with both observed, divided by the value of the evidence "
        "alone; Z cancels.",
        equation=f"S({as_text(both)}) / S({as_text(given)}) = {show(top)} / {show(below)} "
        f"= {show(top / below)}",
        given=tuple(given.items()),
        units=(subject.name(circuit.root),),
    )


def _sums(subject: Subject) -> list[Unit]:
    return [s for s in subject.sums() if len(subject.children(s)) > 1]


def winner(subject: Subject, rng: np.random.Generator) -> Question | None:
    """Which child does max-product choose at a sum?"""
    given = some_evidence(subject, rng)
    unit = pick(rng, _sums(subject))
    if given is None or unit is None or not licensed(subject, "mpe"):
        return None
    children = subject.children(unit)
    names, terms = names_of(subject, children), subject.max_terms(unit, given)
    largest = np.sort(terms)[::-1]
    # A draw, or nearly one, is no question.
    if names is None or not largest[0] > 0 or largest[1] > 0.999 * largest[0]:
        return None
    weights = subject.weights(unit)
    parts = [
        f"{name}: {show(float(w))} · {show(float(t / w) if w else 0.0)} = {show(float(t))}"
        for name, w, t in zip(names, weights, terms, strict=True)
    ]
    name = subject.name(unit)
    maxima = [
        f"{one} = {show(float(t / w) if w else 0.0)}"
        for one, w, t in zip(names, weights, terms, strict=True)
    ]
    more = "" if readable(subject) else f" Their max-product values are {listed(maxima)}."
    return Question(
        "winner",
        f"{under(given)}, sums replaced by maxima: which child wins at the sum {name}?{more}",
        names[int(terms.argmax())],
        "The winner has the largest product of weight and max-product value.",
        equation="; ".join(parts),
        options=tuple(names),
        given=tuple(given.items()),
        units=(name,),
    )


def die(subject: Subject, rng: np.random.Generator) -> Question | None:
    """Which child does a die choose at a sum, with or without evidence?"""
    given: Given | None = {} if rng.random() < 0.4 else some_evidence(subject, rng)
    unit = pick(rng, _sums(subject))
    if given is None or unit is None or not licensed(subject, "sample"):
        return None
    names = names_of(subject, subject.children(unit))
    logs = subject.values(given).log_terms(unit)
    if names is None or not logs.max() > -np.inf:
        return None
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    ends = np.cumsum(shares)
    rolled = round(float(rng.integers(1, 100)) / 100, 2)
    # Not at the border of two pieces, where rounding would decide.
    if float(np.abs(ends - rolled).min()) < 0.005:
        return None
    chosen = roll(shares.tolist(), rolled)
    pieces = [
        f"{name} from {show(float(end - share))} to {show(float(end))}"
        for name, share, end in zip(names, shares, ends, strict=True)
        if share > 0
    ]
    name = subject.name(unit)
    return Question(
        "die",
        f"You sample a state from the root downwards and have come to the sum {name}. "
        f"{under(given)}, the die shows {rolled:g}. Which child do you follow? (Children in the "
        f"order {listed(names)}.){children_hint(subject, unit, given) if given else ''}",
        names[chosen],
        "Each child owns a piece of the unit interval as long as weight times value, divided by "
        f"their sum: {'; '.join(pieces)}.",
        equation=f"{show(float(ends[chosen] - shares[chosen]))} ≤ {rolled:g} < "
        f"{show(float(ends[chosen]))}",
        options=tuple(names),
        given=tuple(given.items()),
        units=(name,),
    )


def share(subject: Subject, rng: np.random.Generator) -> Question | None:
    """The posterior of a hidden variable: how probable is it that the root chose a child?"""
    unit = subject.circuit.root
    given = some_evidence(subject, rng)
    if given is None or not readable(subject) or not licensed(subject, "sample"):
        return None
    if subject.circuit.groups[unit.group].kind != "sum":
        return None
    names = names_of(subject, subject.children(unit))
    if names is None or len(names) < 2:
        return None
    number = int(rng.integers(len(names)))
    result = float(subject.values(given).edge_flows(unit)[number])
    weight = float(subject.weights(unit)[number])
    child = subject.values(given).value_of(subject.children(unit)[number])
    total = subject.value(given)
    return Question(
        "share",
        f"Read the root {subject.name(unit)} as a hidden choice. {under(given)}, how probable is "
        f"it that {names[number]} was chosen?",
        result,
        "Prior weight times how well the child explains the evidence, divided by the root's value.",
        equation=f"{show(weight)} · {show(child)} / {show(total)} = {show(result)}",
        given=tuple(given.items()),
        units=(subject.name(unit),),
    )


#: The kinds of this module: name to title and maker.
NUMBERS: Mapping[str, tuple[str, Callable[[Subject, np.random.Generator], Question | None]]] = (
    MappingProxyType(
        {
            "value": ("The value of a unit", value),
            "probability": ("Probability of evidence", probability),
            "posterior": ("A posterior", posterior),
            "winner": ("Which child wins in MPE?", winner),
            "die": ("What does a die choose?", die),
            "share": ("Posterior of a hidden choice", share),
        }
    )
)
