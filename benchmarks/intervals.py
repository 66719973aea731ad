"""Do the intervals hold?  Every named set, from origins whose forecasts share no step, and variances that drift.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/intervals.py            some minutes; writes results/intervals.json
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/intervals.py --quick    to see that it runs; writes nothing
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/intervals.py --page     the tables of README.md again, from the record

A default fit on what comes before a test part, then forecasts from its origins: as the network says them, as the fit
makes them hold on the validation part, and as they follow what came (what a run shows).  README.md beside this file
says what every figure means.

Key: S series, O origin, H horizon step, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from record import HOME, RESULTS, heading, note_start, say, state, write

from gatecast import metrics, predictor
from gatecast.adaptive import follow
from gatecast.config import USUAL_HORIZON, TrainingConfig
from gatecast.coverage import Coverage, judge_coverage
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import Model
from gatecast.panel import Panel, panel_from_arrays
from gatecast.sources import DATASETS, Scaling, Start, load
from gatecast.windows import split_steps

Floats = NDArray[np.float64]
RECORD, PAGE = RESULTS / "intervals.json", HOME / "benchmarks" / "README.md"
MARKS = "<!-- intervals: {} -->", "<!-- end -->"  # the tables stand between them
ENOUGH = 200  # origins, from which on an interval must hold to within ``TOLERATED``
FEW = 20  # origins that a horizon leaves at least
LONGEST = 11  # steps of the longer horizon; it shares no factor with the sine's period, so every phase is an origin
TOLERATED = 0.03
LEVELS = (80, 90)
SHARES = {"the last tenth": 0.1, "the last half": 0.5}
DRIFT_STEPS, DRIFT_SEEDS = 3000, 5


class Counts(NamedTuple):
    """How much is measured."""

    names: tuple[str, ...] = tuple(DATASETS)
    seeds: tuple[int, ...] = (0, 1, 2)
    drifts: int = DRIFT_SEEDS
    updates: int | None = None


QUICK = Counts(("nile", "elnino"), (0,), 1, 5)


class Series(NamedTuple):
    """A series, and what its fit is told."""

    panel: Panel
    season_length: tuple[int, ...] = (1,)
    scaling: Scaling = "auto"
    start: Start = "auto"


# ====================================================================================================================
# Fits and forecasts
# ====================================================================================================================


def fit(series: Series, test: float, seed: int, updates: int | None) -> tuple[Model, int]:
    """A default fit as ``gatecast run`` makes it, and the first step of the test part."""
    split = split_steps(int(series.panel.lengths[0]), test)
    horizon = min(USUAL_HORIZON, split.total - split.validation)
    training = TrainingConfig(scaling=series.scaling, start=series.start, horizon=horizon, seed=seed, updates=updates)
    forecaster = LSTMForecaster(training=training, season_length=series.season_length)
    forecaster.fit_panel(series.panel.head(split.validation), split.validation - split.training)
    return forecaster.model_, split.validation


def three_ways(model: Model, values: Floats, first: int, horizon: int) -> tuple[Floats, dict[str, Floats]]:
    """Truths (O, H) and forecasts (O, H, Q) from every ``horizon``-th origin of the test part.

    What follows is taught by every origin of the test part before, as in ``run`` and ``forecast``.
    """
    origins = np.arange(first - 1, len(values) - horizon)
    truth = values[origins[:, None] + np.arange(1, horizon + 1)]
    plain = replace(model, widening_KQ=None)
    said, held = (predictor.predict_many(each, values[None], origins, horizon)[0] for each in (plain, model))
    followed = follow(truth[None], held[None], origins)[0]
    every = slice(None, None, horizon)
    return truth[every], {"as said": said[every], "held": held[every], "adapted": followed[every]}


def horizons_of(steps: int, season: int) -> list[int]:
    """One step, a longer horizon that leaves enough origins (in a short series without a season a few), the season."""
    longer = min(LONGEST, steps // ENOUGH)
    if longer < 2 and season < 2:
        longer = min(LONGEST, steps // FEW)
    return sorted({horizon for horizon in (1, longer, season) if horizon >= 1 and steps // horizon >= FEW})


# ====================================================================================================================
# Figures
# ====================================================================================================================


def as_figures(found: Coverage) -> dict[str, Any]:
    """A coverage as plain numbers, and whether it is within three points."""
    of_tests = {} if found.christoffersen is None else found.christoffersen._asdict()
    within = abs(found.held - found.asked) <= TOLERATED + 1e-12
    return {**asdict(found), "christoffersen": of_tests, "within_3_points": within}


def judged(truth: Floats, made: Floats) -> dict[str, Any]:
    """What one way of making intervals comes to: pooled, by step ahead, and how wide they are."""
    levels = {}
    for level in LEVELS:
        lower, upper = metrics.interval(made, level)
        by_step = [judge_coverage(truth[:, step], made[:, step], level) for step in range(truth.shape[1])]
        levels[str(level)] = {
            "pooled": as_figures(judge_coverage(truth, made, level)),
            "by_step": [{"held": each.held, "band": each.band, "holds": each.holds} for each in by_step],
            "mean_width": float(np.mean(upper - lower)),
        }
    return {"levels": levels, "crps": float(metrics.crps(truth, made))}


def measure_sets(counts: Counts) -> list[dict[str, Any]]:
    """A row for every set, test part, horizon and seed."""
    rows = []
    for name in counts.names:
        source = load(name)
        series = Series(source.panel, source.season_length, source.scaling)
        values = source.panel.series_values(0)
        for part, share in SHARES.items():
            test = round(len(values) * share)
            if share < 0.5 and test < ENOUGH:
                continue  # the last half alone has origins enough to say something
            for seed in counts.seeds if share == 0.5 else counts.seeds[:1]:
                say(f"{name}, {part}, seed {seed}")
                model, first = fit(series, share, seed, counts.updates)
                horizons = horizons_of(test, series.season_length[0]) if share == 0.5 else [1]
                for horizon in horizons:
                    truth, made = three_ways(model, values, first, horizon)
                    rows.append(
                        {
                            "set": name,
                            "test_part": part,
                            "seed": seed,
                            "horizon": horizon,
                            "origins": len(truth),
                            "ways": {way: judged(truth, each) for way, each in made.items()},
                        }
                    )
    return rows


# ====================================================================================================================
# Variances that drift
# ====================================================================================================================


def rising(rng: np.random.Generator) -> Floats:
    """Noise around a level: its standard deviation stays, then rises threefold and falls back, evenly."""
    half = DRIFT_STEPS // 2
    log_spread = np.concatenate([np.zeros(half), np.log(3) * (1 - np.abs(np.linspace(-1, 1, DRIFT_STEPS - half)))])
    return 100 + np.exp(log_spread) * rng.normal(size=DRIFT_STEPS)


def wandering(rng: np.random.Generator) -> Floats:
    """A random walk whose steps have a standard deviation that wanders: its logarithm walks by 0.02 a step."""
    return 100 + np.cumsum(np.exp(np.cumsum(0.02 * rng.normal(size=DRIFT_STEPS))) * rng.normal(size=DRIFT_STEPS))


def jumping(rng: np.random.Generator) -> Floats:
    """An autoregression whose shocks double in the middle of the test part."""
    shocks = rng.normal(size=DRIFT_STEPS)
    shocks[3 * DRIFT_STEPS // 4 :] *= 2
    values = np.zeros(DRIFT_STEPS)
    for t in range(1, DRIFT_STEPS):
        values[t] = 0.7 * values[t - 1] + shocks[t]
    return values


DRIFTS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "rises and falls": rising,
    "wanders": wandering,
    "jumps": jumping,
}


def measure_drifts(counts: Counts) -> list[dict[str, Any]]:
    """A row for every kind of drift and horizon, over several series: coverage is pooled, widths are averaged."""
    rows = []
    for kind, make in DRIFTS.items():
        found: dict[int, list[tuple[Floats, dict[str, Floats]]]] = {}
        for seed in range(counts.drifts):
            say(f"a variance that {kind}, series {seed}")
            values = make(np.random.default_rng(seed))
            model, first = fit(Series(panel_from_arrays(values)), 0.5, 0, counts.updates)
            for horizon in (1, 5):
                found.setdefault(horizon, []).append(three_ways(model, values, first, horizon))
        for horizon, parts in found.items():
            truth = np.concatenate([part for part, _ in parts])
            ways = {way: np.concatenate([made[way] for _, made in parts]) for way in parts[0][1]}
            rows.append(
                {
                    "variance": kind,
                    "series": len(parts),
                    "horizon": horizon,
                    "origins": len(truth),
                    "ways": {way: judged(truth, made) for way, made in ways.items()},
                }
            )
    return rows


# ====================================================================================================================
# What is printed and written
# ====================================================================================================================


def figures_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether the intervals hold to within three points wherever there are origins enough; seed 0."""
    figures = []
    for row in rows:
        if row["seed"] or row["origins"] < ENOUGH:
            continue
        for way in ("held", "adapted"):
            for level, found in row["ways"][way]["levels"].items():
                pooled = found["pooled"]
                figures.append(
                    {
                        "what": f"{row['set']}, {row['test_part']}, {row['horizon']} ahead, {level} %",
                        "way": way,
                        "value": pooled["held"],
                        "origins": row["origins"],
                        "band": pooled["band"],
                        "met": pooled["within_3_points"],
                    }
                )
    return figures


