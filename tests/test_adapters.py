"""Whatever forecasts is understood, asked fairly, and said when its answer is not what was asked for."""

import inspect

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, CrostonClassic, HistoricAverage, Naive, SeasonalNaive

from gatecast.adapters import adapt
from gatecast.baselines import BASELINES, LastValue
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.panel import panel_from_frame
from gatecast.rolling import Plan, roll

PLAN = Plan(horizon=3, origins=2, step=4)


def table_of(lengths=(60, 50), start="2024-01-01", freq="D", **more):
    parts = []
    for s, steps in enumerate(lengths):
        rng = np.random.default_rng(s)
        ds = pd.date_range(start, periods=steps, freq=freq)
        parts.append(pd.DataFrame({"unique_id": f"s{s}", "ds": ds, "y": 50 + rng.normal(size=steps).cumsum()}))
    return pd.concat(parts, ignore_index=True).assign(**more)


def lstm():
    return LSTMForecaster(
        NetworkConfig(units=4),
        TrainingConfig(scaling="running", context=16, horizon=4, updates=4, batch=4, origins=4, steps=3),
    )


def asked(forecaster, table=None, plan=PLAN, **columns):
    table = table_of() if table is None else table
    return roll(panel_from_frame(table, **columns), forecaster, plan, like=table)


def last_values(done):
    """What the last value says at every origin, (S, O, H)."""
    panel = done.panel
    last = panel.values[panel.offsets[:-1, None] + done.origins_SO]
    return np.repeat(last[..., None], done.plan.horizon, axis=2)


def newest(table, horizon):
    """The last value as a table of any kind, polars or pandas."""
    frame = nw.from_native(table)
    rows = []
    for name in frame["unique_id"].unique(maintain_order=True):
        own = frame.filter(nw.col("unique_id") == name)
        day = own["ds"].to_list()[-1]
        for step in range(1, horizon + 1):
            rows.append((name, day + pd.Timedelta(days=step), own["y"].to_list()[-1]))
    return pd.DataFrame(rows, columns=["unique_id", "ds", "yhat"])


def medians(done, name):
    return done.forecasts[name][..., MEDIAN]


# ------------------------------------------------------------------------------------------- functions


@pytest.mark.parametrize(
    "function",
    [
        newest,
        lambda table, horizon: pl.from_pandas(newest(table, horizon)),
        lambda table, horizon: pa.Table.from_pandas(newest(table, horizon)),
        lambda table, horizon: newest(table, horizon).sample(frac=1, random_state=0),
        lambda table, horizon: newest(table, horizon + 5),
        lambda table, horizon: newest(table, horizon)["yhat"].to_numpy().reshape(2, horizon),
        lambda table, horizon: newest(table, horizon)["yhat"].to_numpy().reshape(2, horizon).tolist(),
        lambda table, horizon: newest(table, horizon).to_dict("list"),
        lambda table, horizon: newest(table, horizon).assign(**{"yhat-lo-80": 1.0, "yhat-hi-80": 99.0}),
    ],
)
def test_a_function_may_answer_in_many_ways(function):
    done = asked({"mine": function})
    np.testing.assert_array_equal(medians(done, "mine"), last_values(done))


def test_intervals_of_a_table_are_quantiles_and_other_levels_stay_unknown():
    def told(table, horizon):
        return newest(table, horizon).assign(**{"yhat-lo-80": 1.0, "yhat-hi-80": 99.0, "yhat-lo-33": 0.0})

    made = asked({"mine": told}).forecasts["mine"]
    assert (made[..., QUANTILES.index(0.1)] == 1).all() and (made[..., QUANTILES.index(0.9)] == 99).all()
    assert np.isfinite(made).sum(axis=-1).max() == 3


def test_a_function_may_give_all_quantiles():
    told = np.tile(np.arange(13.0), (2, 3, 1))
    done = asked({"mine": lambda table, horizon: told})
    np.testing.assert_array_equal(done.forecasts["mine"][:, 0], told)


