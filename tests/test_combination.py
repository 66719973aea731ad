"""A combination is its parts' quantiles averaged, with weights that no later value reaches."""

import numpy as np
import pandas as pd
import pytest

from gatecast.baselines import LastValue, SeasonalNaive
from gatecast.classical import AutoETS, AutoTheta
from gatecast.combination import Combination, simplex_weights, smoothing_for
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.judging import NAMED, backtest
from gatecast.panel import panel_from_frame
from gatecast.zeroshot import ZeroShot


class Network:
    """Stands for a network: the last value, or a season ago, of every series; fits in no time."""

    name = "LSTM"

    def __init__(self, model=LastValue, season=1):
        self.model, self.season = model, season

    def fit(self, panel):
        assert not hasattr(self, "panel")  # a copy is fitted, and once only
        self.panel = panel
        self.fitted = {
            name: self.model().fit_values(panel.series_values(s), self.season) for s, name in enumerate(panel.ids)
        }
        return self

    fit_panel = fit

    def predict_many(self, panel, origins, horizon):
        longest = int(panel.lengths.max())
        return np.stack(
            [
                self.fitted[name].predict_many(
                    panel.series_values(s), np.asarray(origins) - (longest - int(panel.lengths[s])), horizon
                )
                for s, name in enumerate(panel.ids)
            ]
        )


def frame(series=3, steps=72, seed=0):
    t, rng = np.arange(steps), np.random.default_rng(seed)
    parts = []
    for s in range(series):
        y = 20 * (s + 1) + 5 * np.sin(t * 2 * np.pi / 12 + s) + 0.1 * t + rng.normal(0, 1, steps)
        parts.append(
            pd.DataFrame({"unique_id": f"s{s}", "ds": pd.date_range("2015-01-31", periods=steps, freq="ME"), "y": y})
        )
    return pd.concat(parts, ignore_index=True)


PANEL = panel_from_frame(frame())
ENDS = np.array([71])


def test_weights_go_to_the_model_that_is_right_and_of_one_series_half_way_only():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 3))
    around = np.linspace(-0.5, 0.5, len(QUANTILES))
    said = np.stack([truth[..., None] + around, truth[..., None] + around + 3, truth[..., None] + around - 9])
    weights = simplex_weights(truth, said)
    assert weights == pytest.approx([0.5 + 0.5 / 3, 0.5 / 3, 0.5 / 3])
    assert simplex_weights(truth, said, 99) == pytest.approx([0.99 + 0.01 / 3, 0.01 / 3, 0.01 / 3])
    assert simplex_weights(truth, np.repeat(said[:1], 3, axis=0)) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert simplex_weights(np.full_like(truth, np.nan), said) == pytest.approx([1 / 3] * 3)


def test_errors_that_cancel_are_found():
    truth = np.random.default_rng(0).normal(size=(300, 1))
    around = np.linspace(-0.1, 0.1, len(QUANTILES))
    said = np.stack([truth[..., None] + around + shift for shift in (1.0, -1.0, 5.0)])
    weights = simplex_weights(truth, said)
    assert weights == pytest.approx([0.25 + 0.5 / 3, 0.25 + 0.5 / 3, 0.5 / 3])


def test_it_is_the_weighted_mean_of_its_parts():
    made = Combination(Network(), season_length=(12,)).fit(PANEL)
    weights = made.weights(6)
    assert weights.sum() == pytest.approx(1) and (weights >= 1 / 12 - 1e-12).all()  # three series: a quarter is equal
    assert list(made.weights_) == ["LSTM", "AutoETS", "AutoTheta"]
    said = made.predict_many(PANEL, ENDS, 6)
    for s in range(3):
        values = PANEL.series_values(s)
        parts = [
            model.fit_values(values, season).predict_many(values, ENDS, 6)
            for model, season in ((LastValue(), 1), (AutoETS(), 12), (AutoTheta(), 12))
        ]
        assert np.allclose(said[s], np.tensordot(weights, np.stack(parts), axes=1), rtol=1e-12)
    assert (np.diff(said, axis=-1) >= 0).all()


