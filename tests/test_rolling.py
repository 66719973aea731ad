"""Rolling origins: nothing from after an origin reaches its forecast, and the table is what the field reads."""

import datetime
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from rich.console import Console
from statsforecast import StatsForecast
from statsforecast.models import Naive, SeasonalNaive
from utilsforecast.evaluation import evaluate
from utilsforecast.losses import mae, scaled_crps

import gatecast
from gatecast.baselines import AR, LastValue
from gatecast.config import MEDIAN, NetworkConfig, TrainingConfig
from gatecast.console import print_backtest
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.judging import CHEAP, NAMED, backtest
from gatecast.panel import panel_from_arrays, panel_from_frame
from gatecast.rolling import LEAST_HISTORY, Plan, roll

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
START = datetime.datetime(2023, 1, 2)
COLUMNS = {"inputs": ["crowd"], "known": ["price"], "static": ["size"]}


def columns_of(lengths=(90, 70), seed=0):
    rng = np.random.default_rng(seed)
    names = [f"s{s}" for s, steps in enumerate(lengths) for _ in range(steps)]
    days = [START + datetime.timedelta(days=s + step) for s, steps in enumerate(lengths) for step in range(steps)]
    values = np.concatenate([100 + rng.normal(size=steps).cumsum() for steps in lengths])
    return {
        "unique_id": names,
        "ds": days,
        "y": values.tolist(),
        "crowd": rng.normal(size=len(names)).tolist(),
        "price": rng.normal(size=len(names)).tolist(),
        "size": [float(name[1:]) for name in names],
    }


def plain(lengths=(90, 70)):
    return {name: column for name, column in columns_of(lengths).items() if name in ("unique_id", "ds", "y")}


def lstm(**changes):
    training = {"scaling": "running", "context": 16, "horizon": 4, "updates": 4, "batch": 4, "origins": 4, "steps": 3}
    return LSTMForecaster(NetworkConfig(units=4), TrainingConfig(**{**training, **changes}))


def weighted(table, horizon, future):
    """A function that uses everything it is given."""
    last = pd.DataFrame(table).groupby("unique_id", sort=False)
    ahead = pd.DataFrame(future)["price"].to_numpy().reshape(-1, horizon)
    return (last["y"].mean() + last["crowd"].mean() + last["size"].mean()).to_numpy()[:, None] + ahead


class Learns:
    """Fitted anew at every origin; uses everything it is given."""

    name = "Learns"

    def fit(self, table):
        self.table = table

    def predict(self, horizon, level=(), future=None):
        last = self.table.groupby("unique_id", sort=False)[["y", "crowd", "price", "size"]].mean().sum(axis=1)
        return future[["unique_id", "ds"]].assign(
            Learns=last[future["unique_id"]].to_numpy() + future["price"].to_numpy()
        )


class Moves:
    """Fitted once and moved forward."""

    def fit(self, df):
        self.level = df["y"].mean()

    def predict(self, h, new_df, X_df):
        last = new_df.groupby("unique_id", sort=False)["y"].last()
        return X_df[["unique_id", "ds"]].assign(
            Moves=self.level + last[X_df["unique_id"]].to_numpy() + X_df["price"].to_numpy()
        )


ALL = {
    **{name: (lambda name=name: name) for name in NAMED if name not in ("LSTM", "AutoARIMA", "GARCH")},
    "LSTM": lstm,
    "function": lambda: weighted,
    "model": lambda: SeasonalNaive(7),
    "collection": lambda: StatsForecast([Naive()], freq="D"),
    "refitted": Learns,
    "moved": Moves,
}


# ------------------------------------------------------------------------------------------- nothing from the future


