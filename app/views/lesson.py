"""Lessons: Markdown files with a heading for each step, read into plain values.

    +++
    title = "Marginals in one pass"
    minutes = 12
    model = "figure1_naive_bayes"        # a sample, a figure with its size, or a formula
    goals = ["..."]
    notes = "for the instructor"
    +++
    ## The first step
    Text with {{S(X1=1)}} in it.

    ```step
    evidence = "X1=1"                    # what the step opens with
    controls = ["evidence"]
    ```
    ```task
    goal = "number"                      # see `lesson_goals`
    ask = "What is ...?"
    ```

The blocks hold TOML. An unknown key, goal or control is a FileError that names file and line.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pc_workbench.views.lesson_goals import GOALS, Goal
from pccore.errors import FileError

_HEAD = re.compile(r"\A\+\+\+\n(.*?)^\+\+\+\n", re.DOTALL | re.MULTILINE)
_STEP = re.compile(r"^## +(.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(step|task|table)\n(.*?)^```\n?", re.DOTALL | re.MULTILINE)
#: Types that a block's values have, by the word in the annotation.
_TYPES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"str": str, "int": int, "float": (int, float), "bool": bool, "tuple": tuple}
)
#: What stands beside the units of the drawing.
SHOWN = ("values", "derivatives", "flows", "largest", "scopes", "nothing")
#: Ways to act on the circuit; `weights:NAME` needs the name of a sum.
CONTROLS = ("evidence", "weights", "n", "repairs", "draw")


@dataclass(frozen=True, slots=True)
class Setup:
    """How a step opens.

    model: "" for the lesson's. evidence: as text. show: one of SHOWN. controls: of CONTROLS.
    keep: whether the other weights follow so that their sum stays. weights: (sum, child, weight)
    that differ from the model's. n: least, most, first value.
    notes: for the instructor.
    """

    model: str = ""
    evidence: str = ""
    show: str = "values"
    controls: tuple[str, ...] = ()
    keep: bool = True
    weights: tuple[tuple[str, str, float], ...] = ()
    n: tuple[int, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked. done: said when it is solved. hint: shown on request."""

    goal: Goal
    ask: str
    hint: str
    done: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is computed: for each value of `name` in `over`, one expression a column.

    over: an expression that gives a list. columns: (heading, expression).
    """

    over: str
    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step. body: texts and tables in their order."""

    title: str
    body: tuple[str | Table, ...]
    setup: Setup
    task: Task | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson. data: complete rows that some lessons learn from."""

    name: str
    title: str
    summary: str
    minutes: int
    model: str
    goals: tuple[str, ...]
    notes: str
    steps: tuple[Step, ...]
    order: int = 100
    data: tuple[tuple[float, ...], ...] = ()

    @property
    def tasks(self) -> int:
        """How many steps ask for something."""
        return sum(step.task is not None for step in self.steps)


def parse_lesson(text: str, name: str) -> Lesson:
    """Read a lesson. Raises FileError with the line."""
    head = _HEAD.match(text)
    if head is None:
        raise FileError("does not begin with a head between two lines of +++", where=name)
    facts = _toml(head[1], name, 1)
    for key in ("title", "minutes", "model", "goals"):
        if key not in facts:
            raise FileError(f"has no {key}", where=name)
    titles = list(_STEP.finditer(text, head.end()))
    if not titles:
        raise FileError("has no step: a step begins with a heading of two #", where=name)
    ends = [one.start() for one in titles[1:]] + [len(text)]
    steps = tuple(
        _step(one[1].strip(), text[one.end() : end], name, text.count("\n", 0, one.end()))
        for one, end in zip(titles, ends, strict=True)
    )
    return _made(
        Lesson,
        facts
        | {"name": name, "steps": steps, "summary": facts.get("summary", "")}
        | {"notes": facts.get("notes", "")},
        name,
        1,
    )


def _step(title: str, text: str, name: str, line: int) -> Step:
    setup, task = Setup(), None
    body: list[str | Table] = []
    reached = 0
    for block in _BLOCK.finditer(text):
        at = line + text.count("\n", 0, block.start()) + 1
        if prose := text[reached : block.start()].strip():
            body.append(prose)
        reached = block.end()
        facts = _toml(block[2], name, at)
        if block[1] == "table":
            body.append(_made(Table, facts, name, at))
        elif block[1] == "task":
            task = _task(facts, name, at)
        else:
            setup = _made(Setup, facts, name, at)
            _check_setup(setup, name, at)
    if prose := text[reached:].strip():
        body.append(prose)
    return Step(title, tuple(body), setup, task)


def _task(facts: dict[str, Any], name: str, line: int) -> Task:
    rest = dict(facts)
    kind = rest.pop("goal", None)
    if kind not in GOALS:
        raise FileError(
            f"the goal {kind!r} is not known; known are {', '.join(GOALS)}", where=f"{name}:{line}"
        )
    texts = {key: str(rest.pop(key, "")) for key in ("ask", "hint", "done")}
    if not texts["ask"]:
        raise FileError("the task has no ask", where=f"{name}:{line}")
    return Task(_made(GOALS[kind], rest, name, line), **texts)


def _check_setup(setup: Setup, name: str, line: int) -> None:
    where = f"{name}:{line}"
    if setup.show not in SHOWN:
        raise FileError(f"show is one of {', '.join(SHOWN)}", where=where)
    for control in setup.controls:
        if control.partition(":")[0] not in CONTROLS:
            raise FileError(f"there is no control {control!r}", where=where)
    if ("n" in setup.controls) != bool(setup.n) or (setup.n and len(setup.n) != 3):
        raise FileError("the control n needs n = [least, most, first]", where=where)


def _made(cls: Any, facts: Mapping[str, Any], name: str, line: int) -> Any:
    """A dataclass from a TOML table; lists become tuples."""
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = set(facts) - known
    if unknown:
        raise FileError(f"the key {min(unknown)!r} is not known here", where=f"{name}:{line}")
    given = {key: _frozen(value) for key, value in facts.items()}
    for field in dataclasses.fields(cls):
        kind = _TYPES.get(str(field.type).partition("[")[0], object)
        if field.name in given and not isinstance(given[field.name], kind):
            raise FileError(
                f"{field.name} must be {field.type}, not {given[field.name]!r:.60}",
                where=f"{name}:{line}",
            )
    try:
        return cls(**given)
    except TypeError as error:
        raise FileError(f"a key is missing: {error}", where=f"{name}:{line}") from None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _toml(text: str, name: str, line: int) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"is not TOML: {error}", where=f"{name}:{line}") from None
    except RecursionError:
        raise FileError("is nested too deeply", where=f"{name}:{line}") from None
