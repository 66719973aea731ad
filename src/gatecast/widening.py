"""How much wider a trained network's intervals must be: what would have made them hold on the validation part.

Key: S series, O origin, H and K step ahead, Q quantile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gatecast import predictor
from gatecast.config import MEDIAN, QUANTILES
from gatecast.modelfile import Model
from gatecast.scaling import Floats
from gatecast.supply import Part

POOLS = (1, 2, 5, 13, 33)  # steps ahead whose intervals are checked together, from each to before the next
NARROWEST = 0.5  # share of its width that an interval of a panel keeps at least
MOST_ASKED = 8192  # origins of all series at which they are checked
FAR, RUN_ON_ORIGINS = 4, 24  # direct horizons that are checked, and the origins that are run on for it

Pooled = Callable[[Floats, Floats, Sequence[int]], Floats]


def widen(model: Model, part: Part, pooled: Pooled) -> Floats:
    """Factors (K, Q) on the distance from the median that make the intervals hold on the validation part.

    Per level, the conformal quantile of (truth - median) / (quantile - median) over the validation origins, pooled over
    neighbouring steps ahead (split conformal: Vovk et al. 2005; Romano et al. 2019).  For one series per side and never
    below 1: an interval is widened where needed and never narrowed.  For a panel both sides together, and either way:
    there are series enough to tell, and a side alone would make up for a median that is off.

    Beyond the direct horizon a few origins are run on over hidden steps, as far as the validation part and four direct
    horizons reach.
    """
    values_ST, training, more = part
    total, direct = values_ST.shape[1], model.direct_horizon
    rows = np.unique(np.linspace(0, len(values_ST) - 1, min(256, len(values_ST))).round().astype(np.int64))
    values_ST, more = values_ST[rows], None if more is None else more.rows(rows)

    def truths(origins: NDArray[np.int64], horizon: int) -> Floats:
        ahead = origins[:, None] + np.arange(1, horizon + 1)
        return np.where(ahead < total, values_ST[:, np.minimum(ahead, total - 1)], np.nan)

    count = max(2, min(MOST_ASKED // len(values_ST), 512, total - training))
    origins = np.unique(np.linspace(training - 1, total - 2, count).round().astype(np.int64))
    near = min(direct, total - training)
    made = predictor.predict_many(model, values_ST, origins, near, more)
    edges = [pool for pool in POOLS if pool <= near] + [near + 1]
    factors = pooled(truths(origins, near), made, edges)
    reach = min(FAR * direct, total - training - FAR)
    if near < direct or reach <= direct:
        return factors
    origins = np.unique(np.linspace(training - 1, total - 1 - reach, RUN_ON_ORIGINS).round().astype(np.int64))
    few = slice(0, max(1, RUN_ON_ORIGINS // len(values_ST)))
    made = predictor.predict_many(model, values_ST[few], origins, reach, None if more is None else more.rows(few))
    edges = [*range(direct + 1, reach + 1, direct), reach + 1]
    beyond = pooled(truths(origins, reach)[few], made, edges)[direct:]
    beyond[:, MEDIAN:] = np.maximum.accumulate(beyond[:, MEDIAN:], axis=1)  # so few origins may say an outer one less
    beyond[:, MEDIAN::-1] = np.maximum.accumulate(beyond[:, MEDIAN::-1], axis=1)
    return np.concatenate([factors, beyond])


def each_side(truth_SOH: Floats, quantiles_SOHQ: Floats, edges: Sequence[int]) -> Floats:
    """The factors (H, Q) for steps ahead pooled between ``edges``, which count from 1."""
    factors = np.ones(quantiles_SOHQ.shape[2:])
    for begin, end in pairwise(edges):
        part = slice(begin - 1, end - 1)
        error = truth_SOH[:, :, part] - quantiles_SOHQ[:, :, part, MEDIAN]
        for place, asked in enumerate(QUANTILES):
            away = quantiles_SOHQ[:, :, part, place] - quantiles_SOHQ[:, :, part, MEDIAN]
            known = np.isfinite(error) & (away != 0)
            if place == MEDIAN or not known.any():
                continue
            count = max(1, int(known.sum()) // (end - begin))  # neighbouring steps ahead are not independent
            hold = min(1.0, max(asked, 1 - asked) * (count + 1) / count)
            factors[part, place] = max(1.0, float(np.quantile(error[known] / away[known], hold)))
    return factors


def both_sides(truth_SOH: Floats, quantiles_SOHQ: Floats, edges: Sequence[int]) -> Floats:
    """The factors (H, Q) for both sides of every interval together."""
    factors = np.ones(quantiles_SOHQ.shape[2:])
    for begin, end in pairwise(edges):
        part = slice(begin - 1, end - 1)
        median = quantiles_SOHQ[:, :, part, MEDIAN]
        error = truth_SOH[:, :, part] - median
        for low in range(MEDIAN):
            high = len(QUANTILES) - 1 - low
            away = np.where(
                error < 0, median - quantiles_SOHQ[:, :, part, low], quantiles_SOHQ[:, :, part, high] - median
            )
            known = np.isfinite(error) & (away > 0)
            if known.any():
                count = max(1, int(known.sum()) // (end - begin))
                hold = min(1.0, (1 - 2 * QUANTILES[low]) * (count + 1) / count)
                factor = float(np.quantile(np.abs(error[known]) / away[known], hold))
                factors[part, low] = factors[part, high] = max(factor, NARROWEST)
    return factors
