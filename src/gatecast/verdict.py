"""The judge: is the forecast any better than doing nothing clever, and may its intervals be believed?

A gain is claimed only if the one-sided Diebold-Mariano test beats **every** baseline, the largest p counting, on at
least 30 origins, by more than another seed moves it, and if no future was found in the forecasts; a loss uses Holm's
correction.  The loss is the squared error for one series, as its tables lead with the RMSE, and the absolute scaled
error (MASE) for a panel, where one wild series must not decide.  Everything ends in one sentence a person can act on.

Tests are in ``significance``, sizes in ``gains``, intervals in ``coverage``, findings in ``detectors`` and ``copies``,
the words in ``judgement``; here they meet.  docs/verdict.md explains every number.

Key: S series, O origin in time order, H step ahead, Q quantile at ``config.QUANTILES``, N seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gatecast.baselines import solves_exactly
from gatecast.config import MEDIAN, QUANTILES
from gatecast.copies import CopyFinding, copy_detector, exact_period, occurs_in
from gatecast.coverage import Coverage, judge_coverage, judge_panel_coverage
from gatecast.detectors import LagFinding, flat_detector, lag_detector, ljung_box
from gatecast.errors import DataError, SettingsError
from gatecast.gains import block_length, gain_interval, gain_percent, seed_spread
from gatecast.judgement import (
    IN_WORDS,
    PanelVerdict,
    StepRow,
    Verdict,
    against_rows,
    inside_seeds,
    reads_future,
    too_few,
    write_panel_sentence,
    write_sentence,
)
from gatecast.leakage import LeakageReport
from gatecast.metrics import crps_losses
from gatecast.significance import (
    FEWEST_ORIGINS,
    SIGNIFICANT,
    Claim,
    Comparison,
    beats_all,
    claim_of,
    clustered_test,
    diebold_mariano,
    holm,
    long_run_variance,
)

__all__ = [
    "FEWEST_ORIGINS",
    "IN_WORDS",
    "SIGNIFICANT",
    "Claim",
    "Comparison",
    "Coverage",
    "LagFinding",
    "PanelVerdict",
    "Verdict",
    "beats_all",
    "clustered_test",
    "diebold_mariano",
    "exact_period",
    "holm",
    "judge",
    "judge_coverage",
    "judge_panel",
    "lag_detector",
    "long_run_variance",
    "occurs_in",
    "write_sentence",
]

Array = npt.NDArray[np.float64]

ROUNDING = 1e-9  # an error below this share of the truth's standard deviation counts as none
JUDGED_LEVELS = (80, 90)
GAIN_LEVEL = 90


def judge(  # noqa: PLR0913 (the evidence that may stand beside a forecast; all of it optional)
    truth: npt.ArrayLike,
    forecasts: Mapping[str, npt.ArrayLike],
    last: npt.ArrayLike,
    history: npt.ArrayLike | None = None,
    model: str = "LSTM",
    unit: str = "",
    subject: str = "this series",
    *,
    step: int = 1,
    gap: int = 0,
    seeds: npt.ArrayLike | None = None,
    leakage: LeakageReport | None = None,
    inputs: Mapping[str, npt.ArrayLike] | None = None,
) -> Verdict:
    """Judge one model's forecasts of one series against all others given.

    Errors below 1e-9 of the truth's standard deviation count as none, for quantiles too, so that two exact forecasts
    are equal rather than ranked by their rounding.  Of several steps ahead the loss of an origin is the mean over its
    steps, and the test counts with forecasts that overlap: those of origins that lie no further apart than gap and
    steps ahead together.

    Args:
        truth: (O,) the values at consecutive steps, or (O, H) the values 1 … H steps after each origin and the gap; NaN
            is missing.
        forecasts: by model name (O, Q) or (O, H, Q); all but ``model`` are its baselines.
        last: (O,) the newest value observed when the forecasts were made.
        history: (T,) all values before the first truth; without it the looks into the past are left out.
        model: the one judged.
        unit: of the values, for the sentence.
        subject: what is forecast, for the sentence: "the price".
        step: steps from one origin to the next.
        gap: steps between an origin and the first that is judged.
        seeds: (N, O, Q) or (N, O, H, Q) the model's forecasts trained with N different seeds.
        leakage: what ``leakage_probe`` found.
        inputs: further columns read, by name (T,), over the steps of ``history``; needs that.

    Raises:
        DataError: the shapes do not fit, no truth is known, or a forecast is missing where the truth is known.
        SettingsError: the model is not among the forecasts, or stands alone; or inputs come without history.
    """
    y = np.asarray(truth, np.float64)
    if y.ndim not in (1, 2):
        raise DataError(f"the truth has shape {y.shape}; give one series: origins, or origins × steps ahead")
    seen, tables = _of_many_seeds(seeds, y), _checked(y, forecasts, model, step)
    floor = ROUNDING * float(np.nanstd(y))
    tables = {name: _exact(table, y, floor) for name, table in tables.items()}
    truth_OH = y.reshape(len(y), -1)
    points = {name: table[..., MEDIAN].reshape(truth_OH.shape) for name, table in tables.items()}
    squares = {name: (point - truth_OH) ** 2 for name, point in points.items()}
    horizon = truth_OH.shape[1]
    overlap = -(-(gap + horizon) // step)
    losses = {name: _over_steps(square) for name, square in squares.items()}
    claim = beats_all(losses, model, overlap)
    rmse = {name: math.sqrt(float(np.nanmean(square))) for name, square in squares.items()}
    mae = {name: float(np.nanmean(np.sqrt(square))) for name, square in squares.items()}
    crps = {name: float(np.nanmean(crps_losses(y, table))) for name, table in tables.items()}
    findings = _look_back(history, truth_OH, step, inputs)
    gain = gain_percent(rmse[model], rmse[claim.best])
    lag = lag_detector(truth_OH[:, 0], points[model][:, 0], last)
    flat = flat_detector(truth_OH[:, 0], points[model][:, 0])
    verdict = Verdict(
        model=model,
        origins=int((~np.isnan(losses[model])).sum()),
        rmse=rmse[model],
        mae=mae[model],
        best_baseline=claim.best,
        best_rmse=rmse[claim.best],
        gain_rmse_percent=gain,
        gain_mae_percent=_gain_over_best(mae, model),
        p_value=claim.p_value,
        hardest_baseline=claim.hardest,
        claimed=False,
        p_worse=claim.p_worse,
        worse_than=claim.worse_than,
        coverage=tuple(judge_coverage(y, tables[model], level, overlap, gap < step) for level in JUDGED_LEVELS),
        lag=lag if step == 1 else replace(lag, follows_last=False),  # origins may be a season apart
        seen_before=findings.seen_before,
        period=findings.period,
        ar2_error=findings.ar2_error,
        horizon=horizon,
        gap=gap,
        crps=crps[model],
        gain_crps_percent=_gain_over_best(crps, model),
        gain_interval_percent=_interval(losses[model], losses[claim.best], overlap, root=True),
        horizons=_by_step(squares, model, step, gap),
        tests=against_rows(claim.tests),
        flat=flat if step == 1 else replace(flat, is_flat=False),
        residuals=ljung_box(points[model][:, 0] - truth_OH[:, 0]),
        copies=findings.copies,
        seeds=None if seen is None else seed_spread((seen[..., MEDIAN] - y) ** 2, root=True),
        leakage=leakage,
        sentence="",
    )
    verdict = replace(verdict, claimed=_may_claim(verdict, claim, gain))
    return replace(verdict, sentence=write_sentence(verdict, unit, subject))


def judge_panel(  # noqa: PLR0913 (as in ``judge``)
    truth: npt.ArrayLike,
    forecasts: Mapping[str, npt.ArrayLike],
    scale: npt.ArrayLike,
    model: str = "LSTM",
    subject: str = "these series",
    *,
    step: int = 1,
    gap: int = 0,
    coincide: bool = True,
    seeds: npt.ArrayLike | None = None,
    leakage: LeakageReport | None = None,
) -> PanelVerdict:
    """Judge one model's forecasts of many series against all others given, by absolute scaled error.

    Every series counts alike.  Tests are clustered, see ``significance.clustered_test``; the interval of the gain
    resamples whole series.

    Args:
        truth: (S, O) or (S, O, H); NaN where missing, so that series may have fewer origins than others.
        forecasts: by model name (S, O, Q) or (S, O, H, Q); all but ``model`` are its baselines.
        scale: (S,) the yardstick of each series, as ``metrics.seasonal_scale`` of its training part; a series whose
            scale is 0 or NaN, or without a known truth, is left out and counted.
        model: the one judged.
        subject: what is forecast, for the sentence.
        step: steps from one origin to the next.
        gap: steps between an origin and the first that is judged.
        coincide: origin o of every series is the same point in time.
        seeds: (N, S, O, Q) or (N, S, O, H, Q) the model's forecasts trained with N different seeds.
        leakage: what ``leakage_probe`` found.

    Raises:
        DataError: the shapes do not fit, no series is left, or a forecast is missing where the truth is known.
        SettingsError: the model is not among the forecasts, or stands alone.
    """
    y, scales = np.asarray(truth, np.float64), np.asarray(scale, np.float64)
    if y.ndim not in (2, 3) or scales.shape != y.shape[:1]:
        raise DataError(f"truth has shape {y.shape} and scale {scales.shape}; give (S, O) or (S, O, H), and (S,)")
    seen, tables = _of_many_seeds(seeds, y), _checked(y, forecasts, model, step)
    kept = (scales > 0) & ~np.isnan(y.reshape(len(y), -1)).all(axis=1)
    if not kept.any():
        raise DataError("no series has both a scale above 0 and a known truth; nothing can be judged")
    y, tables = y[kept], {name: table[kept] for name, table in tables.items()}
    size = scales[kept].reshape(-1, *(1,) * (y.ndim - 1))
    horizon = y.shape[2] if y.ndim == 3 else 1
    overlap = -(-(gap + horizon) // step)
    losses = {name: _over_steps(np.abs(table[..., MEDIAN] - y) / size, 2) for name, table in tables.items()}
    per_series = {name: np.nanmean(loss, axis=1) for name, loss in losses.items()}
    mase = {name: float(errors.mean()) for name, errors in per_series.items()}
    others = [name for name in tables if name != model]
    tests = {name: clustered_test(losses[model] - losses[name], overlap, coincide) for name in others}
    claim = claim_of(tests, mase)
    gain = gain_percent(mase[model], mase[claim.best])
    verdict = PanelVerdict(
        model=model,
        series=int(kept.sum()),
        left_out=int((~kept).sum()),
        origins=int((~np.isnan(losses[model])).any(axis=0).sum()),
        horizon=horizon,
        gap=gap,
        mase=mase[model],
        best_baseline=claim.best,
        best_mase=mase[claim.best],
        gain_percent=gain,
        gain_interval_percent=_interval(losses[model], losses[claim.best]),
        p_value=claim.p_value,
        hardest_baseline=claim.hardest,
        claimed=False,
        counted=tests[claim.hardest].by,
        p_worse=claim.p_worse,
        worse_than=claim.worse_than,
        tests=against_rows(claim.tests),
        series_won=int((per_series[model] < per_series[claim.best]).sum()),
        coverage=tuple(judge_panel_coverage(y, tables[model], level, overlap, coincide) for level in JUDGED_LEVELS),
        seeds=None if seen is None else seed_spread(np.abs(seen[:, kept][..., MEDIAN] - y) / size),
        leakage=leakage,
        sentence="",
    )
    verdict = replace(verdict, claimed=_may_claim(verdict, claim, gain))
    return replace(verdict, sentence=write_panel_sentence(verdict, subject))


def _may_claim(verdict: Verdict | PanelVerdict, claim: Claim, gain: float | None) -> bool:
    """Return whether a gain is claimed: beyond chance, on enough, beyond the seeds, and without the future."""
    seeded = inside_seeds(gain, verdict.seeds)
    return claim.beats_all and not too_few(verdict) and not seeded and not reads_future(verdict)


def _checked(truth: Array, forecasts: Mapping[str, npt.ArrayLike], model: str, step: int) -> dict[str, Array]:
    """Return the forecasts as arrays; refuse what does not fit the truth."""
    tables = {name: np.asarray(table, np.float64) for name, table in forecasts.items()}
    known = ~np.isnan(truth)
    if not known.any():
        raise DataError(f"the truth has shape {truth.shape}, {known.sum()} values known; give one series with values")
    wanted = (*truth.shape, len(QUANTILES))
    for name, table in tables.items():
        if table.shape != wanted:
            raise DataError(f"the forecasts of {name} have shape {table.shape}; for this truth give {wanted}")
        if not np.isfinite(table[known]).all():
            raise DataError(f"{name} has no finite forecast at an origin whose truth is known; forecast them all")
    if model not in tables or len(tables) < 2:
        raise SettingsError(f"forecasts are of {', '.join(tables) or 'nobody'}; give {model} and at least one baseline")
    if step < 1:
        raise SettingsError(f"step is {step}: give the number of steps from one origin to the next, 1 or more")
    return tables


def _of_many_seeds(seeds: npt.ArrayLike | None, truth: Array) -> Array | None:
    """Return the forecasts by seed, (N, …, Q), checked against the truth (…)."""
    if seeds is None:
        return None
    tables = np.asarray(seeds, np.float64)
    if tables.shape[1:] != (*truth.shape, len(QUANTILES)):
        wanted = ("seeds", *truth.shape, len(QUANTILES))
        raise DataError(f"the forecasts by seed have shape {tables.shape}; for this truth give {wanted}")
    return tables


def _exact(table: Array, truth: Array, floor: float) -> Array:
    """Return the forecasts with errors below ``floor`` taken away."""
    return np.where(np.abs(table - truth[..., None]) <= floor, truth[..., None], table)


def _over_steps(losses: Array, axes: int = 1) -> Array:
    """Return the mean over the steps ahead where there are any, NaN where none is known: the first ``axes`` stay."""
    steps = losses.reshape(*losses.shape[:axes], -1)
    known = (~np.isnan(steps)).sum(axis=-1)
    return np.where(known > 0, np.nansum(steps, axis=-1) / np.maximum(known, 1), np.nan)


def _gain_over_best(errors: Mapping[str, float], model: str) -> float | None:
    """Return the model's gain over the other with the lowest error."""
    return gain_percent(errors[model], min(error for name, error in errors.items() if name != model))


