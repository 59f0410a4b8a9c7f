"""What several commands share: rows of a dataset, devices, output files, presets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pccore.compile import Program, compile_circuit
from pccore.datasets import Dataset, Shards, check_columns, check_support, load, parse_reference
from pccore.datasets.base import Array
from pccore.errors import DataError, FileError, OptionError
from pccore.files import writable
from pccore.generated import Generated
from pccore.graph import Circuit
from pccore.learn import Method
from pccore.leaves.base import Support
from pccore.options import describe
from pccore.presets import presets
from pccore.structures import Structure


def rows_for(circuit: Circuit, reference: str, limit: int | None) -> tuple[Dataset, str, Array]:
    """The same as `all_rows_for`, in memory. Raises DataError where they are too many for it."""
    dataset, where, rows = all_rows_for(circuit, reference, limit)
    if isinstance(rows, Shards):
        if limit is None:
            raise DataError("these rows do not fit into memory", where=where, hint="say --limit N")
        rows = rows[:limit]
    return dataset, where, rows


def all_rows_for(
    circuit: Circuit, reference: str, limit: int | None
) -> tuple[Dataset, str, Array | Shards]:
    """(dataset, "name:split", rows) of a reference such as "digits:test", fit for the circuit.

    Without a split the test rows are meant. Raises DataError where there are none, or columns
    or values do not suit the circuit.
    """
    name, split = parse_reference(reference)
    dataset = load(name)
    split = split or "test"
    where = f"{dataset.name}:{split}"
    check_columns(dataset, len(circuit.variables), where=where)
    rows = dataset.rows(split)
    if limit is not None:
        rows = rows.first(limit) if isinstance(rows, Shards) else rows[:limit]
    if not len(rows):
        raise DataError("this split has no rows", where=where)
    check_support(rows, domains(circuit), circuit.variables, where)
    return dataset, where, rows


def domains(circuit: Circuit) -> list[Support]:
    """The domain of every variable; real where no leaf mentions it."""
    mentioned = 0
    for scope in circuit.scopes:
        mentioned |= scope.bits
    return [
        circuit.domain(v) if mentioned >> v & 1 else Support("real")
        for v in range(len(circuit.variables))
    ]


def compiled(circuit: Circuit, options: argparse.Namespace) -> Program:
    """The program for --device, --threads, --memory and --precision."""
    device = device_of(options.device)
    use_threads(options.threads)
    return compile_circuit(circuit, device, dtype_of(circuit, options), options.memory)


def dtype_of(circuit: Circuit, options: argparse.Namespace) -> torch.dtype:
    """That of --precision; by default float64 where the circuit has such parameters."""
    chosen = {"float32": torch.float32, "float64": torch.float64}.get(options.precision)
    if chosen is not None:
        return chosen
    params = circuit.params
    stored = params.direct if isinstance(params, Generated) else params
    double = any(tensor.dtype == torch.float64 for tensor in stored.values())
    return torch.float64 if double else torch.float32


def device_of(text: str) -> str:
    """The name of a device that is there. Raises OptionError."""
    try:
        device = torch.device(text)
    except RuntimeError:
        raise OptionError(
            f"{text!r} is no device", where="--device", hint="cpu, cuda, cuda:1"
        ) from None
    if device.type == "cpu":
        return text
    if device.type != "cuda":
        raise OptionError(f"{text!r} is not supported", where="--device", hint="cpu, cuda, cuda:1")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise OptionError(
            f"there is no device {text!r}, this machine has {count} CUDA devices", where="--device"
        )
    return text


def use_threads(count: int | None) -> None:
    """Let torch use so many CPU threads."""
    if count is not None:
        torch.set_num_threads(count)


def check_target(text: str) -> Path:
    """The path of a model to be written, checked before any work. Raises FileError."""
    path = Path(text)
    suffixes = [suffix for format_ in writable() for suffix in format_.suffixes]
    if not path.name.lower().endswith(tuple(suffixes)):
        raise FileError(
            "the name does not end in a format that is written",
            where=text,
            hint=", ".join(suffixes),
        )
    if not path.parent.is_dir():
        raise FileError("the folder does not exist", where=text)
    if path.is_dir():
        raise FileError("this is a folder", where=text)
    return path


def required(value: str | None, name: str, command: str) -> str:
    """An argument that only some uses of a command need. Raises OptionError."""
    if value is None:
        raise OptionError(
            f"the following arguments are required: {name}", hint=f"see pccore {command} --help"
        )
    return value


def catalogue_entry(subject: Structure[Any] | Method) -> dict[str, Any]:
    """A structure or method with its options and presets, as JSON values."""
    return {
        "name": subject.name,
        "title": subject.title,
        "description": subject.description,
        "options": option_rows(subject.options),
        "presets": {p.name: p.source for p in presets(subject.name).values()},
    }


def catalogue_lines(entry: Mapping[str, Any]) -> list[str]:
    """The same for people."""
    return [
        f"{entry['name']}: {entry['title']}. {entry['description']}",
        *option_lines(entry["options"]),
        *(f"    --preset {name}: {text}" for name, text in entry["presets"].items()),
    ]


def option_rows(options: type[Any]) -> list[dict[str, Any]]:
    """The options of a dataclass as JSON values."""
    return [
        {"name": i.name, "default": i.default, "allowed": i.allowed(), "help": i.help}
        for i in describe(options)
    ]


def option_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options for people, one a line."""
    width = max((len(row["name"]) for row in rows), default=0)
    return [
        f"    {row['name']:<{width}}  {_shown(row['default'])}: {row['help']} ({row['allowed']})"
        for row in rows
    ]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value) or "()"  # pyright: ignore[reportUnknownVariableType]
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
