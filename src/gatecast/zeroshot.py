"""Forecasts of series never seen before, without training: the shipped weights, which know simulated series only.

A series is read once and every member of the shipped ensemble says its quantiles; their mean is the forecast.  How wide
the intervals should be is then checked on the same pass: what it said at past origins, against what came there (see
``adaptive``).  In a panel first all series together say how much too narrow or too wide intervals were, then each for
itself, so that short series borrow from the others.  Nothing here needs torch.

Key: S series, T step, O origin asked for, G past origin that is checked, H horizon step, Q quantile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

import gatecast
from gatecast import runtime
from gatecast.adaptive import Pace, adaptive_factors, rescale
from gatecast.config import QUANTILES, TrainingConfig
from gatecast.covariates import Floats
from gatecast.errors import ModelFileError, SettingsError
from gatecast.frames import forecast_table
from gatecast.frequency import require_season_lengths
from gatecast.manners import Estimator
from gatecast.modelfile import Model, load_model, with_seasons
from gatecast.notebook import shown
from gatecast.panel import Panel, panel_from_frame
from gatecast.predictor import CELLS, answer_at, predict_many
from gatecast.scaling import Running, Scaled, scale_series
from gatecast.seasons import seasons_of
from gatecast.streaming import HORIZON, ForecastStream, Manner, load_stream, start_from
from gatecast.tracing import Mute, Pin, Trace, arrays_of, one_series, trace
from gatecast.windows import pad_left

Indices = NDArray[np.int64]

NAME = "ZeroShot"
CONTEXT = 4096  # newest steps that are read; older ones no longer move a forecast
ALONE, TOGETHER, BESIDE = Pace(200, 20), Pace(200, 20), Pace(200, 60)  # of one series, of a panel, of a series in it
FEWEST = 5  # series of a panel that say together how wide intervals should be
SAMPLED = 256  # of them that are asked
MOST_CHECKED = 600  # past origins of a series that are checked


class _Past(NamedTuple):
    """What was said at past origins of every series, and what came; the places a series does not have are NaN."""

    truth_SGH: Floats
    said_SGHQ: Floats
    origins_SG: Indices  # counted from the series' end: 0 is the last step


class _Seen(NamedTuple):
    """Series as the members see them: what they see up to a step serves series that end there."""

    values_ST: Floats
    seasons: tuple[int, ...]
    scaled: Scaled
    heads: list[Floats]  # what each member's head sees at every step, (S, T, D)

    def serves(self, values_ST: Floats, seasons: tuple[int, ...]) -> bool:
        """Whether series are these, or end before them."""
        begin_ST = self.values_ST[:, : values_ST.shape[1]]
        return seasons == self.seasons and np.array_equal(begin_ST, values_ST, equal_nan=True)


@lru_cache(maxsize=1)
def shipped() -> tuple[Model, ...]:
    """Return the shipped ensemble, in float32.

    Raises:
        ModelFileError: the installation lacks the weights.
    """
    folder = Path(str(files("gatecast"))) / "weights"
    found = tuple(load_model(path) for path in sorted(folder.glob("*.safetensors")))
    if not found:
        raise ModelFileError(f"{folder}: holds no weights; install gatecast again")
    return tuple(replace(model, weights=runtime.with_dtype(model.weights, np.float32)) for model in found)


class ZeroShot(Estimator):
    """A forecaster that is not trained: the shipped weights forecast any series at once.

    Args:
        season_length: steps per season, at most two; None takes them from the table's frequency or finds them.
        weights: model files to use in place of the shipped ones: with a running scaling, and of the target alone.
    """

    name = NAME

    def __init__(
        self, *, season_length: tuple[int, ...] | None = None, weights: Sequence[str | Path] | None = None
    ) -> None:
        self.season_length = season_length
        self.weights = weights

    def fit(
        self, table: Any, *, time: str | None = None, target: str | None = None, series_id: str | None = None
    ) -> Self:
        """Take the series that are to be continued; nothing is trained.

        Args:
            table: any data frame narwhals knows, long, with one row per series and time; or a panel.
            time: its time column; columns not named are found, see ``panel_from_frame``.
            target: the column to forecast.
            series_id: the column that names the series.

        Raises:
            SettingsError: a named column is not there.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        given = isinstance(table, Panel)
        panel = table if given else panel_from_frame(table, time=time, target=target, series_id=series_id)
        self._panel, self._like = panel, None if given else table
        return self

    def fit_panel(self, panel: Panel, validation_steps: int = 0, progress: Any = None) -> Self:
        """Take a panel, as ``fit`` does; there is no validation part, since nothing is trained."""
        del validation_steps, progress
        return self.fit(panel)

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after each series' end: a table of the kind that came in.

        Args:
            horizon: steps ahead.
            level: interval levels in percent, from ``config.LEVELS``.
            future: must be left out: the shipped weights read no other columns.

        Raises:
            SettingsError: nothing was given to ``fit`` yet, or a level is not offered.
        """
        if future is not None:
            raise SettingsError("future: the shipped weights read no columns beside the target; leave it out")
        if not hasattr(self, "_panel"):
            raise SettingsError("predict: give the series to fit first")
        return forecast_table(self._panel, {self.name: self.forecast_panel(self._panel, horizon)}, level, self._like)

    def forecast_panel(self, panel: Panel, horizon: int) -> Floats:
        """Return quantiles (S, H, Q) of the steps after each series' end, in original units.

        Raises:
            SettingsError: the horizon has no steps.
        """
        if horizon < 1:
            raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")
        made = np.empty((len(panel), horizon, len(QUANTILES)))
        now = np.zeros(1, np.int64)
        for seasons, rows in seasons_of(panel, self.season_length):
            members = self._members(seasons)
            common = _common(members, panel, rows, now, horizon)
            for part in _alike(panel, rows):
                values_ST = pad_left([panel.series_values(int(s))[-CONTEXT:] for s in part])
                made[part] = _from_origins(members, values_ST, now, horizon, common)[:, 0]
        return made

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Floats:
        """Return quantiles (S, O, H, Q) at config.QUANTILES from every origin, each from what was known there.

        Seasons are those that a series had shown by the earliest of the origins.

        Args:
            panel: the series, aligned at their ends.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.
        """
        longest = int(panel.lengths.max())
        now = np.asarray(origins, np.int64) - (longest - 1)
        made = np.empty((len(panel), len(now), horizon, len(QUANTILES)))
        shown = CONTEXT - int(now.min())
        for seasons, rows in seasons_of(panel, self.season_length, -int(now.min())):
            members = self._members(seasons)
            common = _common(members, panel, rows, now, horizon)
            for part in _alike(panel, rows):
                values = [panel.series_values(int(s))[-shown:] for s in part]
                values_ST = pad_left(values, 1 - int(now.min()))  # a series may begin after an origin
                made[part] = _from_origins(members, values_ST, now, horizon, common)
        return made

    def fine_tune(
        self,
        table: Any,
        *,
        time: str | None = None,
        target: str | None = None,
        series_id: str | None = None,
        training: TrainingConfig | None = None,
    ) -> gatecast.LSTMForecaster:
        """Return an ``LSTMForecaster`` whose network is the first of these, adapted to a table's series; needs torch.

        What is shipped stays as it is, and this forecaster too.

        Args:
            table: any data frame narwhals knows, or a panel; this and the following as for ``fit``.
            time: its time column.
            target: the column to forecast.
            series_id: the column that names the series.
            training: settings in place of those of tuning, see ``LSTMForecaster.fine_tune``.

        Raises:
            SettingsError: a named column is not there, or the table is a panel with columns beside the target.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        adapted = gatecast.LSTMForecaster(training=training, season_length=self.season_length)
        if self.weights is not None:
            adapted.load(Path(self.weights[0]))
        return adapted.fine_tune(table, time=time, target=target, series_id=series_id)

    def _repr_html_(self) -> str:
        """What it is, in a notebook."""
        panel: Panel | None = getattr(self, "_panel", None)
        season = "found in the series" if self.season_length is None else " and ".join(map(str, self.season_length))
        facts: dict[str, object] = {"season": season}
        if panel is not None:
            facts |= {"series": len(panel), "steps": len(panel.values)}
        return shown(
            "Zero-shot forecaster", facts, words="The shipped weights forecast any series; nothing is trained."
        )

    def inspect(
        self,
        series: str | None = None,
        *,
        member: int = 0,
        pins: Sequence[Pin] = (),
        mutes: Sequence[Mute] = (),
        since: int = 0,
    ) -> Trace:
        """Look inside one member of the ensemble over a series that was given to ``fit``, its newest 4,096 steps.

        Args:
            series: the name of the series; None is the first.
            member: which network, counted from 0; a forecast is the mean of all.
            pins: gates to hold, from step ``since`` on.
            mutes: units that show nothing from then on.
            since: the first step that is traced.

        Raises:
            SettingsError: nothing was given to ``fit`` yet, or a member, series, gate, unit or layer is not there.
        """
        if not hasattr(self, "_panel"):
            raise SettingsError("inspect: give the series to fit first")
        one = one_series(self._panel, series)
        model = self.member(one, member)
        values, _ = arrays_of(one, model, CONTEXT)
        return trace(model, values, pins=pins, mutes=mutes, since=since)

    def member(self, panel: Panel, member: int = 0) -> Model:
        """Return one network of the ensemble, with the seasons of the first series of a panel.

        Raises:
            SettingsError: there is no such member.
        """
        seasons = next(found for found, rows in seasons_of(panel, self.season_length) if 0 in rows)
        members = self._members(seasons)
        if not 0 <= member < len(members):
            raise SettingsError(f"there is no member {member}; the ensemble has members 0 to {len(members) - 1}")
        return members[member]

    def stream(
        self, history: Any = None, *, horizon: int = HORIZON, adapt: bool = True, compiled: bool | None = None
    ) -> ForecastStream:
        """Return a stream that goes on where a history ends: ``stream.update(value)`` gives the next forecast.

        The season is the one of the history, or what ``season_length`` says; from nothing and without it there is none.

        Args:
            history: one series, as a table, a panel or numbers; None takes what was given to ``fit``, or nothing.
            horizon: steps ahead of every forecast.
            adapt: let widths follow what comes of earlier forecasts, those at the history's newest steps included.
            compiled: compile the step at once, or never; None compiles after 1,000 values.

        Raises:
            SettingsError: the history holds several series, or a setting cannot work.
            DataError: the history cannot be forecast as it is.
        """
        given = getattr(self, "_panel", None) if history is None else history
        panel = given if given is None or isinstance(given, Panel) else panel_from_frame(given)
        if panel is None:
            seasons = self.season_length or (1,)
            require_season_lengths(seasons)
        else:
            seasons = next(seasons for seasons, _ in seasons_of(panel, self.season_length))
        members = self._members(seasons)
        start = start_from(members[0], panel)
        stream = ForecastStream(members, self.name, ALONE, Manner(horizon, adapt, compiled), start.static_G)
        stream.read(start)
        return stream

    def load_stream(self, path: str | Path, *, compiled: bool | None = None) -> ForecastStream:
        """Return the stream that was saved with ``ForecastStream.save``, over these weights.

        Raises:
            ModelFileError: the file is missing, damaged, foreign, newer, or of a stream over other weights.
        """
        return load_stream(path, self._members((1,)), self.name, ALONE, compiled)

    def _members(self, seasons: tuple[int, ...]) -> tuple[Model, ...]:
        given = shipped() if self.weights is None else tuple(_load_weights(Path(path)) for path in self.weights)
        # how wide intervals are is found in the series themselves
        return tuple(replace(with_seasons(model, seasons), widening_KQ=None) for model in given)