def test_of_one_series_a_row_of_numbers_will_do():
    done = asked({"mine": lambda table, horizon: [1.0, 2.0, 3.0]}, table_of((60,)))
    np.testing.assert_array_equal(medians(done, "mine")[0, 0], [1, 2, 3])
    done = asked({"mine": lambda table, horizon: pd.Series([1.0, 2.0, 3.0])}, table_of((60,)))
    np.testing.assert_array_equal(medians(done, "mine")[0, 0], [1, 2, 3])


def test_several_columns_are_several_models():
    def two(table, horizon):
        return newest(table, horizon).assign(other=0.0)

    assert list(asked(two).forecasts) == ["two/yhat", "two/other"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (np.zeros((3, 2)), r"mine gave numbers of shape \(3, 2\); expected \(2, 3\)"),
        (np.zeros(6), r"mine gave numbers of shape \(6,\)"),
        (3.0, r"mine gave numbers of shape \(\)"),
        (["a", "b"], "mine gave what is neither numbers nor a table"),
        (None, "mine gave a table that cannot be used: NoneType is not a table"),
        (np.full((2, 3), np.nan), "mine gave nan for series 's0' at 2024-02-23, and 6 of 6"),
        (pd.DataFrame({"unique_id": ["s0"], "x": [1.0]}), "mine gave a table.*no column 'ds'"),
    ],
)
def test_an_answer_of_another_shape_is_refused_and_the_model_is_named(said, message):
    with pytest.raises(DataError, match=message) as caught:
        asked({"mine": lambda table, horizon: said})
    assert "asked: mine, origin 2024-02-22" in caught.value.__notes__


def test_a_missing_row_is_named():
    with pytest.raises(DataError, match=r"mine gave .* no row for series 's1' at 2024-02-15.*6 steps|one row for each"):
        asked({"mine": lambda table, horizon: newest(table, horizon).drop(index=5)})
    with pytest.raises(DataError, match=r"mine gave .* two rows for series 's0' at 2024-02-23"):
        asked({"mine": lambda table, horizon: pd.concat([newest(table, horizon).iloc[:1], newest(table, horizon)])})
    with pytest.raises(DataError, match=r"mine gave .* no column of forecasts"):
        asked({"mine": lambda table, horizon: newest(table, horizon).drop(columns="yhat")})
    with pytest.raises(DataError, match=r"mine gave .* no column 'unique_id'"):
        asked({"mine": lambda table, horizon: newest(table, horizon).drop(columns="unique_id")})
    with pytest.raises(DataError, match="whole numbers where the series has dates"):
        asked({"mine": lambda table, horizon: newest(table, horizon).assign(ds=range(6))})


def test_what_a_function_raises_comes_through_and_says_who_was_asked():
    def broken(table, horizon):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        asked(broken)
    assert caught.value.__notes__ == ["asked: broken, origin 2024-02-22"]


def test_a_function_gets_the_kind_of_table_that_came_in_up_to_the_origin():
    for kind in (pd.DataFrame, pl.from_pandas, pa.Table.from_pandas):
        seen = []
        table = kind(table_of())

        def look(given, horizon, seen=seen):
            seen.append(given)
            return np.zeros((2, horizon))

        done = asked(look, table)
        assert [type(each) for each in seen] == [type(table)] * 2
        for place, given in enumerate(seen):
            frame = nw.from_native(given)
            for s, name in enumerate(("s0", "s1")):
                own = frame.filter(nw.col("unique_id") == name)["y"].to_numpy()
                np.testing.assert_array_equal(own, done.panel.series_values(s)[: done.origins_SO[s, place] + 1])


