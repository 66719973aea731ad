"""One whole run over several series: one network learns from all of them and is judged on the end of each.

The last steps of every series are its test part, a whole number of horizons; the steps before them say how long to
train.  The network is trained once, on what lies before the first origin.  It and the baselines then forecast
``horizon`` steps from origins that are ``horizon`` steps apart, so that no value is judged twice.

Errors of several series have no unit in common.  Each series' mean absolute error is divided by what repeating its own
last season errs one step ahead before the test part (MASE); the mean over the series is judged, each series counting
once, however long it is.

What a full verdict looks at besides is gathered by ``evidence``.

Key: S series, O origin, H horizon step, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gatecast.baselines import BASELINES
from gatecast.budget import settled
from gatecast.config import DIRECT_HORIZON, USUAL_HORIZON, RunConfig
from gatecast.contrast import Contrast, contrast_of, error_rows, plain_settings, require_lstm, told_apart
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.frames import keep, until
from gatecast.mending import later_words
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.rolling import LEAST_HISTORY, Backtest, Plan, roll
from gatecast.scoring import absolute_errors, coincide, errors_of_series, mean_where_known, scales_of, score_backtest
from gatecast.skill import SkillRow, panel_skill_by_step
from gatecast.sources import Source
from gatecast.training import Progress
from gatecast.verdict import PanelVerdict, judge_panel
from gatecast.wording import finite
from gatecast.zeroshot import ZeroShot

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Report = Callable[[Progress], None]

MODEL = "LSTM"
MOST_ORIGINS = 10
MOST_JUDGED = 2_000  # series; of more, as many, evenly spread, are judged
LEAST_KNOWN = 2  # values before the first origin of a series that is judged
NOT_PROBED = "of several series the probe is not run; gatecast.leakage_probe takes any way from a table to forecasts"
NOT_LOOKED_AT = {  # what a quick verdict says of itself
    "seeds": "would another seed say the same? a full verdict trains two more networks",
    "leakage": NOT_PROBED,
    "slow baselines": "a full verdict asks AutoETS, AutoTheta, AutoARIMA and their kind too",
}


class Cut(NamedTuple):
    """Where every series is cut, in steps; the parts are counted from its end."""

    horizon: int
    origins: int
    validation: int

    @property
    def test(self) -> int:
        """Steps of the test part."""
        return self.origins * self.horizon


@dataclass(frozen=True)
class Counts:
    """What became of the series."""

    series: int
    judged: int
    too_short: int  # to be judged: too few steps, or no value where one is needed
    not_asked: int  # long enough, and left out since so many are not needed
    not_trained: int  # too short to have a step before the test part
    no_scale: int  # judged, but nothing varies before the test part: they have no MASE


@dataclass(frozen=True)
class PanelScore:
    """One row of the table; without unit, and each number over all judged series."""

    model: str
    mase: float  # mean over the series
    wql: float | None
    coverage_80: float | None
    coverage_90: float | None
    lstm_better_on: float | None  # share of the series with a MASE on which the LSTM errs less; None for itself


@dataclass(frozen=True)
class PanelHalfway:
    """A run over several series whose network is trained and not yet judged."""

    config: RunConfig
    panel: Panel
    judged: Panel
    cut: Cut
    forecaster: LSTMForecaster
    progress: Report | None
    checkpoint: Path | None = None  # a folder with those of every network


@dataclass(frozen=True)
class PanelEvidence:
    """What stands beside the forecasts when they are judged, and what was not looked at."""

    forecasts: dict[str, Floats] = field(default_factory=dict)  # by further baseline, (S, O, H, Q)
    seconds: dict[str, float] = field(default_factory=dict)  # what each of them took
    seeds: tuple[Floats, ...] = ()  # the network's with other seeds, (S, O, H, Q) each
    left_out: dict[str, str] = field(default_factory=dict)  # what was not looked at, or not asked, and why


GatherPanel = Callable[[PanelHalfway], PanelEvidence]


def quick(_: PanelHalfway) -> PanelEvidence:
    """Nothing that takes time; what is not looked at is named."""
    return PanelEvidence(left_out=dict(NOT_LOOKED_AT))


@dataclass(frozen=True)
class PanelOutcome:
    """All that came of a run over several series."""

    source: Source
    config: RunConfig  # as it ran: nothing left to be derived
    cut: Cut
    counts: Counts
    forecaster: LSTMForecaster
    backtest: Backtest
    errors: dict[str, Floats]  # by model, mean absolute error of each judged series in its own units, (S,)
    scales: Floats  # what those are divided by, NaN where nothing varies, (S,)
    scores: list[PanelScore]
    verdict: PanelVerdict
    skill: tuple[SkillRow, ...]
    left_out: dict[str, str]  # what the verdict did not look at, and why
    seconds: dict[str, float]
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
            return [*late, "Not looked at: other seeds and slower baselines (--verdict full does), and leakage."]
        return late + [f"left out: {name}: {why}" for name, why in self.left_out.items()]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended training early."""
        return self.forecaster.fitted_.trained.interrupted

    @property
    def ratios(self) -> Floats:
        """The LSTM's error over the best baseline's, of each judged series, (S,); NaN for those without a MASE.

        It is 1 where both are exact, and infinite where only the baseline is.
        """
        own, other = self.errors[MODEL], self.errors[self.verdict.best_baseline]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(own == other, 1.0, own / other)
        return np.where(np.isnan(self.scales), np.nan, ratios)

    def mase_by_step(self) -> dict[str, Floats]:
        """Each model's MASE at 1 … H steps ahead, over all series and origins, (H,)."""
        return {
            name: mean_where_known(absolute_errors(self.backtest, name) / self.scales[:, None, None], (0, 1))
            for name in self.backtest.forecasts
        }

    def as_dict(self) -> dict[str, Any]:
        """The object ``--json`` prints; its keys are documented in docs/json.md and stable."""
        panel, counts = self.source.panel, asdict(self.counts)
        made: dict[str, Any] = finite(
            {
                "data": {
                    "name": self.source.name,
                    "title": self.source.title,
                    "unit": self.source.unit,
                    "series": counts.pop("series"),
                    "points": len(panel.values),
                    "missing": int(np.isnan(panel.values).sum()),
                    "first": str(panel.times.min()),
                    "last": str(panel.times.max()),
                    "frequency": panel.frequency.name,
                    "season_length": list(self.config.data.season_length or (1,)),
                    "inputs": list(panel.inputs),
                    "mended": list(self.source.mended),
                },
                "split": {**self.cut._asdict(), "test": self.cut.test},
                "series": counts,
                "network": {
                    **self.config.network.model_dump(),
                    "weights": self.model.weights.size,
                    "scaling": self.config.training.scaling,
                    "updates": self.forecaster.fitted_.trained.updates,
                },
                "seconds": self.seconds,
                "scores": [asdict(score) for score in self.scores],
                "mase_by_step": {name: steps.tolist() for name, steps in self.mase_by_step().items()},
                "skill": [row._asdict() for row in self.skill],
                "verdict": self.verdict.as_dict(),
                "left_out": self.left_out,
                "contrast": None if self.contrast is None else self.contrast.as_dict(),
                "interrupted": self.interrupted,
                "files": self.files,
            }
        )
        return made


