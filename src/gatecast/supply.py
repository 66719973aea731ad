"""What training draws from: all of a few series, or a fresh handful of crops of many, in memory or on disk.

A panel that fits in a table of ``WHOLE`` cells is scaled once.  A larger one is never scaled as a whole: every
``RENEW`` updates a pool of ``CROPS`` crops is drawn anew, and a crop is a series like any other.  So memory does not
grow with the number of series or their length.

Key: S series, T step, P past-only column, J known-future column, G static column.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import numpy as np

from gatecast.covariates import Column, Widths, encode, widths_of
from gatecast.panel import Panel
from gatecast.scaling import Covariates, Floats
from gatecast.windows import Indices, pad_left

WHOLE = 500_000  # cells, series x steps of the longest
CROPS = 256
RENEW = 64  # updates a pool of crops serves
RUN_IN = 128  # steps of a crop before its window and horizon, at least; what is judged has seen as many
JUDGED = 512  # steps of the validation part in one piece


class Planes(Protocol):
    """Series in rows of numbers: the target first, then the columns that move, past-only before known-future."""

    @property
    def lengths(self) -> Indices:
        """Steps of each series, (S,)."""

    @property
    def widths(self) -> Widths:
        """How many columns there are of each role."""

    @property
    def static_GS(self) -> Floats:  # noqa: N802 (its name ends in its dimensions)
        """Static columns, (G, S)."""

    def cut(self, s: int, begin: int, end: int) -> Floats:
        """Steps ``begin`` to before ``end`` of one series, (1 + P + J, end - begin)."""


class MemoryPlanes:
    """A panel's numbers, encoded as the network reads them."""

    def __init__(self, panel: Panel, columns: tuple[Column, ...]) -> None:
        self.lengths = panel.lengths
        self.widths = widths_of(columns)
        self._offsets = panel.offsets
        self._rows = [panel.values]
        for role in ("past", "known"):
            table = panel.inputs if role == "past" else panel.known
            for column in (each for each in columns if each.role == role):
                self._rows += list(encode(column, table[column.name], panel.categories.get(column.name)))
        static = [
            encode(column, panel.static[column.name], panel.categories.get(column.name))
            for column in columns
            if column.role == "static"
        ]
        self.static_GS: Floats = np.concatenate(static) if static else np.zeros((0, len(panel)))

    def cut(self, s: int, begin: int, end: int) -> Floats:
        """Steps ``begin`` to before ``end`` of one series, (1 + P + J, end - begin)."""
        start = int(self._offsets[s])
        return np.stack([row[start + begin : start + end] for row in self._rows])


class Part(NamedTuple):
    """Series to train or to judge on; truths from column ``training`` on are the validation part's."""

    values_ST: Floats
    training: int
    more: Covariates | None = None


class Supply:
    """Training and validation parts of many series.

    Args:
        planes: the series.
        validation: steps at the end of every series that choose the weights.
        reach: steps of a window and its horizon: a crop holds them, and a run-in.
        season: the longest season's steps.

    Attributes:
        series: how many there are.
        steps: of all series.
        known: values in the training parts.
        whole: whether every pool is everything there is.
    """

    def __init__(self, planes: Planes, validation: int, reach: int, season: int = 1) -> None:
        self._planes, self._validation = planes, validation
        self._run_in = max(RUN_IN, 2 * season)
        self._crop = reach + self._run_in
        lengths = planes.lengths
        self.widths = planes.widths
        self._trained = np.maximum(lengths - validation, 0)
        self.series, self.steps, self.known = len(lengths), int(lengths.sum()), int(self._trained.sum())
        self.whole = len(lengths) * int(lengths.max()) <= WHOLE
        self._part = self._everything() if self.whole else None
        if self._part is not None:
            values_ST, training, _ = self._part  # then those observed are counted
            self.steps = int(np.isfinite(values_ST).sum())
            self.known = int(np.isfinite(values_ST[:, : max(training, 0)]).sum())

    def pool(self, rng: np.random.Generator) -> Part:
        """Return series to train on: everything, or crops of the training parts."""
        if self._part is not None:
            return self._part
        usable = np.flatnonzero(self._trained > 2)
        chosen = rng.choice(usable, CROPS, replace=len(usable) < CROPS)
        lengths = np.minimum(self._trained[chosen], self._crop)
        begin = rng.integers(0, self._trained[chosen] - lengths + 1)
        part = self._cut(chosen, begin, begin + lengths)
        return part._replace(training=part.values_ST.shape[1])

    def judged(self) -> Part:
        """Return series whose validation part follows a run-in; the same at every call."""
        if self._part is not None:
            return self._part
        lengths = self._planes.lengths
        series = np.unique(np.linspace(0, len(lengths) - 1, min(len(lengths), CROPS)).round().astype(np.int64))
        pieces = max(1, CROPS // len(series))
        steps = min(self._validation, JUDGED)
        back = np.unique(np.linspace(0, self._validation - steps, pieces).round().astype(np.int64))
        chosen, back = np.repeat(series, len(back)), np.tile(back, len(series))
        end = np.maximum(lengths[chosen] - back, 1)
        part = self._cut(chosen, np.maximum(end - steps - self._crop, 0), end)
        return part._replace(training=part.values_ST.shape[1] - steps)

    def _everything(self) -> Part:
        lengths = self._planes.lengths
        part = self._cut(np.arange(len(lengths)), np.zeros(len(lengths), np.int64), lengths)
        return part._replace(training=part.values_ST.shape[1] - self._validation)

    def _cut(self, series: Indices, begin: Indices, end: Indices) -> Part:
        values_ST, more = read_planes(self._planes, series, begin, end)
        return Part(values_ST, 0, more)


def read_planes(planes: Planes, series: Indices, begin: Indices, end: Indices) -> tuple[Floats, Covariates | None]:
    """Return stretches of series under each other, padded on the left: the target (S, T) and what stands beside it."""
    cuts = [planes.cut(int(s), int(b), int(e)) for s, b, e in zip(series, begin, end, strict=True)]
    widths = planes.widths
    if widths == Widths():
        return pad_left([cut[0] for cut in cuts]), None
    rows_RST = np.stack([pad_left([cut[row] for cut in cuts]) for row in range(1 + widths.past + widths.known)])
    first_known = 1 + widths.past
    more = Covariates(
        rows_RST[1:first_known] if widths.past else None,
        rows_RST[first_known:] if widths.known else None,
        planes.static_GS[:, series] if widths.static else None,
    )
    return rows_RST[0], more


def fingerprint(planes: Planes) -> str:
    """Return the SHA-256 of all numbers that a network can read, series by series."""
    digest = hashlib.sha256(np.ascontiguousarray(planes.lengths, np.int64).tobytes())
    for s, length in enumerate(planes.lengths.tolist()):
        digest.update(np.ascontiguousarray(planes.cut(s, 0, length), np.float64).tobytes())
    digest.update(np.ascontiguousarray(planes.static_GS, np.float64).tobytes())
    return digest.hexdigest()
