"""Model files: native formats, exporters, sample models.

    from pccore.files import load_model, save_model
    circuit = load_model("naive_bayes")
    save_model(circuit, "mine.pc.json")

A format is one module here that exports an instance of `Format` under the name FORMAT.
"""

from __future__ import annotations

from pccore.files.base import Companion, Format, Limits, ModelInfo, SampleModel, Source
from pccore.files.dot import to_dot
from pccore.files.from_sklearn import from_sklearn
from pccore.files.python_code import to_code
from pccore.files.python_source import from_code
from pccore.files.store import (
    FORMATS,
    describe,
    load_bytes,
    load_model,
    load_together,
    sample_models,
    save_bytes,
    save_model,
    writable,
)

__all__ = [
    "FORMATS",
    "Companion",
    "Format",
    "Limits",
    "ModelInfo",
    "SampleModel",
    "Source",
    "describe",
    "from_code",
    "from_sklearn",
    "load_bytes",
    "load_model",
    "load_together",
    "sample_models",
    "save_bytes",
    "save_model",
    "to_code",
    "to_dot",
    "writable",
]
