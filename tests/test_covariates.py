"""Columns beside the target: what is known in advance moves the forecast of its own step, and nothing later does."""

import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import (
    MOST_CATEGORIES,
    Column,
    Widths,
    column_from,
    encode,
    learn_column,
    outside,
    widths_of,
)
from gatecast.errors import DataError, OutsideTraining, SettingsError
from gatecast.forecaster import LSTMForecaster, learn_columns
from gatecast.metrics import rmse
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.panel import Panel, panel_from_arrays
from gatecast.predictor import (
    as_arrays,
    change_future,
    forecast_panel,
    full_sequence,
    outside_training,
    predict_many,
    unlike_training,
)
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Covariates, Running, fixed_from
from gatecast.stream import Stream

DIRECT = 8
HORIZONS = (5, DIRECT, 20)  # the last runs on over hidden steps, twice
WORDS = {"day": ("workday", "holiday", "bridge"), "town": ("Bonn", "Kiel", "Ulm")}
COLUMNS = (
    Column("rain", "past"),
    Column("price", "known", (), 10.0, 2.0, 5.0, 15.0),
    Column("day", "known", WORDS["day"][:2]),
    Column("area", "static", (), 100.0, 30.0, 50.0, 150.0),
    Column("town", "static", WORDS["town"][:2]),
)


def make_panel(lengths=(90, 60, 75), seed=0, columns=COLUMNS):
    """Series with every kind of column, in which values are missing here and there."""
    rng = np.random.default_rng(seed)
    total, frequency = sum(lengths), panel_from_arrays([1.0, 2.0]).frequency
    values = 20 + rng.normal(size=total).cumsum() + 3 * np.sin(np.arange(total) * 2 * np.pi / 7)
    holes = rng.random(total) < 0.1
    moving = {
        "rain": np.where(rng.random(total) < 0.1, np.nan, rng.exponential(4.0, total)),
        "price": np.where(rng.random(total) < 0.05, np.nan, 10 + 2 * rng.normal(size=total)),
        "day": rng.integers(0, 3, total).astype(float),
    }
    constant = {"area": rng.uniform(50, 150, len(lengths)), "town": np.arange(len(lengths)) % 3.0}
    names = {role: [column.name for column in columns if column.role == role] for role in Widths._fields}
    return Panel(
        tuple(f"series {place}" for place in range(len(lengths))),
        np.concatenate([np.arange(length) for length in lengths]),
        np.where(holes, np.nan, values),
        np.concatenate([[0], np.cumsum(lengths)]),
        frequency,
        {name: moving[name] for name in names["past"]},
        known={name: moving[name] for name in names["known"]},
        static={name: constant[name] for name in names["static"]},
        categories={name: words for name, words in WORDS.items() if name in {column.name for column in columns}},
    )


def make_model(kind="running", columns=COLUMNS, seed=0, units=6):
    """A model with random weights of the size that training gives, and intervals that are widened."""
    rng = np.random.default_rng(seed)
    arrays = export(Network(NetworkConfig(units=units), widths_of(columns)))
    weights = weights_from_arrays({name: rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()})
    scaling = Running((7,)) if kind == "running" else fixed_from(make_panel().values, (7,))
    widening = 1 + rng.random((DIRECT, len(QUANTILES)))
    return Model(weights, scaling, RunConfig(training=TrainingConfig(horizon=DIRECT)), widening, columns)


def future_of(panel, horizon, seed=5):
    rng = np.random.default_rng(seed)
    shape = (len(panel), horizon)
    return {"price": 10 + 2 * rng.normal(size=shape), "day": rng.integers(0, 3, shape).astype(float)}


def arrays_with_future(steps=90, ahead=40, seed=0):
    """One panel as arrays, in which the known-future columns go on after the end."""
    values_ST, more = as_arrays(make_panel(), COLUMNS)
    rng = np.random.default_rng(seed)
    later_JST = rng.normal(size=(*more.known_JBT.shape[:2], ahead))
    return values_ST[:, -steps:], more._replace(known_JBT=np.concatenate([more.known_JBT, later_JST], axis=2))


def sizes(made):
    return np.abs(made - made[..., MEDIAN : MEDIAN + 1]).max()


every_kind = pytest.mark.parametrize("kind", ["running", "fixed"])
every_horizon = pytest.mark.parametrize("horizon", HORIZONS)


# ------------------------------------------------------------------------------------------- nothing from the future


