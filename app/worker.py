"""A training process: `python -m pc_workbench.worker`, JSON lines in on stdin and out on stdout.

in    {"run": PATH}                     train the run directory, from its checkpoint if it has one
out   {"event": "ready"}                imports are done
out   {"event": "began"}                the run is loaded and trains
out   {"event": "end", "state": STATE, "message": TEXT, "leaving": whether the process ends now}

How a run gets on is in its directory, and so is the way to pause or stop it. When stdin ends, the
server is gone: the process leaves at the next batch, the last checkpoint stays.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import TextIO

NICENESS = 10  # the server's answers come first
GRACE = 5.0  # seconds to reach the end of a batch once the server is gone


def main() -> None:
    """Serve until stdin ends."""
    # Ctrl-C in the terminal reaches every process; only the server decides here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not get between the lines of the protocol.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    import torch

    importlib.import_module("pccore.distillation")
    torch.set_num_threads(1)
    with contextlib.suppress(OSError):  # after the imports, for which somebody may be waiting
        os.nice(NICENESS)

    orders: queue.Queue[str | None] = queue.Queue()
    gone = threading.Event()
    threading.Thread(target=_listen, args=(orders, gone), daemon=True).start()
    _tell(out, {"event": "ready"})
    while (path := orders.get()) is not None:
        state, message = _train(path, gone, out)
        # Only a process that ends gives all of its memory on a GPU back.
        leaving = torch.cuda.is_initialized()
        _tell(out, {"event": "end", "state": state, "message": message, "leaving": leaving})
        if leaving:
            break
    # Without torch's tidying up, which takes seconds on a busy machine.
    sys.stderr.flush()
    os._exit(0)


def _listen(orders: queue.Queue[str | None], gone: threading.Event) -> None:
    """Hand orders on; when there can be no more, see to it that the process ends."""
    for line in sys.stdin:
        try:
            orders.put(str(json.loads(line)["run"]))
        except (ValueError, KeyError, TypeError):
            logging.getLogger(__name__).warning("an order is malformed and was ignored")
    gone.set()
    orders.put(None)
    timer = threading.Timer(GRACE, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _train(path: str, gone: threading.Event, out: TextIO) -> tuple[str, str]:
    """Do a run; returns its final state and a sentence if it failed."""
    from pccore.distillation import execute_run
    from pccore.errors import PCError
    from pccore.learn import Event, RunDirectory

    began = False

    def listener(event: Event) -> None:
        nonlocal began
        if gone.is_set():
            raise SystemExit(0)
        if not began:
            began = True
            _tell(out, {"event": "began"})

    try:
        return execute_run(RunDirectory(path), resume=True, listener=listener), ""
    except PCError as error:
        return "failed", str(error)
    except Exception as error:
        logging.getLogger(__name__).exception("run %s failed", path)
        return "failed", f"{type(error).__name__}: {error}"


def _tell(out: TextIO, message: dict[str, str | bool]) -> None:
    # Nobody reads any more: stdin has ended too, or is about to.
    with contextlib.suppress(OSError, ValueError):
        out.write(json.dumps(message) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
