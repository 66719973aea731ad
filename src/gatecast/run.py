"""One whole run: load, split, train, predict three ways, judge.

The five steps of the course are a ``Recipe``; ``src/lstm.py`` is one that can be read and changed.  What a full verdict
looks at besides is gathered by ``evidence``, which knows the heavy packages; this module knows its shape only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gatecast.adaptive import adaptive_factors, follow, rescale
from gatecast.baselines import BASELINES, SeriesForecaster
from gatecast.budget import settled
from gatecast.config import DIRECT_HORIZON, MEDIAN, USUAL_HORIZON, DataConfig, RunConfig
from gatecast.contrast import Contrast, contrast_of, error_rows, plain_settings, require_lstm, told_apart
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.judgement import write_sentence
from gatecast.leakage import LeakageReport
from gatecast.mending import later_words
from gatecast.metrics import rmse
from gatecast.modelfile import Model
from gatecast.modes import Mode, Score, as_path, baseline_forecast, modes_of, scores
from gatecast.opening import open_source
from gatecast.panel import Panel
from gatecast.scaling import Floats
from gatecast.skill import SkillRow, skill_by_step
from gatecast.sources import Source
from gatecast.training import Progress
from gatecast.verdict import Verdict, judge
from gatecast.wave import free_run, score_unseen
from gatecast.windows import Split, split_steps
from gatecast.wording import finite
from gatecast.zeroshot import NAME, ZeroShotSeries

Report = Callable[[Progress], None]
Indices = NDArray[np.int64]
MOST_ORIGINS = 500  # at most, spread over the test part, for what every model says at each step ahead
SUBJECT = "this series"  # what the verdicts say of
NOT_LOOKED_AT = {  # what a quick verdict says of itself
    "seeds": "would another seed say the same? a full verdict trains two more networks",
    "leakage": "does the future reach a forecast? a full verdict changes it and looks",
    "slow baselines": "a full verdict asks AutoETS, AutoTheta, AutoARIMA and their kind too",
}


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
        opened: the settings they were opened with; data of others are opened when they are asked for.
        seconds: what opening them took.
    """

    def __init__(self, source: Source | None = None, opened: DataConfig | None = None, seconds: float = 0.0) -> None:
        self.source, self.opened, self.seconds = source, opened, seconds

    def load_and_split(self, config: RunConfig) -> tuple[Source, Split]:
        """The series named in the settings, and where it is cut."""
        data = config.data
        source = self.source if self.source is not None and data == self.opened else open_source(data)
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
class Halfway:
    """A run whose network is trained and not yet judged."""

    config: RunConfig  # complete, as the steps were given it
    steps: Recipe
    source: Source
    split: Split
    forecaster: LSTMForecaster
    progress: Report | None
    checkpoint: Path | None = None  # a folder with those of every network


@dataclass(frozen=True)
class Evidence:
    """What stands beside the forecasts when they are judged, and what was not looked at."""

    baselines: tuple[SeriesForecaster, ...] = ()  # fitted on the training part, besides the cheap ones
    seeds: tuple[Floats, ...] = ()  # point by point with other seeds, (O, Q) each
    leakage: LeakageReport | None = None
    left_out: dict[str, str] = field(default_factory=dict)  # what was not looked at, or not asked, and why


Gather = Callable[[Halfway], Evidence]


