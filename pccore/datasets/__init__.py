"""Datasets: bundled ones, and files and folders of the user's.

load("digits").train          float32 [1259, 64]
load("table.csv"), load("faces/"), load("nltcs") with PCCORE_DATA set
"""

from __future__ import annotations

from pccore.datasets.base import SPLITS, Dataset, ImageShape, Split
from pccore.datasets.resolve import DatasetInfo, load, names, parse_reference
from pccore.datasets.streams import Shards
from pccore.datasets.supports import check_columns, check_support, guess_supports

__all__ = [
    "SPLITS",
    "Dataset",
    "DatasetInfo",
    "ImageShape",
    "Shards",
    "Split",
    "check_columns",
    "check_support",
    "guess_supports",
    "load",
    "names",
    "parse_reference",
]
