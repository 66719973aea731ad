"""Many origins at once: the quick arithmetic is the plain one, and looks at nothing after an origin."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gatecast import bulk, predictor, runtime
from gatecast.config import DataConfig, NetworkConfig, RunConfig
from gatecast.constants import QUANTILES
from gatecast.covariates import Column, Widths
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.panel import panel_from_frame
from gatecast.runtime import read, weights_from_arrays, with_dtype
from gatecast.scaling import Covariates, Running, scale_series

AGREES = 1e-5  # of the scale at the origin


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    """Blocks short enough for a short series to have several."""
    monkeypatch.setattr(bulk, "SHORTEST", 64)


def weights_of(seed=0, units=8, layers=1, widths=None, forget=0.0):
    torch.manual_seed(seed)  # the network draws its own beginning
    arrays = export(Network(NetworkConfig(units=units, layers=layers, forget_bias=forget), widths))
    rng = np.random.default_rng(seed)
    random = {name: array + rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()}
    return weights_from_arrays(random)


def model_of(seasons=(24,), columns=(), widening=None, **made):
    widths = Widths(known=len(columns)) if columns else None
    settings = RunConfig(data=DataConfig(season_length=seasons))
    return Model(weights_of(widths=widths, **made), Running(seasons), settings, widening, columns)


def walks(series=1, steps=700, seed=0):
    return np.random.default_rng(seed).normal(size=(series, steps)).cumsum(1)


def both_ways(model, values_ST, origins, horizon, monkeypatch, more=None):
    """Forecasts of the plain arithmetic and of the quick one, and the scale at each origin."""
    made = []
    for many in (np.inf, 0):
        monkeypatch.setattr(predictor, "MANY", many)
        made.append(predictor.predict_many(model, values_ST, origins, horizon, more))
    return *made, scale_series(values_ST, model.scaling, more).scale_BT[:, origins, None, None]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("series", [1, 3])
@pytest.mark.parametrize("steps", [128, 701])
def test_reading_in_blocks_is_reading_in_order(layers, series, steps):
    weights = weights_of(layers=layers)
    inputs_BTC = scale_series(walks(series, steps), Running((7,))).inputs_BTC
    truth, _ = read(weights, inputs_BTC)
    np.testing.assert_allclose(bulk.read_long(weights, inputs_BTC), truth, atol=1e-8)
    quick = bulk.read_long(with_dtype(weights, np.float32), inputs_BTC)
    assert quick.dtype == np.float32
    np.testing.assert_allclose(quick, truth, atol=5e-6)


def test_what_remembers_everything_is_read_as_well():
    weights = weights_of(forget=8.0)  # a block never meets its own earlier path
    inputs_BTC = scale_series(walks(steps=1300), Running((7,))).inputs_BTC
    np.testing.assert_allclose(bulk.read_long(weights, inputs_BTC), read(weights, inputs_BTC)[0], atol=1e-8)


def test_blocks_do_not_wait_for_each_other_where_a_network_forgets_slowly(monkeypatch):
    """Cells that keep what they know for hundreds of steps: one block settled at a time would be walked 16 times."""
    weights = weights_of(forget=4.0)
    layer = weights.layers[0]
    weights = weights._replace(layers=(layer._replace(hidden_DK=0.1 * layer.hidden_DK),))
    walked, walk = [], bulk._walk
    monkeypatch.setattr(bulk, "_walk", lambda *given: walked.append(1) or walk(*given))
    inputs_BTC = scale_series(walks(steps=2048), Running((7,))).inputs_BTC
    np.testing.assert_allclose(bulk.read_long(weights, inputs_BTC), read(weights, inputs_BTC)[0], atol=1e-8)
    assert len(walked) < 10 * 2048 / bulk.SIDE_BY_SIDE / bulk.LOOK


def test_a_series_that_begins_late_is_read_in_order():
    weights, values = weights_of(), walks(steps=400)
    values[0, :90] = np.nan
    inputs_BTC = scale_series(values, Running((7,))).inputs_BTC
    found_BTD = bulk.read_long(weights, inputs_BTC)
    assert not found_BTD[0, :90].any()  # nothing has begun
    np.testing.assert_allclose(found_BTD, read(weights, inputs_BTC)[0], atol=1e-8)


@pytest.mark.parametrize("seasons", [(1,), (24,), (12, 90)])
@pytest.mark.parametrize("widening", [False, True])
def test_the_quick_arithmetic_is_the_plain_one(seasons, widening, monkeypatch):
    rng = np.random.default_rng(1)
    factors = np.exp(rng.normal(scale=0.2, size=(20, len(QUANTILES)))) if widening else None  # inner ones may be larger
    values = walks(2, seed=3) + 5 * np.sin(np.arange(700) / 4)
    values[0, 300:310], values[1, 500] = np.nan, np.nan
    origins = np.arange(40, 640, 3)  # the first lack candidates of a long season
    plain, quick, scale = both_ways(model_of(seasons, widening=factors), values, origins, 30, monkeypatch)
    assert (scale > 0).all()
    assert (np.abs(quick - plain) <= AGREES * scale).all()
    assert (np.diff(quick, axis=-1) >= 0).all()
    assert not np.array_equal(quick, plain)  # or nothing was compared


def test_columns_known_in_advance_are_read_as_well(monkeypatch):
    columns = tuple(Column(name, "known") for name in ("price", "heat"))
    known_JST = np.random.default_rng(2).normal(size=(2, 1, 500))
    known_JST[0, 0, 100:120] = np.nan
    model, origins = model_of(columns=columns), np.arange(200, 499, 2)
    plain, quick, scale = both_ways(model, walks(steps=500), origins, 12, monkeypatch, Covariates(None, known_JST))
    assert (np.abs(quick - plain) <= AGREES * scale).all()
    other = predictor.predict_many(model, walks(steps=500), origins, 12, Covariates(None, known_JST + 1))
    assert np.abs(other - quick).max() > 100 * AGREES  # the columns matter


def test_a_series_of_zeros_is_forecast_as_zeros(monkeypatch):
    plain, quick, _ = both_ways(model_of(), np.zeros((1, 200)), np.arange(50, 199), 5, monkeypatch)
    assert not plain.any() and not quick.any()


def rows(values_ST):
    """Series side by side as a panel."""
    series, steps = values_ST.shape
    names, ds = np.repeat([f"s{s:02d}" for s in range(series)], steps), np.tile(np.arange(steps), series)
    return panel_from_frame({"unique_id": names, "ds": ds, "y": values_ST.ravel()})


@pytest.mark.parametrize("unit", [1e-90, 1e-43, 1e43, 1e90])
def test_the_unit_of_a_series_is_that_of_its_forecast_however_large_or_small(unit, monkeypatch):
    monkeypatch.setattr(predictor, "MANY", 0)
    model, values, origins = model_of(), walks(steps=300), np.arange(50, 299)
    one, other = (predictor.predict_many(model, each, origins, 5) for each in (values, unit * values))
    np.testing.assert_allclose(other / unit, one, rtol=1e-4, atol=1e-4)
    ends = walks(40, steps=30)
    one, other = (predictor.forecast_panel(model, rows(each), 5) for each in (ends, unit * ends))
    np.testing.assert_allclose(other / unit, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("forget", [0.0, 4.0])
def test_values_after_an_origin_change_no_bit_of_its_forecast(forget, monkeypatch):
    monkeypatch.setattr(predictor, "MANY", 0)
    model, values, origins = model_of(forget=forget), walks(steps=900), np.arange(100, 900)
    changed = values.copy()
    changed[:, 451:] = 1e3 - 7 * changed[:, 451:]
    one, other = (predictor.predict_many(model, each, origins, 8) for each in (values, changed))
    known = origins <= 450
    assert np.array_equal(one[:, known], other[:, known])
    assert not np.array_equal(one, other)


def test_a_steep_path_is_read_in_float64(monkeypatch):
    model = model_of()
    head = model.weights.head
    steep = model.weights._replace(head=head._replace(path_DJ=head.path_DJ * 1e4))
    assert bulk.is_plain(model.weights) and not bulk.is_plain(steep)
    read_in = []
    monkeypatch.setattr(bulk, "read_long", lambda weights, x: read_in.append(weights) or runtime.read(weights, x)[0])
    origins = np.arange(100, 700)
    plain, quick, scale = both_ways(
        Model(steep, model.scaling, model.config, None, ()), walks(), origins, 9, monkeypatch
    )
    assert read_in[0].head.state_DE.dtype == np.float64
    assert (np.abs(quick - plain) <= AGREES * scale).all()


# ------------------------------------------------------------------------------------------- many series


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends_of_many_series_are_those_of_reading_them(layers, dtype):
    """Series that begin late are among them, one that begins with its last step, and one that never does."""
    values = walks(40, 90)
    values[3, :50], values[4, :-1], values[5], values[6, 20:40] = np.nan, np.nan, np.nan, np.nan
    inputs_BTC = scale_series(values, Running((7,))).inputs_BTC
    weights = weights_of(layers=layers)
    truth, _ = read(weights, inputs_BTC)
    ends = bulk.read_ends(with_dtype(weights, dtype), inputs_BTC)
    assert ends.dtype == dtype and not ends[5].any()
    np.testing.assert_allclose(ends, truth[:, -1], atol=5e-6 if dtype == np.float32 else 1e-12)


def ragged(series=70):
    """A panel of series of two lengths, with holes, and a column that is known in advance."""
    rng, lengths = np.random.default_rng(4), np.tile([60, 63], series // 2)
    names = np.repeat([f"s{s:02d}" for s in range(series)], lengths)
    days = np.concatenate([np.arange(63 - length, 63) for length in lengths])
    y = 10 + rng.normal(size=len(days)).cumsum()
    y[rng.random(len(y)) < 0.05] = np.nan
    table = {"unique_id": names, "ds": days, "y": y, "price": rng.normal(size=len(days))}
    return panel_from_frame(table, known=["price"]), {"price": rng.normal(size=(series, 9))}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("widened", [False, True])
def test_forecasts_of_many_series_are_those_of_few(known, widened, monkeypatch):
    panel, future = ragged()
    columns = (Column("price", "known"),) if known else ()
    widening = 1 + np.random.default_rng(0).random((9, len(QUANTILES))) if widened else None
    model = model_of((7,), columns, widening)
    quick = predictor.forecast_panel(model, panel, 9, future)
    calls = []
    monkeypatch.setattr(bulk, "read_ends", lambda *_: calls.append(1))
    monkeypatch.setattr(predictor, "ABREAST", 10**9)
    plain = predictor.forecast_panel(model, panel, 9, future)
    values_ST, _ = predictor.as_arrays(panel)
    scale_S = scale_series(values_ST, model.scaling).scale_BT[:, -1]
    assert not calls and (quick != plain).any()  # it was another path
    assert (np.abs(quick - plain) <= AGREES * scale_S[:, None, None]).all()


def test_a_forecast_of_many_series_depends_on_none_of_the_others(monkeypatch):
    panel, _ = ragged()
    model = model_of((7,))
    before = predictor.forecast_panel(model, panel, 9)
    values = panel.values.copy()
    values[: panel.lengths[0]] *= 3
    after = predictor.forecast_panel(model, replace(panel, values=values), 9)
    assert (before[0] != after[0]).any() and np.array_equal(before[1:], after[1:])


def test_beyond_the_direct_horizon_many_series_run_on_as_few_do(monkeypatch):
    panel, _ = ragged()
    model = model_of((7,))
    made = predictor.forecast_panel(model, panel, model.direct_horizon + 5)
    monkeypatch.setattr(predictor, "ABREAST", 10**9)
    np.testing.assert_array_equal(made, predictor.forecast_panel(model, panel, model.direct_horizon + 5))