def run_panel(
    config: RunConfig,
    source: Source,
    progress: Report | None = None,
    gather: GatherPanel = quick,
    checkpoint: Path | None = None,
) -> PanelOutcome:
    """Train on all series of a table, judge on the end of each; nothing is written but checkpoints, if asked for.

    Ctrl-C during training keeps the best weights so far, which are then judged.

    Args:
        config: all settings; those left open are derived from the data.
        source: the opened table.
        progress: called after every training update.
        gather: what the verdict looks at besides; ``evidence.gather_panel`` for a full one.
        checkpoint: a folder for checkpoints of the trainings, and to go on from.

    Raises:
        DataError: no series is long enough; the message says what would be right.
        SettingsError: a setting cannot work.
    """
    if config.verdict == "full" and gather is quick:
        raise SettingsError(
            "verdict = 'full' asks for more than run_panel gathers by itself; hand over evidence.gather_panel"
        )
    require_lstm(config)
    begin = time.perf_counter()
    panel = source.panel
    cut = cut_of(panel.lengths, config)
    judged, counts = choose_series(panel, cut)
    forecaster = train_panel(config, panel, cut, progress, checkpoint)
    fitted = time.perf_counter()
    ran = forecaster.model_.config
    config = config.model_copy(update={"training": settled(config.training, ran.training)})
    backtest = ask(
        judged,
        cut,
        forecaster,
        [*(baseline() for baseline in BASELINES), ZeroShot(season_length=ran.data.season_length)],
    )
    now = PanelHalfway(config, panel, judged, cut, forecaster, progress, checkpoint)
    contrast = beside_plain(now, backtest) if config.inside and not forecaster.fitted_.trained.interrupted else None
    found = gather(now)
    backtest = replace(
        backtest, forecasts=backtest.forecasts | found.forecasts, seconds=backtest.seconds | found.seconds
    )
    truth, made, scales = backtest.truth_SOH, backtest.forecasts, scales_of(backtest)
    seeds = np.stack([made[MODEL], *found.seeds]) if found.seeds else None
    verdict = judge_panel(truth, made, scales, MODEL, step=cut.horizon, coincide=coincide(backtest), seeds=seeds)
    errors = {name: errors_of_series(backtest, name) for name in made}
    data = config.data.model_copy(update={"season_length": ran.data.season_length})
    return PanelOutcome(
        source=source,
        config=config.model_copy(
            update={"network": ran.network, "training": ran.training, "data": data, "horizon": cut.horizon}
        ),
        cut=cut,
        counts=replace(counts, no_scale=verdict.left_out),
        forecaster=forecaster,
        backtest=backtest,
        errors=errors,
        scales=scales,
        scores=panel_scores(backtest, errors, scales),
        verdict=verdict,
        skill=panel_skill_by_step(truth, made, scales, MODEL),
        left_out=found.left_out,
        seconds={
            "fit": round(fitted - begin, 3),
            "predict": round(backtest.seconds[MODEL], 3),
            "total": round(time.perf_counter() - begin, 3),
        },
        contrast=contrast,
    )


