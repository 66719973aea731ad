"""One whole run: load, split, train, predict three ways, judge.

The five steps of the course are a ``Recipe``; ``src/lstm.py`` is one that can be read and changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gatecast import predictor
from gatecast.baselines import BASELINES, SeriesForecaster
from gatecast.config import DIRECT_HORIZON, MEDIAN, USUAL_HORIZON, RunConfig
from gatecast.errors import DataError
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import Model
from gatecast.modes import Mode, Score, as_path, baseline_forecast, modes_of, scores
from gatecast.opening import open_source
from gatecast.panel import Panel
from gatecast.scaling import Floats
from gatecast.sources import Source, chirp, sine
from gatecast.training import Progress
from gatecast.verdict import Verdict, judge
from gatecast.windows import Split, split_steps

Report = Callable[[Progress], None]
CYCLES = (10, 100)  # of a free-running sine, at which phase and amplitude are measured


class Recipe(Protocol):
    """The steps a learner may change; a module with these functions is one."""

    def load_and_split(self, config: RunConfig) -> tuple[Source, Split]:
        """The series, and where it is cut."""
        ...

    def build(self, config: RunConfig) -> LSTMForecaster:
        """The architecture and how it is trained."""
        ...

    def train(self, model: LSTMForecaster, series: Panel, split: Split, progress: Report | None) -> LSTMForecaster:
        """Fit on everything before the test part."""
        ...

    def predict_point_by_point(self, model: LSTMForecaster, series: Panel, split: Split) -> Floats:
        """One step from every origin, (O, 1, Q)."""
        ...

    def predict_multi_sequence(self, model: LSTMForecaster, series: Panel, split: Split, horizon: int) -> Floats:
        """``horizon`` steps from every ``horizon``-th origin, (O, horizon, Q)."""
        ...

    def predict_full_sequence(self, model: LSTMForecaster, series: Panel, split: Split, block: int) -> Floats:
        """The whole test part on its own output, medians, (steps,)."""
        ...


class Standard:
    """The steps as ``gatecast run`` takes them.

    Args:
        source: the data, where they are open already: standard input can be read once only.
        seconds: what opening them took.
    """

    def __init__(self, source: Source | None = None, seconds: float = 0.0) -> None:
        self.source, self.seconds = source, seconds

    def load_and_split(self, config: RunConfig) -> tuple[Source, Split]:
        """The series named in the settings, and where it is cut."""
        data = config.data
        source = self.source or open_source(data)
        return source, split_steps(int(source.panel.lengths[0]), data.test, data.validation)

    def build(self, config: RunConfig) -> LSTMForecaster:
        """A forecaster with the settings' architecture."""
        return LSTMForecaster(config.network, config.training, season_length=config.data.season_length)

    def train(self, model: LSTMForecaster, series: Panel, split: Split, progress: Report | None) -> LSTMForecaster:
        """Fit on everything before the test part."""
        return model.fit_panel(series.head(split.validation), split.validation - split.training, progress)

    def predict_point_by_point(self, model: LSTMForecaster, series: Panel, split: Split) -> Floats:
        """One step from every origin, (O, 1, Q)."""
        return np.asarray(model.predict_many(series, np.arange(split.validation - 1, split.total - 1), 1)[0])

    def predict_multi_sequence(self, model: LSTMForecaster, series: Panel, split: Split, horizon: int) -> Floats:
        """``horizon`` steps from every ``horizon``-th origin, (O, horizon, Q)."""
        origins = np.arange(split.validation - 1, split.total - horizon, horizon)
        return np.asarray(model.predict_many(series, origins, horizon)[0])

    def predict_full_sequence(self, model: LSTMForecaster, series: Panel, split: Split, block: int) -> Floats:
        """The whole test part on its own output, medians, (steps,)."""
        return model.full_sequence(series, split.validation - 1, split.total - split.validation, block)


