"""Trainings: queued, run one at a time in a process of their own, watched, stopped, and kept as folders.

A finished training is a folder ``models/ID`` that appeared at once, under its name; what a killed server leaves half
written is hidden and swept away at the next start.  So the folders themselves are the list of what is finished.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from gatecast.limits import Limits, Refusal
from gatecast.queues import Event, Job, Queue
from gatecast.uploads import ID, make_folder

FILES = {  # what can be fetched, and what kind it is
    "report.html": "text/html; charset=utf-8",
    "forecasts.csv": "text/csv; charset=utf-8",
    "forecasts.parquet": "application/vnd.apache.parquet",
    "model.safetensors": "application/octet-stream",
    "config.toml": "application/toml",
    "result.json": "application/json",
    "charts.json": "application/json",
}
TASK, READY = "gatecast.tasks_train:train", "gatecast.tasks_train:ready"


class Jobs:
    """All trainings of a data folder.

    Args:
        folder: of the finished ones.
        limits: how many may wait and be kept, and how long one may take.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = make_folder(folder), limits
        self.queue = Queue(TASK, READY, limits.training_seconds, self._ended)
        for half in self.folder.glob(".*"):
            shutil.rmtree(half, ignore_errors=True)

    # ------------------------------------------------------------------------------------------ what is known

    def states(self) -> list[dict[str, Any]]:
        """Return all trainings, the newest first."""
        with self.queue.guard:
            known = {job.id: self._state(job) for job in self.queue.jobs.values()}
        for path in self.folder.iterdir():
            if ID.fullmatch(path.name) and path.name not in known:
                with contextlib.suppress(Refusal):
                    known[path.name] = self._kept(path.name)
        return sorted(known.values(), key=lambda state: str(state["created"]), reverse=True)

    def state(self, identity: str) -> dict[str, Any]:
        """Return one training.

        Raises:
            Refusal: there is none of that name.
        """
        with self.queue.guard:
            job = self.queue.jobs.get(identity)
            return self._state(job) if job is not None else self._kept(identity)

    def path(self, identity: str, name: str) -> Path:
        """Return where a file of a finished model is.

        Raises:
            Refusal: there is no such model or file, or it is not finished.
        """
        state = self.state(identity)
        if state["state"] != "done":
            raise Refusal(
                "not_ready", f"model {identity} is {state['state']}; its files are there once it is done", 409
            )
        if name not in state["files"]:
            found = ", ".join(state["files"])
            raise Refusal("not_found", f"there is no file {name[:40]!r} of this model; there are {found}", 404)
        return self.folder / identity / name

    # ------------------------------------------------------------------------------------------- what is done

    def start(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a training.

        Raises:
            Refusal: too many wait, or as many models as are kept are there.
        """
        with self.queue.guard:
            waiting = self.queue.waiting
            if waiting > self.limits.training_queue:
                raise Refusal("busy", f"{waiting} trainings are before this one; come again later", 503, 60)
            kept = sum(1 for path in self.folder.iterdir() if ID.fullmatch(path.name))
            if kept + waiting >= self.limits.models:
                raise Refusal("full", f"{kept} models are kept, as many as can be; delete one first", 409)
            self.queue.forget(self.limits.models)
            job = Job(name)
            about = {"id": job.id, "name": job.name, "created": job.created}
            self.queue.add(job, {**arguments, "folder": str(self.folder / job.id), "about": about})
        return self.state(job.id)

    def cancel(self, identity: str) -> dict[str, Any]:
        """Stop a training that waits or runs; one that has ended stays as it is.

        Raises:
            Refusal: there is none of that name.
        """
        job = self.queue.jobs.get(identity)
        if job is not None:
            self.queue.cancel(job)
        return self.state(identity)

    def delete(self, identity: str) -> None:
        """Remove a model and its files; a training is stopped first.

        Raises:
            Refusal: there is none of that name.
        """
        self.state(identity)
        self.cancel(identity)
        with self.queue.guard:
            self.queue.jobs.pop(identity, None)
            shutil.rmtree(self.folder / identity, ignore_errors=True)

    def close(self) -> None:
        """Stop all trainings; nothing more is taken."""
        self.queue.close()

    async def follow(self, identity: str, after: int) -> AsyncGenerator[Event | None, None]:
        """Yield the events of a training from number ``after`` on until it ends; None says that the server is there.

        Raises:
            Refusal: there is none of that name.
        """
        job = self.queue.jobs.get(identity)
        if job is None:
            yield 0, "state", {"state": self._kept(identity)["state"]}
            return
        async with contextlib.aclosing(self.queue.follow(job, after)) as events:
            async for event in events:
                yield event

    # ---------------------------------------------------------------------------------------------- inside

    def _ended(self, job: Job) -> None:
        """Keep the verdict of a training that is done, and nothing of another."""
        if job.result is not None:
            job.sentence = job.result["verdict"]["sentence"]
        for half in self.folder.glob(f".{job.id}.*"):
            shutil.rmtree(half, ignore_errors=True)
        if job.result is None:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)
        job.result = None  # it stands in the folder

    def _state(self, job: Job) -> dict[str, Any]:
        return {
            **job.told,
            "update": job.update,
            "updates": job.updates,
            "sentence": job.sentence,
            "files": self._files(job.id) if job.state == "done" else [],
        }

    def _kept(self, identity: str) -> dict[str, Any]:
        """A finished training, as its folder says."""
        place = self.folder / identity
        try:
            if not ID.fullmatch(identity):
                raise FileNotFoundError
            about = json.loads((place / "job.json").read_bytes())
            network = json.loads((place / "result.json").read_bytes())["network"]
            return {
                "id": identity,
                "name": about["name"],
                "state": "done",
                "stage": "finished",
                "created": about["created"],
                "update": network["updates"],
                "updates": network["updates"],
                "sentence": about["sentence"],
                "files": self._files(identity),
                "error": None,
            }
        except (OSError, ValueError, LookupError, TypeError):  # deleted meanwhile, or not as it was written
            refusal = Refusal("not_found", f"there is no model {identity[:40]!r}; GET /v1/models lists them", 404)
            raise refusal from None

    def _files(self, identity: str) -> list[str]:
        return [name for name in FILES if (self.folder / identity / name).is_file()]