@every_kind
@every_horizon
def test_later_values_of_the_target_and_of_past_only_columns_change_no_forecast(kind, horizon):
    model, (values_ST, more) = make_model(kind), arrays_with_future()
    for origin in (35, 60):
        values, past = values_ST.copy(), more.past_PBT.copy()
        values[:, origin + 1 :], past[..., origin + 1 :] = 1e9, -1e9
        one = predict_many(model, values_ST, np.array([origin]), horizon, more)
        other = predict_many(model, values, np.array([origin]), horizon, more._replace(past_PBT=past))
        assert np.array_equal(one, other)


@every_kind
@every_horizon
def test_known_values_after_the_horizon_change_no_forecast(kind, horizon):
    model, (values_ST, more) = make_model(kind), arrays_with_future()
    for origin in (35, 60, 89):
        known = more.known_JBT.copy()
        known[..., origin + horizon + 1 :] = 1e9
        one = predict_many(model, values_ST, np.array([origin]), horizon, more)
        other = predict_many(model, values_ST, np.array([origin]), horizon, more._replace(known_JBT=known))
        assert np.array_equal(one, other)


@every_horizon
@pytest.mark.parametrize("column", range(3))  # a number, and two words
def test_a_known_value_moves_the_forecast_of_its_own_step_and_of_none_before_it(horizon, column):
    model, (values_ST, more) = make_model(), arrays_with_future()
    more = more._replace(known_JBT=np.nan_to_num(more.known_JBT))
    origin = 60
    one = predict_many(model, values_ST, np.array([origin]), horizon, more)[:, 0]
    for step in range(1, horizon + 1):
        known = more.known_JBT.copy()
        known[column, :, origin + step] += 1
        other = predict_many(model, values_ST, np.array([origin]), horizon, more._replace(known_JBT=known))[:, 0]
        moved = np.abs(other - one)[..., MEDIAN]
        assert not moved[:, : step - 1].any()
        assert (moved[:, step - 1] > 0).all()
        within = (step - 1) // DIRECT * DIRECT + DIRECT  # the state reads it before it is asked again
        assert not moved[:, step:within].any()
        assert (moved[:, within:] > 0).all()


def test_the_forecast_of_a_panel_reads_its_future_and_no_series_reads_anothers():
    model, panel = make_model(), make_panel()
    for horizon in HORIZONS:
        future = future_of(panel, horizon)
        changed = {name: values.copy() for name, values in future.items()}
        changed["price"][1, -1] += 3
        one, other = (forecast_panel(model, panel, horizon, plan) for plan in (future, changed))
        assert np.array_equal(one[[0, 2]], other[[0, 2]])
        assert np.array_equal(one[1, :-1], other[1, :-1])
        assert (one[1, -1] != other[1, -1]).all()


@every_horizon
def test_an_origin_forecasts_as_if_the_series_ended_there_and_the_plan_was_what_came(horizon):
    model, panel = make_model(), make_panel((90,))
    values_ST, more = as_arrays(panel, COLUMNS)
    many = predict_many(model, values_ST, np.array([40, 65]), horizon, more)[0]
    for place, origin in enumerate((40, 65)):
        ahead = {name: column[None, origin + 1 : origin + 1 + horizon] for name, column in panel.known.items()}
        gone = {name: np.isnan(column) for name, column in ahead.items()}
        if any(mask.any() for mask in gone.values()):
            continue  # a plan has no holes
        alone = forecast_panel(model, panel.head(origin + 1), horizon, ahead)[0]
        np.testing.assert_allclose(alone, many[place], rtol=0, atol=1e-6 * sizes(alone))


# ------------------------------------------------------------------------------------------- a stream


@every_kind
@every_horizon
def test_a_stream_with_columns_of_every_role_is_one_pass(kind, horizon):
    model, (values_ST, more) = make_model(kind), arrays_with_future()
    past_PT, known_JT, static_G = (part[:, 1] for part in more)
    origins = np.array([30, 31, 45, 60, 61, 62, 75, 80, 88, 89])
    passed = predict_many(model, values_ST[1:2], origins, horizon, more.rows(slice(1, 2)))[0]
    stream, differences = Stream(model, static_G), []
    for t, value in enumerate(values_ST[1]):
        stream.update(value, past_PT[:, t], known_JT[:, t])
        if t in origins:
            made = stream.forecast(horizon, known_JT[:, t + 1 : t + 1 + horizon].T)
            expected = passed[list(origins).index(t)]
            differences.append(np.abs(made - expected).max() / max(1.0, sizes(expected)))
    assert max(differences) <= 1e-6  # an input is float32: the last bit of one may differ, and nearly never does
    assert np.median(differences) <= 1e-9