@pytest.mark.parametrize("refit", [False, 2])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "Combination" else []) for name in ALL]
)
def test_values_after_an_origin_change_no_forecast_made_there(name, refit):
    def said(columns):
        plan = {"horizon": 3, "origins": 4, "step": 4, "gap": 1, "refit": refit, "window": 60}
        return backtest(pd.DataFrame(columns), {name: ALL[name]()}, **plan, **COLUMNS)

    columns = columns_of()
    whole = said(columns)
    panel, before = whole.panel, whole.forecasts
    assert list(before) == [name]
    for place in range(4):
        poisoned = {key: list(column) for key, column in columns.items()}
        for s in range(2):
            for row in range(panel.offsets[s] + whole.origins_SO[s, place] + 1, panel.offsets[s + 1]):
                poisoned["y"][row] = 1e5 * (-1) ** row
                poisoned["crowd"][row] = -1e5
        after = said(poisoned)
        np.testing.assert_array_equal(after.forecasts[name][:, : place + 1], before[name][:, : place + 1])
        assert (after.truth_SOH[:, place] != whole.truth_SOH[:, place]).all()


@pytest.mark.parametrize("name", ["LSTM", "function", "refitted", "moved"])
def test_what_is_known_in_advance_does_reach_the_forecast(name):
    def said(columns):
        return backtest(pd.DataFrame(columns), {name: ALL[name]()}, 3, origins=1, **COLUMNS).forecasts[name][
            ..., MEDIAN
        ]

    columns = columns_of()
    before = said(columns)
    columns["price"][89] += 50.0
    changed = said(columns) != before
    assert changed[0, 0, 2] and not changed[1].any()


def test_what_fits_read_from_later_values_are_refused():
    for fix in ("interpolate", "outliers", "jump", "tail"):
        with pytest.raises(SettingsError, match=f"fix '{fix}' reads values that come later"):
            backtest(plain(), "LastValue", 3, fix=[fix])
    columns = plain()
    columns["y"][80] = None
    done = backtest(pd.DataFrame(columns), "LastValue", 3, origins=2, fix=["fill"])
    assert np.isfinite(done.truth_SOH).all() and done.mended


def test_the_data_and_the_forecaster_stay_as_they_were():
    frame, model = pd.DataFrame(plain()), lstm()
    copied, settings = frame.copy(), dict(vars(model))
    backtest(frame, [model, AR(2)], 3, origins=2)
    pd.testing.assert_frame_equal(frame, copied)
    assert vars(model) == settings


# ------------------------------------------------------------------------------------------- where origins stand


def steps_seen(plan, lengths=(90, 70)):
    """The rows that a function is given and the forecasts asked of it, with steps as values."""
    columns = plain(lengths)
    columns["y"] = [float(step) for steps in lengths for step in range(steps)]
    seen = []

    def look(table, horizon):
        parts = [part["y"].tolist() for _, part in table.to_pandas().groupby("unique_id", sort=False)]
        seen.append([(part[0], part[-1], horizon) for part in parts])
        return np.array([part[-1] + np.arange(1, horizon + 1) for part in parts])

    return roll(panel_from_frame(pa.table(columns)), {"look": look}, plan), seen


def test_origins_are_counted_from_each_series_own_end():
    done, seen = steps_seen(Plan(horizon=5, origins=3, step=4))
    np.testing.assert_array_equal(done.origins_SO, [[76, 80, 84], [56, 60, 64]])
    assert [each[0][:2] for each in seen] == [(0, 76), (0, 80), (0, 84)]
    assert [each[1][:2] for each in seen] == [(0, 56), (0, 60), (0, 64)]
    np.testing.assert_array_equal(done.truth_SOH[:, -1], [[85, 86, 87, 88, 89], [65, 66, 67, 68, 69]])
    np.testing.assert_array_equal(done.forecasts["look"][..., MEDIAN], done.truth_SOH)


def test_a_gap_lies_between_the_origin_and_what_is_judged():
    done, seen = steps_seen(Plan(horizon=2, origins=2, step=3, gap=4))
    np.testing.assert_array_equal(done.origins_SO, [[80, 83], [60, 63]])
    assert {horizon for each in seen for *_, horizon in each} == {6}
    np.testing.assert_array_equal(done.truth_SOH[0], [[85, 86], [88, 89]])
    np.testing.assert_array_equal(done.forecasts["look"][..., MEDIAN], done.truth_SOH)
    table = done.table().to_pandas()
    assert ((table["ds"] - table["cutoff"]).dt.days.unique() == [5, 6]).all()


