"""A small outcome made by hand, so that charts and reports can be tested without training anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatecast.columns import Names
from gatecast.config import QUANTILES, DataConfig, RunConfig, TrainingConfig
from gatecast.forecaster import Fitted, LSTMForecaster
from gatecast.modelfile import Model
from gatecast.modes import MODES, as_path, baseline_forecast, modes_of, scores
from gatecast.panel import panel_from_arrays
from gatecast.run import NOT_LOOKED_AT, Outcome, fit_baselines, newest
from gatecast.runtime import OUTPUTS, weights_from_arrays
from gatecast.scaling import CHANNELS, FEATURES, PATH, Fixed, Running
from gatecast.skill import skill_by_step
from gatecast.sources import Source
from gatecast.training import Trained
from gatecast.verdict import judge
from gatecast.windows import split_steps

SEED = 7
HOSTILE = "<script>alert('&\"x')</script>"


def make_outcome(
    steps: int = 400,
    horizon: int = 12,
    *,
    oracle: bool = False,
    dated: bool = True,
    wave: bool = False,
    missing: bool = False,
    name: str = "Sales",
    untrained: bool = False,
) -> Outcome:
    """An outcome with a made-up LSTM beside the true baselines.

    Args:
        steps: length of the series.
        horizon: of the multi-sequence mode.
        oracle: the "LSTM" forecasts the truth, in all quantiles.
        dated: daily dates instead of whole numbers.
        wave: the series is a sine, with a free run and unseen series.
        missing: some values of the test part are not known.
        name: of the target column, the unit and the data set.
        untrained: no update was made.
    """
    rng = np.random.default_rng(SEED)
    values = np.sin(1 + 2 * np.pi * np.arange(steps) / 20) if wave else 100 + np.cumsum(rng.normal(size=steps))
    if missing:
        values[-30:-25] = np.nan
    times = np.datetime64("2020-01-01", "us") + np.arange(steps) * np.timedelta64(1, "D") if dated else None
    panel = replace(panel_from_arrays(values, times), names=Names(ds="Day", y=name))
    source = Source(name, name, f"{name} in a test.", name, panel, (1,), "fixed", period=20.0 if wave else None)
    split = split_steps(steps)
    modes = modes_of(values, split, horizon)
    baselines = fit_baselines(values[: split.training], 1)
    forecasts = {}
    for mode in MODES:
        truth = modes[mode].truth_OH
        centre = np.nan_to_num(truth, nan=float(np.nanmean(values)))
        noisy = centre[..., None] + 0.3 * rng.normal(size=(*truth.shape, 1)) + 2 * (np.asarray(QUANTILES) - 0.5)
        made = as_path(centre) if oracle else noisy
        forecasts[mode] = {"LSTM": made} | {
            each.name: baseline_forecast(each, values, modes[mode]) for each in baselines
        }
    rows = [row for mode in MODES for row in scores(modes[mode], forecasts[mode], values[: split.training], 1)]
    first = modes["point_by_point"]
    verdict = judge(
        first.truth_OH[:, 0],
        {model: made[:, 0] for model, made in forecasts["point_by_point"].items()},
        newest(values)[first.origins],
        history=values[: split.validation],
        unit=source.unit,
        subject=source.title,
    )
    config = RunConfig(
        data=DataConfig(source=name, season_length=(1,)),
        training=TrainingConfig(
            scaling="fixed" if wave else "running", updates=0 if untrained else 60, horizon=horizon
        ),
        horizon=horizon,
    )
    history = [] if untrained else [(update, 1.5 / update, 1 + 1 / update) for update in range(3, 61, 3)]
    forecaster = LSTMForecaster(config.network, config.training, season_length=(1,))
    forecaster.model_ = Model(_weights(rng), Fixed() if wave else Running(), config)
    trained = Trained({}, 1.0, history, 0 if untrained else 60, 60, 0 if untrained else 57, False, False)
    forecaster.fitted_ = Fitted(trained, {}, split.training, split.validation - split.training)
    forecaster.picked_ = "what was picked"
    cycles = {"10": 0.012, "100": -0.25}
    return Outcome(
        source=source,
        split=split,
        config=config,
        forecaster=forecaster,
        modes=modes,
        forecasts=forecasts,
        scores=rows,
        verdict=verdict,
        skill=skill_by_step(modes["multi_sequence"].truth_OH, forecasts["multi_sequence"], apart=horizon),
        left_out=dict(NOT_LOOKED_AT),
        seconds={"load": 0.1, "fit": 1.0, "predict": 0.1, "total": 1.2},
        free_run={"phase_error_degrees": cycles, "amplitude_error_percent": cycles} if wave else None,
        unseen=_unseen() if wave else [],
        interrupted=False,
    )


def _unseen() -> list[dict[str, Any]]:
    models = ("LSTM", "LastValue", "Drift", "SeasonalNaive", "AR")
    return [
        {"series": title, "model": model, "rmse_1": 0.1 * place, "rmse_10": 1e-9 * place}
        for title in ("another frequency", "a noisy sine")
        for place, model in enumerate(models, start=1)
    ]


def _weights(rng: np.random.Generator, units: int = 6, wide: int = 8) -> Any:
    shapes = {
        "layer.0.input_CK": (len(CHANNELS), 4 * units),
        "layer.0.hidden_DK": (units, 4 * units),
        "layer.0.bias_K": (4 * units,),
        "head.state_DE": (units, wide),
        "head.question_FE": (FEATURES, wide),
        "head.bias_E": (wide,),
        "head.middle_ED": (wide, units),
        "head.middle_bias_D": (units,),
        "head.out_DO": (units, OUTPUTS),
        "head.out_bias_O": (OUTPUTS,),
        "head.path_DJ": (units, PATH),
        "head.path_bias_J": (PATH,),
    }
    return weights_from_arrays({name: rng.normal(size=shape) for name, shape in shapes.items()})
