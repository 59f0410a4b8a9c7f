"""What a person sees of a run on the command line, and how it is asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from pccore.cli.output import Progress, duration
from pccore.learn import Epoch, Event, Finished, RunDirectory, Step


@dataclass
class Watcher:
    """Turns events into progress, and a wish to stop into a request to the run.

    heading: said when the first event proves that there was nothing to complain of.
    """

    run: RunDirectory
    progress: Progress
    heading: str = ""
    stop: bool = False
    rate: float = 0.0
    seconds_left: float | None = None
    last: Epoch | None = None
    finished: Finished | None = None
    seconds: float = 0.0

    def hear(self, event: Event) -> None:
        """One event of the trainer."""
        if self.heading:
            for line in (self.heading, *self.run.repairs()):
                self.progress.say(line)
            self.heading = ""
        if self.stop:
            self.run.request("stop")
        if isinstance(event, Step):
            self.rate, self.seconds_left = event.rate, event.seconds_left
            self.progress.update(
                f"epoch {event.epoch}  batch {event.batch}/{event.batches}  {self._pace()}"
            )
        elif isinstance(event, Epoch):
            self.last = event
            self.seconds += event.seconds
            self.progress.say(self._line(event))
        else:
            self.finished = event

    def _pace(self) -> str:
        left = "" if self.seconds_left is None else f"  {duration(self.seconds_left)} left"
        return f"{self.rate:,.0f} rows/s{left}"

    def _line(self, epoch: Epoch) -> str:
        valid = epoch.valid_log_likelihood
        text = f"epoch {epoch.epoch:>3}  train {epoch.train_log_likelihood:.4f}"
        text += "" if valid is None else f"  valid {valid:.4f}"
        text += f"  {self._pace()}" if epoch.epoch else "  (untrained)"
        if epoch.impossible:
            text += f"  {epoch.impossible} rows have probability zero"
        return text


@contextmanager
def polite_interrupts(watcher: Watcher) -> Generator[None, None, None]:
    """The first Ctrl-C (or termination) stops after the batch, the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, frame: FrameType | None) -> None:
        watcher.stop = True
        for each in numbers:
            signal.signal(each, signal.default_int_handler)

    try:
        for number in numbers:
            signal.signal(number, ask)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
