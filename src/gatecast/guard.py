"""What stands before every route: who may ask at all, how large a body may be, and what a browser is told.

The server has no accounts: whoever reaches it may use it.  So a page of another site must not reach it through the
browser of somebody who runs it.  Two ways are known, and both are closed here: a name of the attacker's that is made to
resolve to this machine (DNS rebinding; the ``Host`` header then names it), and a form or script of another site that
sends requests (CSRF; ``Origin`` or ``Sec-Fetch-Site`` then say so).  Beyond loopback a token is needed too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gatecast.errors import SettingsError
from gatecast.limits import Limits, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOG = logging.getLogger("gatecast.server")
COOKIE = "gatecast_token"
LEAST_TOKEN = 16  # characters
LOOPBACK_NAMES = ("localhost", "localhost.localdomain")
OPEN = ("/ping",)  # asked by whoever watches over servers, and says nothing
READING = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
}


def is_loopback(host: str) -> bool:
    """Whether an address or name is of this machine alone."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Door:
    """Where the server listens and whom it lets in.

    Raises:
        SettingsError: it would listen beyond loopback without a token, or the token is easy to guess.
    """

    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()  # further names that the server is known by

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise SettingsError(
                f"--host {self.host} lets other machines in, and there is no token; choose a long random one and set "
                "GATECAST_TOKEN, or leave --host out to listen on this machine alone"
            )
        if self.token is not None and (len(self.token) < LEAST_TOKEN or not re.fullmatch(r"[!-~]+", self.token)):
            raise SettingsError(
                f"a token of {len(self.token)} characters is too easy to guess, or holds some that no header can; give "
                f"{LEAST_TOKEN} or more letters, digits and signs"
            )

    def allows_host(self, header: str | None) -> bool:
        """Whether a ``Host`` header names this server.

        Beyond loopback any address by number is let in: a name can be made to resolve to this machine, a number cannot.
        """
        name = _name_of(header or "")
        if is_loopback(name) or name in (self.host.lower(), *(each.lower() for each in self.names)):
            return True
        if is_loopback(self.host):
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Guard:
    """Refuses what may not come in, counts the bytes of bodies, and adds what protects a browser.

    Args:
        app: what stands behind.
        door: whom it lets in.
        limits: of bytes and of time.
    """

    def __init__(self, app: App, door: Door, limits: Limits) -> None:
        self.app, self.door, self.limits = app, door, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        started, answered = False, False
        stopped: list[Refusal] = []  # why the body was not read to its end, whatever the application makes of that

        async def sending(message: Message) -> None:
            nonlocal started, answered
            if answered:
                return
            if stopped and not started:
                answered = True
                await answer(stopped[0], sending_with_headers)
                return
            await sending_with_headers(message)

        async def sending_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name.decode("latin-1").lower() for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            self._check(scope, headers)
            if self._greets(scope):
                await self._greet(sending_with_headers)
                return
            await self.app(scope, self._counting(headers, receive, stopped), sending)
        except Refusal as refusal:
            if not started:
                await answer(refusal, sending_with_headers)
        except Exception:
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            if not started:
                words = "a fault in gatecast; the server's log says more, please report it"
                await answer(Refusal("unforeseen", words, 500), sending_with_headers)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host")
        if not self.door.allows_host(host):
            raise Refusal(
                "foreign_host",
                f"this server is not called {(host or '')[:100]!r}; open it by its address, or start it with --name",
                403,
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host or ""):
            raise Refusal("foreign_origin", f"requests of pages of {origin[:100]!r} are refused", 403)
        if scope["method"] not in READING and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refusal("foreign_origin", "requests of other sites' pages are refused", 403)
        if self.door.token is None or scope["path"] in OPEN or self._greets(scope):
            return
        given = headers.get("authorization", "").removeprefix("Bearer ").strip() or _cookie(headers)
        if not secrets.compare_digest(given.encode(), self.door.token.encode()):
            raise Refusal(
                "token", "a token is needed: send Authorization: Bearer TOKEN, or open /?token=TOKEN in a browser", 401
            )

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def _greets(self, scope: Scope) -> bool:
        """Whether a browser shows the token once, to get it as a cookie."""
        if self.door.token is None or scope["path"] != "/" or scope["method"] != "GET":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return secrets.compare_digest(given.encode(), self.door.token.encode())

    async def _greet(self, send: Send) -> None:
        token = quote(self.door.token or "", safe="")  # a semicolon would end it
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _counting(self, headers: dict[str, str], receive: Receive, stopped: list[Refusal]) -> Receive:
        """Hand on a body as long as it is not too large and keeps coming; why not, is put into ``stopped``."""
        most = self.limits.bytes
        said = headers.get("content-length", "0")
        if said.isdecimal() and int(said) > most:
            raise _too_large(most)
        seen, ended = 0, False
        loop = asyncio.get_running_loop()
        until = loop.time() + self.limits.body_seconds

        async def counting() -> Message:
            nonlocal seen, ended
            if ended:
                return await receive()  # only the end of the connection is waited for
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                words = f"the body did not arrive within {self.limits.body_seconds:.0f} seconds"
                stopped.append(Refusal("too_slow", words, 408))
                raise stopped[0] from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if seen > most:
                    stopped.append(_too_large(most))
                    raise stopped[0]
            return message

        return counting


def _too_large(most: int) -> Refusal:
    return Refusal("too_large", f"the body has more than the {most:,} bytes that are taken here", 413)


def _name_of(host: str) -> str:
    """The name or address in a ``Host`` header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(found.value) if found is not None else ""


async def answer(refusal: Refusal, send: Send) -> None:
    """Send a refusal."""
    body = json.dumps(refusal.as_dict(), ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
