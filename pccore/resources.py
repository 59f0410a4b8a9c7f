"""Where the data that ships with the package lies on disk."""

from __future__ import annotations

from pathlib import Path


def sample_models_folder() -> Path:
    """The folder of sample models (`NAME.pc.json`, `NAME.pc.safetensors`).

    A wheel carries it inside the package, a checkout (editable install) beside it.

    Raises:
        FileNotFoundError: neither place has it; the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_models", package.parent / "sample_models"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the sample models are not where they belong, {package}: reinstall")