def test_a_sliding_window_shows_only_the_newest_steps():
    _, seen = steps_seen(Plan(horizon=2, origins=3, step=3, window=65))
    assert [each[0][:2] for each in seen] == [(17, 81), (20, 84), (23, 87)]
    assert [each[1][:2] for each in seen] == [(0, 61), (0, 64), (3, 67)]


class Counts:
    """A baseline that says on how many values it was fitted, and the first of them."""

    name = "Counts"

    def fit_values(self, values, season_length):
        self.told = np.array([len(values), values[0]])
        return self

    def predict_many(self, values, origins, horizon):
        return np.tile(self.told[np.arange(horizon) % 2, None], (len(origins), 1, 13)).reshape(-1, horizon, 13)


@pytest.mark.parametrize(
    ("refit", "fitted"),
    [
        (False, [51, 51, 51, 51, 51]),
        (True, [51, 53, 55, 57, 59]),
        (1, [51, 53, 55, 57, 59]),
        (2, [51, 51, 55, 55, 59]),
        (9, [51] * 5),
    ],
)
def test_refits_are_counted_from_the_first_origin(refit, fitted):
    values = np.arange(61.0)
    done = roll(panel_from_arrays(values), Counts(), Plan(horizon=2, origins=5, step=2, refit=refit))
    assert done.forecasts["Counts"][0, :, 0, MEDIAN].tolist() == fitted
    done = roll(panel_from_arrays(values), Counts(), Plan(horizon=2, origins=5, step=2, refit=refit, window=30))
    assert done.forecasts["Counts"][0, :, 0, MEDIAN].tolist() == [30] * 5
    assert done.forecasts["Counts"][0, :, 1, MEDIAN].tolist() == [each - 30 for each in fitted]


def test_origins_that_are_not_given_fill_the_last_fifth_of_the_shortest_series_that_counts():
    values = columns_of((200, 100, 5))
    done = roll(panel_from_frame(pa.table(values)), LastValue(), Plan(horizon=4))
    assert done.plan == Plan(horizon=4, origins=5, step=4)
    assert done.left_out == {"series s2": "has fewer than the 40 steps needed"}
    assert done.panel.ids == ("s0", "s1")
    for steps in range(LEAST_HISTORY + 1, 60):
        done = roll(panel_from_arrays(np.arange(float(steps))), LastValue(), Plan(horizon=1))
        assert done.origins_SO[0, 0] >= LEAST_HISTORY - 1 and done.truth_SOH[0, -1, -1] == steps - 1


def test_series_that_are_too_short_or_empty_are_left_out_by_name():
    columns = columns_of((90, 30, 80, 25, 90, 21, 22))
    for row, name in enumerate(columns["unique_id"]):
        if name == "s2" and row < 90 + 30 + 75:
            columns["y"][row] = None
    done = roll(panel_from_frame(pa.table(columns)), LastValue(), Plan(horizon=5, origins=3))
    assert done.panel.ids == ("s0", "s4")
    assert done.left_out == {
        "4 series, s1 first": "have fewer than the 35 steps needed",
        "series s2": "has no value where one has to be known",
    }
    assert set(done.table()["unique_id"].to_pylist()) == {"s0", "s4"}
    with pytest.raises(DataError, match=r"longest series, 's0', has 90 steps; 30 origins every 5 steps .* need 170"):
        roll(panel_from_frame(pa.table(columns)), LastValue(), Plan(horizon=5, origins=30))


def test_a_window_without_a_value_leaves_its_series_out():
    columns = columns_of((90, 90))
    columns["y"][30:85] = [None] * 55
    panel = panel_from_frame(pa.table(columns))
    assert roll(panel, LastValue(), Plan(horizon=2, origins=3, window=40)).panel.ids == ("s1",)
    assert roll(panel, LastValue(), Plan(horizon=2, origins=3)).panel.ids == ("s0", "s1")