def test_a_copy_of_a_stream_is_independent_of_its_original():
    model, (values_ST, more) = make_model(), arrays_with_future()
    past_PT, known_JT, static_G = (part[:, 0] for part in more)
    stream = Stream(model, static_G)
    for t in range(60):
        stream.update(values_ST[0, t], past_PT[:, t], known_JT[:, t])
    ahead_HJ = known_JT[:, 60:80].T
    before = stream.forecast(20, ahead_HJ)
    copy = stream.copy()
    assert np.array_equal(copy.forecast(20, ahead_HJ), before)
    for t in range(60, 90):
        copy.update(values_ST[0, t], past_PT[:, t], known_JT[:, t])
    assert np.array_equal(stream.forecast(20, ahead_HJ), before)
    for t in range(60, 90):
        stream.update(values_ST[0, t], past_PT[:, t], known_JT[:, t])
    assert np.array_equal(stream.forecast(20, ahead_HJ), copy.forecast(20, ahead_HJ))


# ------------------------------------------------------------------------------------------- units


@every_horizon
@pytest.mark.parametrize("c", [1e-6, 0.37, 1000.0])
def test_multiplying_the_target_multiplies_its_forecast(horizon, c):
    model, panel = make_model(), make_panel()
    future = future_of(panel, horizon)
    one, other = (
        forecast_panel(model, each, horizon, future) for each in (panel, replace(panel, values=c * panel.values))
    )
    np.testing.assert_allclose(other, c * one, rtol=1e-6, atol=1e-6 * c * sizes(one))


def small_forecaster(**changes):
    training = {"scaling": "running", "context": 24, "horizon": 6, "updates": 12, "batch": 4, "origins": 4, "steps": 3}
    return LSTMForecaster(NetworkConfig(units=5), TrainingConfig(**{**training, **changes}), season_length=(7,))


def in_units(panel, future, name, a, b):
    """The panel and its plan with a column as a x + b."""
    changed = {}
    for role in ("inputs", "known", "static"):
        table = getattr(panel, role)
        changed[role] = table | ({name: a * table[name] + b} if name in table else {})
    return replace(panel, **changed), future | ({name: a * future[name] + b} if name in future else {})


@pytest.mark.parametrize(
    ("name", "a", "b"), [("price", 100.0, 0.0), ("price", 1.8, 32.0), ("area", 1e-3, 7.0), ("rain", 25.4, 0.0)]
)
def test_the_units_of_a_column_do_not_matter_when_it_is_fitted_anew(name, a, b):
    panel = make_panel()
    future = future_of(panel, 20)
    other_panel, other_future = in_units(panel, future, name, a, b)
    first, anew = (small_forecaster(updates=40).fit_panel(each, 8).model_ for each in (panel, other_panel))
    one, other = forecast_panel(first, panel, 20, future), forecast_panel(anew, other_panel, 20, other_future)
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-6 * np.abs(one).max())
    mixed_up = np.abs(forecast_panel(first, other_panel, 20, other_future) - one).max()
    assert mixed_up == 0 if name == "rain" else mixed_up > 1e-4 * np.abs(one).max()  # a past-only one has no units


# ------------------------------------------------------------------------------------------- series beside each other


def test_a_static_value_enters_the_forecast_of_its_own_series_only():
    model, panel = make_model(), make_panel()
    for horizon in HORIZONS:
        future = future_of(panel, horizon)
        one = forecast_panel(model, panel, horizon, future)
        for name in ("area", "town"):
            column = panel.static[name].copy()
            column[1] = 0.0
            other = forecast_panel(model, replace(panel, static=panel.static | {name: column}), horizon, future)
            assert np.array_equal(one[[0, 2]], other[[0, 2]])
            assert (one[1] != other[1]).all()


@every_horizon
def test_the_order_of_the_series_does_not_matter(horizon):
    model, panel = make_model(), make_panel()
    future, order = future_of(panel, horizon), [2, 0, 1]
    rows = np.concatenate([np.arange(panel.offsets[s], panel.offsets[s + 1]) for s in order])

    def taken(table, places):
        return {name: column[places] for name, column in table.items()}

    turned = replace(
        panel,
        ids=tuple(panel.ids[s] for s in order),
        times=panel.times[rows],
        values=panel.values[rows],
        offsets=np.concatenate([[0], np.cumsum(panel.lengths[order])]),
        inputs=taken(panel.inputs, rows),
        known=taken(panel.known, rows),
        static=taken(panel.static, order),
    )
    one, other = (
        forecast_panel(model, panel, horizon, future),
        forecast_panel(model, turned, horizon, taken(future, order)),
    )
    np.testing.assert_allclose(other, one[order], rtol=0, atol=1e-9 * sizes(one))


