"""The compiled program: a circuit as a few large tensor operations.

program = compile_circuit(circuit)
program(x)                      # log-values of the root, [B]
state = program.evaluate(x)     # keeps every unit's value
program.log_values(state, g)    # [B, size] of group g, read from that very run
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from pccore.check import Report, check
from pccore.compile import costs
from pccore.compile.banks import Bank, EdgeBank, LeafBank, WeightBank, make_banks
from pccore.compile.edges import EdgeProductLayer, EdgeSumLayer
from pccore.compile.kernels.fused import Choice as KernelChoice
from pccore.compile.kernels.fused import kernels_for
from pccore.compile.kernels.precision import fast_products
from pccore.compile.layer import Layer
from pccore.compile.leaf_layer import LeafLayer
from pccore.compile.mixtures import MixLayer
from pccore.compile.plan import LayerSpec, Plan, make_plan
from pccore.compile.products import HadamardLayer, KroneckerLayer
from pccore.compile.sides import Sides
from pccore.compile.state import Choice, Pass, Spare, Workspace
from pccore.compile.sums import DenseLayer, EinsumLayer, SumLayer
from pccore.errors import DataError, NotFoundError
from pccore.graph import Circuit, IntArray, LeafGroup
from pccore.params import Params

#: Numbers in the value buffer of one tile of a batch, whatever the batch size.
LARGEST_TILE = 2**24
#: How many times larger tiles are on a GPU, which has no use for small ones.
GPU_TILE = 64
#: Samples of a tile in a circuit that is large, but not too large for them.
FEWEST_ROWS = 64


class Program:
    """A compiled circuit on one device. Evaluation never changes it; learners set its banks.

    banks: the parameter banks in plan order. circuit: what was compiled; its parameters
    are those of compile time, `params` has the current ones.
    """

    def __init__(
        self,
        circuit: Circuit,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        memory: int | None = None,
        kernels: KernelChoice = "auto",
        frozen: Collection[str] = (),
    ) -> None:
        circuit.validate_params()
        self.circuit = circuit
        self.device = torch.device(device)
        self.dtype = dtype or torch.float32
        self.memory = memory
        # The fused kernels add up in float32.
        single = self.dtype == torch.float32 or kernels == "triton"
        self.kernels = kernels_for(self.device, kernels) if single else None
        self.plan: Plan = make_plan(circuit, frozen)
        self._reports: dict[tuple[str, ...], Report] = {}
        self.spare = Spare()
        self.banks: list[Bank] = self._banks(circuit)
        places = self.plan.places()
        self._sides = Sides(self.plan, self.device)
        self.layers: list[Layer] = [
            self._layer(number, spec, places) for number, spec in enumerate(self.plan.layers)
        ]
        self._overwritten = self._written_once()

    def _banks(self, circuit: Circuit) -> list[Bank]:
        fused = self.kernels is not None
        return make_banks(self.plan.banks, circuit, self.device, self.dtype, fused)

    def _layer(self, number: int, spec: LayerSpec, places: IntArray) -> Layer:
        bank = None if spec.parameters is None else self.banks[spec.parameters]
        if isinstance(bank, LeafBank):
            groups = [self.circuit.groups[g] for g in spec.groups]
            variables = [g.variables for g in groups if isinstance(g, LeafGroup)]
            domains = self.circuit.domains
            return LeafLayer(number, spec, self.device, bank, variables, domains, self.kernels)
        if isinstance(bank, WeightBank):
            if spec.kind == "mix":
                return MixLayer(number, spec, self.device, bank)
            if spec.kind == "einsum":
                return EinsumLayer(number, spec, self.device, bank, self.kernels, self._sides)
            return DenseLayer(number, spec, self.device, bank, self.kernels)
        if isinstance(bank, EdgeBank):
            return EdgeSumLayer(number, spec, self.device, self.circuit, places, bank)
        if spec.kind == "edge_product":
            return EdgeProductLayer(number, spec, self.device, self.circuit, places)
        kind = HadamardLayer if spec.kind == "hadamard" else KroneckerLayer
        return kind(number, spec, self.device)

    def _written_once(self) -> frozenset[int]:
        """Banks each of whose rows gets its statistics from one matrix product."""
        rows = Counter[int]()
        others: set[int | None] = set()
        for layer in self.layers:
            number = layer.spec.parameters
            if number is not None and isinstance(layer, SumLayer) and layer.rows.index is None:
                rows[number] += layer.rows.count
            else:
                others.add(number)
        return frozenset(
            number
            for number, count in rows.items()
            if self.kernels is None  # they add
            and self.banks[number].trainable
            and number not in others
            and count == len(self.banks[number].values)
        )

    def check(self, properties: tuple[str, ...]) -> Report:
        """The report of `pccore.check` on some properties of the circuit, kept for next time.

        Only structural properties should be asked: parameters may change under a learner.
        """
        report = self._reports.get(properties)
        if report is None:
            report = self._reports.setdefault(properties, check(self.circuit, properties))
        return report

    # -- parameters ----------------------------------------------------------------------

    @property
    def params(self) -> Params:
        """The current parameters, in the layout and dtypes of the circuit's store."""
        changed = {name: t for bank in self.banks for name, t in bank.export().items()}
        return self.circuit.params.updated(changed)

    def load(self, params: Mapping[str, Tensor]) -> None:
        """Replace all parameters by those of a store with the same ids and shapes."""
        source = self.circuit.with_params(params)
        source.validate_params()
        fresh = self._banks(source)
        for bank, new in zip(self.banks, fresh, strict=True):
            bank.set(new.values)

    # -- memory --------------------------------------------------------------------------

    def tile_rows(self, numbers: int, buffers: int = 1, *, training: bool = False) -> int:
        """Samples of one tile: so many value buffers hold `numbers` numbers, but not so few
        samples that the work is spent on starting operations, and all buffers of a pass stay
        within the budget."""
        if self.device.type != "cpu":
            numbers *= GPU_TILE
        fewest = min(FEWEST_ROWS, self.plan.rows_within(LARGEST_TILE, buffers))
        rows = max(self.plan.rows_within(numbers, buffers), fewest)
        if self.memory is None:
            return rows
        budget = self.memory // self.dtype.itemsize
        return min(rows, costs.rows_within(self.plan, budget, self.device.type, training))

    def needs(self, samples: int, *, training: bool) -> costs.Memory:
        """The memory that evaluating, or learning from, batches of so many samples takes."""
        rows = min(samples, self.tile_rows(LARGEST_TILE, training=training))
        size = self.dtype.itemsize
        return costs.Memory(
            parameters=sum(bank.nbytes for bank in self.banks),
            statistics=sum(bank.learning_bytes for bank in self.banks) if training else 0,
            buffers=costs.OVERHEAD
            + size * costs.working_numbers(self.plan, rows, self.device.type, training),
            samples=rows,
        )

    # -- passes --------------------------------------------------------------------------

    def _observe(
        self, x: Tensor | np.ndarray, workspace: Workspace, complete: bool | None
    ) -> tuple[Tensor, Tensor, bool]:
        """Data [B, V], NaN = missing, as (x with 0 for missing, what is seen), each [V, B] and in
        the workspace, and whether nothing is missing.

        Raises DataError if the number of columns is not the number of variables.
        """
        # torch.tensor copies: the array may be read-only, which as_tensor warns about.
        rows = x if isinstance(x, Tensor) else torch.tensor(x)
        if rows.ndim != 2 or rows.shape[1] != len(self.circuit.variables):
            raise DataError(
                f"data of the shape {list(rows.shape)} does not fit a circuit over "
                f"{len(self.circuit.variables)} variables"
            )
        shape = (rows.shape[1], rows.shape[0])
        rows = rows.to(self.device)
        columns = workspace.take("columns", shape, rows, self.dtype).copy_(rows.T)
        seen = workspace.take("seen", shape, columns, torch.bool)
        if complete is None:
            missing = torch.isnan(columns)
            complete = not bool(missing.any())
            if not complete:
                torch.logical_not(missing, out=seen)
                columns.masked_fill_(missing, 0.0)
        return columns, seen.fill_(True) if complete else seen, complete

    def products(self) -> AbstractContextManager[None]:
        """The context in which matrix products belong: see kernels/precision.py."""
        on_cpu = self.device.type == "cpu" and self.dtype == torch.float32
        return fast_products if on_cpu else nullcontext()

    @torch.no_grad()
    def evaluate(
        self,
        x: Tensor | np.ndarray,
        mode: str = "sum",
        keep: bool = False,
        adjust: Callable[[Layer, Pass], None] | None = None,
        workspace: Workspace | None = None,
        complete: bool | None = None,
    ) -> Pass:
        """Up pass over data [B, V] (NaN = missing): every unit's log-value.

        mode "max" computes max-product values instead. keep=True prepares for `flows`.
        adjust: called after each layer; it may change the values that the layer has written
        (soft evidence on leaves, observed hidden variables of sums). workspace: buffers that are
        used again, for callers with many batches; the pass is valid until it is used next.
        complete: that nothing is missing, where the caller knows; found out otherwise.
        """
        space = workspace or Workspace()
        columns, seen, complete = self._observe(x, space, complete)
        values = space.take("values", (self.plan.rows, columns.shape[1]), columns)
        state = Pass(columns, seen, values, space, mode, complete)
        with self.products():
            for layer in self.layers if state.samples else ():
                if mode == "max":
                    layer.up_max(state, keep)
                else:
                    layer.up(state, keep)
                if adjust is not None:
                    adjust(layer, state)
        return state

    def root_values(self, state: Pass, root: int = 0) -> Tensor:
        """Log-values [B] of the given root. Raises NotFoundError if there is none."""
        unit = self.circuit.root_unit(root)
        # A view would keep the values of all units alive.
        return self.log_values(state, unit.group)[:, unit.index].clone()

    def log_values(self, state: Pass, group: int) -> Tensor:
        """Log-values [B, size] of a group, by the address book."""
        if group in self.plan.fused:
            left, right = (self.log_values(state, i) for i in self.circuit.groups[group].inputs)
            return (left.unsqueeze(-1) + right.unsqueeze(-2)).flatten(-2)
        return self._rows(state.values, group)

    def flow_values(self, flows: Tensor, group: int) -> Tensor:
        """Flows [B, size] of a group that is not fused into a sum."""
        return self._rows(flows, group)

    def _rows(self, buffer: Tensor, group: int) -> Tensor:
        address = self.plan.addresses.get(group)
        if address is None:
            name = self.circuit.groups[group].name
            raise NotFoundError(f"group {name!r} is not part of the compiled program")
        return buffer[address.first : address.first + address.size].T

    @torch.no_grad()
    def flows(
        self,
        state: Pass,
        statistics: list[Tensor] | None = None,
        weights: Tensor | None = None,
        root: int = 0,
        fresh: bool = False,
    ) -> Tensor:
        """Flow pass after evaluate(keep=True): flows [rows, B], F_n = dlog S(root) / dlog S_n.

        statistics: one accumulator per bank (see zero_statistics), added to, or with `fresh`
        overwritten. weights: flow entering the root for each sample [B], default 1; samples of
        value 0 get none.
        """
        flows = self.root_flows(state, weights, root)
        state.fresh = frozenset()
        if fresh and statistics is not None:
            state.fresh = self._overwritten if state.samples else frozenset()
            for number, accumulator in enumerate(statistics):
                if number not in state.fresh:
                    accumulator.zero_()
        self.pass_down(state, flows, statistics)
        return flows

    def root_flows(self, state: Pass, weights: Tensor | None = None, root: int = 0) -> Tensor:
        """Flows [rows, B] with what enters the root, as `flows` says, and nothing else."""
        flows = state.workspace.take("flows", tuple(state.values.shape), state.values).zero_()
        unit = self.circuit.root_unit(root)
        possible = ~torch.isinf(self.root_values(state, root))
        start = possible.to(self.dtype)
        self.flow_values(flows, unit.group)[:, unit.index] = (
            start if weights is None else torch.where(possible, weights, 0.0)
        )
        return flows

    def pass_down(self, state: Pass, flows: Tensor, statistics: list[Tensor] | None) -> None:
        """The flow pass from what `flows` [rows, B] holds already, which is added to."""
        with self.products():
            for layer in reversed(self.layers) if state.samples else ():
                number = layer.spec.parameters
                accumulator = None
                if statistics is not None and number is not None and self.banks[number].trainable:
                    accumulator = statistics[number]
                layer.flow(state, flows, accumulator)

    def zero_statistics(self) -> list[Tensor]:
        """One zero accumulator per bank."""
        return [bank.zero_statistics() for bank in self.banks]

    @torch.no_grad()
    def descend(self, state: Pass, generator: torch.Generator | None, root: int = 0) -> Tensor:
        """Fill in missing values top-down: [B, V].

        With a generator an exact conditional sample for each row (after evaluate "sum");
        without, the trace back of the maximum (after evaluate "max").
        """
        x = torch.where(state.seen, state.columns, torch.nan).T.contiguous()
        self._choose(state, Choice(self._root_only(state, root), x, generator))
        return x

    @torch.no_grad()
    def induced_counts(
        self,
        state: Pass,
        statistics: list[Tensor],
        generator: torch.Generator | None = None,
        root: int = 0,
    ) -> None:
        """Add to `statistics` (see `zero_statistics`) what the induced tree of each row counts: 1
        for each of its edges, T(x) at its leaves; hard EM's E-step.

        After evaluate(keep=True). With a generator the tree is drawn from its posterior, without
        it is the one of the largest terms. Rows of value 0 count nothing.
        """
        counts = [
            None if isinstance(bank, LeafBank) else torch.zeros_like(bank.counts(given))
            for bank, given in zip(self.banks, statistics, strict=True)
        ]
        active = self._root_only(state, root)
        active[:, torch.isinf(self.root_values(state, root))] = -1
        choice = Choice(active, None, generator, counts)
        self._choose(state, choice)
        for bank, found, into in zip(self.banks, counts, statistics, strict=True):
            if found is not None and not isinstance(bank, LeafBank):
                bank.add_counts(into, found)
        flows = state.workspace.take("flows", tuple(state.values.shape), state.values).zero_()
        for layer in self.layers:
            if layer.spec.kind == "leaf" and layer.spec.parameters is not None:
                groups, samples, units = layer.active(choice)
                layer.read(flows)[groups, units, samples] = 1.0
                layer.flow(state, flows, statistics[layer.spec.parameters])

    def _root_only(self, state: Pass, root: int) -> Tensor:
        """No unit chosen but the root, [slots, B]."""
        shape = (self.plan.slots, state.samples)
        active = torch.full(shape, -1, dtype=torch.long, device=self.device)
        unit = self.circuit.root_unit(root)
        active[self.plan.addresses[unit.group].slot] = unit.index
        return active

    def _choose(self, state: Pass, choice: Choice) -> None:
        for layer in reversed(self.layers):
            layer.choose(state, choice)

    def __call__(self, x: Tensor | np.ndarray, root: int = 0) -> Tensor:
        """Log-values [B] of the root; see queries.log_likelihood for batching."""
        with self.spare.borrow() as workspace:
            return self.root_values(self.evaluate(x, workspace=workspace), root)


def compile_circuit(
    circuit: Circuit,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    memory: int | None = None,
    kernels: KernelChoice = "auto",
    frozen: Collection[str] = (),
) -> Program:
    """Compile for one device; dtype float32 by default, torch.float64 for exactness. memory:
    bytes that the buffers of a pass may take; large batches are tiled to fit. kernels: "auto"
    takes fused Triton kernels on CUDA devices where Triton is installed, "torch" never. frozen:
    ids of parameters that learning leaves as they are; unknown ones are no matter.

    Raises ParameterError if a parameter is missing, misshapen, illegal, too large for the
    dtype, or shared by groups that cannot share it.
    """
    return Program(circuit, device, dtype, memory, kernels, frozen)