def test_a_truth_that_is_missing_stays_missing():
    columns = columns_of()
    columns["y"][88] = None
    done = roll(panel_from_frame(pa.table(columns)), LastValue(), Plan(horizon=3, origins=2))
    np.testing.assert_array_equal(np.argwhere(np.isnan(done.truth_SOH)), [[0, 1, 1]])
    assert np.isfinite(done.forecasts["LastValue"]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0},
        {"horizon": None},
        {"horizon": 2.5},
        {"horizon": True},
        {"origins": 0},
        {"step": 0},
        {"window": LEAST_HISTORY - 1},
        {"gap": -1},
        {"gap": None},
        {"refit": 0},
        {"refit": 1.5},
        {"refit": "always"},
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(SettingsError, match=f"{name} = {value!r}: give"):
        Plan(**{"horizon": 1, **wrong})


# ------------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_is_of_the_kind_that_came_in_and_has_the_columns_of_the_field(kind):
    made = backtest(KINDS[kind](plain()), ["LastValue", "Drift"], 3, origins=2).table()
    assert isinstance(made, type(KINDS[kind](plain())))
    names = made.column_names if kind == "pyarrow" else list(made.columns)
    ends = ["-lo-80", "-hi-80", "-lo-90", "-hi-90"]
    assert names == [
        *("unique_id", "ds", "cutoff", "y", "LastValue", *(f"LastValue{end}" for end in ends)),
        *("Drift", *(f"Drift{end}" for end in ends)),
    ]
    frame = made.to_pandas() if kind != "pandas" else made
    assert len(frame) == 2 * 2 * 3
    own = pd.DataFrame(plain())
    joined = frame.merge(own, on=["unique_id", "ds"], suffixes=("", "_own"))
    assert len(joined) == len(frame) and (joined["y"] == joined["y_own"]).all()
    at_cutoff = frame.merge(own, left_on=["unique_id", "cutoff"], right_on=["unique_id", "ds"], suffixes=("", "_own"))
    assert (at_cutoff["LastValue"] == at_cutoff["y_own"]).all() and len(at_cutoff) == len(frame)


def test_numbers_come_back_as_arrays_and_lists():
    values = np.random.default_rng(0).normal(size=80).cumsum()
    table = backtest(values, "LastValue", 3, origins=2).table()
    assert isinstance(table["y"], np.ndarray)
    np.testing.assert_array_equal(table["y"], values[-6:])
    np.testing.assert_array_equal(table["cutoff"], [73] * 3 + [76] * 3)
    assert isinstance(backtest(values.tolist(), "LastValue", 3, origins=2).table()["y"], list)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+05:00"])
def test_times_of_the_table_have_the_zone_that_came_in(zone):
    ds = pd.date_range("2024-03-28", periods=100, freq="h", tz=zone)
    made = backtest(pd.DataFrame({"ds": ds, "y": np.arange(100.0)}), "LastValue", 3, origins=2).table()
    for column in ("ds", "cutoff"):
        assert made[column].dt.tz is not None
    assert (made["ds"] == ds[-6:]).all() and made["cutoff"][0] == ds[-7]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_utilsforecast_reads_the_table(kind):
    done = backtest(KINDS[kind](plain()), [*CHEAP[:-1], lstm()], 3, origins=4, step=2)
    table = done.table()
    scores = evaluate(table, metrics=[mae, scaled_crps], level=[80, 90])
    without = table.drop(columns="cutoff") if kind == "pandas" else table.drop("cutoff")
    overall = evaluate(without, metrics=[mae], models=list(done.forecasts), level=[80, 90])
    assert len(scores) == 2 * 4 * 2 and len(overall) == 2
    for name, quantiles in done.forecasts.items():
        by_hand = np.abs(done.truth_SOH - quantiles[..., MEDIAN]).mean(axis=(1, 2))
        np.testing.assert_allclose(np.asarray(overall[name]), by_hand)


