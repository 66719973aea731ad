"""The point forecast for a measure: which one number to give where the judge wants a single one.

Every measure is smallest at another place of the same distribution: the absolute error at its median, the squared error
at its mean, the percentage error further down.  Key: ... any shape, Q quantile.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.answers import quantiles_of
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.layouts import eager_frame, frame_like

Floats = npt.NDArray[np.float64]
Measure = Literal["mae", "mase", "smape", "rmse", "mape"]

_SPREAD = 2 * NormalDist().inv_cdf(0.6)  # standard deviations between the 40 % and the 60 % quantile of a normal
_LEAST = QUANTILES.index(0.3)
_MADE = tuple(f"-for-{measure}" for measure in get_args(Measure))  # ends of the names of columns made here
_BESIDE = {"unique_id", "ds", "y", "cutoff"}  # columns of a table that are no forecasts


def point_for(made: Any, measure: Measure) -> Any:
    """Return the point forecast with the lowest expected error by a measure.

    - ``mae``, ``mase``, ``smape``: the median.  For the last it is a good rule, not the exact minimum.
    - ``rmse``: the mean, where the quantile function is straight between the quantiles and flat beyond them.
    - ``mape``: the median of a density in proportion to p(y) / |y|, since E |y − f| / |y| is an absolute error with
      that weight.  Where log y is normal with variance σ², that is the median times exp(−σ²), which is taken here,
      with σ from the 40 % and the 60 % quantile: those further out would let values near zero rule.  Never below the
      30 % quantile (of |y|); and the median itself where the 40 % and the 60 % quantile differ in sign.

    Source: T. Gneiting, "Making and evaluating point forecasts", Journal of the American Statistical Association 106,
    2011, for which functional of a distribution belongs to which error.

    Args:
        made: a table of forecasts with MODEL, MODEL-lo-80 … of all six levels (``level=(20, 40, 60, 80, 90, 95)``), or
            quantiles (..., Q) at ``config.QUANTILES`` as an array.
        measure: what the point forecast is judged by.

    Returns:
        The points (...) of an array; of a table the same table, with a column MODEL-for-MEASURE for each of its models.

    Raises:
        SettingsError: the measure is not known.
        DataError: an array has another last axis, or the table lacks a level.
    """
    if measure not in get_args(Measure):
        raise SettingsError(f"measure = {measure!r} is not offered; choose from {', '.join(get_args(Measure))}")
    if isinstance(made, np.ndarray):
        if not made.ndim or made.shape[-1] != len(QUANTILES):
            raise DataError(
                f"the quantiles have shape {made.shape}; the last axis holds the {len(QUANTILES)} quantiles"
            )
        return _points(np.asarray(made, np.float64), measure)
    table = eager_frame(made).to_arrow()
    columns = {name: _numbers(table[name]) for name in table.column_names if name not in _BESIDE}
    for model, quantiles in quantiles_of(columns).items():
        if model.endswith(_MADE):
            continue
        lacking = next(
            (level for level in LEVELS if not {f"{model}-lo-{level}", f"{model}-hi-{level}"} <= set(columns)), None
        )
        if lacking is not None:
            levels = ", ".join(map(str, LEVELS))
            raise DataError(f"{model} has no {lacking} % interval in this table; forecast it with level=({levels})")
        table = table.append_column(f"{model}-for-{measure}", pa.array(_points(quantiles, measure)))
    return frame_like(table, made)


def _numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), np.float64)


def _points(quantiles: Floats, measure: Measure) -> Floats:
    """Points (...) of quantiles (..., Q)."""
    if measure == "rmse":
        return _mean(quantiles)
    return _for_percentages(quantiles) if measure == "mape" else quantiles[..., MEDIAN]


def _mean(quantiles: Floats) -> Floats:
    """The integral of the quantile function from 0 to 1."""
    levels = np.array([0.0, *QUANTILES, 1.0])
    ends = np.concatenate([quantiles[..., :1], quantiles, quantiles[..., -1:]], axis=-1)
    return np.asarray(np.sum(np.diff(levels) * (ends[..., 1:] + ends[..., :-1]) / 2, axis=-1))


def _for_percentages(quantiles: Floats) -> Floats:
    """The median, drawn towards zero by exp(−σ²) of a log-normal distribution."""
    median = quantiles[..., MEDIAN]
    sign = np.where(median < 0, -1.0, 1.0)
    sizes = np.sort(sign[..., None] * quantiles, axis=-1)  # of the values, where they are all on one side of zero
    below, above = sizes[..., MEDIAN - 1], sizes[..., MEDIAN + 1]
    one_sided = below > 0
    ratio = np.divide(above, below, out=np.ones_like(below), where=one_sided)
    drawn = sizes[..., MEDIAN] * np.exp(-((np.log(ratio) / _SPREAD) ** 2))
    return np.asarray(sign * np.where(one_sided, np.maximum(drawn, sizes[..., _LEAST]), sizes[..., MEDIAN]))