@every_horizon
def test_steps_before_a_series_begins_do_not_matter(horizon):
    model, (values_ST, more) = make_model(), arrays_with_future()
    padded = [
        None if part is None else np.pad(part, ((0, 0), (0, 0), (37, 0)), constant_values=np.nan) for part in more[:2]
    ]
    longer = np.pad(values_ST, ((0, 0), (37, 0)), constant_values=np.nan)
    origins = np.array([60, 89])
    one = predict_many(model, values_ST, origins, horizon, more)
    other = predict_many(model, longer, origins + 37, horizon, Covariates(*padded, more.static_GB))
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-9 * sizes(one))


# ------------------------------------------------------------------------------------------- what is refused


def test_a_future_that_is_not_given_is_refused():
    model, panel = make_model(), make_panel()
    future = future_of(panel, 5)
    with pytest.raises(DataError, match=r"reads 'price' in advance; give its values for the 5 steps ahead"):
        forecast_panel(model, panel, 5)
    with pytest.raises(DataError, match="reads 'day' in advance"):
        forecast_panel(model, panel, 5, {"price": future["price"]})


def test_a_missing_future_value_is_named_by_series_column_and_step():
    model, panel = make_model(), make_panel()
    future = future_of(panel, 5)
    future["day"][1, 3] = future["day"][2, 0] = np.nan
    with pytest.raises(DataError, match=r"'day' lacks 2 value\(s\), first of series 'series 1' 4 step\(s\) ahead"):
        forecast_panel(model, panel, 5, future)
    future["price"][0, 0] = np.inf
    with pytest.raises(DataError, match=r"'price' lacks 1 value\(s\), first of series 'series 0' 1 step\(s\) ahead"):
        forecast_panel(model, panel, 5, future)


@pytest.mark.parametrize("shape", [(3, 4), (3, 6), (2, 5), (5,), ()])
def test_a_future_of_another_shape_is_refused(shape):
    model, panel = make_model(), make_panel()
    with pytest.raises(DataError, match=r"'price' has shape .*; give 3 series x 5 steps"):
        forecast_panel(model, panel, 5, future_of(panel, 5) | {"price": np.ones(shape)})


@pytest.mark.parametrize(
    ("name", "asked"), [("rain", "inputs"), ("price", "known"), ("day", "known"), ("area", "static")]
)
def test_a_column_that_the_table_lacks_is_refused(name, asked):
    lacking = make_panel(columns=tuple(column for column in COLUMNS if column.name != name))
    with pytest.raises(DataError, match=rf"reads {name}, which the table does not hold as one of its {asked} columns"):
        forecast_panel(make_model(), lacking, 5, future_of(lacking, 5))


def test_a_column_in_another_role_is_refused():
    panel = make_panel()
    wrong = replace(panel, inputs=panel.inputs | {"price": panel.known["price"]}, known={"day": panel.known["day"]})
    with pytest.raises(DataError, match="reads price, which the table does not hold as one of its known columns"):
        forecast_panel(make_model(), wrong, 5, future_of(panel, 5))


# ------------------------------------------------------------------------------------------- words and ranges


def test_a_word_the_model_does_not_know_is_neither_of_those_it_knows():
    column = Column("day", "known", ("workday", "holiday"))
    codes, labels = np.array([0.0, 2.0, 1.0, np.nan]), ("workday", "holiday", "bridge")
    np.testing.assert_array_equal(encode(column, codes, labels), [[1, 0, 0, np.nan], [0, 0, 1, np.nan]])
    assert outside(column, codes, labels) == "day holds 'bridge', which training did not see"
    assert outside(column, codes[[0, 2, 3]], labels) == ""


def test_the_order_of_the_words_in_a_table_does_not_matter():
    column = Column("day", "known", ("workday", "holiday"))
    one = encode(column, np.array([0.0, 1.0, 1.0]), ("workday", "holiday"))
    other = encode(column, np.array([2.0, 0.0, 0.0]), ("holiday", "bridge", "workday"))
    assert np.array_equal(one, other)