def test_levels_are_chosen_and_others_refused():
    done = backtest(plain(), ["LastValue", Naive()], 3, origins=2, level=[60])
    columns = set(done.table())
    assert {"LastValue-lo-60", "Naive-hi-60"} <= columns and not any("80" in name for name in columns)
    assert {"LastValue-lo-95"} <= set(done.table(level=[95])) and "Naive-lo-95" not in done.table(level=[95])
    for refused in (lambda: backtest(plain(), "LastValue", 3, level=[85]), lambda: done.table(level=[85])):
        with pytest.raises(SettingsError, match="level 85 is not offered"):
            refused()


# ------------------------------------------------------------------------------------------- who is asked


def test_by_default_the_cheap_baselines_and_the_network_are_asked(monkeypatch):
    monkeypatch.setitem(NAMED, "LSTM", lambda seasons: lstm())
    assert tuple(backtest(plain(), horizon=3, origins=2).forecasts) == CHEAP


def test_every_name_is_understood_and_the_nearest_is_named():
    for name, make in NAMED.items():
        assert make((7, 365)).name == name
    assert NAMED["MSTL"]((24, 168))._second_season == 168
    with pytest.raises(SettingsError, match=r"unknown forecaster 'AutoArima'. Did you mean 'AutoARIMA'\?"):
        backtest(plain(), ["LastValue", "AutoArima"], 3)
    with pytest.raises(SettingsError, match="no forecaster is given"):
        backtest(plain(), [], 3)


@pytest.mark.parametrize("twice", [["AR", AR(2)], [Naive(), StatsForecast([Naive()], freq="D")]])
def test_two_with_one_name_are_refused_and_a_mapping_tells_them_apart(twice):
    with pytest.raises(SettingsError, match=r"two forecasters are called '(AR|Naive)'; give them as a mapping"):
        backtest(plain(), twice, 3, origins=1)
    done = backtest(plain(), {"one": twice[0], "other": twice[1]}, 3, origins=1)
    assert list(done.forecasts) == ["one", "other"]


@pytest.mark.parametrize("name", ["y", "cutoff", "AR-lo-80", ""])
def test_a_name_that_is_a_column_of_the_table_is_refused(name):
    with pytest.raises(SettingsError, match="cannot be called"):
        backtest(plain(), {name: "AR"}, 3, origins=1)


def test_the_season_follows_from_the_frequency_the_named_set_or_what_is_asked():
    seen = []

    class Says:
        name = "Says"

        def fit_values(self, values, season_length):
            seen.append(season_length)
            return self

        def predict_many(self, values, origins, horizon):
            return np.zeros((len(origins), horizon, 13))

    backtest(plain(), Says(), 3, origins=1)
    backtest(plain(), Says(), 3, origins=1, season_length=5)
    backtest("elnino", Says(), 3, origins=1)
    assert seen == [7, 7, 5, 5, 12]
    with pytest.raises(SettingsError, match="season_length = 0"):
        backtest(plain(), Says(), 3, season_length=0)


def test_the_network_is_told_only_a_season_that_it_would_not_find_itself(monkeypatch):
    told = []
    monkeypatch.setitem(NAMED, "LSTM", lambda seasons: told.append(seasons) or LastValue())
    backtest(plain(), "LSTM", 3, origins=1)
    backtest(plain(), "LSTM", 3, origins=1, season_length=(7, 28))
    backtest("co2", "LSTM", 3, origins=1)
    assert told == [(), (7, 28), ()]


def test_repeated_backtests_are_equal():
    first, second = (backtest(plain(), [lstm(), "AR"], 3, origins=3, refit=2) for _ in range(2))
    for name in ("LSTM", "AR"):
        np.testing.assert_array_equal(first.forecasts[name], second.forecasts[name])