def _load_weights(path: Path) -> Model:
    """A model file as weights for any series.

    Raises:
        ModelFileError: it is damaged, foreign or newer.
        SettingsError: its network knows one level and scale alone, or reads columns beside the target.
    """
    model = load_model(path)
    if not isinstance(model.scaling, Running):
        raise SettingsError(
            f"weights: the level and scale of {path} are fixed to the series it was trained on; give a model trained "
            "with scaling = 'running'"
        )
    if model.columns:
        names = ", ".join(column.name for column in model.columns)
        raise SettingsError(f"weights: {path} reads {names} beside the target; give a model of the target alone")
    return model


class ZeroShotSeries:
    """The shipped weights as one more row beside the baselines of a series; nothing is fitted.

    Args:
        seasons: steps per season, at most two.
    """

    name = NAME

    def __init__(self, seasons: tuple[int, ...] = (1,)) -> None:
        self._seasons = seasons
        self._seen: _Seen | None = None  # what was read last

    def fit_values(self, values: Floats, season_length: int) -> Self:
        """Take nothing but the season, where none was given: (T,) values of the training part are not needed."""
        del values
        if self._seasons == (1,):
            self._seasons = (season_length,)
        return self

    def predict_many(self, values: Floats, origins: ArrayLike, horizon: int) -> Floats:
        """Return quantiles (O, H, Q) from every origin of a series (T,), each from what was known there.

        Asked again of the same series, or of its beginning, it does not read it again.
        """
        at = np.asarray(origins, np.int64)
        first, last = int(at.min()), int(at.max())
        seasons = tuple(m for m in self._seasons if m > 1 and 2 * m <= first + 1) or (1,)
        members = tuple(with_seasons(model, seasons) for model in shipped())
        cut = max(0, first + 1 - CONTEXT)
        shown_ST = np.asarray(values, np.float64)[None, cut : last + 1]
        if self._seen is None or not self._seen.serves(shown_ST, seasons):
            self._seen = _see(members, shown_ST)
        return np.asarray(_from_origins(members, shown_ST, at - last, horizon, None, self._seen)[0])


