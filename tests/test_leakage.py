"""Every planted leak is caught, and its twin that keeps to the past passes."""

import dataclasses
import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gatecast.errors import DataError, SettingsError
from gatecast.leakage import leakage_probe

STEPS, CUTOFF = 300, 239
VALUES = 100 + np.cumsum(np.random.default_rng(3).normal(size=STEPS))
DAYS = np.arange("2024-01-01", STEPS, dtype="datetime64[D]")


def nearest_neighbour(z):
    """A forecast that is not linear in the scale, one step after the cutoff: tanh of the last two values."""
    return np.tanh(z[-1]) + 0.5 * np.tanh(z[-1] - z[-2])


def global_scaler(y, past):
    part = past if past is not None else y
    z = (y - part.mean()) / part.std()
    return nearest_neighbour(z[: CUTOFF + 1]) * part.std() + part.mean()


def min_max_scaler(y, past):
    part = past if past is not None else y
    low, width = part.min(), np.ptp(part)
    return low + width * nearest_neighbour((y[: CUTOFF + 1] - low) / width)


def smoothing(y, past):
    window = np.ones(5) / 5
    smooth = np.convolve(y if past is None else past, window, "same" if past is None else "valid")
    return smooth[CUTOFF] if past is None else smooth[-1]


def shuffled_split(y, past):
    source = y if past is None else past
    windows = np.lib.stride_tricks.sliding_window_view(source, 4)
    order = np.random.default_rng(0).permutation(len(windows))
    training = windows[order[: int(0.8 * len(order))]]
    weights, *_ = np.linalg.lstsq(training[:, :3], training[:, 3], rcond=None)
    return y[CUTOFF - 2 : CUTOFF + 1] @ weights


def filled_gap(y, past):
    frame = pd.Series(y.copy())
    frame[CUTOFF - 2 : CUTOFF + 1] = np.nan
    filled = frame.interpolate(limit_direction="both") if past is None else frame.ffill()
    return filled[CUTOFF]


def backfilled(y, past):
    frame = pd.Series(y.copy())
    frame[CUTOFF - 2 : CUTOFF + 1] = np.nan
    return (frame.bfill() if past is None else frame.ffill())[CUTOFF - 4 : CUTOFF].mean()


LEAKS = [global_scaler, min_max_scaler, smoothing, shuffled_split, filled_gap, backfilled]


@pytest.mark.parametrize("pipeline", LEAKS)
@pytest.mark.parametrize("leaking", [True, False])
def test_a_planted_leak_is_caught_and_its_twin_passes(pipeline, leaking):
    report = leakage_probe(lambda y: pipeline(y, None if leaking else y[: CUTOFF + 1]), VALUES, CUTOFF)
    assert report.leaks is leaking and report.deterministic and report.reads_past
    assert (report.forecasts, report.rows) == (1, STEPS - CUTOFF - 1)
    assert report.sentence.startswith("The future leaks: " if leaking else "Nothing leaks: ")


# ---- frames