def beside_plain(now: PanelHalfway, backtest: Backtest) -> Contrast:
    """Train a plain RNN with the LSTM's settings, and put both beside each other on the same origins."""
    config, kept = plain_settings(now.config, now.forecaster.model_.config), now.checkpoint
    plain = train_panel(config, now.panel, now.cut, told_apart(now.progress), None if kept is None else kept / "plain")
    said, scales = ask(now.judged, now.cut, plain), scales_of(backtest)
    both = (float(mean_where_known(errors_of_series(each, MODEL) / scales, (0,))) for each in (backtest, said))
    ahead = "one step" if now.cut.horizon == 1 else f"up to {now.cut.horizon} steps"
    errors = error_rows("MASE", {f"{ahead} ahead": (next(both), next(both))})
    longest = now.panel.ids[int(np.argmax(now.panel.lengths))]
    return contrast_of(now.forecaster, plain, now.panel, errors, longest)


def train_panel(
    config: RunConfig, panel: Panel, cut: Cut, progress: Report | None, checkpoint: Path | None = None
) -> LSTMForecaster:
    """One network that learns from all series before the first origin, with checkpoints under its seed's name."""
    training = config.training.model_copy(update={"horizon": min(cut.horizon, DIRECT_HORIZON)})
    kept = None if checkpoint is None else checkpoint / f"seed-{training.seed}"
    forecaster = LSTMForecaster(config.network, training, season_length=config.data.season_length, checkpoint=kept)
    before_test = until(panel, np.maximum(panel.lengths - cut.test, 0))
    return forecaster.fit_panel(before_test, cut.validation, progress)


def ask(judged: Panel, cut: Cut, forecaster: LSTMForecaster, others: Sequence[Any] = ()) -> Backtest:
    """What a trained network and others say at every origin of the series that are judged."""
    season = (forecaster.model_.config.data.season_length or (1,))[0]
    return roll(judged, [_Trained(forecaster), *others], Plan(cut.horizon, cut.origins), season_length=season)


def panel_scores(backtest: Backtest, errors: Mapping[str, Floats], scales: Floats) -> list[PanelScore]:
    """The table: a backtest's scores, and on how many series the LSTM errs less."""
    known = ~np.isnan(scales)
    better = {name: float(np.mean((errors[MODEL] < each)[known])) for name, each in errors.items() if name != MODEL}
    return [
        PanelScore(row.model, row.mase, row.wql, row.coverage_80, row.coverage_90, better.get(row.model))
        for row in score_backtest(backtest)
    ]


