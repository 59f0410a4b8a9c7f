"""The server that `pc-workbench` starts: Streamlit with `main.py`, behind the gate.

`streamlit run` finds `app` in here by itself. `main.py` alone can be run, too: then there is no
access code, and the link keeps the workspace, as no cookie does.
"""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from pc_workbench import gate

app = st.App("main.py", middleware=[Middleware(gate.from_environment)])
