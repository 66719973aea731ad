"""What a full verdict looks at beside the forecasts: other seeds, leakage, and the baselines that take longer.

- *Seeds*: two more networks are trained with the next seeds and forecast the same origins.  All that a seed decides is
  decided again.
- *Leakage*: the whole way from the table to the forecasts (opening, splitting, training, predicting) is gone through
  on copies of the table whose test part is changed; the forecasts made before it must not move.  Its trainings are
  short: a leak is in the way the numbers take and not in how long one trains.
- *Slow baselines*: fitted once on the training part and moved forward.  One that would take longer than the settings
  allow is left out, and named.

Ctrl-C ends the looking, not the run: what was not looked at is named.

Sources: McLeod & Li, "Diagnostic checking ARMA time series models using squared-residual autocorrelations", J. Time
Series Analysis 4(4), 1983 (whether unrest comes in clusters).
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gatecast.adapters import Question
from gatecast.arrow import is_text
from gatecast.baselines import SeriesForecaster, forward_filled
from gatecast.classical import classical_for, estimate_seconds
from gatecast.columns import numbers_of
from gatecast.config import DIRECT_HORIZON, DataConfig, RunConfig
from gatecast.dates import times_of, zoned_times
from gatecast.detectors import ljung_box
from gatecast.errors import DataError, GatecastError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.frequency import show_time
from gatecast.leakage import LeakageReport, leakage_probe
from gatecast.panel_run import NOT_PROBED, PanelEvidence, PanelHalfway, ask, train_panel
from gatecast.rolling import Plan, roll
from gatecast.run import Evidence, Halfway, train_kept
from gatecast.scaling import Floats
from gatecast.sources import find_table
from gatecast.tablefiles import STANDARD_INPUT
from gatecast.tables import write_table
from gatecast.volatility import EWMA, GARCH, HAR

SEEDS = 3  # networks, the one of the run among them
PROBE_UPDATES = 20  # of each of the probe's trainings
MEMORY = 0.2  # changes whose autocorrelations are below this are hardly to be foretold
CLUSTERED = 0.001  # p of squared changes that come evenly, below which GARCH and EWMA are asked
STOPPED = "stopped by Ctrl-C"


def gather(halfway: Halfway) -> Evidence:
    """All that a full verdict looks at, for one series."""
    found = Evidence()
    if halfway.forecaster.fitted_.trained.interrupted:
        return Evidence(left_out=dict.fromkeys(("seeds", "leakage", "slow baselines"), f"training was {STOPPED}"))
    looks: dict[str, Callable[[Halfway, Evidence], Evidence]] = {
        "slow baselines": _with_slow_baselines,
        "seeds": _with_seeds,
        "leakage": _with_leakage,
    }
    names = list(looks)
    for place, (name, look) in enumerate(looks.items()):
        try:
            found = look(halfway, found)
        except KeyboardInterrupt:
            return replace(found, left_out=found.left_out | dict.fromkeys(names[place:], STOPPED))
        except GatecastError as error:
            found = replace(found, left_out=found.left_out | {name: str(error)})
    return found


# ------------------------------------------------------------------------------------------- slow baselines


def _with_slow_baselines(halfway: Halfway, found: Evidence) -> Evidence:
    """Each one that is not expected to take too long, fitted on the training part."""
    panel, split, config = halfway.source.panel, halfway.split, halfway.config
    training, seasons = panel.series_values(0)[: split.training], config.data.season_length or (1,)
    origins = split.total - split.validation
    fitted, left_out = [], {}
    for make in slow_baselines(training, seasons, trading=panel.frequency.unit == "weekdays"):
        name = make().name
        guess = estimate_seconds(make, training, seasons[0], origins, config.horizon or 1)
        if guess > config.seconds:
            left_out[name] = f"would take about {guess:.2g} s, more than the {config.seconds:g} s given"
            continue
        fitted.append(make().fit_values(training, seasons[0]))
    return replace(found, baselines=tuple(fitted), left_out=found.left_out | left_out)


def slow_baselines(
    training: Floats, seasons: tuple[int, ...], trading: bool
) -> tuple[Callable[[], SeriesForecaster], ...]:
    """The ones that suit a series: exponential smoothing and its kind, and those for unrest that comes in clusters.

    Args:
        training: (T,) the training part.
        seasons: steps per season, one or two; above 24 steps MSTL with ETS takes the place of ETS and ARIMA.
        trading: the steps are trading days, for whose day, week and month HAR is made.
    """
    chosen = list(classical_for(seasons))
    chosen += [GARCH, EWMA] if clusters(training) else []
    return (*chosen, *((HAR,) if trading else ()))


def clusters(values: Floats) -> bool:
    """Whether changes are hardly to be foretold and their size is: the returns of a price, mostly.

    Changes are those of the logarithms where all values (T,) are positive, and the values themselves where these hold
    returns already, as ``volatility`` takes them.  Hardly to be foretold: no autocorrelation of theirs over five steps
    above 0.2.  Their size is: the squares remember each other (McLeod-Li test, p < 0.001).
    """
    known = forward_filled(values[int(np.argmax(np.isfinite(values))) :])
    positive = known.min(initial=1.0) > 0
    changes = np.diff(np.log(known) if positive else known)
    if len(changes) < 10 or np.ptp(changes) == 0:
        return False
    if not positive and float(np.mean(changes**2)) > float(np.mean(known**2)):
        changes = known
    changes = changes - changes.mean()
    size = float(changes @ changes)
    memory = max(abs(float(changes[lag:] @ changes[:-lag])) / size for lag in range(1, 6))
    return memory < MEMORY and ljung_box(changes**2).p_value < CLUSTERED


# ------------------------------------------------------------------------------------------- seeds


def _with_seeds(halfway: Halfway, found: Evidence) -> Evidence:
    """Point-by-point forecasts of two more networks, trained as the first but for the seed."""
    steps, panel, split = halfway.steps, halfway.source.panel, halfway.split
    made = []
    for place in range(1, SEEDS):
        config = with_training(halfway.config, seed=halfway.config.training.seed + place)
        forecaster = train_kept(steps, config, (panel, split), halfway.progress, halfway.checkpoint)
        refuse_interrupted(forecaster)
        made.append(steps.predict_point_by_point(forecaster, panel, split)[:, 0])
    return replace(found, seeds=tuple(made))


def with_training(config: RunConfig, **numbers: Any) -> RunConfig:
    """The settings with other ones of the training."""
    return config.model_copy(update={"training": config.training.model_copy(update=numbers)})


def refuse_interrupted(forecaster: LSTMForecaster) -> None:
    """A network that Ctrl-C stopped half-way is no evidence.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    if forecaster.fitted_.trained.interrupted:
        raise KeyboardInterrupt


