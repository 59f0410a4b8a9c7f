"""The component files on disk, joined once into the strings that Streamlit is given.

A component is a folder with html, css and js files of ours. Its JavaScript may be split over
several files; they are concatenated into one ES module (a module that is passed inline cannot
import a neighbour), so exactly one of them carries ``export default``.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from streamlit.components import v2

FOLDER = Path(__file__).parent
_EXPORT = re.compile(r"^export default\b", re.MULTILINE)
_IMPORT = re.compile(r"^\s*import\b", re.MULTILINE)


def join_scripts(texts: list[str]) -> str:
    """Concatenate script files into one ES module.

    Raises:
        ValueError: unless exactly one file has an ``export default`` and none an ``import``.
    """
    joined = "\n".join(texts)
    if len(_EXPORT.findall(joined)) != 1:
        raise ValueError("a component needs exactly one 'export default' over all of its scripts")
    if _IMPORT.search(joined):
        raise ValueError("an inline component cannot import: list the file among its scripts")
    return joined


@functools.cache
def component(name: str, scripts: tuple[str, ...], styles: tuple[str, ...] = ()) -> Any:
    """Register the component in the folder ``name`` and return its mounting command.

    Args:
        name: folder below ``components``; holds ``{name}.html``, ``{name}.css`` and the scripts.
        scripts: file names without ending, in the order of concatenation; the shared helpers
            come first by themselves. A component that builds on another lists ``../other/file``.
        styles: style sheets of others below ``components``, without ending; they come before its
            own.
    """
    own = FOLDER / name
    shared = FOLDER / "shared"
    read = functools.partial(Path.read_text, encoding="utf-8")
    return v2.component(
        f"pc_{name}",
        html=read(own / f"{name}.html"),
        css="".join(
            read(path)
            for path in (
                shared / "theme.css",
                *(FOLDER / f"{style}.css" for style in styles),
                own / f"{name}.css",
            )
        ),
        js=join_scripts([read(shared / "dom.js"), *(read(own / f"{s}.js") for s in scripts)]),
    )
