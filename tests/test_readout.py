"""The path refitted by least squares: exact where it can be, kept only if validation gets better, blind to the end."""

import numpy as np
import pytest
import torch

from gatecast import runtime
from gatecast.config import MEDIAN, NetworkConfig
from gatecast.network import Network, export
from gatecast.readout import refit_path
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Running, fixed_from
from gatecast.windows import training_set, validation_batch

HORIZON, CONTEXT, TRAINING = 12, 32, 500


def weights_of(units=48):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return weights_from_arrays(export(Network(NetworkConfig(units=units))))


def sine(series=1):
    return np.sin(np.arange(600) * 0.2 + np.arange(series)[:, None])


def offered(values_ST, best=np.inf, seed=0, scaling=None):
    scaling = scaling or fixed_from(values_ST[:, :TRAINING], (1,))
    data = training_set(values_ST, TRAINING, scaling, np.random.default_rng(0))
    judge = validation_batch(data, CONTEXT, HORIZON)
    return refit_path(weights_of(), data, judge, best, np.random.default_rng(seed), HORIZON)


def centre_error(found, values_ST):
    """Root mean square error of the medians over the validation part, in scales."""
    data = training_set(values_ST, TRAINING, fixed_from(values_ST[:, :TRAINING], (1,)), np.random.default_rng(0))
    judge = validation_batch(data, CONTEXT, HORIZON)
    h_BTD, _ = runtime.read(found.weights, judge.inputs_BTC)
    h_ND = np.take_along_axis(h_BTD, judge.within_BN[..., None], axis=1).reshape(-1, found.weights.units)
    medians_NK = runtime.answer(found.weights.head, h_ND, judge.question)[..., MEDIAN]
    return float(np.sqrt(np.mean((medians_NK - judge.truth_NK)[judge.known_NK] ** 2)))


@pytest.mark.parametrize("series", [1, 3])
def test_a_sine_is_nearly_exact_without_any_gradient_step(series):
    assert centre_error(offered(sine(series)), sine(series)) < 1e-3


def test_it_is_kept_only_where_validation_gets_better():
    found = offered(sine())
    assert offered(sine(), best=found.loss) is None
    assert offered(sine(), best=np.nextafter(found.loss, np.inf)).loss == found.loss


def test_values_after_the_training_part_move_no_weight_of_an_offer():
    walk = np.random.default_rng(1).normal(size=(1, 600)).cumsum(1)
    changed = walk.copy()
    changed[:, TRAINING:] += 1e-9  # the same offers, and the same choice among them
    one, other = (offered(values, scaling=Running((1,))).weights.head for values in (walk, changed))
    assert all(np.array_equal(*both) for both in zip(one, other, strict=True))


@pytest.mark.parametrize("missing", [0.1, 0.6])
def test_missing_values_are_filled_from_the_fit(missing):
    values = sine()
    values[np.random.default_rng(2).random(values.shape) < missing] = np.nan
    found = offered(values)
    assert np.isfinite(found.loss) and all(np.isfinite(part).all() for part in found.weights.head)


def test_where_next_to_nothing_is_known_nothing_is_offered():
    values = np.full((1, 600), np.nan)
    values[0, ::100] = np.arange(6)
    assert offered(values) is None