@pytest.mark.parametrize("kind", [np.asarray, pd.Series, lambda values: pa.table({"y": values})])
def test_a_function_cannot_reach_later_values_through_its_table(kind):
    values = np.arange(60.0)
    table, known = kind(values), iter(range(50, 60, 2))

    def reach(given, horizon):
        most = next(known)
        cells = given["y"].combine_chunks() if isinstance(given, pa.Table) else given["y"]
        held = cells.to_numpy(zero_copy_only=False) if isinstance(given, pa.Table) else np.asarray(cells)
        while held is not None:
            seen = np.frombuffer(held) if isinstance(held, pa.Buffer) else np.asarray(held)
            if seen.dtype == np.float64:
                assert seen.size == most and seen.max() == most - 1
            held = getattr(held, "base", None)
        if isinstance(given, dict):
            given["y"][:] = -1.0  # nor does it matter what it does to it
        return np.zeros(horizon)

    done = roll(panel_from_frame(table), [reach, LastValue()], Plan(horizon=2, origins=5, step=2), like=table)
    np.testing.assert_array_equal(done.panel.values, np.arange(60.0))
    np.testing.assert_array_equal(values, np.arange(60.0))
    np.testing.assert_array_equal(medians(done, "LastValue")[0, :, 0], [49, 51, 53, 55, 57])


def test_a_function_that_asks_for_the_future_gets_what_is_known_in_advance():
    seen = []

    def look(table, horizon, future):
        seen.append((table, future))
        return np.zeros((2, horizon))

    asked(look)
    assert [future for _, future in seen] == [None, None]
    seen.clear()
    table = table_of(price=np.arange(110.0), crowd=1.0)
    done = asked(look, table, known=["price"], inputs=["crowd"])
    shown, future = seen[0]
    assert list(shown.columns) == ["unique_id", "ds", "y", "crowd", "price"]
    assert list(future.columns) == ["unique_id", "ds", "price"]
    first = done.origins_SO[:, 0] + 1
    np.testing.assert_array_equal(future["price"], np.concatenate([first[0] + np.arange(3), 60 + first[1] + range(3)]))


# ------------------------------------------------------------------------------------------- our own


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_baseline_is_what_it_is_by_hand_and_stays_as_it_was(baseline):
    model = baseline()
    done = asked(model)
    assert vars(model) == vars(baseline())
    for s in range(2):
        values, origins = done.panel.series_values(s), done.origins_SO[s]
        by_hand = baseline().fit_values(values[: origins[0] + 1], 7).predict_many(values, origins, 3)
        np.testing.assert_array_equal(done.forecasts[baseline.name][s], by_hand)


def test_a_class_is_made_an_object():
    assert list(asked([LastValue, Naive]).forecasts) == ["LastValue", "Naive"]
    with pytest.raises(SettingsError, match="SeasonalNaive is a class; give an object"):
        asked(SeasonalNaive)


def test_one_pass_of_the_network_is_fitting_once_and_predicting_by_hand():
    model = lstm()
    done = asked({"mine": model}, plan=Plan(horizon=3, origins=5, step=2))
    assert not hasattr(model, "model_")
    panel, first = done.panel, done.origins_SO[:, 0] + 1
    rows = np.concatenate([np.arange(first[0]), 60 + np.arange(first[1])])
    by_hand = lstm().fit(table_of().iloc[rows])
    origins = done.origins_SO[0]  # the longest; the other is aligned at its end
    np.testing.assert_array_equal(done.origins_SO[1] + 10, origins)
    np.testing.assert_allclose(done.forecasts["mine"], by_hand.predict_many(panel, origins, 3), rtol=1e-12)


def test_the_network_answers_alike_however_many_series_it_is_given_at_a_time(monkeypatch):
    together = asked(lstm()).forecasts["LSTM"]
    monkeypatch.setattr("gatecast.adapters.CELLS", 1)
    np.testing.assert_allclose(asked(lstm()).forecasts["LSTM"], together, rtol=1e-6)


class Network:
    """Anything that is fitted on a panel and answers many origins of it in one pass; it can be told to peek."""

    name = "Network"

    def __init__(self, ahead=0):
        self.ahead, self.seen = ahead, []

    def fit_panel(self, panel, validation_steps):
        return self

    def fit(self, table):
        self.seen.append(("fit", table))
        return self

    def predict_many(self, panel, origins, horizon):
        self.seen.append(("predict", panel))
        last = [panel.series_values(s)[np.asarray(origins) - longest_minus(panel, s) + self.ahead] for s in (0, 1)]
        return np.tile(np.nan_to_num(np.array(last))[..., None, None], (1, 1, horizon, len(QUANTILES)))


