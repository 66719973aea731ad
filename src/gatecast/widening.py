"""How much wider a trained network's intervals must be: what would have made them hold on the validation part.

Key: S series, O origin, H and K step ahead, Q quantile.
"""

from __future__ import annotations

import numpy as np

from gatecast import predictor
from gatecast.conformal import Pool, at_every_step, log_factors, pools
from gatecast.covariates import Floats
from gatecast.modelfile import Model
from gatecast.supply import Part

MOST_ASKED = 8192  # origins of all series at which they are checked
FAR, RUN_ON_ORIGINS = 4, 24  # direct horizons that are checked, and the origins that are run on for it


def widen(model: Model, part: Part, far: bool = True) -> Floats:
    """Factors (K, Q) on the distance from the median that make the intervals hold on the validation part.

    They are made by ``conformal``: either way, both sides of an interval alike, evenly over the logarithm of the step.

    Beyond the direct horizon a few origins are run on over hidden steps, as far as the validation part and four direct
    horizons reach; not so if ``far`` is false.
    """
    values_ST, training, more = part
    total, direct = values_ST.shape[1], model.direct_horizon
    rows = np.unique(np.linspace(0, len(values_ST) - 1, min(256, len(values_ST))).round().astype(np.int64))
    values_ST, more = values_ST[rows], None if more is None else more.rows(rows)

    def found(few: slice, last: int, count: int, horizon: int, around: list[Pool]) -> Floats:
        origins = np.unique(np.linspace(training - 1, last, count).round().astype(np.int64))
        beside = None if more is None else more.rows(few)
        made = predictor.predict_many(model, values_ST[few], origins, horizon, beside)
        ahead = origins[:, None] + np.arange(1, horizon + 1)
        truth = np.where(ahead < total, values_ST[few][:, np.minimum(ahead, total - 1)], np.nan)
        return log_factors(truth, made, around, apart=(origins[-1] - origins[0] + 1) / len(origins))

    count = max(2, min(MOST_ASKED // len(values_ST), 512, total - training))
    near = min(direct, total - training)
    around = pools(near)
    factors = at_every_step(found(slice(None), total - 2, count, near, around), [pool.knot for pool in around], near)
    reach = min(FAR * direct, total - training - FAR)
    around = pools(reach, direct)
    if near < direct or not around or not far:
        return factors
    few = slice(0, max(1, RUN_ON_ORIGINS // len(values_ST)))
    logs = found(few, total - 1 - reach, RUN_ON_ORIGINS, reach, around)
    logs = np.maximum.accumulate(logs[:, ::-1], axis=1)[:, ::-1]  # so few origins may say less of an outer one
    return np.concatenate([factors, at_every_step(logs, [pool.knot for pool in around], reach)[direct:]])
