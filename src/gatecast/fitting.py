"""From series to a model: a network is trained, from nothing or from another model's, and its intervals are checked.

``fit_model`` starts from the shipped weights or from nothing, see ``settle``, and may choose the scaling.
``continue_model`` goes on from a model, with more updates on the series it learned from.  ``tune_model`` goes on from a
model too: few updates at a low learning rate adapt what it knows to new series.  ``refit_model`` goes on with the same
series, which have grown, as a backtest does.

With a folder to write to, every network that a fit trains is a stage of a checkpoint, see ``checkpoint``; a fit that
was killed and is begun again with the same folder goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.cards import About, make_card
from gatecast.checkpoint import FREE, Checkpoint, Kept, fingerprint_of
from gatecast.config import NetworkConfig, RunConfig, TrainingConfig, with_defaults
from gatecast.covariates import Column
from gatecast.errors import DataError, ModelFileError, SettingsError
from gatecast.frequency import require_season_lengths, season_lengths
from gatecast.ledger import Ledger
from gatecast.modelfile import Model, with_seasons
from gatecast.panel import Panel
from gatecast.predictor import require_columns
from gatecast.runtime import weights_from_arrays, weights_to_arrays
from gatecast.scaling import Running, Scaling, fixed_from
from gatecast.supply import Planes, Supply, fingerprint
from gatecast.training import Progress, Terms, Trained, batch_for, train, updates_for
from gatecast.widening import widen
from gatecast.wording import counted
from gatecast.zeroshot import shipped

Report = Callable[[Progress], None]

CLEARLY = 0.9  # share of the running scaling's validation loss below which the fixed one is chosen
FAR = 2 / 3  # share of the shipped weights' validation loss below which a short training from nothing is preferred
RACE = 8  # when the scaling is to be chosen, each is given an eighth of the updates first
LEAST_UPDATES = 100  # when a panel is trained again from nothing
GENTLE = 1e-3  # peak of the learning rate when a network that has learned already goes on
TUNING = 200  # updates then
DRAWN_BACK = 0.25  # share of the way back to where it began that it then goes in the end
SHOWN, LONGEST = 3, 1024  # seasons that a window then shows, and the steps it shows at most
LEAST_REFIT = 10  # updates of a refit
REFIT_CHECKS = 2  # looks at the validation part then, beside the one before the first update
ON_THE_WAY = "on_the_way/"  # before the names of arrays that are snapshots
AGAIN = "again"  # the stage in which a panel's validation part is learned from, too, and chooses nothing


class Fitted(NamedTuple):
    """How a fit went, beside the model itself."""

    trained: Trained
    race: dict[str, float]  # validation loss of each scaling tried, empty when it was given
    training: int
    validation: int


class Series(NamedTuple):
    """What is learned from."""

    planes: Planes
    about: About
    validation: int  # steps at the end of each series that choose the weights

    @property
    def training(self) -> int:
        """Steps of the longest training part."""
        return int(self.planes.lengths.max()) - self.validation

    def seasons(self, asked: tuple[int, ...] | None) -> tuple[int, ...]:
        """Steps per season: those asked for, or those of the calendar of which the training part holds two."""
        if asked is not None:
            require_season_lengths(asked)
        usual = season_lengths(self.about.frequency)
        return asked or tuple(season for season in usual if 2 * season <= self.training) or (1,)

    def reachable(self, horizon: int) -> int:
        """Steps ahead that can be learned: a panel's must be seen in a good part of its series."""
        lengths = self.planes.lengths - self.validation
        most = int(lengths.max()) - 2 if len(lengths) == 1 else int(np.quantile(lengths, 0.75)) // 2
        return max(1, min(horizon, most))


class Wishes(NamedTuple):
    """What was asked for; None where nothing was."""

    network: NetworkConfig | None = None
    training: TrainingConfig | None = None
    season_length: tuple[int, ...] | None = None
    checkpoint: Path | None = None  # a folder to keep checkpoints in, and to go on from


