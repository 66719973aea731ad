"""ONNX ≡ NumPy: the exported graph gives the golden vectors, many steps at once or one by one, and whole forecasts."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from gatecast import runtime
from gatecast.cli import app
from gatecast.config import NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column
from gatecast.errors import MissingExtraError, SettingsError
from gatecast.export import export_onnx, onnx_of
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import Model, save_model
from gatecast.panel import panel_from_arrays
from gatecast.predictor import predict_many
from gatecast.runtime import weights_from_arrays, weights_to_arrays
from gatecast.scaling import CANDIDATES, Covariates, Running, ask, scale_series, scaling_from
from gatecast.zeroshot import shipped

GOLDEN = Path(__file__).parent / "golden" / "v4.safetensors"
every_kind = pytest.mark.parametrize("kind", ["running", "running_no_season", "fixed"])
DIRECT = 8


def golden(kind):
    """The golden arrays, and their model."""
    with safe_open(GOLDEN, framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        scaling = scaling_from(json.loads(file.metadata()[kind]))
    weights = {key.removeprefix("weights."): part for key, part in arrays.items() if key.startswith("weights.")}
    columns = (Column("p", "past"), Column("k", "known"), Column("l", "known"), Column("s", "static"))
    config = RunConfig(training=TrainingConfig(horizon=DIRECT))
    model = Model(weights_from_arrays(weights), scaling, config, arrays["widening_KQ"], columns)
    named = {key.removeprefix(f"{kind}."): part for key, part in arrays.items()}
    return named, model


def session_of(model):
    proto = onnx_of(model)
    onnx.checker.check_model(proto, full_check=True)
    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def start(model, batch):
    return {
        name: np.zeros((len(model.weights.layers), batch, model.weights.units), np.float32)
        for name in ("h_LBD", "c_LBD")
    }


def asked(question, level, scale, steps):
    return {
        "features_BKF": question.features_NKF.astype(np.float32),
        "candidates_BKA": question.candidates_NKA.astype(np.float32),
        "available_BKA": question.available_NKA,
        "path_KJ": question.path_KJ.astype(np.float32),
        "steps_K": np.asarray(steps, np.int64),
        "level_B": level,
        "scale_B": scale,
    }


def nothing(model, batch):
    """A question that is not of interest."""
    features = len(model.weights.head.question_FE)
    return {
        "features_BKF": np.zeros((batch, 1, features), np.float32),
        "candidates_BKA": np.zeros((batch, 1, CANDIDATES), np.float32),
        "available_BKA": np.ones((batch, 1, CANDIDATES), bool),
        "path_KJ": np.zeros((1, 10), np.float32),
        "steps_K": np.ones(1, np.int64),
        "level_B": np.zeros(batch),
        "scale_B": np.ones(batch),
    }


@every_kind
def test_the_states_of_a_batch_are_the_golden_ones(kind):
    arrays, model = golden(kind)
    session, batch = session_of(model), len(arrays["inputs_BTC"])
    seen_BTD, h_LBD, c_LBD = session.run(
        ["seen_BTD", "next_h_LBD", "next_c_LBD"],
        {"inputs_BTC": arrays["inputs_BTC"], **start(model, batch), **nothing(model, batch)},
    )
    np.testing.assert_allclose(seen_BTD, arrays["h_BTD"], atol=2e-6)
    _, states = runtime.read(model.weights, arrays["inputs_BTC"])
    np.testing.assert_allclose(h_LBD, [state.h_BD for state in states], atol=2e-6)
    np.testing.assert_allclose(c_LBD, [state.c_BD for state in states], atol=2e-6)


@every_kind
def test_step_by_step_with_the_state_handed_on_it_is_the_same(kind):
    arrays, model = golden(kind)
    session, batch = session_of(model), len(arrays["inputs_BTC"])
    state, seen = start(model, batch), []
    for t in range(arrays["inputs_BTC"].shape[1]):
        given = {"inputs_BTC": arrays["inputs_BTC"][:, t : t + 1], **state, **nothing(model, batch)}
        seen_B1D, h_LBD, c_LBD = session.run(["seen_BTD", "next_h_LBD", "next_c_LBD"], given)
        state = {"h_LBD": h_LBD, "c_LBD": c_LBD}
        seen.append(seen_B1D[:, 0])
    np.testing.assert_allclose(np.stack(seen, axis=1), arrays["h_BTD"], atol=2e-6)


@every_kind
def test_the_quantiles_at_every_golden_origin_are_the_golden_ones(kind):
    arrays, model = golden(kind)
    session, origins = session_of(model), arrays["origins_N"]
    batch = len(arrays["inputs_BTC"])
    expected = arrays["quantiles_NKQ"].reshape(batch, len(origins), *arrays["quantiles_NKQ"].shape[1:])
    parts = {
        name: arrays[name].reshape(batch, len(origins), *arrays[name].shape[1:])
        for name in ("features_NKF", "candidates_NKA", "available_NKA", "units_NKQ")
    }
    for place, origin in enumerate(origins):
        given = {
            "inputs_BTC": arrays["inputs_BTC"][:, : origin + 1],
            **start(model, batch),
            "features_BKF": parts["features_NKF"][:, place].astype(np.float32),
            "candidates_BKA": parts["candidates_NKA"][:, place].astype(np.float32),
            "available_BKA": parts["available_NKA"][:, place],
            "path_KJ": arrays["path_KJ"].astype(np.float32),
            "steps_K": arrays["steps_K"],
            "level_B": arrays["level_BT"][:, origin],
            "scale_B": arrays["scale_BT"][:, origin],
        }
        (made,) = session.run(["quantiles_BKQ"], given)
        np.testing.assert_allclose(made, expected[:, place], rtol=2e-5, atol=2e-5)


@every_kind
def test_a_whole_forecast_is_the_golden_one(kind):
    arrays, model = golden(kind)
    batch, steps = len(arrays["values_BT"]), np.arange(1, DIRECT + 1)
    more = Covariates(arrays["past_PBT"], arrays["known_JBT"], arrays["static_GB"])
    scaled = scale_series(arrays["values_BT"], model.scaling, more)
    rows, last = np.arange(batch), np.full(batch, arrays["values_BT"].shape[1] - 1)
    question = ask(scaled, rows, last, steps, model.scaling.seasons)
    around = scaled.level_BT[rows, last], scaled.scale_BT[rows, last]
    given = {"inputs_BTC": scaled.inputs_BTC, **start(model, batch), **asked(question, *around, steps)}
    (made,) = session_of(model).run(["forecast_BKQ"], given)
    expected = arrays["forecast_SHQ"][:, :DIRECT]
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert (np.diff(made, axis=2) >= 0).all()


def test_a_shipped_network_forecasts_as_it_does_in_numpy(tmp_path):
    model = shipped()[0]
    values = 10 + np.random.default_rng(0).normal(size=(3, 80)).cumsum(axis=1)
    steps, rows, last = np.arange(1, 25), np.arange(3), np.full(3, 79)
    scaled = scale_series(values, model.scaling)
    question = ask(scaled, rows, last, steps, model.scaling.seasons)
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    given = asked(question, scaled.level_BT[:, 79], scaled.scale_BT[:, 79], steps)
    (made,) = session.run(["forecast_BKQ"], {"inputs_BTC": scaled.inputs_BTC, **start(model, 3), **given})
    np.testing.assert_allclose(made, predict_many(model, values, np.array([79]), 24)[:, 0], rtol=1e-5, atol=1e-5)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["direct_horizon"]) == 64 and json.loads(told["scaling"]) == model.scaling.as_dict()


# ------------------------------------------------------------------------------------------- several as one


def another(model):
    """A model that reads alike and has other weights and widths."""
    rng = np.random.default_rng(8)
    arrays = weights_to_arrays(model.weights).items()
    arrays = {name: array + rng.normal(scale=0.05, size=array.shape) for name, array in arrays}
    return replace(model, weights=weights_from_arrays(arrays), widening_KQ=None)


@every_kind
def test_several_models_are_one_graph_that_forecasts_their_mean(kind):
    """The golden model and another: many steps at once, and step by step with the state handed on."""
    arrays, model = golden(kind)
    models = model, another(model)
    more = Covariates(arrays["past_PBT"], arrays["known_JBT"], arrays["static_GB"])
    values_BT, steps = arrays["values_BT"], np.arange(1, DIRECT + 1)
    end = values_BT.shape[1] - 1
    batch = len(values_BT)
    made = [predict_many(each, values_BT, np.array([end]), DIRECT, more)[:, 0] for each in models]
    np.testing.assert_allclose(made[0], arrays["forecast_SHQ"][:, :DIRECT], rtol=1e-9)
    assert np.abs(made[0] - made[1]).max() > 0.01 * np.abs(made[0]).max()
    scaled = scale_series(values_BT, model.scaling, more)
    rows, last = np.arange(batch), np.full(batch, end)
    question = ask(scaled, rows, last, steps, model.scaling.seasons)
    question = asked(question, scaled.level_BT[:, end], scaled.scale_BT[:, end], steps)
    session = session_of(models)
    state = {
        name: np.zeros((2 * len(model.weights.layers), batch, model.weights.units), np.float32)
        for name in ("h_LBD", "c_LBD")
    }
    (whole,) = session.run(["forecast_BKQ"], {"inputs_BTC": scaled.inputs_BTC, **state, **question})
    for t in range(end + 1):
        given = {"inputs_BTC": scaled.inputs_BTC[:, t : t + 1], **state, **question}
        stepped, h_LBD, c_LBD = session.run(["forecast_BKQ", "next_h_LBD", "next_c_LBD"], given)
        state = {"h_LBD": h_LBD, "c_LBD": c_LBD}
    for forecast in (whole, stepped):
        np.testing.assert_allclose(forecast, np.mean(made, axis=0), rtol=0, atol=1e-5 * np.abs(made).max())


@every_kind
def test_the_golden_model_twice_is_the_golden_model(kind):
    arrays, model = golden(kind)
    batch = len(arrays["inputs_BTC"])
    session = session_of([model, model])
    state = {name: np.concatenate([zeros, zeros]) for name, zeros in start(model, batch).items()}
    (seen_BTD,) = session.run(["seen_BTD"], {"inputs_BTC": arrays["inputs_BTC"], **state, **nothing(model, batch)})
    np.testing.assert_allclose(seen_BTD, np.concatenate([arrays["h_BTD"]] * 2, axis=2), atol=2e-6)


def test_the_shipped_pair_is_one_graph(tmp_path):
    values = 10 + np.random.default_rng(0).normal(size=(3, 80)).cumsum(axis=1)
    result = CliRunner().invoke(app, ["export", "shipped", "--out", str(tmp_path / "pair.onnx")])
    assert result.exit_code == 0, result.stderr
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["members"]) == 2
    models = [replace(model, scaling=Running((12,))) for model in shipped()]  # the network reads any season
    steps, rows, last = np.arange(1, 25), np.arange(3), np.full(3, 79)
    scaled = scale_series(values, models[0].scaling)
    question = ask(scaled, rows, last, steps, (12,))
    given = asked(question, scaled.level_BT[:, 79], scaled.scale_BT[:, 79], steps)
    state = {name: np.concatenate([zeros, zeros]) for name, zeros in start(models[0], 3).items()}
    (made,) = session.run(["forecast_BKQ"], {"inputs_BTC": scaled.inputs_BTC, **state, **given})
    expected = np.mean([predict_many(model, values, np.array([79]), 24)[:, 0] for model in models], axis=0)
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scaling": Running((9,))}, "another scaling"),
        ({"columns": ()}, "another set of columns"),
        ({"config": RunConfig(training=TrainingConfig(horizon=DIRECT + 1))}, "another number of steps ahead at once"),
        ({"weights": shipped()[0].weights}, r"another shape \(2 x \d+ and 2 x 64\)"),
    ],
)
def test_models_that_read_otherwise_are_refused_and_it_is_said_why(change, said):
    model = golden("running")[1]
    with pytest.raises(SettingsError, match=f"models 1 and 2 have {said}.*export each by itself"):
        onnx_of([model, replace(model, **change)])
    with pytest.raises(SettingsError, match="no model is given"):
        onnx_of([])


def test_the_command_makes_one_graph_of_several_files(tmp_path):
    model = golden("running")[1]
    paths = [tmp_path / name for name in ("one.safetensors", "other.safetensors", "unlike.safetensors")]
    for path, each in zip(paths, (model, another(model), shipped()[0]), strict=True):
        save_model(each, path)
    done = CliRunner().invoke(app, ["export", *map(str, paths[:2])])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'one.onnx'}\n")
    refused = CliRunner().invoke(app, ["export", *map(str, paths), "--out", str(tmp_path / "three.onnx")])
    assert refused.exit_code == 2 and "models 1 and 3 have another shape" in refused.stderr
    assert not (tmp_path / "three.onnx").exists()


def test_the_command_writes_a_graph_beside_the_model(tmp_path):
    save_model(golden("running")[1], tmp_path / "m.safetensors")
    result = CliRunner().invoke(app, ["export", str(tmp_path / "m.safetensors"), "--to", "onnx"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'm.onnx'}\n"
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    elsewhere = ["export", str(tmp_path / "m.safetensors"), "--out", str(tmp_path / "other.onnx")]
    assert CliRunner().invoke(app, elsewhere).exit_code == 0
    assert (tmp_path / "other.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()
    wrong = CliRunner().invoke(app, ["export", str(tmp_path / "m.safetensors"), "--to", "tflite"])
    assert (wrong.exit_code, wrong.stderr) == (2, "gatecast: --to: 'tflite' is not offered; choose onnx\n")
    folder = CliRunner().invoke(app, ["export", "."])
    assert (folder.exit_code, folder.stderr.startswith("gatecast: .: there is no such file")) == (4, True)


def test_without_onnx_the_extra_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'gatecast\[onnx\]'"):
        onnx_of(shipped()[0])


def test_only_an_lstm_is_exported_or_compiled():
    months = 20 + np.sin(np.arange(60)) + np.arange(60) / 9
    forecaster = LSTMForecaster(NetworkConfig(units=3, cell="gru"), TrainingConfig(updates=1, horizon=4))
    forecaster.fit(panel_from_arrays(months))
    with pytest.raises(SettingsError, match="the network's cell is gru, and only an LSTM is exported"):
        onnx_of(forecaster.model_)
    with pytest.raises(SettingsError, match="only an LSTM's step is compiled, and the cell here is gru"):
        forecaster.stream(horizon=4, compiled=True)
    assert np.isfinite(forecaster.stream(horizon=4).update(21.0)).all()
