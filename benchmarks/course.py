"""gatecast beside the classic recipe of the course, on the same data in the same run.

    .venv/bin/python benchmarks/course.py            minutes; writes benchmarks/results/course.json
    .venv/bin/python benchmarks/course.py --quick    seconds; only shows that everything runs, and writes nothing

The classic recipe is the one of the well-known LSTM tutorials: windows of 50 values, an LSTM of 50 units that returns
its sequence and one of 100, dropout 0.2 after each, one linear unit, mean squared error, RMSprop, batches of 512, and
one value at a time.  It is written afresh here.  README.md beside this file says what every figure means.

Key: B window of a batch, T step of a window, D hidden unit.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from gatecast import predictor
from gatecast.baselines import AR
from gatecast.config import MEDIAN, DataConfig, RunConfig, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.metrics import rmse
from gatecast.run import Standard, complete
from gatecast.runtime import Weights
from gatecast.sources import Source
from gatecast.stream import Stream
from gatecast.windows import Split

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RESULTS = Path(__file__).parent / "results" / "course.json"
HERE = Path(__file__).resolve().parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
DATA = ("sine", "sp500")
CYCLES = (10, 100)  # of a free-running sine


class Counts(NamedTuple):
    """How much is done of everything."""

    rounds: int = 3  # of classic recipe and gatecast in turn; each round has its own seed
    epochs: int = 20  # of the classic recipe
    seeds: int = 5  # of gatecast on the sine
    starts: int = 7  # of a fresh Python
    steps: int = 200  # recursive steps timed at a time
    blocks: int = 7  # of such steps, and of matrix products, in turn
    updates: int | None = None  # of gatecast; None follows from the data, as in a run


QUICK = Counts(rounds=1, epochs=2, seeds=1, starts=1, steps=20, blocks=2, updates=40)

# ====================================================================================================================
# The classic recipe
# ====================================================================================================================

WINDOW, UNITS, DROPOUT, BATCH = 50, (50, 100), 0.2, 512
RATE, DECAY, EPSILON = 1e-3, 0.9, 1e-7  # RMSprop as Keras sets it


def normalise(x: Any, base: Any) -> Any:
    """The change against the first value of the window."""
    return x / base - 1


def denormalise(x: Any, base: Any) -> Any:
    """The reverse of ``normalise``."""
    return base * (x + 1)


def targets_of(split: Split) -> dict[str, Integers]:
    """Which steps are the target of a window, by part: all of them but the first 50, each in one part only."""
    borders = (WINDOW, split.training, split.validation, split.total)
    names = ("training", "validation", "test")
    return {name: np.arange(*ends) for name, ends in zip(names, zip(borders, borders[1:], strict=False), strict=True)}


def windows_before(values: Floats, targets: Integers) -> Floats:
    """The 50 values before each target, (B, T)."""
    return values[targets[:, None] + np.arange(-WINDOW, 0)]


class Classic(nn.Module):
    """LSTM 50, dropout, LSTM 100, dropout, one linear unit; weights start as Keras starts them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(1, UNITS[0], batch_first=True)
        self.second = nn.LSTM(UNITS[0], UNITS[1], batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(UNITS[1], 1)
        with torch.no_grad():
            for layer, units in zip((self.first, self.second), UNITS, strict=True):
                of_input, of_state, bias, second_bias = layer.parameters()
                nn.init.xavier_uniform_(of_input)
                nn.init.orthogonal_(of_state)
                bias.zero_()
                bias[units : 2 * units] = 1.0  # the forget gate
                second_bias.zero_().requires_grad_(False)  # Keras has one bias per gate, torch two
            nn.init.xavier_uniform_(self.last.weight)
            self.last.bias.zero_()

    def forward(self, x_BT: Tensor) -> Tensor:
        """The value after each window, (B,)."""
        h_BTD = self.dropout(self.first(x_BT[..., None])[0])
        h_BD = self.dropout(self.second(h_BTD)[0][:, -1])
        return self.last(h_BD)[:, 0]

    @property
    def weights(self) -> int:
        """Number of trained weights."""
        return sum(part.numel() for part in self.parameters() if part.requires_grad)


class ClassicRun(NamedTuple):
    """What 20 epochs left."""

    seconds: list[float]  # of training, up to the end of each epoch; looking at the validation part is not counted
    validation: list[float]  # RMSE after each epoch, in the series' own units
    networks: list[Classic]  # after each epoch

    @property
    def best(self) -> int:
        """The epoch (from 0) with the lowest validation RMSE."""
        return int(np.argmin(self.validation))


def train_classic(
    values: Floats, split: Split, scaled: bool, seed: int, epochs: int = 20, threads: int = 1
) -> ClassicRun:
    """Train on the windows whose target lies in the training part; ``scaled`` divides each by its first value."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    begin, looked = time.perf_counter(), 0.0
    targets = targets_of(split)
    x, y = windows_before(values, targets["training"]), values[targets["training"]]
    if scaled:
        x, y = normalise(x, x[:, :1]), normalise(y, x[:, 0])
    x_BT, y_B = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)
    network = Classic()
    optimiser = torch.optim.RMSprop(network.parameters(), lr=RATE, alpha=DECAY, eps=EPSILON)
    run = ClassicRun([], [], [])
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(x_BT)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.mse_loss(network(x_BT[rows]), y_B[rows]).backward()
            optimiser.step()
        look = time.perf_counter()
        run.seconds.append(look - begin - looked)
        run.validation.append(classic_point_by_point(network, values, targets["validation"], scaled))
        run.networks.append(copy.deepcopy(network))
        looked += time.perf_counter() - look
    torch.set_num_threads(1)
    return run


@torch.no_grad()
def classic_point_by_point(network: Classic, values: Floats, targets: Integers, scaled: bool) -> float:
    """RMSE of the next step in the series' own units, each from the true values before it."""
    network.eval()
    x = windows_before(values, targets)
    base = x[:, 0]
    told = network(torch.as_tensor(normalise(x, base[:, None]) if scaled else x, dtype=torch.float32)).double().numpy()
    return rmse(values[targets], denormalise(told, base) if scaled else told)


@torch.no_grad()
def classic_full_sequence(network: Classic, values: Floats, origin: int, steps: int, scaled: bool) -> Floats:
    """One run on its own output, (steps,): each value is appended to a window that is read again as a whole.

    The base stays that of the first window, as in the tutorials.
    """
    network.eval()
    window = values[origin + 1 - WINDOW : origin + 1]
    base = window[0]
    frame = torch.as_tensor(normalise(window, base) if scaled else window, dtype=torch.float32)
    made = np.empty(steps)
    for step in range(steps):
        told = network(frame[None])
        made[step] = told.item()
        frame = torch.cat([frame[1:], told])
    return denormalise(made, base) if scaled else made


# ====================================================================================================================
# gatecast
# ====================================================================================================================


class Data(NamedTuple):
    """A data set as ``gatecast run`` cuts it, and the settings it completes."""

    source: Source
    split: Split
    values: Floats
    config: RunConfig

    @property
    def scaled(self) -> bool:
        """Whether the classic recipe divides its windows by their first value: the index yes, the sine no."""
        return self.source.period is None


def load_data(name: str) -> Data:
    """A named data set."""
    config = RunConfig(data=DataConfig(source=name))
    source, split = Standard().load_and_split(config)
    return Data(source, split, source.panel.series_values(0), complete(config, source))


class Fit(NamedTuple):
    """A trained forecaster, and when its updates were done."""

    model: LSTMForecaster
    seconds: float  # of the whole fit: set-up, updates, looks at the validation part, refit, intervals
    updates: int
    update_seconds: float  # mean over the updates, their share of the looks included


def fit(data: Data, seed: int, updates: int | None, looks: int | None = None) -> Fit:
    """Train as ``gatecast run`` does; with ``looks``, stop as Ctrl-C would after so many looks at the validation part.

    A run repeats bit for bit, so the stopped one is the beginning of the whole one.
    """
    chosen = data.config.training.model_copy(update={"seed": seed, "updates": updates})
    ends: list[float] = []
    seen = 0

    def follow(progress: Any) -> None:
        nonlocal seen
        ends.append(time.perf_counter())
        seen += progress.validation is not None
        if seen == looks:
            raise KeyboardInterrupt

    begin = time.perf_counter()
    steps = Standard()
    model = steps.build(data.config.model_copy(update={"training": chosen}))
    steps.train(model, data.source.panel, data.split, follow)
    seconds = time.perf_counter() - begin
    trained = model.fitted_.trained
    if trained.interrupted and seen != looks:
        raise KeyboardInterrupt
    each = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else float("nan")
    return Fit(model, seconds, trained.updates, each)


def point_by_point(data: Data, model: LSTMForecaster, begin: int, end: int) -> float:
    """RMSE of the next step for the targets ``begin`` to ``end``, in the series' own units."""
    quantiles = model.predict_many(data.source.panel.head(end), np.arange(begin - 1, end - 1), 1)
    return rmse(data.values[begin:end], quantiles[0, :, 0, MEDIAN])


def until_reached(data: Data, target: float, seed: int, updates: int | None) -> dict[str, Any]:
    """The shortest training whose validation RMSE is at most ``target``, in steps of one look.

    Seconds are those of the whole stopped fit.  ``reached`` is False if the finished training does not get there.
    """
    looks = 0
    while True:
        looks += 1
        stopped = fit(data, seed, updates, looks)
        error = point_by_point(data, stopped.model, data.split.training, data.split.validation)
        over = not stopped.model.fitted_.trained.interrupted
        if error <= target or over:
            return {
                "reached": error <= target,
                "seconds": stopped.seconds,
                "updates": stopped.updates,
                "validation_rmse": error,
            }


def phase_and_amplitude(path: Floats, origin: int, period: float) -> dict[str, tuple[float, float]]:
    """Errors of a free-running sine over each of ``CYCLES`` that it reaches: degrees, and percent of the amplitude.

    Least squares for sine and cosine at the known frequency, against sin(1 + 2 pi t / period).
    """
    cycle, found = round(period), {}
    for count in CYCLES:
        steps = np.arange((count - 1) * cycle, count * cycle)
        if steps[-1] < len(path):
            turn = 1 + 2 * np.pi * (origin + 1 + steps) / period
            (sine, cosine), *_ = np.linalg.lstsq(np.stack([np.sin(turn), np.cos(turn)], 1), path[steps])
            found[str(count)] = (float(np.degrees(np.arctan2(cosine, sine))), float(100 * (np.hypot(sine, cosine) - 1)))
    return found


def free_run(data: Data, model: LSTMForecaster) -> dict[str, tuple[float, float]]:
    """Phase and amplitude errors of a trained model on the sine, run on from the end of the validation part."""
    origin, period = data.split.validation - 1, data.source.period
    assert period is not None
    steps = max(CYCLES) * round(period)
    path = predictor.full_sequence(model.model_, data.values[: origin + 1], steps, data.config.training.horizon)
    return phase_and_amplitude(path, origin, period)


def process(name: str, *options: str) -> dict[str, Any]:
    """One ``gatecast run`` in a fresh process: what it printed as JSON, and ``process`` seconds from start to end."""
    command = [sys.executable, "-m", "gatecast", "run", name, "--json", *options]
    seconds, printed = timed_process(command)
    return {**json.loads(printed), "process": seconds}


def timed_process(command: list[str]) -> tuple[float, str]:
    """Seconds from start to end of a command on one thread, and what it printed."""
    with tempfile.TemporaryDirectory() as empty:
        begin = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD, cwd=empty
        )
        seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds, done.stdout