def test_no_more_than_the_most_common_words_get_a_column():
    labels = [f"word {place}" for place in range(100)]
    codes = np.repeat(np.arange(100.0), np.arange(1, 101))
    column = learn_column("x", "static", codes, labels)
    assert column.categories == tuple(labels[-MOST_CATEGORIES:])
    assert encode(column, np.arange(100.0), labels).shape == (MOST_CATEGORIES, 100)
    assert column.width == MOST_CATEGORIES


def test_what_a_column_is_worth_is_learnt_from_the_training_part_alone():
    panel = make_panel()
    last = np.concatenate([np.arange(length) >= length - 10 for length in panel.lengths])
    later = {name: np.where(last, 1e6 if name == "price" else 2.0, column) for name, column in panel.known.items()}
    rain = {"rain": np.where(last, -1e6, panel.inputs["rain"])}
    changed = replace(panel, known=later, inputs=rain)
    assert learn_columns(panel, 10) == learn_columns(changed, 10)
    assert learn_columns(panel, 9) != learn_columns(changed, 9)
    assert [(column.name, column.role) for column in learn_columns(panel, 10)] == [
        (column.name, column.role) for column in COLUMNS
    ]


def test_numbers_known_in_advance_are_centred_and_scaled_and_past_ones_are_not():
    seen = np.array([1.0, 3.0, np.nan, 5.0])
    known, past = learn_column("x", "known", seen), learn_column("x", "past", seen)
    assert (known.centre, known.spread) == (3.0, pytest.approx(np.std([1, 3, 5])))
    assert (past.centre, past.spread) == (0.0, 1.0)
    assert (past.lowest, past.highest) == (known.lowest, known.highest) == (1.0, 5.0)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_a_constant_column_has_a_spread_of_one(value):
    column = learn_column("x", "known", np.full(99, value))
    assert column.spread == 1.0
    np.testing.assert_allclose(encode(column, np.full(3, value)), 0.0, atol=1e-12 * max(1, abs(value)))


@pytest.mark.parametrize("size", [1e-300, 1e200, 1e308])
def test_a_column_of_any_size_is_centred_and_scaled(size):
    values = np.array([-1.0, 1.0, 0.5, 0.0]) * size
    column = learn_column("x", "known", values)
    assert column.spread == pytest.approx(np.std([-1, 1, 0.5, 0]) * size)
    np.testing.assert_allclose(encode(column, values)[0].std(), 1.0)
    assert column_from(column.as_dict()) == column


def test_a_column_of_nothing_is_read_as_it_is():
    assert learn_column("x", "known", np.full(5, np.nan)) == Column("x", "known")
    assert outside(Column("x", "known"), np.array([1e9])) == ""


def test_a_plan_outside_what_training_saw_is_said_in_words_and_one_inside_is_not():
    model, panel = make_model(), make_panel()
    inside = {"price": np.full((3, 5), 15.0), "day": np.zeros((3, 5))}
    assert outside_training(model, panel, inside) == []
    assert outside_training(model, panel, inside | {"price": np.full((3, 5), 4.5)}) == [
        "price goes to 4.5, training saw 5 to 15"
    ]
    found = outside_training(model, panel, {"price": np.full((3, 5), 99.0), "day": np.full((3, 5), 2.0)})
    assert found == ["price goes to 99, training saw 5 to 15", "day holds 'bridge', which training did not see"]
    assert set(found) <= set(
        unlike_training(model, panel, {"price": np.full((3, 5), 99.0), "day": np.full((3, 5), 2.0)})
    )
    assert unlike_training(model, panel, inside) == []


def in_words(data, panel):
    """What is unlike the training of each series in turn, as plainly as it can be written."""
    low, high = data["lowest"], data["highest"]
    for s in range(len(panel)):
        values = panel.series_values(s)
        newest = values[np.isfinite(values)][-1]
        if not 2 * low - high <= newest <= 2 * high - low:
            return [f"the model was trained on values from {low:g} to {high:g}, {panel.ids[s]} ends at {newest:g}"]
    return []


@pytest.mark.parametrize("seed", range(20))
def test_the_first_series_that_ends_far_outside_what_training_saw_is_named(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, 30)
    values = rng.normal(size=lengths.sum())
    values[rng.random(len(values)) < 0.4] = np.nan
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    values[offsets[:-1]] = rng.normal(size=30)  # every series has a value
    panel = panel_from_arrays(values)
    panel = replace(panel, ids=tuple(f"s{s}" for s in range(30)), offsets=offsets)
    edge = float(np.abs(values[np.isfinite(values)]).max())
    for size in (0.1, edge / 3, edge):  # of the last all are inside: 3 x the size and no further
        data = {"lowest": -size, "highest": size}
        found = unlike_training(replace(make_model(), columns=(), card={"data": data}), panel)
        assert found == in_words(data, panel)
    assert found == []


