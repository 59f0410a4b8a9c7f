"""The console script `pc-workbench`, and the configuration of Streamlit it relies on."""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from streamlit import config
from streamlit.web import cli

from pc_workbench import launch, limits, settings

CONFIG = launch.MAIN.parent / ".streamlit" / "config.toml"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a server leaves in the environment is taken back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


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


def test_this_machine_alone_is_neither_public_nor_limited(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(settings.PUBLIC, raising=False)
    for host in ([], ["--host", "127.0.0.1"], ["--host", "localhost"]):
        assert launch.main(host) == 0
        assert not limits.is_public() and limits.current() == limits.UNLIMITED
    # Uvicorn would believe a proxy on this machine by itself.
    assert os.environ["FORWARDED_ALLOW_IPS"] == ""


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--public"]])  # noqa: S104 - no server
def test_a_server_that_others_reach_has_limits_and_says_that_it_is_open(
    options: list[str], started: list[list[str]], capsys: pytest.CaptureFixture[str]
):
    assert launch.main([*options, "--job-time", "5", "--keep-days", "0"]) == 0
    assert "--access-code" in capsys.readouterr().out
    found = limits.current()
    assert (found.job_seconds, found.keep_seconds) == (300, None)
    assert found.disk == limits.PUBLIC.disk


def test_the_options_of_a_server_reach_its_processes(
    started: list[list[str]], capsys: pytest.CaptureFixture[str]
):
    words = "--jobs 3 --access-code sesame --public --base-path /pc/ --trust-proxy 10.0.0.1"
    assert launch.main([*words.split(), "--origin", "https://pc.example.org"]) == 0
    assert os.environ[settings.JOBS] == "3" and os.environ[settings.ACCESS_CODE] == "sesame"
    assert os.environ["FORWARDED_ALLOW_IPS"] == "10.0.0.1"
    flags = ["--server.baseUrlPath=pc", "--server.corsAllowedOrigins=https://pc.example.org"]
    assert started == [["run", __file__, *flags]]
    assert "sesame" not in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--jobs", "0"], ["--job-time", "soon"]])
def test_a_bad_option_is_one_line(options: list[str], capsys: pytest.CaptureFixture[str]):
    try:
        code: object = launch.main(options)
    except SystemExit as stopped:
        code = stopped.code
    message = capsys.readouterr().err
    assert code == 2 and message.count("\n") == 1 and options[0] in message


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
