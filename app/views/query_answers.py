"""The numbers at the top of the Query page, each with what it is worth."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pc_workbench.views.query_evidence import Given
from pccore.errors import PCError
from pccore.queries import Licence, UnitValues, licence_of, trace
from pccore.queries.steps import Walk, draw, explain, number

Worth = Literal["exact", "bound", "estimate", "refused"]
_WORTHS: Mapping[Worth, str] = MappingProxyType(
    {
        "exact": "the answer itself, up to rounding.",
        "bound": "never more than the answer, maybe less.",
        "estimate": "from samples, so it varies.",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A number in words. symbol: `P(X1 = 1)`; worth: exact, bound, estimate, refused; why: one
    sentence."""

    symbol: str
    text: str
    worth: Worth
    why: str = ""


def answers(values: UnitValues, given: Given) -> list[Answer]:
    """S(e), Z, P(e) and log P(e), in this order."""
    said = given.text()
    short = said if 0 < len(said) <= 34 else "e" if said else "∗"
    partition = licence_of(values, "partition")
    chance = licence_of(values, "probability")
    found = [
        Answer(f"S({short})", _linear(values.log_root), "exact", _root(said)),
        Answer(
            "Z",
            _linear(values.log_partition) if partition.granted else "",
            _worth(partition),
            _why(partition, "the partition function, S(∗): the sum of S over all states."),
        ),
    ]
    log_p = math.nan
    if chance.granted and values.log_partition > -math.inf:
        log_p = values.log_root - values.log_partition
    why = _why(chance, "the probability of what is observed, S(e) / Z.")
    shown = "" if math.isnan(log_p) else _linear(log_p)
    worth = _worth(chance) if shown or not chance.granted else "refused"
    if chance.granted and not shown:
        why = "Z is 0: there is no distribution."
    found.append(Answer(f"P({'e' if said else '∗'})", shown, worth, why))
    logged = _why(chance, "its natural logarithm, in nats.") if shown else why
    found.append(Answer("log P", _log(log_p) if shown else "", worth, logged))
    return found


def _root(said: str) -> str:
    """What S is. said: the evidence."""
    given = "what is observed" if said else "nothing observed (∗)"
    return f"the value of the root, with {given}."


def meanings(found: Sequence[Answer]) -> list[str]:
    """What each of the numbers is, and what their badges say."""
    lines = [f"{one.symbol}: {one.why}" for one in found if one.worth != "refused"]
    worths = {one.worth for one in found}
    return [*lines, *(f"{name}: {text}" for name, text in _WORTHS.items() if name in worths)]


def _linear(log: float) -> str:
    """A value of any size: `0.522`, `1.2e−78`, `e^−2041`."""
    if math.isnan(log):
        return "undefined"
    if log == -math.inf:
        return "0"
    if -690 < log < 690:
        return significant(math.exp(log))
    return f"e^{number(log)}"


def _log(log: float) -> str:
    return number(log) if math.isinf(log) else significant(log)


def lacking(found: Licence) -> str:
    """`needs a circuit that is smooth and consistent`."""
    return f"needs a circuit that is {' and '.join(found.missing)}"


def short_reason(message: str) -> str:
    """Why there are no posteriors, without the witness, which Inspect shows."""
    words = message.partition(": ")[0].replace("all single-variable marginals needs", "they need")
    return f"{words}."


def significant(value: float) -> str:
    """Six significant digits, with a true minus sign."""
    return f"{value:.6g}".replace("-", "−")


def _worth(found: Licence) -> Worth:
    return found.quality if found.granted else "refused"


def _why(found: Licence, otherwise: str) -> str:
    return otherwise if found.granted else lacking(found)


def refusal(found: Licence) -> str:
    """One sentence: which property the circuit lacks."""
    text = f"{found.query.title} {lacking(found)}"
    return f"{text}: {found.witness.message}" if found.witness else f"{text}."


def trace_file(values: UnitValues, seed: int) -> bytes:
    """The run as JSON, with the best tree and the one that this seed draws, where there are."""
    walks: list[Walk] = []
    # The circuit or the evidence may have none, or they may be too large to be followed.
    with contextlib.suppress(PCError):
        walks = [explain(values, up=False), draw(values, seed)]
    return json.dumps(trace(values, walks=walks), allow_nan=False).encode()
