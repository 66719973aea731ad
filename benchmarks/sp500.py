"""The S&P 500, told straight: its price, the next day's return as a distribution, and the variance of a day.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/sp500.py            some minutes; writes results/sp500.json and
                                                                      the tables of docs/sp500.md
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/sp500.py --quick    to see that it runs; means nothing, writes nothing
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/sp500.py --page     the tables again, from the figures on record

Everything is forecast one day ahead, on the daily table that arch ships, 1999 to 2018, by ``gatecast.backtest``.  The
settings of the LSTMs were chosen on earlier days than those they are judged on, see docs/experiments.md.  README.md
beside it says what every figure means, docs/sp500.md what they come to.

Key: S series, O origin, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from arch.data import sp500
from numpy.typing import NDArray
from record import HOME, RESULTS, heading, note_start, say, state, write

from gatecast.baselines import AR, Drift, LastValue
from gatecast.classical import AutoARIMA, AutoETS, AutoTheta
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.coverage import judge_coverage
from gatecast.forecaster import LSTMForecaster
from gatecast.judging import backtest
from gatecast.metrics import crps_losses, crps_weights
from gatecast.significance import diebold_mariano, holm
from gatecast.variance import qlike_losses
from gatecast.volatility import DECAY, EWMA, GARCH, HAR

Floats = NDArray[np.float64]
RECORD, PAGE = RESULTS / "sp500.json", HOME / "docs" / "sp500.md"
SEEDS = (0, 1, 2)
PART = 0.3  # of the days, at the end: where the price and the variance are judged
YEARS = range(2013, 2019)  # the returns are judged on these, with a fit before each
ASKED = (80, 90, 95)
AVERAGED = "three averaged"
DIGITS = 9  # of a price: what a logarithm and back makes of the last value is the last value, and no better or worse
REGRESSIONS = ("LastValue", "AR", "HAR")  # what they call their median is fitted as, or stands for, the mean


class Setting(NamedTuple):
    """A network and how it is trained."""

    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()


OF_RETURNS = Setting(training=TrainingConfig(horizon=1, scaling="fixed"))
OF_PRICES = Setting(training=TrainingConfig(horizon=1, scaling="running", start="nothing"))
OF_VARIANCE = Setting(NetworkConfig(dropout=0.4), TrainingConfig(horizon=10, scaling="running", start="nothing"))
USUAL = Setting(training=TrainingConfig(start="nothing"))  # as ``gatecast run`` trains these sets


# ====================================================================================================================
# Forecasters that the package has no need of
# ====================================================================================================================


class ConstantWidth:
    """The same distribution every day: the returns of the training part, moved to mean 0."""

    name = "ConstantWidth"

    def fit_values(self, values: Floats, season_length: int) -> Self:
        known = values[~np.isnan(values)]
        self.quantiles_Q = np.quantile(known - known.mean(), QUANTILES)
        return self

    def predict_many(self, values: Floats, origins: Any, horizon: int) -> Floats:
        return np.tile(self.quantiles_Q, (len(origins), horizon, 1))


class OfPrices:
    """The log variance of a day from what a model of the closes expects of their returns.

    A day's range leaves the night out and is measured otherwise than a return, so the logarithm of what is expected is
    moved by the quantiles of what it got wrong in the training part.
    """

    def __init__(self, model: GARCH | EWMA, closes: Floats) -> None:
        self.model, self.closes, self.name = model, closes, model.name

    def fit_values(self, values: Floats, season_length: int) -> Self:
        self.model.fit_values(self.closes[: len(values)], season_length)
        self.offsets_Q = np.zeros(len(QUANTILES))
        origins = np.arange(1, len(values) - 1)
        errors = values[origins + 1] - self.predict_many(values, origins, 1)[:, 0, MEDIAN]
        self.offsets_Q = np.nanquantile(errors, QUANTILES)
        return self

    def predict_many(self, values: Floats, origins: Any, horizon: int) -> Floats:
        expected_OH = self.model.variances(self.closes[: len(values)], origins, horizon)
        return np.log(expected_OH)[..., None] + self.offsets_Q


class EWMAOfRanges:
    """The exponentially weighted mean of the days' own variances, moved as in ``OfPrices``."""

    name = "EWMA of ranges"

    def fit_values(self, values: Floats, season_length: int) -> Self:
        self.first, self.offsets_Q = float(np.exp(values).mean()), np.zeros(len(QUANTILES))
        errors = values[1:] - self.predict_many(values, np.arange(len(values) - 1), 1)[:, 0, MEDIAN]
        self.offsets_Q = np.quantile(errors, QUANTILES)
        return self

    def predict_many(self, values: Floats, origins: Any, horizon: int) -> Floats:
        after, variance = np.empty(len(values)), self.first
        for t, value in enumerate(np.exp(values)):
            variance = after[t] = (1 - DECAY) * value + DECAY * variance
        made_OH = np.repeat(np.log(after[np.asarray(origins)])[:, None], horizon, axis=1)
        return made_OH[..., None] + self.offsets_Q