@pytest.mark.parametrize("network", [Network(), Network(SeasonalNaive, 12)])
def test_values_after_an_origin_reach_neither_weights_nor_forecasts(network):
    table, cut = frame(), 56
    model = Combination(network, season_length=(12,))
    plan = {"horizon": 4, "origins": 3, "step": 4, "season_length": 12}
    one = backtest(table, {"C": model}, **plan)
    changed = table.copy()
    late = changed.groupby("unique_id").cumcount() >= 72 - 4 - 8
    changed.loc[late, "y"] = 1e3 * np.random.default_rng(3).normal(size=int(late.sum()))
    other = backtest(changed, {"C": model}, **plan)
    assert np.array_equal(one.forecasts["C"][:, 0], other.forecasts["C"][:, 0])
    assert not np.array_equal(one.forecasts["C"][:, 2], other.forecasts["C"][:, 2])
    assert one.origins_SO[0, 0] > cut


def test_what_is_held_back_is_not_fitted_on():
    """The models that say the weights see nothing of it: values there change truths only."""
    steps = []

    class Watching(Network):
        def fit(self, panel):
            steps.append(panel.lengths.tolist())
            return super().fit(panel)

    Combination(Watching(), season_length=(12,), held_back=0.25).fit(PANEL)
    assert steps == [[54, 54, 54], [72, 72, 72]]


def test_a_network_that_alone_knows_the_week_gets_the_weight():
    week = np.random.default_rng(1).normal(size=7)
    table = frame()
    table["y"] = 50 + np.tile(np.resize(week, 72), 3)
    panel = panel_from_frame(table)
    knows = Combination(Network(SeasonalNaive, 7), season_length=(1,)).fit(panel).weights_["LSTM"]
    guesses = Combination(Network(LastValue), season_length=(1,)).fit(panel).weights_["LSTM"]
    assert knows == pytest.approx((3 + 1 / 3) / 4)
    assert guesses < knows


def test_too_short_series_have_equal_weights_and_that_is_said():
    made = Combination(Network(), season_length=(1,)).fit(panel_from_frame(frame(2, 20)))
    assert list(made.weights_.values()) == pytest.approx([1 / 3] * 3)
    assert "so they are equal" in made.note_
    flat = frame(2)
    flat["y"] = 3.0
    constant = Combination(Network(), season_length=(1,)).fit(panel_from_frame(flat))
    assert "nothing varies" in constant.note_
    assert constant.predict_many(panel_from_frame(flat), ENDS, 2)[..., MEDIAN] == pytest.approx(3.0)


def test_a_forecast_is_a_table_of_the_kind_that_came_in():
    table = frame(2)
    model = Combination(ZeroShot(season_length=(12,)), season_length=(12,)).fit(table)
    made = model.predict(3, level=[80])
    assert list(made) == ["unique_id", "ds", "Combination", "Combination-lo-80", "Combination-hi-80"]
    panel = panel_from_frame(table)
    assert np.allclose(made["Combination"], model.predict_many(panel, ENDS, 3)[:, 0, :, MEDIAN].ravel(), rtol=1e-5)
    assert model.network.season_length == (12,) and not hasattr(model.network, "_panel")  # its own is left alone


def test_long_seasons_take_mstl():
    assert smoothing_for((24,)).name == "AutoETS"
    assert smoothing_for((48,)).name == smoothing_for((24, 168)).name == "MSTL"


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        Combination(held_back=1.0)
    with pytest.raises(SettingsError, match="fit the combination first"):
        Combination().predict(3)
    model = Combination(Network(), season_length=(12,)).fit(PANEL)
    with pytest.raises(DataError, match="series 'x' was not among"):
        model.predict_many(panel_from_frame(frame().replace({"unique_id": {"s1": "x"}})), ENDS, 2)
    ids, steps = [f"{s}" for s in range(2001) for _ in range(2)], [0, 1] * 2001
    many = panel_from_frame({"unique_id": ids, "ds": steps, "y": [1.0, 2.0] * 2001})
    with pytest.raises(DataError, match="2,001 series"):
        Combination(Network()).fit(many)


def test_it_is_known_by_name():
    model = NAMED["Combination"]((24, 168))
    assert isinstance(model, Combination) and model.season_length == (24, 168)
    assert NAMED["Combination"](()).season_length is None
