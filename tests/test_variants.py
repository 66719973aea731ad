"""Every cell is its textbook's, the same in NumPy and torch; a network of any of them forecasts as it was trained."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from gatecast import cli
from gatecast.cell import LayerWeights, State, initial_state, lstm_step
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import ModelFileError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import load_model
from gatecast.network import Network, export, restore
from gatecast.recurrent import unroll
from gatecast.runtime import read, start, weights_from_arrays
from gatecast.runtime import step as runtime_step
from gatecast.scaling import CHANNELS
from gatecast.sealed import seal
from gatecast.stream import Stream
from gatecast.variants import CELLS, step

NAMES = sorted(CELLS)
OTHERS = [name for name in NAMES if name != "lstm"]
B, C, D = 3, 2, 5
TABLE = pd.DataFrame({"ds": np.arange(120), "y": 10 + np.sin(np.arange(120) / 3)})


def weights_of(name, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    return LayerWeights(*(rng.normal(scale=scale, size=shape) for shape in CELLS[name].shapes(C, D).values()))


def some_state(name, seed=1):
    h, c = np.random.default_rng(seed).normal(size=(2, B, D))
    return State(h, h) if name in {"gru", "rnn"} else State(h, c)


def inputs(seed=2, steps=7):
    return np.random.default_rng(seed).normal(size=(B, steps, C))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_settings_name_the_cells_there_are():
    assert set(NetworkConfig.model_json_schema()["properties"]["cell"]["enum"]) == set(CELLS)


def test_a_cell_that_does_not_exist_is_refused_with_the_list(tmp_path):
    result = CliRunner().invoke(cli.app, ["run", "sine", "--cell", "gur", "--out", str(tmp_path / "x")])
    assert result.exit_code == 2 and "'gru'" in result.stderr and "gur" in result.stderr


def test_the_lstm_among_the_cells_is_the_one_by_hand():
    weights, state, x = weights_of("lstm"), some_state("lstm"), inputs()[:, 0]
    for got, expected in zip(step("lstm", x, state, weights), lstm_step(x, state, weights)[0], strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-14)


@pytest.mark.parametrize(("name", "gate"), [("no_forget", "forget"), ("no_input", "input"), ("no_output", "output")])
def test_a_cell_without_a_gate_is_the_lstm_with_that_gate_held_open(name, gate):
    whole, place = weights_of("lstm"), CELLS["lstm"].parts.index(gate)
    columns = slice(place * D, (place + 1) * D)
    held = LayerWeights(*(array.copy() for array in whole))
    for array in held[:2]:
        array[:, columns] = 0
    held.bias_K[columns] = 60.0  # sigmoid(60) is 1 to the last bit
    taken = LayerWeights(*(np.delete(array, np.r_[columns], axis=-1) for array in whole))
    x, state = inputs()[:, 0], some_state("lstm")
    for got, expected in zip(step(name, x, state, taken), lstm_step(x, state, held)[0], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_coupled_gates_are_the_lstm_whose_input_gate_is_what_the_forget_gate_leaves():
    weights, x, state = weights_of("coupled"), inputs()[:, 0], some_state("coupled")
    of_input, of_hidden, bias = (array[..., :D] for array in weights)
    whole = LayerWeights(
        *(np.concatenate([-f, w], -1) for f, w in zip((of_input, of_hidden, bias), weights, strict=True))
    )
    for got, expected in zip(step("coupled", x, state, weights), lstm_step(x, state, whole)[0], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_peepholes_let_gates_see_the_cell_and_without_weight_change_nothing():
    weights, x, state = weights_of("peephole"), inputs()[:, 0], some_state("peephole")
    blind = weights._replace(hidden_DK=np.concatenate([weights.hidden_DK[:-1], np.zeros((1, 4 * D))]))
    plain = LayerWeights(weights.input_CK, weights.hidden_DK[:-1], weights.bias_K)
    assert np.allclose(step("peephole", x, state, blind).c_BD, lstm_step(x, state, plain)[0].c_BD, rtol=1e-12)
    z = x @ weights.input_CK + state.h_BD @ weights.hidden_DK[:-1] + weights.bias_K
    (i, f, g, o), (see_i, see_f, _, see_o) = np.split(z, 4, -1), np.split(weights.hidden_DK[-1], 4)
    c = sigmoid(f + see_f * state.c_BD) * state.c_BD + sigmoid(i + see_i * state.c_BD) * np.tanh(g)
    new = step("peephole", x, state, weights)
    np.testing.assert_allclose(new.c_BD, c, rtol=1e-12)
    np.testing.assert_allclose(new.h_BD, sigmoid(o + see_o * c) * np.tanh(c), rtol=1e-12)  # the new cell state


def test_the_plain_rnn_equals_torch():
    weights, x = weights_of("rnn"), inputs()
    layer = torch.nn.RNN(C, D, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for name, array in {"weight_ih": weights.input_CK.T, "weight_hh": weights.hidden_DK.T}.items():
            layer.get_parameter(f"{name}_l0").copy_(torch.from_numpy(array.copy()))
        layer.bias_ih_l0.copy_(torch.from_numpy(weights.bias_K))
        layer.bias_hh_l0.zero_()
        expected = layer(torch.from_numpy(x))[0].numpy()
    state = initial_state(B, D, np.float64)
    for t in range(x.shape[1]):
        state = step("rnn", x[:, t], state, weights)
        np.testing.assert_allclose(state.h_BD, expected[:, t], atol=1e-12)


def test_the_gru_keeps_what_its_update_gate_says_and_its_candidate_sees_what_the_reset_gate_lets_through():
    weights, x, state = weights_of("gru"), inputs()[:, 0], some_state("gru")
    (wz, wr, wn), (uz, ur, un), (bz, br, bn) = (np.split(array, 3, -1) for array in weights)
    z, r = sigmoid(x @ wz + state.h_BD @ uz + bz), sigmoid(x @ wr + state.h_BD @ ur + br)
    expected = z * state.h_BD + (1 - z) * np.tanh(x @ wn + (r * state.h_BD) @ un + bn)  # Cho et al. 2014
    np.testing.assert_allclose(step("gru", x, state, weights).h_BD, expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_torch_walks_as_numpy_does_and_many_networks_together_as_each_alone(name):
    each, x = [weights_of(name, seed) for seed in (0, 1)], inputs()
    together = LayerWeights(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*each, strict=True)))
    together = together._replace(bias_K=together.bias_K[:, None])
    both = unroll(name, torch.from_numpy(np.stack([x, x])), together, D).numpy()
    for weights, found in zip(each, both, strict=True):
        alone = unroll(name, torch.from_numpy(x), LayerWeights(*map(torch.from_numpy, weights)), D).numpy()
        state = initial_state(B, D, np.float64)
        for t in range(x.shape[1]):
            state = step(name, x[:, t], state, weights)
            np.testing.assert_allclose(alone[:, t], state.h_BD, atol=1e-12)
        np.testing.assert_allclose(found, alone, atol=1e-12)


# ------------------------------------------------------------------------------------------- as networks


def network_of(name, layers=2):
    torch.manual_seed(3)
    return Network(NetworkConfig(units=6, layers=layers, cell=name, forget_bias=2.0))


def readings(steps=9):
    x = np.random.default_rng(0).normal(size=(2, steps, len(CHANNELS)))
    x[..., CHANNELS.index("age")] = 1
    x[1, :3, CHANNELS.index("age")] = 0  # not begun
    return x


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_reads_alike_in_torch_at_once_and_step_by_step(name):
    network, x = network_of(name), readings()
    weights = weights_from_arrays(export(network))
    assert (weights.cell, weights.units) == (name, 6)
    at_once, _ = read(weights, x)
    with torch.no_grad():
        in_torch = network.read(torch.from_numpy(x[:1]).float()).numpy()
    np.testing.assert_allclose(at_once[:1], in_torch, atol=1e-5)
    states = start(weights, 2)
    for t in range(x.shape[1]):
        seen, states = runtime_step(weights, x[:, t], states)
        np.testing.assert_allclose(at_once[0, t], seen[0], atol=1e-12)
    alone, _ = read(weights, x[1:, 3:])
    np.testing.assert_allclose(at_once[1:, 3:], alone, atol=1e-12)  # steps before the first value changed nothing


@pytest.mark.parametrize("name", NAMES)
def test_restoring_what_was_exported_gives_the_same_network(name):
    arrays, other = export(network_of(name)), network_of(name)
    for parameter in other.parameters():
        parameter.data.mul_(0.5)
    restore(other, arrays)
    assert all(np.array_equal(array, arrays[key]) for key, array in export(other).items())


@pytest.mark.parametrize("name", NAMES)
def test_the_forget_bias_is_where_the_cell_keeps_and_nowhere_else(name):
    weights = weights_from_arrays(export(network_of(name)))
    bias, there = weights.layers[0].bias_K, CELLS[name].columns_that_keep(6)
    assert (bias[there] == 2).all() and np.count_nonzero(bias) == (0 if name in {"no_forget", "rnn"} else 6)


@pytest.mark.parametrize("name", OTHERS)
def test_a_trained_network_of_any_cell_is_saved_loaded_and_streamed(name, tmp_path):
    shape = NetworkConfig(units=4, cell=name)
    fitted = LSTMForecaster(shape, TrainingConfig(updates=4, context=16, horizon=4, scaling="running")).fit(TABLE)
    fitted.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.weights.cell == loaded.config.network.cell == name
    stream = Stream(loaded)
    for value in TABLE["y"]:
        stream.update(value)
    expected = fitted.predict(3)["LSTM"].to_numpy()
    np.testing.assert_allclose(np.asarray(stream.forecast(3))[:, 6], expected, rtol=1e-6)


def test_a_file_whose_settings_name_another_cell_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    LSTMForecaster(NetworkConfig(units=4, cell="gru"), TrainingConfig(updates=1, context=8, horizon=2)).fit(TABLE).save(
        path
    )
    with safe_open(path, framework="numpy") as file:
        header, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = json.loads(header["config"])
    config["network"]["cell"] = "coupled"
    path.write_bytes(seal(arrays, header | {"config": json.dumps(config)}))
    with pytest.raises(ModelFileError, match="of the cell 'gru' and its settings name 'coupled'"):
        load_model(path)


def test_a_network_goes_on_with_the_cell_it_has():
    fitted = LSTMForecaster(NetworkConfig(units=4, cell="gru"), TrainingConfig(updates=2, scaling="running"))
    table = TABLE
    fitted.fit(table)
    fitted.network = None
    assert dataclasses.replace(fitted.fine_tune(table).model_).weights.cell == "gru"
    fitted.network = NetworkConfig(units=4, cell="lstm")
    with pytest.raises(SettingsError, match=r"cell = 'lstm' is asked for.*'gru', which stays"):
        fitted.fine_tune(table)
