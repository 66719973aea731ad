"""The forecasters have the manners of estimators: settings that can be read, set, copied and seen."""

import inspect
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.zeroshot import ZeroShot

ROOT = Path(__file__).parents[1]
SKTIME = ROOT / ".peers" / "sktime" / "bin" / "python"  # where ``make peers`` puts it
GIVEN = [
    ZeroShot(season_length=(7,), weights=["a.safetensors"]),
    LSTMForecaster(NetworkConfig(units=4), TrainingConfig(updates=3), season_length=(12,), validation=0.2),
]
every_kind = pytest.mark.parametrize("kind", [ZeroShot, LSTMForecaster])
every_given = pytest.mark.parametrize("given", GIVEN, ids=lambda given: type(given).__name__)


@every_kind
def test_a_constructor_keeps_its_settings_and_does_nothing_else(kind):
    made = kind()
    names = list(inspect.signature(kind).parameters)
    assert (
        vars(made) == made.get_params() == {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    )
    for name in names:
        sentinel = object()
        assert kind(**{name: sentinel}).get_params()[name] is sentinel


@every_given
def test_settings_that_are_set_are_those_that_are_got(given):
    other = type(given)().set_params(**given.get_params())
    assert other.get_params() == given.get_params()
    with pytest.raises(SettingsError, match=r"has no setting 'seasonlength'\. Did you mean 'season_length'\? It has"):
        other.set_params(seasonlength=(3,), season_length=(3,))
    assert other.season_length == given.season_length


@every_given
def test_a_clone_by_the_rules_of_scikit_learn_has_the_settings_and_nothing_fitted(given):
    given = type(given)(**given.get_params())
    given._panel = "fitted"
    copy = clone(given)
    assert copy is not given and copy.get_params() == given.get_params()
    assert not hasattr(copy, "_panel")


def test_a_forecaster_shows_what_is_not_its_default():
    assert repr(ZeroShot()) == "ZeroShot()"
    assert repr(ZeroShot(season_length=(7,))) == "ZeroShot(season_length=(7,))"
    assert repr(LSTMForecaster(validation=0.2)) == "LSTMForecaster(validation=0.2)"


def test_a_setting_that_is_set_is_the_one_that_is_used():
    values = 10 + np.tile([0, 1, 5, 2.0, 0, 0, 3], 20)
    forecaster = ZeroShot(season_length=(1,))
    plain = np.asarray(forecaster.fit(values).predict(7)["ZeroShot"])
    seasonal = np.asarray(forecaster.set_params(season_length=(7,)).fit(values).predict(7)["ZeroShot"])
    assert np.abs(seasonal - values[:7]).max() < np.abs(plain - values[:7]).max()


@pytest.mark.slow
def test_the_adapter_passes_the_checks_of_sktime():
    if not SKTIME.exists():
        pytest.skip(f"there is no {SKTIME.relative_to(ROOT)}; make peers installs it")
    code = (
        "from sktime.utils.estimator_checks import check_estimator\n"
        "from gatecast.sktime_adapter import SktimeForecaster\n"
        "found = check_estimator(SktimeForecaster, verbose=False)\n"
        "print(len(found), {name: result for name, result in found.items() if result != 'PASSED'})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([SKTIME, "-c", code], capture_output=True, text=True, check=False, env=environment)
    count, _, failed = done.stdout.strip().rpartition("\n")[2].partition(" ")
    assert (done.returncode, failed) == (0, "{}"), done.stderr[-2000:]
    assert int(count) > 500
