"""What a server's training workers do: a whole run, telling how far it is, and the folder that it leaves."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.columns import Columns
from gatecast.config import LEVELS, MEDIAN, QUANTILES, USUAL_HORIZON, RunConfig, settings_from
from gatecast.fitting import Report
from gatecast.mending import as_it_came, mend_columns
from gatecast.modelfile import Model, write_atomically
from gatecast.modes import MODES
from gatecast.opening import open_source
from gatecast.output import forecasts_table, write_outcome, write_panel_outcome
from gatecast.panel_run import PanelOutcome, run_panel
from gatecast.predictor import predict_many
from gatecast.report import prepare
from gatecast.run import Outcome, Standard, run
from gatecast.runtime import weights_from_arrays
from gatecast.sources import DATASETS, Found, Source, source_of
from gatecast.tables import write_table
from gatecast.tasks_light import Arguments, shown, table_from
from gatecast.training import Progress
from gatecast.windows import split_steps
from gatecast.wording import finite
from gatecast.workers import Say

TOLD = 200  # updates of a training that are told of
WATCHED = 2_000  # newest steps that are read for the forecast that is watched
CHARTED = 600  # newest steps of the test part that the page draws
BAND = (80, 95)


def ready(say: Say) -> None:
    """Load what training needs: this module has."""


def train(say: Say, data: Arguments, most: int, settings: Arguments, folder: str, about: Arguments) -> dict[str, Any]:
    """Do a whole run and write its folder; returns what ``gatecast run --json`` prints.

    Args:
        say: is told the stage, the updates, and at each look at the validation part the forecast as it is by then.
        data: the table, see ``table_from``.
        most: rows that are taken.
        settings: of a ``RunConfig``.
        folder: that is written, all of it or nothing.
        about: what is written beside it, as ``job.json``.
    """
    say("stage", {"stage": "reading"})
    begin = time.perf_counter()
    config = settings_from(dict(settings), "the request")
    source = _source(data, most, config)
    standard = Standard(source, config.data, time.perf_counter() - begin)
    final = Path(folder)
    with _whole(final) as work:
        prepare()
        say("stage", {"stage": "training"})
        outcome: Outcome | PanelOutcome
        if len(source.panel) > 1:
            outcome = run_panel(config, source, _telling(say, None))
        else:
            outcome = run(config, standard, _telling(say, _Watched(source, config)))
        say("stage", {"stage": "writing"})
        result = _write(outcome, work, final)
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        write_atomically(work / "result.json", text.encode())
        kept = {**about, "sentence": result["verdict"]["sentence"]}
        write_atomically(work / "job.json", json.dumps(kept, ensure_ascii=False).encode())
    return result


@contextmanager
def _whole(final: Path) -> Iterator[Path]:
    """A hidden folder to write into, which gets its name in one rename once everything is there."""
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield work
        work.replace(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(outcome: Outcome | PanelOutcome, work: Path, final: Path) -> dict[str, Any]:
    """Everything of a run, with the forecasts as CSV too and what the page draws."""
    charts: dict[str, Any] = {}
    if isinstance(outcome, PanelOutcome):
        write_panel_outcome(outcome, work, final)
        table = replace(outcome.backtest, like=None).table()
    else:
        write_outcome(outcome, work, final)
        table = forecasts_table(outcome)
        charts = charts_of(outcome)
    write_table(table, work / "forecasts.csv")
    write_atomically(work / "charts.json", json.dumps(finite(charts), allow_nan=False).encode())
    made: dict[str, Any] = finite(outcome.as_dict())
    return made | {"unlooked": outcome.unlooked}


def _source(data: Arguments, most: int, config: RunConfig) -> Source:
    """The table with its columns chosen, mended if that is asked for."""
    if "dataset" in data and data["dataset"] in DATASETS:
        return open_source(config.data.model_copy(update={"source": data["dataset"]}))
    table, asked = table_from(data, most), config.data
    done: tuple[str, ...] = ()
    columns = Columns(
        asked.time, asked.target, asked.series_id, asked.inputs, asked.known, asked.static, asked.wide, asked.zone
    )
    if isinstance(table, np.ndarray):
        table = {"y": table}
    if asked.fix:
        mended = mend_columns(table, asked.fix, columns, asked.frequency)
        table, done = as_it_came(mended, table), mended.done
    found = Found(table, Path(asked.source).stem, asked.source)
    return replace(source_of(found, columns, asked.frequency), mended=done)


class _Watched:
    """The forecast that is watched while a network learns: the first steps of the test part, which it never reads."""

    def __init__(self, source: Source, config: RunConfig) -> None:
        panel = source.panel
        split = split_steps(int(panel.lengths[0]), config.data.test, config.data.validation)
        first = max(0, split.validation - WATCHED)
        self.origin = split.validation - 1 - first
        self.horizon = min(config.horizon or USUAL_HORIZON, split.total - split.validation)
        self.panel = panel
        self.alone = not (panel.inputs or panel.known or panel.static)  # else only the losses are watched
        self.first, self.seen = first, split.validation
        known = panel.series_values(0)[: split.validation]
        seen = known[np.isfinite(known)]
        self.last = float(seen[-1]) if len(seen) else None
        self.truth = panel.series_values(0)[split.validation : split.validation + self.horizon]
        self.times = [shown(t) for t in panel.series_times(0)[split.validation : split.validation + self.horizon]]

    def forecast(self, step: Progress) -> dict[str, Any]:
        """What the weights of a look say of it."""
        assert step.weights is not None and step.scaling is not None
        model = Model(weights_from_arrays(dict(step.weights)), step.scaling)
        values_ST = self.panel.series_values(0)[None, self.first : self.seen]
        ahead = min(self.horizon, model.direct_horizon)
        quantiles_HQ = predict_many(model, values_ST, np.array([self.origin]), ahead)[0, 0]
        return {"median": quantiles_HQ[:, MEDIAN].tolist(), **_band(quantiles_HQ, 80)}


def _telling(say: Say, watched: _Watched | None) -> Report:
    """A progress report that tells the server, not at every update."""

    beside = False  # whether the plain RNN is trained by now, if one was asked for

    def report(step: Progress) -> None:
        nonlocal beside
        if step.plain:
            if not beside:
                say("stage", {"stage": "contrast"})
            beside = True
            if step.update == step.updates:
                say("stage", {"stage": "judging"})
            return
        if step.validation is not None or step.update % max(1, step.updates // TOLD) == 0:
            numbers = {"update": step.update, "updates": step.updates, "loss": step.loss, "validation": step.validation}
            say("progress", finite(numbers))
        if watched is not None and watched.alone and step.weights is not None:
            look = {"ds": watched.times, "y": watched.truth.tolist(), "last": watched.last, **watched.forecast(step)}
            say("look", finite({"update": step.update, "validation": step.validation, **look}))
        if step.update == step.updates:
            say("stage", {"stage": "judging"})

    return report


def _band(quantiles: Any, level: int) -> dict[str, list[float]]:
    """The interval of a level as lists."""
    low = QUANTILES.index(round((100 - level) / 200, 3))
    return {
        f"lo-{level}": quantiles[..., low].reshape(-1).tolist(),
        f"hi-{level}": quantiles[..., len(QUANTILES) - 1 - low].reshape(-1).tolist(),
    }


def charts_of(outcome: Outcome) -> dict[str, Any]:
    """What the page draws: history, and by mode the truth and every model's median, with the LSTM's intervals.

    The newest steps of the test part only, if there are many.  ``begins`` are the places at which a forecast starts
    anew.
    """
    panel, split = outcome.source.panel, outcome.split
    times, values = panel.series_times(0), panel.series_values(0)
    before = slice(max(0, split.validation - CHARTED // 3), split.validation)
    made: dict[str, Any] = {
        "unit": outcome.source.unit,
        "target": panel.names.y,
        "history": {"ds": [shown(time) for time in times[before]], "y": values[before].tolist()},
        "modes": {},
    }
    for name in MODES:
        mode = outcome.modes[name]
        kept = slice(max(0, len(mode.origins) - max(1, CHARTED // mode.horizon)), None)
        ahead = (mode.origins[kept, None] + np.arange(1, mode.horizon + 1)).ravel()
        ahead, forecasts = ahead[: 2 * CHARTED], outcome.forecasts[name]
        drawn: dict[str, Any] = {
            "ds": [shown(time) for time in times[ahead]],
            "y": values[ahead].tolist(),
            "begins": list(range(0, len(ahead), mode.horizon)) if mode.horizon > 1 else [0],
            "models": {
                model: made_OHQ[kept, :, MEDIAN].ravel()[: 2 * CHARTED].tolist()
                for model, made_OHQ in forecasts.items()
            },
        }
        if name != "full_sequence":
            for level in BAND:
                assert level in LEVELS
                drawn |= _band(forecasts["LSTM"][kept], level)
        made["modes"][name] = drawn
    return made
