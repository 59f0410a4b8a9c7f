"""The contract of a structure: options and the shape of the data in, an untrained circuit out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from pccore.errors import DataError, OptionError
from pccore.evidence import STATES
from pccore.graph import Circuit, Json
from pccore.leaves.base import Summary, Support

#: Data of more than this many (variable, state) pairs has no table of counts.
MAX_COUNTS = 2**24
#: More names of states are not noted in the circuit: the notes of a file are bounded.
MAX_STATE_NAMES = 50_000

O = TypeVar("O")  # noqa: E741 - the options dataclass of a structure
FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Grid(NamedTuple):
    """The layout of image data: variable (row * width + column) * channels + channel.

    maximum: the largest pixel value, where it is known.
    """

    height: int
    width: int
    channels: int = 1
    maximum: float | None = None


@dataclass(frozen=True, eq=False)
class Shape:
    """What a structure may know of the data.

    variables: V names. supports: V supports. image: layout, where the data are images.
    summary: for data-aware initial parameters. data: the training data [N, V] with NaN for
    missing values, for structures that are learned from it. states: what the states of a variable
    are called, by its name, where they have names.

    Raises DataError where these do not fit together.
    """

    variables: tuple[str, ...]
    supports: tuple[Support, ...]
    image: Grid | None = None
    summary: Summary | None = None
    data: FloatArray | None = None
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def __post_init__(self) -> None:
        count = len(self.variables)
        if count == 0:
            raise DataError("the data have no variables")
        if len(self.supports) != count:
            raise DataError(f"{len(self.supports)} supports for {count} variables")
        if self.image is not None:
            grid = self.image
            if min(grid[:3]) < 1 or grid.height * grid.width * grid.channels != count:
                raise DataError(
                    f"images of {grid.height} x {grid.width} pixels and {grid.channels} channels "
                    f"do not have {count} variables"
                )

    @classmethod
    def of(
        cls,
        variables: int | Sequence[str],
        support: Support | Sequence[Support] | None = None,
        image: Sequence[int] | None = None,
    ) -> Shape:
        """A shape without data.

        variables: names, or how many (named X0, X1, ...). support: one for all or one each,
        binary by default. image: (height, width) or (height, width, channels).
        """
        names = [f"X{v}" for v in range(variables)] if isinstance(variables, int) else variables
        if support is None:
            support = Support("finite", 2)
        supports = [support] * len(names) if isinstance(support, Support) else support
        grid = None if image is None else Grid(*image)
        return cls(tuple(names), tuple(supports), grid)

    @property
    def num_variables(self) -> int:
        """V."""
        return len(self.variables)

    def meta(self) -> dict[str, Json]:
        """The part of `Circuit.meta` that describes the data."""
        found: dict[str, Json] = {}
        if self.image is not None:
            layout: dict[str, Json] = dict(self.image._asdict())
            if self.image.maximum is None:
                del layout["maximum"]
            found["image"] = layout
        if self.states and sum(map(len, self.states.values())) <= MAX_STATE_NAMES:
            found[STATES] = {name: list(words) for name, words in self.states.items()}
        return found


class ImageLayout(Protocol):
    """How a dataset describes its images."""

    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def channels(self) -> int: ...  # noqa: D102


class DatasetLike(Protocol):
    """The part of a dataset that `shape_of` reads."""

    @property
    def variables(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def supports(self) -> tuple[Support, ...]: ...  # noqa: D102
    @property
    def image(self) -> ImageLayout | None: ...  # noqa: D102
    @property
    def train(self) -> FloatArray: ...  # noqa: D102


def shape_of(dataset: DatasetLike) -> Shape:
    """The shape of a dataset, with the summary of its training data. Raises DataError."""
    image = dataset.image
    grid = None
    if image is not None:
        maximum = getattr(image, "maximum", None)
        grid = Grid(image.height, image.width, image.channels, maximum)
    variables, supports = tuple(dataset.variables), tuple(dataset.supports)
    summary = summarise(dataset.train, supports)
    # A dataset of somebody else's may know no words.
    states: Mapping[str, tuple[str, ...]] = getattr(dataset, "categories", {})
    return Shape(variables, supports, grid, summary, dataset.train, states)


def summarise(data: FloatArray, supports: Sequence[Support]) -> Summary:
    """Mean, variance and counts of the columns of data [N, V], missing values (NaN) left out.

    A column without any value has mean 0 and variance 1. counts: None where no variable is
    finite or the table would have more than MAX_COUNTS entries. Raises DataError.
    """
    if data.ndim != 2 or data.shape[1] != len(supports):
        raise DataError(f"data of the shape {list(data.shape)} for {len(supports)} variables")
    width = data.shape[1]
    states = np.array([s.states or 0 for s in supports], dtype=np.int64)
    most = int(states.max(initial=0))
    tabulate = most > 0 and width * most <= MAX_COUNTS
    seen = np.zeros(width, dtype=np.int64)
    total = np.zeros(width)
    counts = np.zeros(width * most if tabulate else 0, dtype=np.int64)
    step = max(1, 2**22 // max(width, 1))  # keeps the float64 copies small
    chunks = range(0, len(data), step)
    for start in chunks:
        x = data[start : start + step].astype(np.float64)
        present = ~np.isnan(x)
        seen += present.sum(0)
        total += np.where(present, x, 0.0).sum(0)
        if tabulate:
            legal = present & (x >= 0) & (x < states)
            cells = np.nonzero(legal)[1] * most + x[legal].astype(np.int64)
            counts += np.bincount(cells, minlength=width * most)
    mean = total / np.maximum(seen, 1)
    squares = np.zeros(width)
    for start in chunks:
        x = data[start : start + step].astype(np.float64) - mean
        squares += np.where(np.isnan(x), 0.0, x * x).sum(0)
    variance = np.where(seen > 0, squares / np.maximum(seen, 1), 1.0)
    table = torch.from_numpy(counts.reshape(width, most)).double() if tabulate else None
    return Summary(torch.from_numpy(mean), torch.from_numpy(variance), table)


class Size(NamedTuple):
    """How large a circuit is, as `Circuit.num_units`, `num_edges` and `num_parameters` count."""

    units: int
    edges: int
    parameters: int


def size_of(circuit: Circuit) -> Size:
    """The size of a circuit that exists."""
    return Size(circuit.num_units, circuit.num_edges, circuit.num_parameters)


@dataclass(frozen=True)
class Structure(Generic[O]):
    """A recipe for circuits; an upper-case instance in a file of this package is found by itself.

    name: short and unique, for command lines. title, description: for people. options: a
    dataclass of `pccore.options`. build: the recipe, raising OptionError for options that do
    not suit the data. size: the size of what `build` would make, without making it; None
    where only building can tell. needs_image, needs_data: the recipe uses Shape.image, .data.
    finite_only: it has no leaves for real or unbounded variables. trained: the parameters are
    those of the data as well, so that no training has to follow. repeats: after so many variables
    a drawing would only repeat itself.
    """

    name: str
    title: str
    description: str
    options: type[O]
    build: Callable[[Shape, O], Circuit]
    size: Callable[[Shape, O], Size] | None = None
    needs_image: bool = False
    needs_data: bool = False
    finite_only: bool = False
    trained: bool = False
    repeats: int | None = None

    def require(self, shape: Shape) -> None:
        """Raise OptionError where the shape lacks what the recipe needs."""
        if self.needs_image and shape.image is None:
            raise OptionError("needs image data", where=f"structure {self.name}")
        if self.needs_data and shape.data is None:
            raise OptionError("needs training data", where=f"structure {self.name}")
        if not self.suits(shape.supports):
            raise OptionError("needs finite variables", where=f"structure {self.name}")

    def suits(self, supports: Sequence[Support]) -> bool:
        """Whether there are leaves for such variables."""
        return not self.finite_only or all(s.kind == "finite" for s in supports)