# ------------------------------------------------------------------------------------------- leakage


def _with_leakage(halfway: Halfway, found: Evidence) -> Evidence:
    """What the probe says of the run's own steps, on the table as it was read."""
    data = halfway.config.data
    if data.source == STANDARD_INPUT:
        why = "standard input is read once and the probe reads the table seven times; give a file"
        return replace(found, left_out=found.left_out | {"leakage": why})
    return replace(found, leakage=probe(halfway, find_table(data.source).table))


def probe(halfway: Halfway, table: pa.Table) -> LeakageReport:
    """Go the run's whole way from a table on copies of it with another test part.

    Compared are the forecasts made at the last step before the test part in all three ways.  The table is written to a
    file for each run, so that a learner's own ``load_and_split`` is looked at too.

    Raises:
        GatecastError: the probe cannot change this table; the message says why.
    """
    config, named = halfway.config, _named_columns(halfway, table)
    updates = min(PROBE_UPDATES, halfway.forecaster.fitted_.trained.planned)
    config = with_training(config.model_copy(update={"data": named}), updates=updates)
    steps, block = halfway.steps, min(config.horizon or 1, DIRECT_HORIZON)

    def pipeline(changed: pa.Table) -> list[Floats]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.parquet"
            write_table(changed, path)
            data = named.model_copy(update={"source": str(path)})
            source, split = steps.load_and_split(config.model_copy(update={"data": data}))
        forecaster = steps.train(steps.build(config), source.panel, split, None)
        refuse_interrupted(forecaster)
        return [
            steps.predict_point_by_point(forecaster, source.panel, split)[0],
            steps.predict_multi_sequence(forecaster, source.panel, split, config.horizon or 1)[0],
            steps.predict_full_sequence(forecaster, source.panel, split, block),
        ]

    time = named.time if named.time in table.column_names else None
    cutoff = _cutoff(halfway, table, time)
    kept = {time, named.series_id, *named.known, *named.static}
    report = leakage_probe(pipeline, with_numbers(table, kept), cutoff, time, named.series_id, named.known)
    return replace(report, sentence=f"{report.sentence[:-1]}; each of the probe's trainings made {updates} updates.")


