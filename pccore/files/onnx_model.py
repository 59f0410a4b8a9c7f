"""NAME.onnx: log-likelihoods of a circuit for any runtime of ONNX (for writing only).

session = onnxruntime.InferenceSession("model.onnx")
session.run(None, {"x": rows})   # rows [B, V], NaN where missing -> log P(x) in nats, [B]
"""

from __future__ import annotations

import importlib
import json
from typing import BinaryIO

from pccore import __version__
from pccore.errors import FileError
from pccore.files.base import Format
from pccore.files.compiled.onnx_graph import GraphWriter
from pccore.files.compiled.tape import make_tape
from pccore.graph import Circuit

#: What a protocol buffer may hold.
MAX_BYTES = 2**31 - 2**20


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the graph: input `x` [batch, V], output `log_likelihood` [batch], or [batch, R] for R
    roots. Double precision where a parameter has it. The names of the variables are in the
    metadata, as a JSON list under `variables`.

    Raises FileError without the package onnx, for circuits without a likelihood, leaves that cannot
    be written down and graphs over 2 GB; ParameterError for illegal parameters.
    """
    try:
        onnx = importlib.import_module("onnx")
        # Parts of the package that it does not import by itself.
        importlib.import_module("onnx.helper")
        importlib.import_module("onnx.numpy_helper")
    except ImportError:
        raise FileError(
            "the package onnx is not installed", hint="pip install 'pc-workbench[onnx]'"
        ) from None
    tape = make_tape(circuit)
    size = sum(array.nbytes for step in tape.steps for array in step.arrays.values())
    if size > MAX_BYTES:
        raise FileError(f"the format cannot hold arrays of {size} bytes")
    title = str(circuit.meta.get("title", ""))
    model = GraphWriter(onnx, tape).model(circuit.variables, title, __version__)
    onnx.helper.set_model_props(
        model,
        {
            "variables": json.dumps(circuit.variables),
            "log_partition": json.dumps(tape.log_partition.tolist()),
        },
    )
    stream.write(model.SerializeToString(deterministic=True))


FORMAT = Format(
    name="onnx",
    title="Log-likelihood, ONNX",
    suffixes=(".onnx",),
    save=save,
    likelihood=True,
    package="onnx",
)
