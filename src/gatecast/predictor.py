"""Forecasting with a model, without torch: whole passes over series, many origins at once, and runs on its own output.

Key: S series, T step, O origin, H horizon step, Q quantile, P past-only input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gatecast import runtime
from gatecast.config import MEDIAN
from gatecast.errors import DataError, SettingsError
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.scaling import Floats, Scaled, ask, scale_series
from gatecast.stream import Stream
from gatecast.windows import pad_left

CHUNK = 512  # origins answered at a time, so that memory stays small


def read_series(model: Model, values_ST: Floats, further_PST: Floats | None = None) -> tuple[Scaled, Floats]:
    """Read whole series once: the scaled series and what the head sees at every step, (S, T, D)."""
    scaled = scale_series(values_ST, model.scaling, further_PST)
    h_STD, _ = runtime.read(model.weights, scaled.inputs_BTC)
    return scaled, h_STD


def predict_many(
    model: Model,
    values_ST: Floats,
    origins: NDArray[np.int64],
    horizon: int,
    further_PST: Floats | None = None,
) -> Floats:
    """Quantiles (S, O, H, Q) in original units, made at each origin from the values up to it.

    Up to the direct horizon this is one pass; beyond it, every origin is run on over hidden steps of its own.

    Args:
        model: the model.
        values_ST: series padded with NaN on the left; NaN is missing.
        origins: index of the last step known, the same for every series.
        horizon: steps ahead.
        further_PST: the model's past-only inputs.

    Raises:
        SettingsError: the horizon has no steps.
    """
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")
    if horizon > model.direct_horizon:
        ends = [int(t) + 1 for t in origins]
        cut_NT = pad_left([series[:end] for series in values_ST for end in ends])
        further = None
        if further_PST is not None:
            further = np.stack([pad_left([series[:end] for series in part for end in ends]) for part in further_PST])
        made = run_on(model, cut_NT, horizon, further)
        return made.reshape(len(values_ST), len(ends), *made.shape[1:])
    scaled, h_STD = read_series(model, values_ST, further_PST)
    made = _answer_all(model, scaled, h_STD, origins, np.arange(1, horizon + 1))
    return runtime.widen(made.reshape(-1, *made.shape[2:]), model.widening_KQ, model.direct_horizon).reshape(made.shape)


def _answer_all(
    model: Model, scaled: Scaled, h_STD: Floats, origins: NDArray[np.int64], steps: NDArray[np.int64]
) -> Floats:
    series = len(h_STD)
    rows, at = np.repeat(np.arange(series), len(origins)), np.tile(origins, series)
    parts = []
    for begin in range(0, len(rows), CHUNK):
        r, t = rows[begin : begin + CHUNK], at[begin : begin + CHUNK]
        question = ask(scaled, r, t, steps, model.scaling.seasons)
        quantiles = runtime.answer(model.weights.head, h_STD[r, t], question)
        parts.append(runtime.in_units(quantiles, scaled.level_BT[r, t], scaled.scale_BT[r, t]))
    return np.concatenate(parts).reshape(series, len(origins), len(steps), -1)


def run_on(model: Model, values_ST: Floats, horizon: int, further_PST: Floats | None) -> Floats:
    """Beyond the direct horizon: the steps already forecast are hidden ones, and the head is asked again from them."""
    series, steps = values_ST.shape
    block = model.direct_horizon
    hidden = (horizon - 1) // block * block
    values_ST = np.concatenate([values_ST, np.full((series, hidden), np.nan)], axis=1)
    if further_PST is not None:
        further_PST = np.concatenate([further_PST, np.full((*further_PST.shape[:2], hidden), np.nan)], axis=2)
    scaled, h_STD = read_series(model, values_ST, further_PST)
    origins = np.arange(steps - 1, steps + hidden, block)
    blocks = _answer_all(model, scaled, h_STD, origins, np.arange(1, block + 1))
    made = blocks.reshape(series, -1, blocks.shape[-1])[:, :horizon]
    return runtime.widen(made, model.widening_KQ, block)


def full_sequence(model: Model, values: Floats, steps: int, block: int, further: Floats | None = None) -> Floats:
    """Run on the model's own output: medians of the next ``steps`` values, (steps,), in original units.

    The median of the next ``block`` values is read back as if it had been observed, again and again.  Past-only inputs
    are hidden from the end of ``values`` on.

    Args:
        model: the model.
        values: one series up to the origin, NaN where missing.
        steps: how far to run.
        block: how many values are read back at a time; 1 to the model's direct horizon.
        further: the past-only inputs, (P, T).
    """
    stream = Stream(model)
    for t, value in enumerate(values):
        stream.update(float(value), () if further is None else further[:, t])
    made: list[float] = []
    while len(made) < steps:
        ahead = stream.forecast(block)[:, MEDIAN]
        for value in ahead:
            stream.update(float(value))
        made.extend(ahead)
    return np.asarray(made[:steps])


def forecast_panel(model: Model, panel: Panel, horizon: int) -> Floats:
    """Quantiles (S, H, Q) of the steps after each series' end, in original units.

    Raises:
        DataError: the panel lacks an input the model reads.
    """
    lacking = [name for name in model.inputs if name not in panel.inputs]
    if lacking:
        raise DataError(
            f"the model reads {', '.join(lacking)}, which the table does not hold; give a table with that column"
        )
    values_ST, further_PST = as_arrays(panel, model.inputs)
    return predict_many(model, values_ST, np.array([values_ST.shape[1] - 1]), horizon, further_PST)[:, 0]


def as_arrays(panel: Panel, inputs: Sequence[str] | None = None) -> tuple[Floats, Floats | None]:
    """The series as (S, T), padded with NaN on the left, and the past-only inputs as (P, S, T)."""
    names = tuple(panel.inputs) if inputs is None else tuple(inputs)
    values_ST = pad_left([panel.series_values(s) for s in range(len(panel))])
    if not names:
        return values_ST, None
    cuts = panel.offsets[1:-1]
    return values_ST, np.stack([pad_left(np.split(panel.inputs[name], cuts)) for name in names])


def unlike_training(model: Model, panel: Panel) -> list[str]:
    """In what way a panel is unlike the data the model was trained on, in sentences; empty when it is not.

    Another frequency, or newest values further outside the range trained on than that range is wide.
    """
    data = model.card.get("data", {})
    found = []
    if data.get("frequency") not in (None, panel.frequency.name):
        found.append(f"the model was trained on data that are {data['frequency']}, these are {panel.frequency.name}")
    if "lowest" in data and "highest" in data:
        low, high = data["lowest"], data["highest"]
        for s in range(len(panel)):
            values = panel.series_values(s)
            newest = values[np.isfinite(values)][-1]
            if not 2 * low - high <= newest <= 2 * high - low:
                found.append(
                    f"the model was trained on values from {low:g} to {high:g}, {panel.ids[s]} ends at {newest:g}"
                )
                break
    return found
