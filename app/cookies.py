"""The cookies of the workbench, as text: `gate` sets them, `session` reads them."""

from __future__ import annotations

from pc_workbench import workspaces

WORKSPACES = "pcw_workspaces"
ACCESS = "pcw_access"
#: Workspaces that a browser remembers.
REMEMBERED = 5
_SEPARATOR = "~"


def workspaces_of(text: str) -> tuple[str, ...]:
    """The ids in a cookie, the current workspace first; what is none is left out."""
    found = (one for one in text[:400].split(_SEPARATOR) if workspaces.is_workspace(one))
    return tuple(dict.fromkeys(found))[:REMEMBERED]


def with_first(known: tuple[str, ...], first: str) -> str:
    """The cookie in which a workspace is the current one."""
    return _SEPARATOR.join(tuple(dict.fromkeys((first, *known)))[:REMEMBERED])


def parse(header: str, name: str) -> str:
    """The value of a cookie in a Cookie header, "" where it has none of this name."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"')
    return ""


def write(name: str, value: str, *, path: str, seconds: int, secure: bool) -> str:
    """A Set-Cookie header that scripts cannot read and other sites cannot use."""
    text = f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    return text + ("; Secure" if secure else "")