def longest_minus(panel, s):
    return int(panel.lengths.max() - panel.lengths[s])


def test_a_network_is_shown_nothing_after_the_last_origin_but_what_is_known_in_advance():
    network = Network()
    table = table_of(price=np.arange(110.0), crowd=1.0)
    done = asked(network, table, known=["price"], inputs=["crowd"])
    np.testing.assert_array_equal(medians(done, "Network"), last_values(done))
    (_, fitted), (_, shown), (_, alone) = network.seen
    for panel, ends, ahead in (
        (fitted, done.origins_SO[:, 0] + 1, 0),
        (shown, done.origins_SO[:, 1] + 1, 3),
        (alone, done.origins_SO[:, 0] + 1, 3),
    ):
        np.testing.assert_array_equal(panel.lengths, ends + ahead)
        for s in range(2):
            rows = slice(panel.offsets[s] + ends[s], panel.offsets[s + 1])
            assert np.isnan(panel.values[rows]).all() and np.isnan(panel.inputs["crowd"][rows]).all()
            np.testing.assert_array_equal(panel.known["price"][rows], 60 * s + ends[s] + np.arange(ahead))
    with pytest.raises(DataError, match="Network reads what comes after an origin"):
        asked(Network(ahead=1))


class Peeking:
    """One that uses the value after the origin when it is there."""

    name = "Peeking"

    def fit_values(self, values, season_length):
        return self

    def predict_many(self, values, origins, horizon):
        ahead = np.minimum(np.asarray(origins) + 1, len(values) - 1)
        return np.tile(values[ahead][:, None, None], (1, horizon, len(QUANTILES)))


def test_one_that_reads_later_values_in_its_pass_is_refused():
    with pytest.raises(DataError, match="Peeking reads what comes after an origin"):
        asked(Peeking())
    asked(Peeking(), plan=Plan(horizon=3, origins=1))  # alone it has nothing to read


# ------------------------------------------------------------------------------------------- the libraries


def test_models_of_statsforecast_are_asked_at_every_origin():
    done = asked([Naive(), AutoETS(season_length=7)])
    np.testing.assert_allclose(medians(done, "Naive"), last_values(done), rtol=1e-6)
    for s, place in np.ndindex(2, 2):
        known = done.panel.series_values(s)[: done.origins_SO[s, place] + 1]
        by_hand = AutoETS(season_length=7).forecast(y=known, h=3, level=[80, 90])
        made = done.forecasts["AutoETS"][s, place]
        np.testing.assert_allclose(made[:, MEDIAN], by_hand["mean"])
        np.testing.assert_allclose(made[:, QUANTILES.index(0.05)], by_hand["lo-90"])
        np.testing.assert_allclose(made[:, QUANTILES.index(0.9)], by_hand["hi-80"])


def test_missing_values_are_carried_over_for_models_of_statsforecast():
    table = table_of((60,))
    table.loc[[0, 1, 30, 52, 53], "y"] = np.nan
    done = asked(Naive(), table, plan=Plan(horizon=3, origins=1, gap=4))
    np.testing.assert_allclose(medians(done, "Naive"), table["y"][51], rtol=1e-6)


def test_a_model_without_intervals_is_asked_without_and_that_is_said():
    done = asked(CrostonClassic())
    assert np.isfinite(done.forecasts["CrostonClassic"]).sum(axis=-1).max() == 1
    assert done.left_out["intervals of CrostonClassic"].startswith("refused: ")
    assert "CrostonClassic-lo-80" not in done.table().columns


def test_a_collection_of_statsforecast_is_one_model_for_each_of_its_own():
    done = asked(StatsForecast([Naive(), HistoricAverage()], freq="D"))
    assert list(done.forecasts) == ["Naive", "HistoricAverage"]
    np.testing.assert_allclose(medians(done, "Naive"), last_values(done), rtol=1e-6)
    assert {"Naive-lo-80", "HistoricAverage-hi-90"} <= set(done.table().columns)
    assert list(asked({"mine": StatsForecast([Naive()], freq="D")}).forecasts) == ["mine"]
    assert list(asked({"m": StatsForecast([Naive(), AutoETS()], freq="D")}).forecasts) == ["m/Naive", "m/AutoETS"]


