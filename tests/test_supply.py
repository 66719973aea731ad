"""Training draws from all of a few series, or from crops of many; either way nothing of a validation part is learnt."""

from dataclasses import replace

import numpy as np
import pytest

from gatecast import predictor, supply, training
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column, Widths, widths_of
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.metrics import rmse
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.panel import Panel, panel_from_arrays
from gatecast.predictor import as_arrays, forecast_planes, run_on
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Running
from gatecast.stream import Stream
from gatecast.supply import CROPS, JUDGED, RUN_IN, WHOLE, MemoryPlanes, Supply, read_planes
from gatecast.training import STEADY
from gatecast.windows import sample, training_set, validation_batch

COLUMNS = (
    Column("rain", "past"),
    Column("price", "known"),
    Column("day", "known", ("holiday", "workday")),
    Column("area", "static"),
)
VALIDATION, REACH = 20, 30


def make_panel(lengths, seed=0, columns=()):
    """Series with a season of seven steps, and the columns asked for."""
    rng = np.random.default_rng(seed)
    total = int(sum(lengths))
    steps = np.concatenate([np.arange(length) for length in lengths])
    days = rng.integers(0, 2, total).astype(float)
    table = {
        "past": {"rain": rng.exponential(4.0, total)},
        "known": {"price": rng.normal(size=total), "day": days},
        "static": {"area": rng.normal(size=len(lengths))},
    }
    chosen = {
        role: {column.name: table[role][column.name] for column in columns if column.role == role} for role in table
    }
    return Panel(
        tuple(f"series {place}" for place in range(len(lengths))),
        steps,
        20 + 4 * np.sin(2 * np.pi * steps / 7) + rng.normal(size=total),
        np.concatenate([[0], np.cumsum(lengths)]),
        panel_from_arrays([1.0, 2.0]).frequency,
        chosen["past"],
        known=chosen["known"],
        static=chosen["static"],
        categories={"day": ("workday", "holiday")},
    )


class Counted:
    """Series that hold no memory: the value at step t of series s is s + t / 10^9, and every cut is counted."""

    widths = Widths()

    def __init__(self, lengths):
        self.lengths = np.asarray(lengths, np.int64)
        self.static_GS = np.zeros((0, len(self.lengths)))
        self.cells = 0

    def cut(self, s, begin, end):
        assert 0 <= begin <= end <= self.lengths[s]
        self.cells += end - begin
        return s + np.arange(begin, end)[None] / 1e9


def supply_of(planes, validation=VALIDATION, reach=REACH, season=1):
    return Supply(planes, validation, reach, season)


def poisoned(panel, validation=VALIDATION):
    """The panel with 1e9 for every value of its validation parts, columns included."""
    last = np.concatenate([np.arange(length) >= length - validation for length in panel.lengths])
    return replace(
        panel,
        values=np.where(last, 1e9, panel.values),
        inputs={name: np.where(last, 1e9, column) for name, column in panel.inputs.items()},
        known={name: np.where(last, 1e9, column) for name, column in panel.known.items() if name != "day"}
        | {name: column for name, column in panel.known.items() if name == "day"},
    )


def same(one, other):
    parts = [(one.values_ST, other.values_ST), *zip(one.more or (), other.more or (), strict=True)]
    return one.training == other.training and all(
        (a is None and b is None) or np.array_equal(a, b, equal_nan=True) for a, b in parts
    )


@pytest.fixture
def in_crops(monkeypatch):
    """A panel of any size is served in crops."""
    monkeypatch.setattr(supply, "WHOLE", 0)


# ------------------------------------------------------------------------------------------- whole or in crops


def test_a_panel_that_fits_is_served_whole_and_is_always_the_same():
    panel = make_panel([100, 60, 10], columns=COLUMNS)
    found = supply_of(MemoryPlanes(panel, COLUMNS))
    part = found.pool(np.random.default_rng(0))
    values_ST, more = as_arrays(panel, COLUMNS)
    assert found.whole
    assert same(part, supply.Part(values_ST, 100 - VALIDATION, more))
    assert part is found.judged() is found.pool(np.random.default_rng(1))


