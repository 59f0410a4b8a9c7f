"""Datasets: bundled ones, and files and folders of the user's.

load("digits").train          float32 [1259, 64]
load("table.csv"), load("faces/"), load("nltcs") with PCCORE_DATA set
describe(data), retype(data, {"age": "count"}), resplit(data, (0.8, 0.1, 0.1), seed=0)
save_dataset(data, "ready.npz")
"""

from __future__ import annotations

from pccore.datasets.base import SPLITS, Dataset, ImageShape, Split
from pccore.datasets.describe import Bar, VariableSummary, describe, suggested_types
from pccore.datasets.prepare import parse_shares, resplit
from pccore.datasets.resolve import DatasetInfo, info_of, load, names, parse_reference
from pccore.datasets.saving import dataset_bytes, save_dataset
from pccore.datasets.streams import Shards
from pccore.datasets.supports import check_columns, check_support, guess_supports
from pccore.datasets.types import (
    COLUMN_TYPES,
    VARIABLE_TYPES,
    ColumnType,
    VariableType,
    parse_type,
    retype,
    types_of,
)

__all__ = [
    "COLUMN_TYPES",
    "SPLITS",
    "VARIABLE_TYPES",
    "Bar",
    "ColumnType",
    "Dataset",
    "DatasetInfo",
    "ImageShape",
    "Shards",
    "Split",
    "VariableSummary",
    "VariableType",
    "check_columns",
    "check_support",
    "dataset_bytes",
    "describe",
    "guess_supports",
    "info_of",
    "load",
    "names",
    "parse_reference",
    "parse_shares",
    "parse_type",
    "resplit",
    "retype",
    "save_dataset",
    "suggested_types",
    "types_of",
]
