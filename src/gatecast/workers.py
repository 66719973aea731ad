"""Work in processes of its own, so that the server answers while a processor is busy, and can stop what takes too long.

A worker is a Python that runs ``main``: it reads tasks from its standard input and writes what becomes of them to its
standard output, as pickles; both ends are this module.  A task is the name of a function, ``module:function``, and its
arguments.  A worker whose input ends, since the server was killed, ends too.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from gatecast.errors import GatecastError
from gatecast.limits import Refusal, refusal_of

Say = Callable[[str, Mapping[str, Any]], None]  # a kind of event and its numbers
Kind = Literal["event", "done", "refused", "failed"]
LOG = logging.getLogger("gatecast.workers")
LEAST_RETRY, MOST_RETRY = 1, 60
BEGIN = (  # without the folder that the server was started in, where a random.py would be loaded for Python's own
    f"import sys; sys.path.append({str(Path(__file__).parents[1])!r}); from gatecast.workers import main; main()"
)
LOADING = 120.0  # seconds that a worker may take to load what its tasks need


class Message(NamedTuple):
    """What a worker says."""

    kind: Kind
    content: Any


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """The worker was stopped on request."""


class Worker:
    """One process, which does one task after the other; made when it is first needed, and again when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._busy = threading.Lock()

    def do(self, task: str, arguments: Mapping[str, Any], seconds: float, say: Say | None = None) -> Any:
        """Return what the task returns; events on the way go to ``say``.

        Raises:
            Refusal: what the task refuses, that it took longer than ``seconds``, or that the process came to its end.
            Stopped: ``stop`` was called meanwhile.
        """
        with self._busy:
            return self._do(task, arguments, seconds, say)

    def _do(self, task: str, arguments: Mapping[str, Any], seconds: float, say: Say | None) -> Any:
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return self._talk(process, task, arguments, say)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.close()
            if self._stopped.is_set():
                raise Stopped from None
            if late.is_set():
                raise Refusal(
                    "took_too_long",
                    f"this takes longer than the {seconds:,.0f} seconds allowed here; send fewer rows, or ask for less",
                    422,
                ) from None
            raise Refusal(
                "took_too_long",
                "the process that worked on this came to its end, perhaps for want of memory; send fewer rows",
                422,
            ) from None
        finally:
            timer.cancel()

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process in the middle of its task."""
        with self._guard:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """Stop, and leave nothing open once whoever waits for the task has been told."""
        self.stop()
        with self._busy:
            self.close()

    def close(self) -> None:
        """End the process; the next task starts another."""
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            _let_go(process)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._stopped.is_set():
                raise Stopped
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    _let_go(self._process)
                threads = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", BEGIN],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **threads},
                    start_new_session=True,  # Ctrl-C is the server's alone
                )
            return self._process

    def _talk(self, process: subprocess.Popen[bytes], task: str, arguments: Mapping[str, Any], say: Say | None) -> Any:
        assert process.stdin is not None and process.stdout is not None
        pickle.dump((task, dict(arguments)), process.stdin)
        process.stdin.flush()
        while True:
            message: Message = pickle.load(process.stdout)
            if message.kind == "event":
                if say is not None:
                    say(*message.content)
            elif message.kind == "done":
                return message.content
            elif message.kind == "refused":
                raise message.content
            else:
                LOG.error("a worker failed: %s", message.content)
                raise Refusal("unforeseen", "a fault in gatecast; the server's log says more, please report it", 500)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """End a process, and close what led to it."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except OSError:  # what could not be written any more
            LOG.debug("a worker's pipe was closed with something in it")
    process.wait()


class Pool:
    """Some workers and a queue of bounded length before them.

    Args:
        workers: processes.
        queue: tasks that may wait.
        seconds: that a task may take, waiting included.
        ready: a task that loads what the others need; what it takes is not counted.
        keep: whether processes stay for the next task; else each ends with its task, and its memory is given back.
    """

    def __init__(self, workers: int, queue: int, seconds: float, ready: str, keep: bool = True) -> None:
        self.workers, self.queue, self.seconds, self.ready, self.keep = workers, queue, seconds, ready, keep
        self.pending = 0
        self._usual = 0.1  # seconds of a task, smoothed
        self._guard = threading.Lock()
        self._mine = threading.local()
        self._all: list[Worker] = []
        self._threads = ThreadPoolExecutor(workers, "gatecast-pool")

    def submit(self, task: str, arguments: Mapping[str, Any]) -> Future[Any]:
        """Return what will come of a task; waiting for it is the caller's.

        Raises:
            Refusal: the queue is full; it says when to come again.
        """
        with self._guard:
            if self.pending >= self.workers + self.queue:
                raise self._busy()
            self.pending += 1
        begin = time.monotonic()
        try:
            future = self._threads.submit(self._do, task, arguments, begin)
        except RuntimeError:  # the server is going down
            with self._guard:
                self.pending -= 1
            raise self._busy() from None
        future.add_done_callback(self._leave)
        return future

    def warm(self) -> None:
        """Start the workers before they are needed."""
        for _ in range(self.workers):
            self.submit(self.ready, {})

    def close(self) -> None:
        """End all processes; nothing more is taken."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(wait=True)
        for worker in self._all:
            worker.close()

    def _do(self, task: str, arguments: Mapping[str, Any], begin: float) -> Any:
        left = self.seconds - (time.monotonic() - begin)
        if left <= 0:
            raise self._busy()
        worker = getattr(self._mine, "worker", None)
        if worker is None:
            worker = self._mine.worker = Worker()
            self._all.append(worker)
        if not worker.alive:
            worker.do(self.ready, {}, LOADING)
        started = time.monotonic()
        try:
            return worker.do(task, arguments, left)
        finally:
            self._usual += 0.1 * (time.monotonic() - started - self._usual)
            if not self.keep:
                worker.close()

    def _leave(self, _: Future[Any]) -> None:
        with self._guard:
            self.pending -= 1

    def _busy(self) -> Refusal:
        wait = math.ceil(self.pending * self._usual / self.workers)
        return Refusal(
            "busy",
            f"{self.pending} requests are before this one, and no more can wait; come again later",
            503,
            max(LEAST_RETRY, min(MOST_RETRY, wait)),
        )


# ------------------------------------------------------------------------------------------- in the worker's process


def serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    """Do one task after the other until there are no more."""

    def send(kind: Kind, content: Any) -> None:
        pickle.dump(Message(kind, content), answers)
        answers.flush()

    while True:
        try:
            task, arguments = pickle.load(tasks)
        except EOFError:
            return
        module, function = task.split(":")
        try:
            done = getattr(importlib.import_module(module), function)(
                lambda kind, numbers: send("event", (kind, numbers)), **arguments
            )
        except Refusal as refusal:
            send("refused", refusal)
        except GatecastError as error:
            send("refused", refusal_of(error))
        except BrokenPipeError:  # the server has gone
            return
        except Exception as error:  # whatever it is, the server must be told and go on
            LOG.exception("%s failed", task)
            send("failed", f"{type(error).__name__}: {error}")
        else:
            send("done", done)


def main() -> None:
    """Serve on standard input and output; what else is printed goes to standard error."""
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(tasks, answers)
