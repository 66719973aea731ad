"""Fine-tuning beside zero-shot forecasts and training from nothing, on panels of 1, 10, 100 and 1,000 series.

    .venv/bin/python benchmarks/finetune.py            some twenty minutes of one core; writes results/finetune.json
    .venv/bin/python benchmarks/finetune.py --quick    two sizes, few panels; writes nothing

Three windows of the training parts of M3 and Tourism, monthly, are forecast: the last horizon, and the two before it;
their test parts are not read.  Of each size some panels are drawn by chance, and all their series are scored together,
see ``accuracy``; what is written is the mean over the windows.  "From nothing" is
``LSTMForecaster.fit`` with ``start = "nothing"``, and "in the same time" with as many updates as fine-tuning left it
time for.  Seconds are those of the processor, on one thread, for learning alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from accuracy import TASKS, Series, Task, load, panel_of, score
from numpy.typing import NDArray
from record import RESULTS, heading, note_start, say, write
from threadpoolctl import threadpool_limits

from gatecast.config import TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.predictor import forecast_panel
from gatecast.zeroshot import ZeroShot

Floats = NDArray[np.float64]

ASKED = ("M3-monthly", "Tourism-monthly")
PANELS = {1: 10, 10: 4, 100: 2, 1000: 1}  # how many are drawn of each size
WINDOWS = 3
QUICK = {1: 2, 10: 1}
WAYS = ("zero-shot", "fine-tuned", "from nothing", "from nothing, in the same time")


class Made(NamedTuple):
    """What one way made of one panel."""

    quantiles_SHQ: Floats
    seconds: float
    updates: int


def window(task: Task, back: int) -> list[Series]:
    """A task's series so many horizons before the last; those that are then too short are left out."""
    cut = task.horizon * back
    whole = [np.concatenate([each.known, each.truth]) for each in load(task)]
    shorter = [values[: len(values) - cut] for values in whole]
    least = task.horizon + max(4, task.season + 2)
    return [Series(values[: -task.horizon], values[-task.horizon :]) for values in shorter if len(values) >= least]


def draw(task: Task, size: int, count: int, back: int) -> list[list[Series]]:
    """Panels of a task's series, the same in every run; all series, once, where there are fewer."""
    series = window(task, back)
    rng = np.random.default_rng((task.season, size, len(series)))
    if size >= len(series):
        return [series]
    return [[series[s] for s in rng.choice(len(series), size, replace=False)] for _ in range(count)]


def learned(task: Task, series: Sequence[Series], updates: int | None, tuned: bool) -> Made:
    """An LSTM that was adapted, or trained from nothing; the horizon is known to both."""
    panel = panel_of([each.known for each in series])
    config = TrainingConfig(horizon=task.horizon)
    if not tuned:
        config = TrainingConfig(horizon=task.horizon, updates=updates, start="nothing")
    forecaster = LSTMForecaster(training=config, season_length=(task.season,))
    begin = time.process_time()
    if tuned:
        forecaster.fine_tune(panel)
    else:
        forecaster.fit(panel)
    seconds = time.process_time() - begin
    return Made(forecast_panel(forecaster.model_, panel, task.horizon), seconds, forecaster.fitted_.trained.planned)


def every_way(task: Task, series: Sequence[Series]) -> dict[str, Made]:
    """One panel in every way."""
    panel = panel_of([each.known for each in series])
    at_once = ZeroShot(season_length=(task.season,)).forecast_panel(panel, task.horizon)
    tuned, fitted = (learned(task, series, None, how) for how in (True, False))
    fitting = round(fitted.updates * tuned.seconds / fitted.seconds)
    same = learned(task, series, max(1, fitting), False)
    return dict(zip(WAYS, (Made(at_once, 0.0, 0), tuned, fitted, same), strict=True))


def measure(task: Task, size: int, count: int, windows: int) -> dict[str, Any]:
    """All panels of a size: mean scores over the windows, in every one over all series; seconds and updates of one."""
    found = [measure_window(task, size, count, back) for back in range(windows)]
    means = {way: {what: float(np.mean([each[way][what] for each in found])) for what in found[0][way]} for way in WAYS}
    panels = sum(each["panels"] for each in found)
    by_window = {way: [each[way]["mase"] for each in found] for way in WAYS}
    return {"panels": panels, "series": found[0]["series"], "windows": windows, **means, "mase_by_window": by_window}


def measure_window(task: Task, size: int, count: int, back: int) -> dict[str, Any]:
    """All panels of a size in one window: the scores over all their series, and mean seconds and updates of a panel."""
    panels = draw(task, size, count, back)
    made = [every_way(task, series) for series in panels]
    everything = [each for series in panels for each in series]
    found: dict[str, Any] = {"panels": len(panels), "series": len(panels[0])}
    for way in WAYS:
        scored = score(task, everything, np.concatenate([each[way].quantiles_SHQ for each in made]))
        found[way] = {
            "mase": scored.mase,
            "wql": scored.wql,
            "seconds": float(np.mean([each[way].seconds for each in made])),
            "updates": float(np.mean([each[way].updates for each in made])),
        }
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    start = note_start()
    found: dict[str, dict[int, Any]] = {}
    with threadpool_limits(1):
        for name in ASKED[:1] if quick else ASKED:
            for size, count in (QUICK if quick else PANELS).items():
                row = found.setdefault(name, {})[size] = measure(TASKS[name], size, count, 1 if quick else WINDOWS)
                say(f"{name}, {row['panels']} panel(s) of {row['series']} series")
                for way in WAYS:
                    values = row[way]
                    print(
                        f"  {way:<32}MASE {values['mase']:.4f}  WQL {values['wql']:.4f}  {values['seconds']:>6.2f} s"
                        f"  {values['updates']:>5.0f} updates",
                        flush=True,
                    )
    if not quick:
        write({**heading(start, "numpy", "torch"), "tasks": found}, RESULTS / "finetune.json")


if __name__ == "__main__":
    main()
