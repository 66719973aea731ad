"""One value at a time: the same arithmetic as a whole pass, with the state kept; the cost does not grow with history.

A test holds ``Stream`` to ``scaling.scale_series`` and ``runtime.read`` on whole series.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gatecast import runtime
from gatecast.cell import State
from gatecast.covariates import widths_of
from gatecast.errors import SettingsError
from gatecast.modelfile import Model
from gatecast.phases import PHASE_RATE
from gatecast.scaling import (
    CANDIDATES,
    FAST_RATE,
    FLOOR,
    KNOWN_FLOOR,
    MOST_AGE,
    MOST_GAP,
    SIZE_RATE,
    SLOW_RATE,
    Fixed,
    Floats,
    change_rate,
    known_features,
    question_from,
)

MEANS = ("_size", "_short", "_long", "_fast", "_slow", "_smooth", "_rise", "_season_rise", "_far")
PLAIN = ("_step", "_age", "_gap", "_has_season", "_level", "_scale", "_before", "_last")  # before them in the state


class StreamState(NamedTuple):
    """All that a stream knows, as arrays: what is saved, and what a compiled step works on.

    Key: N seasons, P all their steps, one season after the other, L layer, D hidden unit.
    """

    numbers: Floats  # PLAIN, then what is left of the start, sum and value of each of MEANS
    seasons_N5: Floats  # sum and count since the season began, the middle, and of the newest value change and usual
    phases_5P: Floats  # of each phase the value as it came, the newest, the usual, and the usual's sum and start
    whole_2P: Floats  # sums and counts of the season before, from each phase to its end; one step more a season
    columns_N7: Floats  # past-only and known-future: mean as above, spread as above, value before
    h_LD: Floats
    c_LD: Floats


class _Mean:
    """A bias-corrected exponential mean."""

    __slots__ = ("_keep", "_rate", "_sum", "value")

    def __init__(self, rate: float) -> None:
        self._rate, self._keep, self._sum, self.value = rate, 1.0, 0.0, 0.0

    def absorb(self, x: float) -> None:
        self._keep *= 1 - self._rate
        self._sum += self._rate * (x - self._sum)
        self.value = self._sum / (1 - self._keep)

    @property
    def begun(self) -> bool:
        return self._keep < 1

    @property
    def state(self) -> tuple[float, float, float]:
        return self._keep, self._sum, self.value

    @state.setter
    def state(self, state: tuple[float, float, float]) -> None:
        self._keep, self._sum, self.value = state


class _Season:
    """The last season's values as they came, their mean, and of every phase its newest value and what is usual."""

    __slots__ = (
        *("_count", "_keep", "_sum", "_sums", "_whole"),
        *("change", "length", "middle", "newest", "raw", "usual", "usual_last"),
    )

    def __init__(self, length: int) -> None:
        self.length, self.middle = length, math.nan
        self.change = self.usual_last = math.nan  # of the newest value: since one season before, and of its phase
        self.raw, self.newest, self.usual = (np.full(length, np.nan) for _ in range(3))
        self._sums, self._keep = np.zeros(length), np.ones(length)  # of every phase, as a _Mean has them
        self._sum, self._count = 0.0, 0  # of the values since step numbers were last divisible by the length
        self._whole = np.zeros((2, length + 1))  # the same of the season before that, from each phase to its end

    def read(self, step: int, value: float) -> tuple[float, float]:
        """Absorb a step: the change since one season before, and what the usual missed it by; NaN is unknown."""
        at = step % self.length
        if at == 0 and self.length > 1:
            self._turn()
        before = self.raw.item(at)
        if not math.isfinite(value):
            self.raw[at] = math.nan
            return math.nan, math.nan
        self.raw[at] = self.newest[at] = value
        if self.length == 1:
            self.middle = value
            return value - before, math.nan
        self._sum += value
        self._count += 1
        self.middle = (self._sum + self._whole.item(0, at + 1)) / (self._count + self._whole.item(1, at + 1))
        away, usual = value - self.middle, self.usual.item(at)
        mean, keep = self._sums.item(at), self._keep.item(at) * (1 - PHASE_RATE)
        mean += PHASE_RATE * (away - mean)
        self._sums[at], self._keep[at], self.usual[at] = mean, keep, mean / (1 - keep)
        self.change, self.usual_last = value - before, mean / (1 - keep)
        return self.change, away - usual

    def _turn(self) -> None:
        """Begin a season: sums start afresh, so that no absurd value lingers in them."""
        seen = np.isfinite(self.raw)
        self._whole[:, -2::-1] = np.cumsum([np.where(seen, self.raw, 0.0)[::-1], seen[::-1]], axis=1)
        self._sum, self._count = 0.0, 0

    @property
    def state(self) -> tuple[Floats, Floats, Floats]:
        """Rows of ``seasons_N5``, ``phases_5P`` and ``whole_2P``."""
        phases = np.stack([self.raw, self.newest, self.usual, self._sums, self._keep])
        numbers = np.array([self._sum, self._count, self.middle, self.change, self.usual_last])
        return numbers, phases, self._whole.copy()

    @state.setter
    def state(self, state: tuple[Floats, Floats, Floats]) -> None:
        numbers, phases, self._whole = state
        self._sum, count, self.middle, self.change, self.usual_last = numbers.tolist()
        self._count = int(count)
        self.raw, self.newest, self.usual, self._sums, self._keep = phases


