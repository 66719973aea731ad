"""The page, its styles and its scripts, as they lie in ``web/``."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Response

from gatecast.limits import Refusal
from gatecast.server_house import House

SCRIPT = "text/javascript; charset=utf-8"
PAGES = {
    "app.css": "text/css; charset=utf-8",
    "app.js": SCRIPT,
    "asking.js": SCRIPT,
    "chart.js": SCRIPT,
    "lab.js": SCRIPT,
    "icon.svg": "image/svg+xml",
}


def add_pages(app: FastAPI, house: House) -> None:
    """The page, its styles and its scripts, as they lie in ``web/``."""
    web = files("gatecast") / "web"
    kept = {name: (web / name).read_bytes() for name in ("app.html", *PAGES)}

    @app.get("/", include_in_schema=False)
    async def _page() -> Response:
        house.jobs.queue.warm()  # whoever opens the page may train soon
        return Response(kept["app.html"], media_type="text/html; charset=utf-8")

    @app.get("/web/{name}", include_in_schema=False)
    async def _asset(name: str) -> Response:
        if name not in PAGES:
            raise Refusal("not_found", f"there is no page {name[:40]!r}", 404)
        return Response(kept[name], media_type=PAGES[name])