def test_a_series_that_ends_with_missing_values_is_judged_by_its_newest_and_one_without_values_is_not():
    panel = panel_from_arrays([1.0, 50.0, np.nan, np.nan, np.nan, np.nan, 2.0, 3.0])
    panel = replace(panel, ids=("a", "b", "c"), offsets=np.array([0, 4, 6, 8]))
    model = replace(make_model(), columns=(), card={"data": {"lowest": 0.0, "highest": 10.0}})
    assert unlike_training(model, panel) == ["the model was trained on values from 0 to 10, a ends at 50"]
    assert unlike_training(model, panel.select(2)) == unlike_training(model, panel.select(1)) == []


# ------------------------------------------------------------------------------------------- what if


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (7, [[7.0] * 4] * 3),
        (7.5, [[7.5] * 4] * 3),
        ([1, 2, 3, 4], [[1.0, 2, 3, 4]] * 3),
        (np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4)),
        (lambda planned: 2 * planned, [[2.0] * 4] * 3),
    ],
)
def test_numbers_of_a_plan_are_changed_by_a_number_a_list_or_a_function(change, expected):
    planned = {"price": np.ones((3, 4)), "day": np.zeros((3, 4))}
    changed = change_future(make_model(), make_panel(), planned, {"price": change})
    np.testing.assert_array_equal(changed["price"], expected)
    assert np.array_equal(changed["day"], planned["day"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("holiday", [[1.0] * 4] * 3),
        (["holiday", "workday", "bridge", "holiday"], [[1.0, 0, 2, 1]] * 3),
        (lambda planned: 1 - planned, [[1.0] * 4] * 3),
    ],
)
def test_words_of_a_plan_are_changed_by_words(change, expected):
    planned = {"price": np.ones((3, 4)), "day": np.zeros((3, 4))}
    changed = change_future(make_model(), make_panel(), planned, {"day": change})
    np.testing.assert_array_equal(changed["day"], expected)


