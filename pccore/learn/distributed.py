"""Several processes, on one or more machines, that train as one.

`torchrun --nproc-per-node 2 -m pccore train ...` starts them. Every process has the same parameters
and learns from its share of each batch; expected counts are added up over all of them, so that each
makes the update that one process would make of the whole batch. The first process alone writes.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from pccore.errors import OptionError, RunError

#: Seconds that processes wait for each other until all have read their data.
START_PATIENCE = 600.0
#: Seconds after which one that does not answer during training counts as lost: longer than the
#: first takes to write a checkpoint.
PATIENCE = 60.0


@dataclass(frozen=True)
class Peers:
    """The processes of a run: how many, and which of them this is.

    device: where what they exchange has to lie. patience: seconds that they wait for each other
    once `assembled`. Methods that communicate have to be called by all of them in the same order,
    and raise RunError where one is lost.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    patience: float = PATIENCE
    group: dist.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes the run directory and talks to people."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of row numbers [N]; parts differ by one row at most."""
        return rows.tensor_split(self.size)[self.rank]

    def span(self, count: int) -> range:
        """This process's part of the rows 0..count-1, consecutive ones."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def assembled(self) -> None:
        """Wait until all have come this far, and have read their data, however long that takes."""
        if self.size > 1:
            with _together(START_PATIENCE):
                dist.all_reduce(torch.zeros(1, device=self.device))

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.size == 1:
            return
        with _together(self.patience):
            # All under way before the first is waited for.
            pending = [dist.all_reduce(t, group=self.group, async_op=True) for t in tensors]
            for one in pending:
                if one is not None:
                    one.wait()

    def total(self, *numbers: float) -> list[float]:
        """The sum over all processes of each number."""
        if self.size == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        self.add([sums])
        return [float(one) for one in sums.tolist()]

    def leaders(self, number: int) -> int:
        """The number that the first process gave."""
        if self.size == 1:
            return number
        with _together(self.patience):
            said = torch.tensor([number], device=self.device)
            dist.broadcast(said, 0, group=self.group)
            return int(said)

    def leaders_text(self, text: str) -> str:
        """The text that the first process gave, which may have to read data before."""
        if self.size == 1:
            return text
        data = text.encode()
        self.assembled()
        length = self.leaders(len(data))
        with _together(self.patience):
            said = torch.zeros(length, dtype=torch.uint8, device=self.device)
            if self.leads:
                said.copy_(torch.tensor(list(data), dtype=torch.uint8))
            dist.broadcast(said, 0, group=self.group)
        return bytes(said.tolist()).decode()


#: The only process of a run.
ALONE = Peers()


@contextmanager
def _together(patience: float) -> Generator[None, None, None]:
    """A message that another process no longer answers becomes a sentence."""
    try:
        yield
    except RuntimeError as error:  # torch has no narrower one for gloo
        late = re.search("time(d )?out", str(error), re.IGNORECASE)
        why = f"did not answer for {patience:g} s" if late else "was lost"
        raise RunError(
            f"a process of this run {why}, the others have stopped",
            hint="what was finished is saved; start it again with --resume",
        ) from error


def launched() -> bool:
    """Whether torchrun started this process beside others."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ


@contextmanager
def joined(device: str = "cpu", patience: float = PATIENCE) -> Generator[Peers, None, None]:
    """The processes that torchrun started, ALONE where it started none or only this one.

    device: cpu (they talk by gloo) or cuda (nccl; each takes the GPU of its own number). patience:
    seconds after which one that hangs counts as lost. Raises
    OptionError for a single GPU, RunError where the others do not answer.
    """
    if not launched():
        yield ALONE
        return
    if ":" in device:
        raise OptionError(
            f"several processes cannot share {device}", where="--device", hint="say cuda"
        )
    cuda = device == "cuda"
    if cuda:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
        # Otherwise torch ends the process where another is lost, before it could save.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    with _together(START_PATIENCE):
        start = datetime.timedelta(seconds=START_PATIENCE)
        dist.init_process_group("nccl" if cuda else "gloo", timeout=start)
        limit = datetime.timedelta(seconds=patience)
        group = cast("dist.ProcessGroup", dist.new_group(timeout=limit))
    try:
        yield Peers(dist.get_rank(), dist.get_world_size(), device, patience, group)
    finally:
        dist.destroy_process_group()
