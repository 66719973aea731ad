"""Search for better settings: trials on the training part, pruned and resumable, and an honest word on what they won.

A trial is a whole fit, judged on the validation part, see ``space``; the test part is cut away before anything begins.
The first trial is the default, so that there is always something to be better than.

The best of many trials owes some of its score to chance.  So it meets the default again, both with fresh seeds, and
only if it wins there are its settings written.

Optuna proposes the settings (its tree-structured Parzen estimator: Bergstra, Bardenet, Bengio & Kegl, "Algorithms for
hyper-parameter optimization", NeurIPS 2011) and the median of earlier trials prunes those that lag behind.  A trial's
proposal depends on the seed and on the finished trials alone: a search that was killed and goes on finds the same.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatecast.columns import Columns, names_in
from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.durations import seconds_of
from gatecast.errors import GatecastError, MissingExtraError, OutputError, SettingsError
from gatecast.opening import open_source, open_table
from gatecast.sources import Source
from gatecast.space import Space, Start, in_difference, score
from gatecast.training import CHECKS, Progress
from gatecast.tuned import Tried, Tuned, sentence_of

try:
    import optuna
    from optuna.trial import TrialState
except ImportError:
    raise MissingExtraError("a search needs optuna, which is not installed; pip install 'gatecast[tune]'") from None

Note = Callable[[str], None]

STUDY = "gatecast"
FRESH = 2  # seeds with which the best and the default meet again
RANDOM = 8  # trials before the estimator proposes
PRUNED_AFTER = 5, 6  # finished trials, and looks of a trial, before one can be pruned


class Limits(NamedTuple):
    """How long to search."""

    seconds: float | None = None
    trials: int | None = None
    storage: Path | None = None  # an SQLite file; None keeps the trials in memory


def tune(  # noqa: PLR0913 (the search and the choice of columns, as keywords)
    data: Any,
    *,
    budget: str | float | None = None,
    trials: int | None = None,
    storage: str | Path | None = None,
    horizon: int | None = None,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    season_length: tuple[int, ...] | None = None,
    note: Note | None = None,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    wide: bool = False,
    zone: str | None = None,
    frequency: str | None = None,
    fix: Sequence[str] = (),
) -> Tuned:
    """Search for settings on a table's training part; ``.save(path)`` writes them for ``gatecast run --config``.

    Args:
        data: a frame, numbers, a panel, a named set, or the path of a file or folder.
        budget: how long to search: seconds, or a time such as ``10m``.
        trials: how many trials there are to be in all; the same number repeats exactly.  One of the two is needed.
        storage: an SQLite file that keeps the trials; called again with it, a search goes on.
        horizon: steps ahead that count; None as in a run.
        network: where the search starts from: the default that is to be beaten.
        training: the same; its seed is the search's too.
        season_length: steps per season, which are then not searched.
        note: is told of every trial.
        time: the column of times; this and the following as for ``backtest``.
        target: the column to forecast, or several.
        series_id: the column that names the series.
        inputs: columns known up to now only.
        known: columns known in advance.
        static: columns that stay the same for a series.
        wide: each column of numbers is a series.
        zone: the time zone of times that carry none.
        frequency: the spacing.
        fix: what to mend first.

    Raises:
        SettingsError: a setting cannot work, or the storage holds another search.
        DataError: the data cannot be read, or no series is long enough.
    """
    try:
        seconds = None if budget is None else seconds_of(budget)
    except ValueError as error:
        raise SettingsError(f"budget = {error}") from None
    limits = Limits(seconds, trials, None if storage is None else Path(storage))
    named = data if isinstance(data, str | Path) else ""
    asked = DataConfig(
        source=str(named),
        time=time,
        target=target if target is None or isinstance(target, str) else tuple(target),
        series_id=series_id,
        inputs=names_in(inputs),
        known=names_in(known),
        static=names_in(static),
        wide=wide,
        zone=zone,
        frequency=frequency,
        fix=tuple(fix),
        season_length=season_length,
    )
    settings = RunConfig(
        data=asked, network=network or NetworkConfig(), training=training or TrainingConfig(), horizon=horizon
    )
    if named:
        return search(settings, open_source(asked), limits, note)
    columns = Columns(time, target, series_id, asked.inputs, asked.known, asked.static, wide, zone)
    opened = open_table(data, columns, frequency=frequency, fix=fix)
    start = Start(settings, opened.panel, opened.season_length, "auto")
    return _search(start, limits, note or (lambda line: None))


def search(settings: RunConfig, source: Source, limits: Limits, note: Note | None = None) -> Tuned:
    """Search for settings as ``tune`` does, from the settings of a run and its opened data."""
    start = Start(settings, source.panel, source.season_length, source.scaling)
    return _search(start, limits, note or (lambda line: None))


# ------------------------------------------------------------------------------------------- the search


def _search(start: Start, limits: Limits, note: Note) -> Tuned:
    if limits.seconds is None and limits.trials is None:
        raise SettingsError("say how long to search: a budget such as 10m, or a number of trials")
    if limits.trials is not None and limits.trials < 1:
        raise SettingsError(f"trials = {limits.trials}: give at least 1")
    begin, space = time.perf_counter(), Space(start)
    with _study(space, limits.storage) as study:
        hunt = Hunt(study, space, limits, begin, note)
        interrupted, fresh = False, list[tuple[float, float]]()
        try:
            hunt.trials()
            for scores in hunt.meet_again():
                fresh.append(scores)
        except KeyboardInterrupt:
            interrupted = True
        return _found(space, hunt, tuple(fresh), interrupted)


class OutOfTime(Exception):  # noqa: N818 (that time is over is no error)
    """The budget ended within a trial."""


class Hunt:
    """A search under way."""

    def __init__(self, study: optuna.Study, space: Space, limits: Limits, begin: float, note: Note) -> None:
        self._study, self._space, self._limits, self._note = study, space, limits, note
        self._end = np.inf if limits.seconds is None else begin + limits.seconds
        self._seed = space.start.settings.training.seed

    def tried(self) -> list[Tried]:
        """The trials that ended, in their order."""
        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        words = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}
        return [
            Tried(
                place,
                dict(each.params),
                each.value if each.state == TrialState.COMPLETE else None,
                each.user_attrs.get("why", words[each.state]),
                float(each.user_attrs.get("seconds", 0.0)),
            )
            for place, each in enumerate(done)
        ]

    def default(self) -> Tried | None:
        """The first trial, once it has ended."""
        return next((each for each in self.tried() if each.number == 0), None)

    def best(self) -> Tried | None:
        """The trial with the lowest score; of equals the earliest."""
        return min((each for each in self.tried() if each.score is not None), key=_worth, default=None)

    def trials(self) -> None:
        """Try one setting after the other until the time or the number is reached."""
        while True:
            done = self.tried()
            if self._limits.trials is not None and len(done) >= self._limits.trials:
                return
            shortest = min((each.seconds for each in done if each.score is not None), default=0.0)
            end = self._end - self._reserve()
            if time.perf_counter() + shortest > end or not self._one(len(done), end):
                return

    def meet_again(self) -> Iterator[tuple[float, float]]:
        """Scores of the best and the default with fresh seeds, as far as the time reaches."""
        best, default = self.best(), self.default()
        if best is None or default is None or best.number == 0:
            return
        for place in range(1, FRESH + 1):
            try:
                scores = [
                    score(self._space, each.settings, self._seed + place, self._watch(None, self._end))
                    for each in (best, default)
                ]
            except OutOfTime:
                return
            self._note(f"seed {self._seed + place}: best {scores[0]:.4g}, default {scores[1]:.4g}")
            yield scores[0], scores[1]

    def _reserve(self) -> float:
        """Seconds that are kept for meeting again: at most half of all."""
        best, default = self.best(), self.default()
        if best is None or default is None or self._limits.seconds is None:
            return 0.0
        return min(FRESH * (best.seconds + default.seconds), self._limits.seconds / 2)

    def _one(self, place: int, end: float) -> bool:
        """One trial; False if the time ran out in it."""
        study, space = self._study, self._space
        if place == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(space.default)
        study.sampler = optuna.samplers.TPESampler(
            seed=1_000 * self._seed + place, n_startup_trials=RANDOM, constant_liar=False
        )
        trial, begin = study.ask(), time.perf_counter()
        point, found, why = space.propose(trial), float("nan"), ""
        try:
            found = score(space, point, self._seed, self._watch(trial, end))
            why = "" if np.isfinite(found) else "no finite score"
        except optuna.TrialPruned:
            why = "pruned"
        except OutOfTime:
            study.tell(trial, state=TrialState.FAIL)
            return False
        except GatecastError as error:
            if place == 0:
                study.tell(trial, state=TrialState.FAIL)
                raise
            why = str(error)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("seconds", time.perf_counter() - begin)
        if why:
            trial.set_user_attr("why", why)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, found)
        told = why or f"{found:.4g}"
        self._note(f"trial {place}: {told}: {in_difference(point, space.default)}")
        return True

    def _watch(self, trial: optuna.Trial | None, end: float) -> Callable[[Progress], None]:
        """What looks at the clock after every update, and prunes a trial that lags behind the median."""
        looks = 0

        def watch(step: Progress) -> None:
            nonlocal looks
            if time.perf_counter() > end and step.update < step.updates:
                raise OutOfTime
            if trial is not None and step.validation is not None and looks < CHECKS:
                looks += 1
                trial.report(step.validation, looks)
                if trial.should_prune():
                    raise optuna.TrialPruned

        return watch


def _worth(tried: Tried) -> float:
    """What is to be small."""
    return float("inf") if tried.score is None else tried.score


@contextlib.contextmanager
def _study(space: Space, storage: Path | None) -> Iterator[optuna.Study]:
    """The study of a search, in memory or in its file; trials that were killed count as failed.

    Raises:
        SettingsError: the file holds another search.
        OutputError: it cannot be written, or is no such file.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    database = None
    try:
        if storage is not None:
            try:
                database = optuna.storages.RDBStorage(f"sqlite:///{storage}")
            except Exception as error:  # noqa: BLE001 (SQLAlchemy's, and optuna's of a database that is not its own)
                found = str(error).splitlines()[0]
                raise OutputError(
                    f"{storage}: cannot be used to store a search ({found}); choose another file with --storage"
                ) from None
        startup, warmup = PRUNED_AFTER
        study = optuna.create_study(
            storage=database,
            study_name=STUDY,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(startup, warmup),
        )
        about = space.about()
        if study.user_attrs.setdefault("about", about) != about:
            raise SettingsError(
                f"{storage}: holds a search on other data, with another horizon or from other settings; choose another "
                "file with --storage, or remove it"
            )
        study.set_user_attr("about", about)
        for killed in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(killed.number, state=TrialState.FAIL)
        yield study
    finally:
        if database is not None:
            database.remove_session()
            database.engine.dispose()
        optuna.logging.set_verbosity(verbosity)


def _found(space: Space, hunt: Hunt, fresh: tuple[tuple[float, float], ...], interrupted: bool) -> Tuned:
    """The outcome, with one sentence on what was won.

    Raises:
        SettingsError: not even the default came to its end.
        KeyboardInterrupt: the same, by Ctrl-C.
    """
    default, best, tried = hunt.default(), hunt.best(), tuple(hunt.tried())
    if default is None or best is None or default.score is None:
        if interrupted:
            raise KeyboardInterrupt
        raise SettingsError(
            "the time was over before the default was trained once, so nothing can be compared; give a longer budget"
        )
    made = Tuned(space.start.settings, tried, default, best, fresh, interrupted, "")
    chosen, settings = made.config_of, space.start.settings
    config = settings
    if chosen is best and best.number:
        config = space.config(best.settings, space.known, settings.training.seed)
    return Tuned(config, tried, default, best, fresh, interrupted, sentence_of(made, space))
