"""Write ``tests/golden``: series, weights and the forecasts that every home of the arithmetic must give.

``v4`` has every stage in float64, made by ``gatecast.scaling`` and ``gatecast.runtime``.  ``model-format-4`` is a model
file, and ``forecast-format-4`` holds a table and what that model makes of it.  Files of earlier numbers were written by
the last version that wrote that format: ``v1``, with past-only columns beside the target, by format 1, and ``v2``, with
known-future and static ones too, by format 2.  A file is written once: if one changes, models that were written before
give other forecasts.

    python scripts/write_golden.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from gatecast import predictor, runtime
from gatecast.cell import LayerWeights
from gatecast.config import QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column, Widths, widths_of
from gatecast.modelfile import FORMAT, Model, load_model, save_model
from gatecast.panel import panel_from_arrays
from gatecast.runtime import OUTPUTS, HeadWeights, Weights
from gatecast.scaling import (
    PATH,
    REACH,
    Covariates,
    Running,
    Scaling,
    ask,
    channels_for,
    features_for,
    fixed_from,
    scale_series,
)

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
UNITS, LAYERS, STEPS = 4, 2, 48
ORIGINS = np.array([0, 3, 31, 41, 47])
AHEAD = np.array([1, 7, 8, 29, 64])
DIRECT, HORIZON = 8, 20  # so that a forecast from the end runs on over hidden steps twice

Array = np.ndarray[Any, Any]


class Sample(NamedTuple):
    """Two series, what stands beside them, and a network."""

    values_BT: Array
    more: Covariates
    weights: Weights
    widening_KQ: Array


def main(folder: Path = FOLDER) -> None:
    """Make series and weights from fixed seeds, compute, and write."""
    write_stages(folder / f"v{FORMAT}.safetensors", all_roles(np.random.default_rng(20250404)))
    write_model(folder)


def all_roles(rng: np.random.Generator) -> Sample:
    """Series with one past-only column, two known in advance (zeros and ones, and a number) and one static one."""
    values_BT = series(rng)
    past_PBT = 5 + rng.normal(size=(1, 2, STEPS)).cumsum(axis=2)
    past_PBT[0, 1, 30:36] = np.nan
    known_JBT = np.stack(
        [(rng.random((2, STEPS + REACH)) < 0.2).astype(float), 0.3 * rng.normal(size=(2, STEPS + REACH)).cumsum(axis=1)]
    )
    known_JBT[0, 1, 10:14] = np.nan
    known_JBT[1, 0, :5] = np.nan
    known_JBT[1, 0, 25] = np.nan
    static_GB = np.array([[-1.7, np.nan]])
    weights = random_weights(rng, Widths(1, 2, 1))
    more = Covariates(past_PBT, known_JBT, static_GB)
    return Sample(values_BT, more, weights, np.sort(1 + rng.random((10, len(QUANTILES))), axis=0))


def series(rng: np.random.Generator) -> Array:
    """Two series with a season, a hole, a late start and an absurd value."""
    time = np.arange(STEPS)
    values_BT = 50 + 10 * np.sin(2 * np.pi * time / 7) + np.cumsum(rng.normal(size=(2, STEPS)), axis=1)
    values_BT[0, 38:44] = np.nan
    values_BT[1, :2] = np.nan
    values_BT[1, 20] = 1e4
    return np.asarray(values_BT)


def random_weights(rng: np.random.Generator, widths: Widths) -> Weights:
    """Weights of the size that training gives, every bias included."""
    channels = channels_for(widths)

    def draw(*shape: int) -> Array:
        return rng.normal(scale=0.4, size=shape)

    layers = [
        LayerWeights(draw(channels if place == 0 else UNITS, 4 * UNITS), draw(UNITS, 4 * UNITS), draw(4 * UNITS))
        for place in range(LAYERS)
    ]
    head = HeadWeights(
        state_DE=draw(UNITS, 2 * UNITS),
        question_FE=draw(features_for(widths), 2 * UNITS),
        bias_E=draw(2 * UNITS),
        middle_ED=draw(2 * UNITS, UNITS),
        middle_bias_D=draw(UNITS),
        out_DO=draw(UNITS, OUTPUTS),
        out_bias_O=draw(OUTPUTS),
        path_DJ=draw(UNITS, PATH),
        path_bias_J=draw(PATH),
    )
    return Weights(tuple(layers), head)


# ------------------------------------------------------------------------------------------- every stage


def write_stages(place: Path, sample: Sample) -> None:
    """Write a sample and, for three scalings, every stage of the arithmetic."""
    arrays: dict[str, Array] = {
        "values_BT": sample.values_BT,
        **sample.more._asdict(),
        "origins_N": ORIGINS,
        "steps_K": AHEAD,
        "widening_KQ": sample.widening_KQ,
        **{f"weights.{name}": array for name, array in runtime.weights_to_arrays(sample.weights).items()},
    }
    scalings: dict[str, Scaling] = {
        "running": Running((7, 28)),
        "running_no_season": Running((1,)),
        "fixed": fixed_from(sample.values_BT[:1], (12, 24)),
    }
    for name, scaling in scalings.items():
        arrays |= {f"{name}.{part}": array for part, array in stages(sample, scaling).items()}
    header = {name: json.dumps(scaling.as_dict()) for name, scaling in scalings.items()}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, place, metadata=header)
    place.chmod(0o644)


def stages(sample: Sample, scaling: Scaling) -> dict[str, Array]:
    """Every stage of the arithmetic for one scaling: inputs, level, scale, states, question, quantiles, forecast."""
    values_BT, more, weights, widening_KQ = sample
    scaled = scale_series(values_BT, scaling, more)
    h_BTD, _ = runtime.read(weights, scaled.inputs_BTC.astype(np.float64))
    rows_N = np.repeat(np.arange(len(values_BT)), len(ORIGINS))
    origins_N = np.tile(ORIGINS, len(values_BT))
    question = ask(scaled, rows_N, origins_N, AHEAD, scaling.seasons)
    quantiles_NKQ = runtime.answer(weights.head, h_BTD[rows_N, origins_N], question)
    level_N, scale_N = scaled.level_BT[rows_N, origins_N], scaled.scale_BT[rows_N, origins_N]
    config = RunConfig(training=TrainingConfig(horizon=DIRECT))
    model = Model(weights, scaling, config, widening_KQ)
    return {
        "inputs_BTC": scaled.inputs_BTC,
        "level_BT": scaled.level_BT,
        "scale_BT": scaled.scale_BT,
        "h_BTD": h_BTD,
        **question._asdict(),
        "quantiles_NKQ": quantiles_NKQ,
        "units_NKQ": runtime.in_units(quantiles_NKQ, level_N, scale_N),
        "forecast_SHQ": predictor.predict_many(model, values_BT, np.array([STEPS - 1]), HORIZON, more)[:, 0],
    }


# ------------------------------------------------------------------------------------------- a model file


COLUMNS = (
    Column("rain", "past", (), 0.0, 1.0, 0.0, 30.0),
    Column("price", "known", (), 9.5, 1.5, 7.0, 12.0),
    Column("day", "known", ("holiday", "workday")),
    Column("area", "static", (), 120.0, 40.0, 50.0, 300.0),
    Column("town", "static", ("Bonn", "Kiel")),
)


def write_model(folder: Path) -> None:
    """Write a model file, and a table beside it with the forecast that the file gives."""
    rng = np.random.default_rng(20250505)
    config = RunConfig(
        network=NetworkConfig(units=UNITS, layers=LAYERS),
        training=TrainingConfig(horizon=DIRECT, scaling="running", updates=0),
    )
    weights = random_weights(rng, widths_of(COLUMNS))
    widening_KQ = np.sort(1 + rng.random((10, len(QUANTILES))), axis=0)
    place = folder / f"model-format-{FORMAT}.safetensors"
    save_model(Model(weights, Running((7, 14)), config, widening_KQ, COLUMNS, {"written": "by hand"}), place)
    values = 100 + np.cumsum(rng.normal(size=60)) + 5 * np.sin(2 * np.pi * np.arange(60) / 7)
    values[30:34] = np.nan
    table = {
        "values": values,
        "inputs.rain": rng.exponential(5.0, 60),
        "known.price": 9.5 + rng.normal(size=60),
        "known.day": rng.integers(0, 3, 60).astype(float),
        "static.area": np.array([150.0]),
        "static.town": np.array([0.0]),
        "future.price": 9.5 + rng.normal(size=(1, HORIZON)),
        "future.day": rng.integers(0, 3, (1, HORIZON)).astype(float),
    }
    words = {"day": ("workday", "holiday", "carnival"), "town": ("Kiel", "Bonn")}  # one that the model does not know
    under = {
        role: {name.removeprefix(role + "."): column for name, column in table.items() if name.startswith(role + ".")}
        for role in ("inputs", "known", "static", "future")
    }
    panel = replace(
        panel_from_arrays(values, inputs=under["inputs"]),
        known=under["known"],
        static=under["static"],
        categories=words,
    )
    table["forecast_HQ"] = predictor.forecast_panel(load_model(place), panel, HORIZON, under["future"])[0]
    place = folder / f"forecast-format-{FORMAT}.safetensors"
    save_file(
        {name: np.ascontiguousarray(column) for name, column in table.items()}, place, {"words": json.dumps(words)}
    )
    place.chmod(0o644)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
