"""Parameters that a small network generates from embeddings: HyperSPNs (Shih et al. 2021, sec. 3).

The weights of the dense sums are cut into sectors of equal length; each sector has an embedding,
and one network maps embeddings to sectors. A softmax over the edges of each sum makes weights of
what comes out, so the circuit is an ordinary one: only its store is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import linear

from pccore.errors import ParameterError
from pccore.params import Params


@dataclass(frozen=True, eq=False)
class Network:
    """Embeddings [S, h], and layers of (weight [out, in], bias [out]) with ReLU between them.

    The last layer has as many outputs as a sector has numbers. Raises ParameterError where the
    shapes do not follow from one another or a number is not finite.
    """

    embeddings: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]

    def __post_init__(self) -> None:
        if not self.layers or self.embeddings.ndim != 2:
            raise ParameterError("a network needs embeddings [S, h] and at least one layer")
        width = self.embeddings.shape[1]
        for number, (weight, bias) in enumerate(self.layers):
            where = f"layer {number}"
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                raise ParameterError(
                    f"a weight of the shape {list(weight.shape)} and a bias of "
                    f"{list(bias.shape)} do not take {width} numbers",
                    where=where,
                )
            width = len(bias)
        for name, tensor in self.tensors().items():
            if not tensor.is_floating_point() or not bool(torch.isfinite(tensor.detach()).all()):
                raise ParameterError("a number is not finite", where=name)

    @classmethod
    def initial(
        cls, sectors: int, embedding: int, hidden: Sequence[int], size: int, seed: int
    ) -> Network:
        """Embeddings uniform on [0, 1), layers uniform within 1 / sqrt(inputs), float32.

        sectors: S. embedding: h. hidden: widths of the inner layers. size: numbers of a sector.
        """
        generator = torch.Generator().manual_seed(seed)
        layers: list[tuple[Tensor, Tensor]] = []
        for inputs, outputs in pairwise((embedding, *hidden, size)):
            drawn = torch.rand((outputs, inputs + 1), generator=generator)
            drawn = (2 * drawn - 1) / inputs**0.5
            layers.append((drawn[:, :-1].contiguous(), drawn[:, -1].contiguous()))
        return cls(torch.rand((sectors, embedding), generator=generator), tuple(layers))

    @property
    def size(self) -> int:
        """Numbers of a sector."""
        return len(self.layers[-1][1])

    @property
    def sectors(self) -> int:
        """S."""
        return len(self.embeddings)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the inner layers."""
        return tuple(len(bias) for _, bias in self.layers[:-1])

    @property
    def count(self) -> int:
        """How many numbers there are to learn."""
        return sum(tensor.numel() for tensor in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, in an order that `of` takes back."""
        named = {"embeddings": self.embeddings}
        for number, (weight, bias) in enumerate(self.layers):
            named |= {f"weight.{number}": weight, f"bias.{number}": bias}
        return named

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Network:
        """From what `tensors` gave. Raises ParameterError for a missing tensor."""
        count = sum(name.startswith("weight.") for name in tensors)
        names = ["embeddings"]
        names += [f"{kind}.{number}" for number in range(count) for kind in ("weight", "bias")]
        for name in names:
            if name not in tensors:
                raise ParameterError(f"the tensor {name!r} of the network is missing")
        layers = ((tensors[f"weight.{n}"], tensors[f"bias.{n}"]) for n in range(count))
        return cls(tensors["embeddings"], tuple(layers))

    def logits(self, sectors: slice = slice(None)) -> Tensor:
        """What becomes the weights of some sectors, [n, size]; differentiable."""
        x = self.embeddings[sectors]
        for number, (weight, bias) in enumerate(self.layers):
            x = linear(torch.relu(x) if number else x, weight, bias)
        return x


class Generated(Params):
    """A store of which a network generates a part.

    shapes: [size, inputs] of the generated weights by id; their numbers, row by row, are cut into
    sectors, the last of an id being used as far as needed, and take the sectors in this order.
    direct: the other parameters. The weights are made when first asked for, all at once; `one`
    makes those of a single id and keeps nothing. Any change gives an ordinary store.

    Raises ParameterError where the network has another number of sectors.
    """

    def __init__(
        self, network: Network, shapes: Mapping[str, tuple[int, int]], direct: Mapping[str, Tensor]
    ) -> None:
        self.network = network
        self.shapes = MappingProxyType(dict(shapes))
        self.direct = Params(direct)
        #: The sectors of each id.
        self.slots = MappingProxyType(sector_slots(shapes, network.size))
        needed = sum(slot.stop - slot.start for slot in self.slots.values())
        if needed != network.sectors:
            raise ParameterError(
                f"weights of {needed} sectors, and the network has {network.sectors} embeddings"
            )
        both = next((name for name in direct if name in shapes), None)
        if both is not None:
            raise ParameterError(f"parameter {both!r} is generated and stored as well")

    def __reduce__(self) -> tuple[type[Generated], tuple[object, ...]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # The network, not what it makes.
        return Generated, (self.network, dict(self.shapes), dict(self.direct))

    @cached_property
    def _tensors(self) -> Mapping[str, Tensor]:  # pyright: ignore[reportIncompatibleVariableOverride]
        logits = self.network.logits()
        made = {name: self._weights(name, logits[slot]) for name, slot in self.slots.items()}
        return MappingProxyType({**made, **self.direct})

    def _weights(self, name: str, logits: Tensor) -> Tensor:
        size, inputs = self.shapes[name]
        return torch.softmax(logits.reshape(-1)[: size * inputs].view(size, inputs), 1)

    def one(self, name: str) -> Tensor:
        """The parameter `name`, made from its own sectors alone."""
        slot = self.slots.get(name)
        return self.direct[name] if slot is None else self._weights(name, self.network.logits(slot))

    def __getitem__(self, key: str) -> Tensor:
        return self._tensors[key] if key in self.shapes else self.direct[key]

    def __contains__(self, key: object) -> bool:
        return key in self.shapes or key in self.direct

    def __iter__(self) -> Iterator[str]:
        yield from self.shapes
        yield from self.direct

    def __len__(self) -> int:
        return len(self.shapes) + len(self.direct)

    def materialised(self) -> Params:
        """The same parameters as an ordinary store."""
        return Params(self._tensors)


def sector_slots(shapes: Mapping[str, tuple[int, int]], size: int) -> dict[str, slice]:
    """The sectors, of `size` numbers each, that the weights of each id take."""
    slots: dict[str, slice] = {}
    start = 0
    for name, (rows, inputs) in shapes.items():
        stop = start - (-rows * inputs // size)
        slots[name] = slice(start, stop)
        start = stop
    return slots
