"""A circuit as a `torch.nn.Module`: the log-likelihood as a layer among others.

    density = CircuitModule(circuit)
    loss = -density(encoder(images)).mean()
    loss.backward()      # gradients of the circuit's parameters and of the encoder's

The gradients are those of the engine's flow pass, not of automatic differentiation: by Fisher's
identity, the gradient of log S is that of the expected complete log-likelihood at the current
parameters (Salakhutdinov, Roweis and Ghahramani 2003, "Optimization with EM and
expectation-conjugate-gradient", sec. 2).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from pccore.compile import Program, compile_circuit
from pccore.compile.kernels.fused import Choice as KernelChoice
from pccore.compile.leaf_layer import LeafLayer
from pccore.compile.program import LARGEST_TILE
from pccore.datasets import check_support
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.learn.normalise import normalise
from pccore.leaves.base import Support
from pccore.queries import require


def log_likelihood(program: Program, x: Tensor, values: Sequence[Tensor], root: int = 0) -> Tensor:
    """log S(x) of a root, [B], as a differentiable function of the data and of parameters.

    x: [B, V], NaN where missing; it gets a gradient where it is observed and real (elsewhere 0).
    values: for each bank of the program that learns, in their order, legal parameters in the shape
    of `bank.values`; the program takes them over. They may come from a network of their own. S is
    the likelihood where the weights of each sum add up to one.

    The up pass is run once more for the backward pass, so that memory does not grow with the batch.
    It can be differentiated once. Rows of probability zero have gradients of zero.

    Raises DataError for another number of columns, OptionError for another number of values.
    """
    banks = [bank for bank in program.banks if bank.trainable]
    if len(values) != len(banks):
        raise OptionError(f"{len(values)} tensors of parameters for {len(banks)} banks that learn")
    return cast("Tensor", _LogLikelihood.apply(program, root, x, *values))


class CircuitModule(torch.nn.Module):
    """Log-likelihoods of a circuit with trainable parameters.

    The parameters are unconstrained reals, one tensor for each bank of the compiled program
    (softmax weights, each family's own map), so any optimiser may change them; `circuit` gives
    them back as a circuit. `state_dict`, `to(device, dtype)`, `copy.deepcopy` work as for any
    module. An unnormalised circuit starts as the normalised one of the same distribution; weights
    of exactly 0 start at 1e-12.

    circuit: smooth and decomposable. root: the number of the root. frozen: ids of parameters that
    stay as they are. device, dtype: float32 on the CPU by default. memory, kernels: see
    `compile_circuit`.

    Raises PropertyError (with the witness), ParameterError.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        root: int = 0,
        frozen: Collection[str] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        memory: int | None = None,
        kernels: KernelChoice = "auto",
    ) -> None:
        super().__init__()
        self.root = root
        self._frozen = tuple(frozen)
        self._memory = memory
        self._kernels: KernelChoice = kernels
        program = self._compiled(circuit, torch.device(device), dtype)
        require(program, "sample")
        if normalise(program):
            circuit = circuit.with_params(program.params)
        self._program, self._start = program, circuit
        domains = circuit.domains
        real = Support("real")
        self._supports = [domains.get(v, real) for v in range(len(circuit.variables))]
        self.raw = torch.nn.ParameterList(
            bank.unconstrain().clone() for bank in program.banks if bank.trainable
        )
        # Tells device and dtype also where nothing is to be learned.
        self.register_buffer("_like", torch.empty(0, device=device, dtype=dtype), persistent=False)

    def _compiled(self, circuit: Circuit, device: torch.device, dtype: torch.dtype) -> Program:
        return compile_circuit(circuit, device, dtype, self._memory, self._kernels, self._frozen)

    @property
    def program(self) -> Program:
        """The compiled program at the current parameters, for queries."""
        program = self._current()
        with torch.no_grad():
            _take_over(program, self._values(program))
        return program

    @property
    def circuit(self) -> Circuit:
        """The circuit with the current parameters."""
        return self._start.with_params(self.program.params)

    def _current(self) -> Program:
        """The program, compiled again where the module has moved."""
        like = cast("Tensor", self._like)
        if (self._program.device, self._program.dtype) != (like.device, like.dtype):
            self._program = self._compiled(self._start, like.device, like.dtype)
        return self._program

    def _values(self, program: Program) -> list[Tensor]:
        banks = (bank for bank in program.banks if bank.trainable)
        return [bank.constrain(raw) for bank, raw in zip(banks, self.raw, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """log P(x) in nats, [B], of rows x [B, V]; NaN is missing, and summed out.

        Raises DataError for another number of columns, or a value outside of its domain.
        """
        program = self._current()
        if x.ndim != 2 or x.shape[1] != len(self._supports):
            raise DataError(
                f"data of the shape {list(x.shape)} do not fit a circuit over "
                f"{len(self._supports)} variables"
            )
        if any(support.kind != "real" for support in self._supports):
            check_support(x.numpy(force=True), self._supports, self._start.variables)
        return log_likelihood(program, x, self._values(program), self.root)

    def extra_repr(self) -> str:
        """The size of the circuit."""
        return repr(self._start)


class _LogLikelihood(torch.autograd.Function):
    """The up pass forward; up and flow pass backward, tile by tile."""

    @staticmethod
    def forward(ctx: Any, program: Program, root: int, x: Tensor, *values: Tensor) -> Tensor:
        ctx.program, ctx.root = program, root
        ctx.save_for_backward(x, *values)
        _take_over(program, values)
        tiles = x.split(_tile(program))
        return torch.cat([program(tile, root) for tile in tiles]).to(x.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Any
    ) -> tuple[Tensor | None, ...]:
        gradient = cast("Tensor", grad_outputs[0])
        program: Program = ctx.program
        # Refuses parameters that have been changed since.
        x, *values = cast("tuple[Tensor, ...]", ctx.saved_tensors)
        _take_over(program, values, unless_there=True)
        statistics = program.zero_statistics()
        slopes = torch.zeros_like(x) if ctx.needs_input_grad[2] else None
        size = _tile(program)
        for number, tile in enumerate(x.split(size)):
            weights = gradient[number * size :][: len(tile)]
            weights = weights.to(device=program.device, dtype=program.dtype)
            with program.spare.borrow() as workspace:
                state = program.evaluate(tile, keep=True, workspace=workspace)
                flows = program.flows(state, statistics, weights, ctx.root)
                if slopes is not None:
                    found = torch.zeros_like(state.columns)
                    for layer in program.layers:
                        if isinstance(layer, LeafLayer):
                            layer.add_slopes(state, flows, found)
                    slopes[number * size :][: len(tile)] = found.T
        learned = zip(program.banks, statistics, strict=True)
        gradients = [bank.gradient(counts) for bank, counts in learned if bank.trainable]
        return None, None, slopes, *gradients


def _tile(program: Program) -> int:
    return program.tile_rows(LARGEST_TILE, training=True)


def _take_over(program: Program, values: Sequence[Tensor], unless_there: bool = False) -> None:
    """Make these the parameters of the banks that learn; unless_there: those that are not."""
    banks = (bank for bank in program.banks if bank.trainable)
    for bank, given in zip(banks, values, strict=True):
        if given.shape != bank.values.shape:
            raise OptionError(
                f"parameters of the shape {list(given.shape)}, not {list(bank.values.shape)}"
            )
        if unless_there and bank.values.data_ptr() == given.data_ptr():
            continue
        bank.set(given.detach().to(device=program.device, dtype=program.dtype))