def networks(name: str, setting: Setting, seeds: tuple[int, ...], updates: int | None) -> dict[str, LSTMForecaster]:
    """The same network from several seeds."""
    return {
        f"{name}, seed {seed}": LSTMForecaster(
            setting.network,
            setting.training.model_copy(update={"seed": seed, "updates": updates}),
            season_length=(1,),
        )
        for seed in seeds
    }


def with_averages(made: Mapping[str, Floats]) -> dict[str, Floats]:
    """Forecasts by model, and for every network the mean of its seeds' quantiles."""
    found = dict(made)
    for name in dict.fromkeys(name.split(", seed ")[0] for name in made if ", seed " in name):
        found[f"{name}, {AVERAGED}"] = np.mean([made[each] for each in made if each.startswith(f"{name}, seed ")], 0)
    return found


# ====================================================================================================================
# The three parts
# ====================================================================================================================


class Counts(NamedTuple):
    """How much is done of everything."""

    seeds: tuple[int, ...] = SEEDS
    years: range = YEARS
    updates: int | None = None  # None follows from the data


QUICK = Counts((0, 1), range(2017, 2019), 3)


def closes_of(daily: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"ds": daily.index, "y": daily["Close"].to_numpy(np.float64)})


def returns_of(daily: pd.DataFrame) -> pd.DataFrame:
    """Daily log returns in percent; the first day has none."""
    frame = closes_of(daily)
    return pd.DataFrame({"ds": frame["ds"][1:], "y": 100 * np.diff(np.log(frame["y"]))})


def judge_price(daily: pd.DataFrame, counts: Counts) -> dict[str, Any]:
    """The close, fitted once: errors in points, and whether one is smaller than the last value's by more than luck."""
    frame = closes_of(daily)
    origins = len(frame) - round((1 - PART) * len(frame))
    models = {each.name: each for each in (LastValue(), Drift(), AR(), AutoETS(), AutoTheta(), AutoARIMA())}
    models |= {each.name: each for each in (GARCH(), EWMA())}
    models |= networks("LSTM", USUAL, counts.seeds, counts.updates)
    done = backtest(frame, models, origins=origins, season_length=1)
    truth = done.truth_SOH[0, :, 0]
    made = {name: np.round(each[0, :, 0, MEDIAN], DIGITS) for name, each in with_averages(done.forecasts).items()}
    losses = {name: np.abs(each - truth) for name, each in made.items()}
    squares = {name: (each - truth) ** 2 for name, each in made.items()}
    tests = {name: diebold_mariano(loss, losses["LastValue"]) for name, loss in losses.items() if name != "LastValue"}
    corrected = holm({name: test.p_better for name, test in tests.items()})
    rows = []
    for name in made:
        row = {"model": name, "mae": losses[name].mean(), "rmse": np.sqrt(squares[name].mean())}
        if name in tests:
            row |= {"p_better": tests[name].p_better, "p_better_holm": corrected[name], "p_worse": tests[name].p_worse}
            row |= {"p_better_squares": diebold_mariano(squares[name], squares["LastValue"]).p_better}
        rows.append(row)
    return {**span(frame, origins), "rows": rows}