def quick(_: Halfway) -> Evidence:
    """Nothing that takes time; what is not looked at is named."""
    return Evidence(left_out=dict(NOT_LOOKED_AT))


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
    verdict: Verdict  # one step ahead; its sentence says what both say
    skill: tuple[SkillRow, ...]
    left_out: dict[str, str]  # what the verdict did not look at, and why
    seconds: dict[str, float]
    free_run: dict[str, dict[str, float]] | None
    unseen: list[dict[str, Any]]
    interrupted: bool
    ahead: Verdict | None = None  # the verdict up to the horizon, where that is more than one step
    contrast: Contrast | None = None  # with a plain RNN, if one was asked for
    files: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The trained model."""
        return self.forecaster.model_

    @property
    def unlooked(self) -> list[str]:
        """What the verdict did not look at, a line each."""
        late = later_words(self.source.mended)
        if self.config.verdict == "quick":
            return [*late, "Not looked at: other seeds, leakage and slower baselines; --verdict full does."]
        return late + [f"left out: {name}: {why}" for name, why in self.left_out.items()]

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
            "scores": finite([asdict(score) for score in self.scores]),
            "free_run": self.free_run,
            "unseen": self.unseen,
            "skill": finite([row._asdict() for row in self.skill]),
            "verdict": self.verdict.as_dict(),
            "verdict_ahead": None if self.ahead is None else self.ahead.as_dict(),
            "left_out": self.left_out,
            "contrast": None if self.contrast is None else self.contrast.as_dict(),
            "interrupted": self.interrupted,
            "files": self.files,
        }


def run(
    config: RunConfig,
    recipe: Recipe | None = None,
    progress: Report | None = None,
    gather: Gather = quick,
    checkpoint: Path | None = None,
) -> Outcome:
    """Do a whole run on one series; nothing is written but checkpoints, if a folder for them is given.

    Args:
        config: all settings; those left open are derived from the data.
        recipe: the steps, when they are not the standard ones.
        progress: called after every training update.
        gather: what the verdict looks at besides; ``evidence.gather`` for a full one.
        checkpoint: a folder for checkpoints of the trainings, and to go on from.

    Raises:
        GatecastError: something cannot be read, split or forecast; the message says what would be right.
    """
    if config.verdict == "full" and gather is quick:
        raise SettingsError("verdict = 'full' asks for more than run gathers by itself; hand over evidence.gather")
    require_lstm(config)
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
    forecaster = train_kept(steps, config, (panel, split), progress, checkpoint)
    config = config.model_copy(update={"training": settled(config.training, forecaster.model_.config.training)})
    fitted = time.perf_counter()
    block = min(horizon, DIRECT_HORIZON)
    lstm = {
        "point_by_point": steps.predict_point_by_point(forecaster, panel, split),
        "multi_sequence": steps.predict_multi_sequence(forecaster, panel, split, horizon),
        "full_sequence": as_path(steps.predict_full_sequence(forecaster, panel, split, block)[None]),
    }
    predicted = time.perf_counter()
    now = Halfway(config, steps, source, split, forecaster, progress, checkpoint)
    contrast = beside_plain(now, modes, lstm) if config.inside and not forecaster.fitted_.trained.interrupted else None
    season = (config.data.season_length or (1,))[0]
    cheap = fit_baselines(values[: split.training], season)
    cheap.append(ZeroShotSeries(config.data.season_length or (1,)))
    found = gather(now)
    baselines = [*cheap, *found.baselines]
    forecasts = {
        name: {"LSTM": lstm[name]} | {each.name: baseline_forecast(each, values, mode) for each in baselines}
        for name, mode in modes.items()
    }
    dense = dense_forecasts(panel, split, forecaster, baselines, horizon)
    if config.adapt:
        forecasts = following(modes, forecasts, dense)
    table = [
        row for name, mode in modes.items() for row in scores(mode, forecasts[name], values[: split.training], season)
    ]
    verdict = judge_one_step(source, split, modes["point_by_point"], forecasts["point_by_point"], found)
    ahead = judge_ahead(source, split, dense, found, config.adapt)
    period = source.period
    return Outcome(
        source=source,
        split=split,
        config=as_it_ran(config, forecaster.model_.config),
        forecaster=forecaster,
        modes=modes,
        forecasts=forecasts,
        scores=table,
        verdict=replace(verdict, sentence=write_sentence(verdict, source.unit, SUBJECT, ahead)),
        ahead=ahead,
        skill=skill_by_step(dense.truth_OH, dense.forecasts, apart=dense.apart),
        left_out=found.left_out,
        seconds={
            "load": round(loaded - begin, 3),
            "fit": round(fitted - loaded, 3),
            "predict": round(predicted - fitted, 3),
            "total": round(time.perf_counter() - begin, 3),
        },
        free_run=free_run(forecaster.model_, values[: split.validation], period, block) if period else None,
        unseen=score_unseen(forecaster.model_, cheap) if period else [],
        interrupted=forecaster.fitted_.trained.interrupted,
        contrast=contrast,
    )


def train_kept(
    steps: Recipe,
    config: RunConfig,
    cut: tuple[Panel, Split],
    progress: Report | None,
    checkpoint: Path | None,
) -> LSTMForecaster:
    """Build and train a network as the steps do it, with checkpoints under its seed's name."""
    forecaster = steps.build(config)
    if checkpoint is not None:
        forecaster.checkpoint = checkpoint / f"seed-{config.training.seed}"
    return steps.train(forecaster, *cut, progress)


def beside_plain(now: Halfway, modes: Mapping[str, Mode], lstm: Mapping[str, Floats]) -> Contrast:
    """Train a plain RNN with the LSTM's settings, and put both beside each other on the same origins."""
    near, far = modes["point_by_point"], modes["multi_sequence"]
    config, kept = plain_settings(now.config, now.forecaster.model_.config), now.checkpoint
    cut = now.source.panel, now.split
    plain = train_kept(now.steps, config, cut, told_apart(now.progress), None if kept is None else kept / "plain")
    said = {near.name: now.steps.predict_point_by_point(plain, *cut)}
    said[far.name] = now.steps.predict_multi_sequence(plain, *cut, far.horizon)
    names = {near.name: "one step ahead", far.name: f"up to {far.horizon} steps ahead"}
    errors = {
        words: (
            rmse(modes[name].truth_OH, lstm[name][..., MEDIAN]),
            rmse(modes[name].truth_OH, said[name][..., MEDIAN]),
        )
        for name, words in names.items()
    }
    return contrast_of(now.forecaster, plain, now.source.panel, error_rows("RMSE", errors))


