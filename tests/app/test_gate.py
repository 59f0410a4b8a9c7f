"""What stands before Streamlit: the access code, guesses slowed down, cookies, origins."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies

from pc_workbench import access, cookies, gate, paths, settings, workspaces
from pc_workbench.access import Access, Throttle
from pc_workbench.gate import Gate

SECRET = b"s" * 32
PAGE = {"accept": "text/html,*/*"}


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    closed: int = 0

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """An application that says that it was reached."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html"), (b"cache-control", b"public")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"inside"})


def ask(
    door: Gate,
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    headers: Mapping[str, str] = PAGE,
    body: bytes = b"",
    kind: str = "http",
    client: str = "192.0.2.1",
    scheme: str = "http",
) -> Answer:
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        "client": (client, 1234),
        "scheme": scheme,
    }
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.request" if kind == "http" else "websocket.connect", "body": body}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(k.decode(), v.decode()) for k, v in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body += message["body"].decode()
        elif message["type"] == "websocket.accept":
            answer.status = 101
        elif message["type"] == "websocket.close":
            answer.closed = message["code"]

    asyncio.run(door(scope, receive, send))
    return answer


def try_code(door: Gate, code: str, client: str = "192.0.2.1") -> Answer:
    body = urlencode({"code": code}).encode()
    return ask(door, "/inspect", method="POST", query="model=x", body=body, client=client)


def cookie_of(answer: Answer) -> str:
    return answer.header("set-cookie").partition(";")[0]


def locked(**options: Any) -> Gate:
    return Gate(behind, Access("open sesame", SECRET), **options)


# -- the code --------------------------------------------------------------------------------


def test_only_the_code_matches():
    known = Access("geheim ✓", SECRET)
    assert known.matches("geheim ✓")
    for wrong in ("", "geheim", "geheim ✓ ", "GEHEIM ✓", "g" * 10_000, "\ud800"):
        assert not known.matches(wrong)


def test_a_token_is_of_this_server_this_code_and_some_days():
    known = Access("a", SECRET)
    token = known.token(now=1000.0)
    assert known.admits(token, now=1000.0 + access.VALID - 2)
    assert not known.admits(token, now=1000.0 + access.VALID + 1)
    assert Access("a", SECRET).admits(token, now=1001.0)  # after a restart
    assert not Access("b", SECRET).admits(token, now=1001.0)
    assert not Access("a", b"t" * 32).admits(token, now=1001.0)
    end, _, signature = token.partition(".")
    assert not known.admits(f"{int(end) + 9}.{signature}", now=1001.0)


@given(strategies.text(max_size=200))
def test_no_other_text_is_a_token(text: str):
    assert not Access("a", SECRET).admits(text, now=0.0)


def test_the_secret_stays_and_is_the_owners_alone(tmp_path: Path):
    first = access.server_secret(tmp_path / "home")
    assert len(first) == 32 and access.server_secret(tmp_path / "home") == first
    assert stat.S_IMODE((tmp_path / "home" / "secret").stat().st_mode) == 0o600
    (tmp_path / "home" / "secret").write_bytes(b"short")
    assert len(access.server_secret(tmp_path / "home")) == 32


# -- guesses ---------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_client_waits_and_may_try_again_when_the_window_has_passed():
    clock = Clock()
    slow = Throttle(each=3, everybody=100, window=60.0, clock=clock)
    for second in range(3):
        assert slow.wait("a") == 0.0
        clock.now = float(second)
        slow.failed("a")
    assert slow.wait("a") == pytest.approx(58.0)
    assert slow.wait("b") == 0.0
    clock.now = 60.5
    assert slow.wait("a") == 0.0
    slow.failed("a")
    assert slow.wait("a") == pytest.approx(0.5)


def test_many_clients_together_wait_as_well():
    clock = Clock()
    slow = Throttle(each=5, everybody=10, window=60.0, clock=clock)
    for number in range(10):
        slow.failed(f"client {number}")
    assert slow.wait("somebody new") == pytest.approx(60.0)
    clock.now = 60.0
    assert slow.wait("somebody new") == 0.0


def test_the_memory_of_guesses_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access, "CLIENTS", 10)
    slow = Throttle(each=1, everybody=10**6)
    for number in range(50):
        slow.failed(str(number))
    assert len(slow._clients) == 10
    assert slow.wait("0") == 0.0 and slow.wait("49") > 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_customer_is_one_client(address: str, client: str):
    assert access.client_of(address) == client


# -- the gate --------------------------------------------------------------------------------


def test_without_the_code_nothing_is_reached():
    door = locked()
    form = ask(door, "/inspect", query="model=x")
    assert form.status == 401 and 'name="code"' in form.body
    assert 'action="/inspect?model=x"' in form.body
    for path in ("/_stcore/upload_file/x", "/media/x.png", "/static/x.js", "/_stcore/host-config"):
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            assert ask(door, path, method=method, headers={}).status == 401
    assert ask(door, "/_stcore/stream", kind="websocket", headers={}).closed == 4401
    assert ask(door, gate.HEALTH, headers={}).body == "inside"


