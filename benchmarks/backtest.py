"""A backtest from 1,000 origins, 50 steps ahead, beside the same backtest of Darts and neuralforecast.

    make peers                                         environments of its peers, once
    .venv/bin/python benchmarks/backtest.py            some minutes; writes benchmarks/results/backtest.json
    .venv/bin/python benchmarks/backtest.py --quick    to see that it runs; means nothing, writes nothing

``--darts-python`` and ``--neuralforecast-python`` name the Python of another environment that has the library; one
that cannot be imported is skipped, visibly.  Every figure is of a fresh process on one thread.  This file is also what
runs there: at its top it imports nothing but the standard library and NumPy.  README.md beside it says what every
figure means.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from record import HOME, ONE_THREAD, RESULTS, heading, note_start, say, state, write

PEERS = HOME / ".peers"  # where ``make peers`` puts their environments
ENVIRONMENT = {**ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""}
START = "2020-01-01"
UNITS, BATCH, READS = 32, 32, 168  # of the peers' networks: hidden units, windows of an update, steps of a window
MUST = {("once", "darts"): 4, ("once", "neuralforecast"): 15, ("refit", "darts"): 5, ("refit", "neuralforecast"): 5}
EQUAL = 1.02  # our error may be at most this share of theirs for a time to count


class Counts(NamedTuple):
    """How much is done of everything."""

    steps: int = 4000  # of the series
    horizon: int = 50
    origins: int = 1000  # without refitting, one step apart
    refits: int = 20  # origins with a fit at each, a horizon apart
    updates: int = 200  # of a training of the peers
    ours: int | None = None  # of ours as it is; None follows from the data
    short: int = 100  # of ours where less error is not asked for, with the scaling given
    rounds: int = 3


QUICK = Counts(900, 10, 20, 2, 3, 3, 3, 1)


class Spent(NamedTuple):
    """Seconds on the clock, and of the processor, which other programs do not add to."""

    clock: float
    processor: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.clock - other.clock, self.processor - other.processor)

    def __add__(self, other: Spent) -> Spent:  # type: ignore[override]
        return Spent(self.clock + other.clock, self.processor + other.processor)


def now() -> Spent:
    return Spent(time.perf_counter(), time.process_time())


class Seen(NamedTuple):
    """What one way of one library gave."""

    fit: Spent | None  # of all fits; None where they cannot be told apart
    total: Spent  # of the whole backtest
    mae: float
    forecasts: int


def series(steps: int) -> np.ndarray:
    """An hourly series with a day, a week and autocorrelated noise."""
    rng, k = np.random.default_rng(0), np.arange(steps)
    noise = np.zeros(steps)
    for t in range(1, steps):
        noise[t] = 0.8 * noise[t - 1] + rng.normal()
    return 50 + 10 * np.sin(2 * np.pi * k / 24) + 5 * np.sin(2 * np.pi * k / 168) + noise


def mae_of(values: np.ndarray, origins: np.ndarray, made_OH: np.ndarray) -> float:
    """Mean absolute error of forecasts (O, H) against what came after each origin."""
    return float(np.abs(values[origins[:, None] + 1 + np.arange(made_OH.shape[1])] - made_OH).mean())


def origins_of(counts: Counts, refit: bool) -> tuple[int, int]:
    """How many origins, and the steps between them; the last forecast ends with the series."""
    return (counts.refits, counts.horizon) if refit else (counts.origins, 1)


# ====================================================================================================================
# The three libraries, each in a process of its own
# ====================================================================================================================


def run_gatecast(counts: Counts, refit: bool) -> Seen:
    """``gatecast.backtest`` with an LSTM as it is; refitted it goes on from the weights before, as is usual."""
    return our_backtest(counts, refit, {"updates": counts.ours})


def run_short(counts: Counts, refit: bool) -> Seen:
    """The same with a short training, for those who want no less error than the peers'."""
    return our_backtest(counts, refit, {"updates": counts.short, "scaling": "running", "start": "nothing"})


def our_backtest(counts: Counts, refit: bool, training: dict[str, Any]) -> Seen:
    import pandas as pd

    from gatecast.config import MEDIAN, TrainingConfig
    from gatecast.forecaster import LSTMForecaster
    from gatecast.judging import backtest

    fits: list[Spent] = []

    class Timed(LSTMForecaster):
        def fit_panel(self, *panel: Any) -> Any:
            begin = now()
            super().fit_panel(*panel)
            fits.append(now() - begin)
            return self

        def refit_panel(self, panel: Any) -> Any:
            begin = now()
            super().refit_panel(panel)
            fits.append(now() - begin)
            return self

    frame = frame_of(counts, pd)
    count, step = origins_of(counts, refit)
    begin = now()
    model = Timed(training=TrainingConfig(**training))
    done = backtest(frame, model, counts.horizon, origins=count, step=step, refit=refit)
    table = done.table()
    total = now() - begin
    error = float(np.abs(done.truth_SOH - done.forecasts["LSTM"][..., MEDIAN]).mean())
    return Seen(sum(fits, Spent(0.0, 0.0)), total, error, len(table))


