"""Gradient ascent through the network that generates the weights (HyperSPN, Shih et al. 2021).

The circuit needs no automatic differentiation: the flow pass gives the expected count of every
edge, which is the gradient of the log-likelihood with respect to the log-weight (Fisher's
identity). Only the small step from embeddings to weights is differentiated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import Bank, LeafBank
from pccore.errors import OptionError
from pccore.generated import Generated, Network
from pccore.learn.base import BatchResult, Learner, Method
from pccore.learn.gradient import adam_state, restore_adam
from pccore.options import option
from pccore.params import Params
from pccore.transform.generate import generated


@dataclass(frozen=True)
class HyperOptions:
    """Options of learning through a network."""

    learning_rate: float = option(0.01, help="Adam's step size", minimum=1e-6, maximum=1.0)
    weight_decay: float = option(
        0.0,
        help="pull of embeddings and network towards 0",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    embedding: int = option(
        5, help="numbers of a sector's embedding, for a model without a network", minimum=1,
        maximum=256,
    )  # fmt: skip
    hidden: tuple[int, ...] = option(
        (20, 20),
        help="widths of the inner layers, for a model without a network",
        minimum=1,
        maximum=4096,
    )
    sector: int = option(
        25,
        help="weights that one embedding stands for, for a model without a network",
        minimum=1,
        maximum=2**20,
        advanced=True,
    )
    network_seed: int = option(
        0,
        help="seed of a new network",
        minimum=0,
        maximum=2**31 - 1,
        advanced=True,
    )


class HyperLearner(Learner):
    """Adam on embeddings, network and the parameters that are not generated.

    A circuit without a network gets a fresh one for its dense sums; its other parameters stay
    where they are. Raises OptionError for a circuit without dense sums.
    """

    def __init__(self, program: Program, rows: int, options: HyperOptions) -> None:
        super().__init__(program, rows)
        if any(bank.frozen for bank in program.banks):
            raise OptionError("a network generates all weights, none can stay as they are")
        circuit = program.circuit
        if not isinstance(circuit.params, Generated):
            circuit = circuit.with_params(program.params)
            circuit = generated(
                circuit, options.embedding, options.hidden, options.sector, options.network_seed
            )
            program.load(circuit.params)
        assert isinstance(circuit.params, Generated)
        self._source = circuit.params
        self._learned = {
            name: tensor.detach().to(program.device, program.dtype).clone().requires_grad_()
            for name, tensor in self._source.network.tensors().items()
        }
        self._banks = [n for n, bank in enumerate(program.banks) if bank.trainable]
        self._places = {n: self._place(program.banks[n]) for n in self._banks}
        self._direct = {
            n: program.banks[n].unconstrain().clone().requires_grad_()
            for n, place in self._places.items()
            if place is None or bool((place < 0).any())
        }
        raw = [*self._learned.values(), *self._direct.values()]
        self._optimiser = torch.optim.Adam(
            raw, lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self._statistics = program.zero_statistics()
        #: The values that the banks have, as functions of what is learned; None: not known yet.
        self._made: dict[int, Tensor] | None = None

    def _place(self, bank: Bank) -> Tensor | None:
        """Where each number of the bank stands among the outputs of the network, -1 for numbers of
        its own; None where all are its own."""
        if isinstance(bank, LeafBank):
            return None
        parts: list[Tensor] = []
        stored = self._source
        for name in bank.ids:
            slot = stored.slots.get(name)
            if slot is None:
                parts.append(torch.full((stored.direct[name].numel(),), -1))
            else:
                rows, inputs = stored.shapes[name]
                first = slot.start * stored.network.size
                parts.append(torch.arange(first, first + rows * inputs))
        place = torch.cat(parts)
        if bool((place < 0).all()):
            return None
        return place.view(bank.values.shape).to(bank.values.device)

    def _raw(self, number: int, outputs: Tensor) -> Tensor:
        """The unconstrained values of a bank."""
        place, own = self._places[number], self._direct.get(number)
        if place is None:
            assert own is not None
            return own
        # Not outputs[place], whose gradient takes many times as long.
        picked = outputs.index_select(0, place.clamp_min(0).flatten()).view(place.shape)
        return picked if own is None else torch.where(place < 0, own, picked)

    def _make(self) -> dict[int, Tensor]:
        """The values of each bank that the network and the parameters of our own give now."""
        outputs = Network.of(self._learned).logits().reshape(-1)
        banks = self.program.banks
        return {n: banks[n].constrain(self._raw(n, outputs)) for n in self._banks}

    def batch(self, x: Tensor) -> BatchResult:
        """One Adam step on the mean negative log-likelihood of the batch."""
        seen = self.expect(x, self._statistics, fresh=True)
        result = self.gather(seen, self._statistics)
        self._optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.program.device, dtype=self.program.dtype)
        # The step before has made them for the pass above.
        for n, values in (self._make() if self._made is None else self._made).items():
            bank = self.program.banks[n]
            loss = loss - bank.expected_log(values, bank.counts(self._statistics[n]))
        (loss / max(1, result.rows)).backward()  # pyright: ignore[reportUnknownMemberType]
        self._optimiser.step()
        self._write()
        return result

    def _write(self) -> None:
        """Give the program the values that the network generates now."""
        self._made = self._make()
        for n, values in self._made.items():
            self.program.banks[n].set(values.detach())

    def params(self) -> Params:
        """The current parameters: network, embeddings, and what is not generated."""
        tensors = {name: t.detach().cpu().float().clone() for name, t in self._learned.items()}
        direct = dict(self._source.direct)
        for n, bank in enumerate(self.program.banks):
            if self._places.get(n) is None or n in self._direct:  # not all of it is generated
                current = bank.export()
                direct |= {name: current[name] for name in bank.ids if name in direct}
        return Generated(Network.of(tensors), self._source.shapes, direct)

    def pack(self, params: Params) -> dict[str, Tensor]:
        """The network's tensors and the others, apart."""
        assert isinstance(params, Generated)
        named = {f"network/{name}": tensor for name, tensor in params.network.tensors().items()}
        return named | {f"direct/{name}": tensor for name, tensor in params.direct.items()}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Params:
        """What `pack` was given."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

        return Generated(Network.of(part("network/")), self._source.shapes, part("direct/"))

    def state(self) -> dict[str, Tensor]:
        """Network, raw parameters and Adam's moments."""
        return adam_state(self._optimiser)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly where `state` was taken; the program has its parameters already."""
        restore_adam(self._optimiser, state)
        self._made = None


HYPER = Method(
    "hyper",
    "HyperSPN (Adam through a network)",
    "The weights come from a small network with one embedding for each block of them; both learn "
    "by gradient ascent. A strong regulariser for large circuits on little data.",
    HyperOptions,
    HyperLearner,
)
