"""Made-up series of every kind a forecaster meets, many at once and repeatable from a seed.

The shipped weights have seen nothing else, and tests take their examples from here.  A series is a path (how its level
moves), plus or times its seasons, plus noise; then it is bent, broken and punched with holes as real ones are.  Every
part has a share in ``Parts``; ``docs/experiments.md`` says what each is worth.

Sources: exponential smoothing in innovation form (Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with exponential
smoothing"); ARMA from poles inside the unit circle (Box & Jenkins 1970); Gaussian processes by random Fourier features
(Rahimi & Recht 2007); regime switching (Hamilton 1989); intermittent demand (Croston 1972).

Key: N series, T step, M phase of a season.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.errors import SettingsError

Floats = NDArray[np.float64]
Random = np.random.Generator

LARGEST_LOG = 6.0  # how far from its middle the logarithm of a multiplicative series may go
PATTERNS = 64  # Fourier features of a Gaussian process


class Kind(NamedTuple):
    """Series of one rhythm."""

    seasons: tuple[int, ...]  # steps, at most two; (1,) is none, () is drawn for every simulation
    shortest: int  # steps from the first value to the end
    longest: int
    slope: float  # how fast a trend is, beside a monthly one
    share: float  # of all training


KINDS = (
    Kind((1,), 10, 80, 2.0, 2.0),  # years
    Kind((4,), 14, 130, 1.0, 2.0),  # quarters
    Kind((12,), 20, 200, 0.33, 3.0),  # months
    Kind((1,), 30, 400, 0.1, 1.0),  # anything without a season
    Kind((52,), 60, 1040, 0.08, 1.0),  # weeks
    Kind((7,), 20, 1000, 0.06, 1.5),  # days
    Kind((5,), 20, 1000, 0.06, 0.5),  # business days
    Kind((24, 168), 100, 2400, 0.02, 2.0),  # hours
    Kind((24,), 40, 1000, 0.03, 0.5),
    Kind((48, 336), 200, 3400, 0.02, 1.0),  # half hours
    Kind((96, 672), 300, 4000, 0.02, 0.3),  # quarter hours
    Kind((7, 365), 200, 2200, 0.03, 0.4),  # days with their year
    Kind((1, 365), 200, 2200, 0.03, 0.3),
    Kind((), 20, 300, 0.1, 1.2),  # a season of any length
)
ANY_SEASON = (2, 60)  # the lengths it may have
CALM = 24  # steps of a season from which on noise may be far less
LEAST = 6  # steps of the longest series of a kind
LASTING = 1000  # steps in which a long series changes as much as a shorter one does in all of its own


@dataclass(frozen=True)
class Parts:
    """How often each part occurs: shares of series, 0 to 1; the paths' are weights against each other."""

    smoothing: float = 0.62  # paths: exponential smoothing
    poles: float = 0.12  # ARMA, once integrated or not
    process: float = 0.08  # smooth, a Gaussian process
    regimes: float = 0.05  # level and noise switch
    walk: float = 0.08  # a random walk, nothing else
    counts: float = 0.05  # counts, many of them zero
    seasonal: float = 0.85
    spiky: float = 0.5  # weight of single phases against smooth waves, in the mean
    drifting: float = 0.6  # of the seasons that change their shape
    multiplicative: float = 0.55
    swelling: float = 0.3  # of each of two slow waves in the size of seasons of CALM steps or more
    uneven: float = 0.3  # of those of days within a week: each day has a size of its own
    coloured: float = 0.4  # noise that remembers
    lasting: float = 0.5  # of it, where a season has CALM steps or more: it remembers for days, not for steps
    calm: float = 0.3  # far less noise; of series with a season of CALM steps or more only
    changing: float = 0.25  # noise that grows and shrinks
    bent: float = 0.1  # a trend that turns, once or a few times
    broken: float = 0.2  # jumps of the level
    outliers: float = 0.15
    mixed: float = 0.1  # sum of two series
    warped: float = 0.1  # time runs unevenly; series without a season only
    flipped: float = 0.15  # upside down
    censored: float = 0.05  # nothing below zero
    rounded: float = 0.15  # whole numbers
    missing: float = 0.1  # runs of missing values

    def __post_init__(self) -> None:
        for part in fields(self):
            share = getattr(self, part.name)
            if not 0 <= share <= 1:
                raise SettingsError(f"{part.name} = {share}: give a share from 0 to 1")