def run_darts(counts: Counts, refit: bool) -> Seen:
    """``historical_forecasts`` of a BlockRNNModel."""
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    values = series(counts.steps)
    count, step = origins_of(counts, refit)
    first = counts.steps - counts.horizon - (count - 1) * step  # the first step that is forecast
    mean, spread = values[:first].mean(), values[:first].std()
    scaled = TimeSeries.from_values(((values - mean) / spread).astype(np.float32))
    model = BlockRNNModel(
        input_chunk_length=min(READS, first // 3),
        output_chunk_length=counts.horizon,
        model="LSTM",
        hidden_dim=UNITS,
        batch_size=BATCH,
        n_epochs=1,
        random_state=0,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "max_steps": counts.updates,
            "max_epochs": -1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": False,
            "enable_checkpointing": False,
        },
    )
    begin, fit = now(), None
    if not refit:
        model.fit(scaled[:first], epochs=counts.updates)  # ended by max_steps
        fit = now() - begin
    said = model.historical_forecasts(
        scaled,
        start=first,
        start_format="position",
        forecast_horizon=counts.horizon,
        stride=step,
        retrain=refit,
        last_points_only=False,
        verbose=False,
    )
    total = now() - begin
    made = np.stack([each.values()[:, 0] for each in said]) * spread + mean
    origins = first - 1 + step * np.arange(count)
    return Seen(fit, total, mae_of(values, origins, made), made.size)


def run_neuralforecast(counts: Counts, refit: bool) -> Seen:
    """``cross_validation`` of an LSTM; a fit alone is timed first and taken off."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    def fresh() -> Any:
        return NeuralForecast(
            [
                LSTM(
                    h=counts.horizon,
                    input_size=READS,
                    encoder_hidden_size=UNITS,
                    decoder_hidden_size=UNITS,
                    recurrent=False,
                    batch_size=BATCH,
                    max_steps=counts.updates,
                    scaler_type="standard",
                    random_seed=0,
                    accelerator="cpu",
                    enable_progress_bar=False,
                    enable_model_summary=False,
                    logger=False,
                )
            ],
            freq="h",
        )

    frame, fit = frame_of(counts, pd), None
    count, step = origins_of(counts, refit)
    if not refit:
        begin = now()
        fresh().fit(frame.iloc[: counts.steps - counts.horizon - count + 1])
        fit = now() - begin
    begin = now()
    said = fresh().cross_validation(frame, n_windows=count, step_size=step, refit=refit)
    total = now() - begin
    return Seen(fit, total, float((said["y"] - said["LSTM"]).abs().mean()), len(said))


def frame_of(counts: Counts, pd: Any) -> Any:
    ds = pd.date_range(START, periods=counts.steps, freq="h")
    return pd.DataFrame({"unique_id": "series", "ds": ds, "y": series(counts.steps)})


OURS = ("gatecast", "gatecast, short")
RUNS: dict[str, Callable[[Counts, bool], Seen]] = {
    "gatecast": run_gatecast,
    "gatecast, short": run_short,
    "darts": run_darts,
    "neuralforecast": run_neuralforecast,
}


def in_this_process(library: str, way: str, counts: Counts) -> dict[str, Any]:
    """What one way gives, with seconds of the imports and the peak of the memory.

    A tiny backtest comes first: what a library loads, compiles or sets up at its first use is on nobody's clock.
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    begin = time.perf_counter()
    __import__("gatecast.judging" if library in OURS else library)
    imported = time.perf_counter() - begin
    before = peak()
    RUNS[library](QUICK, False)
    seen = RUNS[library](counts, way == "refit")
    expected = counts.horizon * origins_of(counts, way == "refit")[0]
    if seen.forecasts != expected:
        raise SystemExit(f"{library} gave {seen.forecasts} forecasts, {expected} were asked for")
    found = {"imports": imported, "mae": seen.mae, "peak_mb": peak(), "imports_peak_mb": before}
    parts = {"total": seen.total}
    if seen.fit is not None:
        parts |= {"fit": seen.fit, "forecast": seen.total - seen.fit}
    for name, spent in parts.items():
        found |= {name: spent.processor, f"{name}_clock": spent.clock}
    return found