def long_table(kind, days=DAYS):
    """Two series under each other, a price known in advance, a number of passengers and a word."""
    rng = np.random.default_rng(0)
    columns = {
        "unique_id": np.repeat([1, 2], STEPS),
        "ds": np.tile(days, 2).astype("datetime64[us]"),
        "y": np.concatenate([VALUES, 5 * VALUES]),
        "guests": rng.integers(0, 90, 2 * STEPS).astype(np.int32),
        "price": rng.random(2 * STEPS),
        "weather": np.array(["sun", "rain", "snow"])[rng.integers(0, 3, 2 * STEPS)],
    }
    return {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[kind](columns)


def column(frame, name):
    return np.asarray(frame[name].to_numpy() if hasattr(frame[name], "to_numpy") else frame[name])


def last_known(frame, until):
    return column(frame, "ds") <= np.datetime64(until)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("cutoff", ["2024-08-27", datetime.date(2024, 8, 27), np.datetime64("2024-08-27")])
def test_frames_come_as_they_were_given(kind, cutoff):
    given = long_table(kind)
    seen = []

    def honest(frame):
        seen.append(frame)
        past = last_known(frame, "2024-08-27")
        return column(frame, "y")[past][-3:] + column(frame, "guests")[past][-3:]

    report = leakage_probe(honest, given, cutoff)
    assert not report.leaks and report.reads_past and report.rows == 2 * (STEPS - CUTOFF - 1) == 120
    assert all(type(frame) is type(given) for frame in seen)
    assert "120 rows after 2024-08-27" in report.sentence


@pytest.mark.parametrize("name", ["y", "guests", "weather"])
def test_any_column_after_the_cutoff_may_leak(name):
    def leaky(frame):
        cells = column(frame, name)
        number = (cells == "sun").mean() if name == "weather" else cells.mean()
        return [number, 0.001 * column(frame, "y")[last_known(frame, "2024-08-27")].mean()]

    report = leakage_probe(leaky, long_table("polars"), "2024-08-27")
    assert report.leaks and report.changes[0].leaks is (name != "weather")
    assert report.changes[-1].name == "replaced" and report.changes[-1].share == 0.5


def test_times_names_and_what_is_known_in_advance_stay():
    given = long_table("pandas")
    kept = ["unique_id", "ds", "price"]

    def check(frame):
        pd.testing.assert_frame_equal(frame[kept], given[kept])
        assert list(frame.dtypes) == list(given.dtypes)
        return frame["price"].to_numpy() + frame["y"][: CUTOFF + 1].mean()

    assert not leakage_probe(check, given, "2024-08-27", known=["price"]).leaks
    assert leakage_probe(lambda frame: frame["price"].to_numpy(), given, "2024-08-27").leaks


def test_dates_in_the_index_and_rows_without_times():
    series = pd.DataFrame({"sales": VALUES}, index=pd.DatetimeIndex(DAYS, name="day"))
    assert leakage_probe(
        lambda frame: frame["sales"].rolling(5, center=True).mean().iloc[CUTOFF], series, "2024-08-27"
    ).leaks
    assert not leakage_probe(lambda frame: frame["sales"].rolling(5).mean().iloc[CUTOFF], series, "2024-08-27").leaks
    plain = pl.DataFrame({"sales": VALUES})
    assert leakage_probe(lambda frame: frame["sales"].mean(), plain, CUTOFF).leaks
    assert not leakage_probe(lambda frame: frame["sales"][: CUTOFF + 1].mean(), plain, CUTOFF).leaks
    table = np.column_stack([VALUES, VALUES[::-1]])
    assert leakage_probe(lambda rows: rows[-1, 1] + rows[0, 0], table, CUTOFF).leaks
    assert not leakage_probe(lambda rows: rows[-1, 1] + rows[0, 0], table, CUTOFF, known=["1"]).leaks


def test_kinds_of_columns_are_kept():
    """Small and nullable numbers, truth values, categories and times with a zone."""
    rng = np.random.default_rng(0)
    whole = [None if row in (3, 290) else int(x) for row, x in enumerate(rng.integers(0, 250, STEPS))]
    zoned = pl.Series(DAYS.astype("datetime64[us]")).dt.replace_time_zone("Europe/Berlin")
    modern = pl.DataFrame(
        {"ds": zoned, "y": pl.Series(whole, dtype=pl.UInt8), "open": [x == 7 for x in DAYS.astype(int) % 9]}
    )
    pandas = pd.DataFrame({"ds": DAYS, "y": pd.array(whole, "Int64"), "x": VALUES.astype(np.float32)})
    pandas["kind"] = pd.Categorical(["ab"[row % 2] for row in range(STEPS)])
    for table in (modern, pandas):
        kinds = list(table.dtypes)

        def whole_mean(frame, kinds=kinds):
            assert list(frame.dtypes) == kinds
            return float(frame["y"].mean())

        assert leakage_probe(whole_mean, table, "2024-08-27").leaks
        assert not leakage_probe(lambda frame: float(frame["y"][: CUTOFF + 1].mean()), table, "2024-08-27").leaks
    aware = datetime.datetime(2024, 8, 27, 12, tzinfo=datetime.UTC)
    assert leakage_probe(lambda frame: frame["open"][CUTOFF + 1 :].sum(), modern, aware).rows == 60


def test_missing_values_stay_missing_but_a_pattern_of_them_can_leak():
    values = VALUES.copy()
    values[[10, 250, 260]] = np.nan
    assert leakage_probe(lambda y: [np.isnan(y).sum(), y[CUTOFF]], values, CUTOFF).leaks
    seen = []
    leakage_probe(lambda y: seen.append(np.isnan(y).sum()) or y[CUTOFF], values, CUTOFF)
    assert seen == [3, 3, 3, 3, 3, 1, 3], "replaced values are known; what is changed in the past keeps its gaps"


def test_a_backtest_table_is_read_as_forecasts_only():
    """The truth beside the forecasts, and windows after the cutoff, are not held against it."""

    def backtest(y):
        origins = np.array([200, CUTOFF, CUTOFF + 30])
        columns = {"ds": DAYS[origins + 1], "cutoff": DAYS[origins], "y": y["y"][origins + 1], "M": y["y"][origins]}
        return pl.DataFrame(columns)

    table = pl.DataFrame({"ds": DAYS, "y": VALUES})
    report = leakage_probe(backtest, table, "2024-08-27")
    assert not report.leaks and report.forecasts == 2
    assert leakage_probe(lambda frame: {"y": backtest(frame)["y"]}, table, "2024-08-27").leaks


# ---- pipelines that are not steady, or do not listen


def test_a_pipeline_that_is_not_deterministic_is_compared_with_its_own_spread():
    rng = np.random.default_rng(1)

    def unsteady(y, leak):
        return y[CUTOFF] + leak * y.mean() + rng.normal(size=40)

    honest = leakage_probe(lambda y: unsteady(y, 0), VALUES, CUTOFF)
    assert not honest.leaks and not honest.deterministic and honest.reads_past
    assert 1 < honest.spread < 2 and "not deterministic" in honest.sentence and "fix its seeds" in honest.sentence
    assert leakage_probe(lambda y: unsteady(y, 1), VALUES, CUTOFF).leaks


def test_one_noisy_forecast_seldom_counts_as_a_leak():
    rng = np.random.default_rng(2)
    found = [leakage_probe(lambda y: y[CUTOFF] + rng.normal(), VALUES, CUTOFF).leaks for _ in range(200)]
    assert np.mean(found) < 0.1


def test_a_pipeline_that_does_not_read_the_table_proves_nothing():
    report = leakage_probe(lambda _: VALUES[CUTOFF - 5 : CUTOFF], VALUES, CUTOFF)
    assert not report.leaks and not report.reads_past and "nothing is proved" in report.sentence


def test_a_pipeline_that_changes_its_table_does_no_harm():
    given = VALUES.copy()

    def careless(y):
        y -= y[: CUTOFF + 1].mean()
        return y[CUTOFF - 3 : CUTOFF + 1]

    report = leakage_probe(careless, given, CUTOFF)
    assert report.deterministic and not report.leaks
    np.testing.assert_array_equal(given, VALUES)


def test_rounding_is_no_leak():
    def by_transform(y):
        """A causal average by Fourier transform: exact but for rounding, which the future's size reaches."""
        kernel = np.zeros(2 * STEPS)
        kernel[:5] = 0.2
        return np.fft.irfft(np.fft.rfft(y, 2 * STEPS) * np.fft.rfft(kernel))[CUTOFF - 9 : CUTOFF + 1]

    report = leakage_probe(by_transform, VALUES, CUTOFF)
    assert not report.leaks and 0 < report.changes[0].moved < 1e-9


def test_a_forecast_that_comes_or_goes_has_moved():
    report = leakage_probe(lambda y: y[:CUTOFF][y[:CUTOFF] > y[CUTOFF + 1 :].min()], VALUES, CUTOFF)
    assert report.leaks and report.changes[0].moved == np.inf
    report = leakage_probe(lambda y: np.where(y.mean() < 110, np.array([1.0, y[0]]), np.nan), VALUES, CUTOFF)
    assert report.leaks


def test_the_report_repeats_itself():
    first, second = (leakage_probe(lambda y: y.mean(), VALUES, CUTOFF, seed=4) for _ in range(2))
    assert first == second and dataclasses.asdict(first)["changes"][0].name == "shifted"


def test_what_cannot_be_probed_is_refused():
    table = pl.DataFrame({"ds": DAYS, "y": VALUES})
    for cutoff in (STEPS, -1):
        with pytest.raises(DataError, match="give a time in between"):
            leakage_probe(np.mean, VALUES, cutoff)
    with pytest.raises(SettingsError, match="this table has no times"):
        leakage_probe(np.mean, VALUES, "2024-08-27")
    with pytest.raises(SettingsError, match="ask for a date such as"):
        leakage_probe(np.mean, table, 239)
    with pytest.raises(SettingsError, match="Did you mean 'y'"):
        leakage_probe(np.mean, table, "2024-08-27", known=["Y"])
    with pytest.raises(DataError, match="no column is left to change"):
        leakage_probe(np.mean, table, "2024-08-27", known=["y"])
    with pytest.raises(DataError, match="no finite number"):
        leakage_probe(lambda _: [], VALUES, CUTOFF)
    with pytest.raises(DataError, match="return numbers"):
        leakage_probe(lambda _: "up", VALUES, CUTOFF)
    with pytest.raises(DataError, match="give a frame or an array"):
        leakage_probe(np.mean, {"y": VALUES}, CUTOFF)
