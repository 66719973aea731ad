"""What happens to the sine and the S&P 500 when one hyperparameter is changed: measured, and written into Part 2.

Every setting is changed on its own, three seeds each, and the median is shown.  The result goes to
``docs/course/hyperparameters.json`` and, as tables, between the marks in ``docs/course/part2.md``.  It takes some
twenty minutes on two cores.

    OMP_NUM_THREADS=1 python scripts/hyperparameters.py [--workers 2]
    python scripts/hyperparameters.py --tables             only write the tables again, from the JSON
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.run import Outcome, run
from gatecast.sources import SINE_PERIOD
from gatecast.wave import CYCLES, free_run

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "course" / "hyperparameters.json"
PAGE = ROOT / "docs" / "course" / "part2.md"
SEEDS = (0, 1, 2)
BLOCKS = (1, 5, 10, 50)  # values read back at a time
NETWORK: dict[str, tuple[Any, ...]] = {
    "units": (8, 16, 96),
    "layers": (2, 3),
    "dropout": (0.1, 0.3),
    "forget_bias": (0.0, 3.0),
}
TRAINING: dict[str, tuple[Any, ...]] = {
    "context": (16, 32, 256),
    "learning_rate": (0.001, 0.003, 0.03),
    "updates": (0, 1, 200, 2400),
    "scaling": ("running", "fixed"),
    "readout": (False,),
}
Row = dict[str, Any]


def settings(source: str, changed: dict[str, Any], seed: int) -> RunConfig:
    """The settings of one run: the defaults, but for what is changed."""
    return RunConfig(
        data=DataConfig(source=source),
        network=NetworkConfig(**{name: value for name, value in changed.items() if name in NETWORK}),
        training=TrainingConfig(seed=seed, **{name: value for name, value in changed.items() if name in TRAINING}),
    )


def variants(scaling: str) -> list[dict[str, Any]]:
    """The default, then every change on its own; the scaling a data set has anyway is no change."""
    changes = [{name: value} for name, values in {**NETWORK, **TRAINING}.items() for value in values]
    return [{}, *(change for change in changes if change.get("scaling") != scaling)]


def measure(task: tuple[str, dict[str, Any], int]) -> Row:
    """One run and the figures of it that the tables show."""
    source, changed, seed = task
    outcome = run(settings(source, changed, seed))
    figures = sine_figures(outcome, by_block=not changed) if source == "sine" else stock_figures(outcome)
    loss = outcome.forecaster.fitted_.trained.validation
    return {"changed": changed, "seed": seed, "validation_loss": loss, **figures}


def sine_figures(outcome: Outcome, by_block: bool) -> Row:
    """One-step RMSE, and the size of the phase error of a free run; when asked, by how much is read back at a time."""
    lstm = next(row for row in outcome.scores if (row.mode, row.model) == ("point_by_point", "LSTM"))
    figures: Row = {"rmse": lstm.rmse, **phases(outcome.free_run)}
    if by_block:
        values = outcome.source.panel.series_values(0)[: outcome.split.validation]
        period = outcome.source.period or SINE_PERIOD
        figures["blocks"] = {str(block): phases(free_run(outcome.model, values, period, block)) for block in BLOCKS}
    return figures


def phases(found: dict[str, dict[str, float]] | None) -> dict[str, float]:
    """The size of the phase errors of a free run, in degrees."""
    phase = (found or {"phase_error_degrees": {}})["phase_error_degrees"]
    return {f"phase_{count}": abs(error) for count, error in phase.items()}


def stock_figures(outcome: Outcome) -> Row:
    """One-step RMSE and CRPS as multiples of the last value's."""
    rows = {row.model: row for row in outcome.scores if row.mode == "point_by_point"}
    lstm, last = rows["LSTM"], rows["LastValue"]
    return {"rmse_ratio": lstm.rmse / last.rmse, "crps_ratio": lstm.crps / last.crps}


def measure_all(workers: int) -> dict[str, Any]:
    """Every run, a few at a time."""
    tasks = [
        (source, changed, seed)
        for source, scaling in (("sine", "fixed"), ("sp500", "running"))
        for changed in variants(scaling)
        for seed in SEEDS
    ]
    found: dict[str, list[Row]] = {"sine": [], "sp500": []}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for place, (task, row) in enumerate(zip(tasks, pool.map(measure, tasks), strict=True), start=1):
            found[task[0]].append(row)
            print(f"{place}/{len(tasks)} {task[0]} {row}", flush=True)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "device": device(),
        "commit": commit(),
        "seeds": list(SEEDS),
        **found,
    }


