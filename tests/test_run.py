"""A whole run: the oracle is exact everywhere, the numbers repeat, and the course's figures are reached."""

import dataclasses
import json

import numpy as np
import pytest

from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig, config_to_toml, read_config
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.modes import MODES, as_path, modes_of, scores
from gatecast.output import forecasts_table
from gatecast.run import Standard, run
from gatecast.skill import skill_by_step
from gatecast.wave import free_run, unseen_series
from gatecast.windows import split_steps

SMALL = NetworkConfig(units=8)


def settings(source="sine", updates=20, **training):
    return RunConfig(
        data=DataConfig(source=source), network=SMALL, training=TrainingConfig(updates=updates, **training), horizon=20
    )


@pytest.fixture(scope="module")
def quick():
    return run(settings())


class Oracle(Standard):
    """A recipe that answers with the truth."""

    def predict_point_by_point(self, model, series, split):
        return self.answers(series, split, 1)["point_by_point"]

    def predict_multi_sequence(self, model, series, split, horizon):
        return self.answers(series, split, horizon)["multi_sequence"]

    def predict_full_sequence(self, model, series, split, block):
        return self.answers(series, split, block)["full_sequence"][0, :, 0]

    def answers(self, series, split, horizon):
        return {n: as_path(m.truth_OH) for n, m in modes_of(series.series_values(0), split, horizon).items()}


@pytest.mark.parametrize("source", ["sine", "sp500"])
def test_an_oracle_scores_exactly_zero_in_every_table(source):
    outcome = run(settings(source), Oracle())
    rows = [row for row in outcome.scores if row.model == "LSTM"]
    assert [row.mode for row in rows] == list(MODES)
    for row in rows:
        assert (row.rmse, row.mae, row.mase, row.crps) == (0, 0, 0, 0)
    table = forecasts_table(outcome)
    y = np.array(table["y"].to_pylist())
    for column in (name for name in table.column_names if name.startswith("LSTM")):
        assert np.array_equal(np.array(table[column].to_pylist()), y)
    assert outcome.verdict.rmse == 0


