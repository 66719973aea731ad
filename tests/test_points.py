"""The point forecast for a measure."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

import gatecast
from gatecast.config import LEVELS, QUANTILES
from gatecast.errors import DataError, SettingsError

NORMAL = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
DRAWS = np.random.default_rng(0).normal(size=200_000)
ERRORS = {
    "mae": lambda y, f: np.mean(np.abs(y - f)),
    "rmse": lambda y, f: np.mean((y - f) ** 2),
    "mape": lambda y, f: np.mean(np.abs(y - f) / np.abs(y)),
}


@pytest.mark.parametrize("measure", ERRORS)
@pytest.mark.parametrize("sigma", [0.1, 0.35])
def test_the_point_has_the_lowest_error_of_its_own_measure(measure, sigma):
    quantiles, came = np.exp(3 + sigma * NORMAL), np.exp(3 + sigma * DRAWS)
    made = {name: gatecast.point_for(quantiles, name) for name in ERRORS}
    errors = {name: ERRORS[measure](came, point) for name, point in made.items()}
    assert min(errors, key=errors.get) == measure
    tried = min(ERRORS[measure](came, point) for point in np.linspace(*np.exp(3 + sigma * np.array([-1, 1])), 200))
    assert errors[measure] <= 1.002 * tried


def test_of_negative_values_the_point_for_percentages_is_the_mirror_image():
    quantiles = np.exp(1 + 0.3 * NORMAL)
    assert gatecast.point_for(-quantiles[::-1], "mape") == pytest.approx(-gatecast.point_for(quantiles, "mape"))


def test_where_the_sign_is_open_or_the_spread_is_wild_the_point_for_percentages_stays_near_the_median():
    assert gatecast.point_for(NORMAL, "mape") == 0
    assert gatecast.point_for(0.1 + NORMAL, "mape") == pytest.approx(0.1)
    wild = np.exp(3 * NORMAL)
    assert gatecast.point_for(wild, "mape") == wild[QUANTILES.index(0.3)]
    assert gatecast.point_for(np.full(len(QUANTILES), 7.0), "mape") == 7
    assert (gatecast.point_for(np.zeros((2, len(QUANTILES))), "mape") == 0).all()


def test_a_missing_forecast_stays_missing():
    quantiles = np.stack([np.full(len(QUANTILES), np.nan), np.exp(NORMAL)])
    for measure in ("mae", "mase", "smape", "rmse", "mape"):
        assert np.isnan(gatecast.point_for(quantiles, measure)).tolist() == [True, False]


def test_a_table_gets_a_column_of_points_for_each_model():
    table = pd.DataFrame({"ds": pd.date_range("2020-01-31", periods=60, freq="ME"), "y": 20 + np.arange(60.0) % 12})
    made = gatecast.forecast(table, 6, level=LEVELS)
    got = gatecast.point_for(made, "mape")
    assert isinstance(got, pd.DataFrame) and list(got.columns) == [*made.columns, "ZeroShot-for-mape"]
    assert (got["ZeroShot-for-mape"] <= got["ZeroShot"]).all() and (
        got["ZeroShot-for-mape"] >= got["ZeroShot-lo-40"]
    ).all()
    same = gatecast.point_for(made, "mae")["ZeroShot-for-mae"]
    assert same.tolist() == made["ZeroShot"].tolist()
    assert list(gatecast.point_for(made.to_dict("list"), "rmse")) == [*made.columns, "ZeroShot-for-rmse"]


def test_what_cannot_be_answered_is_refused_with_what_would_do():
    made = gatecast.forecast([3.0, 4, 5] * 9, 3, level=(80, 90))
    with pytest.raises(DataError, match=r"ZeroShot has no 20 % interval in this table; forecast it with level=\(20, "):
        gatecast.point_for(made, "mape")
    with pytest.raises(SettingsError, match="'mpae' is not offered; choose from mae, mase, smape, rmse, mape"):
        gatecast.point_for(made, "mpae")
    with pytest.raises(DataError, match=r"have shape \(3, 5\); the last axis holds the 13"):
        gatecast.point_for(np.zeros((3, 5)), "mae")