def peak() -> float:
    """The highest resident memory of this process so far, in MB of a million bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# ====================================================================================================================
# Running them
# ====================================================================================================================


def usable(library: str, python: str) -> str | None:
    """Why a library is skipped, if it is."""
    if shutil.which(python) is None:
        return f"skipped: there is no {python}; make peers installs it"
    package = "gatecast" if library in OURS else library
    done = subprocess.run([python, "-c", f"import {package}"], capture_output=True, text=True, check=False)
    return f"skipped: {library} cannot be imported there" if done.returncode else None


def run(python: str, library: str, way: str, quick: bool) -> dict[str, Any]:
    """What a fresh process measures."""
    say(f"{library}, {way}")
    words = [python, __file__, "--part", library, way, *(["--quick"] if quick else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT})
    if done.returncode:
        raise SystemExit(f"{library}, {way} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(counts: Counts, pythons: dict[str, str], quick: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything, the libraries in turn; what is skipped, and why."""
    skipped = {library: why for library, python in pythons.items() if (why := usable(library, python))}
    found: dict[str, Any] = {}
    for way, rounds in (("once", counts.rounds), ("refit", 1)):
        for _ in range(rounds):
            for library, python in pythons.items():
                if library not in skipped:
                    runs = found.setdefault(way, {}).setdefault(library, [])
                    runs.append(run(python, library, way, quick))
    return found, skipped


def middle(runs: list[dict[str, float]], name: str) -> float:
    """The median over the rounds."""
    return median(each[name] for each in runs)


def figures_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """How many times faster than each peer: the quicker of our two ways whose error is no larger than theirs."""
    rows = []
    for (way, library), must in MUST.items():
        if library not in found[way]:
            continue
        theirs, name = found[way][library], "forecast" if way == "once" else "total"
        most = EQUAL * middle(theirs, "mae")
        ran = [each for each in OURS if each in found[way]]
        equal = [each for each in ran if middle(found[way][each], "mae") <= most]
        chosen = min(equal or ran, key=lambda each: middle(found[way][each], name))
        ours = found[way][chosen]
        times = middle(theirs, name) / middle(ours, name)
        rows.append(
            {
                "what": f"{way}: times faster than {library}",
                "with": chosen,
                "value": times,
                "on the clock": middle(theirs, f"{name}_clock") / middle(ours, f"{name}_clock"),
                "must": must,
                "equal_error": bool(equal),
                "met": times >= must and bool(equal),
            }
        )
    return rows


def versions(pythons: dict[str, str], skipped: dict[str, str]) -> dict[str, str]:
    """Of each library that ran, and of its torch."""
    found = {}
    for library, python in pythons.items():
        if library not in skipped:
            package = "gatecast" if library in OURS else library
            code = f"from importlib.metadata import version as v; print(v('{package}'), 'with torch', v('torch'))"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            found[library] = done.stdout.strip()
    return found


def show(found: dict[str, Any], skipped: dict[str, str], rows: list[dict[str, Any]]) -> None:
    """Medians over the rounds."""
    for way, of_way in found.items():
        heads = f"{'imports':>9}{'fits':>9}{'forecasts':>11}{'in all':>9}"
        print(f"\n{way:<18}{heads}   s of processor{'peak MB':>10}{'MAE':>9}")
        for library, runs in of_way.items():
            cells = [f"{middle(runs, name):.3g}" if name in runs[0] else "–" for name in ("imports", "fit", "forecast")]
            print(
                f"  {library:<16}{cells[0]:>9}{cells[1]:>9}{cells[2]:>11}{middle(runs, 'total'):>9.3g}"
                f"{middle(runs, 'peak_mb'):>27,.0f}{middle(runs, 'mae'):>9.4f}"
            )
    for library, why in skipped.items():
        print(f"\n{library}: {why}")
    for row in rows:
        error = "" if row["equal_error"] else ", but at a larger error"
        verdict = "met" if row["met"] else "NOT MET"
        clock = f"{row['on the clock']:.3g} on the clock"
        print(f"\n{row['what']}: {row['value']:.3g} ({row['with']}; {clock}; at least {row['must']}: {verdict}{error})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts, to see that it runs; writes nothing")
    for library, name in (("darts", "Darts"), ("neuralforecast", "neuralforecast")):
        usual = PEERS / library / "bin" / "python"
        parser.add_argument(f"--{library}-python", default=str(usual), help=f"the Python of an environment with {name}")
    parser.add_argument("--part", nargs=2, metavar=("LIBRARY", "WAY"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    counts = QUICK if asked.quick else Counts()
    if asked.part:
        print(json.dumps(in_this_process(*asked.part, counts)))
        return
    start = note_start()
    pythons = {
        **dict.fromkeys(OURS, sys.executable),
        "darts": asked.darts_python,
        "neuralforecast": asked.neuralforecast_python,
    }
    found, skipped = measure(counts, pythons, asked.quick)
    rows = figures_of(found)
    show(found, skipped, rows)
    head = heading(start, "numpy")
    print(f"\n{head['seconds']:.0f} s in all; {state(head)}")
    if asked.quick:
        print("quick: the figures mean nothing and are not written")
        return
    result = {
        **head,
        "versions": versions(pythons, skipped),
        "counts": counts._asdict(),
        "skipped": skipped,
        "figures": rows,
        "measured": found,
    }
    write(result, RESULTS / "backtest.json")


if __name__ == "__main__":
    main()
