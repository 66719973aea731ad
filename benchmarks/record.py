"""What every benchmark writes beside its figures: the date, the machine, the versions and the commit they are of.

A benchmark calls ``note_start`` before it measures anything, ``heading`` when it has, and ``write`` with that and its
figures.  Standard library only: it is imported in processes that have to stay small, and in environments of others.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

HOME = Path(__file__).resolve().parents[1]
RESULTS = HOME / "benchmarks" / "results"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Start(NamedTuple):
    """What is noted before anything is measured."""

    clock: float  # seconds of ``time.perf_counter``
    load: tuple[float, float, float]  # averages over 1, 5 and 15 minutes
    commit: str
    changed: bool  # whether a file of the commit was changed


def note_start() -> Start:
    """Note the time, how busy the machine is, and the commit."""
    changed = git("status", "--porcelain", "--untracked-files=no")
    return Start(time.perf_counter(), os.getloadavg(), git("rev-parse", "HEAD"), bool(changed))


def heading(start: Start, *packages: str) -> dict[str, Any]:
    """What stands above the figures: date, device with the versions of some packages, commit, load, seconds so far."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device(*packages),
        "commit": start.commit,
        "uncommitted_changes": start.changed,
        "load_average": {"before": start.load, "after": os.getloadavg()},
        "seconds": time.perf_counter() - start.clock,
    }


def device(*packages: str) -> dict[str, Any]:
    """The machine, and the versions of Python and of some packages."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def state(heading_: Mapping[str, Any]) -> str:
    """The commit in a few words."""
    return f"commit {heading_['commit'][:9]}{' and changes' if heading_['uncommitted_changes'] else ''}"


def write(result: Mapping[str, Any], path: Path) -> None:
    """Write a result as JSON and say where.

    Raises:
        ValueError: a figure is not finite; JSON has no such number.
    """
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"written: {path.relative_to(HOME) if path.is_relative_to(HOME) else path}")


def git(*words: str) -> str:
    """What git prints in this repository."""
    return subprocess.run(["git", *words], cwd=HOME, capture_output=True, text=True, check=False).stdout.strip()


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)
