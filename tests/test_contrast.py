"""A plain RNN beside the LSTM: the same settings and origins, measured numbers, and a sentence that follows them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from gatecast.cell import LayerWeights
from gatecast.cli import app
from gatecast.columns import Columns
from gatecast.config import MEDIAN, DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.contrast import Contrast, Error, Memory, memory_of
from gatecast.errors import SettingsError
from gatecast.inside import inside_run
from gatecast.metrics import rmse
from gatecast.panel import panel_from_arrays
from gatecast.panel_run import run_panel
from gatecast.report import figures, render
from gatecast.run import run
from gatecast.sources import Found, source_of
from helpers_inside import random_model, series

SMALL = RunConfig(
    data=DataConfig(source="sine"),
    network=NetworkConfig(units=4),
    training=TrainingConfig(updates=6),
    horizon=10,
    inside=True,
)


@pytest.fixture(scope="module")
def outcome():
    return run(SMALL)


def test_the_plain_rnn_is_trained_with_the_settings_of_the_lstm(outcome):
    lstm, plain = outcome.contrast.lstm.model_, outcome.contrast.plain.model_
    assert (lstm.weights.cell, plain.weights.cell) == ("lstm", "rnn")
    assert plain.config.training.model_copy(update={"start": "auto"}) == lstm.config.training.model_copy(
        update={"start": "auto"}
    )
    assert plain.config.network == lstm.config.network.model_copy(update={"cell": "rnn"})
    assert plain.scaling == lstm.scaling and plain.direct_horizon == lstm.direct_horizon


def test_its_errors_are_those_of_its_forecasts_from_the_same_origins(outcome):
    near, far = outcome.contrast.errors
    score = {(row.mode, row.model): row.rmse for row in outcome.scores}
    assert near.lstm == score["point_by_point", "LSTM"] and far.lstm == score["multi_sequence", "LSTM"]
    for error, name in ((near, "point_by_point"), (far, "multi_sequence")):
        mode = outcome.modes[name]
        said = outcome.contrast.plain.predict_many(outcome.source.panel, mode.origins, mode.horizon)[0]
        assert error.rnn == pytest.approx(rmse(mode.truth_OH, said[..., MEDIAN]), rel=1e-12)


def test_it_has_no_part_in_the_verdict_and_stands_in_the_report_and_in_json(outcome):
    assert {row.model for row in outcome.scores}.isdisjoint({"RNN", "plain RNN"})
    told = json.loads(json.dumps(outcome.as_dict()["contrast"], allow_nan=False))
    assert set(told) == {"validation", "errors", "memory", "sentence"}
    assert told["validation"]["RNN"] == outcome.contrast.plain.fitted_.trained.validation
    page = render(outcome, figures(outcome), {}, None)
    assert page.count(outcome.contrast.sentence.replace(" %", "\u00a0%")) == 2  # in the report, and on the tab Inside
    assert [each["cell"] for each in opened(outcome)["networks"]] == ["lstm", "rnn"]


def opened(outcome):
    return json.loads(inside_run(outcome.forecaster, outcome.source.panel, plain=outcome.contrast.plain))


def test_without_being_asked_for_there_is_none():
    quick = run(SMALL.model_copy(update={"inside": False}))
    assert quick.contrast is None and quick.as_dict()["contrast"] is None


def test_a_panel_has_one_too_and_lets_one_choose_a_series():
    values = [series(seed, steps, missing=0.0, begin=0) for seed, steps in enumerate((110, 120, 130))]
    rows = [(name, t, float(v)) for name, one in zip("abc", values, strict=True) for t, v in enumerate(one)]
    ids, times, numbers = zip(*rows, strict=True)
    table = {"unique_id": np.array(ids), "ds": np.array(times), "y": np.nan_to_num(np.array(numbers), nan=20.0)}
    source = source_of(Found(table, "three", "three"), Columns(), None)
    config = SMALL.model_copy(update={"horizon": 5, "data": DataConfig(source="three", season_length=(7,))})
    done = run_panel(config, source)
    (error,) = done.contrast.errors
    assert error.measure == "MASE" and error.lstm == pytest.approx(
        next(row.mase for row in done.scores if row.model == "LSTM")
    )
    assert error.rnn > 0 and error.rnn != error.lstm
    told = json.loads(inside_run(done.forecaster, source.panel, plain=done.contrast.plain, series=["c", "a"]))
    assert [each["name"] for each in told["series"]] == ["c", "a"]
    assert [len(each["units"]) for each in told["networks"]] == [2, 2]


def test_beside_another_cell_it_is_refused():
    config = SMALL.model_copy(update={"network": NetworkConfig(cell="gru")})
    with pytest.raises(
        SettingsError, match=r"inside = true trains a plain RNN beside an LSTM, and network\.cell = 'gru'"
    ):
        run(config)
    refused = CliRunner().invoke(app, ["run", "sine", "--inside", "--cell", "rnn", "--no-save"])
    assert refused.exit_code == SettingsError.exit_code and "leave one of them out" in refused.stderr


# ---------------------------------------------------------------------------------------------------- the sentence


def contrast(near=(1.0, 1.0), far=(2.0, 2.0), memory=((9, 40), (1, 5))):
    errors = Error("one step ahead", "RMSE", *near), Error("up to 5 steps ahead", "RMSE", *far)
    first, second = (Memory(half, most, 64) for half, most in memory)
    return Contrast(SimpleNamespace(), SimpleNamespace(), errors, (first, second))


@pytest.mark.parametrize(
    ("near", "far", "words"),
    [
        (
            (1.0, 1.25),
            (2.0, 1.0),
            "errs 25 % more than the LSTM one step ahead (RMSE 1.25 against 1), and 50 % less up",
        ),
        ((1.0, 0.97), (2.0, 2.0), "errs 3.0 % less than the LSTM one step ahead (RMSE 0.97 against 1), and as much up"),
        ((1.0, 1.0002), (2.0, 9.0), "errs as much as the LSTM one step ahead (RMSE 1 against 1), and 350 % more up"),
        ((0.0, 0.0), (0.0, 1.0), "errs as much as the LSTM one step ahead (RMSE 0 against 0), and differently up"),
    ],
)
def test_the_sentence_is_that_of_the_numbers(near, far, words):
    assert words in contrast(near, far).sentence


def test_how_long_each_remembers_is_said_from_the_numbers():
    said = contrast(memory=((9, None), (1, 5))).sentence
    assert "the LSTM is half way back to where it would have been after 9 steps and the plain RNN after 1;" in said
    assert "nine tenths of the way after over 64 and 5." in said


# ------------------------------------------------------------------------------------------------------ the memory


def with_layer(model, change):
    (layer,) = model.weights.layers
    return replace(model, weights=model.weights._replace(layers=(LayerWeights(*change(*layer)),)))


def test_a_network_that_hears_nothing_of_its_past_is_back_at_once():
    deaf = with_layer(random_model(cell="rnn"), lambda x, h, b: (x, 0 * h, b))
    assert memory_of(deaf, panel_from_arrays(series()))[:2] == (1, 1)


@pytest.mark.parametrize("forget", [0.5, 0.9, 0.97])
def test_a_memory_that_fades_by_a_known_factor_is_back_after_the_steps_of_that_factor(forget):
    units, bias = 5, np.zeros(20)
    bias[5:10] = np.log(forget / (1 - forget))
    bias[:5] = np.log(1e-4 / (1 - 1e-4))  # so little is written that tanh is straight
    bias[10:15] = 1.0
    fading = with_layer(random_model(units=units), lambda x, h, b: (0 * x, 0 * h, bias))
    found = memory_of(fading, panel_from_arrays(np.arange(1200.0)))
    assert (found.half, found.most) == tuple(int(np.ceil(np.log(share) / np.log(forget))) for share in (0.5, 0.1))


def test_a_memory_that_never_fades_is_not_back_within_reach():
    def keep(x, h, b):
        held = np.zeros_like(b)
        held[5:10], held[:5] = 60.0, -9.0
        held[10:15] = 1.0
        return 0 * x, 0 * h, held

    found = memory_of(with_layer(random_model(), keep), panel_from_arrays(np.arange(600.0)))
    assert (found.half, found.most, found.reach) == (None, None, 256)


def test_of_a_short_series_it_looks_as_far_as_there_are_steps():
    assert memory_of(random_model(), panel_from_arrays([1.0, 2.0])).reach == 1
    assert memory_of(random_model(), panel_from_arrays(np.arange(9.0))).reach == 4
