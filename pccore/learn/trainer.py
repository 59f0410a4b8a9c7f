"""The trainer: a plain generator of events. Whoever pulls may pause, by not pulling."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pccore.compile import Program
from pccore.datasets import Shards, check_support
from pccore.errors import DataError
from pccore.learn.base import Learner, method_named
from pccore.learn.distributed import ALONE, Peers
from pccore.learn.events import Epoch, Event, Finished, Reason, Step
from pccore.learn.normalise import normalise
from pccore.learn.rows import Rows
from pccore.leaves.base import Support
from pccore.options import option
from pccore.params import Params
from pccore.queries import log_partition

#: Numbers in the value banks of one tile of a full-batch pass: small enough for the cache.
TRAINING_TILE = 2**21

#: What a checkpoint holds: tensors and numbers.
Snapshot = tuple[dict[str, Tensor], dict[str, float | int]]


@dataclass(frozen=True)
class TrainOptions:
    """Options that every method shares."""

    epochs: int = option(50, help="passes over the training data", minimum=1, maximum=100_000)
    batch_size: int = option(
        100, help="rows per update of mini-batch methods", minimum=1, maximum=1_000_000
    )
    patience: int = option(
        10,
        help="stop after this many epochs without a better validation score; 0 = never",
        minimum=0,
        maximum=100_000,
    )
    tolerance: float = option(
        1e-4,
        help="smallest gain of the log-likelihood that counts as better",
        minimum=0.0,
        maximum=10.0,
        advanced=True,
    )
    threshold: float = option(
        0.0,
        help="stop when an epoch raises the training log-likelihood by less than this; 0 = never",
        minimum=0.0,
        maximum=10.0,
        advanced=True,
    )
    seed: int = option(0, help="seed of the shuffling", minimum=0, maximum=2**31 - 1, advanced=True)


@dataclass
class Progress:
    """Where a run stands: what a checkpoint needs besides parameters and learner state.

    epoch: the last finished one; -1 before the untrained model has been scored. train: its
    training score; gain: how much better that is than the one before. best_impossible: rows of
    probability zero among those that were scored for the best. batches: of the epoch after that
    are done; total, impossible, seen, seconds: what these came to. tile: rows of a batch of
    full-batch methods, 0 for others.
    """

    epoch: int = -1
    best_epoch: int = 0
    best: float = -float("inf")
    best_impossible: int = 2**62
    last_better_epoch: int = 0
    last_better: float = -float("inf")
    train: float = -float("inf")
    gain: float = float("inf")
    batches: int = 0
    total: float = 0.0
    impossible: int = 0
    seen: int = 0
    seconds: float = 0.0
    tile: int = 0


class Trainer:
    """Training state of one run; `events` runs it.

    program: changed in place, its weights normalised at once. train, valid: [N, V] with
    NaN = missing; without validation data the training likelihood decides what is best. peers:
    the processes that share the rows of every batch; all are given the same arguments.
    Raises DataError for data that does not fit.
    """

    def __init__(
        self,
        program: Program,
        train: np.ndarray | Tensor | Shards,
        valid: np.ndarray | Tensor | Shards | None = None,
        method: str = "em",
        method_options: object = None,
        options: TrainOptions | None = None,
        peers: Peers = ALONE,
    ) -> None:
        self.program = program
        self.peers = peers
        self.options = options or TrainOptions()
        self.train = self._rows(train, "training")
        has_valid = valid is not None and len(valid) > 0
        self.valid = self._rows(valid, "validation") if valid is not None and has_valid else None
        chosen = method_named(method)
        # Learners add to and blend normalised weights, and Z stays 1 from here on.
        normalise(program)
        self.learner: Learner = chosen.make(
            program, len(self.train), chosen.options() if method_options is None else method_options
        )
        self.learner.peers = peers
        # Of every batch the same, also where a run goes on in the middle of an epoch.
        self.learner.expect.usual = len(peers.share(torch.arange(self._largest_batch())))
        self.progress = Progress(tile=0 if self.learner.mini_batch else self._tile())
        self.best_params: Params = self.learner.params()

    def _rows(self, data: np.ndarray | Tensor | Shards, what: str) -> Rows:
        width = len(self.program.circuit.variables)
        if data.ndim != 2 or data.shape[1] != width:
            raise DataError(
                f"the {what} data has the shape {list(data.shape)}, not [rows, {width}]"
            )
        if not len(data):
            raise DataError(f"the {what} data has no rows")
        circuit = self.program.circuit
        supports = [circuit.domains.get(v, Support("real")) for v in range(width)]
        values = data.numpy(force=True) if isinstance(data, Tensor) else data
        check_support(values, supports, circuit.variables, f"the {what} data")
        return Rows(data, self.program.dtype)

    def _tile(self) -> int:
        """Rows that a full-batch method sees at a time, all processes together."""
        return self.peers.size * self.program.tile_rows(TRAINING_TILE, training=True)

    def _largest_batch(self) -> int:
        """Rows of the largest batch, of all processes."""
        count = len(self.train)
        if not self.learner.mini_batch:
            return min(count, self._tile())
        return -(-count // -(-count // self.options.batch_size))

    def _batches(self, epoch: int) -> list[Tensor]:
        """Row numbers of each batch, of all processes, at most batch_size. The order depends on
        seed and epoch only, so a resumed run sees the same batches."""
        count = len(self.train)
        if not self.learner.mini_batch:
            return list(torch.arange(count).split(self._tile()))
        generator = torch.Generator().manual_seed(self.options.seed * 1_000_003 + epoch)
        order = torch.randperm(count, generator=generator)
        # Of equal size but for one row: each moves the parameters as far as a whole batch does, and
        # a last one of a few rows would undo much of what the others have found.
        return list(order.tensor_split(-(-count // self.options.batch_size)))

    def mean_log_likelihood(self, rows: Rows | Tensor) -> tuple[float, int]:
        """Mean nats over the possible rows, and how many are impossible."""
        rows = rows if isinstance(rows, Rows) else Rows(rows, self.program.dtype)
        partition = log_partition(self.program).double()
        total, possible = 0.0, 0
        for block in rows.blocks(self.peers.span(len(rows))):
            values = self.learner.expect.values(block).double() - partition
            finite = values[~torch.isinf(values)]
            total += float(finite.sum())
            possible += len(finite)
        total, count = self.peers.total(total, possible)
        return total / count if count else -float("inf"), len(rows) - int(count)

    def events(self) -> Generator[Event, None, None]:
        """Run until the options say stop. Closing the generator stops between batches."""
        if self.progress.epoch < 0:
            self.progress.epoch = 0
            train, impossible = self.mean_log_likelihood(self.train)
            yield self._end_of_epoch(train, impossible, 0.0)
        reason: Reason | None = self.stop_reason()
        while reason is None:
            yield from self._one_epoch()
            reason = self.stop_reason()
        p = self.progress
        yield Finished(reason, p.epoch, p.best_epoch, p.best)

    def _one_epoch(self) -> Generator[Event, None, None]:
        epoch = self.progress.epoch + 1
        batches = self._batches(epoch)
        p = self.progress
        for number, rows in enumerate(batches[p.batches :], p.batches + 1):
            start = time.perf_counter()
            result = self.learner.batch(self.train[self.peers.share(rows)])
            if number == len(batches):
                self.learner.end_epoch()
            p.batches = number
            p.seconds += time.perf_counter() - start
            p.total += result.log_likelihood
            p.impossible += result.impossible
            p.seen += result.rows
            rate = p.seen / max(p.seconds, 1e-9)
            rest = len(self.train) * (self.options.epochs - epoch + 1) - p.seen
            yield Step(epoch, number, len(batches), rate, rest / rate)
        mean, impossible, seconds = p.total / max(1, p.seen - p.impossible), p.impossible, p.seconds
        p.epoch, p.batches, p.total, p.impossible, p.seen, p.seconds = epoch, 0, 0.0, 0, 0, 0.0
        yield self._end_of_epoch(mean, impossible, seconds)

    def _end_of_epoch(self, train: float, impossible: int, seconds: float) -> Epoch:
        p = self.progress
        valid, excluded = None, impossible
        if self.valid is not None:
            valid, excluded = self.mean_log_likelihood(self.valid)
        score = train if valid is None else valid
        p.gain, p.train = train - p.train, train
        # Likelihoods are of the possible rows: who excludes a row must not look better for it.
        fewer = excluded < p.best_impossible and score > -float("inf")
        best = fewer or (excluded == p.best_impossible and score > p.best)
        if best:
            p.best, p.best_epoch, p.best_impossible = score, p.epoch, excluded
            self.best_params = self.learner.params()
        if fewer or (best and score > p.last_better + self.options.tolerance):
            p.last_better, p.last_better_epoch = score, p.epoch
        return Epoch(p.epoch, train, valid, seconds, best, impossible)

    def stop_reason(self) -> Reason | None:
        """Why nothing is left to do, None while something is."""
        p, options = self.progress, self.options
        if p.epoch >= options.epochs:
            return "epochs"
        if options.patience and p.epoch - p.last_better_epoch >= options.patience:
            return "patience"
        # Epoch 1 is scored before its first full-batch update, and so gains nothing.
        if options.threshold and p.epoch > 1 and p.gain < options.threshold:
            return "converged"
        return None

    # -- checkpoints ---------------------------------------------------------------------

    @property
    def divisible(self) -> bool:
        """Whether `state` may be taken inside an epoch: not where others hold part of it."""
        return self.learner.mini_batch or self.peers.size == 1

    def state(self) -> Snapshot:
        """(tensors, numbers) from which `restore` continues bit for bit on the CPU; after any event
        where `divisible`."""
        tensors = {f"current/{k}": t for k, t in self.program.params.items()}
        tensors |= {f"best/{k}": t for k, t in self.learner.pack(self.best_params).items()}
        tensors |= {f"learner/{k}": t for k, t in self.learner.state().items()}
        return tensors, dict(vars(self.progress))

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float | int]) -> None:
        """Continue from `state`. Raises ParameterError if it belongs to another circuit."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

        self.program.load(part("current/"))
        self.best_params = self.learner.unpack(part("best/"))
        tile, inside = self.progress.tile, int(numbers.get("batches", 0)) > 0
        again = inside and (not self.divisible or int(numbers.get("tile", 0)) != tile)
        if not again:
            self.learner.restore(part("learner/"))
        self.progress = Progress(
            epoch=int(numbers["epoch"]),
            best_epoch=int(numbers["best_epoch"]),
            best=float(numbers["best"]),
            best_impossible=int(numbers.get("best_impossible", 2**62)),
            last_better_epoch=int(numbers["last_better_epoch"]),
            last_better=float(numbers["last_better"]),
            train=float(numbers.get("train", -float("inf"))),
            gain=float(numbers.get("gain", float("inf"))),
            batches=int(numbers.get("batches", 0)),
            total=float(numbers.get("total", 0.0)),
            impossible=int(numbers.get("impossible", 0)),
            seen=int(numbers.get("seen", 0)),
            seconds=float(numbers.get("seconds", 0.0)),
            tile=tile,
        )
        if again:  # by other processes or in other tiles: the epoch from its beginning
            p = self.progress
            p.batches, p.total, p.impossible, p.seen, p.seconds = 0, 0.0, 0, 0, 0.0
