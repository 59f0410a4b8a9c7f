"""What a visitor sees when something fails: one sentence, never a traceback."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Generator

import streamlit as st

from pc_workbench import navigate
from pc_workbench.views.markup import plain
from pccore.errors import NotFoundError, PCError

__all__ = ["boundary", "plain", "sentence", "short"]

_LOG = logging.getLogger("pc_workbench")


@contextlib.contextmanager
def boundary() -> Generator[None]:
    """Show what goes wrong inside as a sentence; the traceback goes to the server's log.

    Streamlit's own control flow (rerun, stop) is no Exception and passes through.
    """
    try:
        yield
    except PCError as error:
        st.error(sentence(error))
        if isinstance(error, NotFoundError):  # there is something to choose from
            navigate.links("gallery")
    except Exception:
        number = secrets.token_hex(4)
        _LOG.exception("problem %s", number)
        st.error(
            f"Something went wrong here (problem {number}). "
            "The server's log has the details; the other pages still work."
        )


def short(text: str, longest: int = 80) -> str:
    """A text that somebody else wrote, on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def sentence(error: PCError) -> str:
    """An error's text as a plain sentence; one that starts with a file's name keeps it."""
    words = str(error)
    if words.partition(" ")[0].isalpha():
        words = words[:1].upper() + words[1:]
    return plain(words if words.endswith((".", "!", "?")) else words + ".")
