"""Everything the network did over one series: its gates and states at every step, and what changes if one is held.

The readable cell does the work, in float64: a gate can be pinned open or shut, and a unit muted, and the forecast
that then comes is one call away.  The page Inside computes the same in the browser; tests hold it to this module.
Networks of LSTM cells are traced, and plain RNNs for contrast: those have one state, ``h``, and no gate.

Key: T step, D hidden unit, C input channel, H horizon step, Q quantile, N series (one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast import runtime
from gatecast.cell import Gates, LayerTrace, LayerWeights, State, lstm_step
from gatecast.errors import SettingsError, nearest
from gatecast.frames import keep
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.runtime import AGE, Weights, with_dtype
from gatecast.scaling import CHANNELS, Covariates, Floats, Scaled, ask, scale_series
from gatecast.supply import MemoryPlanes, read_planes
from gatecast.variants import NUMPY
from gatecast.variants import rnn as rnn_step

TRACED = ("lstm", "rnn")  # cells that open up
GATES = Gates._fields
FOLLOWED = ("level", "slope", "season", "shock")
CLEARLY = 0.3  # correlation from which a unit counts as following something
NEVER = np.inf  # half-life of a unit that forgets nothing


@dataclass(frozen=True)
class Pin:
    """Hold a gate at a value, whatever the network says.

    Args:
        gate: ``input``, ``forget``, ``candidate`` or ``output``.
        value: 0 is shut and 1 is open; the candidate lies in -1 to 1.
        units: which units; None is all of them.
        layer: of which layer, counted from 0.
    """

    gate: str
    value: float
    units: tuple[int, ...] | None = None
    layer: int = 0


@dataclass(frozen=True)
class Mute:
    """Let units show nothing: their h is 0, for the next step and for all above; their cell state goes on.

    Args:
        units: which units.
        layer: of which layer, counted from 0.
    """

    units: tuple[int, ...]
    layer: int = 0


class Units(NamedTuple):
    """What the units of one layer are like, measured over a trace; each is (D,)."""

    half_life: Floats  # steps after which the forget gate has let half of the cell state go; NaN without such a gate
    level: Floats  # correlations, NaN where there is nothing to follow
    slope: Floats
    season: Floats
    shock: Floats

    @property
    def strongest(self) -> list[str]:
        """What each unit follows most: ``level``, ``slope``, ``season`` or ``shock``; empty if none clearly."""
        sizes = np.nan_to_num(np.abs(np.stack([getattr(self, name) for name in FOLLOWED])))
        return [
            FOLLOWED[place] if size >= CLEARLY else ""
            for place, size in zip(sizes.argmax(0), sizes.max(0), strict=True)
        ]


@dataclass(frozen=True)
class Trace:
    """What the network did from step ``since`` of one series on."""

    model: Model
    since: int
    values: Floats  # the whole series in original units, (T,)
    scaled: Scaled  # the whole series as the network sees it, one row
    layers: tuple[LayerTrace, ...]  # (1, T - since, D) each; gates are NaN before the first value, and of a plain RNN
    head_TD: Floats  # what the head sees, (T - since, D)

    def gate(self, name: str, layer: int = 0) -> Floats:
        """Return a gate or state of a layer by name, (T - since, D): one of the four gates, ``h`` or ``c``.

        Raises:
            SettingsError: there is no such gate; a plain RNN has ``h`` alone.
        """
        fields = {"h": "h_BTD"}
        if self.model.weights.cell == "lstm":
            fields |= {"c": "c_BTD"} | {gate: gate for gate in GATES}
        if name not in fields:
            there = f"{', '.join(fields)} {'are' if len(fields) > 1 else 'is'} there"
            raise SettingsError(f"there is no gate {name!r}; {there}.{nearest(name, fields)}")
        return np.asarray(getattr(self.layers[layer], fields[name])[0])

    def forecast(self, horizon: int, origin: int | None = None) -> Floats:
        """Return the quantiles of the next steps as this trace makes them, (horizon, Q), in original units.

        Args:
            horizon: steps ahead, at most the model's direct horizon.
            origin: the last step known, counted from the start of the series; None is the last step.

        Raises:
            SettingsError: the head was not trained for that horizon, or the origin is not traced.
        """
        steps, direct = len(self.values), self.model.direct_horizon
        at = steps - 1 if origin is None else origin
        if not 1 <= horizon <= direct:
            raise SettingsError(f"a trace forecasts 1 to {direct} steps, as the head was trained; {horizon} are asked")
        if not self.since <= at < steps:
            raise SettingsError(f"step {at} is not traced; {self.since} to {steps - 1} are")
        origin_N = np.array([at])
        question = ask(
            self.scaled, np.zeros(1, np.int64), origin_N, np.arange(1, horizon + 1), self.model.scaling.seasons
        )
        head = with_dtype(self.model.weights, np.float64).head
        said_NKQ = runtime.answer(head, self.head_TD[None, at - self.since], question)
        made_NKQ = runtime.in_units(said_NKQ, self.scaled.level_BT[:, at], self.scaled.scale_BT[:, at])
        return np.asarray(runtime.widen(made_NKQ, self.model.widening_KQ, direct)[0])

    def units(self, layer: int = 0) -> Units:
        """Measure what each unit of a layer follows and how long it remembers.

        The half-life is ln 0.5 / mean ln(forget gate): after so many steps of that mean half of a cell state is gone.
        Level, slope and season are correlations of the cell state with, at each step, the mean of the newest season
        (without a season: the smoothed value), the smoothed change a step, and what is usual at this phase of the
        first season.  Shock is the correlation of the size of the cell state's change with that of the surprise: how
        far the value is from what its phase is usually like or, without a season, from the value before.  Of a plain
        RNN its one state is taken for the cell state; it has no half-life, since nothing is carried on as it is.
        """
        gated = self.model.weights.cell == "lstm"
        c_TD = self.gate("c" if gated else "h", layer)
        read_T = np.asarray(self.scaled.inputs_BTC[0, self.since :, AGE] > 0)
        half_life = _half_life(self.gate("forget", layer)[read_T]) if gated else np.full(c_TD.shape[1], np.nan)
        moved_TD = np.abs(np.diff(c_TD, axis=0, prepend=np.nan))
        followed = self._followed()
        level, slope, season = (correlations(c_TD, followed[name], read_T) for name in FOLLOWED[:3])
        return Units(half_life, level, slope, season, correlations(moved_TD, followed["shock"], read_T))

    def _followed(self) -> dict[str, Floats]:
        """What units are compared with, (T - since,) each."""
        scaled, phases, season = self.scaled, self.scaled.phases[0], self.model.scaling.seasons[0]
        surprise = "season_surprise" if season > 1 else "change"
        inputs_TC = scaled.inputs_BTC[0, self.since :].astype(np.float64)
        shown = {
            "level": phases.middle_BT if season > 1 else scaled.smooth_BT,
            "slope": scaled.slope_BT,
            "season": phases.usual_BT,
        }
        return {name: table[0, self.since :] for name, table in shown.items()} | {
            "shock": np.abs(inputs_TC[:, CHANNELS.index(surprise)])
        }


def _half_life(forget_TD: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        rate_D = np.log(forget_TD).mean(0) if len(forget_TD) else np.zeros(forget_TD.shape[1])
        return np.asarray(np.where(rate_D < 0, np.log(0.5) / rate_D, NEVER))


def correlations(x_TD: Floats, y_T: Floats, use_T: NDArray[np.bool_]) -> Floats:
    """Pearson's correlation of each column with y where both are known, (D,); NaN where one does not vary."""
    use_T = use_T & np.isfinite(y_T) & np.isfinite(x_TD).all(1)
    if use_T.sum() < 3:
        return np.full(x_TD.shape[1], np.nan)
    x, y = x_TD[use_T] - x_TD[use_T].mean(0), y_T[use_T] - y_T[use_T].mean()
    size = np.sqrt((x**2).sum(0) * (y**2).sum())
    least = 1e-12 * np.maximum(np.abs(y_T[use_T]).max(), 1e-300)
    varies = (size > 0) & (np.abs(y).max() > least)
    return np.asarray(np.divide(y @ x, size, out=np.full(x.shape[1], np.nan), where=varies))