def _interval(model: Array, baseline: Array, overlap: int = 1, root: bool = False) -> tuple[float, float] | None:
    """Return the interval of the gain, None where it has no size because the baseline is exact."""
    block = block_length(int((~np.isnan(model)).sum()), overlap) if model.ndim == 1 else None
    found = gain_interval(model, baseline, GAIN_LEVEL, block, root=root)
    return None if math.isnan(found.lower) else (found.lower, found.upper)


def _by_step(squares: Mapping[str, Array], model: str, step: int, gap: int) -> tuple[StepRow, ...]:
    """Return the table by horizon from squared errors (O, H) by model; a step without any truth is left out."""
    rows = []
    for place in range(squares[model].shape[1]):
        losses = {name: square[:, place] for name, square in squares.items()}
        if np.isnan(losses[model]).all():
            continue
        ahead = gap + place + 1
        claim = beats_all(losses, model, -(-ahead // step))
        rmse = {name: math.sqrt(float(np.nanmean(loss))) for name, loss in losses.items()}
        mae = float(np.nanmean(np.sqrt(losses[model])))
        gain = gain_percent(rmse[model], rmse[claim.best])
        rows.append(StepRow(ahead, rmse[model], mae, claim.best, rmse[claim.best], gain, claim.p_value))
    return tuple(rows)


class _Findings(NamedTuple):
    """What the values before the test part say about it."""

    seen_before: int | None = None
    period: int | None = None
    ar2_error: float | None = None
    copies: tuple[CopyFinding, ...] = ()


def _look_back(
    history: npt.ArrayLike | None, truth_OH: Array, step: int, inputs: Mapping[str, npt.ArrayLike] | None
) -> _Findings:
    """Look for the test part in the values before it, for an autoregression that solves it, for inputs that are it."""
    if history is None:
        if inputs:
            raise SettingsError("inputs are compared with the values of history; give that too")
        return _Findings()
    history = np.asarray(history, np.float64)
    copies = tuple(copy_detector(history, inputs or {}))
    if step > truth_OH.shape[1]:
        return _Findings(copies=copies)  # the origins skip values, so the test part is not there as a whole
    truth = np.concatenate([truth_OH[:, :step].ravel(), truth_OH[-1, step:]])
    series = np.concatenate([history, truth])
    long_enough = int((~np.isnan(history)).sum()) >= FEWEST_ORIGINS
    return _Findings(
        seen_before=occurs_in(history, truth),
        period=exact_period(series),
        ar2_error=solves_exactly(series, len(history)) if long_enough else None,
        copies=copies,
    )
