"""The course's three ways of looking at a forecast, for the LSTM and its baselines on the same origins.

point by point     one step from every origin of the test part
multi-sequence     ``horizon`` steps from every ``horizon``-th origin
full sequence      one run over the whole test part on the model's own output

A full-sequence run is one path without intervals, for every model: its CRPS is its mean absolute error.

Key: O origin, H horizon step, Q quantile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatecast.baselines import SeriesForecaster
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.metrics import crps, mae, mase, rmse, seasonal_scale
from gatecast.scaling import Floats
from gatecast.windows import Split

MODES = ("point_by_point", "multi_sequence", "full_sequence")


@dataclass(frozen=True)
class Mode:
    """One way of looking: where forecasts are made, and what came."""

    name: str
    origins: NDArray[np.int64]  # (O,) index of the last step known
    horizon: int
    truth_OH: Floats


@dataclass(frozen=True)
class Score:
    """One row of the table, in the series' own units but for ``mase``."""

    mode: str
    model: str
    rmse: float
    mae: float
    mase: float
    crps: float


def modes_of(values: Floats, split: Split, horizon: int) -> dict[str, Mode]:
    """The three ways over the test part of one series (T,).

    Raises:
        SettingsError: the horizon is longer than the test part.
    """
    first, steps = split.validation - 1, split.total - split.validation
    if horizon > steps:
        raise SettingsError(
            f"a horizon of {horizon} is longer than the test part, which has {steps} steps; "
            f"choose a horizon of 1 to {steps}"
        )
    every = {
        "point_by_point": (np.arange(first, split.total - 1), 1),
        "multi_sequence": (np.arange(first, split.total - horizon, horizon), horizon),
        "full_sequence": (np.array([first]), steps),
    }
    return {
        name: Mode(name, origins, ahead, values[origins[:, None] + np.arange(1, ahead + 1)])
        for name, (origins, ahead) in every.items()
    }


def baseline_forecast(baseline: SeriesForecaster, values: Floats, mode: Mode) -> Floats:
    """A fitted baseline's quantiles (O, H, Q) for one of the modes."""
    quantiles = baseline.predict_many(values, mode.origins, mode.horizon)
    return as_path(quantiles[..., MEDIAN]) if mode.name == "full_sequence" else quantiles


def as_path(medians: Floats) -> Floats:
    """A path without intervals as quantiles: all the same, (..., Q)."""
    return np.repeat(medians[..., None], len(QUANTILES), axis=-1)


def scores(mode: Mode, forecasts: Mapping[str, Floats], training: Floats, season_length: int) -> list[Score]:
    """Every model's scores in one mode, against the same truths.

    Raises:
        DataError: a forecast has another shape than the truths ask for, or holds a number that is not finite.
    """
    scale = seasonal_scale(training, season_length)
    rows = []
    for model, quantiles in forecasts.items():
        expected = (*mode.truth_OH.shape, len(QUANTILES))
        if quantiles.shape != expected or not np.isfinite(quantiles).all():
            raise DataError(
                f"{model}, {mode.name}: forecasts of shape {quantiles.shape}, "
                f"{int((~np.isfinite(quantiles)).sum())} of them not finite; expected finite ones of shape {expected}"
            )
        point = quantiles[..., MEDIAN]
        truth = mode.truth_OH
        rows.append(
            Score(
                mode.name,
                model,
                rmse(truth, point),
                mae(truth, point),
                mase(truth, point, scale),
                crps(truth, quantiles),
            )
        )
    return rows