def test_the_threshold_counts_series_times_the_longest():
    longest = WHOLE // 10
    assert supply_of(Counted([longest] + [50] * 9)).whole
    assert not supply_of(Counted([longest + 1] + [50] * 9)).whole


def test_of_a_whole_panel_only_observed_values_are_counted():
    panel = make_panel([100, 60])
    panel.values[:5] = np.nan  # of the first series' training part
    panel.values[-3:] = np.nan  # of the second one's validation part
    found = supply_of(MemoryPlanes(panel, ()))
    assert (found.series, found.steps, found.known) == (2, 160 - 8, 160 - 2 * VALIDATION - 5)


# ------------------------------------------------------------------------------------------- what is trained on


@pytest.mark.usefixtures("in_crops")
def test_no_value_of_a_validation_part_is_ever_in_a_pool():
    panel = poisoned(make_panel([400, 90, 21, 23, 300], columns=COLUMNS))
    found = supply_of(MemoryPlanes(panel, COLUMNS))
    assert not found.whole
    for seed in range(5):
        part = found.pool(np.random.default_rng(seed))
        assert part.training == part.values_ST.shape[1]
        assert np.nanmax(part.values_ST) < 1e8
        assert np.nanmax(part.more.past_PBT) < 1e8
        assert np.nanmax(part.more.known_JBT) < 1e8
    assert np.nanmax(found.judged().values_ST) == 1e9  # the comparison can fail


@pytest.mark.usefixtures("in_crops")
def test_a_batch_of_a_pool_holds_no_truth_of_a_validation_part():
    found = supply_of(MemoryPlanes(poisoned(make_panel([400, 90, 300])), ()))
    rng = np.random.default_rng(0)
    part = found.pool(rng)
    data = training_set(part.values_ST, part.training, Running((7,)), rng, part.more)
    for _ in range(20):
        batch = sample(data, 24, 6, (8, 4, 4), 0.5, rng)
        assert batch.known_NK.any()
        assert np.abs(batch.truth_NK).max() < 1e4
        assert np.isfinite(batch.inputs_BTC).all()