def update_operations(weights: Weights, config: TrainingConfig) -> dict[str, int]:
    """Floating point operations of the matrix products in one update; element-wise work is left out.

    A product of (a, b) and (b, c) counts 2 a b c, once forward and once backward for each factor that needs a gradient.
    """
    units = weights.units
    steps = config.batch * config.context
    origins = config.batch * config.origins
    asked = origins * min(config.steps, config.horizon)
    of_state = 2 * steps * units * 4 * units
    lstm = {"forward": 0, "backward": 0}
    for place, layer in enumerate(weights.layers):
        of_input = 2 * steps * layer.input_CK.size
        lstm["forward"] += of_input + of_state
        lstm["backward"] += of_input * (1 if place == 0 else 2) + 2 * of_state  # data needs no gradient
    head = weights.head
    once = 2 * asked * (head.question_FE.size + head.path_DJ.shape[1])  # what is asked needs no gradient
    twice = 2 * origins * (head.state_DE.size + head.path_DJ.size) + 2 * asked * (
        head.middle_ED.size + head.out_DO.size
    )
    return {
        "lstm_forward": lstm["forward"],
        "lstm_backward": lstm["backward"],
        "head_forward": once + twice,
        "head_backward": once + 2 * twice,
    }


def matrix_product(size: int = 1024, repeats: int = 5) -> float:
    """GFLOP/s of a plain float32 matrix product in torch, on as many threads as are set."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    out = a @ b
    begin = time.perf_counter()
    for _ in range(repeats):
        torch.mm(a, b, out=out)
    return repeats * 2 * size**3 / (time.perf_counter() - begin) / 1e9


# ====================================================================================================================
# The measurements
# ====================================================================================================================


def faster_threads(data: Data) -> dict[str, Any]:
    """Seconds of an epoch of the classic recipe with 1 and with 2 threads, in turn; the faster number is used."""
    cores = os.cpu_count() or 1
    offered = [threads for threads in (1, 2) if threads <= cores]
    seconds: dict[int, list[float]] = {threads: [] for threads in offered}
    for _ in range(3):
        for threads in offered:
            seconds[threads] += train_classic(data.values, data.split, data.scaled, 0, 1, threads).seconds
    found = {threads: median(times) for threads, times in seconds.items()}
    return {"epoch_seconds": {str(k): v for k, v in found.items()}, "used": min(found, key=lambda k: found[k])}


def classic_figures(data: Data, run: ClassicRun) -> dict[str, Any]:
    """What one training of the classic recipe gives, after its first epoch and after its best."""
    values, split = data.values, data.split
    test, steps = targets_of(split)["test"], split.total - split.validation
    found: dict[str, Any] = {
        "epoch_seconds": list(run.seconds),
        "validation_rmse": list(run.validation),
        "best_epoch": run.best + 1,
        "best_validation_rmse": run.validation[run.best],
        "seconds_until_best": run.seconds[run.best],
    }
    for label, epoch in (("first", 0), ("best", run.best)):
        network = run.networks[epoch]
        longest = max(steps, CYCLES[0] * round(data.source.period or 0))
        path = classic_full_sequence(network, values, split.validation - 1, longest, data.scaled)
        found[f"{label}_epoch"] = {
            "point_by_point_rmse": classic_point_by_point(network, values, test, data.scaled),
            "full_sequence_rmse": rmse(values[test], path[:steps]),
            "free_run": phase_and_amplitude(path, split.validation - 1, data.source.period)
            if data.source.period
            else None,
        }
    return found


def recursive_steps(data: Data, ours: LSTMForecaster, classic: Classic, counts: Counts) -> dict[str, Any]:
    """Seconds of one step on the model's own output, in turn.

    gatecast: ``Stream.forecast(1)`` (all 13 quantiles, in original units) and ``Stream.update`` with its median.
    Classic: read the window of 50 again, batch 1, append the output.  Neither counts reading in the history.
    """
    origin = data.split.validation - 1
    stream = Stream(ours.model_)
    for value in data.values[: origin + 1]:
        stream.update(float(value))

    def run_on() -> None:
        for _ in range(counts.steps):
            stream.update(float(stream.forecast(1)[0, MEDIAN]))

    def reread(threads: int) -> None:
        torch.set_num_threads(threads)
        classic_full_sequence(classic, data.values, origin, counts.steps, data.scaled)
        torch.set_num_threads(1)

    ways: dict[str, Callable[[], None]] = {"gatecast": run_on, "classic, 1 thread": lambda: reread(1)}
    if (os.cpu_count() or 1) > 1:
        ways["classic, 2 threads"] = lambda: reread(2)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for block in range(counts.blocks + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if block:  # the first block warms up
                seconds[name].append((time.perf_counter() - begin) / counts.steps)
    found = {name: median(times) for name, times in seconds.items()}
    return {**found, "classic": min(v for k, v in found.items() if k != "gatecast"), "all": seconds}


def start_up(counts: Counts) -> dict[str, Any]:
    """Seconds of fresh processes, in turn, from start to end; nothing is subtracted."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import gatecast": [sys.executable, "-c", "import gatecast"],
        "gatecast --help": [sys.executable, "-m", "gatecast", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(counts.starts + 1):
        for name, command in commands.items():
            took, _ = timed_process(command)
            if turn:  # the first turn reads the files from disk
                seconds[name].append(took)
    return {**{name: median(times) for name, times in seconds.items()}, "all": seconds}


def run_processes(counts: Counts, options: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """``gatecast run`` of both data sets, with and without saving, one after the other."""
    asked = [*options, *(["--updates", str(counts.updates)] if counts.updates is not None else [])]
    found: dict[str, dict[str, Any]] = {}
    for name in DATA:
        found[name] = process(name, "--no-save", *asked)
        found[name]["saving"] = process(name, *asked)["process"]
    return found


def measure(counts: Counts) -> dict[str, Any]:
    """Everything, classic recipe and gatecast in turn."""
    data = {name: load_data(name) for name in DATA}
    say("choosing the threads of the classic recipe")
    threads = faster_threads(data["sine"])
    fit(data["sine"], 0, 5)  # warms up
    classic: dict[str, list[dict[str, Any]]] = {name: [] for name in DATA}
    processes, fits, reached, products = [], [], [], []
    networks: list[Classic] = []
    for seed in range(counts.rounds):
        say(f"round {seed + 1} of {counts.rounds}: gatecast in fresh processes")
        processes.append(run_processes(counts))
        for name in DATA:
            say(f"round {seed + 1} of {counts.rounds}: the classic recipe, {name}")
            ran = train_classic(
                data[name].values, data[name].split, data[name].scaled, seed, counts.epochs, threads["used"]
            )
            classic[name].append(classic_figures(data[name], ran))
            if name == "sine":
                networks.append(ran.networks[-1])
                say(f"round {seed + 1} of {counts.rounds}: gatecast, {name}")
                target = ran.validation[ran.best]
                reached.append(until_reached(data[name], target, seed, counts.updates))
                products.append(matrix_product())
                fits.append(fit(data[name], seed, counts.updates))
                products.append(matrix_product())
    say("gatecast, further seeds")
    while len(fits) < counts.seeds:
        fits.append(fit(data["sine"], len(fits), counts.updates))
        products.append(matrix_product())
    say("recursive steps and starts")
    steps = recursive_steps(data["sine"], fits[0].model, networks[0], counts)
    starts = start_up(counts)
    say("without training")
    untrained = measure_untrained(data, counts, [row["best_validation_rmse"] for row in classic["sp500"]])
    weights, config = fits[0].model.model_.weights, fits[0].model.model_.config.training
    operations = update_operations(weights, config)
    rates = [sum(operations.values()) / each.update_seconds / 1e9 for each in fits]
    return {
        "threads": {"gatecast": 1, "classic": threads},
        "classic": {"weights": networks[0].weights, **classic},
        "gatecast": {
            "weights": weights.size,
            "processes": [{name: brief(ran) for name, ran in each.items()} for each in processes],
            "sine_fit_seconds": [each.seconds for each in fits],
            "sine_updates": [each.updates for each in fits],
            "sine_point_by_point_rmse": [
                point_by_point(data["sine"], each.model, data["sine"].split.validation, data["sine"].split.total)
                for each in fits
            ],
            "free_run": [free_run(data["sine"], each.model) for each in fits],
        },
        "until_classic_best": reached,
        "recursive_step_seconds": steps,
        "start_seconds": starts,
        "update": {
            "operations": operations,
            "seconds": [each.update_seconds for each in fits],
            "gflops": median(rates),
            "matrix_product_gflops": median(products),
            "share": median(rates) / median(products),
        },
        "autoregression_sine_rmse": ar_rmse(data["sine"]),
        "untrained": untrained,
    }


def measure_untrained(data: dict[str, Data], counts: Counts, classic_sp500: list[float]) -> dict[str, Any]:
    """The same figures with 0 updates."""
    processes = run_processes(counts._replace(updates=0))
    fits = [fit(data["sine"], seed, 0) for seed in range(counts.seeds)]
    sine, index = data["sine"].split, data["sp500"].split
    of_index = point_by_point(data["sp500"], fit(data["sp500"], 0, 0).model, index.training, index.validation)
    return {
        "processes": [{name: brief(ran) for name, ran in processes.items()}],
        "free_run": [free_run(data["sine"], each.model) for each in fits],
        "sine_validation_rmse": point_by_point(data["sine"], fits[0].model, sine.training, sine.validation),
        "sp500_validation_rmse": of_index,
        "sp500_validation_rmse_below_classic_best": of_index <= min(classic_sp500),
    }


def brief(ran: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a run's JSON."""
    scores = {f"{row['mode']} {row['model']}": {k: row[k] for k in ("rmse", "crps")} for row in ran["scores"]}
    return {
        "seconds": ran["seconds"],
        "process_seconds": ran["process"],
        "process_seconds_saving": ran["saving"],
        "updates": ran["network"]["updates"],
        "scores": scores,
        "free_run": ran["free_run"],
    }


def ar_rmse(data: Data) -> float:
    """Point by point, what two autoregressive coefficients reach: the yardstick that needs no network."""
    model = AR(2).fit_values(data.values[: data.split.training], 1)
    origins = np.arange(data.split.validation - 1, data.split.total - 1)
    return rmse(data.values[origins + 1], model.predict_many(data.values, origins, 1)[:, 0, MEDIAN])


# ====================================================================================================================
# What must hold
# ====================================================================================================================

Values = dict[str, float | None]


class Figure(NamedTuple):
    """One thing that must hold: its values with training and without, and the bounds on them."""

    what: str
    value: Values
    untrained: Values | None  # None: training has no bearing on it
    must: dict[str, float]
    goal: dict[str, float] | None = None
    at_least: bool = False  # whether the bounds are the least a value may be, not the most
    only_with: tuple[str, ...] = ()  # figures that must hold for the same fits, or this one counts for nothing
    note: str = ""


def figures_of(found: dict[str, Any]) -> list[Figure]:
    """Every figure that has a must."""
    none = found["untrained"]
    ours, untrained = found["gatecast"]["processes"], none["processes"]

    def of_runs(values: Callable[[list[dict[str, Any]], list[dict[str, Any]]], Values]) -> tuple[Values, Values]:
        return values(ours, found["gatecast"]["free_run"]), values(untrained, none["free_run"])

    def within(most: float) -> tuple[dict[str, float], dict[str, float]]:
        return {"seconds": most}, {"seconds": most / 2}

    rows = [
        Figure(
            "sine, point by point",
            *of_runs(lambda runs, _: {"RMSE": score(runs, "sine", "point_by_point LSTM", "rmse")}),
            {"RMSE": 0.002},
            {"RMSE": 0.0005},
        )
    ]
    for cycles, must, goal in (("10", (1.0, 1.0), (0.1, 0.1)), ("100", (6.0, 2.0), (1.0, 0.5))):
        names = ("degrees, seed 0", "percent, seed 0", "degrees, median", "percent, median")
        rows.append(
            Figure(
                f"sine, full sequence, after {cycles} cycles",
                *of_runs(
                    lambda _, runs, cycles=cycles, names=names: dict(zip(names, drift(runs, cycles), strict=True))
                ),
                dict(zip(names, must * 2, strict=True)),
                dict(zip(names, goal * 2, strict=True)),
                note=f"median of the absolute errors of {len(found['gatecast']['free_run'])} seeds",
            )
        )
    ratios = {"RMSE / last value's": "rmse", "CRPS / last value's": "crps"}
    rows.append(
        Figure(
            "S&P 500, point by point",
            *of_runs(
                lambda runs, _: {
                    name: score(runs, "sp500", "point_by_point LSTM", of)
                    / score(runs, "sp500", "point_by_point LastValue", of)
                    for name, of in ratios.items()
                }
            ),
            {"RMSE / last value's": 1.01, "CRPS / last value's": 0.99999},
            note="the untrained network repeats the last value: only its CRPS can fail",
        )
    )
    accurate = {
        "sine": tuple(row.what for row in rows if row.what.startswith("sine")),
        "sp500": (rows[-1].what,),
    }
    for name, most in (("sine", 8.0), ("sp500", 15.0)):
        rows.append(
            Figure(
                f"fit and predict, {name}",
                *of_runs(lambda runs, _, name=name: {"seconds": seconds_of(runs, name)}),
                *within(most),
                only_with=accurate[name],
            )
        )
    for name, most in (("sine", 15.0), ("sp500", 25.0)):
        rows.append(
            Figure(
                f"whole process, report written, {name}",
                *of_runs(
                    lambda runs, _, name=name: {"seconds": median(run[name]["process_seconds_saving"] for run in runs)}
                ),
                *within(most),
                only_with=accurate[name],
            )
        )
    return [*rows, sooner(found), *without_training(found)]


def sooner(found: dict[str, Any]) -> Figure:
    """How much sooner gatecast is as good on the validation part as the classic recipe ever is."""
    pairs = list(zip(found["classic"]["sine"], found["until_classic_best"], strict=True))
    ratios = [theirs["seconds_until_best"] / ours["seconds"] for theirs, ours in pairs if ours["reached"]]
    target = max(theirs["best_validation_rmse"] for theirs, _ in pairs)
    never = found["untrained"]["sine_validation_rmse"] > target
    return Figure(
        "sine, sooner at the classic recipe's best validation RMSE",
        {"times": median(ratios) if len(ratios) == len(pairs) else None},
        {"times": None if never else float("inf")},
        {"times": 10.0},
        {"times": 30.0},
        at_least=True,
        note=f"by round: {', '.join(f'{ratio:.1f}' for ratio in ratios)}; without training it is never reached",
    )


def without_training(found: dict[str, Any]) -> list[Figure]:
    """Figures that no training changes."""
    steps, starts = found["recursive_step_seconds"], found["start_seconds"]
    names = ("gatecast --help", "import gatecast")
    return [
        Figure(
            "one recursive step",
            {"ms": 1000 * steps["gatecast"]},
            None,
            {"ms": 0.5},
            {"ms": 0.1},
            note=f"classic recipe in torch, same run: {1000 * steps['classic']:.3f} ms",
        ),
        Figure(
            "start",
            {f"{name}, seconds": starts[name] for name in names},
            None,
            {f"{name}, seconds": 0.4 for name in names},
            {f"{name}, seconds": 0.2 for name in names},
            note=f"python -c pass, same run: {starts['python -c pass']:.3f} s",
        ),
    ]


def score(runs: list[dict[str, Any]], name: str, row: str, of: str) -> float:
    """A score of the first run; the same seed gives the same numbers in all of them."""
    return float(runs[0][name]["scores"][row][of])


def seconds_of(runs: list[dict[str, Any]], name: str) -> float:
    """Median seconds of fit and predict."""
    return median(run[name]["seconds"]["fit"] + run[name]["seconds"]["predict"] for run in runs)


def drift(runs: list[dict[str, tuple[float, float]]], cycles: str) -> tuple[float, ...]:
    """Absolute phase and amplitude error of seed 0, then the medians over the seeds."""
    errors = np.abs([run[cycles] for run in runs])
    return (*map(float, errors[0]), *map(float, np.median(errors, axis=0)))


def holds(figure: Figure, value: Values, bounds: dict[str, float]) -> bool:
    """Whether every value keeps its bound; one that is missing does not."""
    return all(
        x is not None and (x >= bound if figure.at_least else x <= bound)
        for x, bound in ((value[name], bound) for name, bound in bounds.items())
    )


def judged(figures: list[Figure]) -> list[dict[str, Any]]:
    """The rows of the table: what, value, must, goal, met; the same without training, where the must has to fail."""
    kept: dict[str, dict[str, Any]] = {}
    for figure in figures:
        met = holds(figure, figure.value, figure.must)
        reached = figure.goal is not None and holds(figure, figure.value, figure.goal)
        alone = None if figure.untrained is None else holds(figure, figure.untrained, figure.must)
        others = [kept[name] for name in figure.only_with]
        kept[figure.what] = {
            "what": figure.what,
            "value": figure.value,
            "must": figure.must,
            "goal": figure.goal,
            "met": met and all(row["met"] for row in others),
            "goal_met": None if figure.goal is None else reached and all(row["met"] for row in others),
            "untrained": figure.untrained,
            "untrained_met": None if alone is None else alone and all(row["untrained_met"] for row in others),
            "counts_only_with": list(figure.only_with),
            "note": figure.note,
        }
    return list(kept.values())


# ====================================================================================================================
# What is printed and written
# ====================================================================================================================


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def device() -> dict[str, Any]:
    """The machine and the versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()


def in_words(values: Values | dict[str, float] | None) -> str:
    """Numbers with their names, short."""
    if values is None:
        return "–"
    parts = [f"{'never' if x is None else f'{x:.4g}'} {name}" for name, x in values.items()]
    return "; ".join(parts)


def print_figures(rows: list[dict[str, Any]]) -> None:
    words = {True: "yes", False: "NO", None: "–"}
    for row in rows:
        sign = "≥" if row["what"].startswith("sine, sooner") else "≤"
        print(f"\n{row['what']}")
        print(f"  value      {in_words(row['value'])}")
        print(f"  must     {sign} {in_words(row['must'])}   met: {words[row['met']]}")
        if row["goal"]:
            print(f"  goal     {sign} {in_words(row['goal'])}   met: {words[row['goal_met']]}")
        if row["untrained"] is None:
            print("  untrained  training has no bearing on it")
        else:
            verdict = "FAILS TO FAIL" if row["untrained_met"] else "fails, as it has to"
            print(f"  untrained  {in_words(row['untrained'])}   {verdict}")
        if row["counts_only_with"]:
            print("  counts only if the accuracy of the same fit holds")
        if row["note"]:
            print(f"  {row['note']}")


def print_beside(found: dict[str, Any]) -> None:
    """The two side by side."""
    ours, steps = found["gatecast"], found["recursive_step_seconds"]
    print(
        f"\n{'medians over the rounds':<46}{'classic, 1 epoch':>18}{'classic, best':>16}{'gatecast':>12}{'last value':>12}"
    )
    for name in DATA:
        theirs, runs = found["classic"][name], [each[name] for each in ours["processes"]]
        for mode in ("point_by_point", "full_sequence"):
            first, best = (
                median(row[f"{which}_epoch"][f"{mode}_rmse"] for row in theirs) for which in ("first", "best")
            )
            scores = (runs[0]["scores"][f"{mode} {model}"]["rmse"] for model in ("LSTM", "LastValue"))
            us, last = scores
            print(f"{f'{name}, {mode}, RMSE':<46}{first:>18.4g}{best:>16.4g}{us:>12.4g}{last:>12.4g}")
        first, best = (median(row["epoch_seconds"][at] for row in theirs) for at in (0, -1))
        fits = median(run["seconds"]["fit"] for run in runs)
        epochs = len(theirs[0]["epoch_seconds"])
        print(f"{f'{name}, fit, s (classic: 1 and {epochs} epochs)':<46}{first:>18.3g}{best:>16.3g}{fits:>12.3g}")
    theirs_ms, ours_ms = 1000 * steps["classic"], 1000 * steps["gatecast"]
    print(f"{'one recursive step, ms':<46}{'':>18}{theirs_ms:>16.3g}{ours_ms:>12.3g}")
    runs_ = found["classic"]["sine"]
    for row, own in zip(runs_, found["until_classic_best"], strict=True):
        print(
            f"validation RMSE {row['best_validation_rmse']:.4g}: classic recipe {row['seconds_until_best']:.2f} s "
            f"(epoch {row['best_epoch']}); gatecast {own['seconds']:.2f} s ({own['updates']} updates, "
            f"{own['validation_rmse']:.4g})"
        )
    free = runs_[0]["best_epoch_free"] if "best_epoch_free" in runs_[0] else runs_[0]["best_epoch"]
    del free
    update = found["update"]
    print(
        f"a training update: {sum(update['operations'].values()) / 1e6:.0f} MFLOP in "
        f"{1000 * median(update['seconds']):.2f} ms: {update['gflops']:.1f} GFLOP/s, {100 * update['share']:.0f} % of a "
        f"plain float32 matrix product's {update['matrix_product_gflops']:.0f} GFLOP/s on the same thread"
    )
    print(
        f"an autoregression with two coefficients, sine, point by point, RMSE: {found['autoregression_sine_rmse']:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny counts, to see that it runs; writes nothing")
    quick = parser.parse_args().quick
    begin, load_before = time.perf_counter(), os.getloadavg()
    changed = bool(git("status", "--porcelain"))
    with threadpool_limits(1):
        torch.set_num_threads(1)
        found = measure(QUICK if quick else Counts())
    rows = judged(figures_of(found))
    print_figures(rows)
    print_beside(found)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device(),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": changed,
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "seconds": time.perf_counter() - begin,
        "figures": rows,
        "measured": found,
    }
    print(
        f"\n{result['seconds']:.0f} s in all; load average before {load_before[0]:.2f}, commit {result['commit'][:9]}"
    )
    if quick:
        print("quick: the counts are tiny and the training cut short; these figures mean nothing and were not written")
        return
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {RESULTS.relative_to(HERE)}")


if __name__ == "__main__":
    main()
