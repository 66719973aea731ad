"""Forecasting with a model, without torch: whole passes over series, many origins at once, and runs on its own output.

Key: S series, T step, O origin, H horizon step, Q quantile, P past-only, J known-future and G static columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast import bulk, runtime
from gatecast.answering import Asked, answer_many
from gatecast.cell import State
from gatecast.config import MEDIAN, QUANTILES
from gatecast.covariates import Column, encode, outside
from gatecast.errors import DataError, SettingsError, nearest
from gatecast.likeness import unlike_data
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.rows import LARGEST
from gatecast.runtime import Array, Weights
from gatecast.scaling import Covariates, Floats, Scaled, ask, scale_series
from gatecast.stream import Stream
from gatecast.supply import MemoryPlanes, Planes, read_planes
from gatecast.wording import counted

WHAT_IF = "WhatIf"  # the name of a forecast under a changed plan
CHUNK = 2048  # origins x steps ahead answered at a time, so that they stay in the cache
CELLS = 20_000  # series x steps read at a time
RUN_ON_CELLS = 20 * CELLS  # the same where every origin is run on from
LONG = 1024  # steps of a series from which its reading in blocks pays
MANY = 5_000  # origins x steps ahead of a series from which ``answering`` answers
ABREAST = 32  # series read side by side from which it forecasts


def read_series(model: Model, values_ST: Floats, more: Covariates | None = None) -> tuple[Scaled, Floats]:
    """Read whole series once: the scaled series and what the head sees at every step, (S, T, D)."""
    scaled = scale_series(values_ST, model.scaling, more)
    h_STD, _ = runtime.read(model.weights, scaled.inputs_BTC)
    return scaled, h_STD


def _read_plainly(weights: Weights, x_BTC: Array) -> Array:
    return runtime.read(weights, x_BTC)[0]


def _quick_weights(model: Model) -> Weights:
    """The weights in the least precision that series may be read with."""
    return runtime.with_dtype(model.weights, np.float32) if bulk.is_plain(model.weights) else model.weights


def predict_many(
    model: Model,
    values_ST: Floats,
    origins: NDArray[np.int64],
    horizon: int,
    more: Covariates | None = None,
) -> Floats:
    """Quantiles (S, O, H, Q) in original units, made at each origin from the values up to it.

    Up to the direct horizon this is one pass; beyond it, every origin is run on over hidden steps of its own.

    Args:
        model: the model.
        values_ST: series padded with NaN on the left; NaN is missing.
        origins: index of the last step known, the same for every series.
        horizon: steps ahead.
        more: the model's columns beside the target; what is known in advance is read up to ``horizon`` steps after
            an origin, and counts as missing where it ends before.

    Raises:
        SettingsError: the horizon has no steps.
    """
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")
    if horizon > model.direct_horizon:
        ends = np.asarray(origins, np.int64) + 1
        together = max(1, RUN_ON_CELLS // values_ST.size)  # origins whose series are read side by side
        groups = [ends[begin : begin + together] for begin in range(0, len(ends), together)]
        return np.concatenate([run_on_from(model, values_ST, group, horizon, more) for group in groups], axis=1)
    made_QSOH = np.empty((len(QUANTILES), len(values_ST), len(origins), horizon))  # each quantile in one piece
    made = np.moveaxis(made_QSOH, 0, -1)
    answer_all = _answer_quickly if len(origins) * horizon >= MANY else _answer_widened
    together = max(1, CELLS // values_ST.shape[1])
    for begin in range(0, len(values_ST), together):
        rows = slice(begin, begin + together)
        scaled = scale_series(values_ST[rows], model.scaling, None if more is None else more.rows(rows))
        answer_all(model, scaled, np.asarray(origins, np.int64), made[rows])
    return made


def _answer_widened(model: Model, scaled: Scaled, origins: NDArray[np.int64], made_SOHQ: Floats) -> None:
    """Write the quantiles from all origins as ``runtime`` has them; a long series is read in blocks, to some 1e-9."""
    read = bulk.read_long if scaled.inputs_BTC.shape[1] >= LONG else _read_plainly
    h_STD = read(model.weights, scaled.inputs_BTC)
    plain = _answer_all(model, scaled, h_STD, origins, np.arange(1, made_SOHQ.shape[2] + 1))
    wide = runtime.widen(plain.reshape(-1, *plain.shape[2:]), model.widening_KQ, model.direct_horizon)
    made_SOHQ[...] = wide.reshape(plain.shape)


def _answer_quickly(model: Model, scaled: Scaled, origins: NDArray[np.int64], made_SOHQ: Floats) -> None:
    """The same by ``bulk``: within 1e-5 of the scale of each origin."""
    h_STD = bulk.read_long(_quick_weights(model), scaled.inputs_BTC)
    asked = Asked(scaled, np.arange(1, made_SOHQ.shape[2] + 1), model.scaling.seasons)
    for s, made_OHQ in enumerate(made_SOHQ):
        at = np.full_like(origins, s), origins
        answer_many(model.weights.head, model.widening_KQ, asked, at, h_STD[at], made_OHQ)


def _forecast_abreast(
    model: Model, read_with: runtime.Weights, values_ST: Floats, horizon: int, more: Covariates | None
) -> Floats:
    """What ``run_on`` gives up to the direct horizon, by ``bulk``: within 1e-5 of the scale at the end of each series.

    Args:
        model: the model.
        read_with: its weights, as ``_quick_weights`` gives them.
        values_ST: many series.
        horizon: steps ahead.
        more: the columns beside the target.
    """
    scaled = scale_series(values_ST, model.scaling, more)
    h_SD = bulk.read_ends(read_with, scaled.inputs_BTC[:, : values_ST.shape[1]])
    made_SHQ, rows = np.empty((len(values_ST), horizon, len(QUANTILES))), np.arange(len(values_ST))
    asked = Asked(scaled, np.arange(1, horizon + 1), model.scaling.seasons)
    at = rows, np.full_like(rows, values_ST.shape[1] - 1)
    answer_many(model.weights.head, model.widening_KQ, asked, at, h_SD, made_SHQ)
    return made_SHQ


def _answer_all(
    model: Model, scaled: Scaled, h_STD: Floats, origins: NDArray[np.int64], steps: NDArray[np.int64]
) -> Floats:
    """Quantiles (S, O, K, Q) of every series at the same origins."""
    series = len(h_STD)
    at = np.repeat(np.arange(series), len(origins)), np.tile(origins, series)
    return answer_at(model, scaled, h_STD[at], at, steps).reshape(series, len(origins), len(steps), -1)


def answer_at(
    model: Model,
    scaled: Scaled,
    h_ND: Floats,
    at: tuple[NDArray[np.int64], NDArray[np.int64]],
    steps: NDArray[np.int64],
) -> Floats:
    """Return quantiles (N, K, Q) in original units, not widened.

    Args:
        model: the model.
        scaled: the series.
        h_ND: what the head sees at each of the N origins.
        at: for each of the N origins its series, and its step.
        steps: steps ahead, at most the direct horizon.
    """
    rows, origins = at
    parts = [np.empty((0, len(steps), len(QUANTILES)))]
    together = max(1, CHUNK // len(steps))
    for begin in range(0, len(rows), together):
        some = slice(begin, begin + together)
        r, t = rows[some], origins[some]
        question = ask(scaled, r, t, steps, model.scaling.seasons)
        quantiles = runtime.answer(model.weights.head, h_ND[some], question)
        parts.append(runtime.in_units(quantiles, scaled.level_BT[r, t], scaled.scale_BT[r, t]))
    return np.concatenate(parts)


def run_on(model: Model, values_ST: Floats, horizon: int, more: Covariates | None) -> Floats:
    """Quantiles (S, H, Q) of the steps after the end, also beyond the direct horizon, see ``run_on_from``."""
    return run_on_from(model, values_ST, np.array([values_ST.shape[1]]), horizon, more)[:, 0]


def run_on_from(
    model: Model, values_ST: Floats, ends: NDArray[np.int64], horizon: int, more: Covariates | None
) -> Floats:
    """Quantiles (S, O, H, Q) of the steps after each of ``ends``, also beyond the direct horizon.

    There the steps already forecast are hidden ones, and the head is asked again from them.  What is before all ends is
    read once.
    """
    block, count = model.direct_horizon, len(ends)
    hidden = (horizon - 1) // block * block
    first, steps = int(ends.min()), int(ends.max()) + hidden
    if more is not None:
        past_PST, known_JST, static_GS = more
        more = Covariates(
            None if past_PST is None else _known_at(past_PST, ends, steps),
            None if known_JST is None else _known_at(known_JST, ends + horizon, steps + block),
            None if static_GS is None else np.repeat(static_GS, count, axis=1),
        )
    scaled = scale_series(_known_at(values_ST, ends, steps), model.scaling, more)
    h_STD, states = runtime.read(model.weights, scaled.inputs_BTC[::count, :first])
    states = [State(*(np.repeat(part, count, axis=0) for part in state)) for state in states]
    h_BTD, _ = runtime.read(model.weights, scaled.inputs_BTC[:, first:], states)
    h_BTD = np.concatenate([np.repeat(h_STD[:, -1:], count, axis=0), h_BTD], axis=1)  # from the step before on
    rows_BK, asked_BK = np.broadcast_arrays(
        np.arange(len(h_BTD))[:, None], np.tile(ends - 1, len(values_ST))[:, None] + np.arange(0, hidden + 1, block)
    )
    at = rows_BK.ravel(), asked_BK.ravel()
    made = answer_at(model, scaled, h_BTD[at[0], at[1] - first + 1], at, np.arange(1, min(block, horizon) + 1))
    made = made.reshape(len(h_BTD), -1, len(QUANTILES))[:, :horizon]
    return runtime.widen(made, model.widening_KQ, block).reshape(len(values_ST), count, horizon, -1)


def _known_at(table_ST: Floats, ends: NDArray[np.int64], steps: int) -> Floats:
    """Tables (..., S, T) as known before each of ``ends``, (..., S x O, steps): what is later is missing."""
    longer_S1T = _longer(table_ST, steps)[..., None, :steps]
    known_SOT = np.where(np.arange(steps) < ends[:, None], longer_S1T, np.nan)
    return known_SOT.reshape(*table_ST.shape[:-2], -1, steps)


def _longer(table: Floats, steps: int) -> Floats:
    """A table with missing values up to ``steps`` columns."""
    missing = np.full((*table.shape[:-1], max(0, steps - table.shape[-1])), np.nan)
    return np.concatenate([table, missing], axis=-1)


def full_sequence(model: Model, values: Floats, steps: int, block: int, more: Covariates | None = None) -> Floats:
    """Run on the model's own output: medians of the next ``steps`` values, (steps,), in original units.

    The median of the next ``block`` values is read back as if it had been observed, again and again.  Past-only columns
    are hidden from the end of ``values`` on; no column's forecast ever enters another.

    Args:
        model: the model.
        values: one series up to the origin, NaN where missing.
        steps: how far to run.
        block: how many values are read back at a time; 1 to the model's direct horizon.
        more: the columns beside the target of this one series, those known in advance for ``steps`` steps more.
    """
    past_PT, known_JT, static_G = (None if part is None else part[:, 0] for part in more or Covariates())
    stream = Stream(model, () if static_G is None else static_G)
    end = len(values)
    known_JT = _longer(np.zeros((0, 0)) if known_JT is None else known_JT, end + steps + block)
    stream.read(values, past_PT, known_JT[:, :end])
    made: list[float] = []
    while len(made) < steps:
        known_JH = known_JT[:, end + len(made) : end + len(made) + block]
        ahead_H = stream.forecast(block, known_JH.T)[:, MEDIAN]
        stream.read(ahead_H, None, known_JH)
        made.extend(ahead_H)
    return np.asarray(made[:steps])


def forecast_panel(
    model: Model,
    panel: Panel,
    horizon: int,
    future: Mapping[str, Floats] | None = None,
    planes: Planes | None = None,
) -> Floats:
    """Quantiles (S, H, Q) of the steps after each series' end, in original units.

    Args:
        model: the model.
        panel: the series, with the columns the model reads.
        horizon: steps ahead.
        future: for every column known in advance its values then, (S, horizon), as ``read_future`` gives them.
        planes: where the series' numbers are, if ``panel`` holds only their ends.

    Raises:
        DataError: the panel lacks a column the model reads, or a future value is missing.
    """
    require_columns(model, panel)
    known = [column for column in model.columns if column.role == "known"]
    ahead_JSH = _encoded_future(known, panel, horizon, future or {}) if known else None
    return forecast_planes(model, planes or MemoryPlanes(panel, model.columns), horizon, ahead_JSH)


def forecast_planes(model: Model, planes: Planes, horizon: int, ahead_JSH: Floats | None = None) -> Floats:
    """Quantiles (S, H, Q) of the steps after each series' end; series of like length are read together.

    Args:
        model: the model.
        planes: the series, in memory or on disk.
        horizon: steps ahead.
        ahead_JSH: what is known in advance of the steps ahead, encoded.
    """
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")
    lengths = planes.lengths
    made = np.empty((len(lengths), horizon, len(QUANTILES)))
    order = np.argsort(lengths, kind="stable")
    quick, read_with = horizon <= model.direct_horizon and model.weights.cell == "lstm", _quick_weights(model)
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and (end - begin + 1) * lengths[order[end]] <= CELLS:
            end += 1
        rows = order[begin:end]
        values_ST, more = read_planes(planes, rows, np.zeros_like(rows), lengths[rows])
        if more is not None and more.known_JBT is not None and ahead_JSH is not None:
            more = more._replace(known_JBT=np.concatenate([more.known_JBT, ahead_JSH[:, rows]], axis=2))
        if quick and len(rows) >= ABREAST:
            made[rows] = _forecast_abreast(model, read_with, values_ST, horizon, more)
        else:
            made[rows] = run_on(model, values_ST, horizon, more)
        begin = end
    return made


def _encoded_future(known: list[Column], panel: Panel, horizon: int, future: Mapping[str, Floats]) -> Floats:
    """Future values of the columns known in advance as the network reads them, (J, S, H)."""
    parts = []
    for column in known:
        if column.name not in future:
            raise DataError(
                f"the model reads {column.name!r} in advance; give its values for the {counted(horizon, 'step')} ahead "
                "of every series (--future FILE, or future=)"
            )
        values_SH = np.asarray(future[column.name], np.float64)
        if values_SH.shape != (len(panel), horizon):
            raise DataError(
                f"the future of {column.name!r} has shape {values_SH.shape}; give {len(panel)} series x "
                f"{counted(horizon, 'step')}"
            )
        gone = ~np.isfinite(values_SH)
        if gone.any():
            s, step = (int(x) for x in np.argwhere(gone)[0])
            raise DataError(
                f"the future of {column.name!r} lacks {int(gone.sum())} value(s), first of series {panel.ids[s]!r} "
                f"{step + 1} step(s) ahead; what is known in advance has a value at every step"
            )
        parts.append(encode(column, values_SH, panel.categories.get(column.name)))
    return np.concatenate(parts)


def require_columns(model: Model, panel: Panel) -> None:
    """Refuse a panel that lacks a column the model reads.

    Raises:
        DataError: the columns that are lacking, and in what role the model reads them.
    """
    roles = {"past": ("inputs", panel.inputs), "known": ("known", panel.known), "static": ("static", panel.static)}
    for column in model.columns:
        asked, there = roles[column.role]
        if column.name not in there:
            raise DataError(
                f"the model reads {column.name}, which the table does not hold as one of its {asked} columns; "
                "give a table with that column"
            )


def as_arrays(panel: Panel, columns: tuple[Column, ...] = ()) -> tuple[Floats, Covariates | None]:
    """The series as (S, T), padded with NaN on the left, and the columns beside them, encoded."""
    rows = np.arange(len(panel))
    return read_planes(MemoryPlanes(panel, columns), rows, np.zeros_like(rows), panel.lengths)


def unlike_training(model: Model, panel: Panel, future: Mapping[str, Floats] | None = None) -> list[str]:
    """In what way a panel is unlike the data the model was trained on, in sentences; empty when it is not.

    What ``likeness`` finds, or a column known in advance outside what training saw of it.
    """
    return unlike_data(model, panel) + outside_training(model, panel, future or {})


def outside_training(model: Model, panel: Panel, future: Mapping[str, Floats]) -> list[str]:
    """Which columns known in advance leave the range that training saw, in sentences."""
    sentences = [
        outside(column, np.asarray(future[column.name]), panel.categories.get(column.name))
        for column in model.columns
        if column.role == "known" and column.name in future
    ]
    return [sentence for sentence in sentences if sentence]


def change_future(
    model: Model, panel: Panel, planned: Mapping[str, Floats], changes: Mapping[str, Any]
) -> dict[str, Floats]:
    """The future of the columns known in advance with some of them changed, (S, H) each; the plan stays as it is.

    Args:
        model: the model.
        panel: the series.
        planned: the plan.
        changes: by column a number or word, one per step, or a function of the planned numbers.

    Raises:
        SettingsError: a column is not known in advance, a word is not known, or a change does not fit the horizon or
            is no number.
    """
    future = dict(planned)
    for name, change in changes.items():
        if name not in planned:
            raise SettingsError(
                f"what if: {name!r} is not a column known in advance.{nearest(name, planned)} "
                f"The model reads {', '.join(model.reads('known')) or 'none'}."
            )
        values_SH = planned[name]
        if callable(change):
            new = change(values_SH.copy())
        elif name in panel.categories:
            labels = panel.categories[name]
            words = [change] if np.ndim(change) == 0 else list(change)
            strange = [word for word in words if word not in labels]
            if strange:
                raise SettingsError(f"what if: {name} has no {strange[0]!r}; it has {', '.join(labels)}")
            new = [labels.index(word) for word in words]
        else:
            new = change
        try:
            future[name] = np.broadcast_to(np.asarray(new, np.float64), values_SH.shape).copy()
        except (TypeError, ValueError):
            if isinstance(new, str):
                raise SettingsError(f"what if: the change of {name} is {new!r}, and it holds numbers") from None
            raise SettingsError(
                f"what if: the change of {name} has shape {np.shape(new)}; give one number, or one for each of the "
                f"{values_SH.shape[1]} steps ahead"
            ) from None
        if (strange_SH := ~(np.abs(future[name]) <= LARGEST)).any():
            raise SettingsError(
                f"what if: the change makes {name} {future[name][strange_SH][0]:g}; give numbers up to {LARGEST:g}"
            )
    return future
