"""How much better than doing nothing clever, step ahead by step ahead, and how sure of that one may be.

The gain at a step is the percentage by which the model errs less than the best baseline *of that step*: choosing the
best after the fact makes a gain look smaller, never larger.  Its interval is the bootstrap of ``gains``.

Key: S series, O origin in time order, H step ahead, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gatecast.config import MEDIAN
from gatecast.errors import SettingsError
from gatecast.gains import block_length, gain_interval, gain_percent

Array = npt.NDArray[np.float64]

LEVEL = 90  # percent, of the interval
ROUNDING = 1e-9  # an error below this share of the truth's standard deviation counts as none, as in the verdict
FEWEST = 10  # origins (or series) that an interval is drawn from
MOST_STEPS = 50  # steps ahead that are looked at, evenly spread where there are more
MOST_STEPS_OF_PANELS = 12  # series are resampled, and there may be thousands


class SkillRow(NamedTuple):
    """The gain so many steps ahead."""

    step: int
    best_baseline: str
    gain_percent: float | None  # None where the best baseline is exact and the model is not
    interval_percent: tuple[float, float] | None  # None there too, and with fewer than 10 origins, or series


def skill_by_step(
    truth_OH: Array, forecasts: Mapping[str, Array], model: str = "LSTM", apart: int = 1
) -> tuple[SkillRow, ...]:
    """Return the gain in RMSE over the best baseline at each step ahead, with its moving-block bootstrap interval.

    A block is never shorter than the number of origins whose forecasts overlap at that step.  Errors below 1e-9 of the
    truth's standard deviation count as none.

    Args:
        truth_OH: (O, H), NaN where missing; a step ahead without any truth has no row.
        forecasts: by model name (O, H, Q); all but ``model`` are its baselines.
        model: the one whose gain it is.
        apart: steps from one origin to the next.

    Raises:
        SettingsError: the model is not among the forecasts, or stands alone.
    """
    errors = {name: np.abs(made[..., MEDIAN] - truth_OH) for name, made in _checked(forecasts, model).items()}
    floor = ROUNDING * float(np.nanstd(truth_OH))
    squares = {name: np.where(error <= floor, 0.0, error**2) for name, error in errors.items()}
    rows = []
    for place in _places(truth_OH.shape[1], MOST_STEPS):
        losses = {name: square[:, place] for name, square in squares.items()}
        known = int((~np.isnan(truth_OH[:, place])).sum())
        if known:
            rows.append(_row(place + 1, losses, model, block_length(known, -(-(place + 1) // apart)), root=True))
    return tuple(rows)


def panel_skill_by_step(
    truth_SOH: Array, forecasts: Mapping[str, Array], scales: Array, model: str = "LSTM"
) -> tuple[SkillRow, ...]:
    """Return the gain in MASE over the best baseline at each step ahead; its interval resamples whole series.

    Args:
        truth_SOH: (S, O, H), NaN where missing.
        forecasts: by model name (S, O, H, Q); all but ``model`` are its baselines.
        scales: (S,) what the errors of each series are divided by; a series with NaN is left out.
        model: the one whose gain it is.

    Raises:
        SettingsError: the model is not among the forecasts, or stands alone.
    """
    kept = ~np.isnan(scales)
    truth, size = truth_SOH[kept], scales[kept, None, None]
    errors = {name: np.abs(made[kept][..., MEDIAN] - truth) / size for name, made in _checked(forecasts, model).items()}
    rows = []
    for place in _places(truth.shape[2], MOST_STEPS_OF_PANELS):
        losses = {name: error[..., place] for name, error in errors.items()}
        if not np.isnan(losses[model]).all():
            rows.append(_row(place + 1, losses, model, None, root=False))
    return tuple(rows)


def _checked(forecasts: Mapping[str, Array], model: str) -> Mapping[str, Array]:
    if model not in forecasts or len(forecasts) < 2:
        raise SettingsError(f"forecasts are of {', '.join(forecasts) or 'nobody'}; give {model} and a baseline")
    return forecasts


def _places(horizon: int, most: int) -> list[int]:
    """Which steps ahead are looked at, counted from 0: all, or as many evenly spread, the first and last among them."""
    return [int(place) for place in np.unique(np.linspace(0, horizon - 1, min(most, horizon)).round())]


def _row(step: int, losses: Mapping[str, Array], model: str, block: int | None, root: bool) -> SkillRow:
    """The gain at one step from every model's losses; each series of a panel counts once."""
    means = {name: float(np.nanmean(_of_series(loss))) for name, loss in losses.items()}
    best = min((name for name in means if name != model), key=lambda name: means[name])
    gain = gain_percent(means[model], means[best], root=root)
    if gain is None or (~np.isnan(_of_series(losses[model]))).sum() < FEWEST:
        return SkillRow(step, best, gain, None)
    found = gain_interval(losses[model], losses[best], LEVEL, block, root=root)
    return SkillRow(step, best, gain, (found.lower, found.upper))


def _of_series(loss: Array) -> Array:
    """The mean loss of each series where there are several, (S,)."""
    if loss.ndim == 1:
        return loss
    known = (~np.isnan(loss)).sum(axis=1)
    return np.where(known > 0, np.nansum(loss, axis=1) / np.maximum(known, 1), np.nan)
