"""The command line as a process of its own: speed of its start, pipes, signals, children."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pccore import __version__
from pccore.cli import main, tools
from pccore.errors import NotFoundError
from tests.cli.helpers import Run, assert_one_line

PCCORE = (sys.executable, "-m", "pccore")


def process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PCCORE, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_immediate(option: str):
    start = cpu_seconds()
    done = process(option)
    # Processor time: what the other processes of the machine do must not matter.
    assert cpu_seconds() - start < 0.3
    assert done.returncode == 0 and done.stderr == ""
    assert ("COMMAND" if option == "--help" else f"pccore {__version__}") in done.stdout


def test_torch_is_not_loaded_before_it_is_needed():
    code = (
        "import sys\n"
        "from pccore.cli.parser import make_parser, parse\n"
        "parse(make_parser(), ['train', 'm', '--data', 'd'])\n"
        "from pccore.cli import main\n"
        "main(['oops'])\n"
        "print([m for m in ('torch', 'numpy', 'sklearn', 'streamlit') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_command_has_help():
    for command in ("info", "check", "build", "train", "eval", "query", "complete", "convert",
                    "datasets", "bench"):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0


def test_errors_of_a_process(tmp_path: Path):
    done = process("info", "nowhere.pc.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert "nowhere.pc.json" in done.stderr


def test_json_is_alone_on_stdout(tmp_path: Path):
    done = process("build", "rat", "--data", "parity", "--set", "depth=1", "-o", "m.pc.json",
                   "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["structure"] == "rat"


def test_a_reader_that_goes_away(tmp_path: Path):
    command = [*PCCORE, "build", "--list"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_training_politely(tmp_path: Path, number: int):
    made = process("build", "rat", "--data", "parity", "--set", "depth=1", "-o", "m.pc.json",
                   cwd=tmp_path)  # fmt: skip
    assert made.returncode == 0
    settings = ["--method", "online-em", "--set", "epochs=100000", "--set", "patience=0"]
    command = [*PCCORE, "train", "m.pc.json", "--data", "parity", "--run", "r", "--json", *settings]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as child:
        metrics = tmp_path / "r" / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not metrics.exists() or metrics.read_text().count("\n") < 2:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert json.loads(out)["state"] == "stopped"
    assert "Traceback" not in err and "--resume" in err
    assert (tmp_path / "r" / "checkpoint.safetensors").exists()


# -- children ------------------------------------------------------------------------------


def test_bench_outside_the_repository(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tools, "benchmarks_folder", lambda: folder / "tests" / "benchmarks")
    assert_one_line(run("bench", "speed"), "repository")
    assert_one_line(run("bench"), "repository")


def test_bench_runs_a_script(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    benches = folder / "tests" / "benchmarks"
    benches.mkdir(parents=True)
    (benches / "my_speed.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    (benches / "_helper.py").write_text("")
    monkeypatch.setattr(tools, "benchmarks_folder", lambda: benches)
    assert main(["bench", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"benchmarks": ["my_speed"]}
    assert main(["bench", "other"]) == 2
    assert "my_speed" in capfd.readouterr().err
    assert main(["bench", "my-speed", "--rows", "3", "--json"]) == 7
    assert capfd.readouterr().out == "['--rows', '3', '--json']\n"


def test_app_passes_arguments_and_status_on(capfd: pytest.CaptureFixture[str]):
    assert main(["app", "--help"]) == 0
    assert "--port" in capfd.readouterr().out
    assert main(["app", "--port", "70000"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_app_that_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    assert_one_line(run("app"), "not installed")


def test_termination_reaches_the_child(tmp_path: Path):
    script = tmp_path / "wait.py"
    script.write_text(
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(5))\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)\n"
    )
    code = (
        "import sys\nfrom pccore.cli.tools import run_child\n"
        f"sys.exit(run_child([{str(script)!r}, {str(tmp_path / 'ready')!r}], None))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        parent.terminate()
        assert parent.wait(timeout=60) == 5


def test_benchmarks_of_this_checkout():
    folder = tools.benchmarks_folder()
    assert folder.parts[-2:] == ("tests", "benchmarks")
    if folder.is_dir():
        assert all(path.suffix == ".py" for path in tools.benchmarks(folder).values())
    else:
        with pytest.raises(NotFoundError, match="repository"):
            tools.benchmarks(folder)
