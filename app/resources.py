"""Where the workbench's own files lie on disk."""

from __future__ import annotations

from pathlib import Path


def assets_folder() -> Path:
    """The folder of icons, style sheets and pictures.

    A wheel carries it inside the package, a checkout (editable install) beside it.

    Raises:
        FileNotFoundError: neither place has it; the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "assets", package.parent / "assets"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the assets are not where they belong, {package}: reinstall")
