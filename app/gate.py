"""What stands before Streamlit: the access code, the workspace's cookie, the origin of websockets.

An ASGI application around another one. Without an access code every request passes; with one,
nothing of the workbench is reached (no page, upload or websocket) before the code was given.
"""

from __future__ import annotations

import html
import os
import string
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from pc_workbench import access, cookies, paths, settings, workspaces
from pc_workbench.access import Access, Throttle

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The one address that answers without a code: that the server is up.
HEALTH = "/_stcore/health"
_FORM = Path(__file__).with_name("access.html")
_MOST_BODY = 4096
_YEAR = 365 * 86_400
#: Below these addresses are no pages.
_NO_PAGES = ("/_stcore/", "/static/", "/media/", "/component/", "/app/static/", "/auth/")


class Gate:
    """Lets requests pass to `app`.

    access: None for no code. origins: addresses of pages, besides the server's own, that may open
    a websocket. base: the path below which the workbench is.
    """

    def __init__(
        self,
        app: Application,
        access: Access | None = None,
        throttle: Throttle | None = None,
        origins: Sequence[str] = (),
        base: str = "",
    ) -> None:
        self._app, self._access = app, access
        self._throttle = throttle or Throttle()
        self._origins = frozenset(urlsplit(one).netloc.lower() or one.lower() for one in origins)
        self._base = "/" + base.strip("/") if base.strip("/") else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        kind = scope["type"]
        if kind == "websocket":
            if self._foreign(scope) or not self._admitted(scope):
                await _refuse_socket(receive, send)
                return
        elif kind == "http":
            if not self._admitted(scope) and scope["path"] != self._base + HEALTH:
                await self._ask_code(scope, receive, send)
                return
            if self._is_page(scope):
                await self._page(scope, receive, send)
                return
        await self._app(scope, receive, send)

    # -- the access code -----------------------------------------------------------------

    def _admitted(self, scope: Scope) -> bool:
        if self._access is None:
            return True
        return self._access.admits(cookies.parse(_header(scope, b"cookie"), cookies.ACCESS))

    async def _ask_code(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The form, or what it sent."""
        assert self._access is not None
        if scope["method"] != "POST":
            await _answer(send, 401, self._form(scope))
            return
        client = access.client_of((scope.get("client") or ("unknown", 0))[0])
        wait = self._throttle.wait(client)
        if wait > 0:
            seconds = int(wait) + 1
            text = f"Too many wrong codes. Try again in {seconds} seconds."
            await _answer(send, 429, self._form(scope, text), {"Retry-After": str(seconds)})
            return
        given = parse_qs(await _body(receive), max_num_fields=4).get("code", [""])[0]
        if not self._access.matches(given.strip()):
            self._throttle.failed(client)
            await _answer(send, 403, self._form(scope, "This is not the access code."))
            return
        cookie = self._cookie(scope, cookies.ACCESS, self._access.token(), access.VALID)
        await _answer(send, 303, "", {"Location": _target(scope), "Set-Cookie": cookie})

    def _form(self, scope: Scope, problem: str = "") -> str:
        form = string.Template(_FORM.read_text("utf-8"))
        return form.substitute(problem=html.escape(problem), target=html.escape(_target(scope)))

    # -- the workspace -------------------------------------------------------------------

    def _is_page(self, scope: Scope) -> bool:
        """Whether a browser asks for a page of the workbench."""
        path = scope["path"].removeprefix(self._base)
        return (
            scope["method"] == "GET"
            and "text/html" in _header(scope, b"accept")
            and not path.startswith(_NO_PAGES)
        )

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See to it that the browser has a workspace; a link to one is taken off the address."""
        known = cookies.workspaces_of(cookies.parse(_header(scope, b"cookie"), cookies.WORKSPACES))
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        asked = next((value for name, value in query if name == "workspace"), "")
        asked = workspaces.new_id() if asked == "new" else asked
        if workspaces.is_workspace(asked):
            cookie = self._workspace_cookie(scope, cookies.with_first(known, asked))
            rest = urlencode([one for one in query if one[0] != "workspace"])
            await _answer(send, 303, "", {"Location": _target(scope, rest), "Set-Cookie": cookie})
            return
        if known:
            await self._app(scope, receive, send)
            return
        cookie = self._workspace_cookie(scope, workspaces.new_id())

        async def with_cookie(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [one for one in message["headers"] if one[0].lower() != b"cache-control"]
                private = (b"cache-control", b"private, no-cache")
                message["headers"] = [*kept, private, (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _workspace_cookie(self, scope: Scope, value: str) -> str:
        return self._cookie(scope, cookies.WORKSPACES, value, _YEAR)

    def _cookie(self, scope: Scope, name: str, value: str, seconds: int) -> str:
        secure = scope.get("scheme") == "https"
        path = self._base or "/"
        return cookies.write(name, value, path=path, seconds=seconds, secure=secure)

    # -- websockets ----------------------------------------------------------------------

    def _foreign(self, scope: Scope) -> bool:
        """Whether a page of another site opens this websocket."""
        origin = _header(scope, b"origin")
        netloc = urlsplit(origin).netloc.lower()
        return (
            bool(origin)
            and netloc != _header(scope, b"host").lower()
            and (netloc not in self._origins)
        )


def from_environment(app: Application, environment: Mapping[str, str] = os.environ) -> Gate:
    """The gate that `pccore app` has described in the environment."""
    code = environment.get(settings.ACCESS_CODE, "").strip()
    known = Access(code, access.server_secret(paths.home())) if code else None
    origins = [one for one in environment.get(settings.ORIGINS, "").split(",") if one.strip()]
    base = environment.get(settings.BASE_PATH, "")
    return Gate(app, known, None, [one.strip() for one in origins], base)


def _header(scope: Scope, name: bytes) -> str:
    return "; ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _target(scope: Scope, query: str | None = None) -> str:
    """The address of a request, on this server: never one that leads elsewhere."""
    path = quote("/" + scope["path"].lstrip("/\\"))
    text = scope["query_string"].decode("latin-1") if query is None else query
    return path + (f"?{text}" if text else "")


async def _body(receive: Receive) -> str:
    """What a form has sent; "" where that is more than a form can send."""
    found = b""
    more = True
    while more and len(found) <= _MOST_BODY:
        message = await receive()
        found += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return "" if len(found) > _MOST_BODY else found.decode("utf-8", "replace")


async def _answer(
    send: Send, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    lines = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        **(headers or {}),
    }
    raw = [
        (key.lower().encode(), value.encode("latin-1", "replace")) for key, value in lines.items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": text.encode()})


async def _refuse_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4401})
