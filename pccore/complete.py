"""Image completion: fill in hidden pixels by a circuit, or by the baselines of the SPN paper.

Rows are images as `ImageShape` lays them out, values 0 .. maximum; what is missing (NaN) in a
row besides the hidden pixels is filled in as well, but never scored. Errors are on the 0-255
scale (Poon & Domingos 2011, table 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pccore.datasets import ImageShape
from pccore.errors import DataError, OptionError
from pccore.queries import mpe, posterior_mean, require, sample
from pccore.queries.subject import Model, as_program

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Method = Literal["mpe", "mean", "sample"]

HALVES = ("left", "right", "top", "bottom")

#: Principal components of the PCA baseline, at most.
COMPONENTS = 100

#: Side that a mask may have in pixels.
_MAX_SIDE = 8192

_MISSING = (200, 80, 80)


def hidden_pixels(where: str | Path, image: ImageShape) -> Mask:
    """Which columns are hidden, bool [V]: a half by its name, or the white of a PNG file.

    Raises DataError where the file is no PNG of the image's size or hides nothing.
    """
    if where in HALVES:
        pixels = np.zeros((image.height, image.width), dtype=np.bool_)
        middle, centre = image.height // 2, image.width // 2
        if where in ("left", "right"):
            pixels[:, slice(None, centre) if where == "left" else slice(centre, None)] = True
        else:
            pixels[slice(None, middle) if where == "top" else slice(middle, None)] = True
    else:
        pixels = _read_mask(where, image)
    if not pixels.any():
        raise DataError("this hides no pixel", where=str(where))
    return np.repeat(pixels.reshape(-1), image.channels)


def _read_mask(where: str | Path, image: ImageShape) -> Mask:
    text = str(where)
    if not text.lower().endswith(".png"):
        raise OptionError(f"{text[:80]!r} is neither one of {', '.join(HALVES)} nor a PNG file")
    try:
        with Image.open(where, formats=("PNG",)) as picture:
            size = picture.size
            if max(size) > _MAX_SIDE:
                raise DataError(f"{size[1]}x{size[0]} pixels are too many", where=text)
            found = np.asarray(picture.convert("L")) >= 128
    except FileNotFoundError:
        raise DataError("there is no such file", where=text) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError("this is no readable PNG file", where=text) from None
    if size != (image.width, image.height):
        raise DataError(
            f"the mask has {size[1]}x{size[0]} pixels, the images {image.height}x{image.width}",
            where=text,
        )
    return found


def quality_of(model: Model, method: Method) -> str:
    """Whether completions are "exact" answers or a "bound". Raises PropertyError if refused."""
    return require(as_program(model).circuit, method).quality


def complete_rows(
    model: Model,
    rows: Array,
    hidden: Mask,
    method: Method = "mpe",
    image: ImageShape | None = None,
    seed: int = 0,
) -> Array:
    """The rows with hidden and missing values filled in, float64 [N, V].

    hidden: bool [V] or [N, V]. method: the most probable completion, the posterior mean of each
    pixel (which minimises the expected squared error), or one sample. image: clips to its values.

    Raises PropertyError where the circuit does not license the method, EvidenceError where the
    visible part is impossible, OptionError for an unknown method.
    """
    program = as_program(model)
    visible = np.where(hidden, np.nan, np.asarray(rows, dtype=np.float64))
    if method == "mpe":
        found = mpe(program, visible).assignment
    elif method == "mean":
        found = posterior_mean(program, visible)
    elif method == "sample":
        found = sample(program, 1, visible, seed).reshape(visible.shape)
    else:
        raise OptionError(f"unknown method {method!r}, known are: mpe, mean, sample")
    return clipped(found.double().cpu().numpy(), image)


def clipped(rows: Array, image: ImageShape | None) -> Array:
    """The rows inside 0 .. maximum: nothing else can be a picture."""
    return rows if image is None else np.clip(rows, 0.0, image.maximum)


def mean_squared_error(truth: Array, guess: Array, hidden: Mask, image: ImageShape) -> float:
    """Mean squared error over the hidden values that are known, on the 0-255 scale."""
    scored = np.broadcast_to(hidden, truth.shape) & ~np.isnan(truth)
    if not scored.any():
        return float("nan")
    difference = (np.asarray(guess, np.float64) - truth)[scored] * (255.0 / image.maximum)
    return float(np.mean(difference**2))


# -- baselines -----------------------------------------------------------------------------


def nearest_neighbour(train: Array, rows: Array, hidden: Mask, image: ImageShape) -> Array:
    """Hidden values of the training image whose visible part is nearest (Euclidean), [N, V].

    Missing values count as the training mean of their pixel.
    """
    known, mean = _filled(train)
    given = np.where(np.isnan(rows), mean, rows).astype(np.float64)
    if not hidden.all():
        below = known[:, ~hidden]
        norms = np.einsum("nv,nv->n", below, below)
        nearest = np.concatenate(
            [np.argmin(norms - 2 * part[:, ~hidden] @ below.T, axis=1) for part in _parts(given)]
        )
    else:
        nearest = np.zeros(len(given), dtype=np.int64)
    return clipped(np.where(hidden, known[nearest], given), image)


def principal_components(
    train: Array,
    rows: Array,
    hidden: Mask,
    image: ImageShape,
    components: int = COMPONENTS,
) -> Array:
    """Hidden values by PCA, [N, V]: filled with the training mean, projected, reconstructed."""
    # Slow to import, and only this needs it.
    from sklearn.decomposition import PCA

    known, mean = _filled(train)
    given = np.where(np.isnan(rows), mean, rows).astype(np.float64)
    count = min(components, *known.shape)
    with np.errstate(divide="ignore", invalid="ignore"):  # shares of a variance that is 0
        pca = PCA(n_components=count, random_state=0).fit(known)
    filled = np.where(hidden, mean, given)
    rebuilt = np.concatenate([pca.inverse_transform(pca.transform(p)) for p in _parts(filled)])
    return clipped(np.where(hidden, rebuilt, given), image)


#: (train [M, V], rows [N, V], hidden [V], image) -> completions [N, V].
Baseline = Callable[[Array, Array, Mask, ImageShape], Array]

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {"nn": nearest_neighbour, "pca": principal_components}
)


def _filled(train: Array) -> tuple[Array, Array]:
    """Training rows in float64 without missing values, and the mean of each column."""
    known = np.array(train, dtype=np.float64)
    missing = np.isnan(known)
    total = np.where(missing, 0.0, known).sum(0)
    mean = total / np.maximum(1, (~missing).sum(0))
    np.copyto(known, mean, where=missing)
    return known, mean


def _parts(rows: Array, step: int = 256) -> Iterator[Array]:
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


# -- pictures ------------------------------------------------------------------------------


def to_pixels(row: Array, image: ImageShape) -> npt.NDArray[np.uint8]:
    """A row [V] of values 0 .. maximum as uint8 [H, W] or [H, W, 3]; what is missing is black.

    Any other number of channels than one or three is averaged.
    """
    values = np.asarray(row, np.float64).reshape(image.height, image.width, image.channels)
    if image.channels != 3:
        values = values.mean(-1)
    scaled = np.nan_to_num(values) * (255.0 / image.maximum)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def to_picture(row: Array, image: ImageShape) -> Image.Image:
    """A row [V] as a picture: grey, colour for three channels; NaN is reddish."""
    unknown = np.isnan(np.asarray(row, np.float64))
    missing = np.any(unknown.reshape(image.height, image.width, image.channels), axis=-1)
    grey = to_pixels(row, image)
    if not missing.any():
        return Image.fromarray(grey)
    colour = np.repeat(grey[..., None], 3, axis=-1) if grey.ndim == 2 else grey
    reddish = np.array(_MISSING, dtype=np.uint8)
    return Image.fromarray(np.where(missing[..., None], reddish, colour))


def contact_sheet(bands: Mapping[str, Array], image: ImageShape, cell: int = 64) -> Image.Image:
    """Labelled bands of pictures, one band below the other; rows [N, V] by label.

    cell: a picture is enlarged by the whole factor that brings it to about so many pixels.
    """
    factor = max(1, cell // max(image.height, image.width))
    width, height = image.width * factor, image.height * factor
    margin, gap = 76, 4
    count = max((len(rows) for rows in bands.values()), default=0)
    sheet = Image.new(
        "RGB", (margin + count * (width + gap) + gap, len(bands) * (height + gap) + gap), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for band, (label, rows) in enumerate(bands.items()):
        top = gap + band * (height + gap)
        draw.text((gap, top + height // 2 - 5), label, fill="black")
        for column, row in enumerate(rows):
            picture = to_picture(row, image).convert("RGB")
            large = picture.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(large, (margin + gap + column * (width + gap), top))
    return sheet
