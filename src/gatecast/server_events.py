"""Server-sent events: what a training or an experiment says of itself, as it is said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fastapi.responses import StreamingResponse

from gatecast.limits import Refusal
from gatecast.queues import Event
from gatecast.server_house import House

Follow = Callable[[str, int], AsyncGenerator[Event | None, None]]


async def events_of(following: AsyncGenerator[Event | None, None]) -> AsyncIterator[str]:
    """Events as a server sends them."""
    async with contextlib.aclosing(following) as events:
        async for event in events:
            if event is None:
                yield ": still here\n\n"
            else:
                number, kind, content = event
                yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(content, allow_nan=False)}\n\n"


def stream_of(house: House, follow: Follow, identity: str, last_event_id: str) -> StreamingResponse:
    """The events of a job, from the one after the last that was received.

    Raises:
        Refusal: too many streams are open.
    """
    if house.listening >= house.limits.listeners:
        raise Refusal("busy", f"{house.listening} event streams are open; ask for the state instead", 503, 5)
    after = int(last_event_id) + 1 if last_event_id.isdecimal() else 0
    return StreamingResponse(events_of(follow(identity, after)), media_type="text/event-stream")
