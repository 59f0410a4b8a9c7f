"""The circuit of a step while somebody works on it: what it opens with, and what acts change."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import torch

from pc_workbench.views.lesson import Lesson, Step
from pc_workbench.views.lesson_goals import Answer, Verdict
from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.lesson_terms import Terms, show
from pc_workbench.views.scene import Scene, circuit_scene
from pccore.errors import OptionError
from pccore.files import load_model
from pccore.graph import Circuit, SparseEdges, SumGroup, Unit
from pccore.structures import figures

NOTHING = Answer()
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SIZED = re.compile(r"([a-z][a-z0-9_]*)\((n|\d+)\)")


@dataclass(frozen=True, slots=True)
class Live:
    """A step as it stands. given: evidence. answer: what was typed or chosen. n: of the slider.

    tried: whether the answer was checked since the last change. solved: whether it ever was right.
    repaired: titles of the repairs that were applied. draws: how often samples were drawn.
    """

    circuit: Circuit
    given: tuple[tuple[str, float], ...] = ()
    answer: Answer = NOTHING
    n: int = 0
    tried: bool = False
    solved: bool = False
    repaired: tuple[str, ...] = ()
    draws: int = 0

    def changed(self, **changes: object) -> Live:
        """After an act: what was said of the state before no longer counts."""
        return dataclasses.replace(self, tried=False, **changes)  # type: ignore[arg-type]

    def observed(self, name: str, value: float | None) -> Live:
        """With one variable observed, or not observed any more (None)."""
        rest = {one: known for one, known in self.given if one != name}
        if value is not None:
            rest[name] = value
        order = {one: place for place, one in enumerate(self.circuit.variables)}
        given = tuple(sorted(rest.items(), key=lambda pair: order.get(pair[0], 0)))
        return self.changed(given=given)


def circuit_of(model: str, n: int = 0) -> Circuit:
    """The circuit that a lesson names: a sample, `figure3_parity(n)`, or a formula.

    Raises NotFoundError, SourceError, OptionError.
    """
    sized = _SIZED.fullmatch(model)
    if sized is not None:
        makers = {
            "figure3_parity": figures.figure3_parity,
            "figure3_mixture": figures.figure3_mixture,
        }
        if sized[1] not in makers:
            raise OptionError(f"there is no figure {sized[1]!r} that takes a size")
        return makers[sized[1]](n if sized[2] == "n" else int(sized[2]))
    if _NAME.fullmatch(model):
        maker = figures.figures().get(model)
        return load_model(model) if maker is None else maker()
    # Only lessons with a formula need the parser.
    from pccore.formula import parse_formula

    return parse_formula(model)


def opening(lesson: Lesson, step: Step, n: int | None = None) -> Live:
    """How a step begins. n: of the slider, where it was moved."""
    size = (step.setup.n[2] if step.setup.n else 0) if n is None else n
    circuit = circuit_of(step.setup.model or lesson.model, size)
    for parent, child, weight in step.setup.weights:
        named = Subject(circuit)
        unit = named.unit(parent)
        circuit = with_weight(circuit, unit, named.child_number(unit, child), weight, False)
    given = Subject(circuit).evidence(step.setup.evidence)
    return Live(circuit, tuple(given.items()), n=size)


def terms_of(lesson: Lesson, step: Step, live: Live) -> Terms:
    """What the expressions of a step mean now."""
    first = opening(lesson, step, live.n if step.setup.n else None)
    data = lesson.data if _fits(lesson, first.circuit) else ()
    names = {"n": live.n, "draws": live.draws, "chosen": live.answer.unit or live.answer.option}
    return Terms(
        Subject(first.circuit, dict(first.given), data),
        Subject(live.circuit, dict(live.given), data),
        names,
    )


def _fits(lesson: Lesson, circuit: Circuit) -> bool:
    return bool(lesson.data) and len(lesson.data[0]) == len(circuit.variables)


def judge(step: Step, terms: Terms, live: Live) -> Verdict | None:
    """What the goal says of the state; None where the step asks nothing."""
    return None if step.task is None else step.task.goal.judge(terms, live.answer)


def with_weight(circuit: Circuit, unit: Unit, child: int, weight: float, keep: bool) -> Circuit:
    """The circuit with one weight of a sum changed.

    keep: the other weights share what is left of their sum in the proportions that they had.
    """
    group = circuit.groups[unit.group]
    if not isinstance(group, SumGroup):
        raise OptionError("only sums have weights", where=group.name)
    tensor = circuit.params[group.parameter].clone()
    if isinstance(group.edges, SparseEdges):
        row = tensor[
            int(group.edges.offsets[unit.index]) : int(group.edges.offsets[unit.index + 1])
        ]
    else:
        row = tensor[unit.index]
    total = float(row.sum())
    others = torch.ones(len(row), dtype=torch.bool)
    others[child] = False
    rest = float(row[others].sum())
    weight = max(0.0, min(weight, total) if keep else weight)
    if keep and bool(others.any()):
        if rest > 0:
            row[others] *= (total - weight) / rest
        else:
            row[others] = (total - weight) / int(others.sum())
    row[child] = weight
    return circuit.with_params(circuit.params.updated({group.parameter: tensor}))


# -- what is drawn ---------------------------------------------------------------------------


def scene_of(subject: Subject, shown: str, name: str, marks: bool = True) -> Scene:
    """The drawing of the live circuit with `shown` beside its units.

    marks: whether violations are marked.
    """
    circuit = subject.circuit
    report = subject.report if marks else None
    scene = circuit_scene(circuit, report, values=_texts(subject, shown), name=name)
    if shown == "largest":
        _mark_tree(scene, subject)
    return scene


def _texts(subject: Subject, shown: str) -> dict[Unit, str]:
    units = [Unit(g, i) for g, n in enumerate(subject.circuit.groups) for i in range(n.size)]
    if shown == "nothing":
        return {}
    if shown == "scopes":
        inner = [unit for unit in units if subject.circuit.groups[unit.group].kind != "leaf"]
        return {unit: ", ".join(subject.scope(unit)) for unit in inner}
    if shown == "largest":
        maxima = subject.log_maxima()
        return {u: show(float(np.exp(maxima[u.group][u.index])), 3) for u in units}
    values = subject.values()
    read = {
        "values": values.value_of,
        "derivatives": values.derivative_of,
        "flows": values.flow_of,
    }[shown]
    return {unit: show(float(read(unit)), 3) for unit in units}


def _mark_tree(scene: Scene, subject: Subject) -> None:
    """The induced tree of max-product strong, the rest of the drawing faint."""
    tree = subject.mpe_tree()
    chosen = {
        (f"u:{unit.group}:{unit.index}", f"u:{child.group}:{child.index}")
        for unit, children in tree.items()
        for child in children
    }
    kept = {f"u:{unit.group}:{unit.index}" for unit in tree}
    for node in scene["nodes"]:
        node["emphasis"] = 1.0 if node["id"] in kept else 0.4
    for edge in scene["edges"]:
        on = (edge["source"], edge["target"]) in chosen
        edge["emphasis"] = 1.0 if on else 0.3
        edge["dashed"] = not on
