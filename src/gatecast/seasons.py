"""How long the seasons of series are: from the calendar where there is one, else found in the numbers.

Key: S series, L lag.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gatecast.frequency import require_season_lengths, season_lengths
from gatecast.panel import Panel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FEWEST = 24  # known values below which no season is looked for
LONGEST = 400  # steps of a season that is looked for
LOOKED_AT = 4096  # newest values of a series
SAMPLED = 64  # series of a panel that are asked
STRONG = 0.3  # autocorrelation from which a lag may be a season
NEARLY = 0.85  # share of the strongest lag's autocorrelation with which a shorter lag is taken


def seasons_of(
    panel: Panel, asked: tuple[int, ...] | None = None, unknown: int = 0
) -> Iterator[tuple[tuple[int, ...], Indices]]:
    """Yield season lengths, and which series have them: those of which a series holds at least two.

    Args:
        panel: the series.
        asked: season lengths that are wanted; None takes those of the calendar, or what is found in the series if
            their times are plain numbers.
        unknown: steps at the end of every series that must not be looked at.

    Raises:
        SettingsError: season lengths are asked for that cannot be.
    """
    if asked is not None:
        require_season_lengths(asked)
    known_S = panel.lengths - unknown
    wanted = asked or season_lengths(panel.frequency)
    if asked is None and panel.frequency.unit == "numbers":
        wanted = (found_season(panel, unknown),)
    usable = [tuple(m for m in wanted if m > 1 and 2 * m <= known) or (1,) for known in known_S.tolist()]
    for seasons in dict.fromkeys(usable):
        yield seasons, np.array([s for s, each in enumerate(usable) if each == seasons], np.int64)


def seasons_in_words(panel: Panel, asked: tuple[int, ...] | None = None) -> list[str]:
    """Return which season lengths are used, for how many of the series, and where they come from; a sentence each."""
    calendar = asked is None and panel.frequency.unit != "numbers"
    origin = "as asked for" if asked else "of the calendar" if calendar else "found in the numbers"
    sentences = []
    for seasons, rows in seasons_of(panel, asked):
        many = "" if len(panel) == 1 else f"{len(rows):,} of {len(panel):,} series: "
        steps = " and ".join(f"{m:,}" for m in seasons)
        sentences.append(many + ("no season" if seasons == (1,) else f"season of {steps} steps, {origin}"))
    return sentences


def found_season(panel: Panel, unknown: int = 0) -> int:
    """Return the season length that most of the series agree on, 1 if they show none.

    Args:
        panel: the series.
        unknown: steps at the end of every series that must not be looked at.
    """
    places = np.unique(np.linspace(0, len(panel) - 1, min(len(panel), SAMPLED)).round().astype(np.int64))
    found = [find_season(panel.series_values(int(s))[: max(0, int(panel.lengths[s]) - unknown)]) for s in places]
    most = int(np.bincount(found).argmax()) if found else 1
    return most if found.count(most) * 2 > len(found) else 1


def find_season(values: Floats) -> int:
    """Return the season length of one series, 1 if it shows none.

    A season is a lag, 2 to a third of the series, at which the autocorrelation about a straight line has a peak of
    ``STRONG`` or more that also stands out from chance; of several nearly as strong ones the shortest is taken.

    Args:
        values: (T,) NaN where missing.
    """
    y = np.asarray(values, np.float64)[-LOOKED_AT:]
    seen = np.isfinite(y)
    if seen.sum() < FEWEST:
        return 1
    time = np.arange(len(y))
    y = np.where(seen, y - np.polyval(np.polyfit(time[seen], y[seen], 1), time), 0.0)
    lags = min(len(y) // 3, LONGEST)
    r_L = _autocorrelation(y, seen, lags + 1)
    inner_L = r_L[1:-1]
    peak_L = (inner_L > r_L[:-2]) & (inner_L >= r_L[2:])
    enough = max(STRONG, 3 / np.sqrt(seen.sum()))
    peaks = np.flatnonzero(peak_L & (inner_L >= enough)) + 1
    peaks = peaks[(peaks >= 2) & (peaks <= lags)]
    if not len(peaks):
        return 1
    return int(peaks[r_L[peaks] >= NEARLY * r_L[peaks].max()][0])


def _autocorrelation(y: Floats, seen: NDArray[np.bool_], lags: int) -> Floats:
    """Autocorrelation at lags 0 … ``lags``, over the pairs of which both were seen; 0 for a constant."""
    size = 1 << int(2 * len(y) - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(y, size)) ** 2, size)[: lags + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(np.float64), size)) ** 2, size)[: lags + 1]
    mean = sums / np.maximum(pairs, 1)
    return np.asarray(mean / mean[0] if mean[0] > 1e-18 * max(1.0, np.abs(y).max() ** 2) else np.zeros_like(mean))
