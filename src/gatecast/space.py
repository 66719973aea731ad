"""The space that a search of settings looks through, and what one of its points is worth.

A point is scored by a whole fit: the network learns from what lies before the validation part and forecasts that part
from many origins.  The score is the CRPS of these forecasts over the series' seasonal scale, as in MASE; the mean over
the series counts.  The test part is cut away before anything begins.

Key: S series, O origin, H horizon step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gatecast import metrics
from gatecast.cards import card_of
from gatecast.config import DIRECT_HORIZON, USUAL_HORIZON, RunConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.frames import until
from gatecast.panel import Panel
from gatecast.panel_run import cut_of
from gatecast.rolling import Plan, roll
from gatecast.scoring import mean_where_known, scales_of
from gatecast.seasons import found_season
from gatecast.training import Progress, updates_for
from gatecast.windows import split_steps

SPACE = 1  # its version: a search goes on in a storage of the same space only
ORIGINS = 24  # at most about so many, from which a trial forecasts the validation part
SHARES = (0.5, 1.0, 2.0)  # of the updates that the data ask for


class Start(NamedTuple):
    """Where a search starts from."""

    settings: RunConfig
    panel: Panel
    seasons: tuple[int, ...]  # that go with the data
    scaling: str


class Proposer(Protocol):
    """What chooses among settings: a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of some choices."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """A number between two others."""


class Space:
    """What is searched, and what a trial looks at.

    Args:
        start: the settings that are to be beaten, and the data.

    Attributes:
        known: the series without their test part.
        default: the settings to be beaten, as a point of the space.
        choices: by setting, what it may be; of the learning rate and dropout, the bounds.
    """

    def __init__(self, start: Start) -> None:
        self.start, settings = start, start.settings
        panel, training, network = start.panel, settings.training, settings.network
        if len(panel) == 1:
            split = split_steps(int(panel.lengths[0]), settings.data.test, settings.data.validation)
            test, self.validation = split.total - split.validation, split.validation - split.training
            horizon = settings.horizon or min(USUAL_HORIZON, test)
        else:
            cut = cut_of(panel.lengths, settings)
            test, self.validation, horizon = cut.test, cut.validation, cut.horizon
        self.known = until(panel, np.maximum(panel.lengths - test, 0))
        self.horizon = min(horizon, DIRECT_HORIZON, self.validation)
        room = self.validation - self.horizon
        step = max(1, room // (ORIGINS - 1))
        self.plan = Plan(self.horizon, 1 + room // step, step)
        longest = int(self.known.lengths.max()) - self.validation
        usual = settings.data.season_length or self._usual_seasons()
        scaling = training.scaling if training.scaling != "auto" else start.scaling
        scaling = "running" if len(panel) > 1 and scaling == "auto" else scaling
        self.default: dict[str, Any] = {
            "units": network.units,
            "layers": network.layers,
            "dropout": network.dropout,
            "context": training.context,
            "learning_rate": training.learning_rate,
            "scaling": scaling,
            "updates": 1.0,
            "hide": training.hide,
            "season_length": _text(usual),
        }
        contexts = [steps for steps in (32, 64, 128, 256, 512) if steps <= max(32, longest)]
        self.choices: dict[str, list[Any]] = {
            "units": [16, 32, 48, 64, 96],
            "layers": [1, 2],
            "dropout": [0.0, 0.1, 0.2, 0.4],
            "context": contexts,
            "scaling": ["running"] if len(panel) > 1 else ["running", "fixed"],
            "updates": list(SHARES),
            "hide": [0.0, 0.1, 0.2, 0.4],
            "season_length": self._seasons(usual),
        }
        self.choices = {name: sorted({*choices, self.default[name]}, key=str) for name, choices in self.choices.items()}
        rate = training.learning_rate
        self.rates = min(1e-3, rate), max(3e-2, rate)

    def propose(self, trial: Proposer) -> dict[str, Any]:
        """A point of the space, as a trial proposes it."""
        point = {name: trial.suggest_categorical(name, choices) for name, choices in self.choices.items()}
        return {**point, "learning_rate": trial.suggest_float("learning_rate", *self.rates, log=True)}

    def config(self, point: Mapping[str, Any], panel: Panel, seed: int) -> RunConfig:
        """A point as settings, for training on a panel."""
        settings, share = self.start.settings, point["updates"]
        usual = settings.training.updates or updates_for(int(panel.lengths.sum()))
        updates = settings.training.updates if share == 1 else round(share * usual)
        network = {name: point[name] for name in ("units", "layers", "dropout")}
        of_training = {name: point[name] for name in ("context", "learning_rate", "scaling", "hide")}
        of_training |= {"updates": updates, "seed": seed, "budget": None}
        seasons = tuple(int(part) for part in point["season_length"].split(","))
        data = settings.data.model_copy(update={"season_length": seasons})
        return settings.model_copy(
            update={
                "network": settings.network.model_copy(update=network),
                "training": settings.training.model_copy(update=of_training),
                "data": data,
            }
        )

    def about(self) -> str:
        """What a storage says of its search: it goes on with the same data and settings only."""
        settings = self.start.settings.model_dump(mode="json", exclude={"data": {"source"}})
        card = {name: value for name, value in card_of(self.known).items() if name in ("fingerprint", "series")}
        return json.dumps({"space": SPACE, "data": card, "horizon": self.horizon, "settings": settings}, sort_keys=True)

    def _usual_seasons(self) -> tuple[int, ...]:
        longest = int(self.known.lengths.max()) - self.validation
        return tuple(season for season in self.start.seasons if 2 * season <= longest) or (1,)

    def _seasons(self, usual: tuple[int, ...]) -> list[str]:
        if self.start.settings.data.season_length is not None:
            return [_text(usual)]
        found = found_season(self.known, self.validation)
        return list(dict.fromkeys([_text(usual), *(_text((season,)) for season in (*usual, found, 1))]))


def _text(seasons: tuple[int, ...]) -> str:
    return ",".join(map(str, seasons))


class _Candidate:
    """A network that is trained while somebody watches: a forecaster of many origins for ``roll``."""

    name = "LSTM"

    def __init__(self, config: RunConfig, validation: int, watch: Callable[[Progress], None]) -> None:
        self._config, self._validation, self._watch = config, validation, watch

    def fit(self, panel: Panel) -> Self:
        config = self._config
        steps = max(1, min(self._validation, int(np.median(panel.lengths)) // 4))
        training = config.training.model_copy(update={"horizon": min(config.horizon or USUAL_HORIZON, DIRECT_HORIZON)})
        self.model = LSTMForecaster(config.network, training, season_length=config.data.season_length)
        self.model.fit_panel(panel, steps, self._watch)
        if self.model.fitted_.trained.interrupted:
            raise KeyboardInterrupt
        return self

    fit_panel = fit

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
        return self.model.predict_many(panel, origins, horizon)


def score(space: Space, point: Mapping[str, Any], seed: int, watch: Callable[[Progress], None]) -> float:
    """Train on what lies before the validation part and judge the forecasts of it: the lower the better.

    Raises:
        GatecastError: the settings cannot work on this table, or no series is long enough.
        KeyboardInterrupt: Ctrl-C ended the training.
    """
    before = until(space.known, np.maximum(space.known.lengths - space.validation, 0))
    config = space.config(point, before, seed).model_copy(update={"horizon": space.horizon})
    season = int(space.default["season_length"].split(",")[0])
    candidate = _Candidate(config, space.validation, watch)
    done = roll(space.known, candidate, space.plan, season_length=season)
    losses_SOH = metrics.crps_losses(done.truth_SOH, done.forecasts["LSTM"])
    return float(mean_where_known(mean_where_known(losses_SOH, (1, 2)) / scales_of(done), 0))


def in_difference(point: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """What is other than in the default, in words."""
    words = {"updates": "updates ×"}
    changed = [name for name in default if point[name] != default[name]]
    parts = [
        f"{words.get(name, name)} {point[name]:.3g}"
        if isinstance(point[name], float)
        else f"{name.replace('_', ' ')} {point[name]}"
        for name in changed
    ]
    return ", ".join(part.replace("learning_rate", "learning rate") for part in parts) or "the default"
