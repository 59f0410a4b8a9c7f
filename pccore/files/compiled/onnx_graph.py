"""A tape as a graph of ONNX operators; `runtime.py` is the same in numpy, step by step.

Values are [rows, samples] as there. Where the numpy program reads all earlier rows from one buffer,
a step here joins the results of those steps that it reads from.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from pccore.files.compiled.runtime import IMPOSSIBLE
from pccore.files.compiled.tape import Step, Tape, sources

#: Of 2023; `ReduceMax` takes its axes as an input from here on.
OPSET = 18
IR_VERSION = 9

Array = np.ndarray[Any, np.dtype[Any]]


class GraphWriter:
    """Collects nodes and initialisers. onnx: the package. A tensor is its name."""

    def __init__(self, onnx: ModuleType, tape: Tape) -> None:
        self._onnx = onnx
        self._tape = tape
        self.dtype = np.dtype(np.float64 if tape.double else np.float32)
        self._starts = sources(tape.steps)
        self._results: list[str] = []
        self._initialisers: list[Any] = []
        self._nodes: list[Any] = []
        self._known: dict[tuple[str, bytes], str] = {}

    # -- pieces --------------------------------------------------------------------------

    def _op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _constant(self, value: Array | float | Sequence[int]) -> str:
        """Numbers in the precision of the graph, integers as int64; small ones are shared."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            # What single precision cannot hold becomes infinite, as it should.
            with np.errstate(over="ignore"):
                array = array.astype(self.dtype)
        key = (f"{array.dtype}{array.shape}", array.tobytes() if array.size <= 64 else b"")
        found = self._known.get(key) if key[1] else None
        if found is None:
            found = f"c{len(self._initialisers)}"
            array = np.ascontiguousarray(array)
            self._initialisers.append(self._onnx.numpy_helper.from_array(array, found))
            if key[1]:
                self._known[key] = found
        return found

    def _shaped(self, tensor: str, *shape: int) -> str:
        return self._op("Reshape", tensor, self._constant(shape))

    def _reduced(self, kind: str, tensor: str, axis: int, keep: bool) -> str:
        return self._op(kind, tensor, self._constant([axis]), keepdims=int(keep))

    def _both(self, first: str, second: str) -> str:
        return self._op("And", first, second)

    def _rows(self, index: Array) -> str:
        """The rows `index` [...] of earlier steps: [..., B]."""
        step = np.searchsorted(self._starts, index, side="right")  # 0 for the constant row
        used = np.unique(step)
        names = [self._zero if u == 0 else self._results[u - 1] for u in used.tolist()]
        joined = names[0] if len(names) == 1 else self._op("Concat", *names, axis=0)
        ends = np.array([0, *self._starts.tolist()])
        sizes = ends[used + 1] - ends[used]
        shift = ends[used] - (np.cumsum(sizes) - sizes)
        local = index - shift[np.searchsorted(used, step)]
        if index.size == int(sizes.sum()) and np.array_equal(
            local.reshape(-1), np.arange(index.size)
        ):
            return joined if index.ndim == 1 else self._shaped(joined, *index.shape, -1)
        return self._op("Gather", joined, self._constant(local), axis=0)

    # -- the graph -----------------------------------------------------------------------

    def model(self, names: Sequence[str], title: str, version: str) -> Any:
        """The ModelProto: input x [batch, variables], output log_likelihood [batch] or
        [batch, roots]."""
        helper = self._onnx.helper
        self._columns = self._op("Transpose", "x", perm=[1, 0])
        one_row = self._op("Gather", self._columns, self._constant([0]), axis=0)
        self._zero = self._op(
            "Expand", self._constant(np.zeros((1, 1))), self._op("Shape", one_row)
        )
        for step in self._tape.steps:
            made = getattr(self, f"_{step.kind}")(step)
            self._results.append(made)
        roots = self._rows(self._tape.roots)  # [R, B]
        many = len(self._tape.roots) > 1
        if many:
            roots = self._op("Transpose", roots, perm=[1, 0])
            partition: Array = self._tape.log_partition
        else:
            roots = self._shaped(roots, -1)
            partition = self._tape.log_partition[:1]
        self._op("Sub", roots, self._constant(partition))
        self._nodes[-1].output[0] = "log_likelihood"
        kind = self._onnx.TensorProto.DOUBLE if self._tape.double else self._onnx.TensorProto.FLOAT
        shape = ["batch", len(partition)] if many else ["batch"]
        graph = helper.make_graph(
            self._nodes,
            "log_likelihood",
            [helper.make_tensor_value_info("x", kind, ["batch", len(names)])],
            [helper.make_tensor_value_info("log_likelihood", kind, shape)],
            self._initialisers,
            doc_string=title,
        )
        return helper.make_model(
            graph,
            producer_name="pccore",
            producer_version=version,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )

    # -- leaves --------------------------------------------------------------------------

    def _data(self, step: Step) -> tuple[str, str]:
        """(x, whether it is missing) of a layer of leaves, [G, d, B]."""
        index = self._constant(step.arrays["variables"])
        x = self._op("Gather", self._columns, index, axis=0)
        return x, self._op("IsNaN", x)

    def _inside(self, x: str, largest: float) -> str:
        low = self._op("GreaterOrEqual", x, self._constant(0.0))
        whole = self._op("Equal", x, self._op("Floor", x))
        inside = self._both(low, whole)
        if np.isfinite(largest):
            inside = self._both(inside, self._op("LessOrEqual", x, self._constant(largest)))
        return inside

    def _units(self, tensor: str, step: Step) -> str:
        """Anything of units * B numbers as [units, B]."""
        return self._shaped(tensor, int(step.arrays["units"]), -1)

    def _table(self, step: Step) -> str:
        x, missing = self._data(step)
        table = step.arrays["table"]
        inside = self._inside(x, float(step.arrays["states"]) - 1)
        state = self._op("Where", inside, x, self._constant(0.0))
        state = self._op("Cast", state, to=self._onnx.TensorProto.INT64)
        row = self._op("Add", state, self._constant(step.arrays["starts"][:, :, None]))
        row = self._op("Where", inside, row, self._constant([len(table) - 1]))
        row = self._op("Where", missing, self._constant([len(table) - 2]), row)
        found = self._op("Gather", self._constant(table), row, axis=0)  # [G, d, B, K]
        total = self._reduced("ReduceSum", found, 1, False)
        return self._units(self._op("Transpose", total, perm=[0, 2, 1]), step)

    def _linear(self, step: Step) -> str:
        x, missing = self._data(step)
        inside = self._inside(x, float(step.arrays["largest"]))
        seen = self._op("Not", missing)
        zero = self._constant(0.0)
        safe = self._op("Where", inside, x, zero)  # [G, d, B]
        slope, offset = (step.arrays[name][:, None] for name in ("slope", "offset"))
        groups, d = step.arrays["variables"].shape
        spread = self._shaped(safe, groups, d, 1, -1)
        statistics = self._op("Mul", spread, self._constant(slope))
        statistics = self._op("Add", statistics, self._constant(offset))
        statistics = self._op("Where", self._shaped(seen, groups, d, 1, -1), statistics, zero)
        flat = self._shaped(statistics, groups, d * len(slope), -1)
        out = self._op("MatMul", self._constant(step.arrays["weights"]), flat)
        if "base" in step.arrays:
            base = self._op("Where", seen, self._base(step, safe), zero)
            out = self._op("Add", out, self._reduced("ReduceSum", base, 1, True))
        outside = self._both(seen, self._op("Not", inside))
        count = self._op("Cast", outside, to=self._onnx.TensorProto.INT64)
        some = self._op("Greater", self._reduced("ReduceSum", count, 1, True), self._constant([0]))
        low = self._op("Less", out, self._constant(IMPOSSIBLE))
        impossible = self._op("Or", low, some)
        return self._units(self._op("Where", impossible, self._constant(-np.inf), out), step)

    def _base(self, step: Step, safe: str) -> str:
        """log h(x)."""
        table = step.arrays["base"]
        if len(table):
            index = self._op("Cast", safe, to=self._onnx.TensorProto.INT64)
            return self._op("Gather", self._constant(table), index, axis=0)
        y = self._op("Add", safe, self._constant(8.0))
        square = self._op("Mul", y, y)
        series = self._constant(1 / 1680)
        for term in (1 / 1260, 1 / 360, 1 / 12):
            series = self._op("Sub", self._constant(term), self._op("Div", series, square))
        series = self._op("Div", series, y)
        total = self._op("Mul", self._op("Sub", y, self._constant(0.5)), self._op("Log", y))
        total = self._op("Sub", total, y)
        total = self._op("Add", total, self._constant(0.5 * np.log(2 * np.pi)))
        total = self._op("Add", total, series)
        for number in range(1, 8):
            shifted = self._op("Add", safe, self._constant(float(number)))
            total = self._op("Sub", total, self._op("Log", shifted))
        return self._op("Neg", total)

    def _gaussian(self, step: Step) -> str:
        x, missing = self._data(step)
        groups, d = step.arrays["variables"].shape
        mean, precision, constant = (
            self._constant(step.arrays[name][..., None])
            for name in ("mean", "precision", "constant")
        )
        apart = self._op("Sub", self._shaped(x, groups, d, 1, -1), mean)  # [G, d, K, B]
        half = self._op("Mul", precision, self._constant(-0.5))
        values = self._op("Mul", self._op("Mul", apart, apart), half)
        values = self._op("Add", values, constant)
        gone = self._shaped(missing, groups, d, 1, -1)
        values = self._op("Where", gone, self._constant(0.0), values)
        return self._units(self._reduced("ReduceSum", values, 1, False), step)

    # -- sums and products ---------------------------------------------------------------

    def _children(self, step: Step) -> str:
        children = self._rows(step.arrays["children"])
        if "others" in step.arrays:
            children = self._op("Add", children, self._rows(step.arrays["others"]))
        return children

    def _top(self, terms: str) -> str:
        """The largest of axis 1, kept; 0 where all are -inf."""
        top = self._reduced("ReduceMax", terms, 1, True)
        nothing = self._op("Equal", top, self._constant(-np.inf))
        return self._op("Where", nothing, self._constant(0.0), top)

    def _dense(self, step: Step) -> str:
        children = self._children(step)
        top = self._top(children)
        linear = self._op("Exp", self._op("Sub", children, top))
        sums = self._op("MatMul", self._constant(step.arrays["weights"]), linear)
        out = self._op("Add", self._op("Log", sums), top)
        if step.arrays["log_scale"].any():
            out = self._op("Add", out, self._constant(step.arrays["log_scale"]))
        return self._units(out, step)

    def _edges(self, step: Step) -> str:
        weights = self._constant(step.arrays["log_weights"][:, :, None])
        terms = self._op("Add", self._children(step), weights)  # [U, n, B]
        top = self._top(terms)
        linear = self._op("Exp", self._op("Sub", terms, top))
        sums = self._reduced("ReduceSum", linear, 1, True)
        return self._units(self._op("Add", self._op("Log", sums), top), step)

    def _product(self, step: Step) -> str:
        return self._reduced("ReduceSum", self._children(step), 1, False)