def judge_returns(daily: pd.DataFrame, counts: Counts) -> dict[str, Any]:
    """The next return, fitted anew before every year on all days before it."""
    parts: dict[str, list[Floats]] = {}
    truths, years = [], []
    for year in counts.years:
        known = daily[daily.index.year <= year]
        origins = int((known.index.year == year).sum())
        fresh: dict[str, Any] = {each.name: each for each in (ConstantWidth(), EWMA(), GARCH())}
        fresh |= networks("LSTM", OF_RETURNS, counts.seeds, counts.updates)
        fresh |= networks("LSTM with usual settings", USUAL, counts.seeds, counts.updates)
        done = backtest(returns_of(known), fresh, origins=origins, season_length=1)
        made = {name: each[0, :, 0] for name, each in done.forecasts.items()}
        of_price = networks("LSTM of the price", OF_PRICES, counts.seeds, counts.updates)
        prices = backtest(closes_of(known), of_price, origins=origins, season_length=1)
        last = known["Close"].to_numpy(np.float64)[-origins - 1 : -1]
        made |= {name: 100 * np.log(each[0, :, 0] / last[:, None]) for name, each in prices.forecasts.items()}
        for name, each in with_averages(made).items():
            parts.setdefault(name, []).append(each)
        truths.append(done.truth_SOH[0, :, 0])
        years += [year] * origins
        say(f"returns of {year}")
    truth, by_year = np.concatenate(truths), np.array(years)
    forecasts = {name: np.concatenate(each) for name, each in parts.items()}
    losses = {name: crps_losses(truth, each) for name, each in forecasts.items()}
    rows = [
        {
            "model": name,
            "crps": losses[name].mean(),
            "crps_by_year": {str(year): losses[name][by_year == year].mean() for year in counts.years},
            "coverage": [asdict(judge_coverage(truth, each, level)) for level in ASKED],
            "p_better_than": {
                other: diebold_mariano(losses[name], losses[other]).p_better
                for other in ("ConstantWidth", "EWMA", "GARCH")
                if other != name
            },
        }
        for name, each in forecasts.items()
    ]
    return {
        "refit": "before every calendar year, on all days before it",
        **span(returns_of(daily), len(truth)),
        "rows": rows,
    }


def judge_variance(daily: pd.DataFrame, counts: Counts) -> dict[str, Any]:
    """The named set ``sp500_variance``, fitted once: squared error of the log variance, and QLIKE of the variance."""
    origins = len(daily) - round((1 - PART) * len(daily))
    closes = daily["Close"].to_numpy(np.float64)
    models: dict[str, Any] = {each.name: each for each in (LastValue(), AR(), HAR(), EWMAOfRanges())}
    models |= {each.name: OfPrices(each, closes) for each in (EWMA(), GARCH())}
    models |= networks("LSTM", OF_VARIANCE, counts.seeds, counts.updates)
    models |= networks("LSTM with usual settings", USUAL, counts.seeds, counts.updates)
    done = backtest("sp500_variance", models, origins=origins)
    truth = done.truth_SOH[0, :, 0]
    forecasts = {name: each[0, :, 0] for name, each in with_averages(done.forecasts).items()}
    points = {name: each[:, MEDIAN] if name in REGRESSIONS else mean_of(each) for name, each in forecasts.items()}
    squares = {name: (each - truth) ** 2 for name, each in points.items()}
    qlikes = {name: qlike_losses(np.exp(truth), mean_of(np.exp(each))) for name, each in forecasts.items()}
    rows = [
        {
            "model": name,
            "mse": squares[name].mean(),
            "mse_of_median": np.mean((each[:, MEDIAN] - truth) ** 2),
            "qlike": qlikes[name].mean(),
            "p_better_than_har": None
            if name == "HAR"
            else {
                "mse": diebold_mariano(squares[name], squares["HAR"]).p_better,
                "qlike": diebold_mariano(qlikes[name], qlikes["HAR"]).p_better,
            },
        }
        for name, each in forecasts.items()
    ]
    return {**span(closes_of(daily), origins), "rows": rows}


def mean_of(quantiles_OQ: Floats) -> Floats:
    """The mean of a forecast distribution: its quantiles, each with its share of (0, 1)."""
    return quantiles_OQ @ crps_weights()


def span(frame: pd.DataFrame, origins: int) -> dict[str, Any]:
    """How many days are judged, and which."""
    days = frame["ds"].iloc[-origins:]
    return {"days": origins, "first": f"{days.iloc[0]:%Y-%m-%d}", "last": f"{days.iloc[-1]:%Y-%m-%d}"}


