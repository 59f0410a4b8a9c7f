"""Up and flow pass as one CUDA graph: a thousand launches become one.

The kernels of a small layer take less time than their launch from Python. A graph is captured
once for each batch size and replayed on new data; the parameters are those in the banks, which
`advance` changes in place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.program import Program
from pccore.compile.state import Workspace

#: Passes before the capture: Triton compiles its kernels, the workspace gets its sizes.
WARM_UP = 2


class CapturedPass:
    """The expected counts of batches [B, V] without missing values, added to `statistics`.

    Needs a program with fused kernels: the plain torch path asks the host whether sums have
    underflowed, which cannot be captured.
    """

    def __init__(self, program: Program, samples: int, statistics: list[Tensor]) -> None:
        self._program = program
        self._statistics = statistics
        self._workspace = Workspace()
        width = len(program.circuit.variables)
        self._x = torch.zeros((samples, width), device=program.device, dtype=program.dtype)
        self._sources = _addresses(program)
        before = [tensor.clone() for tensor in statistics]
        side = torch.cuda.Stream(program.device)
        side.wait_stream(torch.cuda.current_stream(program.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._run()
        torch.cuda.current_stream(program.device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._values = self._run()
        for tensor, value in zip(statistics, before, strict=True):
            tensor.copy_(value)

    def _run(self) -> Tensor:
        program = self._program
        state = program.evaluate(self._x, keep=True, workspace=self._workspace, complete=True)
        program.flows(state, self._statistics)
        return program.root_values(state)

    def fits(self, x: Tensor, statistics: list[Tensor]) -> bool:
        """Whether the graph is for this batch, these accumulators and the banks as they are."""
        return (
            x.shape == self._x.shape
            and all(a is b for a, b in zip(statistics, self._statistics, strict=True))
            and self._sources == _addresses(self._program)
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Log-values of the root [B]; the counts are added to the statistics."""
        self._x.copy_(x)
        self._graph.replay()
        return self._values.clone()


def _addresses(program: Program) -> tuple[int, ...]:
    """Where the tensors that the layers read are: `set` may have replaced them."""
    return tuple(address for bank in program.banks for address in bank.addresses())