def with_numbers(table: pa.Table, kept: Collection[str | None]) -> pa.Table:
    """The table with text that is numbers as numbers, which can be shifted and mirrored; ``kept`` stay as they are."""
    for place, name in enumerate(table.column_names):
        cells = table[name].combine_chunks()
        if name in kept or not is_text(cells.type):
            continue
        try:
            numbers = numbers_of(cells, name)
        except DataError:
            continue  # words, which are shuffled
        table = table.set_column(place, name, pa.array(numbers, from_pandas=True))
    return table


def _named_columns(halfway: Halfway, table: pa.Table) -> DataConfig:
    """The settings of the data with the columns that were found, so that no change of a value can hide one."""
    data, names = halfway.config.data, halfway.source.panel.names
    target = data.target or (None if data.wide else _there(names.y, table))
    return data.model_copy(update={"time": data.time or _there(names.ds, table), "target": target})


def _there(name: str, table: pa.Table) -> str | None:
    return name if name in table.column_names else None


def _cutoff(halfway: Halfway, table: pa.Table, time: str | None) -> Any:
    """The last step before the test part, as the table writes it.

    Raises:
        SettingsError: the table's own times do not stand in the order of the series', as when clocks go back.
    """
    last = halfway.split.validation - 1
    if time is None:
        return last
    cells = table[time].combine_chunks()
    own = times_of(cells, time)
    past = zoned_times(cells, time, halfway.config.data.zone).times <= halfway.source.panel.times[last]
    cutoff = own[past].max()
    if ((own <= cutoff) != past).any():
        raise SettingsError(f"the times of column {time!r} are not in order without their zone; the probe cannot cut")
    return int(cutoff) if own.dtype.kind == "i" else show_time(cutoff)


# ------------------------------------------------------------------------------------------- several series


def gather_panel(halfway: PanelHalfway) -> PanelEvidence:
    """Other seeds and slow baselines, for several series; a leakage probe is not run, and that is said."""
    left_out = {"leakage": NOT_PROBED}
    if halfway.forecaster.fitted_.trained.interrupted:
        stopped = dict.fromkeys(("seeds", "slow baselines"), f"training was {STOPPED}")
        return PanelEvidence(left_out=left_out | stopped)
    cut, judged, config = halfway.cut, halfway.judged, halfway.config
    seasons = halfway.forecaster.model_.config.data.season_length or (1,)
    done, seeds = None, []
    try:
        done = roll(
            judged,
            [make() for make in classical_for(seasons)],
            Plan(cut.horizon, cut.origins),
            season_length=seasons[0],
            seconds=config.seconds,
            expect=_expected,
        )
        for place in range(1, SEEDS):
            other = with_training(config, seed=config.training.seed + place)
            forecaster = train_panel(other, halfway.panel, cut, halfway.progress, halfway.checkpoint)
            refuse_interrupted(forecaster)
            seeds.append(ask(judged, cut, forecaster).forecasts[forecaster.name])
    except KeyboardInterrupt:
        left_out |= {"seeds": STOPPED} | ({} if done else {"slow baselines": STOPPED})
        seeds = []
    if done is None:
        return PanelEvidence(left_out=left_out)
    return PanelEvidence(done.forecasts, done.seconds, tuple(seeds), left_out | done.left_out)


def _expected(model: Any, training: Floats, question: Question) -> float:
    """About how many seconds a model takes for one fit on one series and its forecasts."""
    origins = question.origins_SO.shape[1]
    return estimate_seconds(lambda: copy.deepcopy(model), training, question.season_length, origins, question.horizon)