@pytest.mark.usefixtures("in_crops")
def test_the_columns_of_a_crop_are_those_of_its_steps_and_its_series():
    panel = make_panel([200, 90, 300], columns=COLUMNS)
    panel.inputs["rain"] = 2 * panel.values
    panel.known["price"] = -panel.values
    panel.static["area"] = np.array([1.0, 2.0, 3.0])
    panel = replace(panel, values=panel.values + 1000 * np.repeat([1.0, 2.0, 3.0], panel.lengths))
    part = supply_of(MemoryPlanes(panel, COLUMNS)).pool(np.random.default_rng(0))
    offset_S = 1000 * part.more.static_GB[0]
    np.testing.assert_allclose(part.more.past_PBT[0], 2 * (part.values_ST - offset_S[:, None]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(part.more.known_JBT[0], -(part.values_ST - offset_S[:, None]), rtol=1e-9, atol=1e-9)
    assert set(part.more.static_GB[0]) == {1.0, 2.0, 3.0}


@pytest.mark.usefixtures("in_crops")
def test_a_pool_follows_from_its_random_numbers_alone():
    panel = make_panel([400, 90, 300], columns=COLUMNS)
    one, other = (supply_of(MemoryPlanes(panel, COLUMNS)) for _ in range(2))
    assert same(one.pool(np.random.default_rng(3)), other.pool(np.random.default_rng(3)))
    assert not same(one.pool(np.random.default_rng(3)), one.pool(np.random.default_rng(4)))
    rng = np.random.default_rng(3)
    assert not same(one.pool(rng), one.pool(rng))  # the next pool is another
    assert same(one.judged(), other.judged())


@pytest.mark.usefixtures("in_crops")
def test_series_shorter_than_the_validation_part_are_not_trained_on():
    panel = make_panel([5, 300, VALIDATION, VALIDATION + 2, 1, VALIDATION + 3])
    panel.values[:] = np.repeat(np.arange(6.0), panel.lengths)
    found = supply_of(MemoryPlanes(panel, ()))
    seen = found.pool(np.random.default_rng(0)).values_ST
    assert set(np.unique(seen[np.isfinite(seen)])) == {1.0, 5.0}
    assert found.judged().values_ST.shape[0] > 0


@pytest.mark.usefixtures("in_crops")
def test_crops_lie_anywhere_in_the_training_part():
    found = supply_of(Counted([100_000]))
    rng = np.random.default_rng(0)
    ends = np.round(found.pool(rng).values_ST[:, -1] * 1e9)
    assert ends.max() <= 100_000 - VALIDATION - 1
    assert np.histogram(ends, 4, (0, 100_000))[0].min() > CROPS / 8


# ------------------------------------------------------------------------------------------- what is judged on


@pytest.mark.usefixtures("in_crops")
@pytest.mark.parametrize("validation", [VALIDATION, JUDGED + 300])
def test_what_is_judged_is_the_validation_part_after_a_run_in(validation):
    lengths = np.array([2000, 3000, 1500])
    part = supply_of(Counted(lengths), validation).judged()
    steps = part.values_ST.shape[1] - part.training
    assert steps == min(validation, JUDGED)
    series_S = np.floor(part.values_ST[:, -1]).astype(int)
    assert set(series_S) == {0, 1, 2}
    at_ST = np.round((part.values_ST - series_S[:, None]) * 1e9)
    judged, before = at_ST[:, part.training :], at_ST[:, : part.training]
    assert (judged[:, 0] >= lengths[series_S] - validation).all()  # nothing judged was trained on
    for s, length in enumerate(lengths):
        seen = np.unique(judged[series_S == s])
        assert seen[-1] == length - 1  # it ends where the series ends
        assert seen[0] == length - validation
    assert before.shape[1] == RUN_IN + REACH
    assert np.isfinite(before).all()


@pytest.mark.usefixtures("in_crops")
def test_the_truths_of_the_validation_batch_are_those_of_the_validation_part():
    panel = make_panel([400, 90, 300])
    part = supply_of(MemoryPlanes(poisoned(panel), ())).judged()
    data = training_set(part.values_ST, part.training, Running((7,)), np.random.default_rng(0), None, False)
    batch = validation_batch(data, 24, 6)
    assert batch.known_NK.any()
    level_ST, scale_ST = data.scaled.level_BT, data.scaled.scale_BT
    assert level_ST[:, part.training - 1].max() < 1e3  # the level before the first of them knows nothing of it
    ahead_of_first = batch.truth_NK.reshape(len(part.values_ST), -1, batch.truth_NK.shape[1])[:, 0]
    truth = level_ST[:, part.training - 1, None] + scale_ST[:, part.training - 1, None] * ahead_of_first
    np.testing.assert_allclose(truth, 1e9, rtol=1e-9)


# ------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("lengths", [[10**12], [10**6] * 50, [200] * 100_000, [3, 10**9, 50] * 1000])
def test_what_is_held_does_not_grow_with_the_number_or_the_length_of_the_series(lengths):
    planes = Counted(lengths)
    found = supply_of(planes)
    assert planes.cells == 0
    crop = REACH + RUN_IN
    for seed in range(2):
        part = found.pool(np.random.default_rng(seed))
        assert part.values_ST.shape[0] == CROPS
        assert part.values_ST.shape[1] <= crop
    part = found.judged()
    assert part.values_ST.shape[0] <= CROPS
    assert part.values_ST.shape[1] <= crop + JUDGED
    assert planes.cells <= CROPS * (3 * crop + JUDGED)


def test_a_crop_holds_two_of_the_longest_season():
    assert supply_of(Counted([10**9]), season=500).pool(np.random.default_rng(0)).values_ST.shape[1] == REACH + 1000


# ------------------------------------------------------------------------------------------- training from pools


def forecaster(**changes):
    settings = {"scaling": "running", "context": 24, "horizon": 6, "updates": 60, "batch": 8, "origins": 4, "steps": 3}
    return LSTMForecaster(NetworkConfig(units=8), TrainingConfig(**{**settings, **changes}), season_length=(7,))


@pytest.fixture
def small_pools(monkeypatch):
    """Of 500 cells on, pools of 32 crops, each for 16 updates."""
    monkeypatch.setattr(supply, "WHOLE", 500)
    monkeypatch.setattr(supply, "CROPS", 32)
    monkeypatch.setattr(training, "RENEW", 16)


def test_a_model_trained_from_pools_is_as_usable_as_one_trained_on_everything(small_pools, monkeypatch):
    panel, fresh = make_panel([300, 150, 220, 90]), make_panel([200, 200], seed=1)
    values_ST, _ = as_arrays(fresh)
    origins = np.arange(100, 193)
    truth = values_ST[:, origins[:, None] + np.arange(1, 7)]

    def error(model):
        return rmse(truth, predictor.predict_many(model, values_ST, origins, 6)[..., MEDIAN])

    pools = error(forecaster(updates=150, readout=False).fit_panel(panel, VALIDATION).model_)
    none = error(forecaster(updates=0).fit_panel(panel, VALIDATION).model_)
    monkeypatch.setattr(supply, "WHOLE", WHOLE)
    everything = error(forecaster(updates=150, readout=False).fit_panel(panel, VALIDATION).model_)
    assert pools < 0.7 * none
    assert pools < 1.1 * everything


@pytest.mark.usefixtures("small_pools")
def test_the_pool_is_drawn_anew_as_training_goes_on(monkeypatch):
    drawn, pool = [], Supply.pool

    def watched(self, rng):
        drawn.append(pool(self, rng))
        return drawn[-1]

    monkeypatch.setattr(Supply, "pool", watched)
    forecaster(updates=33, retrain=False).fit_panel(make_panel([300, 150, 220]), VALIDATION)
    assert len(drawn) == 3  # for updates 0, 16 and 32
    assert not same(drawn[0], drawn[1]) and not same(drawn[1], drawn[2])


@pytest.mark.usefixtures("small_pools")
def test_training_from_pools_repeats_bit_for_bit():
    panel = make_panel([300, 150, 220], columns=COLUMNS)
    one, other = (forecaster(updates=40).fit_panel(panel, VALIDATION) for _ in range(2))
    arrays = [each.fitted_.trained.arrays for each in (one, other)]
    assert all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())
    assert np.array_equal(one.model_.widening_KQ, other.model_.widening_KQ)
    third = forecaster(updates=40, seed=1).fit_panel(panel, VALIDATION).fitted_.trained.arrays
    assert not np.array_equal(third["layer.0.input_CK"], arrays[0]["layer.0.input_CK"])


@pytest.mark.usefixtures("small_pools")
def test_values_of_the_validation_parts_move_no_weight_of_a_model_trained_from_pools():
    panel = make_panel([300, 150, 220])
    losses = [], []
    for each, seen in zip((panel, poisoned(panel)), losses, strict=True):
        model = forecaster(updates=STEADY, retrain=False)  # no learning rate comes down sooner
        model.fit_panel(each, VALIDATION, lambda progress, seen=seen: seen.append(progress.loss))
    assert len(losses[0]) == STEADY > 16  # a pool has been renewed by then
    assert losses[0] == losses[1]


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("scaling", ["auto", "running", "fixed"])
def test_one_very_long_series_can_be_trained_on(scaling):
    panel = make_panel([5000])
    fitted = forecaster(scaling=scaling, updates=20).fit_panel(panel, 500)
    made = predictor.forecast_panel(fitted.model_, panel, 20)
    assert np.isfinite(made).all()
    assert fitted.fitted_.training == 4500


@pytest.mark.usefixtures("small_pools")
def test_many_short_series_among_few_long_ones_can_be_trained_on():
    panel = make_panel([3] * 50 + [400, 300] + [VALIDATION + 1] * 10, columns=COLUMNS)
    fitted = forecaster(updates=20).fit_panel(panel, VALIDATION)
    future = {"price": np.zeros((62, 9)), "day": np.zeros((62, 9))}
    assert np.isfinite(predictor.forecast_panel(fitted.model_, panel, 9, future)).all()


@pytest.mark.usefixtures("in_crops")
def test_series_that_are_all_too_short_are_refused():
    with pytest.raises(DataError, match="at least 10 are needed"):
        forecaster().fit_panel(make_panel([8, 20, 3]), VALIDATION)


# ------------------------------------------------------------------------------------------- forecasts in chunks


def make_model(columns):
    rng = np.random.default_rng(0)
    arrays = export(Network(NetworkConfig(units=6), widths_of(columns)))
    weights = weights_from_arrays({name: rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()})
    config = RunConfig(training=TrainingConfig(horizon=8))
    return Model(weights, Running((7,)), config, 1 + rng.random((8, len(QUANTILES))), columns)


@pytest.mark.parametrize("columns", [(), COLUMNS[:1], COLUMNS], ids=["none", "past", "all"])
@pytest.mark.parametrize("cells", [1, 150, 400, 10**6])
@pytest.mark.parametrize("horizon", [5, 20])
def test_series_read_together_are_forecast_as_each_alone(monkeypatch, columns, cells, horizon):
    monkeypatch.setattr(predictor, "CELLS", cells)
    model, panel = make_model(columns), make_panel([70, 2, 130, 45, 70, 31], columns=columns)
    planes, widths = MemoryPlanes(panel, columns), widths_of(columns)
    ahead_JSH = np.random.default_rng(1).normal(size=(widths.known, 6, horizon)) if widths.known else None
    made = forecast_planes(model, planes, horizon, ahead_JSH)
    assert made.shape == (6, horizon, len(QUANTILES))
    for s in range(6):
        values_ST, more = read_planes(planes, np.array([s]), np.array([0]), panel.lengths[[s]])
        if ahead_JSH is not None:
            more = more._replace(known_JBT=np.concatenate([more.known_JBT, ahead_JSH[:, [s]]], axis=2))
        alone = run_on(model, values_ST, horizon, more)[0]
        spread = max(1.0, np.abs(alone - alone[:, [MEDIAN]]).max())
        np.testing.assert_allclose(made[s], alone, rtol=0, atol=1e-9 * spread)


@pytest.mark.parametrize("columns", [(), COLUMNS], ids=["none", "all"])
@pytest.mark.parametrize("together", [1, 10**6])
def test_beyond_the_direct_horizon_many_origins_are_forecast_as_each_alone(monkeypatch, columns, together):
    monkeypatch.setattr(predictor, "RUN_ON_CELLS", together)
    model, panel = make_model(columns), make_panel([70, 61], columns=columns)
    values_ST, more = as_arrays(panel, columns)
    origins, horizon = np.array([13, 30, 31, 43]), 3 * model.direct_horizon - 2
    made = predictor.predict_many(model, values_ST, origins, horizon, more)
    for s, values_T in enumerate(values_ST):
        past_PT, known_JT, static_G = (part[:, s] for part in more) if columns else (np.zeros((0, 70)),) * 2 + ((),)
        stream = Stream(model, static_G)
        for t, value in enumerate(values_T[:44]):
            stream.update(value, past_PT[:, t], known_JT[:, t])
            if t in origins:
                alone = stream.forecast(horizon, known_JT[:, t + 1 : t + 1 + horizon].T)
                found = made[s, origins.tolist().index(t)]
                np.testing.assert_allclose(found, alone, rtol=0, atol=1e-6 * np.ptp(alone, axis=1).max())


def test_no_more_cells_than_asked_are_read_together(monkeypatch):
    monkeypatch.setattr(predictor, "CELLS", 300)
    sizes = []

    def watched(planes, series, begin, end):
        sizes.append(len(series) * int((end - begin).max()))
        return read_planes(planes, series, begin, end)

    monkeypatch.setattr(predictor, "read_planes", watched)
    panel = make_panel([70, 2, 130, 45, 70, 31, 400])
    predictor.forecast_panel(make_model(()), panel, 5)
    assert max(sizes[:-1]) <= 300
    assert sizes[-1] == 400  # a series alone is read whole


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_of_no_steps_is_refused(horizon):
    with pytest.raises(SettingsError, match="has no steps"):
        forecast_planes(make_model(()), MemoryPlanes(make_panel([30]), ()), horizon)
