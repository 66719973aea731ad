"""Experiments of the lab that a server runs: queued, one at a time in a process of their own, watched and stopped.

What came of the newest stays in the server's memory and ends with it: an experiment is measured again in a minute.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from gatecast.lab_questions import QUESTIONS, SECONDS, USUAL, checked_seeds, question
from gatecast.limits import Limits, Refusal
from gatecast.queues import Event, Job, Queue

TASK, READY = "gatecast.tasks_lab:measure", "gatecast.tasks_lab:ready"
LEAST_SECONDS = 1


def catalogue() -> list[dict[str, Any]]:
    """Return what the lab offers: every question, its choices, and about how long an experiment takes."""
    return [
        {
            "name": name,
            "title": asked.title,
            "question": asked.text,
            "choices": [{"key": key, "text": text} for key, text in asked.choices.items()],
            "seeds": USUAL,
            "seconds": SECONDS[name],
        }
        for name, asked in QUESTIONS.items()
    ]


def estimate(name: str, seeds: int) -> int:
    """Return about how many seconds an experiment takes on one free processor, nothing else running."""
    return max(LEAST_SECONDS, round(SECONDS[name] * seeds / USUAL))


class LabRuns:
    """The experiments of a server's life.

    Args:
        limits: how many may wait and be remembered, and how long one may take.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.queue = Queue(TASK, READY, limits.lab_seconds, _sentence)
        self._asked: dict[str, dict[str, Any]] = {}

    def start(self, name: str, predict: str | None, seeds: int) -> dict[str, Any]:
        """Queue an experiment.

        Raises:
            SettingsError: there is no such experiment, the prediction is none of its choices, or the seeds are too few.
            Refusal: too many wait.
        """
        predicted, seeds = question(name).checked(predict), checked_seeds(seeds)
        with self.queue.guard:
            if self.queue.waiting > self.limits.lab_queue:
                words = f"{self.queue.waiting} experiments are before this one; come again later"
                raise Refusal("busy", words, 503, estimate(name, seeds))
            self.queue.forget(self.limits.lab_runs)
            self._asked = {identity: asked for identity, asked in self._asked.items() if identity in self.queue.jobs}
            job = Job(name)
            self._asked[job.id] = {"predicted": predicted, "seeds": seeds, "seconds": estimate(name, seeds)}
            self.queue.add(job, {"name": name, "seeds": seeds, "predict": predicted})
        return self.state(job.id)

    def state(self, identity: str) -> dict[str, Any]:
        """Return how far an experiment is, with its result once it is done.

        Raises:
            Refusal: there is none of that name.
        """
        job = self._job(identity)
        with self.queue.guard:
            result = job.result["result"] if job.state == "done" else None
            return {**job.told, **self._asked[job.id], "result": result}

    def page(self, identity: str) -> str:
        """Return the page of an experiment that is done, as ``gatecast lab NAME --out`` writes it.

        Raises:
            Refusal: there is none of that name, or it is not done.
        """
        job = self._job(identity)
        if job.state != "done":
            raise Refusal("not_ready", f"experiment {identity} is {job.state}; its page is there once it is done", 409)
        return str(job.result["page"])

    def cancel(self, identity: str) -> dict[str, Any]:
        """Stop an experiment that waits or runs; one that has ended stays as it is.

        Raises:
            Refusal: there is none of that name.
        """
        self.queue.cancel(self._job(identity))
        return self.state(identity)

    def follow(self, identity: str, after: int) -> AsyncGenerator[Event | None, None]:
        """Yield the events of an experiment from number ``after`` on until it ends.

        Raises:
            Refusal: there is none of that name.
        """
        return self.queue.follow(self._job(identity), after)

    def _job(self, identity: str) -> Job:
        job = self.queue.jobs.get(identity)
        if job is None:
            words = f"there is no experiment {identity[:40]!r}; the newest are remembered while the server runs"
            raise Refusal("not_found", words, 404)
        return job


def _sentence(job: Job) -> None:
    if job.result is not None:
        job.sentence = job.result["result"]["sentence"]
