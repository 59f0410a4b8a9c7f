"""The names of the environment variables in which a server's options reach its processes."""

from __future__ import annotations

#: How many runs train at once.
JOBS = "PC_WORKBENCH_JOBS"
#: For how many seconds a run trains while those of others wait.
TURN = "PC_WORKBENCH_TURN"
#: "1" where strangers reach the server.
PUBLIC = "PC_WORKBENCH_PUBLIC"
#: What visitors have to know.
ACCESS_CODE = "PC_WORKBENCH_ACCESS_CODE"
#: Below which path a proxy shows the server, and the addresses that visitors see, with commas.
BASE_PATH = "PC_WORKBENCH_BASE_PATH"
ORIGINS = "PC_WORKBENCH_ORIGINS"
#: Addresses of proxies, with commas, whose X-Forwarded-For is believed.
TRUST_PROXY = "PC_WORKBENCH_TRUST_PROXY"