def trace(
    model: Model,
    values: Any,
    more: Covariates | None = None,
    *,
    pins: Sequence[Pin] = (),
    mutes: Sequence[Mute] = (),
    since: int = 0,
) -> Trace:
    """Run a model over one series and keep all that it did, in float64.

    Args:
        model: the model; of an ensemble, one member.
        values: the series in original units, (T,), NaN where missing.
        more: the columns beside it, encoded, of this one series.
        pins: gates to be held; of two that hold the same, the later counts.
        mutes: units that show nothing.
        since: the first step that is traced; pins and mutes act from there, the steps before are read as they are.

    Raises:
        SettingsError: a gate, unit or layer is not there, there is nothing to trace, or the cells are not to be opened.
    """
    require_traced(model)
    series_T = np.asarray(values, np.float64)
    if series_T.ndim != 1 or not 0 <= since < len(series_T):
        raise SettingsError(
            f"trace reads one series from step {since} on; its values have shape {series_T.shape}, give (steps,)"
        )
    weights = with_dtype(model.weights, np.float64)
    held = _held(weights, pins, mutes)
    walk = _layer if weights.cell == "lstm" else _plain_layer
    scaled = scale_series(series_T[None], model.scaling, more)
    states = runtime.read(weights, scaled.inputs_BTC[:, :since])[1] if since else runtime.start(weights, 1)
    inputs_BTC = scaled.inputs_BTC[:, since:].astype(np.float64)
    below_BTD: Floats = inputs_BTC
    layers = []
    begun_T = inputs_BTC[0, :, AGE] > 0
    for place, (layer, state) in enumerate(zip(weights.layers, states, strict=True)):
        traced = walk(below_BTD, layer, state, held[place], begun_T)
        below_BTD = np.asarray(traced.h_BTD if place == 0 else below_BTD + traced.h_BTD, np.float64)
        layers.append(traced)
    return Trace(model, since, series_T, scaled, tuple(layers), below_BTD[0])