def test_refitting_a_fresh_network_is_fitting_it_at_every_origin():
    done = backtest(plain((90,)), lstm(), 3, origins=2, refit=True, fresh=True)
    for place in range(2):
        known = {name: column[: done.origins_SO[0, place] + 1] for name, column in plain((90,)).items()}
        by_hand = lstm().fit(pd.DataFrame(known)).predict(3)
        np.testing.assert_allclose(done.forecasts["LSTM"][0, place, :, MEDIAN], by_hand["LSTM"], rtol=1e-6)


class Counted(LSTMForecaster):
    """An LSTM that says how it was fitted, and to how many steps."""

    def __init__(self, said):
        super().__init__(NetworkConfig(units=4), lstm(updates=12).training)
        self.said = said

    def fit(self, table):
        self.said.append(("fit", len(table.values)))
        return super().fit(table)

    def refit_panel(self, panel):
        self.said.append(("refit", len(panel.values)))
        return super().refit_panel(panel)


def test_a_network_that_is_fitted_again_goes_on_unless_it_is_to_be_fresh_or_has_a_window():
    def said(**plan):
        fits = []
        return fits, backtest(plain((90,)), Counted(fits), 3, origins=3, **plan).forecasts["LSTM"]

    once, in_one_pass = said()
    assert once == [("fit", 81)]
    fits, gone_on = said(refit=True)
    assert fits == [("fit", 81), ("refit", 84), ("refit", 87)]
    fits, fresh = said(refit=True, fresh=True)
    assert fits == [("fit", 81), ("fit", 84), ("fit", 87)]
    assert said(refit=True, window=50)[0] == [("fit", 50)] * 3
    np.testing.assert_allclose(gone_on[:, 0], in_one_pass[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(gone_on[:, 0], fresh[:, 0])
    assert not np.allclose(gone_on[:, 1:], fresh[:, 1:], rtol=1e-6)


@pytest.mark.parametrize("steps", [(90,), (90, 80)])
def test_a_network_that_goes_on_sees_nothing_after_an_origin(steps):
    columns = plain(steps)
    whole = backtest(columns, lstm(), 3, origins=4, refit=True)
    ends = whole.panel.offsets[:-1] + whole.origins_SO[:, 1] + 1  # after the second origin
    changed = np.asarray(columns["y"], float)
    for end, last in zip(ends, whole.panel.offsets[1:], strict=True):
        changed[end:last] = 1e4
    after = backtest({**columns, "y": changed}, lstm(), 3, origins=4, refit=True)
    np.testing.assert_array_equal(after.forecasts["LSTM"][:, :2], whole.forecasts["LSTM"][:, :2])
    assert not np.allclose(after.forecasts["LSTM"][:, 2:], whole.forecasts["LSTM"][:, 2:], rtol=0.1)


# ------------------------------------------------------------------------------------------- what it costs


class Slow:
    """Never slow, but the clock says so."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.fits = clock, seconds, 0

    def __call__(self, table, horizon):
        self.clock["now"] += self.seconds
        self.fits += 1
        return np.zeros((2, horizon))


@pytest.fixture
def clock(monkeypatch):
    now = {"now": 0.0}
    monkeypatch.setattr("gatecast.rolling.clock.perf_counter", lambda: now["now"])
    return now


def test_a_first_fit_does_not_say_what_going_on_costs(clock):
    notes = []

    class Dear(Counted):
        def fit(self, table):
            clock["now"] += 50.0
            return super().fit(table)

        def refit_panel(self, panel):
            clock["now"] += 1.0
            return super().refit_panel(panel)

    plan = {"origins": 5, "refit": True, "seconds": 60, "note": notes.append}
    assert "LSTM" in backtest(plain((90,)), Dear([]), 3, **plan).forecasts
    assert notes == ["LSTM: 5 fits, about 54 s"]
    assert "LSTM" in backtest(plain((90,)), Dear([]), 3, **plan, fresh=True).left_out


def test_the_cost_is_told_after_the_first_fit_and_one_over_the_budget_is_left_out(clock):
    slow, quick, notes = Slow(clock, 10.0), Slow(clock, 1.0), []
    done = backtest(plain(), {"slow": slow, "quick": quick}, 3, origins=5, seconds=20, note=notes.append)
    assert slow.fits == 1 and quick.fits == 5
    assert list(done.forecasts) == ["quick"] and done.seconds == {"quick": 5.0}
    assert done.left_out == {"slow": "would take about 50 s, more than the 20 s given"}
    assert notes == [
        "slow: 5 fits, about 50 s",
        "slow is left out: it would take about 50 s, more than the 20 s given",
        "quick: 5 fits, about 5 s",
    ]
    assert "slow" not in done.table()


def test_one_that_is_done_is_kept_however_long_it_took(clock):
    done = backtest(plain(), {"slow": Slow(clock, 100.0)}, 3, origins=1, seconds=20)
    assert list(done.forecasts) == ["slow"] and not done.left_out


def test_the_cost_of_a_classical_model_is_told_before_its_first_fit(monkeypatch):
    asked, notes = [], []

    def estimate(baseline, training, season_length, origins, horizon):
        asked.append((baseline().name, len(training), season_length, origins, horizon))
        return 30.0

    monkeypatch.setattr("gatecast.judging.estimate_seconds", estimate)
    monkeypatch.setattr("gatecast.classical.AutoETS.fit_values", lambda *_: pytest.fail("it was fitted"))
    done = backtest(
        plain(), ["LastValue", "AutoETS"], 3, origins=4, refit=2, gap=1, seconds=100, season_length=7, note=notes.append
    )
    assert done.left_out == {"AutoETS": "would take about 1.2e+02 s, more than the 100 s given"}
    assert asked == [("AutoETS", 80, 7, 2, 4)]
    assert notes[-1].startswith("AutoETS is left out")


def test_nothing_is_told_or_guessed_where_one_fit_is_enough(monkeypatch):
    monkeypatch.setattr("gatecast.judging.estimate_seconds", lambda *_: pytest.fail("it was guessed"))
    notes = []
    backtest(plain(), ["LastValue", "AutoETS"], 3, origins=4, note=notes.append)
    assert notes == []
    with pytest.raises(SettingsError, match="seconds = 0"):
        backtest(plain(), "LastValue", 3, seconds=0)


# ------------------------------------------------------------------------------------------- how data are opened


def test_named_sets_files_and_panels_are_opened(tmp_path):
    file = tmp_path / "table.csv"
    pd.DataFrame(plain()).to_csv(file, index=False)
    by_path = backtest(file, "LastValue", 3, origins=2)
    assert isinstance(by_path.table(), pa.Table)
    panel = panel_from_frame(pd.DataFrame(plain()))
    for done in (by_path, backtest(panel, "LastValue", 3, origins=2)):
        np.testing.assert_array_equal(done.truth_SOH, backtest(plain(), "LastValue", 3, origins=2).truth_SOH)
    with pytest.raises(SettingsError, match="a panel has its columns"):
        backtest(panel, "LastValue", 3, target="y")
    assert backtest("nile", "LastValue", 3).panel.ids == ("volume",)
    with pytest.raises(SettingsError, match="Did you mean 'nile'"):
        backtest("niles", "LastValue", 3)


def test_the_public_names_are_these():
    assert gatecast.backtest is backtest and gatecast.Backtest.__name__ == "Backtest"


def test_a_backtest_is_shown_in_a_line():
    done = backtest(pd.DataFrame(plain((90,))), ["LastValue", "Drift"], horizon=2, origins=1)
    assert repr(done) == "Backtest(1 series, 1 origin, horizon 2: LastValue, Drift)"


@pytest.mark.parametrize(("refit", "words"), [(False, "once"), (True, "at every origin"), (2, "at every 2nd origin")])
def test_what_is_printed_says_how_often_models_were_fitted(refit, words):
    done = backtest(pd.DataFrame(plain((90,))), "LastValue", origins=4, refit=refit)
    printed = io.StringIO()
    print_backtest(Console(file=printed, width=100), done, None)
    assert f"One step ahead from 4 origins, fitted {words}\n" in printed.getvalue()
