"""Listen: bind a port, say where, and answer until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from gatecast.errors import SettingsError
from gatecast.guard import Door
from gatecast.limits import Limits
from gatecast.server import create_app

PORT = 8734  # the usual one; another that is free if it is taken
BACKLOG = 2_048
GRACE = 3  # seconds that open answers have when the server ends


def listen(folder: Path, door: Door, port: int | None, limits: Limits, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        folder: the data folder.
        door: the address to listen on, and whom it lets in.
        port: to listen on; 0 any that is free, None the usual one, or any if that is taken.
        limits: how much the server takes on.
        ready: is told the page's address once it answers.

    Raises:
        SettingsError: the address or the port cannot be had.
        OutputError: the folder cannot be written to.
    """
    app = create_app(folder, limits, door)
    with bind(door.host, port) as bound:
        address = bound.getsockname()
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        server = Announced(settings(app), f"http://{name}:{address[1]}/", ready)
        with contextlib.suppress(KeyboardInterrupt):  # that is how it ends
            server.run(sockets=[bound])


def settings(app: object) -> uvicorn.Config:
    """How uvicorn serves: plain HTTP, quietly, without words about itself."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE,
        backlog=BACKLOG,
    )


class Announced(uvicorn.Server):
    """A server that says where it is once it answers."""

    def __init__(self, config: uvicorn.Config, url: str, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self.url, self.ready = url, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self.ready(self.url)


def bind(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on a port.

    Raises:
        SettingsError: the address or the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            bound.bind((host, wanted))
            bound.listen(BACKLOG)
        except OSError as error:
            problem = error.strerror or str(error)
        else:
            return bound
    bound.close()
    raise SettingsError(f"cannot listen on {host}, port {port or PORT} ({problem}); choose another --host or --port")
