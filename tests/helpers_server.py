"""A real server on a port of its own, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from gatecast.guard import Door
from gatecast.limits import Limits
from gatecast.server import create_app
from gatecast.serving import Announced, bind, settings


@dataclass
class Served:
    """A running server."""

    url: str
    house: object
    client: httpx.Client

    def ask(self, path: str, **body: object) -> httpx.Response:
        return self.client.post(path, json=body)


@contextmanager
def served(folder: Path, limits: Limits | None = None, door: Door | None = None) -> Iterator[Served]:
    """Start one; it has ended once the block has."""
    door = door or Door()
    app = create_app(folder, limits, door)
    up = threading.Event()
    with bind("127.0.0.1", 0) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        server = Announced(settings(app), url, lambda _: up.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        assert up.wait(30)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield Served(url, app.state.house, client)
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def raw(url: str, request: bytes) -> bytes:
    """Send bytes as they are, and return the answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer
