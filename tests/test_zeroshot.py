"""The shipped weights forecast any series at once; nothing after an origin is read, units and company do not matter.

What is tested are properties, which hold however well the weights are trained; ``benchmarks`` say how well they are.
"""

import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import gatecast
from gatecast import hindsight, postprocess, runtime, seasons
from gatecast.cli import app
from gatecast.config import DIRECT_HORIZON, LEVELS, MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.errors import DataError, ModelFileError, SettingsError
from gatecast.fitting import TUNING
from gatecast.forecaster import LSTMForecaster
from gatecast.hindsight import ALONE, BESIDE
from gatecast.modelfile import save_model
from gatecast.panel import panel_from_arrays, panel_from_frame
from gatecast.predictor import predict_many
from gatecast.scaling import Fixed
from gatecast.synthetic import KINDS, simulate
from gatecast.zeroshot import CONTEXT, FEWEST, SAMPLED, ZeroShot, ZeroShotSeries, shipped
from test_architecture import HEAVY
from test_docs import commands

PAGE = Path(__file__).parents[1] / "docs" / "zeroshot.md"
LEFT_OUT = "…"
SHOWN = [(command, shown) for command, shown in commands(PAGE) if shown]
CLOSE = 1e-5  # of the largest number in a series' forecast: the weights are in single precision
STEPS = np.arange(120)
NOISE = np.random.default_rng(0).normal(size=120)
HOLES = np.random.default_rng(1).random(120) < 0.3
SERIES = {
    "season": 10 + np.sin(STEPS * 2 * np.pi / 12) + 0.1 * NOISE,
    "walk": NOISE.cumsum(),
    "growth": 1.05**STEPS,
    "negative": -50 + NOISE,
    "seldom": np.maximum(NOISE - 1, 0),
    "missing": np.where(HOLES, np.nan, 10 + np.sin(STEPS / 3)),
    "missing end": np.r_[NOISE.cumsum(), np.full(20, np.nan)],
    "constant": np.full(30, 3.25),
    "zeros": np.zeros(30),
    "one value among zeros": np.r_[np.zeros(49), 1e9],
    "huge": 1e12 * NOISE.cumsum(),
    "tiny": 1e-12 * NOISE[:50],
    "three points": np.array([1.0, 2.0, 4.0]),
    "two points": np.array([2.0, 1.0]),
}


def months(series):
    """Series as a monthly panel; all end together."""
    longest = max(map(len, series))
    times = [np.datetime64("2000-01") + np.arange(longest - len(values), longest) for values in series]
    return panel_from_frame(
        {
            "unique_id": np.repeat([f"s{s}" for s in range(len(series))], [len(values) for values in series]).tolist(),
            "ds": np.concatenate(times).astype("datetime64[us]"),
            "y": np.concatenate(series),
        }
    )


def simulated(count, seed=0):
    """Monthly series of many lengths, of which each holds some years."""
    kind = KINDS[2]._replace(shortest=70)
    values_NT = simulate(kind, count, np.random.default_rng(seed)).values_NT
    return [values[np.isfinite(values).argmax() :] for values in values_NT]


def last(panel):
    return np.array([panel.lengths.max() - 1])


def same(one, other, part=slice(None)):
    """Forecasts (S, H, Q) are the same to what single precision can tell."""
    size = np.abs(one).max(axis=(1, 2), keepdims=True)
    size = np.where(size > 0, size, 1.0)
    np.testing.assert_allclose((other / size)[..., part], (one / size)[..., part], rtol=0, atol=CLOSE)


@pytest.fixture(scope="module")
def panel():
    return months(simulated(8))


@pytest.fixture(scope="module")
def shot():
    return ZeroShot()


# ------------------------------------------------------------------------------------------- any series


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("horizon", [1, 18, DIRECT_HORIZON, 200])
def test_any_series_has_a_finite_forecast_whose_quantiles_do_not_cross(shot, name, horizon):
    made = shot.forecast_panel(months([SERIES[name]]), horizon)
    assert made.shape == (1, horizon, len(QUANTILES))
    assert np.isfinite(made).all()
    assert (np.diff(made, axis=2) >= 0).all()


@pytest.mark.parametrize("name", SERIES)
def test_beyond_the_direct_horizon_intervals_widen_or_stay(shot, name):
    width = np.ptp(shot.forecast_panel(months([SERIES[name]]), 200), axis=2)[0, DIRECT_HORIZON - 1 :]
    assert (np.diff(width) >= -CLOSE * width.max()).all()


@pytest.mark.parametrize("name", ["season", "walk", "missing"])
def test_beyond_the_direct_horizon_the_steps_before_it_are_as_they_were(shot, name):
    near, far = (shot.forecast_panel(months([SERIES[name]]), horizon) for horizon in (DIRECT_HORIZON, 130))
    same(near, far[:, :DIRECT_HORIZON])


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize("name", ["walk", "growth", "missing"])
def test_beyond_the_direct_horizon_the_median_does_not_jump(name, correct):
    median = ZeroShot(season_length=(1,), correct=correct).forecast_panel(months([SERIES[name]]), 200)[0, :, MEDIAN]
    steps = np.abs(np.diff(median))
    for begin in (DIRECT_HORIZON, 2 * DIRECT_HORIZON, 3 * DIRECT_HORIZON):
        before = steps[begin - DIRECT_HORIZON : begin - 1]
        assert steps[begin - 1] <= before[-1] + before.mean() * (1 + 1e-6)


@pytest.mark.parametrize("season", [12, 64, 65, 96])
@pytest.mark.parametrize("edge", [63, 64, 65])
def test_a_jump_of_the_season_where_a_block_begins_is_kept(shot, season, edge):
    count = 8 * season
    shape = np.where((np.arange(season) - (count + edge)) % season < season // 2, 10.0, 0.0)
    values = shape[np.arange(count) % season] + 0.1 * np.random.default_rng(1).normal(size=count)
    truth = shape[np.arange(count, count + 128) % season]
    median = ZeroShot(season_length=(season,)).forecast_panel(panel_from_arrays(values), 128)[0, :, MEDIAN]
    assert np.abs(median - truth)[DIRECT_HORIZON:].mean() < 1


@pytest.mark.parametrize("direct", [1, 2, 6, 12])
def test_weights_of_a_nearer_direct_horizon_run_on(direct, tmp_path):
    first = shipped()[0]
    near = replace(first, config=replace_horizon(first.config, direct))
    save_model(near, tmp_path / "near.safetensors")
    shape = np.random.default_rng(3).normal(size=12)
    values, truth = (100 + 10 * shape[steps % 12] for steps in (np.arange(120), np.arange(120, 168)))
    forecaster = ZeroShot(weights=[tmp_path / "near.safetensors"])
    median = forecaster.forecast_panel(months([values]), 48)[0, :, MEDIAN]
    assert np.isfinite(median).all()
    assert np.abs(median - truth).mean() < 3
    save_model(first, tmp_path / "far.safetensors")
    both = ZeroShot(weights=[tmp_path / "near.safetensors", tmp_path / "far.safetensors"])
    with pytest.raises(SettingsError, match=f"they forecast {direct}, 64 steps directly"):
        both.forecast_panel(months([values]), 3)


def replace_horizon(config, horizon):
    return config.model_copy(update={"training": config.training.model_copy(update={"horizon": horizon})})


@pytest.mark.parametrize("seasons", [(1,), (4,), (5,), (7,), (12,), (24,), (52,), (24, 168), (48, 336)])
@pytest.mark.parametrize("steps", [300, 2610, 3653])
@pytest.mark.parametrize("alone", [False, True])
def test_past_origins_are_of_every_phase(seasons, steps, alone):
    apart = hindsight._apart(seasons, steps, alone)
    for season in seasons:
        assert len(set((apart * np.arange(season) % season).tolist())) == season


def test_beyond_the_direct_horizon_a_trend_goes_on(shot):
    weeks = np.arange(600)
    values = 300 + 0.1 * weeks + 5 * np.sin(weeks * 2 * np.pi / 52) + 0.2 * np.random.default_rng(2).normal(size=600)
    truth = 300 + 0.1 * np.arange(600, 704) + 5 * np.sin(np.arange(600, 704) * 2 * np.pi / 52)
    median = ZeroShot(season_length=(52,)).forecast_panel(panel_from_arrays(values), 104)[0, :, MEDIAN]
    assert np.abs(median - truth)[DIRECT_HORIZON:].mean() < 2


def test_zeros_stay_zeros(shot):
    assert (shot.forecast_panel(months([np.zeros(30)]), 12) == 0).all()


def test_series_of_one_point_are_forecast_beside_others(shot):
    made = shot.forecast_panel(months([SERIES["season"], np.array([7.0]), np.r_[7.0, np.full(9, np.nan)]]), 5)
    assert np.isfinite(made).all()


def test_a_series_without_any_value_is_refused():
    with pytest.raises(DataError, match="single value"):
        gatecast.forecast([1.0, None], 3)
    with pytest.raises(DataError, match="no value at all"):
        months([SERIES["season"], np.full(10, np.nan)])


def test_a_season_is_used(shot):
    shape = np.random.default_rng(3).normal(size=12)
    values = 100 + 10 * shape[np.arange(120) % 12]
    truth = 100 + 10 * shape[np.arange(120, 132) % 12]
    median = shot.forecast_panel(months([values]), 12)[0, :, MEDIAN]
    assert np.abs(median - truth).mean() < np.abs(values[-1] - truth).mean() / 2


def test_a_season_of_plain_numbers_is_found_and_used(shot):
    shape = np.random.default_rng(4).normal(size=9)
    values = shape[np.arange(180) % 9]
    truth = shape[np.arange(180, 189) % 9]
    for forecaster in (shot, ZeroShot(season_length=(9,))):
        median = forecaster.forecast_panel(panel_from_arrays(values), 9)[0, :, MEDIAN]
        assert np.abs(median - truth).mean() < np.abs(values[-1] - truth).mean() / 2
    asked, found = (each.forecast_panel(panel_from_arrays(values), 9) for each in (ZeroShot(season_length=(9,)), shot))
    np.testing.assert_array_equal(asked, found)


def test_the_season_asked_for_is_used_in_place_of_the_calendars(shot, panel):
    without = ZeroShot(season_length=(1,)).forecast_panel(panel, 12)
    assert np.abs(without - shot.forecast_panel(panel, 12)).max() > 0


# ------------------------------------------------------------------------------------------- what does not matter


@pytest.mark.parametrize("factor", [1e-6, 7.3, 1e9])
@pytest.mark.parametrize("name", [name for name in SERIES if name != "zeros"])
def test_the_unit_of_a_series_is_the_unit_of_its_forecast(shot, name, factor):
    one = shot.forecast_panel(months([SERIES[name]]), 70)
    other = shot.forecast_panel(months([factor * SERIES[name]]), 70)
    same(one, other / factor)


def test_a_series_row_reads_a_series_once_and_another_anew(monkeypatch):
    read, reads = runtime.read, []
    monkeypatch.setattr(runtime, "read", lambda *given: reads.append(1) or read(*given))
    values = np.random.default_rng(6).normal(size=150).cumsum()
    row = ZeroShotSeries((12,))
    row.predict_many(values, [100, 149], 1)
    once = len(reads)
    earlier = row.predict_many(values, [100, 120], 6)
    assert len(reads) == once
    np.testing.assert_allclose(earlier, ZeroShotSeries((12,)).predict_many(values[:121], [100, 120], 6), rtol=1e-6)
    other = values.copy()
    other[90] += 1
    made = row.predict_many(other, [100, 120], 6)
    np.testing.assert_array_equal(made, ZeroShotSeries((12,)).predict_many(other, [100, 120], 6))
    assert not np.allclose(made, earlier)
    np.testing.assert_array_equal(row.predict_many(other, [15], 6), ZeroShotSeries((12,)).predict_many(other, [15], 6))


def test_the_unit_of_one_series_does_not_touch_another(shot):
    series = simulated(6)
    one = shot.forecast_panel(months(series), 12)
    series[0] = 1e6 * series[0]
    other = shot.forecast_panel(months(series), 12)
    same(one[1:], other[1:])
    same(one[:1], other[:1] / 1e6)


def test_values_after_an_origin_change_nothing(shot, panel):
    origins = last(panel) - [30, 9]
    changed = []
    for s in range(len(panel)):
        values = panel.series_values(s).copy()
        values[-9:] = 1e3 * np.random.default_rng(s).normal(size=9)
        changed.append(values)
    for horizon in (12, 70):
        one, other = (shot.predict_many(each, origins, horizon) for each in (panel, months(changed)))
        np.testing.assert_array_equal(one, other)


def test_missing_values_after_an_origin_change_nothing_either(shot, panel):
    changed = [panel.series_values(s).copy() for s in range(len(panel))]
    for values in changed:
        values[-9:] = np.nan
    one, other = (shot.predict_many(each, last(panel) - 9, 12) for each in (panel, months(changed)))
    np.testing.assert_array_equal(one, other)


def test_the_last_origin_says_what_is_predicted(shot, panel):
    for horizon in (12, 70):
        same(shot.forecast_panel(panel, horizon), shot.predict_many(panel, last(panel), horizon)[:, 0])


@pytest.mark.parametrize("count", [1, FEWEST - 1, 8])
@pytest.mark.parametrize("gone", [1, 20])
def test_an_origin_says_what_is_predicted_from_the_table_that_ends_there(shot, count, gone):
    series = simulated(count, seed=5)
    whole, cut = months(series), months([values[:-gone] for values in series])
    same(shot.forecast_panel(cut, 18), shot.predict_many(whole, last(whole) - gone, 18)[:, 0])


def test_an_origin_of_a_short_series_says_what_is_predicted_from_the_table_that_ends_there(shot):
    values = SERIES["season"][:44]
    whole, cut = months([values]), months([values[:-7]])
    same(shot.forecast_panel(cut, 18), shot.predict_many(whole, last(whole) - 7, 18)[:, 0])


def test_a_series_that_begins_after_an_origin_has_a_forecast_of_nothing_there(shot, monkeypatch):
    monkeypatch.setattr("gatecast.zeroshot.CELLS", 1)  # it is read by itself, not beside the longer one
    panel = months([SERIES["walk"], 100 + SERIES["walk"][-30:]])
    made = shot.predict_many(panel, last(panel) - [35, 3], 6)
    assert not made[1, 0].any() and made[1, 1].all()
    assert made[0].all()


def test_one_origin_among_others_says_what_it_says_alone(shot, panel):
    origins = last(panel) - [20, 3]
    among = shot.predict_many(panel, origins, 18)
    for place in (0, 1):
        same(shot.predict_many(panel, origins[place : place + 1], 18)[:, 0], among[:, place])


def test_a_season_that_the_earliest_origin_had_not_seen_twice_is_not_used(shot):
    panel = months([SERIES["season"][:40]])
    origins = last(panel) - [20, 3]
    among, without = (each.predict_many(panel, origins, 18) for each in (shot, ZeroShot(season_length=(1,))))
    np.testing.assert_array_equal(among, without)
    alone = shot.predict_many(panel, origins[1:], 18)
    assert (alone[:, 0] != among[:, 1]).any(), "by the later one it had"


def test_a_step_has_the_same_median_whatever_the_horizon(shot, panel):
    same(shot.forecast_panel(panel, 6), shot.forecast_panel(panel, 18)[:, :6], slice(MEDIAN, MEDIAN + 1))


def test_few_series_are_forecast_together_as_each_alone(shot):
    series = [SERIES[name] for name in ("season", "missing", "three points", "walk")]
    assert len(series) < FEWEST
    alone = np.concatenate([shot.forecast_panel(months([values]), 70) for values in series])
    same(alone[[0, 1, 3]], shot.forecast_panel(months(series), 70)[[0, 1, 3]])
    same(alone, shot.forecast_panel(months(series), 70), slice(MEDIAN, MEDIAN + 1))


def test_in_a_panel_corrections_and_widths_are_shared(shot, panel):
    alone, together = (
        [
            np.concatenate([each.forecast_panel(panel.select(s), 70) for s in range(len(panel))]),
            each.forecast_panel(panel, 70),
        ]
        for each in (ZeroShot(correct=False), shot)
    )
    same(*alone, slice(MEDIAN, MEDIAN + 1))
    widths = [np.ptp(each, axis=2) for each in (*alone, *together)]
    assert np.abs(widths[0] / widths[1] - 1).max() > CLOSE
    assert np.abs(widths[2] / widths[3] - 1).max() > CLOSE
    medians = [each[..., MEDIAN] for each in together]
    assert np.abs(medians[0] - medians[1]).max() > CLOSE * np.abs(medians[0]).max()


def repeated_error(count=300):
    """A series whose changes after a rare jump are always the same: something that no simulated series has."""
    rng = np.random.default_rng(8)
    values, level = np.empty(count), 0.0
    for step in range(count):
        level += 0.3 * rng.normal() + (4.0 if step % 11 == 0 else -2.0 if step % 11 in (3, 6) else 0.0)
        values[step] = level
    return values


def test_what_a_series_has_always_done_is_learned_from_its_own_past():
    values = 50 + repeated_error()
    origins = np.arange(200, 290)
    truth = values[origins[:, None] + np.arange(1, 6)]
    error = {}
    for correct in (False, True):
        made = ZeroShot(season_length=(1,), correct=correct).predict_many(panel_from_arrays(values), origins, 5)[0]
        error[correct] = np.abs(made[..., MEDIAN] - truth).mean()
    assert error[True] < 0.9 * error[False]


def test_without_corrections_the_median_is_the_mean_of_what_the_networks_say(shot, panel):
    alone = panel.select(0)
    plain = ZeroShot(correct=False).forecast_panel(alone, 12)[0, :, MEDIAN]
    said = [shot.member(alone, m) for m in range(len(shipped()))]
    values = alone.series_values(0)[None]
    medians = [runtime_median(model, values) for model in said]
    np.testing.assert_allclose(plain, np.mean(medians, axis=0), rtol=1e-5)
    assert (plain != shot.forecast_panel(alone, 12)[0, :, MEDIAN]).any()


def runtime_median(model, values):
    return predict_many(model, values, np.array([values.shape[1] - 1]), 12)[0, 0, :, MEDIAN]


def test_the_order_of_the_series_does_not_matter_to_their_medians(shot):
    series = simulated(7)
    one, other = (shot.forecast_panel(months(each), 12) for each in (series, series[::-1]))
    same(one, other[::-1], slice(MEDIAN, MEDIAN + 1))


# ------------------------------------------------------------------------------------------- as a forecaster


def table(make=pa.table, count=2):
    days = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]").astype("datetime64[us]")
    values = [10 * (s + 1) + np.sin(np.arange(len(days)) * 2 * np.pi / 7) for s in range(count)]
    names = np.repeat([f"s{s}" for s in range(count)], len(days)).tolist()
    return make({"unique_id": names, "ds": np.tile(days, count), "y": np.concatenate(values)})


def test_it_fits_and_predicts_the_kind_of_table_that_came_in():
    made = ZeroShot().fit(table(pl.DataFrame)).predict(5, level=LEVELS)
    assert isinstance(made, pl.DataFrame)
    bounds = [f"ZeroShot-{side}-{level}" for level in LEVELS for side in ("lo", "hi")]
    assert made.columns == ["unique_id", "ds", "ZeroShot", *bounds]
    assert made["unique_id"].to_list() == ["s0"] * 5 + ["s1"] * 5
    assert str(made["ds"][0]) == "2024-04-10 00:00:00"
    for inner, outer in pairwise(LEVELS):
        assert (made[f"ZeroShot-lo-{outer}"] <= made[f"ZeroShot-lo-{inner}"]).all()
        assert (made[f"ZeroShot-hi-{outer}"] >= made[f"ZeroShot-hi-{inner}"]).all()


def test_the_call_without_a_model_says_the_same():
    one = ZeroShot().fit(table()).predict(5, level=[80])
    assert gatecast.forecast(table(), 5, level=[80]).equals(one)


def test_what_it_does_is_said():
    said = []
    gatecast.forecast(table(), 80, note=said.append)
    assert said[0] == "2 of 2 series: season of 7 steps, of the calendar"
    assert "trained for 64 steps ahead" in said[1]


def test_its_table_is_not_changed_and_a_panel_is_taken_too():
    frame = table(pl.DataFrame)
    before = frame.clone()
    gatecast.forecast(frame, 5)
    assert frame.equals(before)
    panel = panel_from_frame(frame)
    values = panel.values.copy()
    ZeroShot().fit(panel).predict(5)
    np.testing.assert_array_equal(panel.values, values)


def test_what_it_cannot_do_is_refused_in_words():
    with pytest.raises(SettingsError, match="give the series to fit first"):
        ZeroShot().predict(3)
    with pytest.raises(SettingsError, match="a horizon of 0"):
        ZeroShot().fit(table()).predict(0)
    with pytest.raises(SettingsError, match="a horizon of 0"):
        ZeroShot().predict_many(panel_from_frame(table()), [50], 0)
    with pytest.raises(SettingsError, match="read no columns beside the target"):
        ZeroShot().fit(table()).predict(3, future=table())
    with pytest.raises(SettingsError, match="level 85"):
        ZeroShot().fit(table()).predict(3, level=[85])
    for more in ({"future": table()}, {"what_if": ["price=2"]}):
        with pytest.raises(SettingsError, match="without a model"):
            gatecast.forecast(table(), 3, **more)


@pytest.mark.parametrize("seasons", [12, (0,), (-3,), (2.5,), (12, 4, 2)])
def test_season_lengths_that_cannot_be_are_refused_in_words(seasons, panel):
    with pytest.raises(SettingsError, match="season_length"):
        ZeroShot(season_length=seasons).forecast_panel(panel, 3)


def test_a_backtest_asks_it_by_name_and_it_is_told_the_season():
    done = gatecast.backtest(table(), ["ZeroShot", "LastValue", "SeasonalNaive"], 7, origins=3)
    assert list(done.forecasts) == ["ZeroShot", "LastValue", "SeasonalNaive"] and done.left_out == {}
    made = done.forecasts["ZeroShot"]
    assert made.shape == (2, 3, 7, len(QUANTILES)) and np.isfinite(made).all()
    error = {name: np.abs(each[..., MEDIAN] - done.truth_SOH).mean() for name, each in done.forecasts.items()}
    assert error["ZeroShot"] < error["LastValue"]
    numbers = np.tile(np.random.default_rng(0).normal(size=11), 20)
    told, own = (
        gatecast.backtest(numbers, [name], 11, origins=2, adapt=False, **more).forecasts
        for name, more in (("ZeroShot", {"season_length": 3}), (ZeroShot(season_length=(3,)), {}))
    )
    np.testing.assert_array_equal(told["ZeroShot"], own["ZeroShot"])


@pytest.mark.parametrize("adapt", [False, None])
def test_a_backtest_is_what_would_have_been_said_then(adapt):
    frame = table()
    done = gatecast.backtest(frame, ["ZeroShot"], 7, origins=2, adapt=adapt)
    panel = panel_from_frame(frame)
    for place, origin in enumerate(done.origins_SO[0]):
        then = ZeroShot().forecast_panel(panel.head(int(origin) + 1), 7)
        same(then, done.forecasts["ZeroShot"][:, place])


# ------------------------------------------------------------------------------------------- the weights


def test_the_shipped_weights_say_where_they_come_from():
    for model in shipped():
        card = model.card
        assert "the weights saw no real data" in card["what"]
        assert card["generator"] == "gatecast.synthetic"
        assert (card["seed"], card["updates"]) == (model.config.training.seed, model.config.training.updates)
        assert card["updates"] > 0 and card["seconds"] > 0
        assert len(card["held_back_loss"]) > 1
        assert all(0 < loss < 10 for loss in card["held_back_loss"].values())
        assert model.columns == () and model.widening_KQ is None and model.direct_horizon == DIRECT_HORIZON
        assert model.weights.head.state_DE.dtype == np.float32


def test_the_shipped_weights_are_of_different_seeds_and_take_4_megabytes_at_most():
    assert len({model.card["seed"] for model in shipped()}) == len(shipped())
    sizes = [path.stat().st_size for path in (Path(gatecast.__file__).parent / "weights").iterdir()]
    assert len(sizes) == len(shipped())
    assert sum(sizes) <= 4_000_000


def test_the_page_on_zero_shot_names_the_numbers_that_hold():
    words = " ".join(PAGE.read_text(encoding="utf-8").split())
    for said in (
        f"The newest {CONTEXT:,} steps are read",
        f"{seasons.FEWEST} values are needed",
        f"at most {seasons.LONGEST} steps",
        f"of {seasons.STRONG} that also stands out from chance",
        f"half after {ALONE.half_life} steps",
        f"{ALONE.prior} independent forecasts go half the way",
        f"up to {SAMPLED} of them first say together",
        f"needs {BESIDE.prior} forecasts for half the way",
        f"any of {DIRECT_HORIZON} steps ahead and says {len(QUANTILES)} quantiles",
        f"{TUNING} updates at a low learning rate",
        f"before {postprocess.FEWEST} forecasts of the series have come true",
        f"by one regression over up to {SAMPLED} of its series",
    ):
        assert said in words
    assert FEWEST == 5 and "a **panel** of five series or more of the same seasons" in words.lower()
    assert postprocess.TRUST == 0.5 and "up to half of it while nothing is known" in words


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_outputs_that_the_page_shows_are_those_printed_but_for_the_numbers_forecast(command, shown):
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    printed = [*result.stderr.splitlines(), *result.stdout.splitlines()]
    if shown[-1] == LEFT_OUT:
        shown, printed = shown[:-1], printed[: len(shown) - 1]
    assert len(shown) == len(printed)
    for line, real in zip(shown, printed, strict=True):
        if line.startswith(("gatecast: ", "unique_id,")):
            assert line == real
        else:
            assert line.split(",")[:2] == real.split(",")[:2]
            assert line.count(",") == real.count(",")


