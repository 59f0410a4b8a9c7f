"""What a learning method is: an object that sees batches and changes a program's banks."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.graphs import CapturedPass
from pccore.compile.program import LARGEST_TILE
from pccore.compile.tabulate import Tables, states_for, tables_for
from pccore.compile.tiling import in_tiles
from pccore.discovery import instances_in
from pccore.errors import NotFoundError
from pccore.learn.distributed import ALONE, Peers
from pccore.params import Params

#: Rows that are scored node by node, where making the tables would take longer.
FEWEST_LOOKED_UP = 64


@dataclass(frozen=True)
class BatchResult:
    """log_likelihood: sum over the possible rows of log P(x), in nats. impossible: rows of
    probability zero, which teach nothing."""

    log_likelihood: float
    rows: int
    impossible: int


class Learner(ABC):
    """Changes the banks of `program`, batch by batch. NaN in the data means missing."""

    #: Whether each batch updates the parameters, so that batches should be small and shuffled.
    mini_batch: bool = True

    def __init__(self, program: Program, rows: int) -> None:
        self.program = program
        self.rows = rows
        self.expect = Expectation(program)
        #: Processes that learn from other rows of the same batches.
        self.peers: Peers = ALONE

    @abstractmethod
    def batch(self, x: Tensor) -> BatchResult:
        """Learn from rows x [B, V], this process's part of a batch; the result is of all of it."""

    def gather(self, result: BatchResult, statistics: Sequence[Tensor] = ()) -> BatchResult:
        """The result of the whole batch; what others counted is added to the statistics, one for
        each bank."""
        if self.peers.size == 1:
            return result
        learning = zip(self.program.banks, statistics, strict=False)
        self.peers.add([counts for bank, counts in learning if bank.trainable])
        total, rows, impossible = self.peers.total(
            result.log_likelihood, result.rows, result.impossible
        )
        return BatchResult(total, int(rows), int(impossible))

    def end_epoch(self) -> None:  # noqa: B027 - most learners have nothing to do here
        """Called when every row has been seen once."""

    def params(self) -> Params:
        """The current parameters, in the form in which a model is to be kept."""
        return self.program.params

    def pack(self, params: Params) -> dict[str, Tensor]:
        """What `params` gave, as tensors by name for a checkpoint."""
        return dict(params)

    def unpack(self, tensors: Mapping[str, Tensor]) -> Params:
        """What `pack` was given."""
        return Params(tensors)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold besides the parameters, after any batch."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take back what `state` gave."""


@dataclass(frozen=True)
class Method:
    """A learning method: options is a dataclass of `pccore.options` fields."""

    name: str
    title: str
    description: str
    options: type
    make: Callable[[Program, int, Any], Learner]


@functools.cache
def methods() -> Mapping[str, Method]:
    """Every method of the package by name."""
    found = instances_in("pccore.learn", Method)
    return MappingProxyType({method.name: method for method in found})


def method_named(name: str) -> Method:
    """Raises NotFoundError for an unknown name."""
    try:
        return methods()[name]
    except KeyError:
        known = ", ".join(sorted(methods()))
        raise NotFoundError(f"there is no learning method {name!r}; known are {known}") from None


