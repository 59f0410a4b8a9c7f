"""The console script `pc-workbench`, and the configuration of Streamlit it relies on."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from streamlit import config
from streamlit.web import cli

from pc_workbench import launch

CONFIG = launch.MAIN.parent / ".streamlit" / "config.toml"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines handed to Streamlit, which is not started."""
    calls: list[list[str]] = []
    monkeypatch.setattr(cli, "main", lambda arguments, **_: calls.append(arguments))
    monkeypatch.setattr(launch, "MAIN", Path(__file__))  # whatever file exists
    return calls


def test_nothing_given_leaves_everything_to_the_configuration(started: list[list[str]]):
    assert launch.main([]) == 0
    assert started == [["run", __file__]]


def test_options_are_passed_on(started: list[list[str]]):
    assert launch.main(["--port", "18790", "--host", "127.0.0.1", "--headless"]) == 0
    flags = ["--server.port=18790", "--server.address=127.0.0.1", "--server.headless=true"]
    assert started == [["run", __file__, *flags]]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "8501.0"])
def test_a_bad_port_is_one_line(port: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        launch.main([f"--port={port}"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "is not a port (1 to 65535)" in message


def test_a_port_in_use_is_one_line(started: list[list[str]], capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert launch.main(["--host", "127.0.0.1", "--port", str(port)]) == 2
    message = capsys.readouterr().err
    assert message == f"pc-workbench: error: cannot listen on 127.0.0.1:{port}, " + (
        "is the port in use?\n"
    )
    assert started == []


def test_an_unknown_host_is_one_line(
    started: list[list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert launch.main(["--host", "nowhere.invalid"]) == 2
    assert capsys.readouterr().err == (
        "pc-workbench: error: the address 'nowhere.invalid' is not known\n"
    )
    assert started == []


def test_a_missing_main_script_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr(launch, "MAIN", tmp_path / "main.py")
    assert launch.main([]) == 2
    assert "the installation is incomplete" in capsys.readouterr().err


def flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The dotted options of a parsed TOML table."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_every_option_is_known_to_this_streamlit():
    options = dict(flat(tomllib.loads(CONFIG.read_text(encoding="utf-8"))))
    assert set(options) <= set(config.get_config_options())
    # the ones that safety and speed depend on
    assert options["server.address"] == "localhost"
    assert options["runner.postScriptGC"] is False
    assert options["client.showErrorDetails"] == "none"
    assert options["browser.gatherUsageStats"] is False


def test_streamlit_reads_the_configuration_beside_the_main_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "_main_script_path", str(launch.MAIN))
    assert config.get_config_files("config.toml")[-1] == str(CONFIG)
