"""Links from one page to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

_PAGES = "pcw_pages"


def remember(pages: Mapping[str, Any]) -> None:
    """Tell what pages there are, by the last part of their address."""
    st.session_state[_PAGES] = dict(pages)


def links(*names: str, label: str = "Go to {}") -> None:
    """Links to pages, side by side; nothing where the shell is not around (in tests)."""
    pages = st.session_state.get(_PAGES, {})
    with st.container(horizontal=True, width="content"):
        for name in names:
            if name in pages:
                st.page_link(pages[name], label=label.format(pages[name].title))