def cells_of(row: dict[str, Any]) -> list[str]:
    """One row of a table: held shares of 80 % and 90 %, and widths of the 90 % interval against what was said."""
    said = row["ways"]["as said"]["levels"]["90"]["mean_width"]
    cells = [str(row["horizon"]), f"{row['origins']:,}"]
    bands = [row["ways"]["held"]["levels"][str(level)]["pooled"]["band"] for level in LEVELS]
    for way, made in row["ways"].items():
        cells.append(" / ".join(f"{100 * made['levels'][str(level)]['pooled']['held']:.1f}" for level in LEVELS))
        if way != "as said":
            cells.append(f"{made['levels']['90']['mean_width'] / said:.2g}")
    return [*cells, ", ".join(f"{100 * low:.0f}–{100 * high:.0f}" for low, high in bands)]


def tables(record: dict[str, Any]) -> dict[str, str]:
    """The tables of README.md by name, from the record; of the sets those of seed 0, and the other seeds in a line."""
    end = ["steps", "origins", "as said", "held", "width", "adapted", "width", "95 % of right ones"]
    heads = {"sets": ["set", "test part", *end], "drifts": ["variance", *end]}
    found = {name: [head, ["---"] * len(head)] for name, head in heads.items()}
    for row in record["sets"]:
        if row["seed"] == 0:
            found["sets"].append([row["set"], row["test_part"].removeprefix("the "), *cells_of(row)])
    found["drifts"] += [[row["variance"], *cells_of(row)] for row in record["drifts"]]
    return {name: "\n".join(f"| {' | '.join(cells)} |" for cells in rows) for name, rows in found.items()}


