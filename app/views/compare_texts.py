"""The distance of two circuits in numbers and words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pc_workbench.views import labels
from pc_workbench.views.compare_marks import SIGNS
from pccore.drawing.texts import number
from pccore.evidence import state_names, write_evidence
from pccore.graph import Circuit
from pccore.queries.compare import Differences, Distance, Extreme, Figure


def figure_text(figure: Figure) -> str:
    """`0.205`, `∞`, `19.97 ± 0.12` with the standard error."""
    if math.isinf(figure.value):
        return "∞"
    if figure.error == 0:
        return number(0.0 if abs(figure.value) < 1e-12 else figure.value)
    digits = min(8, max(0, 1 - math.floor(math.log10(figure.error))))
    return f"{figure.value:.{digits}f} ± {figure.error:.{digits}f}".replace("-", "−")


def probability_text(log_value: float) -> str:
    """`0.12`, or the logarithm where the number itself says nothing: `e^−107.3`."""
    if log_value == -math.inf:
        return "0"
    if -12 < log_value < 12:
        return number(math.exp(log_value))
    return f"e^{log_value:.1f}".replace("-", "−")


def state_text(circuit: Circuit, state: Mapping[str, float], most: int = 10) -> str:
    """`X1 = 1, colour = red`, cut where it is long."""
    listed = list(state.items())[:most]
    parts = [f"{name} = {_named(circuit, name, value)}" for name, value in listed]
    more = len(state) - most
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def value_text(value: float) -> str:
    """A value of a variable."""
    return "not in scope" if math.isnan(value) else number(value)


def _named(circuit: Circuit, name: str, value: float) -> str:
    """A value, as the name of its state where it has one."""
    names = state_names(circuit, name)
    whole = not math.isnan(value) and value == int(value) and 0 <= value < len(names)
    return (names[int(value)] if whole else "") or value_text(value)


def evidence_text(circuit: Circuit, state: Mapping[str, float]) -> str:
    """The input as evidence on a circuit, to be read by `parse_evidence`; "" for names that this
    cannot hold."""
    if len(state) > 400 or any("," in name for name in state):
        return ""
    known = {name: float(f"{v:.6g}") for name, v in state.items() if not math.isnan(v)}
    return write_evidence(circuit, known)


def state_picture(circuit: Circuit, extreme: Extreme, side: int = 128) -> np.ndarray | None:
    """The input as an image [H, W] or [H, W, 3] of bytes, where the variables are pixels."""
    layout = circuit.meta.get("image")
    if not isinstance(layout, Mapping):
        return None
    found: list[Any] = [layout.get(key) for key in ("height", "width", "channels")]
    if not all(isinstance(n, int) and n > 0 for n in found):
        return None
    height, width, channels = found
    values = [extreme.state.get(name, math.nan) for name in circuit.variables]
    if len(values) != height * width * channels or channels not in (1, 3):
        return None
    maximum = layout.get("maximum")
    top = float(maximum) if isinstance(maximum, int | float) and maximum > 0 else np.nanmax(values)
    pixels = np.nan_to_num(np.array(values).reshape(height, width, channels) / (top or 1.0))
    scale = max(1, side // max(height, width))
    pixels = pixels.clip(0, 1).repeat(scale, 0).repeat(scale, 1)
    return (pixels * 255).round().astype(np.uint8).squeeze()


def summary(found: Differences) -> str:
    """`2 added · 1 removed · 3 changed · 9 the same`."""
    if found.identical:
        return f"Built alike: {labels.count(found.same, found.level)}, no difference"
    parts = [
        f"{SIGNS[word]} {count:,} {word}"
        for word in ("added", "removed", "changed")
        if (count := found.count(word))
    ]
    parts.append(f"{found.same:,} the same")
    return " · ".join(parts) + ("" if found.level == "unit" else " (groups)")


def verdict(found: Distance) -> str:
    """One sentence on the two distributions."""
    if found.same:
        return "Both circuits say the same of every input."
    if found.quality == "exact" and found.total_variation.value > 1 - 1e-12:
        return "No input is possible in both circuits."
    if found.quality == "exact":
        inputs = f"{found.inputs:,} input" + ("" if found.inputs == 1 else "s")
        return f"Summed over all {inputs}."
    return f"Estimated from {found.inputs:,} samples of each circuit; ± is the standard error."