def device() -> str:
    """What computed: the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return f"{names[0] if names else platform.machine()}, one thread per run"


def commit() -> str:
    """Which code computed; "and changes" when the working tree was not clean."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (" and changes" if git("status", "--porcelain", "src") else "")


def medians(rows: list[Row], keys: tuple[str, ...]) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """The median over the seeds, change by change, in the order measured."""
    by_change: dict[str, list[Row]] = {}
    for row in rows:
        by_change.setdefault(json.dumps(row["changed"]), []).append(row)
    return [
        (json.loads(change), {key: median(row[key] for row in of) for key in keys}) for change, of in by_change.items()
    ]


def table(rows: list[Row], columns: dict[str, tuple[str, Callable[[float], str]]], scaling: str) -> list[str]:
    """A markdown table: what was changed, then one column per figure."""
    defaults = {**NetworkConfig().model_dump(), **TrainingConfig().model_dump(), "scaling": scaling, "updates": 800}
    lines = [
        "| changed | " + " | ".join(title for title, _ in columns.values()) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for change, of in medians(rows, tuple(columns)):
        words = ", ".join(f"`{name}` {defaults[name]} → {value}" for name, value in change.items())
        lines.append(
            f"| {words or 'nothing'} | " + " | ".join(show(of[key]) for key, (_, show) in columns.items()) + " |"
        )
    return lines


def scientific(x: float) -> str:
    """0.0000075 as 7.5 × 10⁻⁶, and plainly from a hundredth on."""
    if x >= 0.01 or x == 0:
        return f"{x:.2g}"
    digits, power = f"{x:.1e}".split("e")
    return f"{digits} × 10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def degrees(x: float) -> str:
    """An angle, with two decimals while it is small."""
    return f"{x:.2f}°" if x < 10 else f"{x:.0f}°"


def spread(angles: list[float]) -> str:
    """The median, and the smallest and largest in brackets."""
    return f"{degrees(median(angles))} ({degrees(min(angles))} to {degrees(max(angles))})"


def tables(results: dict[str, Any]) -> str:
    """Everything that stands between the marks."""
    ratio, loss = "{:.3f}".format, "{:.3f}".format
    sine = {
        "validation_loss": ("validation loss", scientific),
        "rmse": ("RMSE, point by point", scientific),
        "phase_10": ("phase error after 10 cycles", degrees),
        "phase_100": ("after 100 cycles", degrees),
    }
    stock = {
        "validation_loss": ("validation loss", loss),
        "rmse_ratio": ("RMSE ÷ last value's", ratio),
        "crps_ratio": ("CRPS ÷ last value's", ratio),
    }
    about = f"{results['date']}, {results['device']}, commit {results['commit']}"
    lines = [f"Measured {about}; the median of {len(results['seeds'])} seeds.", "", "**The sine**", ""]
    lines += [*table(results["sine"], sine, "fixed"), "", "**The S&P 500**", ""]
    lines += [
        *table(results["sp500"], stock, "running"),
        "",
        "**How many values are read back at a time** (the sine)",
        "",
    ]
    fed = [row["blocks"] for row in results["sine"] if "blocks" in row]
    lines += ["| values read back at a time | phase error after 10 cycles | after 100 cycles |", "|---|---|---|"]
    for block in fed[0]:
        shown = [spread([row[block][f"phase_{count}"] for row in fed]) for count in CYCLES]
        lines.append(f"| {block} | {' | '.join(shown)} |")
    return "\n".join(lines)


def write_between(page: Path, mark: str, text: str) -> None:
    """Put ``text`` between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    before, rest = page.read_text(encoding="utf-8").split(f"<!-- {mark} -->\n", 1)
    _, after = rest.split(f"<!-- /{mark} -->", 1)
    page.write_text(f"{before}<!-- {mark} -->\n\n{text}\n\n<!-- /{mark} -->{after}", encoding="utf-8")


def main() -> None:
    """Measure, or only write the tables again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="runs at the same time")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables from the JSON")
    given = parser.parse_args()
    if not given.tables:
        RESULTS.write_text(json.dumps(measure_all(given.workers), indent=1) + "\n", encoding="utf-8")
    write_between(PAGE, "hyperparameters", tables(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
