"""The parameter store: tensors by parameter id, apart from the structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor


class Params(Mapping[str, Tensor]):
    """An immutable mapping from parameter id to tensor.

    Two groups that name the same id are tied. Tensors are never written in place: an
    update makes a new store that shares the unchanged tensors, which makes undo and
    comparison cheap.
    """

    __slots__ = ("_tensors",)

    def __init__(self, tensors: Mapping[str, Tensor] | None = None) -> None:
        self._tensors: Mapping[str, Tensor] = MappingProxyType(dict(tensors or {}))

    def __getitem__(self, key: str) -> Tensor:
        return self._tensors[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __reduce__(self) -> tuple[type[Params], tuple[dict[str, Tensor]]]:
        # Mapping proxies cannot be copied or sent to another process; plain dicts can.
        return Params, (dict(self._tensors),)

    def __repr__(self) -> str:
        return f"Params({len(self)} tensors, {self.count} numbers)"

    @property
    def count(self) -> int:
        """How many numbers are stored."""
        return sum(tensor.numel() for tensor in self.values())

    def updated(self, changes: Mapping[str, Tensor]) -> Params:
        """A store with some tensors replaced or added."""
        return Params({**self._tensors, **changes})

    def map(self, function: Callable[[Tensor], Tensor]) -> Params:
        """A store with `function` applied to every tensor."""
        return Params({key: function(tensor) for key, tensor in self.items()})

    def equal(self, other: Mapping[str, Tensor]) -> bool:
        """Whether both hold the same ids with identical dtypes, shapes and values."""
        return self.keys() == other.keys() and all(
            tensor.dtype == other[key].dtype and torch.equal(tensor, other[key])
            for key, tensor in self.items()
        )
