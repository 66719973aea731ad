"""One arithmetic: the network in NumPy is the network in torch, step by step or at once, and as golden as ever."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from gatecast import cell, runtime
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Widths
from gatecast.modelfile import EARLIER, NOW, Model, brought_up
from gatecast.network import Network, export, pinball_loss, to_tensors
from gatecast.predictor import predict_many
from gatecast.runtime import AGE, answer, in_units, read, step, weights_from_arrays, weights_to_arrays, widen
from gatecast.scaling import CANDIDATES, CHANNELS, Covariates, Question, Running, ask, scale_series, scaling_from

GOLDEN = Path(__file__).parent / "golden"
WRITE_GOLDEN = Path(__file__).parents[1] / "scripts" / "write_golden.py"
SEASONS = ((1,), (7,), (4, 28))


def random_weights(seed=0, units=6, layers=1, widths=None, scale=0.4):
    arrays = export(Network(NetworkConfig(units=units, layers=layers), widths))
    rng = np.random.default_rng(seed)
    return weights_from_arrays({name: rng.normal(scale=scale, size=array.shape) for name, array in arrays.items()})


def to_network(weights, widths=None):
    """The torch network with these weights: the reverse of export."""
    network = Network(NetworkConfig(units=weights.units, layers=len(weights.layers)), widths)
    head = weights.head
    pairs = [
        *((layer.weight_ih_l0, ours.input_CK.T) for layer, ours in zip(network.layers, weights.layers, strict=True)),
        *((layer.weight_hh_l0, ours.hidden_DK.T) for layer, ours in zip(network.layers, weights.layers, strict=True)),
        *((layer.bias_ih_l0, ours.bias_K) for layer, ours in zip(network.layers, weights.layers, strict=True)),
        *((layer.bias_hh_l0, 0 * ours.bias_K) for layer, ours in zip(network.layers, weights.layers, strict=True)),
        (network.state.weight, head.state_DE.T),
        (network.state.bias, head.bias_E),
        (network.question.weight, head.question_FE.T),
        (network.middle.weight, head.middle_ED.T),
        (network.middle.bias, head.middle_bias_D),
        (network.out.weight, head.out_DO.T),
        (network.out.bias, head.out_bias_O),
        (network.path.weight, head.path_DJ.T),
        (network.path.bias, head.path_bias_J),
    ]
    assert len(pairs) == len(list(network.parameters()))
    with torch.no_grad():
        for parameter, array in pairs:
            assert parameter.shape == array.shape
            parameter.copy_(torch.as_tensor(np.ascontiguousarray(array)))
    return network.eval()


def scaled_and_question(seasons, seed=0, steps=50):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, steps)).cumsum(1)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[2, :20] = np.nan
    scaled = scale_series(values, Running(seasons))
    rows, origins = np.array([0, 1, 2, 0]), np.array([steps - 1, 30, 25, 2])  # the last two lack some candidates
    return scaled, rows, origins, ask(scaled, rows, origins, np.array([1, 3, 7, 20, 64]), seasons)


@torch.no_grad()
def in_torch(network, inputs_BTC, rows, origins, question):
    """States and quantiles from torch, each series read from its first observed value on."""
    h_BTD = torch.zeros(*inputs_BTC.shape[:2], network.path.in_features)
    for row, inputs_TC in enumerate(inputs_BTC):
        first = int(np.argmax(inputs_TC[:, AGE] > 0))
        h_BTD[row, first:] = network.read(torch.from_numpy(inputs_TC[None, first:]))[0]
    return h_BTD.numpy(), network(h_BTD[rows, origins], to_tensors(question, torch.device("cpu"))).numpy()


# ------------------------------------------------------------------------------------------- torch and NumPy


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("seasons", SEASONS)
def test_torch_and_numpy_say_the_same(layers, seasons):
    weights = random_weights(layers, layers=layers)
    scaled, rows, origins, question = scaled_and_question(seasons)
    if seasons != (1,):
        assert not question.available_NKA.all()  # some candidates are missing
    h_BTD, _ = read(weights, scaled.inputs_BTC)
    ours = answer(weights.head, h_BTD[rows, origins], question)
    h_torch, theirs = in_torch(to_network(weights), scaled.inputs_BTC, rows, origins, question)
    np.testing.assert_allclose(h_torch, h_BTD, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_export_is_read_back_as_the_same_network():
    network = Network(NetworkConfig(units=5, layers=2), Widths(1, 2, 3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.arange(parameter.numel()).view_as(parameter) / parameter.numel())
    arrays = export(network)
    weights = weights_from_arrays(arrays)
    assert {name: array.shape for name, array in weights_to_arrays(weights).items()} == {
        name: array.shape for name, array in arrays.items()
    }
    assert weights.units == 5
    parameters = sum(parameter.numel() for parameter in network.parameters())
    second_biases = 2 * 4 * 5  # torch keeps two biases where one says all
    assert sum(array.size for array in arrays.values()) == parameters - second_biases
    again = export(to_network(weights, Widths(1, 2, 3)))
    assert all(np.array_equal(array, again[name]) for name, array in arrays.items())


def test_a_missing_array_is_a_key_error():
    arrays = weights_to_arrays(random_weights())
    arrays.pop("head.middle_ED")
    with pytest.raises(KeyError, match="middle_ED"):
        weights_from_arrays(arrays)


# ------------------------------------------------------------------------------------------- step by step


def random_inputs(seed, batch, steps):
    """Inputs of series that have begun."""
    x_BTC = np.random.default_rng(seed).normal(size=(batch, steps, len(CHANNELS)))
    x_BTC[..., AGE] = np.abs(x_BTC[..., AGE])
    return x_BTC


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reading_at_once_is_reading_step_by_step_is_the_hand_written_cell(layers):
    weights = random_weights(7, layers=layers)
    x_BTC = random_inputs(1, 3, 20)
    h_BTD, finals = read(weights, x_BTC)
    states, rows = runtime.start(weights, 3), []
    for t in range(x_BTC.shape[1]):
        h_BD, states = step(weights, x_BTC[:, t], states)
        rows.append(h_BD)
    by_hand, by_hand_finals, _ = cell.lstm_forward(x_BTC, weights.layers, residual=True)
    np.testing.assert_allclose(np.stack(rows, 1), h_BTD, atol=1e-12)
    np.testing.assert_allclose(by_hand, h_BTD, atol=1e-12)
    for one, two, three in zip(finals, states, by_hand_finals, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)
        np.testing.assert_allclose(one, three, atol=1e-12)


def test_reading_can_be_stopped_and_taken_up_again():
    weights = random_weights(8, layers=2)
    x_BTC = random_inputs(2, 2, 30)
    whole, _ = read(weights, x_BTC)
    first, states = read(weights, x_BTC[:, :11])
    second, _ = read(weights, x_BTC[:, 11:], states)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-12)


def test_steps_before_the_first_value_change_nothing():
    weights = random_weights(8, layers=2)
    values = np.random.default_rng(3).normal(size=(1, 40))
    padded = np.concatenate([np.full((1, 25), np.nan), values], axis=1)
    plain, finals = read(weights, scale_series(values, Running((7,))).inputs_BTC)
    late, late_finals = read(weights, scale_series(padded, Running((7,))).inputs_BTC)
    assert not late[:, :25].any()
    np.testing.assert_allclose(late[:, 25:], plain, atol=1e-6)
    for one, other in zip(finals, late_finals, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


# ------------------------------------------------------------------------------------------- quantiles


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.1, 1.0, 5.0]))
def test_quantiles_never_cross_whatever_the_weights(seed, scale):
    weights = random_weights(seed, scale=scale)
    scaled, rows, origins, question = scaled_and_question((4, 28), seed)
    quantiles = answer(weights.head, read(weights, scaled.inputs_BTC)[0][rows, origins], question)
    assert quantiles.shape == (4, 5, len(QUANTILES))
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


def test_the_centre_is_the_median_and_a_missing_candidate_has_no_say():
    weights = random_weights(9)
    head = weights.head._replace(path_DJ=0 * weights.head.path_DJ, path_bias_J=0 * weights.head.path_bias_J)
    _, _, _, question = scaled_and_question((7,))
    h_ND = np.random.default_rng(3).normal(size=(4, weights.units))
    lost = ~question.available_NKA
    changed = question._replace(candidates_NKA=np.where(lost, 1e9, question.candidates_NKA))
    assert lost.any()
    assert np.array_equal(answer(head, h_ND, question), answer(head, h_ND, changed))
    only_level = question._replace(available_NKA=np.arange(CANDIDATES) == np.zeros((4, 5, 1)))
    out_O = head.out_DO[:, CANDIDATES]
    told = (h_ND @ head.state_DE)[:, None] + question.features_NKF @ head.question_FE + head.bias_E
    z = runtime.silu(runtime.silu(told) @ head.middle_ED + head.middle_bias_D)
    correction = z @ out_O + head.out_bias_O[CANDIDATES]
    np.testing.assert_allclose(answer(head, h_ND, only_level)[..., MEDIAN], correction, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 90), direct=st.sampled_from([1, 8, 64]))
def test_widening_keeps_the_median_and_the_order_and_narrows_nothing(seed, rows, direct):
    rng = np.random.default_rng(seed)
    plain = np.sort(rng.normal(size=(3, 80, len(QUANTILES))), axis=-1)
    factors = None if rows % 5 == 0 else 1 + rng.exponential(size=(rows, len(QUANTILES)))
    wide = widen(plain, factors, direct)
    assert np.array_equal(wide[..., MEDIAN], plain[..., MEDIAN])
    assert (np.diff(wide, axis=-1) >= 0).all()
    assert (wide[..., :MEDIAN] <= plain[..., :MEDIAN] + 1e-12).all()
    assert (wide[..., MEDIAN + 1 :] >= plain[..., MEDIAN + 1 :] - 1e-12).all()
    away = np.abs(wide - wide[..., MEDIAN : MEDIAN + 1])[:, direct - 1 :]
    assert (np.diff(away, axis=1) >= -1e-12).all()  # beyond the direct horizon nothing narrows again


def test_without_factors_and_within_the_direct_horizon_nothing_is_widened():
    plain = np.sort(np.random.default_rng(4).normal(size=(2, 8, len(QUANTILES))), axis=-1)
    np.testing.assert_allclose(widen(plain, None, 8), plain, atol=1e-12)


def test_widening_beyond_its_rows_uses_the_last_one():
    plain = np.tile(np.sort(np.random.default_rng(4).normal(size=len(QUANTILES))), (1, 60, 1))
    factors = np.array([1.0, 2.0, 3.0])[:, None] * np.ones(len(QUANTILES))
    made = widen(plain, factors, 64)
    away = made - made[..., MEDIAN : MEDIAN + 1]
    for step_, factor in ((0, 1), (1, 2), (2, 3), (3, 3), (59, 3)):
        np.testing.assert_allclose(away[0, step_], factor * (plain[0, 0] - plain[0, 0, MEDIAN]), atol=1e-12)


def test_in_units_undoes_the_scaling():
    quantiles = np.random.default_rng(5).normal(size=(2, 3, len(QUANTILES)))
    made = in_units(quantiles, np.array([10.0, -5.0]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(made[0], 10 + 2 * quantiles[0])
    assert (made[1] == -5).all()


def test_silu_and_softplus_are_torchs_and_do_not_overflow():
    x = np.array([-1e4, -30.0, -1.0, 0.0, 1e-3, 2.0, 30.0, 1e4])
    there = torch.from_numpy(x)  # torch takes x for softplus above its threshold
    np.testing.assert_allclose(runtime.silu(x), torch.nn.functional.silu(there), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(runtime.softplus(x), torch.nn.functional.softplus(there, threshold=100), rtol=1e-12)


def test_the_pinball_loss_of_the_median_is_half_the_absolute_error():
    truth, quantiles = torch.tensor([[2.0]]), torch.zeros(1, 1, len(QUANTILES))
    expected = 2.0 * sum(QUANTILES) / len(QUANTILES)
    assert float(pinball_loss(truth, quantiles)) == pytest.approx(expected)
    assert float(pinball_loss(-truth, quantiles)) == pytest.approx(expected)  # the levels are symmetric


# ------------------------------------------------------------------------------------------- golden vectors


def golden(version):
    with safe_open(GOLDEN / f"{version}.safetensors", framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
        return arrays, {name: scaling_from(json.loads(text)) for name, text in file.metadata().items()}


def golden_weights(arrays, version):
    weights = weights_from_arrays(
        {name.removeprefix("weights."): array for name, array in arrays.items() if name.startswith("weights.")}
    )
    return brought_up(weights, then_known(version)) if version in EARLIER_VERSIONS else weights


def then_known(version):
    """How many channels, features and candidates the format of that version knew."""
    return EARLIER[int(version.removeprefix("v"))]


def golden_question(arrays, name, version):
    """The question as it was written; what its format did not know says something, and must not be heard."""
    question = Question(*(arrays[f"{name}.{part}"] for part in Question._fields))
    if version not in EARLIER_VERSIONS:
        return question
    then = then_known(version)
    more = NOW.candidates - then.candidates
    rows = question.candidates_NKA.shape[:2]
    return question._replace(
        features_NKF=with_noise(question.features_NKF, then.features, NOW.features),
        candidates_NKA=with_noise(question.candidates_NKA, then.candidates, NOW.candidates),
        available_NKA=np.concatenate([question.available_NKA, np.ones((*rows, more), bool)], axis=-1),
    )


def golden_inputs(arrays, name, version):
    """The inputs as they were written, and noise in the channels that their format did not know."""
    inputs_BTC = arrays[f"{name}.inputs_BTC"]
    if version not in EARLIER_VERSIONS:
        return inputs_BTC
    return with_noise(inputs_BTC, then_known(version).channels, NOW.channels).astype(np.float32)


def with_noise(array, begin, end):
    noise = np.random.default_rng(0).normal(scale=100.0, size=(*array.shape[:-1], end - begin))
    return np.concatenate([array[..., :begin], noise, array[..., begin:]], axis=-1)


def as_then(part, array, version):
    """What the format of that version knew of ``array``."""
    if version not in EARLIER_VERSIONS:
        return array
    then = then_known(version)
    newer = {
        "inputs_BTC": (then.channels, NOW.channels),
        "features_NKF": (then.features, NOW.features),
        "candidates_NKA": (then.candidates, NOW.candidates),
        "available_NKA": (then.candidates, NOW.candidates),
    }
    return np.delete(array, slice(*newer[part]), axis=-1) if part in newer else array


def golden_origins(arrays):
    series, origins = len(arrays["values_BT"]), arrays["origins_N"]
    return np.repeat(np.arange(series), len(origins)), np.tile(origins, series)


def golden_columns(arrays):
    """The columns beside the target; those of v1 are past-only."""
    if "further_PBT" in arrays:
        return Covariates(arrays["further_PBT"])
    return Covariates(*(arrays[name] for name in Covariates._fields))


def whole_forecast(arrays, scaling, version):
    """Values in, widened quantiles out: a direct horizon of 8, run on to 20."""
    values = arrays["values_BT"]
    config = RunConfig(training=TrainingConfig(horizon=8))
    model = Model(golden_weights(arrays, version), scaling, config, arrays["widening_KQ"])
    return predict_many(model, values, np.array([values.shape[1] - 1]), 20, golden_columns(arrays))[:, 0]


CASES = ("running", "running_no_season", "fixed")
WIDTHS = {"v1": Widths(1), "v2": Widths(1, 2, 1), "v3": Widths(1, 2, 1), "v4": Widths(1, 2, 1)}
EARLIER_VERSIONS = ("v1", "v2", "v3")
every_version = pytest.mark.parametrize("version", WIDTHS)


@every_version
@pytest.mark.parametrize("name", CASES)
def test_every_stage_matches_the_golden_vectors(version, name):
    arrays, scalings = golden(version)
    assert set(scalings) == set(CASES)
    weights = golden_weights(arrays, version)
    scaled = scale_series(arrays["values_BT"], scalings[name], golden_columns(arrays))
    rows, origins = golden_origins(arrays)
    question = ask(scaled, rows, origins, arrays["steps_K"], scalings[name].seasons)
    h_BTD, _ = read(weights, scaled.inputs_BTC.astype(np.float64))
    quantiles = answer(weights.head, h_BTD[rows, origins], question)
    level_N, scale_N = scaled.level_BT[rows, origins], scaled.scale_BT[rows, origins]
    made = {
        "level_BT": scaled.level_BT,
        "scale_BT": scaled.scale_BT,
        **question._asdict(),
        "h_BTD": h_BTD,
        "quantiles_NKQ": quantiles,
        "units_NKQ": in_units(quantiles, level_N, scale_N),
        "forecast_SHQ": whole_forecast(arrays, scalings[name], version),
    }
    # an input is float32, so a last bit of float64 elsewhere may show as one of float32 in it
    inputs_BTC = as_then("inputs_BTC", scaled.inputs_BTC, version)
    np.testing.assert_allclose(inputs_BTC, arrays[f"{name}.inputs_BTC"], rtol=1.2e-7, atol=1e-12)
    tolerance = 1e-12 if np.array_equal(inputs_BTC, arrays[f"{name}.inputs_BTC"]) else 1e-6
    for part, whole in made.items():
        array, expected = as_then(part, whole, version), arrays[f"{name}.{part}"]
        limit = 1e-12 if part in ("level_BT", "scale_BT", *Question._fields) else tolerance
        assert np.abs(array.astype(float) - expected).max() <= limit * max(1, np.abs(expected).max()), part


@every_version
@pytest.mark.parametrize("name", CASES)
def test_the_network_alone_matches_the_golden_vectors_in_numpy_and_in_torch(version, name):
    arrays, _ = golden(version)
    weights, question = golden_weights(arrays, version), golden_question(arrays, name, version)
    rows, origins = golden_origins(arrays)
    inputs, expected = golden_inputs(arrays, name, version), arrays[f"{name}.quantiles_NKQ"]
    h_BTD, _ = read(weights, inputs.astype(np.float64))
    np.testing.assert_allclose(h_BTD, arrays[f"{name}.h_BTD"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(answer(weights.head, h_BTD[rows, origins], question), expected, rtol=1e-12, atol=1e-12)
    _, in_single = in_torch(to_network(weights, WIDTHS[version]), inputs, rows, origins, question)
    np.testing.assert_allclose(in_single, expected, rtol=1e-5, atol=1e-5)


def wrong_gate_order(weights):
    order = np.r_[0:4, 8:12, 4:8, 12:16]  # forget and candidate exchanged
    first = cell.LayerWeights(*(array[..., order] for array in weights.layers[0]))
    return weights._replace(layers=(first, *weights.layers[1:]))


def no_gate_bias(weights):
    first = weights.layers[0]._replace(bias_K=0 * weights.layers[0].bias_K)
    return weights._replace(layers=(first, *weights.layers[1:]))


def no_head_bias(weights):
    return weights._replace(head=weights.head._replace(middle_bias_D=0 * weights.head.middle_bias_D))


@pytest.mark.parametrize("broken", [wrong_gate_order, no_gate_bias, no_head_bias])
def test_a_wrong_network_does_not_match_the_golden_vectors(broken):
    arrays, _ = golden("v4")
    weights, question = broken(golden_weights(arrays, "v4")), golden_question(arrays, "running", "v4")
    rows, origins = golden_origins(arrays)
    h_BTD, _ = read(weights, arrays["running.inputs_BTC"].astype(np.float64))
    made = answer(weights.head, h_BTD[rows, origins], question)
    assert np.abs(made - arrays["running.quantiles_NKQ"]).max() > 1e-2


def test_the_script_still_writes_the_golden_vectors(tmp_path):
    """What is committed is what the script makes; the arithmetic has not moved since."""
    runpy.run_path(str(WRITE_GOLDEN))["main"](tmp_path)
    assert {place.name for place in tmp_path.iterdir()} < {place.name for place in GOLDEN.iterdir()}
    for place in tmp_path.iterdir():
        with safe_open(place, framework="numpy") as again, safe_open(GOLDEN / place.name, framework="numpy") as kept:
            assert set(again.keys()) == set(kept.keys())
            for name in kept.keys():  # noqa: SIM118 (it is not a dict)
                np.testing.assert_allclose(again.get_tensor(name), kept.get_tensor(name), rtol=1e-6, atol=1e-6)
