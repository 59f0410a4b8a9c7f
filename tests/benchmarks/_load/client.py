"""A browser tab as the server sees it: Streamlit's websocket protocol, without a browser.

The client keeps what is on the page (elements by their place), the link that the app writes, the
values of the widgets that were touched, and the timers of fragments. It sends what the browser
would: reruns with the link of the moment, page switches without one (as a click on a navigation
link does), values of components as JSON, and which large messages it still has. It does not send
the values of widgets that nobody touched: the server has them.

Everything that a visitor would see as a failure is collected in `problems`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import websockets
from google.protobuf.message import Message
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

PATIENCE = 60.0  # seconds until an answer counts as lost, unless told otherwise
SLOW = 5.0  # seconds between two ticks from which nobody looks at what they draw
KEPT_RUNS = 2  # full runs for which the browser keeps a large message
BAD_ALERTS = (Alert.ERROR, Alert.WARNING)


@dataclass(frozen=True)
class Shown:
    """An element on the page. run: number of the run that drew it."""

    kind: str
    proto: Message
    fragment: str
    run: int

    @property
    def id(self) -> str:
        return getattr(self.proto, "id", "")

    @property
    def data(self) -> Any:
        """What a component was given."""
        return json.loads(getattr(self.proto, "json", "") or "null")


@dataclass
class Run:
    """A run of the script; fragments: empty for the whole page."""

    number: int
    page: str
    fragments: frozenset[str]


@dataclass
class _Wait:
    condition: Callable[[], bool]
    answered: asyncio.Future[float]


@dataclass
class _Timer:
    task: asyncio.Task[None]
    seconds: float
    sent: list[float] = field(default_factory=list)


class Lost(Exception):
    """Something that was asked for never came."""


class Client:
    """One tab. name: for reports. query: of the link that it opens."""

    def __init__(
        self, address: str, name: str, query: str = "", patience: float = PATIENCE
    ) -> None:
        self.name = name
        self.patience = patience
        self.address = address.removeprefix("http://")
        self.query = query
        self.page = ""
        self.pages: dict[str, str] = {}  # path of a page -> its hash
        self.shown: dict[tuple[int, ...], Shown] = {}
        self.problems: list[str] = []
        self.ticks: list[float] = []  # seconds from a fragment's timer to its answer
        self.received = 0  # bytes
        self.finished: list[Run] = []
        self._run = Run(0, "", frozenset())
        self._widgets: dict[str, WidgetState] = {}
        self._kept: dict[str, tuple[ForwardMsg, int]] = {}
        self._full_runs = 0
        self._waits: list[_Wait] = []
        self._timers: dict[str, _Timer] = {}
        self._socket: Any = None
        self._reader: asyncio.Task[None] | None = None

    # -- the connection ------------------------------------------------------------------

    async def open(self) -> float:
        """Connect and load the page; returns the seconds that it took."""
        start = time.perf_counter()
        self._socket = await websockets.connect(
            f"ws://{self.address}/_stcore/stream",
            origin=f"http://{self.address}",  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            compression=None,  # Streamlit's server offers none
            open_timeout=self.patience,
            ping_interval=None,
        )
        self._reader = asyncio.create_task(self._read())
        await self._full_run(lambda: self._send())
        return time.perf_counter() - start

    async def close(self) -> None:
        """Leave as a closed tab does."""
        self._stop_timers()
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            await self._socket.close()

    # -- what a visitor does -------------------------------------------------------------

    async def go(self, path: str) -> float:
        """Click on a navigation link; seconds until the page is there."""
        target = self.pages[path]
        self.query = ""  # the browser drops the parameters, the app writes them again
        self._widgets.clear()
        return await self._full_run(lambda: self._send(page=target), target)

    async def click(self, button: Shown) -> float:
        """Press a button; seconds until its run is over."""
        pressed = WidgetState(id=button.id, trigger_value=True)
        if not button.fragment:
            return await self._full_run(lambda: self._send(trigger=pressed))
        return await self._fragment_run(button.fragment, trigger=pressed)

    async def trigger(self, key: str, event: str, value: Any) -> float:
        """A component's trigger; seconds until its run is over."""
        shown = self.widget(key)
        fired = WidgetState(
            id=f"$$STREAMLIT_INTERNAL_KEY_{shown.id}__events",
            json_trigger_value=json.dumps([{"event": event, "value": value}]),
        )
        if not shown.fragment:
            return await self._full_run(lambda: self._send(trigger=fired))
        return await self._fragment_run(shown.fragment, trigger=fired)

    async def send_state(self, key: str, state: Mapping[str, Any]) -> float:
        """Set a component's state; returns the moment of sending."""
        shown = self.widget(key)
        self._widgets[shown.id] = WidgetState(id=shown.id, json_value=json.dumps(state))
        now = time.perf_counter()
        await self._send(fragment=shown.fragment)
        return now

    # -- what is on the page -------------------------------------------------------------

    def widget(self, key: str) -> Shown:
        """The element with this key. Raises Lost."""
        for shown in self.shown.values():
            if shown.id.endswith(f"-{key}"):
                return shown
        raise Lost(f"{self.name}: there is no {key!r} on the page")

    def button(self, label: str) -> Shown:
        """The button with this label. Raises Lost."""
        for shown in self.shown.values():
            if shown.kind == "button" and getattr(shown.proto, "label", "") == label:
                return shown
        raise Lost(f"{self.name}: there is no button {label!r} on the page")

    def texts(self, kind: str) -> list[str]:
        """The texts of all elements of a kind, in their order on the page."""
        places = sorted(place for place, shown in self.shown.items() if shown.kind == kind)
        name = {"code": "code_text"}.get(kind, "body")
        return [str(getattr(self.shown[place].proto, name)) for place in places]

    async def until(self, condition: Callable[[], bool], what: str) -> float:
        """Wait until the page fulfils a condition; the moment of the message that did it.

        Raises Lost.
        """
        if condition():
            return time.perf_counter()
        wait = _Wait(condition, asyncio.get_running_loop().create_future())
        self._waits.append(wait)
        try:
            return await asyncio.wait_for(wait.answered, self.patience)
        except TimeoutError:
            raise Lost(f"{self.name}: {what} never came") from None
        finally:
            self._waits.remove(wait)

    # -- sending -------------------------------------------------------------------------

    async def _send(
        self,
        *,
        page: str | None = None,
        fragment: str = "",
        trigger: WidgetState | None = None,
        automatic: bool = False,
    ) -> None:
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string = self.query
        ask.page_script_hash = self.page if page is None else page
        ask.fragment_id = fragment
        ask.is_auto_rerun = automatic
        ask.widget_states.widgets.extend(self._widgets.values())
        if trigger is not None:
            ask.widget_states.widgets.append(trigger)
        ask.cached_message_hashes.extend(self._kept)
        await self._socket.send(message.SerializeToString())

    async def _full_run(self, send: Callable[[], Any], page: str = "") -> float:
        before, start = self._run.number, time.perf_counter()
        await send()

        def done() -> bool:
            return any(
                run.number > before and not run.fragments and page in ("", run.page)
                for run in self.finished
            )

        end = await self.until(done, f"the page {self._path_of(page)}")
        return end - start

    def _path_of(self, page: str) -> str:
        return next((path for path, known in self.pages.items() if known == page), "") or "gallery"

    async def _fragment_run(self, fragment: str, trigger: WidgetState) -> float:
        before, start = self._run.number, time.perf_counter()
        await self._send(fragment=fragment, trigger=trigger)

        def done() -> bool:
            return any(
                run.number > before and (not run.fragments or fragment in run.fragments)
                for run in self.finished
            )

        return await self.until(done, "a part of the page") - start

    # -- receiving -----------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async for raw in self._socket:
                self.received += len(raw)
                message = ForwardMsg()
                message.ParseFromString(raw)
                self._take(message)
                now = time.perf_counter()
                for wait in self._waits:
                    if not wait.answered.done() and wait.condition():
                        wait.answered.set_result(now)
        except websockets.ConnectionClosed:
            pass
        # Not reached when the client itself leaves: that cancels this task.
        self.problems.append("the server closed the connection")

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            whole = ForwardMsg()
            whole.CopyFrom(self._kept[message.ref_hash][0])
            whole.metadata.CopyFrom(message.metadata)
            message, kind = whole, whole.WhichOneof("type")
            self._kept[message.hash] = (message, self._full_runs)
        elif message.metadata.cacheable:
            self._kept[message.hash] = (message, self._full_runs)
        if kind == "delta":
            self._draw(message)
        elif kind == "new_session":
            self._begin(message)
        elif kind == "script_finished":
            self._end(message)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "navigation":
            pages = message.navigation.app_pages
            self.pages = {page.url_pathname: page.page_script_hash for page in pages}
            self.page = message.navigation.page_script_hash
        elif kind == "auto_rerun":
            self._start_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            self._stop_timers(message.stop_auto_rerun.fragment_ids)
        elif kind in ("session_event", "page_not_found"):
            self.problems.append(f"{kind}: {str(message)[:300]}")

    def _draw(self, message: ForwardMsg) -> None:
        delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            return
        kind = delta.new_element.WhichOneof("type") or "empty"
        proto = getattr(delta.new_element, kind)
        place = tuple(message.metadata.delta_path)
        self.shown[place] = Shown(kind, proto, delta.fragment_id, self._run.number)
        if kind == "exception":
            self.problems.append(f"exception {proto.type}: {proto.message}")
        elif kind == "toast" or (kind == "alert" and proto.format in BAD_ALERTS):
            self.problems.append(f"{kind}: {proto.body}")

    def _begin(self, message: ForwardMsg) -> None:
        run = message.metadata.run
        page = message.new_session.page_script_hash
        self._run = Run(self._run.number + 1, page, frozenset(run.fragment_ids))
        if not self._run.fragments:
            self._stop_timers()
            if page != self.page:
                self.shown.clear()
            self.page = page

    def _end(self, message: ForwardMsg) -> None:
        run = self._run
        if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.problems.append("the script did not compile")
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        self.finished = [*self.finished[-20:], run]
        self.shown = {
            place: shown
            for place, shown in self.shown.items()
            if shown.run == run.number or (run.fragments and shown.fragment not in run.fragments)
        }
        if not run.fragments:
            self._full_runs += 1
            known = {shown.id for shown in self.shown.values()}
            self._widgets = {name: one for name, one in self._widgets.items() if name in known}
            oldest = self._full_runs - KEPT_RUNS
            self._kept = {name: one for name, one in self._kept.items() if one[1] >= oldest}
        for fragment in run.fragments:
            timer = self._timers.get(fragment)
            if timer is not None and timer.sent:
                if timer.seconds < SLOW:
                    self.ticks.append(time.perf_counter() - timer.sent[0])
                timer.sent.clear()  # several that waited are answered by one run

    # -- timers of fragments -------------------------------------------------------------

    def _start_timer(self, fragment: str, seconds: float) -> None:
        self._stop_timers([fragment])

        async def tick() -> None:
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await asyncio.sleep(seconds)
                    timer.sent.append(time.perf_counter())
                    await self._send(fragment=fragment, automatic=True)

        timer = self._timers[fragment] = _Timer(asyncio.create_task(tick()), seconds)

    def _stop_timers(self, fragments: Any = None) -> None:
        for fragment in list(self._timers) if fragments is None else fragments:
            timer = self._timers.pop(fragment, None)
            if timer is not None:
                timer.task.cancel()