def test_the_settings_written_give_the_same_numbers(quick, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(config_to_toml(quick.config))
    assert read_config(path) == quick.config
    again = run(read_config(path))
    for name, forecasts in quick.forecasts.items():
        for model, quantiles in forecasts.items():
            assert np.array_equal(quantiles, again.forecasts[name][model])
    assert again.scores == quick.scores


def test_the_test_part_reaches_no_weight_and_no_forecast_before_it():
    class Changed(Standard):
        def load_and_split(self, config):
            source, split = super().load_and_split(config)
            values = source.panel.values.copy()
            values[split.validation :] = np.random.default_rng(0).normal(100, 50, split.total - split.validation)
            return dataclasses.replace(source, panel=dataclasses.replace(source.panel, values=values)), split

    plain, changed = run(settings("sp500")), run(settings("sp500"), Changed())
    for mode in MODES:
        for model in plain.forecasts[mode]:
            first = plain.forecasts[mode][model][0], changed.forecasts[mode][model][0]
            assert np.array_equal(*first), (mode, model)


def test_every_mode_has_the_origins_it_promises(quick):
    split = quick.split
    assert split == split_steps(5001) == (4001, 4501, 5001)
    point, multi, full = (quick.modes[name] for name in MODES)
    assert len(point.origins) == 500
    assert point.horizon == 1
    assert list(np.diff(multi.origins)) == [20] * (len(multi.origins) - 1)
    assert multi.horizon == 20
    assert (len(full.origins), full.horizon) == (1, 500)
    values = quick.source.panel.series_values(0)
    assert np.array_equal(point.truth_OH[:, 0], values[4501:])
    assert np.array_equal(full.truth_OH[0], values[4501:])


def test_the_gain_by_step_is_from_origins_all_over_the_test_part(quick):
    values, split = quick.source.panel.series_values(0), quick.split
    origins, ahead = np.arange(split.validation - 1, split.total - 20), np.arange(1, 21)
    truth = values[origins[:, None] + ahead]
    made = quick.forecaster.predict_many(quick.source.panel, origins, 20)[0]
    assert [row.step for row in quick.skill] == list(ahead)
    last = values[origins]
    row = quick.skill[0]
    own, other = (np.sqrt(np.mean(error**2)) for error in (made[:, 0, 6] - truth[:, 0], last - truth[:, 0]))
    assert row.best_baseline == "AR" and row.gain_percent is None  # it is exact
    without = skill_by_step(
        truth, {"LSTM": made, "LastValue": np.repeat(last[:, None, None], 20, axis=1).repeat(13, 2)}
    )
    assert without[0].gain_percent == pytest.approx(100 * (1 - own / other))
    far = run(settings("co2").model_copy(update={"horizon": 100}))
    assert far.skill[-1].step == 64


def test_the_object_is_json_with_the_documented_parts(quick):
    found = json.loads(json.dumps(quick.as_dict(), allow_nan=False))
    assert {"data", "split", "seconds", "scores", "free_run", "verdict", "files"} <= set(found)
    assert set(found["seconds"]) == {"load", "fit", "predict", "total"}
    assert {(row["mode"], row["model"]) for row in found["scores"]} == {
        (mode, model) for mode in MODES for model in ("LSTM", "LastValue", "Drift", "SeasonalNaive", "AR", "ZeroShot")
    }
    assert set(found["free_run"]["phase_error_degrees"]) == {"10", "100"}
    assert found["split"]["test"] == {"rows": [4502, 5001], "first": "4501", "last": "5000"}


def test_both_verdicts_are_told_one_step_ahead_and_up_to_the_horizon(quick):
    assert (quick.verdict.horizon, quick.ahead.horizon) == (1, 20)
    assert quick.ahead.origins == len(range(0, 500 - 20 + 1))
    best = min(row.rmse for row in quick.scores if row.mode == "multi_sequence" and row.model != "LSTM")
    assert quick.ahead.best_rmse == pytest.approx(best, abs=0.02), "the same steps ahead, from other origins"
    sentence = quick.verdict.sentence
    assert sentence.index("one step ahead") < sentence.index("Over 1 to 20 steps ahead, on 481 origins, the LSTM is")
    assert quick.as_dict()["verdict_ahead"]["horizon"] == 20
    near = run(settings(updates=0).model_copy(update={"horizon": 1}))
    assert near.ahead is None and near.as_dict()["verdict_ahead"] is None
    assert "steps ahead" not in near.verdict.sentence


def test_where_an_input_holds_the_future_no_horizon_is_claimed(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(size=400).cumsum()
    rows = [f"{step},{y[step]:.6f},{y[step + 1]:.6f}" for step in range(399)]
    (tmp_path / "leak.csv").write_text("\n".join(["step,y,spoiler", *rows]) + "\n", encoding="utf-8")
    config = settings(str(tmp_path / "leak.csv"), updates=5)
    data = config.data.model_copy(update={"target": "y", "inputs": ("spoiler",)})
    outcome = run(config.model_copy(update={"data": data, "horizon": 4}))
    assert not outcome.verdict.claimed and not outcome.ahead.claimed
    assert outcome.verdict.sentence.count("believe none of these figures") == 2


def test_a_wrong_forecast_is_refused(quick):
    mode = quick.modes["multi_sequence"]
    with pytest.raises(DataError, match="expected finite"):
        scores(mode, {"X": np.full((*mode.truth_OH.shape, 13), np.nan)}, np.arange(50.0), 1)
    with pytest.raises(SettingsError, match="longer than the test part"):
        modes_of(np.arange(100.0), split_steps(100), 11)


def test_unseen_series_are_not_the_course_sine():
    sine = np.sin(1 + 2 * np.pi * np.arange(5001) / 100)
    for values in unseen_series().values():
        part = values[700:1000]
        nearest = min(np.abs(sine[k : k + 300] - part).max() for k in range(200))
        assert nearest > 0.1


def course(source, seed=0, **training):
    return run(RunConfig(data=DataConfig(source=source), training=TrainingConfig(seed=seed, **training)))


def of(outcome, mode, model):
    return next(row for row in outcome.scores if (row.mode, row.model) == (mode, model))


def sine_musts(outcome):
    phase = {k: abs(x) for k, x in outcome.free_run["phase_error_degrees"].items()}
    amplitude = {k: abs(x) for k, x in outcome.free_run["amplitude_error_percent"].items()}
    return {
        "point by point": of(outcome, "point_by_point", "LSTM").rmse <= 0.002,
        "10 cycles": phase["10"] <= 1 and amplitude["10"] <= 1,
        "100 cycles": phase["100"] <= 6 and amplitude["100"] <= 2,
    }


def sp500_musts(outcome):
    lstm, last = (of(outcome, "point_by_point", model) for model in ("LSTM", "LastValue"))
    return {"price and interval": lstm.rmse <= 1.01 * last.rmse and lstm.crps < last.crps}


def test_the_sine_is_learned_and_runs_free():
    assert all(sine_musts(course("sine")).values())


def test_without_updates_the_sine_is_not_learned():
    assert not any(sine_musts(course("sine", updates=0)).values())


def test_the_sp500_is_as_good_as_the_last_value_with_better_intervals():
    assert all(sp500_musts(course("sp500")).values())


def test_without_updates_the_sp500_is_its_last_value():
    outcome = course("sp500", updates=0)
    rmse, last = (of(outcome, "point_by_point", model).rmse for model in ("LSTM", "LastValue"))
    assert rmse == pytest.approx(last, rel=0.002)


@pytest.mark.slow
def test_the_free_run_holds_over_seeds():
    outcomes = [course("sine", seed) for seed in range(5)]
    for cycles, phase, amplitude in (("10", 1, 1), ("100", 6, 2)):
        errors = [o.free_run["phase_error_degrees"][cycles] for o in outcomes]
        sizes = [o.free_run["amplitude_error_percent"][cycles] for o in outcomes]
        assert np.median(np.abs(errors)) <= phase
        assert np.median(np.abs(sizes)) <= amplitude


def test_free_run_measures_a_known_shift(quick, monkeypatch):
    def shifted(model, values, steps, block, further=None):
        return 1.02 * np.sin(1 + 2 * np.pi * (len(values) + np.arange(steps)) / 100 + np.radians(3))

    monkeypatch.setattr("gatecast.predictor.full_sequence", shifted)
    found = free_run(quick.model, np.zeros(4501), 100, 50)
    assert found["phase_error_degrees"]["10"] == pytest.approx(3)
    assert found["amplitude_error_percent"]["100"] == pytest.approx(2)


def test_missing_values_in_the_series_are_survived():
    outcome = run(settings("co2"))
    assert outcome.as_dict()["data"]["missing"] > 0
    assert all(np.isfinite(row.rmse) for row in outcome.scores)


def test_several_series_are_refused_with_a_way_out(tmp_path):
    path = tmp_path / "two.csv"
    rows = [f"{name},{2000 + k},{k + 0.5}" for name in "ab" for k in range(40)]
    path.write_text("\n".join(["unique_id,ds,y", *rows]))
    with pytest.raises(DataError, match="2 series"):
        run(settings(str(path)))


def test_the_forecaster_of_a_run_can_be_used_on():
    outcome = run(settings("sp500"))
    assert isinstance(outcome.forecaster, LSTMForecaster)
    frame = outcome.forecaster.predict(5, level=[80])
    assert frame.num_rows == 5
