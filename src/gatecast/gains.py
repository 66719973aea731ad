"""How large is a gain, and is it larger than luck?  Its bootstrap interval, and the spread over seeds.

Source: Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3), 1989.

Key: S series, O origin in time order, N seed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gatecast.errors import DataError, SettingsError

Array = npt.NDArray[np.float64]

RESAMPLES = 2_000
_AT_ONCE = 4_000_000  # blocks drawn in one go


class GainInterval(NamedTuple):
    """Where the gain lies with ``level`` percent confidence, in percent; NaN where the baseline is exact."""

    lower: float
    upper: float
    level: int
    block: int  # origins resampled together; 1 for a panel, whose series are resampled


def gain_percent(loss: float, other: float, root: bool = False) -> float | None:
    """Return by how many percent ``loss`` is below ``other``; None when ``other`` is 0 and ``loss`` is not.

    With ``root`` both are mean squares and their roots are compared, as the RMSE does.
    """
    if other == 0:
        return 0.0 if loss == 0 else None
    ratio = loss / other
    return 100 * (1 - (math.sqrt(ratio) if root else ratio))


def block_length(origins: int, horizon: int = 1) -> int:
    """Return how many neighbouring origins are resampled together: the cube root of their number, rounded up.

    The cube root is the order that minimises the error of the estimated variance (Künsch 1989); it is never shorter
    than ``horizon``, over which errors are correlated for certain, and never longer than half the origins.
    """
    root = math.ceil(round(math.cbrt(origins), 9))
    return max(1, min(max(root, horizon), origins // 2))


def gain_interval(
    loss_model: npt.ArrayLike,
    loss_baseline: npt.ArrayLike,
    level: int = 90,
    block: int | None = None,
    seed: int = 0,
    root: bool = False,
) -> GainInterval:
    """Return a moving-block bootstrap interval of the gain, 100·(1 − mean loss / mean loss of the baseline) percent.

    2,000 times as many origins as there are, are drawn in blocks of neighbours, the same ones for both losses; the
    interval is that of the middle ``level`` percent of the gains found (percentile interval).  Its ends shift with the
    baseline chosen: choosing the best of several after the fact makes the gain look smaller, never larger.

    Of a panel (S, O) whole series are resampled, each with the mean of its losses: what happens within a series stays
    together.

    Args:
        loss_model: (O,) or (S, O); where either loss is NaN both are left out.
        loss_baseline: of the same shape.
        level: percent.
        block: origins drawn together; None takes ``block_length``.
        seed: of the draws.
        root: the losses are squared errors and the gain is that of the root of their mean.

    Raises:
        DataError: the shapes differ, or no loss is known.
        SettingsError: level or block cannot work.
    """
    model, baseline = np.asarray(loss_model, np.float64), np.asarray(loss_baseline, np.float64)
    if model.shape != baseline.shape or model.ndim not in (1, 2):
        raise DataError(f"losses have shapes {model.shape} and {baseline.shape}; give two of origins, or of S × O")
    known = ~np.isnan(model) & ~np.isnan(baseline)
    if not known.any():
        raise DataError("no loss is known of both; give at least one origin")
    if model.ndim == 2:
        rows, block = known.any(axis=1), 1
        both = np.where(known, np.stack([model, baseline]), np.nan)[:, rows]
        pair = np.nanmean(both, axis=2)
    else:
        pair = np.stack([model, baseline])[:, known]
    n = pair.shape[1]
    block = block_length(n) if block is None else block
    if not 0 < level < 100 or not 1 <= block <= n:
        raise SettingsError(f"level {level}, block {block}: give percent above 0 and below 100, and 1 to {n} origins")
    if gain_percent(float(pair[0].mean()), float(pair[1].mean())) is None:
        return GainInterval(math.nan, math.nan, level, block)
    means = _block_means(pair, block, np.random.default_rng(seed))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((means == 0).all(axis=0), 1.0, means[0] / means[1])
    gains = 100 * (1 - (np.sqrt(ratio) if root else ratio))
    tail = (1 - level / 100) / 2
    lower = float(np.quantile(gains, tail, method="lower"))
    return GainInterval(lower, float(np.quantile(gains, 1 - tail, method="higher")), level, block)


def _block_means(values: Array, block: int, rng: np.random.Generator) -> Array:
    """Return the means (…, RESAMPLES) of ``values`` (…, n) over blocks drawn with replacement, n values in all.

    Sums of blocks are differences of one running sum, so that a resample costs n / block steps and not n.
    """
    n = values.shape[-1]
    blocks = -(-n // block)
    lengths = np.full(blocks, block)
    lengths[-1] = n - (blocks - 1) * block
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    parts = []
    for part in np.array_split(np.arange(RESAMPLES), -(-RESAMPLES * blocks // _AT_ONCE)):
        starts = rng.integers(n - block + 1, size=(len(part), blocks))
        parts.append((total[..., starts + lengths] - total[..., starts]).sum(axis=-1) / n)
    return np.asarray(np.maximum(np.concatenate(parts, axis=-1), 0.0))


class SeedSpread(NamedTuple):
    """How far the result moves when nothing but the seed of the training changes."""

    seeds: int
    lowest: float  # loss of the luckiest seed
    highest: float  # ... and of the unluckiest
    spread_percent: float  # their distance, in percent of the mean over the seeds


def seed_spread(losses_by_seed: npt.ArrayLike, root: bool = False) -> SeedSpread:
    """Return the spread of the mean loss over seeds; a gain that is no larger is no gain.

    The spread is the whole range, so that a gain outside it would have been seen with any of these seeds.

    Args:
        losses_by_seed: (N, O) or (N, ...), one row per seed at the same origins; NaN where missing.
        root: the losses are squared errors and the roots of their means are compared.

    Raises:
        SettingsError: fewer than two seeds.
        DataError: a seed has no known loss.
    """
    losses = np.asarray(losses_by_seed, np.float64)
    if losses.ndim < 2 or len(losses) < 2:
        raise SettingsError(f"losses by seed have shape {losses.shape}; give at least 2 seeds, a row each")
    rows = losses.reshape(len(losses), -1)
    if np.isnan(rows).all(axis=1).any():
        raise DataError("a seed has no known loss; leave it out, or give its forecasts")
    means = np.nanmean(rows, axis=1)
    means = np.sqrt(means) if root else means
    size = float(means.mean())
    spread = 100 * float(np.ptp(means)) / size if size > 0 else 0.0
    return SeedSpread(len(means), float(means.min()), float(means.max()), spread)
