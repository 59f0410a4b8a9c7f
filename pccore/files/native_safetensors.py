"""NAME.pc.safetensors: circuits of any size, parameters as tensors.

The metadata hold the structure (see `structure`) as JSON, references as positions. The
tensors are "params/ID" for each parameter and, for the sparse edges of groups with more
than a few children, "offsets/GROUP" and "children/GROUP" (int64).

Where a network generates the weights of the dense sums, "generated" is true in the structure,
"network/embeddings", "network/weight.0", "network/bias.0" ... stand for all of them, and the JSON
lies deflated in the tensor "structure" (uint8): written out it would be larger than the parameters.
"crc32" in the metadata is a checksum of all else.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import torch
from torch import Tensor

from pccore.errors import FileError
from pccore.files import checks, strict_json, structure, tensor_container
from pccore.files.base import Format, ModelInfo, Source
from pccore.files.blueprint import Blueprint, read, read_meta
from pccore.files.group_reader import GroupPlan
from pccore.files.tensor_container import Entry, Header
from pccore.files.validation import validate_params
from pccore.generated import Generated, Network
from pccore.graph import Circuit, Json, SparseEdges
from pccore.limits import current_limits
from pccore.transform.generate import dense_shapes

#: Tensors of a network, and the deflated structure that goes with them.
_NETWORK, _PACKED = "network/", "structure"

#: Sparse edges with more children than this are stored as tensors.
_INLINE_EDGES = 64


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write `circuit`. The same circuit always gives the same bytes.

    Raises FileError for a circuit with names or sizes that a file cannot hold,
    ParameterError for parameters that `load` would refuse.
    """
    limits = current_limits()
    validate_params(circuit)
    structure.check_storable(circuit, limits)
    document = structure.head(circuit, None, limits)
    document["groups"] = [
        structure.encode_group(circuit, group, "position", _INLINE_EDGES, limits)
        for group in circuit.groups
    ]
    document["roots"] = structure.encode_roots(circuit, "position")
    made = circuit.params if isinstance(circuit.params, Generated) else None
    if made is not None and dict(made.shapes) != dense_shapes(circuit):
        made = None  # not every dense sum: stored as ordinary parameters
    if made is not None:
        document["generated"] = True
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    strict_json.check_counts(text, limits)
    tensors: dict[str, Tensor] = {}
    for group in circuit.groups:
        if group.kind == "leaf" or not isinstance(group.edges, SparseEdges):
            continue
        if len(group.edges.children) > _INLINE_EDGES:
            for name, array in (
                (f"offsets/{group.name}", group.edges.offsets),
                (f"children/{group.name}", group.edges.children),
            ):
                tensors[name] = torch.tensor(array, dtype=torch.int64)
    stored = circuit.params if made is None else made.direct
    for parameter in structure.used_parameters(circuit):
        if parameter in stored:
            tensors[f"params/{parameter}"] = stored[parameter]
    metadata = {"format": structure.FORMAT_NAME}
    if made is None:
        metadata["structure"] = text
    else:
        tensors |= {f"network/{name}": tensor for name, tensor in made.network.tensors().items()}
        tensors[_PACKED] = torch.frombuffer(
            bytearray(zlib.compress(text.encode(), 9)), dtype=torch.uint8
        )
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    header = tensor_container.header_bytes(
        tensors, tensor_container.with_checksum(metadata, tensors)
    )
    if len(header) > limits.max_json_bytes or len(header) + size > limits.max_bytes:
        raise FileError(
            f"the file would have {len(header) + size} bytes, {len(header)} of them structure, "
            f"more than the {limits.max_bytes} and {limits.max_json_bytes} that are allowed",
            hint="groups of many units take less than many groups of one unit",
        )
    tensor_container.write(stream, header, tensors)


def load(source: Source) -> Circuit:
    """Read a circuit. Raises FileError; ParameterError and GraphError name the group."""
    header, blueprint = _blueprint(source)
    _check_tensors(header, blueprint)
    tensors = tensor_container.read_tensors(source, header.entries.values())

    def sparse(plan: GroupPlan) -> SparseEdges:
        return _sparse(plan, tensors[f"offsets/{plan.name}"], tensors[f"children/{plan.name}"])

    made = blueprint.shapes
    params = {p: tensors[f"params/{p}"] for p in blueprint.owner if p not in made}
    circuit = blueprint.circuit(params, sparse)
    if blueprint.generated:
        named = {k.removeprefix(_NETWORK): t for k, t in tensors.items() if k.startswith(_NETWORK)}
        circuit = circuit.with_params(Generated(Network.of(named), made, params))
    validate_params(circuit)
    # Last: whoever changed a file on purpose is told better what is wrong with it.
    tensor_container.verify(header.metadata, tensors)
    return circuit


def meta(source: Source) -> Mapping[str, Json]:
    """The notes of the model, read from the header alone."""
    return read_meta(_document(tensor_container.read_header(source), source), source.limits)


