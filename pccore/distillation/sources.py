"""Where embeddings come from, by name: the values, networks trained here, models, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pccore import npy
from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split
from pccore.distillation.assign import Array, Assignments, Embeddings, values_of
from pccore.distillation.autoencoder import AutoencoderOptions, embed_patches
from pccore.distillation.tokens import TokenOptions, embed_suffixes, embed_with_transformers
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.options import parse_options

#: The sources that are always there, with what each is good for.
SOURCES: Mapping[str, str] = {
    "values": "the values behind each hidden variable themselves",
    "autoencoder": "a small masked autoencoder of the patches, trained on the images",
    "tokens": "a small masked transformer, trained on the sequences",
}
#: Before the folder or the name of a model of the transformers package.
TRANSFORMERS = "hf:"

#: Told of each epoch of a network and of its loss.
Listener = Callable[[int, float], None]


def options_of(source: str) -> type | None:
    """The options of a source's network, None where it has none."""
    return {"autoencoder": AutoencoderOptions, "tokens": TokenOptions}.get(source)


def obtain(
    source: str,
    dataset: Dataset,
    circuit: Circuit,
    groups: Sequence[int],
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    listener: Listener | None = None,
) -> Embeddings | Assignments:
    """Embeddings by name, or what a file holds.

    source: a key of SOURCES, `hf:MODEL`, or a file .npz with arrays train, valid, test: real
    [N, L, D] are embeddings, whole numbers [N, L] the states themselves, -1 for unknown. settings:
    of a network, seed its seed unless they name one. Raises OptionError for an unknown source,
    DataError or FileError for arrays that do not fit.
    """
    if source == "values":
        return values_of(dataset, circuit, groups)
    if source.startswith(TRANSFORMERS):
        _one_column_each(circuit, groups, source)
        return embed_with_transformers(dataset, source.removeprefix(TRANSFORMERS))
    given = {"seed": seed, **(settings or {})}
    if source == "autoencoder":
        chosen = parse_options(AutoencoderOptions, given, where=source)
        return embed_patches(dataset, [_own(circuit, g) for g in groups], chosen, listener)
    if source == "tokens":
        _one_column_each(circuit, groups, source)
        return embed_suffixes(dataset, parse_options(TokenOptions, given, where=source), listener)
    if Path(source).suffix == ".npz":
        return _read(Path(source), dataset, circuit, groups)
    raise OptionError(
        f"there are no embeddings {source!r}",
        hint=f"known are {', '.join(SOURCES)}, {TRANSFORMERS}MODEL and files .npz",
    )


def _own(circuit: Circuit, group: int) -> list[int]:
    return list(circuit.scopes[group])


def _one_column_each(circuit: Circuit, groups: Sequence[int], source: str) -> None:
    """Raise OptionError unless there is one hidden variable at each step, in order."""
    columns = [_own(circuit, g) for g in groups]
    if columns != [[v] for v in range(len(circuit.variables))]:
        raise OptionError(
            "is for circuits with a hidden variable behind each column, in their order",
            where=f"embeddings {source}",
        )


def _read(
    path: Path, dataset: Dataset, circuit: Circuit, groups: Sequence[int]
) -> Embeddings | Assignments:
    arrays = {key: npy.read(path, key) for key in npy.headers(path) if key in SPLITS}
    found: dict[Split, list[Array]] = {}
    states: dict[Split, np.ndarray] = {}
    for split in SPLITS:
        rows = len(dataset.split(split))
        array = arrays.get(split)
        if array is None and split != "train":
            # Unknown states: the stage stops by its training score.
            states[split] = np.full((rows, len(groups)), -1, dtype=np.int16)
            continue
        if array is None or array.ndim not in (2, 3) or array.shape[:2] != (rows, len(groups)):
            shape = "nothing" if array is None else f"shape {list(array.shape)}"
            raise DataError(
                f"{split} has {shape}, not [{rows}, {len(groups)}] states or [{rows}, "
                f"{len(groups)}, D] embeddings",
                where=str(path),
            )
        if array.ndim == 3:
            found[split] = [
                np.ascontiguousarray(array[:, i], np.float32) for i in range(len(groups))
            ]
            continue
        most = np.array([circuit.groups[g].size for g in groups])
        if (
            not np.issubdtype(array.dtype, np.integer)
            or (array < -1).any()
            or (array >= most).any()
        ):
            raise DataError(
                f"{split} holds states outside -1 .. {int(most.max()) - 1}", where=str(path)
            )
        states[split] = array.astype(np.int16)
    if found:
        width = found["train"][0].shape[1] if "train" in found else 0
        for split in SPLITS:
            rows = len(dataset.split(split))
            unknown = np.full((rows, width), np.nan, dtype=np.float32)
            found.setdefault(split, [unknown] * len(groups))
        return found
    used = [len(np.unique(column[column >= 0])) for column in states["train"].T]
    return Assignments(states, np.array(used, dtype=np.int64))
