"""What the server answers under load: 200 forecasts asked for at a time, for a minute, over loopback.

    .venv/bin/python benchmarks/serve.py            a good minute; writes benchmarks/results/serve.json
    .venv/bin/python benchmarks/serve.py --quick    20 at a time for 5 seconds, to see that it runs; writes nothing

The server is ``gatecast serve`` with its defaults, in a process of its own.  Each of the clients asks again as soon as
it has an answer, whatever that was, so that so many requests are in flight all the time: most must be refused, and all
must be answered, with 200 or with 503 and a Retry-After.  Another client asks for ``/ping`` five times a second.
Latencies include the client's own work on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from record import HOME, RESULTS, heading, note_start, say, state, write

STEPS, HORIZON = 100, 12
ANSWERS = {200, 503}
PING_EVERY = 0.2


class Load(NamedTuple):
    """How much is asked."""

    clients: int = 200
    seconds: float = 60.0


QUICK = Load(20, 5.0)


class Seen:
    """What came back."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {"200": [], "503": [], "ping": []}
        self.wrong: list[str] = []

    def note(self, answer: httpx.Response, seconds: float) -> None:
        """Count an answer to a forecast."""
        status = str(answer.status_code)
        self.counts[status] += 1
        if status in self.seconds:
            self.seconds[status].append(seconds)
        if answer.status_code not in ANSWERS or (answer.status_code == 503 and "retry-after" not in answer.headers):
            self.wrong.append(f"{status}: {answer.text[:200]}")


async def ask(url: str, load: Load, seen: Seen) -> None:
    """Keep so many requests in flight until the time is over; those on their way are waited for."""
    body = {"values": [math.sin(step / 5) for step in range(STEPS)], "horizon": HORIZON}
    limits = httpx.Limits(max_connections=load.clients, max_keepalive_connections=load.clients)
    until = time.perf_counter() + load.seconds
    async with (
        httpx.AsyncClient(base_url=url, limits=limits, timeout=120, trust_env=False) as client,
        httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as watcher,
    ):

        async def forecasts() -> None:
            while time.perf_counter() < until:
                begin = time.perf_counter()
                try:
                    answer = await client.post("/v1/forecast", json=body)
                except httpx.HTTPError as error:
                    seen.counts["no answer"] += 1
                    seen.wrong.append(repr(error))
                else:
                    seen.note(answer, time.perf_counter() - begin)

        async def pings() -> None:
            while time.perf_counter() < until:
                begin = time.perf_counter()
                answer = await watcher.get("/ping")
                assert answer.status_code == 200
                seen.seconds["ping"].append(time.perf_counter() - begin)
                await asyncio.sleep(PING_EVERY)

        await asyncio.gather(pings(), *(forecasts() for _ in range(load.clients)))


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """The median, the 99th percentile and the largest, in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p99": 0.99, "largest": 1.0}
    return {name: round(1000 * ordered[math.ceil(share * len(ordered)) - 1], 2) for name, share in at.items()}


def memory_mb(process: int) -> dict[str, float]:
    """The largest resident size so far of the server and of its worker, in MB."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    others = [
        child for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    workers = sorted({*children, *others})
    return {"server": _peak(str(process)), "workers": round(sum(map(_peak, workers)), 1)}


def _peak(process: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000, 1)


def measure(load: Load) -> dict[str, Any]:
    """Start a server, load it, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gatecast", "serve", "--port", "0", "--folder", folder]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME)
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[3]
            up = time.perf_counter() - begin
            first = httpx.post(f"{url}v1/forecast", json={"values": [1.0, 2.0, 3.0], "horizon": 1}, timeout=120)
            assert first.status_code == 200, first.text
            before, seen = memory_mb(process.pid), Seen()
            asyncio.run(ask(url, load, seen))
            after = memory_mb(process.pid)
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()
    return {
        "load": load._asdict(),
        "series": {"steps": STEPS, "horizon": HORIZON},
        "seconds_until_up": round(up, 3),
        "answers": dict(seen.counts),
        "forecasts_per_second": round(seen.counts["200"] / load.seconds, 2),
        "milliseconds": {name: percentiles(found) for name, found in seen.seconds.items()},
        "memory_mb": {"before": before, "after": after},
        "wrong": seen.wrong[:20],
    }


def main() -> None:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small load; writes nothing")
    quick = parser.parse_args().quick
    start, load = note_start(), QUICK if quick else Load()
    say(f"{load.clients} at a time for {load.seconds:.0f} s")
    figures = measure(load)
    head = heading(start, "fastapi", "uvicorn", "httpx", "numpy")
    print(f"{state(head)}; answers: {figures['answers']}, up in {figures['seconds_until_up']} s")
    for name, found in figures["milliseconds"].items():
        if found is not None:
            print(f"{name:>5}: p50 {found['p50']:,} ms, p99 {found['p99']:,} ms")
    print(f"memory: {figures['memory_mb']['after']} MB")
    if not quick:
        write({**head, **figures}, RESULTS / "serve.json")
    if figures["wrong"]:
        sys.exit(f"answered otherwise: {figures['wrong'][:3]}")


if __name__ == "__main__":
    main()