def describe(source: Source) -> ModelInfo:
    """Counts and notes, read from the header alone."""
    header, blueprint = _blueprint(source)
    network = sum(
        math.prod(entry.shape)
        for name, entry in header.entries.items()
        if name.startswith(_NETWORK)
    )
    return blueprint.info(FORMAT.name, source.size, network)


def recognises(start: bytes) -> bool:
    """Whether a file that starts like this is a safetensors file."""
    return start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < 2**32


def _document(header: Header, source: Source) -> object:
    text = header.metadata.get("structure")
    if text is None and _PACKED in header.entries:
        text = _unpacked(header.entries[_PACKED], source)
    if header.metadata.get("format") != structure.FORMAT_NAME or text is None:
        raise FileError(
            "this safetensors file holds tensors but no circuit",
            hint="only files that pccore has written describe their structure",
        )
    try:
        return strict_json.parse(text, source.limits)
    except FileError as error:
        where = f"structure, {error.where}" if error.where else "structure"
        raise FileError(error.message, where=where, hint=error.hint) from None


def _unpacked(entry: Entry, source: Source) -> str:
    """The deflated structure. Raises FileError for what is damaged or grows too large."""
    if entry.dtype != torch.uint8 or len(entry.shape) != 1:
        raise FileError("the tensor must be a row of U8", where=_PACKED)
    data = tensor_container.read_tensors(source, [entry])[_PACKED].numpy().tobytes()
    most = source.limits.max_json_bytes
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(data, most + 1)
        if len(text) > most or not inflate.eof:
            raise FileError(f"the structure is cut off, or longer than {most} bytes", where=_PACKED)
        return text.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise FileError(f"the structure cannot be read: {error}", where=_PACKED) from None


def _blueprint(source: Source) -> tuple[Header, Blueprint]:
    header = tensor_container.read_header(source)

    def edge_count(name: str) -> int:
        return _tensor(header, f"children/{name}", 1, f"group {name}").shape[0]

    return header, read(_document(header, source), source.limits, edge_count)


def _tensor(header: Header, name: str, axes: int, where: str) -> Entry:
    entry = header.entries.get(name)
    if entry is None:
        raise FileError(f"the tensor {checks.shown(name)} is missing", where=where)
    if len(entry.shape) != axes:
        raise FileError(
            f"the tensor {checks.shown(name)} has {len(entry.shape)} axes, not {axes}", where=where
        )
    return entry


def _check_tensors(header: Header, blueprint: Blueprint) -> None:
    """Exactly the tensors that the structure needs, of the right shapes and types."""
    needed = set[str]()
    for plan in blueprint.groups:
        where = f"group {plan.name}"
        for key in ("values", "dtype"):
            if key in plan.entry:
                raise FileError(f"{key} belong into a tensor here", where=where)
        if plan.edges is not None:
            continue
        for prefix, length in (("offsets", plan.size + 1), ("children", None)):
            name = f"{prefix}/{plan.name}"
            entry = _tensor(header, name, 1, where)
            _check_shape(entry, (length or entry.shape[0],), where)
            if entry.dtype != torch.int64:
                raise FileError(f"the tensor {checks.shown(name)} must be I64", where=where)
            needed.add(name)
    made = blueprint.shapes
    for parameter, position in blueprint.owner.items():
        if parameter not in made:
            needed.add(_check_parameter(header, parameter, blueprint.groups[position]))
    if blueprint.generated:
        # Which of them there must be, and of what shapes, the network checks itself.
        needed |= {name for name in header.entries if name.startswith(_NETWORK)}
        needed.add(_PACKED)
    for name in header.entries:
        if name not in needed:
            raise FileError(f"no group uses the tensor {checks.shown(name)}")


def _check_parameter(header: Header, parameter: str, plan: GroupPlan) -> str:
    """The name of the tensor of a parameter, which is there and has the shape of the group."""
    where = f"group {plan.name}"
    assert plan.shape is not None
    name = f"params/{parameter}"
    entry = _tensor(header, name, len(plan.shape), where)
    _check_shape(entry, plan.shape, where)
    if not entry.dtype.is_floating_point:
        raise FileError(f"the tensor {checks.shown(name)} must be F64 or F32", where=where)
    return name


def _check_shape(entry: Entry, shape: tuple[int, ...], where: str) -> None:
    if entry.shape != shape:
        raise FileError(
            f"the tensor {checks.shown(entry.name)} has the shape {list(entry.shape)}, "
            f"not {list(shape)}",
            where=where,
        )


def _sparse(plan: GroupPlan, offsets: Tensor, children: Tensor) -> SparseEdges:
    # Compared, not subtracted: differences of hostile offsets wrap around to legal ones.
    increasing = bool((offsets[1:] > offsets[:-1]).all())
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(children) or not increasing:
        raise FileError(
            f"the offsets must grow from 0 to {len(children)}", where=f"group {plan.name}"
        )
    return SparseEdges(offsets.numpy(), children.numpy())


FORMAT = Format(
    name="pc.safetensors",
    title="PC Workbench, any size",
    suffixes=(".pc.safetensors",),
    save=save,
    load=load,
    meta=meta,
    describe=describe,
    recognises=recognises,
)
