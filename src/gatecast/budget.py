"""A time budget for training: how many updates fit into it, and a clock that ends what takes longer.

First the whole fit is rehearsed with a few updates.  The time an update took, and the time everything else took, say
how many updates the budget holds; the fit is then planned with that many, so that its learning rate comes down as it
always does.  If it holds no more than were rehearsed, what was rehearsed is the fit.  The budget bounds: where the
updates that the data ask for fit into it, it changes nothing.  Should the machine turn slow, the clock ends the
training and the best weights so far are kept.

What is planned and what was made is in the settings of the model, and the budget is not: they repeat the fit to the bit
on any clock.  Where checkpoints are kept, the plan and the time used are kept beside them (``ledger``): a fit that was
killed goes on with as many updates as were planned, and in the time that was left.
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
from gatecast.ledger import Ledger, Planned
from gatecast.modelfile import Model
from gatecast.training import CHECKS, Progress, Trained
from gatecast.wording import counted

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
Fit = Callable[[TrainingConfig, Report | None, bool], tuple[Model, F]]


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
        note: is called with the time after every update that does not end the training.
    """

    def __init__(
        self,
        report: Report | None,
        deadline: float = math.inf,
        stop: int | None = None,
        note: Callable[[float], None] | None = None,
    ) -> None:
        self._report, self._deadline, self._stop, self._note = report, deadline, stop, note
        self.count, self.stopped, self.last = 0, False, now()
        self.plain: list[float] = []  # seconds of updates that were not followed by a look

    def __call__(self, step: Progress) -> None:
        """Take note of an update."""
        before, self.last = self.last, now()
        self.count = step.update  # over all trainings of the fit, those before it was killed among them
        if step.validation is None and step.update > 1:
            self.plain.append(self.last - before)
        if self._report is not None:
            self._report(step)
        late = self.last >= self._deadline and step.update < step.updates
        if late or self.count == self._stop:
            self.stopped = True
            raise TimeIsUp
        if self._note is not None:
            self._note(self.last)


def now() -> float:
    """Seconds of a clock that never goes back."""
    return time.perf_counter()


def fit_within(
    fit: Fit[F],
    config: TrainingConfig,
    how: tuple[int, float],
    report: Report | None = None,
    ledger: Ledger | None = None,
) -> tuple[Model, F, str | None]:
    """Fit within the budget of the settings, or as far as their ``stop``; without either, just fit.

    Args:
        fit: the whole fit, from the settings of a training, what it reports to, and whether checkpoints are kept.
        config: the settings.
        how: about how many updates the data ask for, where the settings do not say; and when the budget began,
            as ``now`` tells it.
        report: called after every update; not of the rehearsal.
        ledger: what was planned before, and where the plan is written; None plans anew and writes nothing.

    Returns:
        The model, how the fit went, and what came of the budget in words; None without one.
    """
    if config.budget is None:
        if config.stop is None:
            return *fit(config, report, True), None
        watch = Watch(report, stop=config.stop)
        return *_as_planned(*fit(config, watch, True), watch), None
    (usual, begin), budget = how, config.budget
    plain = config.model_copy(update={"budget": None})
    wanted = usual if config.updates is None else config.updates
    planned, rehearsed = None if ledger is None else ledger.planned, None
    if planned is None:
        watch = Watch(None, begin + REHEARSAL * budget)
        short = plain.model_copy(update={"updates": min(REHEARSED, wanted), "stop": None})
        rehearsed = fit(short, watch, False)
        if rehearsed[1].trained.interrupted and not watch.stopped:  # by Ctrl-C
            return *rehearsed, None
        costs = costs_of(watch, rehearsed[1], begin)
        holds = updates_within(USABLE * (budget - (now() - begin)), costs)
        if holds > rehearsed[1].trained.updates or config.stop is not None:
            rehearsed = None
            planned = Planned(holds if holds < wanted else None, costs.tail, now() - begin)
        else:
            planned = Planned(short.updates, costs.tail, now() - begin, watch.count if watch.stopped else None)
        if ledger is not None:
            ledger.write(planned)
    else:
        begin -= planned.spent
    if rehearsed is None:
        if planned.updates is not None:
            plain = plain.model_copy(update={"updates": planned.updates})
        stop = config.stop if planned.stop is None else planned.stop
        deadline = begin + budget - planned.tail if planned.stop is None else math.inf
        watch = Watch(report, deadline, stop, _note_in(ledger, begin))
        rehearsed = fit(plain, watch, True)
        if ledger is not None and watch.stopped:
            ledger.write(planned._replace(spent=now() - begin, stop=watch.count))
    model, fitted = _as_planned(*rehearsed, watch)
    return model, fitted, _in_words(config, (planned, wanted, watch), fitted.trained.planned, now() - begin)


def _note_in(ledger: Ledger | None, begin: float) -> Callable[[float], None]:
    """What writes down from time to time how much of a budget is used."""

    def note(time: float) -> None:
        if ledger is not None and ledger.planned is not None and ledger.due():
            ledger.write(ledger.planned._replace(spent=time - begin))

    return note


def _in_words(config: TrainingConfig, how: tuple[Planned, int, Watch], asked: int, took: float) -> str:
    """What came of a budget."""
    planned, wanted, watch = how
    words = f"budget of {in_words(config.budget or 0.0)}: "
    if watch.stopped and watch.count != config.stop:
        return words + f"ended by the clock after {counted(watch.count, 'update')}, {asked:,} planned"
    if planned.updates is not None and planned.updates < wanted:
        words += f"holds {planned.updates:,} of the {wanted:,} updates that would be made without it"
    else:
        words += f"all {counted(asked, 'update')} fit into it"
    return f"{words}; took {in_words(took)}"


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