class Expectation:
    """E-steps over one program: up and flow passes, whose counts are added to statistics."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._captured: CapturedPass | None = None
        #: Small regions as tables, once there was a batch to tell how large they may be.
        self._tables: Tables | None = None
        self._tried = False
        #: Rows of an ordinary batch, which the tables suit; None: the first batch is one.
        self.usual: int | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor, statistics: list[Tensor], *, fresh: bool = False) -> BatchResult:
        """Add the expected counts of rows x [B, V]; large batches in tiles. fresh: the statistics
        hold nothing that is wanted."""
        if not self._tried:
            self._tried = True
            self._tables = tables_for(self.program, states_for(self.usual or len(x)))
        tables = self._tables if self._tables is not None and _complete(x) else None
        if fresh and (tables is not None or not len(x)):
            _clear(statistics)
        if tables is not None:
            return self._each(x, lambda tile: self._look_up(tile, statistics), tables.program)

        def pass_(tile: Tensor) -> Tensor:
            nonlocal fresh
            values = self._pass(tile, statistics, fresh)
            fresh = False  # the tiles to come add to this one
            return values

        return self._each(x, pass_)

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """Log-values of the root [B] on the CPU, of rows x [B, V]; nothing is learned."""
        tables, program = self._tables, self.program
        if tables is None or len(x) < FEWEST_LOOKED_UP or not _complete(x):
            return torch.cat(list(in_tiles(program, x, lambda tile: program(tile).cpu())))
        outer = tables.program

        def value(tile: Tensor) -> Tensor:
            with outer.spare.borrow() as workspace:
                return outer.root_values(tables.up(tile, program, workspace).outer)

        return torch.cat(list(in_tiles(outer, x, value, numbers=LARGEST_TILE)))

    @torch.no_grad()
    def hard(self, x: Tensor, statistics: list[Tensor], up: str = "sum") -> BatchResult:
        """Add what the best induced tree of each row counts; up: see `Program.evaluate`.

        The log-likelihoods are those of the sum, whichever tree counts.
        """
        program = self.program

        def pass_(tile: Tensor) -> Tensor:
            with program.spare.borrow() as workspace:
                state = program.evaluate(tile, up, keep=True, workspace=workspace)
                program.induced_counts(state, statistics)
                if up == "sum":
                    return program.root_values(state)
            return program(tile)

        return self._each(x, pass_)

    def _each(
        self, x: Tensor, pass_: Callable[[Tensor], Tensor], sized: Program | None = None
    ) -> BatchResult:
        """Tile by tile; pass_ gives the log-values of the root. sized: what the tiles have to
        suit, if not the program."""
        if not len(x):  # the share of a batch smaller than the number of processes
            return BatchResult(0.0, 0, 0)

        def learn_from(tile: Tensor) -> tuple[float, int]:
            values = pass_(tile)
            possible = ~torch.isinf(values)
            total = float(torch.where(possible, values, 0.0).double().sum())
            return total, int((~possible).sum())

        suits = sized or self.program
        tiles = in_tiles(suits, x, learn_from, numbers=LARGEST_TILE, training=True)
        parts = list(tiles)
        return BatchResult(sum(p[0] for p in parts), len(x), sum(p[1] for p in parts))

    def _look_up(self, x: Tensor, statistics: list[Tensor]) -> Tensor:
        """What `_pass` does, with tables."""
        tables = self._tables
        assert tables is not None
        outer = tables.program
        with outer.spare.borrow() as workspace:
            state = tables.up(x, self.program, workspace)
            values = outer.root_values(state.outer)
            tables.down(state, outer.root_flows(state.outer), statistics, self.program)
        return values

    def _pass(self, x: Tensor, statistics: list[Tensor], fresh: bool) -> Tensor:
        """Log-values of the root, [B]."""
        program = self.program
        captures = program.kernels is not None and program.device.type == "cuda" and len(x) > 0
        if captures and not bool(torch.isnan(x).any()):
            if self._captured is None or not self._captured.fits(x, statistics):
                self._captured = None  # its memory first
                self._captured = CapturedPass(program, len(x), statistics)
            if fresh:
                _clear(statistics)
            return self._captured(x)
        with program.spare.borrow() as workspace:
            state = program.evaluate(x, keep=True, workspace=workspace)
            values = program.root_values(state)
            program.flows(state, statistics, fresh=fresh)
        return values


def _clear(statistics: list[Tensor]) -> None:
    for accumulator in statistics:
        accumulator.zero_()


def _complete(x: Tensor) -> bool:
    return len(x) > 0 and not bool(torch.isnan(x).any())