class Simulated(NamedTuple):
    """Series, right-aligned."""

    values_NT: Floats  # NaN before a series begins, and where a value is missing
    truth_NT: Floats  # the same with nothing missing


def simulate(kind: Kind, count: int, rng: Random, parts: Parts | None = None) -> Simulated:
    """Return ``count`` series of a kind, (count, kind.longest), in units of their own.

    Args:
        kind: their rhythm and length.
        count: how many.
        rng: random numbers; the same generator gives the same series.
        parts: how often each part occurs.

    Raises:
        SettingsError: there is nothing to simulate, or a kind is impossible.
    """
    parts = parts or Parts()
    _require_possible(kind, count)
    y_NT, counted_N = _paths(kind, count, rng, parts)
    mixed_N = (rng.random(count) < parts.mixed) & ~counted_N
    if mixed_N.any():
        other_NT, odd_N = _paths(kind, int(mixed_N.sum()), rng, parts)
        share_N1 = rng.uniform(0.2, 0.8, (len(other_NT), 1))
        y_NT[mixed_N] = share_N1 * y_NT[mixed_N] + np.where(odd_N[:, None], 0, 1 - share_N1) * other_NT
    if kind.seasons == (1,):
        warped_N = (rng.random(count) < parts.warped) & ~counted_N
        y_NT[warped_N] = _warp(y_NT[warped_N], rng)
    y_NT = np.where(counted_N[:, None], y_NT, _in_units(y_NT, rng, parts))
    y_NT = _disturb(y_NT, rng, parts)
    y_NT = np.where(counted_N[:, None], np.maximum(np.round(y_NT), 0), y_NT)
    longest, shortest = np.log(kind.longest), np.log(min(kind.shortest, kind.longest))
    lengths_N = np.where(
        rng.random(count) < 0.5,
        np.exp(rng.uniform(shortest, longest, count)),
        rng.uniform(kind.shortest, kind.longest, count),
    ).round()
    truth_NT = np.where(np.arange(kind.longest) >= kind.longest - lengths_N[:, None], y_NT, np.nan)
    return Simulated(_punch(truth_NT, rng, parts.missing), truth_NT)


def _require_possible(kind: Kind, count: int) -> None:
    if count < 1 or kind.longest < LEAST:
        raise SettingsError(f"{count} series of {kind.longest} steps: give at least 1 series of {LEAST} steps")
    if not 1 <= kind.shortest <= kind.longest:
        raise SettingsError(f"series of {kind.shortest} to {kind.longest} steps: the shortest is 1 to the longest")
    if not 1 <= len(kind.seasons) <= 2 or min(kind.seasons) < 1:
        raise SettingsError(f"seasons of {kind.seasons} steps: give one or two lengths, or (1,) for none")


# ------------------------------------------------------------------------------------------------- paths


def _paths(kind: Kind, count: int, rng: Random, parts: Parts) -> tuple[Floats, NDArray[np.bool_]]:
    """Series before they get their units, and which of them are counts already."""
    makers: tuple[tuple[float, Callable[[Kind, int, Random, Parts], Floats]], ...] = (
        (parts.smoothing, _smoothing),
        (parts.poles, _poles),
        (parts.process, _process),
        (parts.regimes, _regimes),
        (parts.walk, _walk),
        (parts.counts, _counts),
    )
    weights = np.array([weight for weight, _ in makers])
    if weights.sum() == 0:
        raise SettingsError("every path has share 0; give one of them more")
    which_N = rng.choice(len(makers), count, p=weights / weights.sum())
    y_NT = np.empty((count, kind.longest))
    for number, (_, make) in enumerate(makers):
        here = np.flatnonzero(which_N == number)
        if len(here):
            y_NT[here] = make(kind, len(here), rng, parts)
    return y_NT, which_N == len(makers) - 1


def _lasting(kind: Kind) -> int:
    """Steps in which a series of this kind changes as much as it is meant to: all of them, if they are not too many."""
    return min(kind.longest, LASTING)