@dataclass(frozen=True)
class Outcome:
    """All that came of a run."""

    source: Source
    split: Split
    config: RunConfig  # as it ran: nothing left to be derived
    forecaster: LSTMForecaster
    modes: dict[str, Mode]
    forecasts: dict[str, dict[str, Floats]]  # by mode and model, (O, H, Q)
    scores: list[Score]
    verdict: Verdict
    seconds: dict[str, float]
    free_run: dict[str, dict[str, float]] | None
    unseen: list[dict[str, Any]]
    interrupted: bool
    files: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The trained model."""
        return self.forecaster.model_

    def as_dict(self) -> dict[str, Any]:
        """The object ``--json`` prints; its keys are documented in docs/json.md and stable."""
        panel, split = self.source.panel, self.split
        times = panel.times
        parts = {
            "training": (0, split.training),
            "validation": (split.training, split.validation),
            "test": (split.validation, split.total),
        }
        return {
            "data": {
                "name": self.source.name,
                "title": self.source.title,
                "unit": self.source.unit,
                "series": len(panel),
                "points": split.total,
                "missing": int(np.isnan(panel.values).sum()),
                "first": str(times[0]),
                "last": str(times[-1]),
                "frequency": panel.frequency.name,
                "season_length": list(self.config.data.season_length or (1,)),
                "inputs": list(panel.inputs),
                "mended": list(self.source.mended),
            },
            "split": {
                name: {"rows": [begin + 1, end], "first": str(times[begin]), "last": str(times[end - 1])}
                for name, (begin, end) in parts.items()
            },
            "network": {
                **self.config.network.model_dump(),
                "weights": self.model.weights.size,
                "scaling": self.config.training.scaling,
                "updates": self.forecaster.fitted_.trained.updates,
            },
            "seconds": self.seconds,
            "scores": [_finite(asdict(score)) for score in self.scores],
            "free_run": self.free_run,
            "unseen": self.unseen,
            "verdict": self.verdict.as_dict(),
            "interrupted": self.interrupted,
            "files": self.files,
        }


def run(config: RunConfig, recipe: Recipe | None = None, progress: Report | None = None) -> Outcome:
    """Do a whole run on one series; nothing is written.

    Args:
        config: all settings; those left open are derived from the data.
        recipe: the steps, when they are not the standard ones.
        progress: called after every training update.

    Raises:
        GatecastError: something cannot be read, split or forecast; the message says what would be right.
    """
    steps: Recipe = recipe or Standard()
    begin = time.perf_counter() - (steps.seconds if isinstance(steps, Standard) else 0.0)
    source, split = steps.load_and_split(config)
    if len(source.panel) > 1:
        raise DataError(
            f"{source.name} holds {len(source.panel)} series; a course run looks at one; give a file with one series"
        )
    panel, values = source.panel, source.panel.series_values(0)
    horizon = config.horizon or min(USUAL_HORIZON, split.total - split.validation)
    modes = modes_of(values, split, horizon)
    config = complete(config, source, horizon)
    loaded = time.perf_counter()
    forecaster = steps.train(steps.build(config), panel, split, progress)
    fitted = time.perf_counter()
    block = min(horizon, DIRECT_HORIZON)
    lstm = {
        "point_by_point": steps.predict_point_by_point(forecaster, panel, split),
        "multi_sequence": steps.predict_multi_sequence(forecaster, panel, split, horizon),
        "full_sequence": as_path(steps.predict_full_sequence(forecaster, panel, split, block)[None]),
    }
    predicted = time.perf_counter()
    season = (config.data.season_length or (1,))[0]
    baselines = fit_baselines(values[: split.training], season)
    forecasts = {
        name: {"LSTM": lstm[name]} | {each.name: baseline_forecast(each, values, mode) for each in baselines}
        for name, mode in modes.items()
    }
    table = [
        row for name, mode in modes.items() for row in scores(mode, forecasts[name], values[: split.training], season)
    ]
    first = modes["point_by_point"]
    verdict = judge(
        first.truth_OH[:, 0],
        {name: quantiles[:, 0] for name, quantiles in forecasts["point_by_point"].items()},
        newest(values)[first.origins],
        history=values[: split.validation],
        unit=source.unit,
        subject="this series",
    )
    ran = forecaster.model_.config
    period = source.period
    return Outcome(
        source=source,
        split=split,
        config=config.model_copy(
            update={
                "network": ran.network,
                "training": ran.training,
                "data": config.data.model_copy(update={"season_length": ran.data.season_length}),
            }
        ),
        forecaster=forecaster,
        modes=modes,
        forecasts=forecasts,
        scores=table,
        verdict=verdict,
        seconds={
            "load": round(loaded - begin, 3),
            "fit": round(fitted - loaded, 3),
            "predict": round(predicted - fitted, 3),
            "total": round(time.perf_counter() - begin, 3),
        },
        free_run=free_run(forecaster.model_, values[: split.validation], period, block) if period else None,
        unseen=score_unseen(forecaster.model_, baselines) if period else [],
        interrupted=forecaster.fitted_.trained.interrupted,
    )


def complete(config: RunConfig, source: Source, horizon: int) -> RunConfig:
    """Fill what the settings leave open with what the data set is known to need."""
    training = config.training
    if training.scaling == "auto":
        training = training.model_copy(update={"scaling": source.scaling})
    training = training.model_copy(update={"horizon": min(horizon, DIRECT_HORIZON)})
    data = config.data
    if data.season_length is None:
        data = data.model_copy(update={"season_length": source.season_length})
    return config.model_copy(update={"training": training, "data": data, "horizon": horizon})


def fit_baselines(training: Floats, season_length: int) -> list[SeriesForecaster]:
    """The cheap baselines, fitted on the training part."""
    return [baseline().fit_values(training, season_length) for baseline in BASELINES]


def newest(values: Floats) -> Floats:
    """The newest observed value at every step, (T,)."""
    where = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return values[where]


def free_run(model: Model, values: Floats, period: float, block: int) -> dict[str, dict[str, float]]:
    """Phase and amplitude of a sine that runs on its own output, over cycle 10 and over cycle 100.

    Least squares for sine and cosine at the known frequency, against the continuation sin(1 + 2 pi t / period);
    the phase error is in degrees (positive: the forecast is early), the amplitude error in percent.
    """
    cycle = round(period)
    path = predictor.full_sequence(model, values, max(CYCLES) * cycle, block)
    phase, amplitude = {}, {}
    for count in CYCLES:
        steps = np.arange((count - 1) * cycle, count * cycle)
        turn = 1 + 2 * np.pi * (len(values) + steps) / period
        waves = np.stack([np.sin(turn), np.cos(turn)], axis=1)
        (of_sine, of_cosine), *_ = np.linalg.lstsq(waves, path[steps], rcond=None)
        phase[str(count)] = float(np.degrees(np.arctan2(of_cosine, of_sine)))
        amplitude[str(count)] = float(100 * (np.hypot(of_sine, of_cosine) - 1))
    return {"phase_error_degrees": phase, "amplitude_error_percent": amplitude}


def unseen_series() -> dict[str, Floats]:
    """Series a network trained on the course's sine has never seen; fixed, so that every run is tested on the same.

    The first has another frequency, amplitude and phase.
    """
    return {
        "other frequency": sine(period=73, amplitude=0.6, phase=2.5, n=2000),
        "noisy sine": sine(noise=0.1, seed=1, n=2000),
        "chirp": chirp(n=2000),
    }


def score_unseen(model: Model, baselines: list[SeriesForecaster]) -> list[dict[str, Any]]:
    """An honest second test: one step and ten steps ahead on series never trained on, RMSE by model.

    The models stay as they were fitted on the sine; each forecast reads the values up to its origin.
    """
    rows = []
    for title, values in unseen_series().items():
        origins = np.arange(500, len(values) - 10)
        truth = values[origins[:, None] + np.arange(1, 11)]
        made = {"LSTM": predictor.predict_many(model, values[None], origins, 10)[0]}
        made |= {each.name: each.predict_many(values, origins, 10) for each in baselines}
        for name, quantiles in made.items():
            error = quantiles[..., MEDIAN] - truth
            rmse = np.sqrt(np.mean(error**2, axis=0))
            rows.append({"series": title, "model": name, "rmse_1": float(rmse[0]), "rmse_10": float(rmse[9])})
    return rows


def with_files(outcome: Outcome, files: dict[str, Path]) -> Outcome:
    """The outcome with the files that were written."""
    return replace(outcome, files={name: str(path) for name, path in files.items()})


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers that are not finite as None, since JSON has none."""
    return {name: None if isinstance(x, float) and not np.isfinite(x) else x for name, x in row.items()}
