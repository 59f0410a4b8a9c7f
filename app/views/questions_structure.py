"""Questions that the drawing answers: scopes, trees, determinism."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.lesson_terms import show
from pc_workbench.views.questions_base import OPTIONS, Question, listed, pick, scope_text
from pccore.graph import Unit

_MOST_TREES = 100_000
_YES = "yes"


def _scopes_below(subject: Subject, unit: Unit) -> str:
    parts = [
        f"{subject.shown(child)} over {scope_text(subject.scope(child))}"
        for child in subject.children(unit)
    ]
    return f"The children of {subject.name(unit)} are {listed(parts)}."


def _either(rng: np.random.Generator, faulty: list[Unit], fine: list[Unit]) -> Unit | None:
    """A faulty unit or a fine one, with equal chances where there are both."""
    if faulty and (not fine or rng.random() < 0.5):
        return pick(rng, faulty)
    return pick(rng, fine)


def decomposable(subject: Subject, rng: np.random.Generator) -> Question | None:
    """Is a product decomposable?"""
    products = [p for p in subject.of_kind("product") if len(subject.children(p)) > 1]
    faulty = [p for p in products if _shared(subject, p)]
    unit = _either(rng, faulty, [p for p in products if p not in faulty])
    if unit is None:
        return None
    name, shared = subject.name(unit), _shared(subject, unit)
    below = _scopes_below(subject, unit)
    more = f"They share {listed(shared)}." if shared else "No variable occurs in two of them."
    return Question(
        "decomposable",
        f"Is the product {name} decomposable?",
        f"no, its children share {listed(shared)}" if shared else _YES,
        f"{below} {more}",
        options=_ordered(rng, [_YES, *_sharings(subject, unit, shared)]),
        units=(name,),
    )


def _shared(subject: Subject, unit: Unit) -> tuple[str, ...]:
    """Variables in two children; a child that is used twice shares its scope with itself."""
    return subject.shared(unit)


def _sharings(subject: Subject, unit: Unit, shared: tuple[str, ...]) -> list[str]:
    """The sharing that there is, and others that there could be."""
    scope = subject.scope(unit)
    sets: list[tuple[str, ...]] = [shared] if shared else []
    sets += [(v,) for v in scope if (v,) != shared][: OPTIONS - 2]
    if len(scope) > 1 and scope != shared:
        sets.append(scope)
    return [f"no, its children share {listed(one)}" for one in sets][: OPTIONS - 1]


def smooth(subject: Subject, rng: np.random.Generator) -> Question | None:
    """Is a sum smooth, and if not, which variables does a child lack?"""
    sums = [s for s in subject.sums() if len(subject.children(s)) > 1]
    faulty = [s for s in sums if subject.missing(s)]
    unit = _either(rng, faulty, [s for s in sums if s not in faulty])
    if unit is None:
        return None
    name, missing = subject.name(unit), subject.missing(unit)
    gone = {v for lacking in missing.values() for v in lacking}
    lacking = tuple(v for v in subject.circuit.variables if v in gone)
    scope = subject.scope(unit)
    wrong: list[tuple[str, ...]] = [(v,) for v in scope if (v,) != lacking]
    if len(scope) > 1 and scope != lacking:
        wrong.append(scope)
    sets = ([lacking] if lacking else []) + wrong[: OPTIONS - 2]
    yes = "yes, all children have the same scope"
    return Question(
        "smooth",
        f"Is the sum {name} smooth (complete)? If not: which variables do children of it lack?",
        f"no, {listed(lacking)}" if lacking else yes,
        _scopes_below(subject, unit),
        options=_ordered(rng, [yes, *(f"no, {listed(one)}" for one in sets)]),
        units=(name,),
    )


def trees(subject: Subject, rng: np.random.Generator) -> Question | None:
    """How many induced trees?"""
    inner = [u for u in [*subject.sums(), *subject.of_kind("product")] if _depth(subject, u) > 1]
    top = subject.circuit.root if rng.random() < 0.5 else pick(rng, inner)
    if top is None or not subject.children(top):
        return None
    count = subject.induced_trees(top)
    if not 0 < count <= _MOST_TREES:
        return None
    name = subject.name(top)
    below = [(subject.shown(c), subject.induced_trees(c)) for c in subject.children(top)]
    is_sum = subject.circuit.groups[top.group].kind == "sum"
    if is_sum:  # children of weight zero are no choice
        weights = subject.weights(top)
        below = [one for one, weight in zip(below, weights, strict=True) if weight > 0]
    sign = " + " if is_sum else " · "
    numbers = sign.join(show(number) for _, number in below)
    parts = listed([f"{child} has {show(number)}" for child, number in below])
    rule = "adds up those of its children" if is_sum else "multiplies those of its children"
    kind = "sum" if is_sum else "product"
    return Question(
        "trees",
        f"How many induced trees has the sub-circuit below {name} (with it on top)?",
        float(count),
        f"An induced tree takes one child of every sum and all children of every product. So a "
        f"{kind} {rule}: {parts}.",
        equation=f"{numbers} = {show(count)}",
        tolerance=0.0,
        units=(name,),
    )


def _depth(subject: Subject, unit: Unit) -> int:
    return int(subject.circuit.levels[unit.group])


def deterministic(subject: Subject, rng: np.random.Generator) -> Question | None:
    """Is the circuit deterministic?"""
    verdict = subject.report.properties["deterministic"]
    if verdict == "unknown" or not subject.sums():
        return None
    offenders = [subject.name(w.unit) for w in subject.report.of("deterministic")]
    if verdict == "yes":
        why = "For every state, at most one child of each sum is positive."
    else:
        words = subject.report.of("deterministic")[0].message
        why = words[:1].upper() + words[1:].rstrip(".") + "."
    return Question(
        "deterministic",
        "Is this circuit deterministic: is at most one child of every sum positive, whatever the "
        "state?",
        _YES if verdict == "yes" else "no",
        why,
        options=(_YES, "no"),
        units=tuple(dict.fromkeys(offenders))[:1],
    )


def _ordered(rng: np.random.Generator, options: list[str]) -> tuple[str, ...]:
    """`yes` first, the rest in a random order."""
    rest = list(dict.fromkeys(options[1:]))
    return (options[0], *(rest[i] for i in rng.permutation(len(rest)).tolist()))


#: The kinds of this module: name to title and maker.
STRUCTURE: Mapping[str, tuple[str, Callable[[Subject, np.random.Generator], Question | None]]] = (
    MappingProxyType(
        {
            "decomposable": ("Is a product decomposable?", decomposable),
            "smooth": ("Is a sum smooth?", smooth),
            "trees": ("Induced trees", trees),
            "deterministic": ("Is the circuit deterministic?", deterministic),
        }
    )
)