def _alike(panel: Panel, rows: Indices) -> Iterator[Indices]:
    """Groups of series of like length, as many as are read together."""
    lengths = panel.lengths
    order = rows[np.argsort(lengths[rows], kind="stable")]
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and (end - begin + 1) * min(lengths[order[end]], CONTEXT) <= CELLS:
            end += 1
        yield order[begin:end]
        begin = end


def _common(members: Sequence[Model], panel: Panel, rows: Indices, now_O: Indices, horizon: int) -> Floats | None:
    """Factors (O, H, Q) that the series of a panel need together; None if they are too few."""
    if len(rows) < FEWEST:
        return None
    direct, shown = min(horizon, members[0].direct_horizon), CONTEXT - int(now_O.min())
    sampled = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLED)).round().astype(np.int64))]
    truths, said, origins = [], [], []
    for part in _alike(panel, sampled):
        past, _ = _read(members, pad_left([panel.series_values(int(s))[-shown:] for s in part]), now_O[:0], direct)
        real_SG = np.isfinite(past.truth_SGH).any(axis=2)
        truths.append(past.truth_SGH[real_SG])
        said.append(past.said_SGHQ[real_SG])
        origins.append(past.origins_SG[real_SG])
    at_N = np.concatenate(origins)
    order = np.argsort(at_N, kind="stable")
    truth_NH, said_NHQ = np.concatenate(truths)[order], np.concatenate(said)[order]
    factors_1OHQ = adaptive_factors(truth_NH[None], said_NHQ[None], at_N[order], now_O, TOGETHER)
    return np.asarray(factors_1OHQ[0])


