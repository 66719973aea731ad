"""Write ``tests/golden/v1.safetensors``: series, weights and the forecasts that every home of the arithmetic must give.

Everything is float64 and made by ``gatecast.scaling`` and ``gatecast.runtime``.  The file is written once per version
of the arithmetic: if it changes, models that were written before give other forecasts.

    python scripts/write_golden.py [FILE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from gatecast import predictor, runtime
from gatecast.cell import LayerWeights
from gatecast.config import QUANTILES, RunConfig, TrainingConfig
from gatecast.modelfile import Model
from gatecast.runtime import OUTPUTS, HeadWeights, Weights
from gatecast.scaling import CHANNELS, FEATURES, INPUT_CHANNELS, PATH, Running, Scaling, ask, fixed_from, scale_series

PLACE = Path(__file__).parents[1] / "tests" / "golden" / "v1.safetensors"
UNITS, LAYERS, STEPS = 4, 2, 48
ORIGINS = np.array([0, 3, 31, 41, 47])
AHEAD = np.array([1, 7, 8, 29, 64])
DIRECT, HORIZON = 8, 20  # so that a forecast from the end runs on over hidden steps twice


def main(place: Path = PLACE) -> None:
    """Make the series and weights from a fixed seed, compute, and write."""
    rng = np.random.default_rng(20250101)
    time = np.arange(STEPS)
    values_BT = 50 + 10 * np.sin(2 * np.pi * time / 7) + np.cumsum(rng.normal(size=(2, STEPS)), axis=1)
    values_BT[0, 38:44] = np.nan
    values_BT[1, :2] = np.nan
    values_BT[1, 20] = 1e4
    further_PBT = rng.normal(size=(1, 2, STEPS))
    further_PBT[0, 0, 40:] = np.nan
    weights = random_weights(rng, len(CHANNELS) + INPUT_CHANNELS)
    widening_KQ = np.sort(1 + rng.random((10, len(QUANTILES))), axis=0)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "values_BT": values_BT,
        "further_PBT": further_PBT,
        "origins_N": ORIGINS,
        "steps_K": AHEAD,
        "widening_KQ": widening_KQ,
        **{f"weights.{name}": array for name, array in runtime.weights_to_arrays(weights).items()},
    }
    scalings: dict[str, Scaling] = {
        "running": Running((7, 28)),
        "running_no_season": Running((1,)),
        "fixed": fixed_from(values_BT[:1], (7,)),
    }
    for name, scaling in scalings.items():
        made = expected(values_BT, further_PBT, scaling, weights, widening_KQ)
        arrays |= {f"{name}.{part}": array for part, array in made.items()}
    header = {name: json.dumps(scaling.as_dict()) for name, scaling in scalings.items()}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, place, metadata=header)
    place.chmod(0o644)


def expected(
    values_BT: np.ndarray[Any, Any],
    further_PBT: np.ndarray[Any, Any],
    scaling: Scaling,
    weights: Weights,
    widening_KQ: np.ndarray[Any, Any],
) -> dict[str, np.ndarray[Any, Any]]:
    """Every stage of the arithmetic for one scaling: inputs, level, scale, states, question, quantiles, forecast."""
    scaled = scale_series(values_BT, scaling, further_PBT)
    h_BTD, _ = runtime.read(weights, scaled.inputs_BTC.astype(np.float64))
    rows_N = np.repeat(np.arange(len(values_BT)), len(ORIGINS))
    origins_N = np.tile(ORIGINS, len(values_BT))
    question = ask(scaled, rows_N, origins_N, AHEAD, scaling.seasons)
    quantiles_NKQ = runtime.answer(weights.head, h_BTD[rows_N, origins_N], question)
    level_N, scale_N = scaled.level_BT[rows_N, origins_N], scaled.scale_BT[rows_N, origins_N]
    return {
        "inputs_BTC": scaled.inputs_BTC,
        "level_BT": scaled.level_BT,
        "scale_BT": scaled.scale_BT,
        "h_BTD": h_BTD,
        **question._asdict(),
        "quantiles_NKQ": quantiles_NKQ,
        "units_NKQ": runtime.in_units(quantiles_NKQ, level_N, scale_N),
        "forecast_SHQ": forecast(values_BT, further_PBT, scaling, weights, widening_KQ),
    }


def forecast(
    values_BT: np.ndarray[Any, Any],
    further_PBT: np.ndarray[Any, Any],
    scaling: Scaling,
    weights: Weights,
    widening_KQ: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """The whole way from values to widened quantiles of the ``HORIZON`` steps after the last one."""
    config = RunConfig(training=TrainingConfig(horizon=DIRECT))
    model = Model(weights, scaling, config, widening_KQ, ("further",))
    return predictor.predict_many(model, values_BT, np.array([STEPS - 1]), HORIZON, further_PBT)[:, 0]


def random_weights(rng: np.random.Generator, channels: int) -> Weights:
    """Weights of the size that training gives, every bias included."""

    def draw(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(scale=0.4, size=shape)

    layers = [
        LayerWeights(draw(channels if place == 0 else UNITS, 4 * UNITS), draw(UNITS, 4 * UNITS), draw(4 * UNITS))
        for place in range(LAYERS)
    ]
    head = HeadWeights(
        state_DE=draw(UNITS, 2 * UNITS),
        question_FE=draw(FEATURES, 2 * UNITS),
        bias_E=draw(2 * UNITS),
        middle_ED=draw(2 * UNITS, UNITS),
        middle_bias_D=draw(UNITS),
        out_DO=draw(UNITS, OUTPUTS),
        out_bias_O=draw(OUTPUTS),
        path_DJ=draw(UNITS, PATH),
        path_bias_J=draw(PATH),
    )
    return Weights(tuple(layers), head)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
