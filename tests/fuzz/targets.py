"""What the product reads from strangers, as functions of bytes: the list of the fuzzing harness.

A target may raise PCError (its text is fit to be shown) and nothing else. `test_targets.py` runs
it under hypothesis, `campaign.py` under atheris. A new reader of model files is covered by itself
(`pccore.files.FORMATS`); anything else gets a function and a line in `_data.py` or `_texts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from tests.fuzz._data import data
from tests.fuzz._models import models
from tests.fuzz._texts import texts
from tests.fuzz.target import Target


@cache
def targets() -> Mapping[str, Target]:
    """All targets by name."""
    found = [*models(), *data(), *texts()]
    return MappingProxyType({target.name: target for target in found})