def cut_of(lengths: Indices, config: RunConfig) -> Cut:
    """The horizon and the parts, from the settings and the median length.

    A horizon not asked for is a tenth of it, 1 to 50; the test part is the share asked for in whole horizons, 1 to 10;
    the validation part its share, at least a horizon, and at most a third of the median length.
    """
    median, data = float(np.median(lengths)), config.data
    horizon = config.horizon or int(np.clip(median // 10, 1, USUAL_HORIZON))
    origins = int(np.clip(round(data.test * median / horizon), 1, MOST_ORIGINS))
    validation = int(np.clip(max(horizon, round(data.validation * median)), 1, max(1, median // 3)))
    return Cut(horizon, origins, validation)


def choose_series(panel: Panel, cut: Cut) -> tuple[Panel, Counts]:
    """The series that are judged, at most ``MOST_JUDGED`` of them evenly spread, and what became of the others.

    Raises:
        DataError: none is long enough.
    """
    needed = LEAST_HISTORY + cut.test
    ends = np.maximum(panel.lengths - cut.test, 0)
    before = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths) < np.repeat(
        ends, panel.lengths
    )
    known = ~np.isnan(panel.values)
    learned = np.add.reduceat(known & before, panel.offsets[:-1], dtype=np.int64)
    to_judge = np.add.reduceat(known & ~before, panel.offsets[:-1], dtype=np.int64)
    usable = np.flatnonzero((panel.lengths >= needed) & (learned >= LEAST_KNOWN) & (to_judge > 0))
    if not usable.size:
        longest = int(np.argmax(panel.lengths))
        raise DataError(
            f"no series is long enough to be judged: the longest, {panel.ids[longest]!r}, has "
            f"{panel.lengths[longest]:,} steps, and {cut.origins} origin(s) with a horizon of {cut.horizon} need "
            f"{needed:,} with values at both ends; give a shorter --horizon or longer series"
        )
    chosen = usable
    if usable.size > MOST_JUDGED:
        chosen = usable[np.linspace(0, usable.size - 1, MOST_JUDGED).round().astype(np.int64)]
    here = np.zeros(len(panel), np.bool_)
    here[chosen] = True
    counts = Counts(
        series=len(panel),
        judged=chosen.size,
        too_short=len(panel) - usable.size,
        not_asked=usable.size - chosen.size,
        not_trained=int((ends == 0).sum()),
        no_scale=0,
    )
    return keep(panel, np.repeat(here, panel.lengths)), counts


def cut_lines(outcome: PanelOutcome) -> list[str]:
    """Where every series is cut, and which series are not judged and why."""
    cut, counts = outcome.cut, outcome.counts
    lines = [
        f"of every series the last {cut.test:,} steps are the test part, of which nothing is learned; the "
        f"{cut.validation:,} before them, the validation part, say how long to train"
    ]
    told = {
        "too short to be judged, or without values there: trained on up to the test part": counts.too_short,
        "too short to be trained on: none of their steps lies before the test part": counts.not_trained,
        f"trained on but not judged: {counts.judged:,}, evenly spread over the table, are enough": counts.not_asked,
        "without a MASE: nothing varies before the test part": counts.no_scale,
    }
    return lines + [f"{count:,} series {words}" for words, count in told.items() if count]


def judged_words(outcome: PanelOutcome) -> str:
    """What was forecast from where, and of how many series."""
    cut, counts = outcome.cut, outcome.counts
    steps = "One step" if cut.horizon == 1 else f"{cut.horizon:,} steps"
    origins = "one origin" if cut.origins == 1 else f"each of {cut.origins} origins, {cut.horizon:,} steps apart,"
    few = f" of {counts.series:,}" if counts.judged < counts.series else ""
    return f"{steps} ahead from {origins} at the end of {counts.judged:,}{few} series"


def with_panel_files(outcome: PanelOutcome, files: Mapping[str, Path]) -> PanelOutcome:
    """The outcome with the files that were written."""
    return replace(outcome, files={name: str(path) for name, path in files.items()})


class _Trained:
    """A network that learned from all series before the first origin, and only forecasts those that are judged."""

    name = MODEL

    def __init__(self, forecaster: LSTMForecaster) -> None:
        self._forecaster = forecaster

    def fit(self, _table: Any) -> Self:
        return self

    fit_panel = fit

    def predict_many(self, panel: Panel, origins: Indices, horizon: int) -> Floats:
        return self._forecaster.predict_many(panel, origins, horizon)
