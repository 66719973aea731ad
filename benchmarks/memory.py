"""How much memory gatecast takes: training from a folder of Parquet, and a panel of 100,000 series.

    .venv/bin/python benchmarks/memory.py            some minutes; writes benchmarks/results/memory.json
    .venv/bin/python benchmarks/memory.py --quick    small panels, to see that it runs; writes nothing

Every figure is of a fresh process that only reads, trains and forecasts: panels.py makes the data in processes of their
own.  This process stays small, since a new one starts with the peak of the one it comes from.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from record import HOME, ONE_THREAD, RESULTS, heading, note_start, say, state, write

UPDATES = 100  # of a training from a folder; how many there are does not change the memory
HORIZON = 12
MOST_RATIO, MOST_MB = 1.1, 4000


class Size(NamedTuple):
    """A panel to be made, and how its rows lie in files."""

    series: int
    steps: int
    by: str = "series"


class Counts(NamedTuple):
    """How much is measured."""

    base: Size = Size(2_000, 2_500)
    many: Size = Size(100_000, 100)
    rounds: int = 3


QUICK = Counts(Size(100, 400), Size(2_000, 60), 1)
GROWN = {  # four times the data
    "4 x the series": lambda base: base._replace(series=4 * base.series),
    "4 x the steps": lambda base: base._replace(steps=4 * base.steps),
    "4 x the series, all of them in each file": lambda base: base._replace(series=4 * base.series, by="time"),
}


# ====================================================================================================================
# What is measured, each in a process of its own
# ====================================================================================================================


class Parts:
    """Seconds of each part, and the highest resident memory up to its end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin
        self.peak_mb[name] = peak()


def peak() -> float:
    """The highest resident memory of this process so far, in MB of a million bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def train_from_folder(folder: str) -> Parts:
    """A folder of Parquet, laid out on disk."""
    parts = Parts()
    with parts.part("import"):
        from gatecast.config import TrainingConfig
        from gatecast.forecaster import About, LSTMForecaster
        from gatecast.store import open_store
    with parts.part("open"):
        store = open_store(folder)
    with store:
        validation = int(store.lengths.min()) // 10
        with parts.part("learn columns, card"):
            columns, card = store.learn_columns(validation), store.card()
        with parts.part("train"):
            forecaster = LSTMForecaster(training=TrainingConfig(updates=UPDATES))
            about = About(store.frequency, columns, store.data(), card)
            forecaster.fit_planes(store.planes(columns), about, validation)
    return parts


def train_in_memory(folder: str) -> Parts:
    """The same folder as a panel, for comparison."""
    parts = Parts()
    with parts.part("import"):
        import pyarrow.parquet as pq

        from gatecast.config import TrainingConfig
        from gatecast.forecaster import LSTMForecaster
        from gatecast.panel import panel_from_frame
    with parts.part("load"):
        panel = panel_from_frame(pq.read_table(folder))
    with parts.part("train"):
        validation = int(panel.lengths.min()) // 10
        LSTMForecaster(training=TrainingConfig(updates=UPDATES)).fit_panel(panel, validation)
    return parts


def forecast_many(file: str) -> Parts:
    """One file with many short series: everything from the file to the forecast, with the settings as they are."""
    parts = Parts()
    with parts.part("import"):
        import numpy as np

        from gatecast.forecaster import LSTMForecaster
        from gatecast.predictor import forecast_panel
        from gatecast.sources import load
    with parts.part("load"):
        panel = load(file).panel
    with parts.part("train"):
        forecaster = LSTMForecaster().fit_panel(panel, max(1, int(np.median(panel.lengths)) // 10))
    with parts.part(f"forecast {HORIZON} steps"):
        made = forecast_panel(forecaster.model_, panel, HORIZON)
    if not np.isfinite(made).all():
        raise SystemExit("a forecast is not finite")
    return parts


MEASURED = {each.__name__: each for each in (train_from_folder, train_in_memory, forecast_many)}


# ====================================================================================================================
# Making and running
# ====================================================================================================================


def make(path: Path, size: Size) -> Path:
    """A panel on disk, made in a process of its own."""
    if not path.exists():
        say(f"making {path.name}: {size.series:,} series x {size.steps:,} steps")
        words = [str(path), "--series", str(size.series), "--steps", str(size.steps), "--by", size.by]
        subprocess.run([sys.executable, str(HOME / "benchmarks" / "panels.py"), *words], check=True)
    return path


def run(what: str, path: Path) -> dict[str, Any]:
    """What a fresh process measures."""
    say(f"{what} {path.name}")
    done = subprocess.run(
        [sys.executable, __file__, "--part", what, str(path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
    return json.loads(done.stdout)


def measure(counts: Counts, folder: Path) -> dict[str, Any]:
    """Everything, in turn."""
    sizes = {"1 x": counts.base, **{name: grow(counts.base) for name, grow in GROWN.items()}}
    from_folder: dict[str, list[Any]] = {name: [] for name in sizes}
    for _ in range(counts.rounds):
        for name, size in sizes.items():
            path = make(folder / "-".join(map(str, size)), size)
            from_folder[name].append(run("train_from_folder", path))
    in_memory = {
        name: run("train_in_memory", folder / "-".join(map(str, sizes[name]))) for name in ("1 x", "4 x the series")
    }
    many = {
        kind: [run("forecast_many", make(folder / f"many.{kind}", counts.many)) for _ in range(counts.rounds)]
        for kind in ("parquet", "csv")
    }
    sizes["many"] = counts.many
    return {
        "sizes": {name: size._asdict() for name, size in sizes.items()},
        "from_folder": from_folder,
        "in_memory": in_memory,
        "many": many,
    }


def middle(runs: list[dict[str, Any]], kind: str, part: str) -> float:
    """The median over the rounds; part ``all`` is the sum of the seconds."""
    return median(sum(run[kind].values()) if part == "all" else run[kind][part] for run in runs)


def figures_of(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of what, value, must, met."""
    rows = []
    once = measured["from_folder"]["1 x"]
    for name in GROWN:
        runs = measured["from_folder"][name]
        for part, what in (("train", "training from a folder"), ("learn columns, card", "reading the folder alone")):
            ratio = middle(runs, "peak_mb", part) / middle(once, "peak_mb", part)
            rows.append({"what": f"{what}: peak memory, {name}, against 1 x", "value": ratio, "must": MOST_RATIO})
    for kind, runs in measured["many"].items():
        highest = middle(runs, "peak_mb", f"forecast {HORIZON} steps")
        rows.append(
            {"what": f"many series from {kind}, trained and forecast: peak MB", "value": highest, "must": MOST_MB}
        )
    return [{**row, "met": row["value"] <= row["must"]} for row in rows]