class _Plan(NamedTuple):
    """How a network is found."""

    shape: NetworkConfig
    config: TrainingConfig
    seasons: tuple[int, ...]
    direct: int  # steps ahead that the head is asked for once it has learned
    start: Mapping[str, NDArray[Any]] | None = None  # weights it begins with
    back: float = 0.0  # share of the way that it is drawn back to these in the end
    checkpoint: Checkpoint | None = None

    def supply(self, series: Series, validation: int) -> Supply:
        """The series, cut as this plan reads them."""
        return Supply(series.planes, validation, self.config.context + self.config.horizon, max(self.seasons))

    def shortened(self, supply: Supply) -> _Plan:
        """The same from nothing, with as few updates as show whether a scaling serves."""
        updates = self.config.updates if self.config.updates is not None else updates_for(supply.steps)
        return self._replace(config=self.config.model_copy(update={"updates": updates // RACE}), start=None)

    def kept_in(self, folder: Path | None, series: Series, kind: str) -> _Plan:
        """This plan with a checkpoint in a folder, which then belongs to this plan on these series."""
        if folder is None:
            return self
        identity = {
            "kind": kind,
            "data": fingerprint(series.planes),
            "columns": [column.as_dict() for column in series.about.columns],
            "validation": series.validation,
            "seasons": self.seasons,
            "network": self.shape.model_dump(mode="json"),
            "training": self.config.model_dump(mode="json", exclude=FREE),
            "direct": self.direct,
            "start": None if self.start is None else fingerprint_of(self.start),
        }
        return self._replace(checkpoint=Checkpoint(folder, identity, self.config.checkpoint_seconds))


def fit_model(series: Series, wishes: Wishes, progress: Report | None = None) -> tuple[Model, Fitted]:
    """Train a network: from the shipped weights where they serve, else from nothing, see ``settle``.

    Raises:
        SettingsError: the shipped weights are asked for, and cannot serve.
        DataError: no series is long enough to train on.
    """
    wishes = settle(series, wishes)
    if wishes.training is not None and wishes.training.start == "shipped":
        return tune_model(_shipped_for(wishes.training), series, wishes, progress)
    plan, supply = _from_nothing(series, wishes)
    plan = plan.kept_in(wishes.checkpoint, series, "fit")
    scaling, race = _choose_scaling(supply, plan)
    return _learned(series, supply, (plan, scaling, race), progress)


def _from_nothing(series: Series, wishes: Wishes) -> tuple[_Plan, Supply]:
    """How a network is found that knows nothing yet, and what it learns from.

    Raises:
        DataError: no series is long enough to train on.
    """
    shape, config = wishes.network or NetworkConfig(), wishes.training or TrainingConfig()
    config = config.model_copy(update={"horizon": series.reachable(config.horizon), "start": "nothing"})
    plan = _Plan(shape, config, series.seasons(wishes.season_length), config.horizon)
    supply = plan.supply(series, series.validation)
    _require_enough(series, supply)
    return plan, supply


def continue_model(
    start: Model, series: Series, wishes: Wishes, progress: Report | None = None
) -> tuple[Model, Fitted]:
    """Go on from a model on the series that it learned from, which may have grown: more updates, gently.

    Its shape, scaling, seasons and direct horizon stay.  Its weights are where the training begins, and are kept if no
    later ones do better on the validation part.

    Raises:
        SettingsError: a network of another shape, other seasons or another scaling are asked for.
        DataError: no series is long enough to train on.
    """
    scaling = start.scaling
    if wishes.season_length is not None and tuple(wishes.season_length) != scaling.seasons:
        raise SettingsError(
            f"continue_fit: season_length = {tuple(wishes.season_length)} is asked for, and the model has learned with "
            f"{scaling.seasons}; leave it out, or train a model with fit"
        )
    kind, asked = scaling.as_dict()["kind"], wishes.training or TrainingConfig()
    if asked.scaling not in {"auto", kind}:
        raise SettingsError(
            f"continue_fit: scaling = {asked.scaling!r} is asked for, and the model has learned with {kind!r}; leave "
            "it out, or train a model with fit"
        )
    return _go_on("continue_fit", start, series, (wishes, scaling), progress)


def tune_model(start: Model, series: Series, wishes: Wishes, progress: Report | None = None) -> tuple[Model, Fitted]:
    """Go on from a model: its network adapts to the series and their seasons.

    Its shape and direct horizon stay, and with no update at all so do its medians.  The learning rate and the number of
    updates are those of tuning where none are set on purpose.

    Raises:
        SettingsError: the model's scaling is fixed, or a network of another shape is asked for.
        DataError: no series is long enough to train on.
    """
    if not isinstance(start.scaling, Running):
        raise SettingsError(
            "fine_tune: the model's level and scale are fixed to the series it was trained on; fit this table anew, or "
            "start from a model trained with scaling = 'running'"
        )
    scaling = with_seasons(start, series.seasons(wishes.season_length)).scaling
    return _go_on("fine_tune", start, series, (wishes, scaling), progress)


def _go_on(
    kind: str, start: Model, series: Series, how: tuple[Wishes, Scaling], progress: Report | None
) -> tuple[Model, Fitted]:
    """Train from a model's weights; the rate and the number of updates are low where none are set on purpose."""
    wishes, scaling = how
    plan, supply = _from_weights(kind, start, series, how)
    plan = plan._replace(back=DRAWN_BACK if kind == "fine_tune" else 0.0).kept_in(wishes.checkpoint, series, kind)
    model, fitted = _learned(series, supply, (plan, scaling, {}), progress)
    return replace(model, card={**model.card, "start": dict(start.card)}), fitted


def _from_weights(kind: str, start: Model, series: Series, how: tuple[Wishes, Scaling]) -> tuple[_Plan, Supply]:
    """How a network goes on that has learned before, and what it learns from now.

    Raises:
        SettingsError: a network of another shape is asked for.
        DataError: no series is long enough to train on.
    """
    wishes, scaling = how
    shape = _shape_of(start, wishes.network, kind)
    usual = {"learning_rate": GENTLE, "updates": TUNING, "horizon": start.direct_horizon}
    plainly = TrainingConfig().context
    usual["context"] = max(plainly, min(SHOWN * max(scaling.seasons), LONGEST))
    asked = with_defaults(wishes.training or TrainingConfig(), **usual)
    config = asked.model_copy(update={"horizon": series.reachable(asked.horizon)})
    plan = _Plan(shape, config, scaling.seasons, asked.horizon, weights_to_arrays(start.weights))
    supply = plan.supply(series, series.validation)
    _require_enough(series, supply)
    if config.batch is None:  # longer windows, fewer of them
        fewer = max(4, batch_for(supply) * plainly // max(plainly, config.context))
        plan = plan._replace(config=config.model_copy(update={"batch": fewer}))
    return plan, supply


def ledger_of(series: Series, wishes: Wishes, kind: str = "fit", start: Model | None = None) -> Ledger | None:
    """Where what a time budget came to is kept; None without a budget, or without checkpoints.

    Args:
        series: what is learned from.
        wishes: what was asked for.
        kind: the call that asks.
        start: the model that it goes on from, if it goes on from one.

    Raises:
        SettingsError: the checkpoint's folder holds an unfinished fit of other data or settings.
        ModelFileError: what it holds is damaged or of a newer version.
    """
    if wishes.checkpoint is None or wishes.training is None or wishes.training.budget is None:
        return None
    identity = {
        "kind": kind,
        "start": None if start is None else fingerprint_of(weights_to_arrays(start.weights)),
        "data": fingerprint(series.planes),
        "validation": series.validation,
        "seasons": wishes.season_length,
        "network": None if wishes.network is None else wishes.network.model_dump(mode="json"),
        "training": wishes.training.model_dump(mode="json", exclude=FREE),
    }
    return Ledger(wishes.checkpoint, identity, wishes.training.checkpoint_seconds)


def usual_updates(series: Series, wishes: Wishes) -> int:
    """How many updates a fit makes where the settings do not say: fewer where it starts from the shipped weights."""
    shipped_start = wishes.training is not None and wishes.training.start == "shipped"
    return TUNING if shipped_start else updates_for(int(series.planes.lengths.sum()))


def settle(series: Series, wishes: Wishes) -> Wishes:
    """The same wishes, which say where the fit begins: with nothing, or with the shipped weights.

    Where nothing was said, it is the shipped weights if they can serve: no columns beside the target, no fixed scaling,
    no other shape of the network.  For a single series a network is first trained for a moment from nothing, with a
    fixed scale: if that one is far better on the validation part than the shipped weights as they are, as it is on a
    wave without noise, the fit starts from nothing.

    Raises:
        SettingsError: the shipped weights are asked for, and cannot serve.
        DataError: no series is long enough to train on.
    """
    asked = wishes.training or TrainingConfig()
    columns = series.about.columns
    if asked.start == "shipped" and asked.scaling == "fixed":
        raise SettingsError(
            "start = 'shipped' and scaling = 'fixed': the shipped weights know a running level and scale alone; "
            "leave one of the two out"
        )
    if asked.start == "shipped" and columns:
        names = ", ".join(column.name for column in columns)
        raise SettingsError(
            f"start = 'shipped': the shipped weights read the target alone, and the table is given with {names}; leave "
            "these out, or start from nothing"
        )
    start = asked.start
    if start == "auto":
        shaped = wishes.network is not None and wishes.network.model_fields_set & {
            "units",
            "layers",
            "forget_bias",
            "cell",
        }
        serves = not columns and asked.scaling != "fixed" and not shaped
        start = "shipped" if serves and not _better_from_nothing(series, wishes) else "nothing"
    return wishes._replace(training=asked.model_copy(update={"start": start}))


def _better_from_nothing(series: Series, wishes: Wishes) -> bool:
    """Whether a short training from nothing with a fixed scale is far better than the shipped weights, untrained."""
    asked = wishes.training or TrainingConfig()
    if len(series.planes.lengths) > 1 or asked.scaling == "running":
        return False
    plan, supply = _from_nothing(series, wishes)
    tried = _trained(supply, _fixed_for(supply, plan), plan.shortened(supply), "trial-fixed")
    if tried.interrupted:  # by Ctrl-C, before anything was learned that could be kept
        raise KeyboardInterrupt
    known = _shipped_for(asked)
    wishes = wishes._replace(training=asked.model_copy(update={"updates": 0}))
    scaling = with_seasons(known, series.seasons(wishes.season_length)).scaling
    plan, supply = _from_weights("fine_tune", known, series, (wishes, scaling))
    return tried.validation < FAR * _trained(supply, scaling, plan, "trial-shipped").validation


def _shipped_for(config: TrainingConfig) -> Model:
    """The shipped network that a seed starts from."""
    known = shipped()
    return known[config.seed % len(known)]


def refit_model(start: Model, fitted: Fitted, series: Series, new: int) -> tuple[Model, Fitted]:
    """Go on with series that a model was fitted to and that have grown since.

    Scaling, shape and settings stay.  The learning rate is that of tuning, and every new step gets as many updates as
    each had in the first fit.  One series' validation part decides whether the weights move, and its intervals are
    checked anew on it up to the direct horizon; their factors beyond stay.  A panel's network goes on with all steps,
    as it had ended, and its factors stay.

    Args:
        start: the model fitted before.
        fitted: how that went.
        series: all there is now.
        new: steps that were not there then.

    Raises:
        DataError: no series is long enough to train on.
    """
    usual, planned = start.config.training, fitted.trained.planned
    count = int(start.card.get("refits", 0)) + 1
    config = usual.model_copy(
        update={
            "learning_rate": min(GENTLE, usual.learning_rate),
            "updates": max(min(LEAST_REFIT, planned), min(planned, round(planned * new / series.planes.lengths.sum()))),
            "seed": usual.seed + count,  # other windows than before
            "horizon": series.reachable(usual.horizon),
            "readout": fitted.trained.readout,
        }
    )
    plan = _Plan(start.config.network, config, start.scaling.seasons, usual.horizon)
    choose = len(series.planes.lengths) == 1 or not usual.retrain
    supply = plan.supply(series, series.validation if choose else 1)
    _require_enough(series, supply)
    arrays = weights_to_arrays(start.weights)
    trained = train(supply, start.scaling, (plan.shape, config), None, Terms(choose, arrays, REFIT_CHECKS))
    widening_KQ = start.widening_KQ
    model = replace(start, weights=weights_from_arrays(trained.arrays), widening_KQ=None)
    if choose:
        near_KQ = widen(model, supply.judged(), far=False)
        widening_KQ = near_KQ if widening_KQ is None else np.concatenate([near_KQ, widening_KQ[len(near_KQ) :]])
    else:
        trained = trained._replace(validation=fitted.trained.validation)
    card = {**make_card(trained), "data": series.about.card, "refits": count}
    trained = trained._replace(planned=planned, readout=fitted.trained.readout)  # the first fit's say what follows
    model = replace(model, widening_KQ=widening_KQ, card=card)
    return model, Fitted(trained, fitted.race, series.training, series.validation)


def columns_to_tune(start: Model, panel: Panel, kind: str = "fine_tune") -> tuple[Column, ...]:
    """Return the columns as the model knows them, if the panel has these and no others.

    Raises:
        DataError: one is lacking.
        SettingsError: there are others.
    """
    require_columns(start, panel)
    known = {column.name for column in start.columns}
    more = [name for table in (panel.inputs, panel.known, panel.static) for name in table if name not in known]
    if more:
        reads = ", ".join(known) if known else "no columns beside the target"
        raise SettingsError(
            f"{kind}: the table is given with {', '.join(more)}, and the model to start from reads {reads}; leave "
            "the others out, or train a model on them with fit"
        )
    return start.columns


def _shape_of(start: Model, asked: NetworkConfig | None, kind: str) -> NetworkConfig:
    units, layers = start.weights.units, len(start.weights.layers)
    shaped = asked is not None and asked.model_fields_set & {"units", "layers"}
    if asked is not None and shaped and (asked.units, asked.layers) != (units, layers):
        raise SettingsError(
            f"{kind}: a network of {asked.layers} x {asked.units} units is asked for, and the one to start from has "
            f"{layers} x {units}, which stay; leave the network's settings out, or train one with fit"
        )
    cell = start.weights.cell
    if asked is not None and "cell" in asked.model_fields_set and asked.cell != cell:
        raise SettingsError(
            f"{kind}: cell = {asked.cell!r} is asked for, and the network to start from is made of {cell!r}, which "
            "stays; leave the network's settings out, or train one with fit"
        )
    return (asked or start.config.network).model_copy(update={"units": units, "layers": layers, "cell": cell})


def _require_enough(series: Series, supply: Supply) -> None:
    if series.training < 10 or supply.known < 10:
        raise DataError(
            f"the training part has {counted(supply.known, 'value')}; at least 10 are needed "
            f"before the {counted(series.validation, 'validation step')}"
        )


def _learned(
    series: Series, supply: Supply, how: tuple[_Plan, Scaling, dict[str, float]], progress: Report | None
) -> tuple[Model, Fitted]:
    """Train, check the intervals on the validation part, and train a panel again with it."""
    plan, scaling, race = how
    shape, config = plan.shape, plan.config
    trained = _trained(supply, scaling, plan, f"training-{scaling.as_dict()['kind']}", progress)
    chosen = {"scaling": scaling.as_dict()["kind"], "updates": trained.planned}
    config = config.model_copy(update={**chosen, "batch": config.batch or batch_for(supply)})
    settings = RunConfig(
        data=series.about.data.model_copy(update={"season_length": plan.seasons}),
        network=shape,
        training=config.model_copy(update={"horizon": plan.direct}),
    )
    plain = Model(weights_from_arrays(trained.arrays), scaling, settings, None, series.about.columns)
    widening_KQ = widen(plain, supply.judged())
    if supply.series > 1 and config.retrain and trained.best_update and not trained.interrupted:
        everything = plan.supply(series, 1)
        trained = _trained_again(everything, scaling, plan._replace(config=config), trained, progress)
        plain = replace(plain, weights=weights_from_arrays(trained.arrays))
        widening_KQ = np.sqrt(widening_KQ)  # half the way: it has now learned from what it was checked on
    card = {**make_card(trained), "data": series.about.card}
    model = replace(plain, widening_KQ=widening_KQ, card=card)
    if plan.checkpoint is not None and not trained.interrupted:
        plan.checkpoint.close()
    return model, Fitted(trained, race, series.training, series.validation)


def _choose_scaling(supply: Supply, plan: _Plan) -> tuple[Scaling, dict[str, float]]:
    """The scaling asked for; for ``auto`` the fixed one only if its short training is clearly better.

    A fixed level and scale know no other range than that of the training part.
    """
    config, seasons = plan.config, plan.seasons
    if config.scaling == "running" or (config.scaling == "auto" and supply.series > 1):
        return Running(seasons), {}  # one level and scale cannot serve many series
    fixed = _fixed_for(supply, plan)
    if config.scaling == "fixed":
        return fixed, {}
    offered: dict[str, Scaling] = {"running": Running(seasons), "fixed": fixed}
    race = {}
    for kind, scaling in offered.items():
        trained = _trained(supply, scaling, plan.shortened(supply), f"trial-{kind}")
        race[kind] = trained.validation
        if trained.interrupted:
            break
    clearly = race.get("fixed", np.inf) < CLEARLY * race["running"]
    return offered["fixed" if clearly else "running"], race


def _fixed_for(supply: Supply, plan: _Plan) -> Scaling:
    """A level and a scale that stay, from the training part."""
    part = supply.pool(np.random.default_rng(plan.config.seed))
    return fixed_from(part.values_ST[:, : part.training], plan.seasons)


def _trained_again(
    everything: Supply, scaling: Scaling, plan: _Plan, first: Trained, progress: Report | None
) -> Trained:
    """A panel's network trained on all of its steps, as long as the validation part found to be best."""
    least = 0 if plan.start is not None else min(LEAST_UPDATES, first.planned)
    updates = max(least, first.best_update)

    def report(step: Progress) -> None:
        if progress is not None:
            progress(step._replace(update=first.updates + step.update, updates=first.updates + step.updates))

    longer = plan._replace(config=plan.config.model_copy(update={"updates": updates}))
    again = _trained(everything, scaling, longer, AGAIN, report)
    if again.interrupted:
        return first._replace(interrupted=True)
    return again._replace(validation=first.validation, history=first.history, planned=first.planned)


def _trained(supply: Supply, scaling: Scaling, plan: _Plan, name: str, progress: Report | None = None) -> Trained:
    """Train a network, or take it from the checkpoint where it is done."""
    stage = None if plan.checkpoint is None else plan.checkpoint.stage(name)
    if stage is not None and (done := stage.result()) is not None:
        return _from_kept(done)
    terms = Terms(choose=name != AGAIN, start=plan.start, back=plan.back, stage=stage)
    trained = train(supply, scaling, (plan.shape, plan.config), progress, terms)
    if stage is not None and not trained.interrupted:
        stage.finish(_as_kept(trained))
    return trained


def _as_kept(trained: Trained) -> Kept:
    """A result as a checkpoint keeps it."""
    numbers = trained._asdict()
    arrays = dict(numbers.pop("arrays"))
    for update, weights in numbers.pop("snapshots"):
        arrays |= {f"{ON_THE_WAY}{update}/{name}": array for name, array in weights.items()}
    return Kept(arrays, numbers | {"update": trained.updates})


def _from_kept(kept: Kept) -> Trained:
    """The result that ``_as_kept`` took apart.

    Raises:
        ModelFileError: something is missing.
    """
    try:
        numbers = {name: kept.numbers[name] for name in Trained._fields if name not in ("arrays", "snapshots")}
    except LookupError as error:
        raise ModelFileError(f"the checkpoint's result lacks {error}; begin again without it") from None
    numbers["history"] = [(update, loss, validation) for update, loss, validation in numbers["history"]]
    arrays: dict[str, NDArray[Any]] = {}
    snapshots: dict[int, dict[str, NDArray[Any]]] = {}
    for name, array in kept.arrays.items():
        if name.startswith(ON_THE_WAY):
            update, _, rest = name.removeprefix(ON_THE_WAY).partition("/")
            snapshots.setdefault(int(update), {})[rest] = array
        else:
            arrays[name] = array
    return Trained(arrays, **numbers, snapshots=tuple(sorted(snapshots.items())))
