"""The components that explain a picture, as cards that can be muted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from pc_workbench.components.pictures import Card
from pccore.completion import Component, Mixture, to_pixels
from pccore.datasets import ImageShape

#: Components that are shown.
SHOWN = 12


def shown(mixture: Mixture, muted: Collection[str], most: int = SHOWN) -> tuple[Component, ...]:
    """The muted components, which have to stay in reach, among the most probable ones."""
    first = [one for one in mixture.components if one.share > 0][:most]
    listed = {one.id for one in first}
    rest = [one for one in mixture.components if one.id in muted and one.id not in listed]
    return (*first, *rest)


def component_cards(
    mixture: Mixture,
    components: Sequence[Component],
    means: Sequence[np.ndarray],
    muted: Collection[str],
    grid: ImageShape,
) -> list[Card]:
    """One switch for each component: its mean image, its share of the posterior.

    means: [V] each. With some muted, also the share that is left to the others.
    """
    left = 1.0 - sum(one.share for one in mixture.components if one.id in muted)
    cards: list[Card] = []
    for number, (one, mean) in enumerate(zip(components, means, strict=True), 1):
        off = one.id in muted
        if muted and not off and left > 0:
            said = f"{percent(one.share)} → {percent(one.share / left)}"
        else:
            said = f"{percent(one.share)} · prior {percent(one.prior)}"
        cards.append(
            Card(
                f"Component {number}",
                to_pixels(mean, grid),
                said,
                one.id,
                not off,
            )
        )
    return cards


def summary(mixture: Mixture, muted: Collection[str]) -> str:
    """How many components there are, how many explain the picture, and what is muted."""
    digits = 1 if mixture.effective < 9.95 else 0
    text = (
        f"{len(mixture.components):,} components; about {mixture.effective:.{digits}f} explain "
        "what is visible. Click one to mute it."
    )
    return f"{text} {len(muted)} muted, the others renormalised." if muted else text


def percent(share: float) -> str:
    """A share for people; small ones are not rounded to nothing."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
