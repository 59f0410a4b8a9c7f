"""Formats of other programs: what is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

from pccore.files.base import Format, ModelInfo, Source
from pccore.graph import Circuit, Json


def reading(
    name: str,
    title: str,
    suffixes: tuple[str, ...],
    load: Callable[[Source], Circuit],
    recognises: Callable[[bytes], bool] | None = None,
    companions: tuple[str, ...] = (),
    save: Callable[[Circuit, BinaryIO], None] | None = None,
    families: tuple[str, ...] = (),
) -> Format:
    """A format of another program; its files have no notes, and are loaded to be described."""

    def meta(source: Source) -> Mapping[str, Json]:
        return load(source).meta

    def describe(source: Source) -> ModelInfo:
        return ModelInfo.of(load(source), name, source.size)

    return Format(
        name=name,
        title=title,
        suffixes=suffixes,
        save=save,
        families=families,
        load=load,
        meta=meta,
        describe=describe,
        recognises=recognises,
        exact=False,
        companions=companions,
    )
