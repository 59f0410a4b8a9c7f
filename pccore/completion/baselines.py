"""What completions are held against: nearest neighbour, PCA, probabilistic PCA, the mean image.

The first two are those of Poon & Domingos 2011, table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from pccore.completion.methods import clipped
from pccore.completion.types import Array, Mask
from pccore.datasets import Dataset, ImageShape

#: What baselines are called in a picture.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "nn": "Nearest neighbour",
        "pca": "PCA",
        "ppca": "Probabilistic PCA",
        "mean-image": "Mean image",
    }
)

#: Principal components of the PCA baselines, at most.
COMPONENTS = 100

#: Images that are decomposed exactly.
_FEW = 1024


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


def probabilistic_pca(
    train: Array,
    rows: Array,
    hidden: Mask,
    image: ImageShape,
    components: int = COMPONENTS,
) -> Array:
    """Conditional mean of probabilistic PCA (Tipping & Bishop 1999), [N, V].

    E[x_h | x_v] under N(mean, W W' + s^2 I), with scikit-learn's noise variance s^2: the latent
    z minimises |x_v - mean - W_v z|^2 + s^2 |z|^2, and the hidden pixels are mean + W_h z. The
    covariance itself, [V, V], is never needed.
    """
    from sklearn.decomposition import PCA

    known, mean = _filled(train)
    given = np.where(np.isnan(rows), mean, rows).astype(np.float64)
    count = min(components, len(known) - 1, known.shape[1])
    if count < 1:  # a single image has no directions
        return mean_image(train, rows, hidden, image)
    # A randomised decomposition of few images would make the noise variance a matter of its seed.
    solver = "full" if len(known) <= _FEW else "auto"
    with np.errstate(divide="ignore", invalid="ignore"):
        pca = PCA(n_components=count, svd_solver=solver, random_state=0).fit(known)
    noise = float(pca.noise_variance_)
    scale = np.sqrt(np.maximum(pca.explained_variance_ - noise, 0.0))
    weights = np.transpose(np.asarray(pca.components_)) * scale  # W, [V, k]
    penalised = np.concatenate([weights[~hidden], np.sqrt(noise) * np.eye(count)])
    wanted = np.concatenate([(given - mean)[:, ~hidden], np.zeros((len(given), count))], axis=1)
    latent = np.linalg.lstsq(penalised, wanted.T, rcond=None)[0]
    return clipped(np.where(hidden, mean + (weights @ latent).T, given), image)


def mean_image(train: Array, rows: Array, hidden: Mask, image: ImageShape) -> Array:
    """Hidden values of the mean training image, [N, V]."""
    _, mean = _filled(train)
    given = np.where(np.isnan(rows), mean, rows).astype(np.float64)
    return clipped(np.where(hidden, mean, given), image)


#: (train [M, V], rows [N, V], hidden [V], image) -> completions [N, V].
Baseline = Callable[[Array, Array, Mask, ImageShape], Array]

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "nn": nearest_neighbour,
        "pca": principal_components,
        "ppca": probabilistic_pca,
        "mean-image": mean_image,
    }
)


def training_rows(dataset: Dataset, split: str) -> Array:
    """What baselines learn from when `split` is completed: the training and the validation rows,
    as nothing is chosen on the latter; without them where they are completed themselves."""
    if split == "valid" or not len(dataset.valid):
        return dataset.train
    return np.concatenate([dataset.train, dataset.valid])


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
