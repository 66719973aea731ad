"""What holds for any table: nothing crashes or is changed in place, and the forecast belongs to the numbers alone.

Every property is tried on a few random tables, always the same ones, and in ``make test-long`` on ten times as many,
always others.  A table is made as series first (``Series``, ``Table``) and then written in one library or another.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import DataError, GatecastError
from gatecast.forecaster import LSTMForecaster
from gatecast.forecasts import forecast
from gatecast.frames import quantile_columns
from gatecast.panel import panel_from_frame

pytestmark = pytest.mark.filterwarnings("ignore::gatecast.errors.OutsideTraining")

DIRECT = 8  # steps ahead that the model was trained for
HORIZONS = st.sampled_from([1, 5, DIRECT, 20])
LEVELS = (20, 40, 60, 80, 90, 95)
TIMES = {  # by frequency, the time of the step k
    "D": lambda k: np.datetime64("2021-01-04") + np.timedelta64(k, "D"),
    "h": lambda k: np.datetime64("2021-01-04T00") + np.timedelta64(k, "h"),
    "15min": lambda k: np.datetime64("2021-01-04T00:00") + np.timedelta64(15 * k, "m"),
    "W": lambda k: np.datetime64("2021-01-04") + np.timedelta64(7 * k, "D"),
    "B": lambda k: np.busday_offset("2021-01-04", k),
    "MS": lambda k: (np.datetime64("2001-01") + k).astype("datetime64[D]"),
    "ME": lambda k: (np.datetime64("2001-02") + k).astype("datetime64[D]") - 1,
    "1": lambda k: k - 12,
    "10": lambda k: 10 * k + 2_000_000_000,
}
SHAPES = {
    "walk": lambda k, noise: 20 + noise.cumsum(),
    "wave": lambda k, noise: 3 + np.sin(k * 2 * np.pi / 7) + 0.1 * noise,
    "noise around zero": lambda k, noise: noise,
    "negative": lambda k, noise: -50 + noise,
    "seldom": lambda k, noise: np.maximum(noise - 1, 0),
    "growth": lambda k, noise: 1.1**k,
    "far from zero": lambda k, noise: 1e6 + noise,
    "constant": lambda k, noise: np.full(len(k), 3.25),
    "zeros": lambda k, noise: np.zeros(len(k)),
}


class Series(NamedTuple):
    """A series: its first step, its values with NaN where one is missing, and which of its rows are there."""

    name: str
    start: int
    values: np.ndarray
    there: np.ndarray


@dataclass(frozen=True)
class Table:
    """Series of one frequency, and the places (series, row) of the rows in their order."""

    series: tuple[Series, ...]
    frequency: str
    order: tuple[tuple[int, int], ...]

    def columns(self):
        """The long table as a dictionary of lists and arrays."""
        places = [(s, row) for s, row in self.order if self.series[s].there[row]]
        time = TIMES[self.frequency]
        return {
            "unique_id": [self.series[s].name for s, _ in places],
            "ds": np.array([time(self.series[s].start + row) for s, row in places]),
            "y": np.array([self.series[s].values[row] for s, row in places]),
        }

    def with_series(self, *series):
        """The same table with other series, one below the other."""
        return Table(series, self.frequency, below(series))


def below(series):
    return tuple((s, row) for s, each in enumerate(series) for row in range(len(each.values)))


@st.composite
def one_series(draw, name="a", shortest=1, holes=True):
    count, start = draw(st.integers(shortest, 40)), draw(st.integers(0, 20))
    shape, scale = draw(st.sampled_from(list(SHAPES))), draw(st.sampled_from([1e-6, 1.0, 1e9]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    values = np.float32(scale * SHAPES[shape](np.arange(count), rng.normal(size=count))).astype(np.float64)
    kept = rng.integers(count, size=2)
    hidden, gone = (np.isin(np.arange(count), kept, invert=True) & (rng.random(count) < share) for share in (0.3, 0.2))
    values = np.where(hidden & draw(st.booleans()), np.nan, values)
    there = ~(gone & (holes and draw(st.booleans())))
    return Series(name, start, values, there)


@st.composite
def tables(draw, most=4, least=1, frequency=None):
    """A table that can be forecast: the first series is the longest, and has all its rows."""
    frequency = draw(st.sampled_from(frequency or list(TIMES)))
    first = draw(one_series("series 0", shortest=15, holes=False))
    longest = len(first.values)
    others = [draw(one_series(f"series {place}")) for place in range(1, draw(st.integers(least, most)))]
    others = [each._replace(values=each.values[:longest], there=each.there[:longest]) for each in others]
    others = [each for each in others if np.isfinite(each.values[each.there]).any()]
    return Table((first, *others), frequency, below((first, *others)))


def in_pandas(columns):
    return pd.DataFrame({**columns, "ds": time_cells(columns["ds"])})


def time_cells(times):
    return times.astype("datetime64[us]") if times.dtype.kind == "M" else times


def in_polars(columns):
    return pl.DataFrame({**columns, "ds": time_cells(columns["ds"])})


def in_pyarrow(columns):
    return pa.table({**columns, "ds": time_cells(columns["ds"])})


def in_lists(columns):
    lists = {"unique_id": columns["unique_id"], "ds": time_cells(columns["ds"]).tolist(), "y": columns["y"].tolist()}
    return {name: lists.get(name, cells) for name, cells in columns.items()}


def in_arrays(columns):
    return {name: np.asarray(cells) for name, cells in columns.items()}


LIBRARIES = {"pandas": in_pandas, "polars": in_polars, "pyarrow": in_pyarrow, "lists": in_lists, "arrays": in_arrays}
libraries = st.sampled_from(list(LIBRARIES.values()))


def cells_of(frame):
    """All cells of a frame of any kind, as lists."""
    if isinstance(frame, dict):
        return {name: list(cells) for name, cells in frame.items()}
    return nw.from_native(frame).to_dict(as_series=False)


def numbers(made, horizon):
    """A forecast as an array (H, columns) for each series."""
    cells = cells_of(made)
    ids = list(map(str, cells.pop("unique_id")))
    cells.pop("ds")
    rows = np.stack([np.asarray(column, np.float64) for column in cells.values()], axis=1)
    assert len(rows) == horizon * len(set(ids))
    return {ids[begin]: rows[begin : begin + horizon] for begin in range(0, len(ids), horizon)}


def ahead(model, frame, horizon, **asked):
    return numbers(forecast(frame, horizon, model, level=LEVELS, **asked), horizon)


def check_same(one, other, factor=1.0, rtol=1e-12):
    """The second is the first times ``factor``, to a millionth of what the first is unsure of."""
    for name, made in one.items():
        unsure = abs(factor) * np.ptp(made, axis=1).max()
        np.testing.assert_allclose(other[name], factor * made, rtol=rtol, atol=1e-6 * unsure, err_msg=name)


def for_any(few=30, fixture="model", **drawn):
    """A test on ``few`` random tables that are always the same, and on ten times as many that never are."""

    def decorate(holds):
        @pytest.mark.parametrize("examples", [few, pytest.param(10 * few, marks=pytest.mark.slow)])
        def test(examples, request):
            model = request.getfixturevalue(fixture)

            def once(**values):
                holds(model, **values)

            repeated = settings(
                max_examples=examples,
                derandomize=examples == few,
                database=None,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            )
            repeated(given(**drawn)(once))()

        test.__name__, test.__doc__ = holds.__name__, holds.__doc__
        return test

    return decorate


@pytest.fixture(scope="module")
def model():
    """Trained a little on two walks and a wave."""
    rng, count = np.random.default_rng(0), 80
    noise = rng.normal(size=(3, count))
    values = [
        SHAPES[shape](np.arange(count), each) for shape, each in zip(("walk", "walk", "wave"), noise, strict=True)
    ]
    table = pa.table(
        {
            "unique_id": np.repeat(["a", "b", "c"], count),
            "ds": np.tile(np.arange("2024-01-01", "2024-03-21", dtype="datetime64[D]"), 3).astype("datetime64[us]"),
            "y": np.concatenate(values),
        }
    )
    return small(updates=30).fit(table).model_


@pytest.fixture(scope="module")
def planned():
    """Trained a little on one series with a price and the kind of day known in advance; the model and its table."""
    rng, count = np.random.default_rng(1), 40
    table = pa.table(
        {
            "ds": np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]").astype("datetime64[us]"),
            "y": 20 + rng.normal(size=count).cumsum(),
            "price": 10 + rng.normal(size=count),
            "day": rng.choice(["work", "rest"], count),
        }
    )
    return small(updates=10).fit(table, known=["price", "day"]).model_, table


def small(units=8, **changes):
    training = {"scaling": "running", "context": 24, "horizon": DIRECT, "updates": 4, "batch": 4, "origins": 4}
    return LSTMForecaster(NetworkConfig(units=units), TrainingConfig(**{**training, **changes}))


# ------------------------------------------------------------------------------------------- no table crashes it

DATE = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
CELLS = [
    st.floats(),
    st.floats(-1e3, 1e3) | st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-9, 50),
    st.sampled_from(["1", "2.5", "1,234", "–", "", "NA", "-3", "inf", "1e400", "x"]),
    st.text(max_size=8),
    DATE | st.none(),
    st.sampled_from(["01/02/2020", "13/02/2020", "2020-02-30", "2020-01-01T00:00:00Z", "2020Q1", ""]),
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.none(),
]


@st.composite
def any_columns(draw, names=("ds", "y", "unique_id", "year", "v", "w")):
    """Columns of anything; often with times in order, so that more than the first check is reached."""
    count = draw(st.integers(0, 30))
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    made = {name: draw(st.lists(draw(st.sampled_from(CELLS)), min_size=count, max_size=count)) for name in chosen}
    if "ds" in made and draw(st.booleans()):
        code = draw(st.sampled_from(list(TIMES)))
        made["ds"] = time_cells(np.array([TIMES[code](k) for k in range(count)], dtype=None)).tolist()
    return made


ASKED = st.fixed_dictionaries(
    {},
    optional={
        "target": st.sampled_from(["y", "v", "v,w", ["y", "v"]]),
        "series_id": st.sampled_from(["unique_id", "w"]),
        "wide": st.booleans(),
        "zone": st.sampled_from(["Europe/Berlin", "UTC"]),
        "frequency": st.sampled_from(["D", "h", "MS", "2"]),
        "fix": st.sets(st.sampled_from(["empty", "drop", "sort", "first", "regular=W", "outliers", "fill"])).map(list),
    },
)


@for_any(200, columns=any_columns(), make=st.sampled_from([pd.DataFrame, pl.DataFrame, pa.table, dict]), asked=ASKED)
def test_any_table_is_forecast_or_refused_in_words_and_stays_as_it_is(model, columns, make, asked):
    frame = make(columns)
    before = str(cells_of(frame))
    try:
        made = forecast(frame, 20, model, **asked)
    except GatecastError as error:
        assert str(error)
    else:
        assert all(np.isfinite(rows).all() for rows in numbers(made, 20).values())
    assert str(cells_of(frame)) == before


PLAN = {  # what a plan for 2024-02-10 to 2024-02-12 may hold, and what not
    "ds": st.sampled_from(["2024-02-10", "2024-02-11", "2024-02-12", "2024-02-13", "", "x"]),
    "price": st.floats() | st.sampled_from(["9.5", "", "x", None]),
    "day": st.sampled_from(["work", "rest", "feast", "", None]),
    "unique_id": st.sampled_from(["y", "z"]),
}


@st.composite
def plans(draw):
    count = draw(st.integers(0, 6))
    names = draw(st.sets(st.sampled_from(list(PLAN)))) | draw(st.sampled_from([set(), {"ds", "price", "day"}]))
    columns = {}
    for name in sorted(names):
        cells = PLAN[name] if draw(st.integers(0, 9)) else draw(st.sampled_from(CELLS))
        columns[name] = draw(st.lists(cells, min_size=count, max_size=count))
    if "ds" in names and draw(st.booleans()):
        columns["ds"] = ["2024-02-10", "2024-02-11", "2024-02-12", "2024-02-13", "2024-02-14", "2024-02-15"][:count]
    good = {
        "ds": st.just("2024-02-10"),
        "price": st.floats(8, 12) | st.floats(),
        "day": st.sampled_from(["work", "rest"]),
    }
    if draw(st.booleans()):
        columns = {name: draw(st.lists(cells, min_size=3, max_size=3)) for name, cells in good.items()}
        columns["ds"] = ["2024-02-10", "2024-02-11", "2024-02-12"]
    return columns


CHANGES = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["price", "day", "pric", ""]),
        st.sampled_from(["=", "*=", "+=", "-=", "/=", "==", " = ", ""]),
        st.sampled_from(["1", "0", "-2.5", "rest", "work", "nan", "inf", "1e308", ""]),
    )
    | st.text(max_size=9),
    max_size=2,
)


@for_any(100, fixture="planned", future=plans(), changes=CHANGES)
def test_any_plan_is_followed_or_refused_in_words(planned, future, changes):
    model, table = planned
    before = str(future)
    try:
        made = forecast(table, 3, model, future=future, what_if=changes)
    except GatecastError as error:
        assert str(error)
    else:
        assert all(np.isfinite(rows).all() for rows in numbers(made, 3).values())
    assert str(future) == before


ITEMS = st.floats() | st.integers(-(2**70), 2**70) | st.none() | st.booleans() | st.text(max_size=3)


@for_any(60, items=st.lists(ITEMS, max_size=30) | st.lists(st.lists(ITEMS, min_size=2, max_size=2), max_size=30))
def test_any_list_is_forecast_or_refused_in_words_and_stays_as_it_is(model, items):
    before = str(items)
    try:
        made = forecast(items, 20, model)
    except GatecastError as error:
        assert str(error)
    else:
        assert all(np.isfinite(rows).all() for rows in numbers(made, 20).values())
    assert str(items) == before


# ------------------------------------------------------------------------------------------- what comes out


@for_any(table=tables(), make=libraries, horizon=HORIZONS)
def test_there_is_one_finite_row_for_each_series_and_step_in_order_after_its_last_time(model, table, make, horizon):
    cells = cells_of(forecast(make(table.columns()), horizon, model, level=LEVELS))
    assert list(cells) == [
        *("unique_id", "ds", "LSTM"),
        *(f"LSTM-{side}-{level}" for level in LEVELS for side in ("lo", "hi")),
    ]
    assert list(map(str, cells["unique_id"])) == [each.name for each in table.series for _ in range(horizon)]
    time = TIMES[table.frequency]
    last = [each.start + int(np.flatnonzero(each.there)[-1]) for each in table.series]
    expected = np.array([time(end + k) for end in last for k in range(1, horizon + 1)])
    assert np.array_equal(np.array(cells["ds"], time_cells(expected).dtype), time_cells(expected))
    assert all(math.isfinite(cell) for name, column in cells.items() if "LSTM" in name for cell in column)


@for_any(table=tables(), horizon=HORIZONS)
def test_intervals_lie_in_each_other_around_the_median(model, table, horizon):
    cells = forecast(in_pyarrow(table.columns()), horizon, model, level=LEVELS).to_pydict()
    low, high = ([f"LSTM-{side}-{level}" for level in LEVELS] for side in ("lo", "hi"))
    ladder = np.stack([cells[name] for name in [*low[::-1], "LSTM", *high]])
    assert (np.diff(ladder, axis=0) >= 0).all()


@for_any(table=tables(), make=libraries)
def test_the_forecast_is_of_the_kind_of_table_that_came_in_and_that_one_stays_as_it_is(model, table, make):
    frame = make(table.columns())
    before = str(cells_of(frame))
    made = forecast(frame, 3, model)
    assert type(made) is type(frame)
    if isinstance(frame, dict):
        assert {type(cells) for cells in made.values()} == {type(frame["ds"])}
    assert str(cells_of(frame)) == before


# ------------------------------------------------------------------------------------------- how it is written


@for_any(table=tables(), horizon=HORIZONS, seed=st.integers(0, 99))
def test_how_the_rows_of_the_series_are_mixed_does_not_matter(model, table, horizon, seed):
    rng = np.random.default_rng(seed)
    turn = rng.permutation([s for s, _ in table.order])
    counted = [iter(range(len(each.values))) for each in table.series]
    mixed = replace(table, order=tuple((int(s), next(counted[s])) for s in turn))
    one, other = (ahead(model, in_pyarrow(each.columns()), horizon) for each in (table, mixed))
    check_same(one, other)


@for_any(table=tables(), horizon=HORIZONS, data=st.data())
def test_rows_in_any_order_are_forecast_alike_once_they_are_sorted(model, table, horizon, data):
    shuffled = replace(table, order=tuple(data.draw(st.permutations(table.order))))
    one = ahead(model, in_pyarrow(table.columns()), horizon)
    check_same(one, ahead(model, in_pyarrow(shuffled.columns()), horizon, fix=["sort"]))


@for_any(table=tables(), kind=st.sampled_from(["other words", "numbers", "categories"]))
def test_what_the_series_are_called_does_not_matter(model, table, kind):
    columns = table.columns()
    names = {each.name: place for place, each in enumerate(table.series)}
    called = {name: f"é {9 - place}, {name}" if kind == "other words" else 100 - place for name, place in names.items()}
    frame = in_pandas({**columns, "unique_id": [called[name] for name in columns["unique_id"]]})
    if kind == "categories":
        frame["unique_id"] = frame["unique_id"].astype("category")
    other = ahead(model, frame, 20)
    check_same(ahead(model, in_pyarrow(columns), 20), {name: other[str(called[name])] for name in names})


@for_any(table=tables(), make=libraries, horizon=HORIZONS)
def test_the_library_of_the_table_does_not_matter(model, table, make, horizon):
    one, other = (ahead(model, each(table.columns()), horizon) for each in (in_pyarrow, make))
    check_same(one, other)


@for_any(table=tables(), make=libraries, kind=st.sampled_from(["float32", "text", "integers", "objects"]))
def test_how_the_numbers_are_stored_does_not_matter(model, table, make, kind):
    columns = table.columns()
    y = columns["y"]
    if kind == "integers":
        y = np.round(np.clip(np.nan_to_num(y), -1e15, 1e15))
        columns = {**columns, "y": y}
    elif kind == "objects":
        make = in_pandas
    stored = {
        "float32": lambda: y.astype(np.float32),
        "text": lambda: ["" if np.isnan(value) else repr(float(value)) for value in y],
        "integers": lambda: y.astype(np.int64),
        "objects": lambda: np.array([None if np.isnan(value) else float(value) for value in y], dtype=object),
    }[kind]()
    written = in_pandas if make is in_lists else make  # its lists hold floats of 64 bits only
    check_same(ahead(model, in_pyarrow(columns), 20), ahead(model, written({**columns, "y": stored}), 20))


@for_any(table=tables(), make=libraries, data=st.data())
def test_the_order_of_the_columns_and_those_that_are_not_used_do_not_matter(model, table, make, data):
    columns = table.columns()
    count = len(columns["y"])
    more = {**columns, "note": ["x"] * count, "other": np.arange(count) ** 2.0, "later": ["2030-01-01"] * count}
    names = data.draw(st.permutations(list(more)))
    other = ahead(model, make({name: more[name] for name in names}), 20)
    check_same(ahead(model, in_pyarrow(columns), 20), other)


@for_any(table=tables(frequency=["D", "h", "15min", "W", "MS", "ME", "1", "10"]), horizon=HORIZONS)
def test_a_row_that_is_not_there_is_a_missing_value(model, table, horizon):
    last = [int(np.flatnonzero(each.there)[-1]) + 1 for each in table.series]
    series = [
        each._replace(values=np.where(each.there, each.values, np.nan)[:end], there=np.ones(end, bool))
        for each, end in zip(table.series, last, strict=True)
    ]
    one, other = (
        ahead(model, in_pyarrow(each.columns()), horizon, frequency=table.frequency)
        for each in (table, table.with_series(*series))
    )
    check_same(one, other)


@for_any(table=tables(), horizon=HORIZONS, before=st.integers(1, 12))
def test_missing_values_before_the_first_one_do_not_matter(model, table, horizon, before):
    begun = [each._replace(start=each.start + before) for each in table.series]
    padded = [
        each._replace(
            start=each.start - before,
            values=np.concatenate([np.full(before, np.nan), each.values]),
            there=np.concatenate([np.ones(before, bool), each.there]),
        )
        for each in begun
    ]
    one, other = (ahead(model, in_pyarrow(table.with_series(*each).columns()), horizon) for each in (begun, padded))
    check_same(one, other)


@for_any(table=tables(most=1, frequency=["1"]), make=st.sampled_from([np.array, list, pd.Series, pl.Series]))
def test_numbers_alone_are_forecast_like_a_table_of_them(model, table, make):
    values = table.series[0].values
    (one,) = ahead(model, in_pyarrow(table.columns()), 20).values()
    made = forecast(make(values), 20, model, level=LEVELS)
    cells = cells_of(made)
    assert list(cells["ds"]) == list(range(len(values), len(values) + 20))
    (other,) = numbers(made, 20).values()
    check_same({"": one}, {"": other})


@for_any(table=tables(least=2), make=libraries)
def test_a_column_for_each_series_is_forecast_like_a_long_table(model, table, make):
    end = min(each.start + len(each.values) for each in table.series)
    series = [
        each._replace(
            values=np.where(each.there, each.values, np.nan)[: end - each.start], there=np.ones(end - each.start, bool)
        )
        for each in table.series
        if end > each.start
    ]
    series = [each for each in series if np.isfinite(each.values).any()]
    assume(max(np.isfinite(each.values).sum() for each in series) >= 2)
    first = min(each.start for each in series)
    wide = {"ds": np.array([TIMES[table.frequency](k) for k in range(first, end)])}
    for each in series:
        wide[each.name] = np.concatenate([np.full(each.start - first, np.nan), each.values])
    asked = {"frequency": None if table.frequency == "B" else table.frequency}
    long = ahead(model, in_pyarrow(table.with_series(*series).columns()), 20, **asked)
    frame = {name: cells.tolist() for name, cells in wide.items()} if make is in_lists else make(wide)
    check_same(long, ahead(model, frame, 20, wide=True, **asked))


# ------------------------------------------------------------------------------------------- what it depends on


@for_any(table=tables(), horizon=HORIZONS, exponent=st.integers(-9, 9), mantissa=st.floats(1, 9))
def test_multiplying_a_series_multiplies_its_forecast_and_no_other(model, table, horizon, exponent, mantissa):
    factor = mantissa * 10.0**exponent
    first, *others = table.series
    multiplied = table.with_series(first._replace(values=factor * first.values), *others)
    one, other = (ahead(model, in_pyarrow(each.columns()), horizon) for each in (table, multiplied))
    check_same({first.name: one.pop(first.name)}, other, factor, rtol=1e-6)
    check_same(one, other)


@for_any(table=tables(least=2, most=5), horizon=HORIZONS, data=st.data())
def test_a_series_more_changes_no_other(model, table, horizon, data):
    left_out = data.draw(st.integers(1, max(1, len(table.series) - 1)))
    fewer = table.with_series(*(each for s, each in enumerate(table.series) if s != left_out))
    one, other = (ahead(model, in_pyarrow(each.columns()), horizon) for each in (fewer, table))
    check_same(one, other)


@for_any(table=tables(), longer=st.integers(2, 40), data=st.data())
def test_a_shorter_horizon_is_the_beginning_of_a_longer_one_also_beyond_the_direct_one(model, table, longer, data):
    shorter = data.draw(st.integers(1, longer))
    frame = in_pyarrow(table.columns())
    one, other = ahead(model, frame, shorter), ahead(model, frame, longer)
    check_same(one, {name: made[:shorter] for name, made in other.items()})


@for_any(table=tables(most=1), horizon=HORIZONS, data=st.data())
def test_a_forecast_within_a_table_is_that_of_the_table_cut_there(model, table, horizon, data):
    (series,) = table.series
    enough = np.flatnonzero(np.isfinite(series.values).cumsum() >= 2)
    origin = int(data.draw(st.sampled_from(list(enough))))
    cut = table.with_series(series._replace(values=series.values[: origin + 1], there=series.there[: origin + 1]))
    forecaster = small()
    forecaster.model_ = model
    whole = panel_from_frame(in_pyarrow(table.columns()))
    within = forecaster.predict_many(whole, np.array([origin]), horizon)[0, 0]
    alone = ahead(model, in_pyarrow(cut.columns()), horizon, frequency=whole.frequency.code)
    check_same(alone, {series.name: np.stack(list(quantile_columns("LSTM", within, LEVELS).values()), axis=1)})


# ------------------------------------------------------------------------------------------- poor series


@for_any(value=st.floats(-1e12, 1e12), horizon=HORIZONS)
def test_one_point_among_others_has_a_finite_forecast(model, value, horizon):
    frame = {"unique_id": [*("a" * 12), "b"], "ds": [*range(12), 11], "y": [*range(12), value]}
    made = ahead(model, frame, horizon)
    assert np.isfinite(made["b"]).all()


@for_any(count=st.integers(2, 60), horizon=HORIZONS)
def test_zeros_are_forecast_to_be_exactly_zero(model, count, horizon):
    (made,) = ahead(model, [0.0] * count, horizon).values()
    assert not made.any()


@for_any(count=st.integers(2, 60), value=st.floats(-1e12, 1e12), horizon=HORIZONS)
def test_a_constant_has_a_finite_forecast(model, count, value, horizon):
    (made,) = ahead(model, [value] * count, horizon).values()
    assert np.isfinite(made).all()


@for_any(table=tables(), data=st.data(), make=libraries)
def test_a_series_without_any_value_is_refused_by_its_name_or_left_out_when_asked(model, table, data, make):
    count = data.draw(st.integers(1, 10))
    empty = Series("the empty one", 0, np.full(count, np.nan), np.ones(count, bool))
    with_it = make(table.with_series(*table.series, empty).columns())
    with pytest.raises(DataError, match="series 'the empty one' holds no value at all"):
        forecast(with_it, 3, model)
    check_same(ahead(model, in_pyarrow(table.columns()), 3), ahead(model, with_it, 3, fix=["drop"]))


# ------------------------------------------------------------------------------------------- training


@for_any(12, table=tables(), scaling=st.sampled_from(["running", "auto", "fixed"]), seed=st.integers(0, 9))
def test_training_on_any_panel_gives_finite_forecasts_or_is_refused_in_words(model, table, scaling, seed):
    frame = in_pyarrow(table.columns())
    before = str(frame.to_pydict())
    forecaster = small(units=4, context=12, scaling=scaling, seed=seed)
    try:
        forecaster.fit(frame)
    except DataError as error:
        assert "at least" in str(error) or "needed" in str(error)
    else:
        made = numbers(forecaster.predict(20, LEVELS), 20)
        assert list(made) == [each.name for each in table.series]
        assert all(np.isfinite(rows).all() for rows in made.values())
        for each in table.series:
            if not np.nan_to_num(each.values).any():
                assert not made[each.name].any() or scaling == "fixed"
    assert str(frame.to_pydict()) == before


@for_any(6, columns=any_columns(), make=st.sampled_from([pd.DataFrame, pl.DataFrame, pa.table]))
def test_training_on_any_table_ends_in_a_forecast_or_is_refused_in_words(model, columns, make):
    forecaster = small(units=4, context=12, updates=2)
    try:
        made = forecaster.fit(make(columns)).predict(3)
    except GatecastError as error:
        assert str(error)
    else:
        assert all(np.isfinite(rows).all() for rows in numbers(made, 3).values())


# ------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("scaling", ["running", "fixed", "auto"])
@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e100])
def test_numbers_of_any_size_are_trained_on_and_forecast(scaling, size):
    values = size * np.sin(np.arange(60))
    forecaster = small(units=4, context=12, scaling=scaling).fit(values)
    (made,) = numbers(forecaster.predict(20, LEVELS), 20).values()
    assert np.isfinite(made).all()


def test_a_number_beyond_what_can_be_reckoned_with_is_refused_by_its_row(model):
    with pytest.raises(DataError, match=r"row 3 of column 'y' holds 1e\+101, and numbers are reckoned with up to"):
        forecast([1.0, 2.0, 1e101, 3.0], 3, model)
