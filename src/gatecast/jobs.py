"""Trainings: queued, run one at a time in a process of their own, watched, stopped, and kept as folders.

A finished training is a folder ``models/ID`` that appeared at once, under its name; what a killed server leaves half
written is hidden and swept away at the next start.  So the folders themselves are the list of what is finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatecast.limits import Limits, Refusal
from gatecast.uploads import ID, make_folder, new_id
from gatecast.workers import LOADING, Stopped, Worker

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
MOST_EVENTS = 2_000
ENDED = ("done", "failed", "cancelled")
SILENCE = 15.0  # seconds after which an open event stream is told that the server is there


@dataclass
class Job:
    """One training, from the request to its end."""

    id: str
    name: str
    created: str
    state: str = "queued"
    stage: str = "waiting"
    update: int = 0
    updates: int = 0
    sentence: str = ""
    error: dict[str, Any] | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    worker: Worker = field(default_factory=Worker)
    stopping: bool = False
    listeners: list[Callable[[], None]] = field(default_factory=list)


class Jobs:
    """All trainings of a data folder.

    Args:
        folder: of the finished ones.
        limits: how many may wait and be kept, and how long one may take.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = make_folder(folder), limits
        self._jobs: dict[str, Job] = {}
        self._guard = threading.RLock()
        self._threads = ThreadPoolExecutor(1, "gatecast-training")
        self._spare: Worker | None = None  # one that is loading, or has loaded, what training needs
        self._closed = False
        self.listening = 0
        for half in self.folder.glob(".*"):
            shutil.rmtree(half, ignore_errors=True)

    # ------------------------------------------------------------------------------------------ what is known

    def states(self) -> list[dict[str, Any]]:
        """Return all trainings, the newest first."""
        with self._guard:
            known = {job.id: self._state(job) for job in self._jobs.values()}
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
        with self._guard:
            job = self._jobs.get(identity)
            return self._state(job) if job is not None else self._kept(identity)

    def counts(self) -> dict[str, int]:
        """Return how many trainings of this server's life are in which state."""
        with self._guard:
            states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in ("queued", "running", *ENDED)}

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
        with self._guard:
            waiting = sum(job.state in ("queued", "running") for job in self._jobs.values())
            if waiting > self.limits.training_queue:
                raise Refusal("busy", f"{waiting} trainings are before this one; come again later", 503, 60)
            kept = sum(1 for path in self.folder.iterdir() if ID.fullmatch(path.name))
            if kept + waiting >= self.limits.models:
                raise Refusal("full", f"{kept} models are kept, as many as can be; delete one first", 409)
            for old in [job.id for job in self._jobs.values() if job.state in ENDED][: -self.limits.models]:
                del self._jobs[old]
            job = Job(new_id(), name, datetime.now(UTC).isoformat(timespec="microseconds"))
            self._jobs[job.id] = job
            self._tell(job, "state", {"state": "queued"})
        self._threads.submit(self._run, job, dict(arguments))
        return self.state(job.id)

    def warm(self) -> None:
        """Start a worker for the next training, which then begins at once; loading PyTorch takes seconds."""
        with self._guard:
            if self._spare is None and not self._closed:
                self._spare = Worker()
                threading.Thread(target=_make_ready, args=(self._spare,), daemon=True).start()

    def cancel(self, identity: str) -> dict[str, Any]:
        """Stop a training that waits or runs; one that has ended stays as it is.

        Raises:
            Refusal: there is none of that name.
        """
        with self._guard:
            job = self._jobs.get(identity)
            if job is None:
                return self._kept(identity)
            if job.state in ENDED:
                return self._state(job)
            job.stopping = True
            if job.state == "queued":
                self._end(job, "cancelled")
        job.worker.stop()
        return self.state(identity)

    def delete(self, identity: str) -> None:
        """Remove a model and its files; a training is stopped first.

        Raises:
            Refusal: there is none of that name.
        """
        self.state(identity)
        self.cancel(identity)
        with self._guard:
            self._jobs.pop(identity, None)
            shutil.rmtree(self.folder / identity, ignore_errors=True)

    def close(self) -> None:
        """Stop all trainings; nothing more is taken."""
        with self._guard:
            self._closed, spare, self._spare = True, self._spare, None
        if spare is not None:
            spare.end()
        for identity in list(self._jobs):
            self.cancel(identity)
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def follow(self, identity: str, after: int) -> AsyncGenerator[tuple[int, str, dict[str, Any]] | None, None]:
        """Yield the events of a training from number ``after`` on until it ends; None says that the server is there.

        Raises:
            Refusal: there is none of that name, or too many listen.
        """
        with self._guard:
            job = self._jobs.get(identity)
            if job is None:
                yield 0, "state", {"state": self._kept(identity)["state"]}
                return
        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(changed.set)

        with self._guard:
            job.listeners.append(wake)
        self.listening += 1
        try:
            while True:
                changed.clear()
                with self._guard:
                    events, ended = job.events[after:], job.state in ENDED
                for number, (kind, content) in enumerate(events, start=after):
                    yield number, kind, content
                after += len(events)
                if ended and not events:
                    return
                if not ended:
                    try:
                        await asyncio.wait_for(changed.wait(), SILENCE)
                    except TimeoutError:
                        yield None
        finally:
            self.listening -= 1
            with self._guard, contextlib.suppress(ValueError):
                job.listeners.remove(wake)

    # ---------------------------------------------------------------------------------------------- inside

    def _run(self, job: Job, arguments: dict[str, Any]) -> None:
        with self._guard:
            if job.stopping:
                return
            job.state = "running"
            if self._spare is not None:
                job.worker, self._spare = self._spare, None
            self._tell(job, "state", {"state": "running"})
        arguments["folder"] = str(self.folder / job.id)
        arguments["about"] = {"id": job.id, "name": job.name, "created": job.created}
        try:
            result = job.worker.do(TASK, arguments, self.limits.training_seconds, lambda *said: self._tell(job, *said))
            job.sentence = result["verdict"]["sentence"]
            self._end(job, "done")
        except Stopped:
            self._end(job, "cancelled")
        except Refusal as refusal:
            job.error = refusal.as_dict()["error"]
            self._end(job, "failed")
        finally:
            job.worker.close()
            for half in self.folder.glob(f".{job.id}.*"):
                shutil.rmtree(half, ignore_errors=True)
            if job.state != "done":
                shutil.rmtree(self.folder / job.id, ignore_errors=True)

    def _end(self, job: Job, state: str) -> None:
        with self._guard:
            job.state, job.stage = state, "finished"
            self._tell(job, "state", {"state": state, "error": job.error, "sentence": job.sentence})

    def _tell(self, job: Job, kind: str, content: Mapping[str, Any]) -> None:
        with self._guard:
            if kind == "progress":
                job.update, job.updates = content["update"], content["updates"]
            elif kind == "stage":
                job.stage = content["stage"]
            if len(job.events) < MOST_EVENTS or kind == "state":
                job.events.append((kind, dict(content)))
            for wake in job.listeners:
                wake()

    def _state(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "name": job.name,
            "state": job.state,
            "stage": job.stage,
            "created": job.created,
            "update": job.update,
            "updates": job.updates,
            "sentence": job.sentence,
            "files": self._files(job.id) if job.state == "done" else [],
            "error": job.error,
        }

    def _kept(self, identity: str) -> dict[str, Any]:
        """A finished training, as its folder says."""
        place = self.folder / identity
        if not ID.fullmatch(identity) or not (place / "job.json").is_file():
            raise Refusal("not_found", f"there is no model {identity[:40]!r}; GET /v1/models lists them", 404)
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

    def _files(self, identity: str) -> list[str]:
        return [name for name in FILES if (self.folder / identity / name).is_file()]


def _make_ready(worker: Worker) -> None:
    """Load what training needs; if that fails, the training itself will say so."""
    with contextlib.suppress(Stopped, Refusal):
        worker.do(READY, {}, LOADING)
