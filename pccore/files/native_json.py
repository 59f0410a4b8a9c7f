"""NAME.pc.json: small circuits, readable and editable by hand, parameters inline.

The layout has one group per line. Numbers are written in the shortest form that reads back
to the same bits. Leading axes of length 1 are left out of "values": the weights of a sum
group of one unit are a plain list. See `structure` for the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from pccore.errors import FileError
from pccore.files import checks, strict_json, structure
from pccore.files.base import Format, ModelInfo, Source
from pccore.files.blueprint import Blueprint, read, read_meta
from pccore.files.group_reader import GroupPlan
from pccore.files.validation import validate_params
from pccore.graph import Circuit, Json, SparseEdges
from pccore.limits import current_limits

_MAX_NUMBERS = 2_000_000
_USE_TENSORS = "save it as NAME.pc.safetensors"
_MARK = re.compile(rb'"format"\s*:\s*"pccore"')


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write `circuit`. The same circuit always gives the same bytes.

    Raises FileError for a circuit too large or with names that a file cannot hold,
    ParameterError for parameters that `load` would refuse.
    """
    limits = current_limits()
    validate_params(circuit)
    structure.check_storable(circuit, limits)
    if circuit.num_parameters + circuit.num_edges > _MAX_NUMBERS:
        raise FileError(
            f"{circuit.num_parameters} parameters and {circuit.num_edges} edges are too many "
            "for a readable file",
            hint=_USE_TENSORS,
        )
    used = structure.used_parameters(circuit)
    dtypes = [circuit.params[parameter].dtype for parameter in used]
    common = max(dict.fromkeys(dtypes), key=dtypes.count, default=torch.float64)
    lines: list[str] = []
    for group in circuit.groups:
        entry = structure.encode_group(circuit, group, "name", _MAX_NUMBERS, limits)
        line = _dump(entry)
        if group.kind != "product" and used[group.parameter] == group.name:
            values = circuit.params[group.parameter]
            if values.dtype != common:
                line = f'{line[:-1]}, "dtype": "{structure.DTYPE_NAMES[values.dtype]}"}}'
            line = f'{line[:-1]}, "values": {_values_text(values)}}}'
        lines.append(line)
    head = structure.head(circuit, common, limits)
    meta = cast("dict[str, Json]", head.pop("meta"))
    parts = [f"  {_dump(key)}: {_dump(value)}" for key, value in head.items()]
    if meta:
        notes = ",\n".join(f"    {_dump(key)}: {_dump(value)}" for key, value in meta.items())
        parts.append(f'  "meta": {{\n{notes}\n  }}')
    parts.append('  "groups": [\n    ' + ",\n    ".join(lines) + "\n  ]")
    parts.append(f'  "roots": {_dump(structure.encode_roots(circuit, "name"))}')
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    strict_json.check_counts(text, limits)
    data = text.encode()
    if len(data) > limits.max_json_bytes:
        raise FileError(f"the file would have {len(data)} bytes", hint=_USE_TENSORS)
    stream.write(data)


def load(source: Source) -> Circuit:
    """Read a circuit. Raises FileError; ParameterError and GraphError name the group."""
    blueprint = _blueprint(source)
    params: dict[str, Tensor] = {}
    for parameter, position in blueprint.owner.items():
        params[parameter] = _values(blueprint, blueprint.groups[position])
    circuit = blueprint.circuit(params, _no_tensor)
    validate_params(circuit)
    return circuit


def meta(source: Source) -> Mapping[str, Json]:
    """The notes of the model."""
    return read_meta(_document(source), source.limits)


def describe(source: Source) -> ModelInfo:
    """Counts and notes, without building the circuit."""
    return _blueprint(source).info(FORMAT.name, source.size)


def recognises(start: bytes) -> bool:
    """Whether a file that starts like this is ours."""
    return b"\0" not in start and _MARK.search(start) is not None


def _document(source: Source) -> object:
    if source.size > source.limits.max_json_bytes:
        raise FileError(
            f"{source.size} bytes are more than the {source.limits.max_json_bytes} of JSON allowed",
            hint=_USE_TENSORS,
        )
    return strict_json.parse(source.stream.read(source.size), source.limits)


def _blueprint(source: Source) -> Blueprint:
    blueprint = read(_document(source), source.limits, _refuse_tensor_edges)
    if blueprint.generated:
        raise FileError("generated parameters are in .pc.safetensors files only")
    return blueprint


def _refuse_tensor_edges(name: str) -> int:
    raise FileError(
        'edges are "tensor", which only a .pc.safetensors file has', where=f"group {name}"
    )


def _no_tensor(plan: GroupPlan) -> SparseEdges:
    raise AssertionError(f"{plan.name} was refused before")


def _values(blueprint: Blueprint, plan: GroupPlan) -> Tensor:
    where = f"group {plan.name}"
    assert plan.shape is not None
    if "values" not in plan.entry:
        raise FileError("the group has no values", where=where)
    dtype = plan.dtype or blueprint.dtype or torch.float64
    shape = list(plan.shape)
    level: list[object] = [plan.entry["values"]]
    given = 0
    deepest: object = level[0]
    while isinstance(deepest, list):
        given += 1
        deepest = cast("list[object]", deepest)[0] if deepest else None
    while len(shape) > given and shape[0] == 1:
        shape = shape[1:]
    for length in shape:
        below: list[object] = []
        for entry in level:
            if not isinstance(entry, list) or len(cast("list[object]", entry)) != length:
                raise FileError(f"values must have the shape {list(plan.shape)}", where=where)
            below += cast("list[object]", entry)
        level = below
    return _numbers(level, list(plan.shape), where).to(dtype).reshape(plan.shape)


def _numbers(level: list[object], shape: list[int], where: str) -> Tensor:
    for value in level:
        if isinstance(value, list):
            raise FileError(f"values must have the shape {shape}", where=where)
        if type(value) is not float and type(value) is not int:
            raise FileError(f"values must be numbers, not {checks.shown(value)}", where=where)
    try:
        numbers = np.array(level, dtype=np.float64)
    except OverflowError:
        raise FileError("a value is too large", where=where) from None
    if not bool(np.isfinite(numbers).all()):
        raise FileError("a value is too large", where=where)
    return torch.from_numpy(numbers)


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _values_text(tensor: Tensor) -> str:
    """`tensor` as nested lists, without its leading axes of length 1."""
    tensor = tensor.detach().cpu()
    shape = list(tensor.shape)
    while shape and shape[0] == 1:
        shape = shape[1:]
    texts = [_shortest(x, tensor.dtype) for x in tensor.reshape(-1).tolist()]
    while shape:
        length = shape.pop()
        texts = ["[" + ", ".join(texts[i : i + length]) + "]" for i in range(0, len(texts), length)]
    return texts[0]


def _shortest(x: float, dtype: torch.dtype) -> str:
    """The shortest text that reads back to the same number of this dtype."""
    if dtype == torch.float32:
        text = str(np.float32(x))
        # Reading goes through float64; where rounding twice differs, all digits are written.
        if np.float32(float(text)) == np.float32(x):
            return text
    return repr(x)


FORMAT = Format(
    name="pc.json",
    title="PC Workbench, readable",
    suffixes=(".pc.json",),
    save=save,
    load=load,
    meta=meta,
    describe=describe,
    recognises=recognises,
)
