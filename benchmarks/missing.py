"""What hidden steps cost: the sine of the course with 30 % of its points taken away, and what people do otherwise.

The network reads a missing value as a hidden step.  Beside it: a straight line drawn between the neighbours (in the
test part too, where it knows the value after a hole before the hole ends), the last value carried on, and rows left out
as if no time had passed.  Each is trained on the table it makes; all are judged on the same true values of the test
part, from the same origins.

    python benchmarks/missing.py [--quick]
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import RESULTS, heading, note_start, write

from gatecast.config import MEDIAN, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.panel import panel_from_arrays
from gatecast.sources import sine

Floats = NDArray[np.float64]
STEPS, PART, AHEAD = 5001, 500, (1, 50)
SHARE = 0.3
NOISE = 0.1
LONGEST_RUN = 25


def hidden_points(kind: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which points are taken away: none, 30 % one by one, or 30 % in runs of 1 to 25."""
    gone = np.zeros(STEPS, np.bool_)
    while kind != "none" and gone.mean() < SHARE:
        run = 1 if kind == "points" else int(rng.integers(1, LONGEST_RUN + 1))
        begin = int(rng.integers(1, STEPS))
        gone[begin : begin + run] = True
    return gone


def mended(values: Floats, way: str) -> Floats:
    """The table that each way makes of missing values."""
    seen = np.flatnonzero(np.isfinite(values))
    if way == "interpolated":
        return np.interp(np.arange(len(values)), seen, values[seen])
    if way == "carried":
        return values[seen[np.searchsorted(seen, np.arange(len(values)), side="right") - 1]]
    return values


def score(values: Floats, truth: Floats, way: str, config: TrainingConfig) -> dict[str, float]:
    """RMSE by steps ahead, over every origin of the test part at which a value was observed."""
    kept = np.flatnonzero(np.isfinite(values)) if way == "left out" else np.arange(STEPS)
    table = values[kept] if way == "left out" else mended(values, way)
    first = int(np.searchsorted(kept, STEPS - PART))
    model = LSTMForecaster(training=config, season_length=(1,))
    model.fit_panel(panel_from_arrays(table[:first]), max(2, round(first / 9)))
    seen = np.isfinite(values[kept])
    origins = np.array([t for t in range(first - 1, len(kept)) if seen[t] and kept[t] < STEPS - max(AHEAD)])
    made = model.predict_many(panel_from_arrays(table), origins, max(AHEAD))[0, :, :, MEDIAN]
    found = {}
    for ahead in AHEAD:
        error = made[:, ahead - 1] - truth[kept[origins] + ahead]  # rows left out: a step is taken for a step
        found[str(ahead)] = float(np.sqrt(np.mean(error**2)))
    return found


def measure(seeds: int, updates: int | None) -> list[dict[str, Any]]:
    """Every series, way of hiding and way of dealing with it; medians over the seeds."""
    rows = []
    for noise in (0.0, NOISE):
        for kind in ("none", "points", "runs"):
            for way in ("hidden steps", "interpolated", "carried", "left out") if kind != "none" else ("hidden steps",):
                runs = []
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    truth = sine(STEPS)
                    values = truth + noise * rng.normal(size=STEPS)
                    values[hidden_points(kind, rng)] = np.nan
                    runs.append(score(values, truth, way, TrainingConfig(scaling="fixed", seed=seed, updates=updates)))
                rmse = {ahead: median(run[ahead] for run in runs) for ahead in runs[0]}
                rows.append({"noise": noise, "hidden": kind, "way": way, "rmse": rmse, "runs": runs})
                print(f"noise {noise:<4} hidden {kind:<7} {way:<13} {rmse}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny counts: to see that it runs; writes nothing")
    quick = parser.parse_args().quick
    start = note_start()
    rows = measure(1 if quick else 3, 20 if quick else None)
    if not quick:
        write({**heading(start, "torch", "numpy"), "share_hidden": SHARE, "rows": rows}, RESULTS / "missing.json")


if __name__ == "__main__":
    main()
