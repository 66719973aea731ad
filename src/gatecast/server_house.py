"""What the routes of the server share: the data folder, what is kept in memory, and who does the work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gatecast import wire
from gatecast.jobs import Jobs
from gatecast.lab_runs import LabRuns
from gatecast.limits import Limits, Refusal
from gatecast.server_meters import Meters
from gatecast.server_streams import Streams
from gatecast.uploads import Uploads, make_folder
from gatecast.workers import Pool

LIGHT, HEAVY = "gatecast.tasks_light", "gatecast.tasks_backtest"


class House:
    """What the routes share."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        make_folder(folder)
        self.uploads = Uploads(folder / "uploads", limits.uploads)
        self.jobs = Jobs(folder / "models", limits)
        self.streams = Streams(limits.streams)
        self.light = Pool(limits.workers, limits.queue, limits.seconds, f"{LIGHT}:ready")
        self.heavy = Pool(1, limits.backtest_queue, limits.backtest_seconds, f"{HEAVY}:ready", keep=False)
        self.lab = LabRuns(limits)
        self.meters = Meters({"light": self.light, "heavy": self.heavy}, self.jobs.queue, self.streams)

    @property
    def listening(self) -> int:
        """How many event streams are open."""
        return self.jobs.queue.listening + self.lab.queue.listening

    def close(self) -> None:
        """Stop all work."""
        for each in (self.jobs.queue, self.lab.queue, self.light, self.heavy):
            each.close()

    async def light_task(self, task: str, **arguments: Any) -> Any:
        """What a light worker returns."""
        return await asyncio.wrap_future(self.light.submit(f"{LIGHT}:{task}", arguments))

    async def heavy_task(self, task: str, **arguments: Any) -> Any:
        """What a heavy worker returns."""
        return await asyncio.wrap_future(self.heavy.submit(f"{HEAVY}:{task}", arguments))

    async def table(self, data: wire.Data) -> tuple[dict[str, Any], str]:
        """The table of a request as the workers take it, and what it is called."""
        if data.dataset is not None:
            return {"dataset": data.dataset}, data.dataset
        if data.upload is not None:
            upload = await asyncio.to_thread(self.uploads.read, data.upload)
            return {"content": upload.content, "name": upload.name}, upload.name
        if data.csv is not None:
            return {"content": data.csv.encode("utf-8", "surrogatepass"), "name": "the CSV"}, "table.csv"
        if data.values is not None:
            return {"values": data.values}, "values"
        return {"columns": data.columns}, "columns"

    def model(self, identity: str | None) -> Path | None:
        """The file of a finished model."""
        return None if identity is None else self.jobs.path(identity, "model.safetensors")

    def check_horizon(self, horizon: int | None) -> None:
        """Refuse a horizon that is too long for a server."""
        if horizon is not None and horizon > self.limits.horizon:
            most = self.limits.horizon
            raise Refusal("too_large", f"horizon = {horizon}: at most {most:,} steps are forecast here", 413)

    def check_values(self, values: list[float | None]) -> None:
        """Refuse more values than a stream reads at a time."""
        if len(values) > self.limits.values:
            most = self.limits.values
            raise Refusal("too_large", f"{len(values):,} values at a time; send at most {most:,}", 413)