def test_weights_can_be_replaced_and_what_is_no_weights_file_is_refused(tmp_path, panel):
    first = shipped()[0]
    save_model(first, tmp_path / "own.safetensors")
    own, twice = (
        ZeroShot(weights=[tmp_path / "own.safetensors"] * times, correct=False).forecast_panel(panel, 6)
        for times in (1, 2)
    )
    same(own, twice)
    (tmp_path / "none.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelFileError, match="damaged or not a model file"):
        ZeroShot(weights=[tmp_path / "none.safetensors"]).forecast_panel(panel, 6)
    save_model(replace(first, scaling=Fixed()), tmp_path / "fixed.safetensors")
    with pytest.raises(SettingsError, match=r"weights: the level and scale of .*fixed\.safetensors are fixed"):
        ZeroShot(weights=[tmp_path / "fixed.safetensors"]).forecast_panel(panel, 6)
    days = {"ds": np.arange(60), "y": np.arange(60.0), "price": np.arange(60) % 7}
    short = TrainingConfig(updates=1, context=8, horizon=3, scaling="running")
    LSTMForecaster(NetworkConfig(units=3), short).fit(days, inputs=["price"]).save(tmp_path / "wide.safetensors")
    with pytest.raises(SettingsError, match=r"wide\.safetensors reads price beside the target"):
        ZeroShot(weights=[tmp_path / "wide.safetensors"]).forecast_panel(panel, 6)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_widths_that_weights_bring_along_count_for_nothing_at_any_step(factor, tmp_path, panel):
    """They are of the series that these were trained on; here the series' own past says how wide to be."""
    widening_KQ = np.full((DIRECT_HORIZON, len(QUANTILES)), factor)
    save_model(shipped()[0], tmp_path / "plain.safetensors")
    save_model(replace(shipped()[0], widening_KQ=widening_KQ), tmp_path / "widened.safetensors")
    plain, widened = (ZeroShot(weights=[tmp_path / f"{name}.safetensors"]) for name in ("plain", "widened"))
    for horizon in (6, DIRECT_HORIZON + 6):
        one, other = (each.forecast_panel(panel, horizon) for each in (plain, widened))
        np.testing.assert_array_equal(one, other)
    values = panel.series_values(0)
    for compiled in (False, True):
        one, other = (each.stream(values, horizon=6, compiled=compiled).forecast for each in (plain, widened))
        np.testing.assert_array_equal(one, other)


def test_a_forecast_of_a_file_loads_nothing_heavy(tmp_path):
    rows = "".join(f"{2000 + m // 12}-{m % 12 + 1:02d}-01,{m % 12}\n" for m in range(60))
    (tmp_path / "sales.csv").write_text(f"month,sales\n{rows}")
    code = (
        f"import sys, gatecast; made = gatecast.forecast({str(tmp_path / 'sales.csv')!r}, 70); assert len(made) == 70;"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_series_row_says_what_the_forecaster_says_and_reads_nothing_later():
    values = np.random.default_rng(5).normal(size=150).cumsum() + 5 * np.sin(np.arange(150) * np.pi / 6)
    row = ZeroShotSeries((12,)).fit_values(values[:100], 12)
    made = row.predict_many(values, [100, 120, 149], 6)
    panel = panel_from_arrays(values)
    expected = ZeroShot(season_length=(12,)).predict_many(panel, np.array([100, 120, 149]), 6)[0]
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    changed = values.copy()
    changed[101:] += 1000
    np.testing.assert_allclose(row.predict_many(changed, [100, 120], 6)[0], made[0], rtol=1e-5)
