"""The command: where it listens, what it refuses, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import webbrowser

import httpx
import pytest
from typer.testing import CliRunner

from gatecast import cli, cli_train, output
from gatecast.errors import SettingsError
from gatecast.guard import Door, is_loopback
from gatecast.serving import bind
from helpers_outcome import make_outcome

TOKEN = "a-long-and-random-token"


def serve(*arguments, token=None):
    return CliRunner().invoke(cli.app, ["serve", *arguments], env={"GATECAST_TOKEN": token})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_beyond_this_machine_it_does_not_start_without_a_token(host):
    refused = serve("--host", host)
    assert refused.exit_code == SettingsError.exit_code
    assert "GATECAST_TOKEN" in refused.stderr and "Traceback" not in refused.output


@pytest.mark.parametrize("token", ["short", "sixteen letters!", "ünicode-and-long-enough"])
def test_a_token_that_is_easy_to_guess_or_fits_no_header_is_refused(token):
    assert serve("--host", "0.0.0.0", token=token).exit_code == SettingsError.exit_code


def test_a_port_that_is_taken_is_named_and_the_usual_one_gives_way():
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        refused = serve("--port", str(port))
        assert refused.exit_code == SettingsError.exit_code and f"port {port}" in refused.stderr
    with bind("127.0.0.1", None) as one, bind("127.0.0.1", None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "header", "welcome"),
    [
        ("127.0.0.1", "127.0.0.1:80", True),
        ("127.0.0.1", "LOCALHOST:1", True),
        ("127.0.0.1", "[::1]:1", True),
        ("127.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "rebound.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
        ("0.0.0.0", "10.0.0.1:80", True),
        ("0.0.0.0", "forecasts.example:80", True),
        ("0.0.0.0", "rebound.example", False),
    ],
)
def test_only_the_names_of_the_server_are_welcome(host, header, welcome):
    assert Door(host, TOKEN, ("Forecasts.example",) if host == "0.0.0.0" else ()).allows_host(header) is welcome


def test_loopback_is_told_from_the_rest():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")))


def test_it_says_where_it_is_listens_on_this_machine_alone_and_ends_by_ctrl_c_without_complaint(tmp_path):
    command = [sys.executable, "-m", "gatecast", "serve", "--port", "0", "--folder", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = process.stdout.readline().split()[3]
    assert url.startswith("http://127.0.0.1:") and httpx.get(f"{url}ping").json() == {"status": "ok"}
    own = socket.gethostbyname(socket.gethostname())
    if not is_loopback(own):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{own}:{url.rsplit(':', 1)[1]}ping", trust_env=False)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said == "" and process.returncode == 0
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_run_opens_its_report_when_asked(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(cli_train, "_run_either", lambda *_: make_outcome())

    def write(outcome, work, final):
        (work / "report.html").write_text("report")
        return {"report": final / "report.html", "model": final / "model.safetensors"}

    monkeypatch.setattr(output, "write_outcome", write)
    out = tmp_path / "run"
    done = CliRunner().invoke(cli.app, ["run", "sine", "--out", str(out), "--open"])
    assert done.exit_code == 0, done.output
    assert opened == [(out / "report.html").as_uri()] and (out / "report.html").read_text() == "report"
    refused = CliRunner().invoke(cli.app, ["run", "sine", "--no-save", "--open"])
    assert refused.exit_code == SettingsError.exit_code and "--no-save" in refused.stderr
