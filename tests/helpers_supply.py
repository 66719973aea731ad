"""Series to train on that are given as arrays, where a panel would only be taken apart again."""

import numpy as np

from gatecast.covariates import Widths
from gatecast.supply import Part


class Given:
    """One part that is everything."""

    whole = True

    def __init__(self, part):
        self._part = part
        self.series, self.steps = len(part.values_ST), int(np.isfinite(part.values_ST).sum())
        self.widths = Widths(*(0 if rows is None else len(rows) for rows in part.more or (None, None, None)))

    def pool(self, _rng):
        return self._part

    def judged(self) -> Part:
        return self._part
