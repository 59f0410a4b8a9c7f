"""Pages as AppTest runs them: the source of each function is a script of its own."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest


def gallery_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import gallery

    state.sync()
    with errors.boundary():
        gallery.page()


def build_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import build

    state.sync()
    with errors.boundary():
        build.page()


def inspect_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import inspect

    state.sync()
    with errors.boundary():
        inspect.page()


def complete_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import complete

    state.sync()
    with errors.boundary():
        complete.page()


def train_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import train

    state.sync()
    with errors.boundary():
        train.page()


def opened(page: Callable[[], None], **parameters: str) -> AppTest:
    """A page behind a link with these parameters, which has not run yet."""
    at = AppTest.from_function(page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    return at