def test_the_code_opens_and_a_forged_cookie_does_not():
    door = locked()
    answer = try_code(door, " open sesame ")
    assert answer.status == 303 and answer.header("location") == "/inspect?model=x"
    assert "HttpOnly; SameSite=Lax" in answer.header("set-cookie")
    given_cookie = {**PAGE, "cookie": cookie_of(answer)}
    assert ask(door, headers=given_cookie).body == "inside"
    assert ask(door, "/_stcore/stream", kind="websocket", headers=given_cookie).status == 101
    forged = {**PAGE, "cookie": f"{cookies.ACCESS}=99999999999.{'0' * 64}"}
    assert ask(door, headers=forged).status == 401


def test_a_wrong_code_is_refused_and_then_slowed_down():
    door = locked(throttle=Throttle(each=3, everybody=5, window=60.0, clock=Clock()))
    for _ in range(3):
        assert try_code(door, "guess").status == 403
    late = try_code(door, "open sesame")
    assert late.status == 429 and late.header("retry-after") == "61"
    assert "Try again in 61 seconds" in late.body
    assert try_code(door, "open sesame", client="192.0.2.9").status == 303
    for number in range(2):
        assert try_code(door, "guess", client=f"198.51.100.{number}").status == 403
    assert try_code(door, "guess", client="203.0.113.1").status == 429  # of all together


@pytest.mark.parametrize(
    "body", [b"", b"code", b"x" * 10_000, b"\xff\xfe=1", b"code=%00", b"a=1&b=2&c=3&d=4"]
)
def test_a_form_of_anything_is_a_wrong_code(body: bytes):
    assert ask(locked(), method="POST", body=body).status == 403


def test_an_address_leads_nowhere_else_and_is_written_escaped():
    door = locked()
    for path in ("//evil.example/x", "/\\evil.example", '/a"><script>alert(1)</script>'):
        body = urlencode({"code": "open sesame"}).encode()
        answer = ask(door, path, method="POST", body=body)
        assert re.match(r"/[^/\\]", answer.header("location"))
        assert "<script>" not in ask(door, path).body


def test_the_cookie_is_for_its_path_and_for_encrypted_lines():
    door = locked(base="/pc/")
    body = urlencode({"code": "open sesame"}).encode()
    answer = ask(door, "/pc/train", method="POST", body=body, scheme="https")
    assert "; Path=/pc; " in answer.header("set-cookie")
    assert answer.header("set-cookie").endswith("; Secure")
    assert ask(door, "/pc" + gate.HEALTH, headers={}).status == 200


# -- workspaces ------------------------------------------------------------------------------


def test_a_browser_gets_a_workspace_once():
    door = Gate(behind)
    first = ask(door, "/inspect")
    given_cookie = cookie_of(first)
    (workspace,) = cookies.workspaces_of(given_cookie.partition("=")[2])
    assert first.body == "inside" and "HttpOnly" in first.header("set-cookie")
    assert first.header("cache-control") == "private, no-cache"
    again = ask(door, headers={**PAGE, "cookie": given_cookie})
    assert again.header("set-cookie") == "" and workspaces.is_workspace(workspace)
    assert cookie_of(ask(door)) != given_cookie
    for path, headers in (("/static/x.js", PAGE), ("/_stcore/x", PAGE), ("/", {})):
        assert ask(door, path, headers=headers).header("set-cookie") == ""


def test_a_link_to_a_workspace_is_remembered_and_taken_off_the_address():
    door = Gate(behind)
    before, wanted = workspaces.new_id(), workspaces.new_id()
    headers = {**PAGE, "cookie": f"{cookies.WORKSPACES}={before}"}
    answer = ask(door, "/train", query=f"model=a%20b&workspace={wanted}&run=r", headers=headers)
    assert answer.status == 303 and answer.header("location") == "/train?model=a+b&run=r"
    assert cookie_of(answer) == f"{cookies.WORKSPACES}={wanted}~{before}"
    new = ask(door, query="workspace=new", headers=headers)
    assert new.header("location") == "/" and before in cookie_of(new)
    assert ask(door, query="workspace=../../etc", headers=headers).body == "inside"


# -- origins ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "opens"),
    [
        ("http://localhost:8501", "localhost:8501", True),
        ("", "localhost:8501", True),  # no browser
        ("https://evil.example", "localhost:8501", False),
        ("https://pc.example.org", "127.0.0.1:8501", True),  # named below
        ("null", "localhost:8501", False),
    ],
)
def test_pages_of_other_sites_open_no_websocket(origin: str, host: str, opens: bool):
    door = Gate(behind, origins=["https://pc.example.org"])
    headers = {"host": host, **({"origin": origin} if origin else {})}
    answer = ask(door, "/_stcore/stream", kind="websocket", headers=headers)
    assert (answer.status, answer.closed) == ((101, 0) if opens else (0, 4401))


def test_the_gate_is_set_up_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    assert ask(gate.from_environment(behind, {})).body == "inside"
    assert not (tmp_path / "secret").exists()
    door = gate.from_environment(behind, {settings.ACCESS_CODE: "x", settings.BASE_PATH: "/pc"})
    assert ask(door, "/pc").status == 401
    assert (tmp_path / "secret").exists()
