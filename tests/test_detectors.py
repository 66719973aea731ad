"""What a chart can hide is named, and good forecasts are not called names."""

import numpy as np
import pytest
from statsmodels.stats.diagnostic import acorr_ljungbox

from gatecast.baselines import AR
from gatecast.config import MEDIAN
from gatecast.detectors import flat_detector, lag_detector, ljung_box
from gatecast.errors import DataError

SINE = np.sin(1 + 2 * np.pi * np.arange(5001) / 100)
WALK = 1000 + np.cumsum(np.random.default_rng(4).normal(size=2000))


def noise(size, seed=0):
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("disguise", [0.0, 0.3, 0.9, 1.5])
@pytest.mark.parametrize("bias", [0.0, 25.0])
def test_a_copy_of_the_last_value_is_named(disguise, bias):
    truth, last = WALK[1:], WALK[:-1]
    assert lag_detector(truth, last + bias + disguise * noise(len(last)), last).follows_last


def test_a_copy_on_the_sine_is_named():
    assert lag_detector(SINE[4501:], SINE[4500:-1], SINE[4500:-1]).follows_last


def test_good_or_merely_bad_forecasts_are_not_called_copies():
    origins = np.arange(4500, 5000)
    solved = AR(2).fit_values(SINE[:4000], 1).predict_many(SINE, origins, 1)[:, 0, MEDIAN]
    noisy = SINE[4501:] + 0.002 * noise(500)
    flat = np.full(500, 3.0)
    for forecast in (solved, noisy, flat):
        assert not lag_detector(SINE[4501:], forecast, SINE[4500:-1]).follows_last
    white = noise(2000)
    assert not lag_detector(white[1:], np.zeros(1999), white[:-1]).follows_last
    assert not lag_detector(WALK[1:], np.full(1999, 900.0), WALK[:-1]).follows_last


def test_a_forecast_near_the_last_value_with_real_skill_is_not_a_copy():
    truth, last = WALK[1:], WALK[:-1]
    assert not lag_detector(truth, 0.7 * last + 0.3 * truth, last).follows_last


def test_a_forecast_that_does_not_move_is_named():
    truth = 50 + noise(400)
    assert flat_detector(truth, np.full(400, 50.0)).is_flat
    assert flat_detector(truth, 50 + 0.03 * noise(400, seed=1)).is_flat
    assert not flat_detector(truth, 50 + 0.2 * noise(400, seed=1)).is_flat
    assert not flat_detector(WALK[1:], WALK[:-1]).is_flat
    assert not flat_detector(np.full(9, 50.0), np.full(9, 50.0)).is_flat, "nor does the truth"
    assert not flat_detector(np.full(9, np.nan), np.full(9, 50.0)).is_flat


def test_equals_statsmodels():
    errors = noise(200) + 0.3 * noise(200, seed=1).cumsum()
    ours, theirs = ljung_box(errors, 7), acorr_ljungbox(errors, lags=[7])
    assert ours.statistic == pytest.approx(theirs["lb_stat"].iloc[0])
    assert ours.p_value == pytest.approx(theirs["lb_pvalue"].iloc[0])


def test_five_percent_of_white_errors_are_said_to_remember():
    found = [ljung_box(errors).p_value < 0.05 for errors in noise((2_000, 200))]
    assert np.mean(found) == pytest.approx(0.05, abs=0.02)
    left = np.convolve(noise(500), [1, 0.4], "valid")
    assert ljung_box(left).p_value < 0.001 and ljung_box(left).autocorrelation == pytest.approx(0.4 / 1.16, abs=0.1)


def test_errors_that_tell_nothing():
    assert ljung_box(np.zeros(100)).p_value == 1 and ljung_box(noise(5)).p_value == 1
    assert ljung_box(np.full(50, np.nan)).p_value == 1
    errors = noise(300)
    errors[100:150] = np.nan
    assert 0 < ljung_box(errors).p_value < 1 and ljung_box(errors).lags == 10


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="same length"):
        lag_detector(WALK, WALK[1:], WALK)
    with pytest.raises(DataError, match="same length"):
        flat_detector(WALK, WALK[1:])
