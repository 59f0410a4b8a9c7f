"""What `query` is asked, and the file of its --trace."""

from __future__ import annotations

import argparse
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from pccore.errors import OptionError
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit
from pccore.queries import UnitValues, trace, unit_values
from pccore.queries.steps import Walk, draw, explain
from pccore.transform import observe_hidden, soften

#: Units of a tree in a trace, and samples.
MAX_TREE = 50_000
MAX_TRACED = 1000


@dataclass(frozen=True)
class Question:
    """What the command line asks: a circuit, the evidence of three kinds, the other options."""

    circuit: Circuit
    evidence: Mapping[str, float]
    soft: Mapping[str, Sequence[float]]
    hidden: Mapping[str, int]
    options: argparse.Namespace

    @property
    def root(self) -> int:
        """The number of the root asked."""
        return self.options.root

    @cached_property
    def given(self) -> Circuit:
        """The circuit with soft and hidden evidence built in, exact where it is decomposable."""
        made = observe_hidden(self.circuit, self.hidden) if self.hidden else self.circuit
        return soften(made, self.soft).circuit if self.soft else made

    @cached_property
    def values(self) -> UnitValues:
        """The values of all units."""
        return unit_values(
            self.circuit, self.evidence, self.root, soft=self.soft, hidden=self.hidden
        )

    @cached_property
    def seed(self) -> int:
        """Of samples."""
        given = self.options.seed
        return secrets.randbits(32) if given is None else given

    @cached_property
    def drawn(self) -> list[Walk]:
        """Samples with their trees, for --trace."""
        if self.options.count > MAX_TRACED:
            raise OptionError(
                f"a trace has at most {MAX_TRACED} samples, not {self.options.count}",
                where="--count",
            )
        count = range(self.options.count)
        return [draw(self.values, self.seed + n, most=MAX_TREE) for n in count]

    def refuse(self, what: str, hint: str, *, evidence: bool) -> None:
        """Raise OptionError where soft or hidden evidence (or any) was given to such a query."""
        observed = any(not math.isnan(value) for value in self.evidence.values())
        if (evidence and observed) or self.soft or self.hidden:
            kind = "evidence" if evidence else "soft or hidden evidence"
            raise OptionError(f"{what} takes no {kind}", hint=hint)


def write_trace(question: Question, answer: Mapping[str, Any]) -> None:
    """The file of --trace: the run under the evidence, and the trees that were chosen."""
    walks: Sequence[Walk] = ()
    if question.options.ask == "mpe":
        walks = [explain(question.values, up=False, most=MAX_TREE)]
    elif question.options.ask == "sample":
        walks = question.drawn
    found = trace(question.values, query=question.options.ask, answer=answer, walks=walks)
    data = json.dumps(found, allow_nan=False).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomically(Path(question.options.trace), write)
