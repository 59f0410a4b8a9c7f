"""Gradient ascent on the log-likelihood by Adam.

The gradient needs no automatic differentiation of the circuit: by Fisher's identity it is
the gradient of the expected complete log-likelihood, sum of expected counts * log weight
plus sum of expected statistics * leaf coefficients, at the current parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.learn.base import BatchResult, Learner, Method
from pccore.options import option


@dataclass(frozen=True)
class AdamOptions:
    """Options of Adam."""

    learning_rate: float = option(0.03, help="Adam's step size", minimum=1e-6, maximum=1.0)
    weight_decay: float = option(
        0.0,
        help="pull of the unconstrained parameters towards 0",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )


class AdamLearner(Learner):
    """Adam on unconstrained parameters (softmax weights, each family's own map)."""

    def __init__(self, program: Program, rows: int, options: AdamOptions) -> None:
        super().__init__(program, rows)
        self._banks = [n for n, bank in enumerate(program.banks) if bank.trainable]
        self._raw = [program.banks[n].unconstrain().clone().requires_grad_() for n in self._banks]
        self._optimiser = torch.optim.Adam(
            self._raw, lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self._statistics = program.zero_statistics()

    def batch(self, x: Tensor) -> BatchResult:
        """One Adam step on the mean negative log-likelihood of the batch."""
        seen = self.expect(x, self._statistics, fresh=True)
        result = self.gather(seen, self._statistics)
        self._optimiser.zero_grad(set_to_none=True)
        banks = self.program.banks
        for n, raw in zip(self._banks, self._raw, strict=True):
            counts = banks[n].counts(self._statistics[n])
            expected = banks[n].expected_log(banks[n].constrain(raw), counts)
            (-expected / max(1, result.rows)).backward()  # pyright: ignore[reportUnknownMemberType]
        self._optimiser.step()
        with torch.no_grad():
            for n, raw in zip(self._banks, self._raw, strict=True):
                banks[n].set(banks[n].constrain(raw))
        return result

    def state(self) -> dict[str, Tensor]:
        """Raw parameters and Adam's moments."""
        return adam_state(self._optimiser)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly where `state` was taken; the program has its parameters already."""
        restore_adam(self._optimiser, state)


def adam_state(optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """The parameters of the optimiser and its moments by name, as a checkpoint holds them."""
    saved: dict[str, Tensor] = {}
    for i, raw in enumerate(optimiser.param_groups[0]["params"]):
        saved[f"raw.{i}"] = raw.detach().cpu().clone()
        for key, value in optimiser.state.get(raw, {}).items():
            saved[f"adam.{i}.{key}"] = value.detach().cpu().clone()
    return saved


@torch.no_grad()
def restore_adam(optimiser: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Put back what `adam_state` gave."""
    for i, raw in enumerate(optimiser.param_groups[0]["params"]):
        raw.copy_(state[f"raw.{i}"])
        moments = {
            key.removeprefix(f"adam.{i}."): value.clone()
            for key, value in state.items()
            if key.startswith(f"adam.{i}.")
        }
        if moments:
            optimiser.state[raw] = {
                key: value if key == "step" else value.to(raw.device)
                for key, value in moments.items()
            }


ADAM = Method(
    "adam",
    "Gradient (Adam)",
    "Gradient ascent on the log-likelihood; weights stay normalised through a softmax.",
    AdamOptions,
    AdamLearner,
)