def judge_one_step(
    source: Source, split: Split, mode: Mode, forecasts: Mapping[str, Floats], found: Evidence
) -> Verdict:
    """The verdict on the LSTM's point-by-point forecasts, (O, 1, Q) by model, with all that is known beside them."""
    panel, values = source.panel, source.panel.series_values(0)
    seeds = [forecasts["LSTM"][:, 0], *found.seeds]
    return judge(
        mode.truth_OH[:, 0],
        {name: quantiles[:, 0] for name, quantiles in forecasts.items()},
        newest(values)[mode.origins],
        history=values[: split.validation],
        unit=source.unit,
        subject=SUBJECT,
        seeds=np.stack(seeds) if found.seeds else None,
        leakage=found.leakage,
        inputs=inputs_read(panel, split.validation),
    )


def judge_ahead(source: Source, split: Split, dense: Dense, found: Evidence, adapt: bool) -> Verdict | None:
    """The verdict on the LSTM's forecasts up to the horizon, from all over the test part; None for one step."""
    if dense.truth_OH.shape[1] == 1:
        return None
    panel, values, made = source.panel, source.panel.series_values(0), dense.forecasts
    if adapt:
        made = {name: each if name == NAME else dense.followed(each) for name, each in made.items()}
    return judge(
        dense.truth_OH,
        made,
        newest(values)[dense.origins],
        history=values[: split.validation],
        unit=source.unit,
        subject=SUBJECT,
        step=dense.apart,
        leakage=found.leakage,
        inputs=inputs_read(panel, split.validation),
    )


def inputs_read(panel: Panel, steps: int) -> dict[str, Floats]:
    """The columns beside the target over the first ``steps`` steps, each value at the step at which it is known.

    A column known in advance is read one step ahead of its time: its value of the next step stands at this one, so that
    a copy of the target among them holds the future.
    """
    ahead = {name: np.append(column[1:steps], np.nan) for name, column in panel.known.items()}
    return {name: column[:steps] for name, column in panel.inputs.items()} | ahead


class Dense(NamedTuple):
    """Forecasts of up to ``DIRECT_HORIZON`` steps from origins all over the test part, and what came."""

    origins: Indices
    apart: int
    truth_OH: Floats
    forecasts: dict[str, Floats]  # by model, (O, H, Q)

    def followed(self, made_OHQ: Floats) -> Floats:
        """Forecasts whose intervals follow what had come of earlier ones."""
        return np.asarray(follow(self.truth_OH[None], made_OHQ[None], self.origins)[0])


def dense_forecasts(
    panel: Panel, split: Split, forecaster: LSTMForecaster, baselines: Sequence[SeriesForecaster], horizon: int
) -> Dense:
    """What every model says from many more origins than every ``horizon``-th one.

    Beyond the direct horizon each origin would be run on by itself, which takes long; those steps are left out.
    """
    horizon = min(horizon, DIRECT_HORIZON)
    values, count = panel.series_values(0), split.total - horizon - split.validation + 1
    apart = -(-count // MOST_ORIGINS)
    origins = split.validation - 1 + np.arange(0, count, apart)
    made = {"LSTM": np.asarray(forecaster.predict_many(panel, origins, horizon)[0])}
    made |= {each.name: each.predict_many(values, origins, horizon) for each in baselines}
    return Dense(origins, apart, values[origins[:, None] + np.arange(1, horizon + 1)], made)


def following(
    modes: Mapping[str, Mode], forecasts: Mapping[str, dict[str, Floats]], dense: Dense
) -> dict[str, dict[str, Floats]]:
    """All forecasts, with intervals of every model that follow what had come of its earlier ones, see ``adaptive``.

    A full-sequence run has none, and those of the shipped weights follow by themselves.
    """
    near, far = modes["point_by_point"], modes["multi_sequence"]
    made = {mode: dict(each) for mode, each in forecasts.items()}
    steps = np.minimum(np.arange(far.horizon), dense.truth_OH.shape[1] - 1)
    for name in made[near.name].keys() - {NAME}:
        made[near.name][name] = follow(near.truth_OH[None], made[near.name][name][None], near.origins)[0]
        said = dense.forecasts[name][None]
        factors_1OHQ = adaptive_factors(dense.truth_OH[None], said, dense.origins, far.origins)
        made[far.name][name] = rescale(made[far.name][name], factors_1OHQ[0][:, steps])
    return made


def as_it_ran(config: RunConfig, ran: RunConfig) -> RunConfig:
    """The settings of a run with what its training derived."""
    data = config.data.model_copy(update={"season_length": ran.data.season_length})
    return config.model_copy(update={"network": ran.network, "training": ran.training, "data": data})


def complete(config: RunConfig, source: Source, horizon: int) -> RunConfig:
    """Fill what the settings leave open with what the data set is known to need."""
    training = config.training
    if training.scaling == "auto":
        training = training.model_copy(update={"scaling": source.scaling})
    if training.start == "auto":  # a look inside is at what the series itself has taught, beside a plain RNN
        training = training.model_copy(update={"start": "nothing" if config.inside else source.start})
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


def with_files(outcome: Outcome, files: dict[str, Path]) -> Outcome:
    """The outcome with the files that were written."""
    return replace(outcome, files={name: str(path) for name, path in files.items()})