class _Further:
    """A column that moves under its own running mean and spread."""

    __slots__ = ("before", "floor", "mean", "spread")

    def __init__(self, floor: float) -> None:
        self.mean, self.spread, self.before, self.floor = _Mean(SLOW_RATE), _Mean(SLOW_RATE), math.nan, floor

    @property
    def unit(self) -> float:
        """The spread, and at least a trifle."""
        return max(self.spread.value, 1e-9 * abs(self.mean.value), self.floor)

    def read(self, x: float) -> tuple[float, float, float]:
        seen = math.isfinite(x)
        change = x - self.before if seen and math.isfinite(self.before) else math.nan
        if seen:
            self.mean.absorb(x)
            self.spread.absorb(abs(x - self.mean.value))
        self.before = x
        unit = self.unit
        value = _squash(x - self.mean.value, unit) if seen else 0.0
        return value, _squash(change, unit) if math.isfinite(change) else 0.0, float(seen)


class Stream:
    """A model reading one series, value by value."""

    def __init__(self, model: Model, static: Sequence[float] | Floats = ()) -> None:
        """Start before the first value; ``static`` are the series' static columns, encoded."""
        self._model = model
        widths = widths_of(model.columns)
        if len(static) != widths.static:
            raise SettingsError(f"the model reads {widths.static} static number(s), {len(static)} are given")
        self._static = [math.asinh(x) if math.isfinite(x) else 0.0 for x in static]
        scaling = model.scaling
        self._seasons = [_Season(length) for length in scaling.seasons]
        rate = change_rate(scaling.seasons)
        self._size, self._short, self._long = _Mean(SIZE_RATE), _Mean(rate), _Mean(rate)
        self._fast, self._slow, self._smooth = _Mean(FAST_RATE), _Mean(SLOW_RATE), _Mean(PHASE_RATE)
        self._rise, self._season_rise = _Mean(rate), _Mean(rate)  # changes with their signs
        self._far = _Mean(rate)  # changes over a second season
        self._step, self._age, self._gap, self._has_season = -1, 0, 0, False
        self._level = scaling.level if isinstance(scaling, Fixed) else 0.0
        self._scale = scaling.scale if isinstance(scaling, Fixed) else 0.0
        self._before, self._last = math.nan, math.nan
        self._past = [_Further(0.0) for _ in range(widths.past)]
        self._known = [_Further(KNOWN_FLOOR) for _ in range(widths.known)]
        self._states = runtime.start(model.weights, 1)
        self._h_ND = np.zeros((1, model.weights.units))

    def update(self, value: float, past: Sequence[float] | Floats = (), known: Sequence[float] | Floats = ()) -> None:
        """Read the next step; NaN is a missing value, which is a hidden step.

        Args:
            value: the series' value in original units.
            past: the past-only columns at this step, encoded; left out, they are missing.
            known: the known-future columns at this step, encoded; left out, they are missing.
        """
        x = self._inputs(float(value), past, known)
        if self._age == 0:
            return  # nothing has been observed yet
        # the inputs pass through float32, as they do in training
        x_BC = np.asarray(x, np.float32)[None].astype(np.float64)
        self._h_ND, self._states = runtime.step(self._model.weights, x_BC, self._states)

    def read(self, values_T: Floats, past_PT: Floats | None = None, known_JT: Floats | None = None) -> None:
        """Read many steps, as ``update`` does each, in half the time: the network walks through them at once.

        Args:
            values_T: the series' values in original units.
            past_PT: the past-only columns, encoded; left out, they are missing.
            known_JT: the known-future columns, encoded; left out, they are missing.
        """
        x_TC = [
            self._inputs(value, () if past_PT is None else past_PT[:, t], () if known_JT is None else known_JT[:, t])
            for t, value in enumerate(values_T.tolist())
        ]
        if not x_TC or self._age == 0:
            return
        x_BTC = np.asarray(x_TC, np.float32)[None].astype(np.float64)
        h_BTD, self._states = runtime.read(self._model.weights, x_BTC, self._states)
        self._h_ND = h_BTD[:, -1]

    @property
    def observed(self) -> int:
        """How many values it has read that were not missing."""
        return self._age

    def forecast(self, horizon: int, known_HJ: Floats | None = None) -> Floats:
        """Quantiles of the next steps, (horizon, Q), in original units.

        Beyond the direct horizon the state runs on over hidden steps.

        Args:
            horizon: steps ahead.
            known_HJ: the known-future columns of these steps, encoded; NaN is missing.

        Raises:
            SettingsError: the model reads columns in advance and their future is not given.
        """
        if self._known and (known_HJ is None or known_HJ.shape != (horizon, len(self._known))):
            raise SettingsError(
                f"the model reads {len(self._known)} column(s) in advance; "
                f"give their {horizon} next values, ({horizon}, {len(self._known)})"
            )
        ahead_HJ = np.zeros((horizon, 0)) if known_HJ is None or not self._known else known_HJ
        block = self._model.direct_horizon
        parts = [self._forecast(ahead_HJ[:block])]
        ahead = self if horizon <= block else self.copy()
        for begin in range(block, horizon, block):
            for known in ahead_HJ[begin - block : begin]:
                ahead.update(math.nan, (), known)
            parts.append(ahead._forecast(ahead_HJ[begin : begin + block]))
        return np.asarray(runtime.widen(np.concatenate(parts, axis=1), self._model.widening_KQ, block)[0])

    def copy(self) -> Stream:
        """An independent stream in the same state."""
        other = copy.copy(self)
        for name, part in vars(self).items():
            if isinstance(part, (_Mean, list)):  # what is updated in place
                setattr(other, name, copy.deepcopy(part))
        return other

    @property
    def state(self) -> StreamState:
        """All that it knows, in arrays of its own."""
        plain = [float(getattr(self, name)) for name in PLAIN]
        means = [number for name in MEANS for number in getattr(self, name).state]
        seasons = [season.state for season in self._seasons]
        columns = [(*each.mean.state, *each.spread.state, each.before) for each in (*self._past, *self._known)]
        return StreamState(
            np.array([*plain, *means]),
            np.array([numbers for numbers, _, _ in seasons]),
            np.concatenate([phases for _, phases, _ in seasons], axis=1),
            np.concatenate([whole for _, _, whole in seasons], axis=1),
            np.array(columns).reshape(-1, 7),
            np.array([state.h_BD[0] for state in self._states], np.float64),
            np.array([state.c_BD[0] for state in self._states], np.float64),
        )

    @state.setter
    def state(self, state: StreamState) -> None:
        """Go on from a state of a stream of the same model."""
        for name, number in zip(PLAIN, state.numbers.tolist(), strict=False):
            setattr(self, name, int(number) if name in ("_step", "_age", "_gap") else number)
        self._has_season = bool(self._has_season)
        for name, three in zip(MEANS, state.numbers[len(PLAIN) :].reshape(-1, 3).tolist(), strict=True):
            getattr(self, name).state = tuple(three)
        for season, numbers, (phases, whole) in zip(self._seasons, state.seasons_N5, self._cut(state), strict=True):
            season.state = numbers, phases, whole
        for reader, numbers in zip((*self._past, *self._known), state.columns_N7.tolist(), strict=True):
            reader.mean.state, reader.spread.state, reader.before = tuple(numbers[:3]), tuple(numbers[3:6]), numbers[6]
        self._states = [State(h_D[None], c_D[None]) for h_D, c_D in zip(state.h_LD, state.c_LD, strict=True)]
        self._h_ND = np.sum([each.h_BD for each in self._states], axis=0)

    def _cut(self, state: StreamState) -> Iterator[tuple[Floats, Floats]]:
        """Each season's part of the phases and of the sums of the season before."""
        begin = 0
        for place, season in enumerate(self._seasons):
            end = begin + season.length
            yield state.phases_5P[:, begin:end].copy(), state.whole_2P[:, begin + place : end + place + 1].copy()
            begin = end

    def _forecast(self, known_KJ: Floats) -> Floats:
        """Quantiles (1, K, Q) of the next K steps as the head says them, in original units."""
        steps_K = np.arange(1, len(known_KJ) + 1)
        found_NKA = np.full((1, len(steps_K), CANDIDATES), np.nan)
        found_NKA[..., 0], found_NKA[..., 1] = self._level, self._last
        if self._age:
            found_NKA[..., 4] = self._smooth.value
        base_K = np.full(len(steps_K), self._last)
        for place, season in enumerate(self._seasons):
            if season.length > 1:
                then_K = (self._step + steps_K) % season.length
                found_NKA[0, :, 2 + place] = season.newest[then_K]
                found_NKA[0, :, 5 + place] = usual_K = season.middle + season.usual[then_K]
                found_NKA[0, :, 8 + place] = self._last + season.usual[then_K] - season.usual_last
                found_NKA[0, :, 10 + place] = season.newest[then_K] + season.change
                if place == 0:
                    base_K = np.where(np.isfinite(usual_K), usual_K, base_K)
        found_NKA[0, :, 7] = base_K + (min(self._gap, MOST_GAP) + steps_K) * self._slope
        level_N, scale_N = np.array([self._level]), np.array([self._scale])
        features = None
        if self._known:
            mean_JN = np.array([[reader.mean.value] for reader in self._known])
            features = known_features(known_KJ.T[:, None], mean_JN, np.array([[r.unit] for r in self._known]))
        question = question_from(found_NKA, (level_N, scale_N), steps_K, self._model.scaling.seasons, features)
        quantiles_NKQ = runtime.answer(self._model.weights.head, self._h_ND, question)
        return np.asarray(runtime.in_units(quantiles_NKQ, level_N, scale_N))

    def _inputs(self, value: float, past: Sequence[float] | Floats, known: Sequence[float] | Floats) -> list[float]:
        """Absorb a step of all columns; returns what the network reads."""
        x = self._scale_step(value)
        for given, readers in ((past, self._past), (known, self._known)):
            for place, reader in enumerate(readers):
                x.extend(reader.read(float(given[place]) if place < len(given) else math.nan))
        x.extend(self._static)
        return x

    def _scale_step(self, value: float) -> list[float]:
        """Absorb a value into level and scale; returns the input channels of this step, in the order of CHANNELS."""
        scaling = self._model.scaling
        seen = math.isfinite(value)
        self._step += 1
        changes, surprises = [value - self._before if seen else math.nan], []
        for season in self._seasons:
            change, surprise = season.read(self._step, value)
            changes.append(change)
            surprises.append(surprise)
        self._before, old_level, started = value if seen else math.nan, self._level, self._age > 0
        self._gap = self._gap + 1 if started and not seen else 0
        if seen:
            self._last = value
            self._age += 1
            self._smooth.absorb(value)
        self._absorb(value, changes)
        level_change, roughness = 0.0, [0.0, 0.0, 0.0]
        if isinstance(scaling, Fixed):
            units = [scaling.change, *scaling.season_changes, 1.0]
        else:
            units = [self._scale] * 3
            level_change = self._level - old_level if started else 0.0
            roughness = [
                _log_ratio(self._fast.value, self._scale),
                _log_ratio(self._slow.value, self._scale),
                _log_ratio(self._scale, self._size.value),
            ]
        lengths = [season.length for season in self._seasons]
        nothing = [math.nan] * (2 - len(lengths))
        changes += nothing
        surprises += nothing
        return [
            _squash(value - self._level, self._scale) if seen else 0.0,
            _squash(level_change, self._scale),
            *(_squash(x, unit) if math.isfinite(x) else 0.0 for x, unit in zip(changes, units, strict=False)),
            *(ratio if seen else 0.0 for ratio in roughness),
            math.log1p(min(self._age, MOST_AGE)) / 5,
            math.log1p(min(self._gap, MOST_GAP)) / 5,
            *(math.log(length) / 4 for length in (*lengths, 1)[:2]),
            float(seen),
            *(float(math.isfinite(x)) for x in changes),
            _squash(value - self._smooth.value, self._scale) if seen else 0.0,
            *(_squash(x, unit) if math.isfinite(x) else 0.0 for x, unit in zip(surprises, units[1:], strict=False)),
        ]

    def _absorb(self, value: float, changes: list[float]) -> None:
        """Slope, and running level and scale."""
        change, season_change = changes[:2]
        if math.isfinite(change):
            self._rise.absorb(change)
            for mean in (self._short, self._fast, self._slow):
                mean.absorb(abs(change))
        if math.isfinite(season_change):
            self._has_season = True
            self._season_rise.absorb(season_change)
            self._long.absorb(abs(season_change))
        if len(changes) > 2 and math.isfinite(changes[2]):
            self._far.absorb(abs(changes[2]))
        if math.isfinite(value):
            self._size.absorb(abs(value))
        scaling = self._model.scaling
        if isinstance(scaling, Fixed):
            return
        if math.isfinite(value):
            self._level = self._seasons[0].middle
        followed = self._long.value if self._has_season else self._short.value
        if scaling.nearest and self._far.begun:
            followed = min(followed, self._far.value)
        self._scale = max(followed, FLOOR * self._size.value)

    @property
    def _slope(self) -> float:
        """Smoothed change a step."""
        return self._season_rise.value / self._seasons[0].length if self._has_season else self._rise.value


def _squash(x: float, unit: float) -> float:
    return math.asinh(x / unit) if unit > 0 else 0.0


def _log_ratio(above: float, below: float) -> float:
    return max(-7.0, min(7.0, math.log(above / below))) / 3 if above > 0 and below > 0 else 0.0
