"""Scores and the verdict of a backtest, of one series or of many.

Errors of several series have no unit in common: each series' mean absolute error is divided by what repeating its own
last season errs one step ahead before the first origin (MASE), and every series counts once.

Key: S series, O origin, H horizon step, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast import metrics
from gatecast.config import MEDIAN
from gatecast.rolling import Backtest
from gatecast.verdict import PanelVerdict, Verdict, judge, judge_panel
from gatecast.wording import finite

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One row of a backtest's table; None where a model says no intervals."""

    model: str
    mase: float
    mae: float | None  # in the series' units; None for several series
    wql: float | None
    coverage_80: float | None
    coverage_90: float | None
    seconds: float


def score_backtest(backtest: Backtest) -> list[Score]:
    """Return every model's scores, on the same origins."""
    scales, truth, rows = scales_of(backtest), backtest.truth_SOH, []
    for name, made in backtest.forecasts.items():
        errors = errors_of_series(backtest, name)
        whole = bool(np.isfinite(made).all())
        rows.append(
            Score(
                name,
                float(mean_where_known(errors / scales, 0)),
                float(errors[0]) if len(errors) == 1 else None,
                metrics.wql(truth, made) if whole else None,
                metrics.coverage(truth, made, 80) if whole else None,
                metrics.coverage(truth, made, 90) if whole else None,
                backtest.seconds[name],
            )
        )
    return rows


def judge_backtest(backtest: Backtest, model: str) -> Verdict | PanelVerdict:
    """Return the verdict on one model against all others of a backtest.

    A model without intervals is taken for one that is sure of its median.

    Raises:
        SettingsError: there is no such model, or nothing beside it.
    """
    forecasts = {
        name: np.where(np.isfinite(made), made, made[..., MEDIAN : MEDIAN + 1])
        for name, made in backtest.forecasts.items()
    }
    step, gap = backtest.plan.step or backtest.plan.horizon, backtest.plan.gap
    if len(backtest.panel) > 1:
        scales = scales_of(backtest)
        return judge_panel(
            backtest.truth_SOH, forecasts, scales, model, step=step, gap=gap, coincide=coincide(backtest)
        )
    values, origins = backtest.panel.series_values(0), backtest.origins_SO[0]
    seen = np.isfinite(values)
    newest = values[np.maximum.accumulate(np.where(seen, np.arange(len(values)), 0))]
    return judge(
        backtest.truth_SOH[0],
        {name: made[0] for name, made in forecasts.items()},
        newest[origins],
        history=values[: origins[0] + gap + 1],
        model=model,
        step=step,
        gap=gap,
    )


def backtest_as_dict(backtest: Backtest, verdict: Verdict | PanelVerdict | None) -> dict[str, Any]:
    """Return the object that ``gatecast backtest --json`` prints; its keys are documented in docs/json.md."""
    made: dict[str, Any] = finite(
        {
            "series": len(backtest.panel),
            "plan": asdict(backtest.plan),
            "season_length": backtest.season_length,
            "scores": [asdict(score) for score in score_backtest(backtest)],
            "left_out": backtest.left_out,
            "mended": list(backtest.mended),
            "adapted": list(backtest.adapted),
            "verdict": None if verdict is None else verdict.as_dict(),
        }
    )
    return made


def scales_of(backtest: Backtest) -> Floats:
    """What repeating its own last season errs one step ahead before the first origin, of each series, (S,).

    NaN where nothing varies.  A series shorter than two seasons is measured by its last value.
    """
    found = np.full(len(backtest.panel), np.nan)
    for s, last in enumerate(backtest.origins_SO[:, 0]):
        season = backtest.season_length if 2 * backtest.season_length <= last + 1 else 1
        scale = metrics.seasonal_scale(backtest.panel.series_values(s)[: last + 1], season)
        found[s] = scale if scale > 0 else np.nan
    return found


def mean_where_known(numbers: Floats, axes: int | tuple[int, ...]) -> Floats:
    """The mean over ``axes`` of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, numbers, 0.0).sum(axis=axes) / known.sum(axis=axes))


def absolute_errors(backtest: Backtest, model: str) -> Floats:
    """|median − truth| of every forecast, (S, O, H), NaN where the truth is missing."""
    return np.asarray(np.abs(backtest.forecasts[model][..., MEDIAN] - backtest.truth_SOH))


def errors_of_series(backtest: Backtest, model: str) -> Floats:
    """Mean absolute error of each series, every origin counting once, (S,)."""
    return mean_where_known(mean_where_known(absolute_errors(backtest, model), 2), 1)


def coincide(backtest: Backtest) -> bool:
    """Whether the origins of all series are the same points in time."""
    times = backtest.panel.times[backtest.panel.offsets[:-1, None] + backtest.origins_SO]
    return bool((times == times[0]).all())