def test_a_plan_is_never_changed_in_place():
    def overwrite(planned):
        planned[:] = 99
        return planned

    planned = {"price": np.ones((3, 4)), "day": np.zeros((3, 4))}
    for change in (overwrite, 5.0):
        changed = change_future(make_model(), make_panel(), planned, {"price": change})
        changed["price"][:] = -1
        assert (planned["price"] == 1).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prize": 3}, r"'prize' is not a column known in advance\. Did you mean 'price'\? The model reads price, day"),
        ({"rain": 3}, "'rain' is not a column known in advance"),
        (
            {"price": [1, 2, 3]},
            r"the change of price has shape \(3,\); give one number, or one for each of the 4 steps",
        ),
        ({"price": lambda planned: planned[:, :2]}, r"the change of price has shape \(3, 2\)"),
        ({"price": "cheap"}, "the change of price"),
        ({"price": {"a": 1}}, "the change of price"),
        ({"day": "sunday"}, "day has no 'sunday'; it has workday, holiday, bridge"),
        ({"day": ["holiday", "sunday"]}, "day has no 'sunday'"),
        ({"day": 1}, "day has no 1"),
        ({"day": ["holiday"] * 3}, r"the change of day has shape \(3,\)"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(changes, said):
    planned = {"price": np.ones((3, 4)), "day": np.zeros((3, 4))}
    with pytest.raises(SettingsError, match=said):
        change_future(make_model(), make_panel(), planned, changes)


def test_a_changed_plan_changes_the_forecast_of_the_changed_steps():
    model, panel = make_model(), make_panel()
    planned = future_of(panel, 5)
    prices = planned["price"].copy()
    prices[:, 2] += 2
    changed = change_future(model, panel, planned, {"price": lambda _: prices})
    one, other = (forecast_panel(model, panel, 5, plan)[..., MEDIAN] for plan in (planned, changed))
    assert ((one != other) == (np.arange(5) == 2)).all()


@pytest.fixture(scope="module")
def fitted():
    """One forecaster for all that only looks at it."""
    return small_forecaster(updates=40).fit_panel(make_panel(), 8)


def plan_as_table(panel, future):
    """A plan as a user gives it: one row per series and step ahead, words as words."""
    horizon = future["price"].shape[1]
    ends = panel.lengths.repeat(horizon)
    return pa.table(
        {
            "unique_id": np.repeat(panel.ids, horizon),
            "ds": ends + np.tile(np.arange(horizon), len(panel)),
            "price": future["price"].ravel(),
            "day": [WORDS["day"][int(code)] for code in future["day"].ravel()],
        }
    )


@every_horizon
def test_a_plan_given_as_a_table_is_read_as_it_is_written(fitted, horizon):
    panel = make_panel()
    future = future_of(panel, horizon)
    made = np.asarray(fitted.predict(horizon, future=plan_as_table(panel, future))["LSTM"])
    expected = forecast_panel(fitted.model_, panel, horizon, future)[..., MEDIAN]
    assert np.array_equal(made, expected.ravel())
    with pytest.raises(DataError, match="price"):
        fitted.predict(horizon)


def test_what_if_gives_the_plan_and_the_change_side_by_side(fitted):
    panel = make_panel()
    future = future_of(panel, 10)
    future["day"] = np.minimum(future["day"], 1)
    table = plan_as_table(panel, {**future, "price": np.clip(future["price"], 8, 12)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = fitted.what_if(10, {"price": lambda planned: planned + 1, "day": "holiday"}, [80], table)
    assert made.column_names == [
        *("unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80", "WhatIf", "WhatIf-lo-80", "WhatIf-hi-80")
    ]
    assert np.array_equal(made["LSTM"], fitted.predict(10, future=table)["LSTM"])
    changed = {"price": np.clip(future["price"], 8, 12) + 1, "day": np.ones((3, 10))}
    expected = forecast_panel(fitted.model_, panel, 10, changed)[..., MEDIAN].ravel()
    assert np.array_equal(made["WhatIf"], expected)
    assert not np.array_equal(made["WhatIf"], made["LSTM"])


@pytest.mark.parametrize("change", [1e6, -3.0])
def test_what_if_warns_where_training_saw_nothing(fitted, change):
    panel = make_panel()
    table = plan_as_table(panel, {"price": np.full((3, 5), 10.0), "day": np.zeros((3, 5))})
    with pytest.warns(OutsideTraining, match=r"price goes to .*, training saw .*; do not trust this forecast"):
        fitted.what_if(5, {"price": change}, future=table)


# ------------------------------------------------------------------------------------------- saved is loaded


def test_a_fitted_model_with_columns_of_every_role_is_loaded_as_it_was_saved(tmp_path):
    panel = make_panel()
    fitted = small_forecaster().fit_panel(panel, 8)
    fitted.save(tmp_path / "model.safetensors")
    loaded = LSTMForecaster().load(tmp_path / "model.safetensors")
    assert loaded.model_.columns == fitted.model_.columns == learn_columns(panel, 8)
    assert loaded.model_.config == fitted.model_.config
    assert loaded.model_.config.data.known == loaded.model_.reads("known") == ("price", "day")
    future = future_of(panel, 20)
    one, other = (forecast_panel(each.model_, panel, 20, future) for each in (fitted, loaded))
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-6 * np.abs(one).max())


# ------------------------------------------------------------------------------------------- the full sequence


def test_in_a_full_sequence_past_only_columns_are_hidden_and_known_ones_are_read_to_its_end():
    model, (values_ST, more) = make_model(), arrays_with_future()
    origin, steps = 50, 20

    def run(more, block):
        return full_sequence(model, values_ST[0, : origin + 1], steps, block, more.rows(slice(0, 1)))

    for block in (1, 5):
        made = run(more, block)
        past, known = more.past_PBT.copy(), more.known_JBT.copy()
        past[..., origin + 1 :] = 1e9
        known[..., origin + steps + 1 :] = 1e9
        poisoned = more._replace(past_PBT=past, known_JBT=known)
        assert np.array_equal(run(poisoned, block), made)
        assert np.array_equal(run(more.until(origin + 1, steps), block), made)
        known = more.known_JBT.copy()
        known[..., origin + steps] += 1
        changed = run(more._replace(known_JBT=known), block)
        assert np.array_equal(changed[:-1], made[:-1])
        assert changed[-1] != made[-1]


@pytest.mark.parametrize("block", [1, 4])
def test_a_full_sequence_feeds_back_the_target_and_nothing_else(block):
    """It is what one gets by forecasting, appending the medians to the target and nothing to a past-only column."""
    model, (values_ST, more) = make_model(), arrays_with_future()
    origin, steps = 50, 10
    told, one = values_ST[:1, : origin + 1], more.rows(slice(0, 1))
    while told.shape[1] <= origin + steps:
        end = told.shape[1]
        hidden = np.full((1, 1, end - origin - 1), np.nan)
        known = Covariates(
            np.concatenate([one.past_PBT[..., : origin + 1], hidden], axis=2), one.known_JBT, one.static_GB
        )
        ahead = predict_many(model, told, np.array([end - 1]), block, known)[:, 0, :, MEDIAN]
        told = np.concatenate([told, ahead], axis=1)
    made = full_sequence(model, values_ST[0, : origin + 1], steps, block, one)
    np.testing.assert_allclose(made, told[0, origin + 1 :][:steps], rtol=1e-6)


def test_the_full_sequence_of_a_forecaster_reads_nothing_after_its_origin_but_the_plan():
    panel = make_panel((90,))
    fitted = small_forecaster(updates=2).fit_panel(panel, 8)
    later = np.arange(90) > 60
    poisoned = replace(
        panel,
        values=np.where(later, 1e9, panel.values),
        inputs={"rain": np.where(later, 1e9, panel.inputs["rain"])},
        known={name: np.where(np.arange(90) > 75, 1e9, column) for name, column in panel.known.items()},
    )
    made = fitted.full_sequence(panel, 60, 15, 3)
    assert np.array_equal(fitted.full_sequence(poisoned, 60, 15, 3), made)
    price = panel.known | {"price": panel.known["price"] + (np.arange(90) == 70)}
    assert not np.array_equal(fitted.full_sequence(replace(panel, known=price), 60, 15, 3), made)


# ------------------------------------------------------------------------------------------- it learns


def learner(**changes):
    training = {"scaling": "running", "context": 48, "horizon": 12, "updates": 200, "batch": 8, "steps": 4}
    return LSTMForecaster(NetworkConfig(units=12), TrainingConfig(**{**training, **changes}), season_length=(7,))


def test_a_promotion_that_is_known_in_advance_is_learnt():
    rng = np.random.default_rng(0)
    steps, test = 500, 400
    promo = (rng.random(steps) < 0.2).astype(float)
    values = 100 + 10 * np.sin(2 * np.pi * np.arange(steps) / 7) + 25 * promo + 3 * rng.normal(size=steps)
    plain = panel_from_arrays(values)
    told = replace(plain, known={"promo": promo})
    origins = np.arange(test - 1, steps - 8)
    truth = values[origins[:, None] + np.arange(1, 8)]
    errors = []
    for panel in (plain, told):
        model = learner().fit_panel(panel.head(test), 50)
        made = model.predict_many(panel, origins, 7)[0, ..., MEDIAN]
        errors.append(rmse(truth, made))
    assert errors[1] < 0.7 * errors[0]


def test_a_static_column_that_decides_the_sign_of_a_trend_is_learnt():
    """Every series is flat at first; where it goes then is in the static column only."""
    rng = np.random.default_rng(1)
    series, flat, steps = 40, 30, 60
    sign = rng.choice([-1.0, 1.0], series)
    trend = 0.8 * np.maximum(np.arange(steps) - flat + 1, 0)
    values_ST = 50 + sign[:, None] * trend + rng.normal(size=(series, steps))
    offsets = steps * np.arange(series + 1)
    plain = Panel(
        tuple(map(str, range(series))),
        np.tile(np.arange(steps), series),
        values_ST.ravel(),
        offsets,
        panel_from_arrays(values_ST[0]).frequency,
    )
    told = replace(plain, static={"kind": sign})
    unseen = rng.choice([-1.0, 1.0], 30)
    truth = 50 + unseen[:, None] * trend[flat : flat + 12] + rng.normal(size=(30, 12))
    begun = 50 + rng.normal(size=(30, flat))
    errors = []
    for panel in (plain, told):
        model = learner(hide=0.0).fit_panel(panel, 6).model_
        fresh = replace(
            panel,
            ids=tuple(map(str, range(30))),
            times=np.tile(np.arange(flat), 30),
            values=begun.ravel(),
            offsets=flat * np.arange(31),
            static={"kind": unseen} if panel.static else {},
        )
        errors.append(rmse(truth, forecast_panel(model, fresh, 12)[..., MEDIAN]))
    assert errors[1] < 0.7 * errors[0]


def test_nothing_is_warned_of_while_reading_absurd_columns():
    model, (values_ST, more) = make_model(), arrays_with_future()
    absurd = Covariates(1e300 * more.past_PBT, 1e150 * more.known_JBT, 1e150 * more.static_GB)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(predict_many(model, values_ST, np.array([60, 89]), 20, absurd)).all()