def test_a_collection_reads_what_is_known_in_advance_and_no_other_column():
    seen = []

    class Collection:
        """As statsforecast's: every further column of the table has to go on in X_df."""

        def fit(self, df):
            self.df = df
            return self

        def predict(self, h, X_df=None, level=None):
            seen.append((self.df, X_df))
            return newest(self.df, h)

    asked(Collection(), table_of(price=1.0, crowd=2.0, size=3.0), known=["price"], inputs=["crowd"], static=["size"])
    df, ahead = seen[0]
    assert list(df.columns) == ["unique_id", "ds", "y", "price"]
    assert list(ahead.columns) == ["unique_id", "ds", "price"] and len(ahead) == 6


class Neural:
    """As neuralforecast's: its own least horizon, ``predict(df=…)`` moves it forward, quantile columns."""

    def __init__(self, h=3):
        self.h, self.fits, self.seen = h, [], []

    def fit(self, df, static_df=None, val_size=0):
        self.fits.append((df, static_df))
        return self

    def predict(self, df=None, static_df=None, futr_df=None, verbose=False, h=None, level=None):
        if h < self.h:
            raise ValueError("the specified horizon must be greater than that of the fitted models")
        if level is not None:
            raise Exception("intervals were not prepared in fit")
        self.seen.append((df, static_df, futr_df))
        told = newest(df, h).rename(columns={"yhat": "NHITS-median"})
        return told.assign(**{"NHITS-lo-80": 1.0, "NHITS-hi-80": 99.0, "MLP": 5.0})


def test_what_predicts_from_a_table_is_fitted_once_and_moved_forward():
    model = Neural(h=5)
    done = asked(model, table_of(price=1.0, size=2.0), known=["price"], static=["size"])
    assert list(done.forecasts) == ["MLP", "NHITS"]
    np.testing.assert_array_equal(medians(done, "NHITS"), last_values(done))
    assert (done.forecasts["NHITS"][..., QUANTILES.index(0.1)] == 1).all()
    ((df, static_df),) = model.fits
    assert len(df) == (done.origins_SO[:, 0] + 1).sum() and list(df.columns) == ["unique_id", "ds", "y", "price"]
    assert list(static_df.columns) == ["unique_id", "size"]
    assert [len(df) for df, *_ in model.seen] == (done.origins_SO + 1).sum(axis=0).tolist()
    assert all(len(futr_df) == 6 for *_, futr_df in model.seen)
    np.testing.assert_array_equal(medians(asked(Neural(h=2)), "NHITS"), last_values(done))


class Machine:
    """As mlforecast's: ``predict(h, new_df=…)``, and columns that are not said to move are static."""

    def __init__(self):
        self.fits, self.seen = [], []

    def fit(self, df, static_features=None):
        self.fits.append((df, static_features))
        return self

    def predict(self, h, X_df=None, new_df=None, level=None):
        if level is not None:
            raise Exception("intervals were not prepared in fit")
        self.seen.append((new_df, X_df))
        return newest(new_df, h).rename(columns={"yhat": "LGBM"})


def test_mlforecast_is_told_what_is_static_and_what_is_known():
    model = Machine()
    table = table_of(price=1.0, size=2.0, crowd=3.0)
    done = asked(model, table, known=["price"], static=["size"], inputs=["crowd"])
    np.testing.assert_array_equal(medians(done, "LGBM"), last_values(done))
    ((df, static_features),) = model.fits
    assert static_features == ["size"] and list(df.columns) == ["unique_id", "ds", "y", "price", "size"]
    assert list(model.seen[0][1].columns) == ["unique_id", "ds", "price"]
    assert done.left_out == {"intervals of Machine": "refused: intervals were not prepared in fit"}