def _smoothing(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """Exponential smoothing: level, trend (damped or not) and seasons, each with an innovation of its own size."""
    alpha = rng.beta(1, 1.5, n) * (rng.random(n) < 0.9)
    beta = rng.beta(1, 6, n) * alpha * (rng.random(n) < 0.6)
    phi = np.where(rng.random(n) < 0.5, 1, rng.uniform(0.8, 1, n))
    gamma = rng.beta(1, 8, n) * (rng.random(n) < parts.drifting)
    slope = rng.lognormal(-3.6, 0.9, n) * kind.slope
    trend = rng.normal(0, 1, n) * slope
    turns = (rng.random(n) < parts.bent) * rng.uniform(0, 6, n) / _lasting(kind)  # a step
    noise_NT, _ = _noise(kind, kind.longest, n, rng, parts)
    tables = [_season(length, n, rng, parts) for length in kind.seasons if length > 1]
    if len(tables) == 2:
        both = rng.random(n) < 0.85
        tables[1] *= both[:, None]
    level, colour, y_NT = np.zeros(n), np.zeros(n), np.empty((n, kind.longest))
    rho = np.where(rng.random(n) < parts.coloured, rng.uniform(-0.5, 0.9, n), 0)
    lasting = (rho != 0) & (rng.random(n) < parts.lasting) & (kind.seasons[-1] >= CALM)
    rho = np.where(lasting, 1 - np.exp(rng.uniform(np.log(0.005), np.log(0.3), n)), rho)
    push = np.where(lasting, (1 - rho**2) ** 0.25, 1.0)
    size_NT = _sizes(kind, n, rng, parts)
    damped = np.ones(n) if kind.longest < 150 else 30 / np.maximum(_lasting(kind) / 5, 30)
    alpha_t = alpha * damped
    for t in range(kind.longest):
        e = noise_NT[:, t]
        colour = rho * colour + push * e
        s = sum((table[:, t % table.shape[1]] for table in tables), np.zeros(n))
        y_NT[:, t] = level + phi * trend + size_NT[:, t] * s + colour
        level = level + phi * trend + alpha_t * e
        trend = phi * trend + beta * damped**2 * e
        turned = np.flatnonzero(rng.random(n) < turns)
        trend[turned] = rng.normal(0, 1.5, len(turned)) * slope[turned]
        for table in tables:
            table[:, t % table.shape[1]] += gamma * e
    return y_NT


def _poles(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """ARMA(2, 1) from two poles inside the unit circle, real or a pair; perhaps integrated; with seasons."""
    pair = rng.random(n) < 0.5
    radius, angle = rng.uniform(0.2, 0.995, n), rng.uniform(0.02, np.pi, n) * rng.uniform(0, 1, n)
    first, second = rng.uniform(-0.5, 0.99, n), rng.uniform(-0.8, 0.95, n)
    a1 = np.where(pair, 2 * radius * np.cos(angle), first + second)
    a2 = np.where(pair, -(radius**2), -first * second)
    theta = rng.uniform(-0.7, 0.7, n) * (rng.random(n) < 0.5)
    noise_NT, _ = _noise(kind, kind.longest + 50, n, rng, parts)
    x_NT = np.zeros((n, kind.longest + 50))
    for t in range(2, kind.longest + 50):
        x_NT[:, t] = a1 * x_NT[:, t - 1] + a2 * x_NT[:, t - 2] + noise_NT[:, t] + theta * noise_NT[:, t - 1]
    x_NT = x_NT[:, 50:]
    spread_N1 = x_NT.std(1, keepdims=True) + 1e-9
    x_NT *= rng.lognormal(-1, 0.8, (n, 1)) / spread_N1
    added = np.cumsum(x_NT, axis=1) * _lasting(kind) ** -0.5
    return np.where((rng.random(n) < 0.3)[:, None], added, x_NT) + _all_seasons(kind, n, rng, parts)


def _process(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """A smooth path of one or two time scales, a straight line, seasons, and a little noise."""
    time = np.arange(kind.longest) / _lasting(kind)
    y_NT = rng.normal(0, 0.7, (n, 1)) * (rng.random((n, 1)) < 0.5) * time
    for _ in range(2):
        scale = np.exp(rng.uniform(np.log(0.02), np.log(1.0), (n, 1)))
        frequency = rng.normal(0, 1, (n, PATTERNS)) / (2 * np.pi * scale)
        phase = rng.uniform(0, 2 * np.pi, (n, PATTERNS))
        size = rng.lognormal(-1, 0.8, (n, 1)) * np.sqrt(2 / PATTERNS)
        for feature in range(PATTERNS):
            turn = 2 * np.pi * frequency[:, feature, None] * time + phase[:, feature, None]
            y_NT += size * np.cos(turn)
    noise_NT, _ = _noise(kind, kind.longest, n, rng, parts)
    return np.asarray(y_NT + _all_seasons(kind, n, rng, parts) + noise_NT * rng.choice([0.01, 0.3, 1.0], (n, 1)))


def _regimes(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """Two or three regimes, each with a level and a noise of its own, that last a while."""
    count = 3
    levels, sizes = rng.normal(0, 0.8, (n, count)), rng.lognormal(-0.5, 0.7, (n, count))
    stay = 1 - 1 / np.exp(rng.uniform(np.log(6), np.log(_lasting(kind)), n))
    noise_NT, _ = _noise(kind, kind.longest, n, rng, parts)
    regime, rows = rng.integers(0, count, n), np.arange(n)
    y_NT = np.empty((n, kind.longest))
    for t in range(kind.longest):
        regime = np.where(rng.random(n) < stay, regime, rng.integers(0, count, n))
        y_NT[:, t] = levels[rows, regime] + sizes[rows, regime] * noise_NT[:, t]
    return y_NT + _all_seasons(kind, n, rng, parts)


def _walk(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """A random walk with a little drift, and sometimes noise on top of it: nothing that could be foreseen."""
    noise_NT, sigma = _noise(kind, kind.longest, n, rng, parts)
    drift = rng.normal(0, 0.1, n) * sigma * (rng.random(n) < 0.5)
    onto = rng.normal(0, 1, noise_NT.shape) * (sigma * rng.uniform(0, 1, n) * (rng.random(n) < 0.3))[:, None]
    return np.cumsum(noise_NT + drift[:, None], axis=1) + onto


def _counts(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """Counts around a rate that moves, with more spread than Poisson's, and zero on many steps."""
    walk_NT = np.cumsum(rng.normal(0, 1, (n, kind.longest)), axis=1) * rng.lognormal(-4, 1, (n, 1))
    season_NT = _all_seasons(kind, n, rng, parts)
    rate_NT = np.exp(np.clip(rng.uniform(-1.5, 4, (n, 1)) + walk_NT + season_NT, -6, 8))
    heaped_NT = rng.gamma(4.0, 0.25, rate_NT.shape) ** rng.integers(0, 2, (n, 1))
    sold_NT = rng.poisson(rate_NT * heaped_NT).astype(np.float64)
    asked_N1 = np.where(rng.random((n, 1)) < 0.5, 1.0, rng.uniform(0.05, 0.8, (n, 1)))
    return sold_NT * (rng.random(sold_NT.shape) < asked_N1)


# ------------------------------------------------------------------------------------------------- seasons and noise


def _all_seasons(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """The seasons of a kind, repeated without change, (n, T)."""
    y_NT = np.zeros((n, kind.longest))
    for length in kind.seasons:
        if length > 1:
            table = _season(length, n, rng, parts)
            y_NT += table[:, np.arange(kind.longest) % length]
    return y_NT


def _sizes(kind: Kind, n: int, rng: Random, parts: Parts) -> Floats:
    """How large the seasons of n series are at every step, (n, T): around 1, slowly changing, and other every day."""
    log_NT = np.zeros((n, kind.longest))
    if kind.seasons[-1] < CALM:
        return np.exp(log_NT)
    time = np.arange(kind.longest) / kind.seasons[-1]
    for _ in range(2):
        slow = np.exp(rng.uniform(np.log(4), np.log(52), (n, 1)))  # seasons for one swell
        turn_NT = 2 * np.pi * (time / slow + rng.random((n, 1)))
        log_NT += rng.lognormal(-2.5, 0.7, (n, 1)) * (rng.random((n, 1)) < parts.swelling) * np.sin(turn_NT)
    if len(kind.seasons) == 2 and kind.seasons[0] >= CALM:
        day = kind.seasons[0]
        keep, size = rng.uniform(0, 0.9, n), rng.lognormal(-3, 0.8, n) * (rng.random(n) < parts.uneven)
        today, days = np.zeros(n), []
        for _ in range(-(-kind.longest // day)):
            today = keep * today + np.sqrt(1 - keep**2) * rng.normal(0, 1, n)
            days.append(size * today)
        log_NT += np.repeat(np.stack(days, axis=1), day, axis=1)[:, : kind.longest]
    return np.exp(np.clip(log_NT, -1.5, 1.5))


def _season(length: int, n: int, rng: Random, parts: Parts) -> Floats:
    """One season each, (n, length), mean 0: waves, single phases, or, where it is long, the shape of days and weeks."""
    phase = np.arange(length)
    waves = np.zeros((n, length))
    for k in range(1, min(length // 2, 12) + 1):
        size = (rng.random((n, 1)) < 1 / k) * rng.normal(0, 1 / k, (n, 1))
        waves += size * np.cos(2 * np.pi * k * phase / length + rng.uniform(0, 2 * np.pi, (n, 1)))
    share = rng.random((n, 1)) ** (parts.spiky / max(1 - parts.spiky, 1e-3))  # its mean is 1 - spiky
    few = 0.25 if length < 20 else 6 / length
    single = rng.normal(0, 1, (n, length)) * (rng.random((n, length)) < few)
    table = share * waves + (1 - share) * single
    if length >= 24 and length not in (52, 53):
        load = rng.random(n) < 0.6
        table[load] = _load(length, int(load.sum()), rng)
    table -= table.mean(1, keepdims=True)
    size = (rng.random(n) < parts.seasonal) * rng.lognormal(-1, 1, n)
    return np.asarray(table * (size[:, None] / (table.std(1, keepdims=True) + 1e-6)))


def _load(length: int, n: int, rng: Random) -> Floats:
    """The shape of days: two or three humps, which on some days of a week are lower, later, or fewer."""
    days = 7 if length % 7 == 0 and length >= 7 * 24 else 1
    day = length // days
    hour = np.arange(day) / day

    def humps() -> Floats:
        shape = np.zeros((n, day))
        for _ in range(3):
            centre, width = rng.random((n, 1)), rng.uniform(1.0, 30.0, (n, 1))
            shape += rng.lognormal(-0.5, 0.8, (n, 1)) * np.exp(width * (np.cos(2 * np.pi * (hour - centre)) - 1))
        return shape

    work, rest = humps(), humps()
    like = rng.choice([0.0, 0.7, 1.0], n, p=[0.3, 0.4, 0.3])[:, None]  # how much the free day is like the others
    rest = (like * work + (1 - like) * rest) * rng.uniform(0.3, 1.2, (n, 1))
    free = np.zeros((n, days))
    if days > 1:
        begin = rng.integers(0, 7, n)
        for ahead in range(2):
            free[np.arange(n), (begin + ahead) % 7] = rng.choice([0.5, 1.0], n) if ahead == 0 else 1.0
        free += rng.normal(0, 0.05, (n, days))
    table = work[:, None] * (1 - free[..., None]) + rest[:, None] * free[..., None]
    return table.reshape(n, length)


def _noise(kind: Kind, steps: int, n: int, rng: Random, parts: Parts) -> tuple[Floats, Floats]:
    """Noise of a size of its own, with heavy tails, and sometimes restless for a while; and that size."""
    sigma, freedom = rng.lognormal(-2.2, 0.9, n), rng.uniform(2.5, 12, n)
    e_NT = rng.standard_t(freedom[:, None], (n, steps)) * np.sqrt((freedom - 2) / freedom)[:, None]
    e_NT = np.clip(e_NT, -8, 8)
    calm = (rng.random(n) < parts.calm) & (kind.seasons[-1] >= CALM)
    sigma = sigma * np.where(calm, np.exp(rng.uniform(-3, 0, n)), 1)
    changing = rng.random(n) < parts.changing
    if changing.any():
        m = int(changing.sum())
        log_NT = np.zeros((m, steps))
        keep, push = rng.uniform(0.8, 0.99, m), rng.uniform(0.05, 0.3, m)
        shock = rng.normal(0, 1, (m, steps))
        for t in range(1, steps):
            log_NT[:, t] = keep * log_NT[:, t - 1] + push * shock[:, t]
        e_NT[changing] *= np.exp(np.clip(log_NT, -2, 2))
    return e_NT * sigma[:, None], sigma


# ------------------------------------------------------------------------------------------------- as real ones are


def _in_units(y_NT: Floats, rng: Random, parts: Parts) -> Floats:
    """Give each series a level and a unit: exponential growth, or so many times its spread away from zero."""
    count = len(y_NT)
    y_NT = np.where((rng.random(count) < parts.flipped)[:, None], -y_NT, y_NT)
    spread_N1 = y_NT.std(1, keepdims=True) + 1e-9
    middle_NT = y_NT / np.maximum(spread_N1, 1) * rng.uniform(0.1, 1.2, (count, 1))
    grown_NT = np.exp(np.clip(middle_NT, -LARGEST_LOG, LARGEST_LOG))
    away_N1 = rng.uniform(0, 8, (count, 1)) * np.where(rng.random((count, 1)) < 0.15, 0.2, 1)
    shifted_NT = y_NT + away_N1 * spread_N1
    multiplied_N1 = rng.random((count, 1)) < parts.multiplicative
    return np.asarray(np.where(multiplied_N1, grown_NT, shifted_NT) * rng.lognormal(4, 2.5, (count, 1)))


def _disturb(y_NT: Floats, rng: Random, parts: Parts) -> Floats:
    """Jumps of the level, outliers, a floor at zero, and whole numbers."""
    count, steps = y_NT.shape
    at_T = np.arange(steps)
    size_N1 = np.median(np.abs(y_NT - np.median(y_NT, axis=1, keepdims=True)), axis=1, keepdims=True)
    broken_N1 = rng.random((count, 1)) < parts.broken
    for again in range(3):
        jump_N1 = rng.normal(0, 1.5, (count, 1)) * broken_N1 * size_N1 * (rng.random((count, 1)) < 0.7**again)
        y_NT = y_NT + jump_N1 * (at_T >= rng.integers(0, steps, (count, 1)))
    hit_NT = (rng.random((count, 1)) < parts.outliers) & (rng.random((count, steps)) < 0.01)
    y_NT = y_NT + hit_NT * rng.normal(0, 6, (count, steps)) * size_N1
    floor_N1 = np.quantile(y_NT, rng.uniform(0, 0.4), axis=1, keepdims=True)
    y_NT = np.where(rng.random((count, 1)) < parts.censored, np.maximum(y_NT - floor_N1, 0), y_NT)
    fine_N1 = np.maximum(y_NT.std(1, keepdims=True), 1e-9) / rng.choice([3, 10, 100], (count, 1))
    return np.where(rng.random((count, 1)) < parts.rounded, np.round(y_NT / fine_N1), y_NT)


def _warp(y_NT: Floats, rng: Random) -> Floats:
    """Let time run faster here and slower there, by up to a half."""
    count, steps = y_NT.shape
    if not count:
        return y_NT
    speed_NT = 1 + 0.5 * np.sin(
        2 * np.pi * (np.arange(steps) / steps * rng.uniform(0.5, 3, (count, 1)) + rng.random((count, 1)))
    )
    time_NT = np.cumsum(speed_NT, axis=1)
    time_NT *= (steps - 1) / time_NT[:, -1:]
    below = np.minimum(time_NT.astype(np.int64), steps - 2)
    part = time_NT - below
    rows = np.arange(count)[:, None]
    return np.asarray((1 - part) * y_NT[rows, below] + part * y_NT[rows, below + 1])


def _punch(truth_NT: Floats, rng: Random, share: float) -> Floats:
    """Runs of missing values in some of the series; the newest value is kept."""
    count, steps = truth_NT.shape
    values_NT = truth_NT.copy()
    for row in np.flatnonzero(rng.random(count) < share):
        for _ in range(int(rng.integers(1, 6))):
            length = round(float(np.exp(rng.uniform(0, np.log(max(2, steps / 8))))))
            begin = int(rng.integers(0, steps))
            values_NT[row, begin : begin + length] = np.nan
    values_NT[:, -1] = truth_NT[:, -1]
    return values_NT
