"""NAME.numpy.py: log-likelihoods of a circuit as one Python file that needs numpy alone."""

from __future__ import annotations

import base64
import inspect
import io
from typing import Any, BinaryIO

import numpy as np

from pccore.errors import FileError
from pccore.files import checks
from pccore.files.base import Format, Limits
from pccore.files.compiled import runtime
from pccore.files.compiled.tape import Tape, make_tape
from pccore.graph import Circuit

#: Bytes of the arrays: what Python reads as the text of a program within seconds.
MAX_BYTES = 128 * 2**20

_HEAD = '''"""{title}

Log-likelihoods of a probabilistic circuit, by numpy alone:

    from {module} import log_likelihood
    log_likelihood(x)   # rows x [B, {count}] -> [B] in nats; NaN is a missing value, summed out

or `python {module}.py rows.csv` (or .npy), which prints a number for each row. The columns are
VARIABLES, in this order.
"""
'''
_BODY = '''

VARIABLES = {variables}
LOG_PARTITION = np.array({log_partition})


def _load(text: str) -> tuple[list[tuple[str, dict[str, Array]]], Array]:
    """The steps and the rows of the roots."""
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as arrays:
        steps: list[tuple[str, dict[str, Array]]] = []
        for key in arrays.files:
            if key != "roots":
                number, kind, name = key.split(".")
                if int(number) == len(steps):
                    steps.append((kind, {{}}))
                steps[-1][1][name] = arrays[key]
        return steps, arrays["roots"]


def log_value(x: Array) -> Array:
    """log S(x) of each root, not divided by Z: [B, R] for rows x [B, V], NaN where missing."""
    rows = np.atleast_2d(np.asarray(x, np.float64))
    if rows.ndim != 2 or rows.shape[1] != len(VARIABLES):
        raise ValueError(f"{{len(VARIABLES)}} columns are needed, not the shape {{rows.shape}}")
    return run(*_STEPS, rows)


def log_likelihood(x: Array) -> Array:
    """log P(x) in nats, [B]; [B, R] for a circuit of several roots."""
    logs = log_value(x) - LOG_PARTITION
    return logs[:, 0] if logs.shape[1] == 1 else logs


_STEPS = _load(
    """
{data}
"""
)

if __name__ == "__main__":
    for path in sys.argv[1:]:
        data = np.load(path) if path.endswith(".npy") else np.genfromtxt(path, delimiter=",")
        for value in log_likelihood(data):
            print(value)
'''


def to_numpy(circuit: Circuit, module: str = "model") -> str:
    """The program; `module` is what its own usage calls it.

    Raises FileError for circuits without a likelihood, leaves that cannot be written down and
    circuits that are too large, ParameterError for illegal parameters.
    """
    tape = make_tape(circuit)
    limits = Limits()
    for name in circuit.variables:
        checks.name(name, "the variable name", limits)
    title = " ".join(str(circuit.meta.get("title", "") or "A circuit").split())
    head = _HEAD.format(
        title=ascii(title[: limits.max_name]).replace('"', "'")[1:-1],
        module=module,
        count=len(circuit.variables),
    )
    text = base64.b64encode(_arrays(tape)).decode()
    body = _BODY.format(
        variables=ascii(tuple(circuit.variables)),
        log_partition=tape.log_partition.tolist(),
        data="\n".join(text[i : i + 96] for i in range(0, len(text), 96)),
    )
    imports = "import base64\nimport io\nimport sys\n"
    code = inspect.getsource(runtime).split('"""', 2)[2].lstrip()
    first = "from __future__ import annotations\n\n"
    return head + "\n" + first + imports + code.removeprefix(first) + body


def _arrays(tape: Tape) -> bytes:
    """All arrays as an .npz, numbers in the precision of the model."""
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {"roots": tape.roots}
    for number, step in enumerate(tape.steps):
        for name, array in step.arrays.items():
            # Values are computed in double precision, whatever they are stored in.
            single = array.dtype == np.float64 and not tape.double and array.size > 1
            stored = array.astype(np.float32) if single else array
            arrays[f"{number}.{step.kind}.{name}"] = stored
    size = sum(array.nbytes for array in arrays.values())
    if size > MAX_BYTES:
        raise FileError(
            f"the format cannot hold arrays of {size} bytes, more than {MAX_BYTES}",
            hint="write .onnx",
        )
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    return stream.getvalue()


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the program."""
    stream.write(to_numpy(circuit).encode("ascii"))


FORMAT = Format(
    name="numpy.py",
    title="Log-likelihood, Python with numpy alone",
    suffixes=(".numpy.py",),
    save=save,
    likelihood=True,
)