def with_tables(page: str, record: dict[str, Any]) -> str:
    """The page with the tables of a record between its marks."""
    for name, table in tables(record).items():
        begin = MARKS[0].format(name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table}\n{MARKS[1]}{rest.split(MARKS[1], 1)[1]}"
    return page


def show(record: dict[str, Any]) -> None:
    """Print the tables of every seed, and what is not within three points."""
    for name, rows in (("set", record["sets"]), ("variance", record["drifts"])):
        print(
            f"\n{name:<22}steps, origins, 80 / 90 % as said, held, width, adapted, width, where 95 % of right ones lie"
        )
        for row in rows:
            label = f"{row[name]}{' ' + row['test_part'][9:] if name == 'set' else ''}{' ' + str(row.get('seed', ''))}"
            print(f"{label:<22}" + "".join(f"{cell:>14}" for cell in cells_of(row)))
    for figure in record["figures"]:
        if not figure["met"]:
            print(f"NOT within 3 points, {figure['way']}: {figure['what']} held {100 * figure['value']:.1f} %")
    for way in ("held", "adapted"):
        found = [figure["met"] for figure in record["figures"] if figure["way"] == way]
        print(f"within 3 points, {way}: {sum(found)} of {len(found)} with {ENOUGH} origins or more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sets, hardly trained; writes nothing")
    parser.add_argument("--page", action="store_true", help="write the tables of README.md again, from the record")
    asked = parser.parse_args()
    if asked.page:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
        return
    start, counts = note_start(), QUICK if asked.quick else Counts()
    torch.set_num_threads(1)
    rows, drifts = measure_sets(counts), measure_drifts(counts)
    record = {**heading(start, "torch", "numpy"), "threads": 1, "figures": figures_of(rows)}
    record |= {"sets": rows, "drifts": drifts}
    show(record)
    print(f"{record['seconds']:.0f} s in all; {state(record)}")
    if asked.quick:
        print("quick: the figures mean nothing and are not written")
        return
    write(record, RECORD)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
