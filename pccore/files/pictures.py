"""What the picture formats have in common: they are written, never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from pccore.drawing import Picture, picture
from pccore.errors import FileError, OptionError
from pccore.files.base import Format
from pccore.graph import Circuit


def picture_format(
    name: str, title: str, suffixes: tuple[str, ...], render: Callable[[Picture], str | bytes]
) -> Format:
    """A format that draws the circuit unit by unit, with its weights.

    Its `save` raises FileError for a circuit that is too large to be drawn.
    """

    def save(circuit: Circuit, stream: BinaryIO) -> None:
        try:
            content = render(picture(circuit))
        except OptionError as error:
            raise FileError(error.message, hint=error.hint) from None
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)

    return Format(name=name, title=title, suffixes=suffixes, save=save, drawing=True)
