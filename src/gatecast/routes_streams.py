"""Routes of streams: one value at a time, with the state kept."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import FastAPI, Query

from gatecast import wire
from gatecast.server_answers import some
from gatecast.server_house import House


def add_streams(app: FastAPI, house: House) -> None:
    """One value at a time, with the state kept."""
    streams = house.streams

    def shown(identity: str, horizon: int | None, level: tuple[int, ...]) -> wire.Flow:
        kept = streams.find(identity)
        with kept.guard:
            rows = None if horizon is None else kept.forecast(horizon, level)
            return wire.Flow(id=identity, steps=kept.steps, model=kept.model, rows=rows)

    @app.post("/v1/streams", status_code=201, responses=some(404, 409, 413, 422))
    async def create_stream(asked: wire.NewStream) -> wire.Flow:
        """A new stream, which has read ``values``; the one unused for longest may have to make room."""
        house.check_values(asked.values)
        model = await asyncio.to_thread(house.model, asked.model)
        identity, _ = await asyncio.to_thread(streams.create, model, asked.season_length, asked.values)
        return await asyncio.to_thread(shown, identity, None, ())

    @app.post("/v1/streams/{identity}", responses=some(404, 410, 413, 422))
    async def update_stream(identity: wire.Id, asked: wire.Update) -> wire.Flow:
        """Read the next values, and forecast if a horizon is given."""
        house.check_values(asked.values)
        house.check_horizon(asked.horizon)

        def update() -> wire.Flow:
            kept = streams.find(identity)
            with kept.guard:  # until it is answered, so that no other values come between
                rows = kept.update(asked.values, asked.horizon, asked.level)
                return wire.Flow(id=identity, steps=kept.steps, model=kept.model, rows=rows)

        return await asyncio.to_thread(update)

    @app.get("/v1/streams/{identity}", responses=some(404, 410, 413, 422))
    async def show_stream(
        identity: wire.Id,
        horizon: Annotated[int | None, Query(ge=1)] = None,
        level: Annotated[list[wire.Level], Query(max_length=6)] = [80, 95],  # noqa: B006 (fastapi copies it)
    ) -> wire.Flow:
        """How far a stream is, and what follows if a horizon is given."""
        house.check_horizon(horizon)
        return await asyncio.to_thread(shown, identity, horizon, tuple(level))

    @app.delete("/v1/streams/{identity}", status_code=204, responses=some(404, 410, 422))
    async def delete_stream(identity: wire.Id) -> None:
        """Forget a stream."""
        streams.drop(identity)
