"""What a measured process is told: one job, passed as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One process's work; which fields count depends on structure and task.

    task: "parity" saves the circuit and its log-likelihoods under `dump`; "values" prints the
    log-likelihoods of a batch; "time" measures. structure: "rat" (variables, depth, replicas),
    "pd" (side x side pixels, steps delta), "scalar" (the graph saved at `graph`), "blocks-pd" and
    "blocks-hclt" (the GPU's). training: "em" or "adam". seconds: budget of the training steps.
    """

    task: str = "time"
    structure: str = "rat"
    leaf: str = "gaussian"
    units: int = 10
    variables: int = 512
    depth: int = 4
    replicas: int = 10
    side: int = 28
    delta: tuple[int, ...] = (7,)
    states: int = 256
    rows: int = 2000
    batch: int = 100
    training: str = "em"
    threads: int = 2
    seconds: float = 6.0
    seed: int = 0
    graph: str = ""
    dump: str = ""

    @property
    def width(self) -> int:
        """Number of variables."""
        return self.side**2 if self.structure in ("pd", "blocks-pd") else self.variables

    @property
    def title(self) -> str:
        """What a row of a table is called."""
        if self.structure == "rat":
            return f"RAT K={self.units} D={self.depth} R={self.replicas}"
        steps = ", ".join(str(step) for step in self.delta)
        return f"PD {self.side}x{self.side} step {steps} K={self.units} {self.leaf}"

    def but(self, **changes: Any) -> Job:
        """The same job with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """What `from_json` reads."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Raises ValueError or TypeError where `to_json` did not write this."""
        fields: dict[str, Any] = json.loads(text)
        fields["delta"] = tuple(fields["delta"])
        return cls(**fields)
