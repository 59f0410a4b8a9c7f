"""Loaders of formats that are texts for people: a formula, builder code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pccore.errors import FileError, SourceError
from pccore.files.base import ModelInfo, Source
from pccore.graph import Circuit, Json


def readers(
    name: str, parse: Callable[[str], Circuit]
) -> tuple[
    Callable[[Source], Circuit],
    Callable[[Source], Mapping[str, Json]],
    Callable[[Source], ModelInfo],
]:
    """(load, meta, describe) of the format `name`, which raise FileError with line and column."""

    def load(source: Source) -> Circuit:
        if source.size > source.limits.max_text * 16:
            raise FileError(
                f"{source.size} bytes are too many for a {name}, more than 16 times a text's limit",
                hint=source.limits.way_out("max_text"),
            )
        try:
            return parse(source.stream.read(source.size).decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise FileError(f"the text is not UTF-8 at byte {error.start}") from None
        except SourceError as error:
            raise FileError(error.message, where=error.where, hint=error.hint) from None

    def meta(source: Source) -> Mapping[str, Json]:
        return load(source).meta

    def describe(source: Source) -> ModelInfo:
        return ModelInfo.of(load(source), name, source.size)

    return load, meta, describe
