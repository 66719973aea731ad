"""A network goes on with series that have grown: gently, from its own weights, and with what was decided before."""

import numpy as np
import pandas as pd
import pytest

from gatecast import fitting
from gatecast.config import MEDIAN, NetworkConfig, TrainingConfig
from gatecast.errors import SettingsError
from gatecast.fitting import GENTLE, LEAST_REFIT
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import load_model
from gatecast.panel import panel_from_frame
from gatecast.runtime import weights_to_arrays


def table(steps, series=1, seed=0, tail=None):
    """Hourly walks around a day; with ``tail`` the last ten steps are something else."""
    rng = np.random.default_rng(seed)
    whole = 20 + 3 * np.sin(np.arange(400) * 2 * np.pi / 24) + rng.normal(size=(series, 400)).cumsum(1) / 3
    values = whole[:, :steps].copy()
    if tail is not None:
        values[:, -10:] = tail
    ds = np.tile(pd.date_range("2024-01-01", periods=steps, freq="h"), series)
    return pd.DataFrame(
        {"unique_id": np.repeat([f"s{s}" for s in range(series)], steps), "ds": ds, "y": values.ravel()}
    )


def fitted(data, **changes):
    usual = {"context": 32, "horizon": 6, "updates": 30, "batch": 4, "origins": 4, "steps": 3, "scaling": "running"}
    return LSTMForecaster(NetworkConfig(units=6), TrainingConfig(**{**usual, **changes})).fit(data)


def arrays(forecaster):
    return weights_to_arrays(forecaster.model_.weights)


def moved(before, after):
    return max(float(np.abs(after[name] - array).max()) for name, array in before.items())


@pytest.mark.parametrize("series", [1, 3])
def test_it_goes_on_from_its_weights_and_keeps_what_was_decided(series):
    one = fitted(table(250, series), scaling="auto", learning_rate=0.002, readout=False)
    scaling, settings, start = one.model_.scaling, one.model_.config, arrays(one)
    one.refit_panel(panel_from_frame(table(320, series)))
    assert (one.model_.scaling, one.model_.config) == (scaling, settings)
    assert 0 < moved(start, arrays(one)) <= 20 * GENTLE  # Adam moves a weight by about the rate in an update
    assert one.model_.card["refits"] == 1
    assert one.model_.card["data"]["steps"] == 320 * series
    assert np.isfinite(one.model_.card["training"]["validation_loss"])
    assert one.predict(2)["ds"].min() == pd.Timestamp("2024-01-01") + pd.Timedelta(hours=320)


def test_new_steps_get_as_many_updates_as_each_had_in_the_first_fit(monkeypatch):
    asked = []

    def train(supply, scaling, configs, progress, terms):
        asked.append((configs[1].updates, configs[1].learning_rate, configs[1].seed, terms.start is not None))
        return trained(supply, scaling, configs, progress, terms)

    trained = fitting.train
    one = fitted(table(200), updates=40, learning_rate=0.01, seed=5)
    monkeypatch.setattr(fitting, "train", train)
    for steps in (201, 300, 400):
        one.refit_panel(panel_from_frame(table(steps)))
    assert [each[0] for each in asked] == [LEAST_REFIT, round(40 * 99 / 300), LEAST_REFIT]
    assert [each[1:] for each in asked] == [(GENTLE, 6, True), (GENTLE, 7, True), (GENTLE, 8, True)]


def test_no_updates_leave_the_medians_and_check_the_intervals_anew():
    one, grown = fitted(table(300), updates=0), panel_from_frame(table(320))
    origins, before = np.arange(290, 310), one.model_
    plain = one.predict_many(grown, origins, 6)
    one.refit_panel(panel_from_frame(table(320, tail=60.0)))  # nothing it knows says that
    again = one.predict_many(grown, origins, 6)
    np.testing.assert_array_equal(again[..., MEDIAN], plain[..., MEDIAN])
    assert (one.model_.widening_KQ[0, -1] > before.widening_KQ[0, -1]) and again.std() != plain.std()


def test_validation_decides_whether_weights_move(monkeypatch):
    one = fitted(table(300), readout=False)
    monkeypatch.setattr("gatecast.training._judge", lambda network, batch, place, seen=[]: seen.append(1) or len(seen))
    start = arrays(one)
    one.refit_panel(panel_from_frame(table(320)))  # every look is worse than the one before
    assert moved(start, arrays(one)) == 0


def test_it_repeats_bit_for_bit_and_survives_a_file(tmp_path):
    made = []
    for name in ("one", "other"):
        each = fitted(table(250)).refit_panel(panel_from_frame(table(280)))
        each.save(tmp_path / name)
        made.append(arrays(each))
        read = weights_to_arrays(load_model(tmp_path / name).weights)
        assert all(np.allclose(array, read[key], rtol=1e-6) for key, array in made[-1].items())
    assert moved(*made) == 0


def test_without_a_fit_or_with_other_columns_it_is_refused_in_words():
    with pytest.raises(SettingsError, match="refit_panel: fit the forecaster first"):
        LSTMForecaster().refit_panel(panel_from_frame(table(100)))
    one = fitted(table(250), updates=2)
    other = panel_from_frame(table(280).assign(price=1.0), inputs=["price"])
    with pytest.raises(SettingsError, match="price"):
        one.refit_panel(other)
