"""Long work, one piece after the other in a process of its own: it can be watched, followed and stopped.

``jobs`` queues trainings here, ``lab_runs`` experiments of the lab; what is kept of a job's end is theirs to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gatecast.limits import Refusal
from gatecast.uploads import new_id
from gatecast.workers import LOADING, Stopped, Worker

MOST_EVENTS = 2_000
ENDED = ("done", "failed", "cancelled")
SILENCE = 15.0  # seconds after which an open event stream is told that the server is there
Event = tuple[int, str, dict[str, Any]]


@dataclass
class Job:
    """One piece of work, from the request to its end."""

    name: str
    id: str = field(default_factory=new_id)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="microseconds"))
    state: str = "queued"
    stage: str = "waiting"
    update: int = 0
    updates: int = 0
    sentence: str = ""
    error: dict[str, Any] | None = None
    result: Any = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    worker: Worker = field(default_factory=Worker)
    stopping: bool = False
    listeners: list[Callable[[], None]] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """What every answer says of it."""
        return {name: getattr(self, name) for name in ("id", "name", "state", "stage", "created", "error")}


class Queue:
    """Jobs of one kind.

    Args:
        task: what a worker does, ``module:function``.
        ready: the task that loads what it needs.
        seconds: that a job may take.
        ended: called once a job has ended, whatever its end, before anybody is told.
    """

    def __init__(self, task: str, ready: str, seconds: float, ended: Callable[[Job], None] = lambda _: None) -> None:
        self.task, self.ready, self.seconds, self.ended = task, ready, seconds, ended
        self.jobs: dict[str, Job] = {}
        self.guard = threading.RLock()
        self.listening = 0
        self._threads = ThreadPoolExecutor(1, "gatecast-queue")
        self._spare: Worker | None = None  # one that is loading, or has loaded, what the task needs
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait or are worked on."""
        with self.guard:
            return sum(job.state not in ENDED for job in self.jobs.values())

    def counts(self) -> dict[str, int]:
        """Return how many jobs of this server's life are in which state."""
        with self.guard:
            states = [job.state for job in self.jobs.values()]
        return {state: states.count(state) for state in ("queued", "running", *ENDED)}

    def forget(self, most: int) -> None:
        """Forget the oldest of those that have ended; ``most`` stay."""
        with self.guard:
            ended = [job.id for job in self.jobs.values() if job.state in ENDED]
            for old in ended[: max(0, len(ended) - most)]:
                del self.jobs[old]

    def add(self, job: Job, arguments: Mapping[str, Any]) -> None:
        """Queue a job."""
        with self.guard:
            self.jobs[job.id] = job
            self._tell(job, "state", {"state": "queued"})
        self._threads.submit(self._run, job, dict(arguments))

    def warm(self) -> None:
        """Start a worker for the next job, which then begins at once; loading what it needs takes seconds."""
        with self.guard:
            if self._spare is None and not self._closed:
                self._spare = Worker()
                threading.Thread(target=self._load, args=(self._spare,), daemon=True).start()

    def cancel(self, job: Job) -> None:
        """Stop a job that waits or runs; one that has ended stays as it is."""
        with self.guard:
            if job.state in ENDED:
                return
            job.stopping = True
            if job.state == "queued":
                self._end(job, "cancelled")
        job.worker.stop()

    def close(self) -> None:
        """Stop all jobs; nothing more is taken."""
        with self.guard:
            self._closed, spare, self._spare = True, self._spare, None
            left = list(self.jobs.values())
        if spare is not None:
            spare.end()
        for job in left:
            self.cancel(job)
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def follow(self, job: Job, after: int) -> AsyncGenerator[Event | None, None]:
        """Yield the events of a job from number ``after`` on until it ends; None says that the server is there."""
        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(changed.set)

        with self.guard:
            job.listeners.append(wake)
        self.listening += 1
        try:
            while True:
                changed.clear()
                with self.guard:
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
            with self.guard, contextlib.suppress(ValueError):
                job.listeners.remove(wake)

    def _load(self, worker: Worker) -> None:
        """Load what the task needs; if that fails, the task itself will say so."""
        with contextlib.suppress(Stopped, Refusal):
            worker.do(self.ready, {}, LOADING)

    def _run(self, job: Job, arguments: dict[str, Any]) -> None:
        with self.guard:
            if job.stopping:
                return
            job.state = "running"
            if self._spare is not None:
                job.worker, self._spare = self._spare, None
            self._tell(job, "state", {"state": "running"})
        state = "failed"
        try:
            job.result = job.worker.do(self.task, arguments, self.seconds, lambda *said: self._tell(job, *said))
            state = "done"
        except Stopped:
            state = "cancelled"
        except Refusal as refusal:
            job.error = refusal.as_dict()["error"]
        finally:
            job.worker.close()
            try:
                self.ended(job)
            finally:
                self._end(job, state)

    def _end(self, job: Job, state: str) -> None:
        with self.guard:
            job.state, job.stage = state, "finished"
            self._tell(job, "state", {"state": state, "error": job.error, "sentence": job.sentence})

    def _tell(self, job: Job, kind: str, content: Mapping[str, Any]) -> None:
        with self.guard:
            if kind == "progress":
                job.update, job.updates = content["update"], content["updates"]
            elif kind == "stage":
                job.stage = content["stage"]
            if len(job.events) < MOST_EVENTS or kind == "state":
                job.events.append((kind, dict(content)))
            for wake in job.listeners:
                wake()