def require_traced(model: Model) -> None:
    """Refuse a network of other cells: it has other gates.

    Raises:
        SettingsError: the model's cells are neither an LSTM's nor a plain RNN's.
    """
    if model.weights.cell not in TRACED:
        raise SettingsError(
            f"the network's cell is {model.weights.cell}, and only an LSTM opens up, and for contrast a plain RNN; "
            "train one with cell = 'lstm' or 'rnn'"
        )


def one_series(panel: Panel, series: str | None = None) -> Panel:
    """Return one series of a panel: the one of this name, or the first.

    Raises:
        SettingsError: there is no series of that name.
    """
    if series is not None and series not in panel.ids:
        raise SettingsError(f"there is no series {series!r} among the {len(panel)}.{nearest(series, panel.ids)}")
    place = 0 if series is None else panel.ids.index(series)
    rows = np.arange(len(panel.values))
    return keep(panel, (rows >= panel.offsets[place]) & (rows < panel.offsets[place + 1]))


def arrays_of(one: Panel, model: Model, newest: int | None = None) -> tuple[Floats, Covariates | None]:
    """Return the values of a panel of one series, (T,), and its columns as the model reads them; the newest ones."""
    first = np.zeros(1, np.int64)
    values_ST, more = read_planes(MemoryPlanes(one, model.columns), first, first, one.lengths)
    begin = 0 if newest is None else max(0, values_ST.shape[1] - newest)
    if more is not None and begin:
        past, known, static = more
        more = Covariates(
            None if past is None else past[..., begin:], None if known is None else known[..., begin:], static
        )
    return values_ST[0, begin:], more


class _Held(NamedTuple):
    """What is held in one layer: each gate's value, NaN where it is free, (4, D), and which units are heard, (D,)."""

    gates_4D: Floats
    heard_D: Floats


def _held(weights: Weights, pins: Sequence[Pin], mutes: Sequence[Mute]) -> list[_Held]:
    units = weights.units
    held = [_Held(np.full((4, units), np.nan), np.ones(units)) for _ in weights.layers]
    asked_for: list[Pin | Mute] = [*pins, *mutes]
    for asked in asked_for:
        if not 0 <= asked.layer < len(held):
            raise SettingsError(f"layer {asked.layer} is not there; the network has layers 0 to {len(held) - 1}")
        strange = [unit for unit in asked.units or () if not 0 <= unit < units]
        if strange:
            raise SettingsError(f"unit {strange[0]} is not there; a layer of this network has units 0 to {units - 1}")
    if pins and weights.cell != "lstm":
        raise SettingsError(f"the {pins[0].gate} gate is pinned, and a plain RNN has no gates; units can be muted")
    for pin in pins:
        if pin.gate not in GATES:
            raise SettingsError(
                f"there is no gate {pin.gate!r}; {', '.join(GATES)} are there.{nearest(pin.gate, GATES)}"
            )
        lowest = -1 if pin.gate == "candidate" else 0
        if not lowest <= pin.value <= 1:
            raise SettingsError(f"the {pin.gate} gate lies in {lowest} to 1; it cannot be pinned at {pin.value:g}")
        at = slice(None) if pin.units is None else list(pin.units)
        held[pin.layer].gates_4D[GATES.index(pin.gate), at] = pin.value
    for mute in mutes:
        held[mute.layer].heard_D[list(mute.units)] = 0
    return held


def _layer(x_BTC: Floats, weights: LayerWeights, state: State, held: _Held, begun_T: NDArray[np.bool_]) -> LayerTrace:
    """Walk one layer with some gates held; before a series' first value nothing is read."""
    rows = []
    unread = np.full_like(state.c_BD, np.nan)
    for t, begun in enumerate(begun_T):
        if not begun:
            rows.append((*state, unread, unread, unread, unread))
            continue
        _, said = lstm_step(x_BTC[:, t], state, weights)
        gates = Gates(
            *(np.where(np.isnan(pin_D), gate_BD, pin_D) for pin_D, gate_BD in zip(held.gates_4D, said, strict=True))
        )
        c_BD = gates.forget * state.c_BD + gates.input * gates.candidate
        state = State(held.heard_D * gates.output * np.tanh(c_BD), c_BD)
        rows.append((*state, *gates))
    return LayerTrace(*(np.stack(column, axis=1) for column in zip(*rows, strict=True)))


def _plain_layer(
    x_BTC: Floats, weights: LayerWeights, state: State, held: _Held, begun_T: NDArray[np.bool_]
) -> LayerTrace:
    """Walk one layer of a plain RNN: its one state stands as ``h`` and as ``c``, and there are no gates."""
    rows = []
    for t, begun in enumerate(begun_T):
        if begun:
            h_BD = held.heard_D * rnn_step(x_BTC[:, t] @ weights.input_CK + weights.bias_K, state, weights, NUMPY).h_BD
            state = State(h_BD, h_BD)
        rows.append(state.h_BD)
    h_BTD = np.stack(rows, axis=1)
    none = np.full_like(h_BTD, np.nan)
    return LayerTrace(h_BTD, h_BTD, none, none, none, none)