# ====================================================================================================================
# The tables of docs/sp500.md
# ====================================================================================================================


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page by name, in Markdown, from what was measured."""
    price, returns, variance = (by_network(result[part]["rows"]) for part in ("price", "returns", "variance"))
    others = {name: rows[0] for name, rows in returns.items() if AVERAGED in name or len(rows) == 1}
    return {
        "price": table(
            ["", "MAE", "RMSE", "p", "p, corrected"],
            [
                [
                    name,
                    cell(rows, "mae", 2),
                    cell(rows, "rmse", 2),
                    p_cell(rows, "p_better"),
                    p_cell(rows, "p_better_holm"),
                ]
                for name, rows in price.items()
            ],
        ),
        "returns": table(
            ["", "CRPS", "80 %", "90 %", "95 %", "p against GARCH", "p against constant width"],
            [
                [name, cell(rows, "crps", 4)]
                + [held_cell(rows, place) for place in range(len(ASKED))]
                + [p_cell(rows, "p_better_than", other) for other in ("GARCH", "ConstantWidth")]
                for name, rows in returns.items()
            ],
        ),
        "years": table(
            ["", *others["GARCH"]["crps_by_year"]],
            [[name, *(f"{crps:.3f}" for crps in row["crps_by_year"].values())] for name, row in others.items()],
        ),
        "variance": table(
            ["", "MSE", "QLIKE", "p of the MSE against HAR", "p of the QLIKE against HAR"],
            [
                [name, cell(rows, "mse", 3), cell(rows, "qlike", 3)]
                + [p_cell(rows, "p_better_than_har", loss) for loss in ("mse", "qlike")]
                for name, rows in variance.items()
            ],
        ),
    }


def by_network(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by model; the seeds of a network are one row."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["model"].split(", seed ")[0], []).append(row)
    return {f"{name}, one of {len(each)}" if len(each) > 1 else name: each for name, each in found.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def cell(rows: list[dict[str, Any]], key: str, digits: int) -> str:
    """A figure; of several seeds their mean and range."""
    figures = [row[key] for row in rows]
    ends = f" ({min(figures):.{digits}f} to {max(figures):.{digits}f})" if len(figures) > 1 else ""
    return f"{np.mean(figures):.{digits}f}{ends}"


def p_cell(rows: list[dict[str, Any]], *keys: str) -> str:
    """A p value, or the range of those of several seeds; a dash where nothing is compared."""
    found = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = None if value is None else value.get(key)
        if value is not None:
            found.append(value)
    words = [f"{p:.3f}" if p >= 0.0005 else "< 0.001" for p in sorted(found)]
    return "–" if not words else words[0] if words[0] == words[-1] else f"{words[0]} to {words[-1]}"


def held_cell(rows: list[dict[str, Any]], place: int) -> str:
    """What an interval held, and of one model Christoffersen's p for both number and order of its misses."""
    held = 100 * float(np.mean([row["coverage"][place]["held"] for row in rows]))
    p = f" (p {p_cell([row['coverage'][place]['christoffersen'] for row in rows], 'p_conditional')})"
    return f"{held:.1f} %{p if len(rows) == 1 else ''}"


def fill(page: str, result: Mapping[str, Any]) -> str:
    """A page with its tables, each between two comments, put in afresh."""
    for name, made in tables(result).items():
        begin, end = f"<!-- table: {name} -->", "<!-- end -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise SystemExit(f"the page has no place for the table {name!r}: {begin} … {end}")
        page = f"{before}{begin}\n{made}\n{end}{after}"
    return page


# ====================================================================================================================
# What is written
# ====================================================================================================================


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, and what has named fields as an object by their names."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def settings() -> dict[str, Any]:
    """What was set otherwise than usual, by network."""
    named = {"returns": OF_RETURNS, "prices": OF_PRICES, "variance": OF_VARIANCE}
    return {
        name: {**each.network.model_dump(exclude_unset=True), **each.training.model_dump(exclude_unset=True)}
        for name, each in named.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny trainings, to see that it runs; writes nothing")
    parser.add_argument("--page", action="store_true", help="only put the figures on record into docs/sp500.md")
    asked = parser.parse_args()
    if asked.page:
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), json.loads(RECORD.read_text(encoding="utf-8"))), "utf-8")
        return
    counts = QUICK if asked.quick else Counts()
    start, daily = note_start(), sp500.load()
    found: dict[str, Any] = {}
    for name, judge in (("price", judge_price), ("returns", judge_returns), ("variance", judge_variance)):
        say(name)
        found[name] = plain(judge(daily, counts))
    for name, part in found.items():
        print(f"\n{name}, {part['days']:,} days, {part['first']} to {part['last']}")
        for row in part["rows"]:
            figures = {key: figure for key, figure in row.items() if isinstance(figure, float)}
            print(f"  {row['model']:<40}", *(f"{key} {figure:<10.4g}" for key, figure in figures.items()))
    if counts is QUICK:
        print("quick: the figures mean nothing and are not written")
        return
    head = heading(start, "numpy", "torch", "arch")
    print(f"\n{head['seconds']:.0f} s in all; {state(head)}")
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    result = {**head, "threads": threads, "seeds": SEEDS, "settings": settings(), **found}
    write(result, RECORD)
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