def test_refitting_counts_for_what_can_be_moved_forward():
    model = Machine()
    done = asked(model, plan=Plan(horizon=3, origins=5, step=1, refit=2))
    sizes = (done.origins_SO + 1).sum(axis=0)
    assert [len(df) for df, _ in model.fits] == sizes[[0, 2, 4]].tolist()
    assert [len(df) for df, _ in model.seen] == sizes.tolist()


@pytest.mark.parametrize("like", [None, "polars", "pyarrow"])
def test_libraries_are_given_pandas_or_polars(like):
    table = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}.get(like, lambda table: table)(table_of())
    model = Machine()
    roll(panel_from_frame(table), model, PLAN, like=None if like is None else table)
    assert isinstance(model.fits[0][0], pl.DataFrame if like == "polars" else pd.DataFrame)


def test_what_has_fit_and_predict_is_fitted_at_every_origin():
    class LastOfTable:
        name = "LastValue"

        def fit(self, table):
            self.table = table
            return self

        def predict(self, horizon, level=(), future=None):
            return newest(self.table, horizon)

    done = asked(LastOfTable())
    np.testing.assert_array_equal(medians(done, "LastValue"), last_values(done))


def test_one_that_has_a_parameter_of_its_own_for_the_horizon_is_understood():
    class Mine:
        def fit(self, table):
            self.table = table

        def predict(self, ahead):
            return newest(self.table, ahead)

    np.testing.assert_array_equal(medians(asked(Mine()), "yhat"), last_values(asked(Mine())))


def test_holidays_that_a_forecaster_does_not_know_do_not_lose_its_rows():
    days = pd.bdate_range("2019-01-01", "2023-12-29")
    open_ = days[~((days.month == 12) & (days.day == 25)) & ~((days.month == 1) & (days.day == 1))]
    table = pd.DataFrame({"unique_id": "s", "ds": open_, "y": np.arange(float(len(open_)))})
    late = int(np.flatnonzero(open_ < "2023-12-25")[-1])
    panel = panel_from_frame(table.iloc[: late + 4])
    assert panel.frequency.unit == "weekdays"

    def weekdays(given, horizon):
        ds = pd.bdate_range(given["ds"].iloc[-1], periods=horizon + 1)[1:]
        return pd.DataFrame({"unique_id": "s", "ds": ds, "yhat": np.arange(float(horizon))})

    done = roll(panel, weekdays, Plan(horizon=3, origins=1), like=table)
    np.testing.assert_array_equal(medians(done, "weekdays"), [[[0, 1, 2]]])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("freq", ["h", "D"])
def test_answers_with_a_zone_are_matched(zone, freq):
    table = pd.DataFrame({"ds": pd.date_range("2024-03-26", periods=200, freq=freq, tz=zone), "y": np.arange(200.0)})

    def zoned(given, horizon):
        assert str(given["ds"].dt.tz) == zone
        ds = pd.date_range(given["ds"].iloc[-1], periods=horizon + 1, freq=freq)[1:]
        return pd.DataFrame({"ds": ds, "yhat": given["y"].iloc[-1]})

    done = roll(panel_from_frame(table), zoned, Plan(horizon=3, origins=4), like=table)
    np.testing.assert_array_equal(medians(done, "zoned"), last_values(done))


def test_what_is_none_of_these_is_refused():
    with pytest.raises(SettingsError, match="int has neither fit and predict"):
        adapt(3)

    class Regression:
        def fit(self, X, y):
            return self

        def predict(self, X):
            return X

    with pytest.raises(SettingsError, match="Regression learns y from X"):
        adapt(Regression())


def test_names_come_from_the_mapping_the_object_its_class_or_the_function():
    def mine(table, horizon):
        return None

    assert adapt(mine).name == "mine" and adapt(mine, "other").name == "other"
    assert adapt(lambda table, horizon: None).name == "function"
    assert adapt(Naive(alias="N")).name == "N" and adapt(Neural()).name == "Neural"
    assert inspect.isclass(LastValue) and adapt(LastValue).name == "LastValue"