# ====================================================================================================================
# What is printed and written
# ====================================================================================================================


def print_parts(measured: dict[str, Any]) -> None:
    """Seconds and peaks by part, medians over the rounds."""
    runs = {f"from a folder, {name}": found for name, found in measured["from_folder"].items()}
    runs |= {f"in memory, {name}": [found] for name, found in measured["in_memory"].items()}
    runs |= {f"many series, {kind}": found for kind, found in measured["many"].items()}
    for name, found in runs.items():
        print(f"\n{name}")
        for part in found[0]["seconds"]:
            seconds, most = middle(found, "seconds", part), middle(found, "peak_mb", part)
            print(f"  {part:<24}{seconds:>8.1f} s   peak so far {most:>7,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small panels, to see that it runs; writes nothing")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--data", type=Path, help="where the panels are made, and kept; without it they are removed")
    parser.add_argument("--part", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        parts = MEASURED[asked.part[0]](asked.part[1])
        print(json.dumps({"seconds": parts.seconds, "peak_mb": parts.peak_mb}))
        return
    start = note_start()
    with tempfile.TemporaryDirectory() as folder:
        kept = asked.data or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        measured = measure(QUICK if asked.quick else Counts(rounds=asked.rounds), kept)
    rows = figures_of(measured)
    print_parts(measured)
    print()
    for row in rows:
        print(f"{row['what']}: {row['value']:.4g} (at most {row['must']:,}: {'met' if row['met'] else 'NOT MET'})")
    made = heading(start, "torch", "numpy", "pyarrow")
    print(f"\n{made['seconds']:.0f} s in all; {state(made)}")
    if asked.quick:
        print("quick: small panels; the figures mean nothing and are not written")
        return
    write({**made, "figures": rows, "measured": measured}, RESULTS / "memory.json")


if __name__ == "__main__":
    main()