def _from_origins(
    members: Sequence[Model],
    values_ST: Floats,
    now_O: Indices,
    horizon: int,
    common_OHQ: Floats | None,
    seen: _Seen | None = None,
) -> Floats:
    """Quantiles (S, O, H, Q) from every origin, counted from the end; their widths checked at the origins before it."""
    direct = min(horizon, members[0].direct_horizon)
    past, made_SOHQ = _read(members, values_ST, now_O, direct, seen)
    if horizon > direct:
        origins = now_O + values_ST.shape[1] - 1
        made_SOHQ = np.mean([predict_many(model, values_ST, origins, horizon) for model in members], axis=0)
    pace, common = (ALONE, np.ones(1)) if common_OHQ is None else (BESIDE, common_OHQ)
    factors_SOHQ = adaptive_factors(past.truth_SGH, past.said_SGHQ, past.origins_SG, now_O, pace, common)
    return rescale(made_SOHQ, factors_SOHQ[:, :, np.minimum(np.arange(horizon), direct - 1)])


def _read(
    members: Sequence[Model], values_ST: Floats, now_O: Indices, horizon: int, seen: _Seen | None = None
) -> tuple[_Past, Floats]:
    """Read series once: what is said at past origins, and at those asked for, (S, O, H, Q), as the network says it.

    Past origins are a good third of a season apart, so that every phase comes, from where a series' scale is known; in
    a long series further, so that they are not too many.
    """
    series, steps = values_ST.shape
    seasons = members[0].scaling.seasons
    seen_ST = np.isfinite(values_ST)
    first_S = np.where(seen_ST.any(1), np.argmax(seen_ST, axis=1), steps) + max(3, seasons[0])
    apart = max(seasons[0] // 3 + 1, -(-steps // MOST_CHECKED))
    count = max(0, -(-(steps - 1 - int(first_S.min(initial=steps))) // apart))
    origins_SG = first_S[:, None] + apart * np.arange(count)
    real_SG = origins_SG < steps - 1
    checked, asked = int(real_SG.sum()), len(now_O)
    rows_N = np.concatenate([np.nonzero(real_SG)[0], np.repeat(np.arange(series), asked)])
    at_N = np.concatenate([origins_SG[real_SG], np.tile(now_O + steps - 1, series)])
    said_NHQ = _ensemble(members, seen or _see(members, values_ST), (rows_N, at_N), horizon)
    said_SGHQ = np.zeros((series, count, horizon, len(QUANTILES)))
    said_SGHQ[real_SG] = said_NHQ[:checked]
    ahead_SGH = origins_SG[..., None] + np.arange(1, horizon + 1)
    rows_S11 = np.arange(series)[:, None, None]
    truth_SGH = values_ST[rows_S11, np.minimum(ahead_SGH, steps - 1)]
    truth_SGH = np.where(real_SG[..., None] & (ahead_SGH < steps), truth_SGH, np.nan)
    past = _Past(truth_SGH, said_SGHQ, np.where(real_SG, origins_SG, steps) - (steps - 1))
    return past, said_NHQ[checked:].reshape(series, asked, horizon, len(QUANTILES))


def _see(members: Sequence[Model], values_ST: Floats) -> _Seen:
    """Read series with every member; they are scaled once."""
    scaling = members[0].scaling
    scaled = scale_series(values_ST, scaling)
    heads = [runtime.read(model.weights, scaled.inputs_BTC)[0] for model in members]
    return _Seen(values_ST, scaling.seasons, scaled, heads)


def _ensemble(members: Sequence[Model], seen: _Seen, at: tuple[Indices, Indices], horizon: int) -> Floats:
    """The members' mean quantiles (N, H, Q) of series and origin ``at``."""
    made = [
        answer_at(model, seen.scaled, h_STD[at], at, np.arange(1, horizon + 1))
        for model, h_STD in zip(members, seen.heads, strict=True)
    ]
    return np.asarray(sum(made, np.zeros(1)) / len(members))
