"""What a network that learned the course's sine can do with it: run on for a hundred cycles, and forecast other waves.

A score on a wave whose every value stands in the training part may be memory; these two are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatecast import predictor
from gatecast.baselines import SeriesForecaster
from gatecast.config import MEDIAN
from gatecast.modelfile import Model
from gatecast.scaling import Floats
from gatecast.sources import chirp, sine

UNSEEN = ("LastValue", "AR", "ZeroShot")  # met on series never trained on: the others say the last value
CYCLES = (10, 100)  # of a free-running sine, at which phase and amplitude are measured


def free_run(model: Model, values: Floats, period: float, block: int) -> dict[str, dict[str, float]]:
    """Phase and amplitude of a sine that runs on its own output, over cycle 10 and over cycle 100.

    Least squares for sine and cosine at the known frequency, against the continuation sin(1 + 2 pi t / period);
    the phase error is in degrees (positive: the forecast is early), the amplitude error in percent.
    """
    cycle = round(period)
    path = predictor.full_sequence(model, values, max(CYCLES) * cycle, block)
    phase, amplitude = {}, {}
    for count in CYCLES:
        steps = np.arange((count - 1) * cycle, count * cycle)
        turn = 1 + 2 * np.pi * (len(values) + steps) / period
        waves = np.stack([np.sin(turn), np.cos(turn)], axis=1)
        (of_sine, of_cosine), *_ = np.linalg.lstsq(waves, path[steps], rcond=None)
        phase[str(count)] = float(np.degrees(np.arctan2(of_cosine, of_sine)))
        amplitude[str(count)] = float(100 * (np.hypot(of_sine, of_cosine) - 1))
    return {"phase_error_degrees": phase, "amplitude_error_percent": amplitude}


def unseen_series() -> dict[str, Floats]:
    """Series a network trained on the course's sine has never seen; fixed, so that every run is tested on the same.

    The first has another frequency, amplitude and phase.
    """
    return {
        "other frequency": sine(period=73, amplitude=0.6, phase=2.5, n=2000),
        "noisy sine": sine(noise=0.1, seed=1, n=2000),
        "chirp": chirp(n=2000),
    }


def score_unseen(model: Model, baselines: list[SeriesForecaster]) -> list[dict[str, Any]]:
    """An honest second test: one step and ten steps ahead on series never trained on, RMSE by model.

    The models stay as they were fitted on the sine; each forecast reads the values up to its origin.
    """
    rows, met = [], [each for each in baselines if each.name in UNSEEN]
    for title, values in unseen_series().items():
        origins = np.arange(500, len(values) - 10)
        truth = values[origins[:, None] + np.arange(1, 11)]
        made = {"LSTM": predictor.predict_many(model, values[None], origins, 10)[0]}
        made |= {each.name: each.predict_many(values, origins, 10) for each in met}
        for name, quantiles in made.items():
            error = quantiles[..., MEDIAN] - truth
            rmse = np.sqrt(np.mean(error**2, axis=0))
            rows.append({"series": title, "model": name, "rmse_1": float(rmse[0]), "rmse_10": float(rmse[9])})
    return rows
