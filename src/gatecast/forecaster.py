"""``LSTMForecaster``: fit on a table, forecast beyond its end, from many origins at once, or on its own output."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gatecast import __version__, predictor
from gatecast.columns import WIDE
from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.conformal import Pool, at_every_step, log_factors, pools
from gatecast.covariates import Column, Role, learn_column
from gatecast.errors import DataError, OutsideTraining, SettingsError
from gatecast.frames import forecast_table
from gatecast.frequency import Frequency, season_lengths
from gatecast.future import read_future
from gatecast.modelfile import Model, load_model, save_model
from gatecast.panel import Panel, panel_from_frame
from gatecast.predictor import WHAT_IF, as_arrays, change_future, forecast_panel, outside_training, require_columns
from gatecast.rows import OTHER
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Floats, Running, Scaling, fixed_from
from gatecast.store import open_store
from gatecast.supply import MemoryPlanes, Part, Planes, Supply
from gatecast.training import Progress, Trained, batch_for, train, updates_for

CLEARLY = 0.9  # share of the running scaling's validation loss below which the fixed one is chosen
RACE = 5  # when the scaling is to be chosen, each is given a fifth of the updates first
LEAST_UPDATES = 100  # when a panel is trained again
MOST_ASKED = 8192  # origins of all series at which they are checked
FAR, RUN_ON_ORIGINS = 4, 24  # direct horizons that are checked, and the origins that are run on for it


class Fitted(NamedTuple):
    """How a fit went, beside the model itself."""

    trained: Trained
    race: dict[str, float]  # validation loss of each scaling tried, empty when it was given
    training: int
    validation: int


class About(NamedTuple):
    """What is known of the series beside their numbers."""

    frequency: Frequency
    columns: tuple[Column, ...]
    data: DataConfig  # what the columns are called in the user's table
    card: dict[str, Any]


class LSTMForecaster:
    """An LSTM trained on the table it is given.

    Args:
        network: the network's shape.
        training: how the weights are found.
        season_length: steps per season, at most two; None takes them from the table's frequency.
        validation: share of the steps at the end that choose the weights, and are not trained on.
    """

    name = "LSTM"

    def __init__(
        self,
        network: NetworkConfig | None = None,
        training: TrainingConfig | None = None,
        *,
        season_length: tuple[int, ...] | None = None,
        validation: float = 0.1,
    ) -> None:
        self.network = network
        self.training = training
        self.season_length = season_length
        self.validation = validation

    def fit(
        self,
        table: Any,
        *,
        time: str | None = None,
        target: str | Sequence[str] | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        static: Sequence[str] = (),
    ) -> Self:
        """Train on a table: any data frame narwhals knows, long, with one row per series and time; or a panel.

        Args:
            table: the table.
            time: its time column; columns not named are found, see ``panel_from_frame``.
            target: the column to forecast, or several.
            series_id: the column that names the series.
            inputs: further columns, known up to now only.
            known: columns known in advance.
            static: columns that stay the same for a series.

        Raises:
            SettingsError: a named column is not there.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        panel = (
            table
            if isinstance(table, Panel)
            else panel_from_frame(
                table, time=time, target=target, series_id=series_id, inputs=inputs, known=known, static=static
            )
        )
        self._like = None if isinstance(table, Panel) else table
        return self.fit_panel(panel, self._validation_steps(panel.lengths))

    def fit_folder(  # noqa: PLR0913 (the choice of columns, as keywords)
        self,
        folder: str | Path,
        *,
        time: str | None = None,
        target: str | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        static: Sequence[str] = (),
        frequency: str | None = None,
        scratch: str | Path | None = None,
    ) -> Self:
        """Train on a folder of Parquet files that need not fit in memory, see ``open_store`` for the settings.

        The numbers lie in a scratch file without a name, which goes when the forecaster does.

        Raises:
            SettingsError: a named column is not there.
            DataError: the files cannot be read or forecast as they are; file and row are named.
            OutputError: there is no room for the scratch file.
        """
        store = open_store(
            folder,
            time=time,
            target=target,
            series_id=series_id,
            inputs=inputs,
            known=known,
            static=static,
            frequency=frequency,
            scratch=scratch,
        )
        validation_steps = self._validation_steps(store.lengths)
        columns = store.learn_columns(validation_steps)
        planes = store.planes(columns)
        self._forget()
        self.fit_planes(planes, About(store.frequency, columns, store.data(), store.card()), validation_steps)
        self._panel, self._planes = store.ends(), planes
        return self

    def fit_panel(
        self, panel: Panel, validation_steps: int, progress: Callable[[Progress], None] | None = None
    ) -> Self:
        """Train on a panel whose last ``validation_steps`` of every series are the validation part.

        Ctrl-C stops training early and keeps the best weights so far; ``fitted_.trained.interrupted`` says so.

        Raises:
            DataError: no series is long enough to train on.
        """
        self.__dict__.pop("_planes", None)
        columns = learn_columns(panel, validation_steps)
        about = About(panel.frequency, columns, data_of(panel), card_of(panel))
        self.fit_planes(MemoryPlanes(panel, columns), about, validation_steps, progress)
        self._panel = panel
        return self

    def fit_planes(
        self,
        planes: Planes,
        about: About,
        validation_steps: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Train on series in memory or on disk, see ``supply``; the last steps of each are the validation part.

        Raises:
            DataError: no series is long enough to train on.
        """
        shape, config = self.network or NetworkConfig(), self.training or TrainingConfig()
        longest = int(planes.lengths.max()) - validation_steps
        seasons = self.season_length or self._usable(season_lengths(about.frequency), longest)
        config = config.model_copy(update={"horizon": _reachable(config.horizon, planes.lengths - validation_steps)})
        reach = config.context + config.horizon
        supply = Supply(planes, validation_steps, reach, max(seasons))
        known = supply.known
        if longest < 10 or known < 10:
            raise DataError(
                f"the training part has {known} values; at least 10 are needed "
                f"before the {validation_steps} validation steps"
            )
        scaling, race = self._choose_scaling(supply, seasons, (shape, config))
        trained = train(supply, scaling, (shape, config), progress)
        weights = weights_from_arrays(trained.arrays)
        batch = config.batch or batch_for(supply)
        settings = RunConfig(
            data=about.data.model_copy(update={"season_length": seasons}),
            network=shape,
            training=config.model_copy(
                update={"scaling": scaling.as_dict()["kind"], "updates": trained.planned, "batch": batch}
            ),
        )
        plain = Model(weights, scaling, settings, None, about.columns)
        widening_KQ = widen(plain, supply.judged())
        if supply.series > 1 and config.retrain and trained.best_update and not trained.interrupted:
            everything = Supply(planes, 1, reach, max(seasons))
            trained = _trained_again(everything, scaling, (shape, settings.training), trained, progress)
            plain = replace(plain, weights=weights_from_arrays(trained.arrays))
            widening_KQ = np.sqrt(widening_KQ)  # half the way: it has now learned from what it was checked on
        card = {**make_card(trained), "data": about.card}
        self.model_ = replace(plain, widening_KQ=widening_KQ, card=card)
        self.fitted_ = Fitted(trained, race, longest, validation_steps)
        return self

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after the last one fitted on: a table of the kind that came in.

        Args:
            horizon: steps ahead.
            level: interval levels in percent, from ``config.LEVELS``.
            future: a table with the values of the columns known in advance, one row per series and step ahead.

        Raises:
            SettingsError: nothing was fitted yet, or a level is not one of the model's.
            DataError: a future value is missing; the message says of which series and time.
        """
        panel = self._fitted_panel("predict")
        made = self._made(panel, horizon, self._future(panel, future, horizon))
        return forecast_table(panel, {self.name: made}, level, self._kind())

    def what_if(self, horizon: int, changes: Mapping[str, Any], level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast twice: as planned, and with what is known in advance changed; the columns are LSTM and WhatIf.

        Args:
            horizon: steps ahead.
            changes: by column known in advance, what it is instead: a number or word for every step, a list of one per
                step, or a function of the planned numbers, (series, horizon) to the same.
            level: interval levels in percent.
            future: the plan, as in ``predict``.

        Raises:
            SettingsError: a column is not known in advance, or a change has another length than the horizon.
            DataError: a future value is missing.

        Warns:
            OutsideTraining: a change leaves the range that training saw.
        """
        panel = self._fitted_panel("what_if")
        planned = self._future(panel, future, horizon)
        changed = change_future(self.model_, panel, planned, changes)
        for sentence in outside_training(self.model_, panel, changed):
            warnings.warn(f"{sentence}; do not trust this forecast", OutsideTraining, stacklevel=2)
        made = {name: self._made(panel, horizon, then) for name, then in ((self.name, planned), (WHAT_IF, changed))}
        return forecast_table(panel, made, level, self._kind())

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Floats:
        """Quantiles (S, O, H, Q) at config.QUANTILES from every origin, in one pass.

        Args:
            panel: the series, aligned at their ends as in training.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.
        """
        model = self._model("predict_many")
        require_columns(model, panel)
        values_ST, more = as_arrays(panel, model.columns)
        return predictor.predict_many(model, values_ST, np.asarray(origins), horizon, more)

    def full_sequence(self, panel: Panel, origin: int, steps: int, block: int) -> Floats:
        """One run over ``steps`` steps on its own output, medians of the first series, (steps,)."""
        model = self._model("full_sequence")
        require_columns(model, panel)
        values_ST, more = as_arrays(panel, model.columns)
        known = None if more is None else more.rows(slice(0, 1)).until(origin + 1, steps)
        return predictor.full_sequence(model, values_ST[0, : origin + 1], steps, block, known)

    def save(self, path: str | Path) -> None:
        """Write the model to one file; ``gatecast forecast DATA --model FILE`` reads it."""
        save_model(self._model("save"), Path(path))

    def load(self, path: str | Path) -> Self:
        """Read a model file written by ``save``; what was fitted before is forgotten."""
        self.model_ = load_model(Path(path))
        self._forget()
        return self

    def _model(self, asked: str) -> Model:
        model: Model | None = getattr(self, "model_", None)
        if model is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or load a model")
        return model

    def _forget(self) -> None:
        for name in ("_panel", "_planes", "_like", "fitted_"):
            self.__dict__.pop(name, None)

    def _made(self, panel: Panel, horizon: int, ahead: Mapping[str, Floats]) -> Floats:
        return forecast_panel(self.model_, panel, horizon, ahead, getattr(self, "_planes", None))

    def _validation_steps(self, lengths: NDArray[np.int64]) -> int:
        return max(1, round(self.validation * float(np.median(lengths))))

    def _fitted_panel(self, asked: str) -> Panel:
        panel: Panel | None = getattr(self, "_panel", None)
        if panel is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or use gatecast.forecast(table, horizon, model)")
        return panel

    def _future(self, panel: Panel, future: Any, horizon: int) -> dict[str, Floats]:
        known = self.model_.reads("known")
        if future is not None and not known:
            raise SettingsError("future: this model has no columns that are known in advance; leave it out")
        return read_future(future, panel, horizon) if known else {}

    def _kind(self) -> Any:
        return getattr(self, "_like", None)

    @staticmethod
    def _usable(seasons: tuple[int, ...], training: int) -> tuple[int, ...]:
        """The seasons of which the training part holds at least two."""
        return tuple(season for season in seasons if 2 * season <= training) or (1,)

    def _choose_scaling(
        self, supply: Supply, seasons: tuple[int, ...], configs: tuple[NetworkConfig, TrainingConfig]
    ) -> tuple[Scaling, dict[str, float]]:
        """The scaling asked for; for ``auto`` the fixed one only if its short training is clearly better.

        A fixed level and scale know no other range than that of the training part.
        """
        shape, config = configs
        if config.scaling == "running" or (config.scaling == "auto" and supply.series > 1):
            return Running(seasons), {}  # one level and scale cannot serve many series
        part = supply.pool(np.random.default_rng(config.seed))
        fixed = fixed_from(part.values_ST[:, : part.training], seasons)
        if config.scaling == "fixed":
            return fixed, {}
        offered: dict[str, Scaling] = {"running": Running(seasons), "fixed": fixed}
        updates = config.updates if config.updates is not None else updates_for(supply.steps)
        short = config.model_copy(update={"updates": updates // RACE})
        race = {}
        for kind, scaling in offered.items():
            trained = train(supply, scaling, (shape, short))
            race[kind] = trained.validation
            if trained.interrupted:
                break
        clearly = race.get("fixed", np.inf) < CLEARLY * race["running"]
        return offered["fixed" if clearly else "running"], race


def _reachable(horizon: int, lengths: NDArray[np.int64]) -> int:
    """Steps ahead that can be learned: a panel's must be seen in a good part of its series."""
    most = int(lengths.max()) - 2 if len(lengths) == 1 else int(np.quantile(lengths, 0.75)) // 2
    return max(1, min(horizon, most))


def _trained_again(
    everything: Supply,
    scaling: Scaling,
    configs: tuple[NetworkConfig, TrainingConfig],
    first: Trained,
    progress: Callable[[Progress], None] | None,
) -> Trained:
    """A panel's network trained on all of its steps, as long as the validation part found to be best."""
    shape, config = configs
    updates = max(min(LEAST_UPDATES, first.planned), first.best_update)

    def report(step: Progress) -> None:
        if progress is not None:
            progress(step._replace(update=first.updates + step.update, updates=first.updates + step.updates))

    again = train(everything, scaling, (shape, config.model_copy(update={"updates": updates})), report, choose=False)
    if again.interrupted:
        return first._replace(interrupted=True)
    return again._replace(validation=first.validation, history=first.history, planned=first.planned)


def widen(model: Model, part: Part) -> Floats:
    """Factors (K, Q) on the distance from the median that make the intervals hold on the validation part.

    They are made by ``conformal``: either way, both sides of an interval alike, evenly over the logarithm of the step.

    Beyond the direct horizon a few origins are run on over hidden steps, as far as the validation part and four direct
    horizons reach.
    """
    values_ST, training, more = part
    total, direct = values_ST.shape[1], model.direct_horizon
    rows = np.unique(np.linspace(0, len(values_ST) - 1, min(256, len(values_ST))).round().astype(np.int64))
    values_ST, more = values_ST[rows], None if more is None else more.rows(rows)

    def found(few: slice, last: int, count: int, horizon: int, around: list[Pool]) -> Floats:
        origins = np.unique(np.linspace(training - 1, last, count).round().astype(np.int64))
        made = predictor.predict_many(model, values_ST[few], origins, horizon, None if more is None else more.rows(few))
        ahead = origins[:, None] + np.arange(1, horizon + 1)
        truth = np.where(ahead < total, values_ST[few][:, np.minimum(ahead, total - 1)], np.nan)
        return log_factors(truth, made, around, apart=(origins[-1] - origins[0] + 1) / len(origins))

    count = max(2, min(MOST_ASKED // len(values_ST), 512, total - training))
    near = min(direct, total - training)
    around = pools(near)
    factors = at_every_step(found(slice(None), total - 2, count, near, around), [pool.knot for pool in around], near)
    reach = min(FAR * direct, total - training - FAR)
    around = pools(reach, direct)
    if near < direct or not around:
        return factors
    few = slice(0, max(1, RUN_ON_ORIGINS // len(values_ST)))
    logs = found(few, total - 1 - reach, RUN_ON_ORIGINS, reach, around)
    logs = np.maximum.accumulate(logs[:, ::-1], axis=1)[:, ::-1]  # so few origins may say less of an outer one
    return np.concatenate([factors, at_every_step(logs, [pool.knot for pool in around], reach)[direct:]])


def learn_columns(panel: Panel, validation_steps: int) -> tuple[Column, ...]:
    """What the training part says about the columns beside the target."""
    until = np.repeat(np.maximum(panel.lengths - validation_steps, 1), panel.lengths)
    trained = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths) < until
    columns: list[Column] = []
    tables: dict[Role, dict[str, Floats]] = {"past": panel.inputs, "known": panel.known, "static": panel.static}
    for role, table in tables.items():
        for name, column in table.items():
            seen = column if role == "static" else column[trained]
            columns.append(learn_column(name, role, seen, panel.categories.get(name)))
    return tuple(columns)


def data_of(panel: Panel) -> DataConfig:
    """What the columns are called in the user's table, as settings."""
    inputs, static = tuple(panel.inputs), tuple(panel.static)
    target: str | tuple[str, ...] = panel.names.y
    if f"{OTHER} 1" in inputs:
        target = panel.categories["target"]
        inputs = tuple(name for name in inputs if not name.startswith(OTHER))
        static = tuple(name for name in static if name != "target")
    wide = panel.names.y == WIDE and len(panel) > 1
    series_id = panel.names.unique_id if len(panel) > 1 and not wide else None
    return DataConfig(
        target=target, series_id=series_id, inputs=inputs, known=tuple(panel.known), static=static, wide=wide
    )


def card_of(panel: Panel) -> dict[str, Any]:
    """What a model file says of its data: fingerprint, dates and range."""
    digest = hashlib.sha256(np.ascontiguousarray(panel.values).tobytes()).hexdigest()[:16]
    return {
        "series": len(panel),
        "steps": int(panel.lengths.sum()),
        "first": str(panel.times.min()),
        "last": str(panel.times.max()),
        "frequency": panel.frequency.name,
        "lowest": float(np.nanmin(panel.values)),
        "highest": float(np.nanmax(panel.values)),
        "fingerprint": digest,
    }


def make_card(trained: Trained) -> dict[str, Any]:
    """What a model file says of itself: the course of training, and the versions."""
    return {
        "training": {
            "updates": trained.updates,
            "best_update": trained.best_update,
            "validation_loss": trained.validation,
            "path_refitted": trained.readout,
            "interrupted": trained.interrupted,
        },
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"gatecast": __version__, "numpy": np.__version__},
    }
