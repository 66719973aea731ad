"""A time budget for training: how many updates fit into it, and a clock that ends what takes longer.

First the whole fit is rehearsed with a few updates.  The time an update took, and the time everything else took, say
how many updates the budget holds; the fit is then planned with that many, so that its learning rate comes down as it
always does.  If it holds no more than were rehearsed, what was rehearsed is the fit.  The budget bounds: where the
updates that the data ask for fit into it, it changes nothing.  Should the machine turn slow, the clock ends the
training and the best weights so far are kept.

What is planned and what was made is in the settings of the model, and the budget is not: they repeat the fit to the bit
on any clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import NamedTuple, Protocol, Self, TypeVar

from gatecast.config import TrainingConfig
from gatecast.durations import in_words
from gatecast.modelfile import Model
from gatecast.training import CHECKS, Progress, Trained

Report = Callable[[Progress], None]

REHEARSED = 2 * CHECKS  # updates of the rehearsal: every second one is followed by a look at the validation part
REHEARSAL = 0.25  # share of the budget after which the rehearsal ends
USABLE = 0.9  # share of what is left that is planned for
RACED = 0.125  # share of the updates with which each scaling is tried where one is to be chosen


class FitReport(Protocol):
    """How a fit went, as ``fitting.Fitted`` says it."""

    @property
    def trained(self) -> Trained:
        """What training left."""

    @property
    def race(self) -> Mapping[str, float]:
        """The scalings that were tried."""

    def _replace(self, *, trained: Trained) -> Self:
        """The same with another training."""


F = TypeVar("F", bound=FitReport)
Fit = Callable[[TrainingConfig, Report | None], tuple[Model, F]]


class TimeIsUp(KeyboardInterrupt):
    """Ends a training as Ctrl-C does: the best weights so far are kept."""


class Costs(NamedTuple):
    """What a fit costs, in seconds."""

    update: float  # one update of each of its trainings
    rest: float  # all that does not depend on the number of updates
    tail: float  # what follows the last update


class Watch:
    """Looks at the clock after every update, and ends the training at a time or at an update.

    Args:
        report: is called first, as it would be without.
        deadline: the time at which training ends, as ``now`` tells it; not after its last update.
        stop: the update, counted over all trainings of a fit, at which it ends.
    """

    def __init__(self, report: Report | None, deadline: float = math.inf, stop: int | None = None) -> None:
        self._report, self._deadline, self._stop = report, deadline, stop
        self.count, self.stopped, self.last = 0, False, now()
        self.plain: list[float] = []  # seconds of updates that were not followed by a look

    def __call__(self, step: Progress) -> None:
        """Take note of an update."""
        before, self.last = self.last, now()
        self.count += 1
        if step.validation is None and step.update > 1:
            self.plain.append(self.last - before)
        if self._report is not None:
            self._report(step)
        late = self.last >= self._deadline and step.update < step.updates
        if late or self.count == self._stop:
            self.stopped = True
            raise TimeIsUp


def now() -> float:
    """Seconds of a clock that never goes back."""
    return time.perf_counter()


def fit_within(
    fit: Fit[F], config: TrainingConfig, usual: int, report: Report | None = None
) -> tuple[Model, F, str | None]:
    """Fit within the budget of the settings, or as far as their ``stop``; without either, just fit.

    Args:
        fit: the whole fit, from the settings of a training and what it reports to.
        config: the settings.
        usual: about how many updates the data ask for, where the settings do not say.
        report: called after every update; not of the rehearsal.

    Returns:
        The model, how the fit went, and what came of the budget in words; None without one.
    """
    if config.budget is None:
        if config.stop is None:
            return *fit(config, report), None
        watch = Watch(report, stop=config.stop)
        return *_as_planned(*fit(config, watch), watch), None
    begin, budget = now(), config.budget
    plan = config.model_copy(update={"budget": None})
    wanted = usual if config.updates is None else config.updates
    short = plan.model_copy(update={"updates": min(REHEARSED, wanted), "stop": None})
    watch = Watch(None, begin + REHEARSAL * budget)
    model, fitted = fit(short, watch)
    if fitted.trained.interrupted and not watch.stopped:  # by Ctrl-C
        return model, fitted, None
    costs = costs_of(watch, fitted, begin)
    holds = updates_within(USABLE * (budget - (now() - begin)), costs)
    if holds > fitted.trained.updates or config.stop is not None:
        if holds < wanted:
            plan = plan.model_copy(update={"updates": holds})
        watch = Watch(report, begin + budget - costs.tail, config.stop)
        model, fitted = fit(plan, watch)
    else:
        holds = fitted.trained.planned
    model, fitted = _as_planned(model, fitted, watch)
    took, asked = in_words(now() - begin), fitted.trained.planned
    words = f"budget of {in_words(budget)}: "
    if watch.stopped and watch.count != config.stop:
        words += f"ended by the clock after {watch.count:,} updates, {asked:,} were planned"
    elif holds < wanted:
        words += f"holds {holds:,} of the {wanted:,} updates that would be made without it; took {took}"
    else:
        words += f"all {asked:,} updates fit into it; took {took}"
    return model, fitted, words


def costs_of(watch: Watch, fitted: FitReport, begin: float) -> Costs:
    """What a rehearsal that began at ``begin`` and has just ended says of the costs of a fit."""
    end, raced = now(), len(fitted.race)
    one = median(watch.plain) if watch.plain else (end - begin) / max(1, watch.count)
    trainings = max(1, math.ceil(watch.count / REHEARSED)) + RACED * raced
    spent = one * (watch.count + RACED * raced * REHEARSED)
    return Costs(one * trainings, max(0.0, end - begin - spent), end - watch.last)


def updates_within(seconds: float, costs: Costs) -> int:
    """How many updates a time holds, at least one."""
    return max(1, int((seconds - costs.rest) / max(costs.update, 1e-9)))


def settled(asked: TrainingConfig, ran: TrainingConfig) -> TrainingConfig:
    """The settings with a budget's updates in place of the budget, for those who train again beside a fit."""
    if asked.budget is None:
        return asked
    return asked.model_copy(update={"budget": None, "updates": ran.updates, "stop": ran.stop})


def _as_planned(model: Model, fitted: F, watch: Watch) -> tuple[Model, F]:
    """A fit that its clock or its plan ended was not interrupted; its settings say where it ended."""
    if not watch.stopped:
        return model, fitted
    training = model.config.training.model_copy(update={"stop": watch.count})
    of_training = {**model.card.get("training", {}), "interrupted": False}
    model = replace(
        model,
        config=model.config.model_copy(update={"training": training}),
        card={**model.card, "training": of_training},
    )
    return model, fitted._replace(trained=fitted.trained._replace(interrupted=False))
