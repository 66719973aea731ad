"""``LSTMForecaster``: fit on a table, forecast beyond its end, from many origins at once, or on its own output."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gatecast import __version__, predictor
from gatecast.config import MEDIAN, QUANTILES, DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.errors import DataError, SettingsError
from gatecast.frequency import season_lengths
from gatecast.modelfile import Model, load_model, save_model
from gatecast.panel import Panel, forecast_frame, panel_from_frame
from gatecast.predictor import as_arrays, forecast_panel
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Floats, Running, Scaling, fixed_from
from gatecast.training import Progress, Trained, train, updates_for

RACE = 5  # when the scaling is to be chosen, each is given a fifth of the updates first
POOLS = (1, 2, 5, 13, 33)  # steps ahead whose intervals are checked together, from each to before the next
FAR, RUN_ON_ORIGINS = 4, 24  # direct horizons that are checked, and the origins that are run on for it


class Fitted(NamedTuple):
    """How a fit went, beside the model itself."""

    trained: Trained
    race: dict[str, float]  # validation loss of each scaling tried, empty when it was given
    training: int
    validation: int


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
        target: str | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
    ) -> Self:
        """Train on a table: any data frame narwhals knows, long, with one row per series and time.

        Raises:
            DataError: the table cannot be forecast as it is; the message says where.
        """
        panel = panel_from_frame(table, time=time, target=target, series_id=series_id, inputs=tuple(inputs))
        self._like = table
        steps = int(max(panel.lengths))
        return self.fit_panel(panel, max(1, round(self.validation * steps)))

    def fit_panel(
        self, panel: Panel, validation_steps: int, progress: Callable[[Progress], None] | None = None
    ) -> Self:
        """Train on a panel whose last ``validation_steps`` of every series are the validation part.

        Ctrl-C stops training early and keeps the best weights so far; ``fitted_.trained.interrupted`` says so.

        Raises:
            DataError: no series is long enough to train on.
        """
        shape, config = self.network or NetworkConfig(), self.training or TrainingConfig()
        values_ST, further_PST = as_arrays(panel)
        training = values_ST.shape[1] - validation_steps
        known = np.isfinite(values_ST[:, : max(training, 0)]).sum()
        if training < 10 or known < 10:
            raise DataError(
                f"the training part has {known} values; at least 10 are needed "
                f"before the {validation_steps} validation steps"
            )
        seasons = self.season_length or self._usable(season_lengths(panel.frequency), training)
        scaling, race = self._choose_scaling(values_ST, training, seasons, (shape, config), further_PST)
        trained = train(values_ST, training, scaling, (shape, config), further_PST, progress)
        weights = weights_from_arrays(trained.arrays)
        settings = RunConfig(
            data=DataConfig(season_length=seasons, inputs=tuple(panel.inputs)),
            network=shape,
            training=config.model_copy(update={"scaling": scaling.as_dict()["kind"], "updates": trained.planned}),
        )
        plain = Model(weights, scaling, settings, None, tuple(panel.inputs))
        widening_KQ = widen(plain, values_ST, training, further_PST)
        self.model_ = Model(weights, scaling, settings, widening_KQ, tuple(panel.inputs), make_card(panel, trained))
        self.fitted_ = Fitted(trained, race, training, validation_steps)
        self._panel = panel
        return self

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after the last one fitted on: a table of the kind that came in.

        Raises:
            SettingsError: nothing was fitted yet, a level is not one of the model's, or ``future`` is given (this
                model has no inputs that are known ahead).
        """
        if future is not None:
            raise SettingsError("future: this model has no inputs that are known ahead; leave it out")
        panel: Panel | None = getattr(self, "_panel", None)
        if panel is None:
            raise SettingsError("predict: fit the forecaster first, or load a model and use forecast_panel")
        return forecast_frame(panel, forecast_panel(self.model_, panel, horizon), self.name, level, self._kind())

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Floats:
        """Quantiles (S, O, H, Q) at config.QUANTILES from every origin, in one pass.

        Args:
            panel: the series, aligned at their ends as in training.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.
        """
        model = self._model("predict_many")
        values_ST, further_PST = as_arrays(panel, model.inputs)
        return predictor.predict_many(model, values_ST, np.asarray(origins), horizon, further_PST)

    def full_sequence(self, panel: Panel, origin: int, steps: int, block: int) -> Floats:
        """One run over ``steps`` steps on its own output, medians of the first series, (steps,)."""
        model = self._model("full_sequence")
        values_ST, further_PST = as_arrays(panel, model.inputs)
        further = None if further_PST is None else further_PST[:, 0, : origin + 1]
        return predictor.full_sequence(model, values_ST[0, : origin + 1], steps, block, further)

    def save(self, path: str | Path) -> None:
        """Write the model to one file; ``gatecast forecast DATA --model FILE`` reads it."""
        save_model(self._model("save"), Path(path))

    def load(self, path: str | Path) -> Self:
        """Read a model file written by ``save``."""
        self.model_ = load_model(Path(path))
        return self

    def _model(self, asked: str) -> Model:
        model: Model | None = getattr(self, "model_", None)
        if model is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or load a model")
        return model

    def _kind(self) -> Any:
        return getattr(self, "_like", None)

    @staticmethod
    def _usable(seasons: tuple[int, ...], training: int) -> tuple[int, ...]:
        """The seasons of which the training part holds at least two."""
        return tuple(season for season in seasons if 2 * season <= training) or (1,)

    def _choose_scaling(
        self,
        values_ST: Floats,
        training: int,
        seasons: tuple[int, ...],
        configs: tuple[NetworkConfig, TrainingConfig],
        further_PST: Floats | None,
    ) -> tuple[Scaling, dict[str, float]]:
        """The scaling asked for; for ``auto``, the one whose short training has the lower validation loss."""
        shape, config = configs
        offered: dict[str, Scaling] = {
            "running": Running(seasons),
            "fixed": fixed_from(values_ST[:, :training], seasons),
        }
        if config.scaling != "auto":
            return offered[config.scaling], {}
        if len(values_ST) > 1:  # one level and scale cannot serve many series
            return offered["running"], {}
        updates = config.updates if config.updates is not None else updates_for(int(np.isfinite(values_ST).sum()))
        short = config.model_copy(update={"updates": updates // RACE})
        race = {}
        for kind, scaling in offered.items():
            trained = train(values_ST, training, scaling, (shape, short), further_PST)
            race[kind] = trained.validation
            if trained.interrupted:
                break
        return offered[min(race, key=lambda kind: race[kind])], race


def widen(model: Model, values_ST: Floats, training: int, further_PST: Floats | None) -> Floats:
    """Factors (K, Q) on the distance from the median that make the intervals hold on the validation part.

    Per side and level, the conformal quantile of (truth - median) / (quantile - median) over the validation origins,
    pooled over neighbouring steps ahead (split conformal: Vovk et al. 2005; Romano et al. 2019).  Never below 1: an
    interval is widened where needed and never narrowed.  Beyond the direct horizon a few origins are run on over
    hidden steps, as far as the validation part and four direct horizons reach.
    """
    total, direct = values_ST.shape[1], model.direct_horizon
    rows = np.unique(np.linspace(0, len(values_ST) - 1, min(256, len(values_ST))).round().astype(np.int64))
    values_ST = values_ST[rows]
    further_PST = None if further_PST is None else further_PST[:, rows]

    def truths(origins: NDArray[np.int64], horizon: int) -> Floats:
        ahead = origins[:, None] + np.arange(1, horizon + 1)
        return np.where(ahead < total, values_ST[:, np.minimum(ahead, total - 1)], np.nan)

    origins = np.unique(np.linspace(training - 1, total - 2, min(512, total - training)).round().astype(np.int64))
    near = min(direct, total - training)
    made = predictor.predict_many(model, values_ST, origins, near, further_PST)
    edges = [pool for pool in POOLS if pool <= near] + [near + 1]
    factors = _pooled(truths(origins, near), made, edges)
    reach = min(FAR * direct, total - training - FAR)
    if near < direct or reach <= direct:
        return factors
    origins = np.unique(np.linspace(training - 1, total - 1 - reach, RUN_ON_ORIGINS).round().astype(np.int64))
    few = slice(0, max(1, RUN_ON_ORIGINS // len(values_ST)))
    made = predictor.predict_many(
        model, values_ST[few], origins, reach, None if further_PST is None else further_PST[:, few]
    )
    edges = [*range(direct + 1, reach + 1, direct), reach + 1]
    return np.concatenate([factors, _pooled(truths(origins, reach)[few], made, edges)[direct:]])


def _pooled(truth_SOH: Floats, quantiles_SOHQ: Floats, edges: Sequence[int]) -> Floats:
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


def make_card(panel: Panel, trained: Trained) -> dict[str, Any]:
    """What a model file says of itself: the data by fingerprint and dates, the versions, the course of training."""
    digest = hashlib.sha256(np.ascontiguousarray(panel.values).tobytes()).hexdigest()[:16]
    return {
        "data": {
            "series": len(panel),
            "steps": int(panel.lengths.sum()),
            "first": str(panel.times.min()),
            "last": str(panel.times.max()),
            "frequency": panel.frequency.name,
            "lowest": float(np.nanmin(panel.values)),
            "highest": float(np.nanmax(panel.values)),
            "fingerprint": digest,
        },
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
