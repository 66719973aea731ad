"""gatecast beside the classic recipe of the course, on the same data in the same run.

    .venv/bin/python benchmarks/course.py            minutes; writes benchmarks/results/course.json
    .venv/bin/python benchmarks/course.py --quick    a minute or two; shows that everything runs, and writes nothing

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from record import ONE_THREAD, RESULTS, heading, note_start, say, state, write
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from gatecast import predictor
from gatecast.baselines import LastValue
from gatecast.config import MEDIAN, QUANTILES, USUAL_HORIZON, DataConfig, RunConfig, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.metrics import crps, rmse
from gatecast.run import Standard, complete
from gatecast.runtime import Weights
from gatecast.sources import Source
from gatecast.stream import Stream
from gatecast.training import Progress
from gatecast.windows import Split

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Drift = dict[str, tuple[float, float]]  # by number of cycles: degrees, percent of the amplitude

CORES = os.cpu_count() or 1
THREADS = (1, 2) if CORES > 1 else (1,)  # of the classic recipe, in turn; the faster counts
CYCLES = (10, 100)  # of a free-running sine


class Counts(NamedTuple):
    """How much is done of everything."""

    rounds: int = 3  # of classic recipe and gatecast in turn; each round has its own seed
    epochs: int = 20  # of the classic recipe
    seeds: int = 5  # of gatecast on the sine
    steps: int = 200  # recursive steps timed at a time
    turns: int = 7  # of such steps, and of fresh processes
    updates: int | None = None  # of gatecast; None follows from the data, as in a run


QUICK = Counts(rounds=1, epochs=2, seeds=1, steps=20, turns=1, updates=40)


class Data(NamedTuple):
    """A data set as ``gatecast run`` cuts it, and the settings it completes."""

    source: Source
    split: Split
    values: Floats
    config: RunConfig


def load_data(name: str) -> Data:
    """A named data set."""
    config = RunConfig(data=DataConfig(source=name))
    source, split = Standard().load_and_split(config)
    return Data(source, split, source.panel.series_values(0), complete(config, source, USUAL_HORIZON))


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
    return {name: np.arange(*ends) for name, ends in zip(names, pairwise(borders), strict=True)}


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
    """What the epochs left."""

    setup: float  # seconds before the first epoch
    seconds: list[float]  # of training in each epoch; looking at the validation part is not counted
    validation: list[float]  # RMSE after each epoch, in the series' own units
    networks: list[Classic]  # after each epoch

    @property
    def best(self) -> int:
        """The epoch (from 0) with the lowest validation RMSE."""
        return int(np.argmin(self.validation))

    @property
    def epoch_seconds(self) -> dict[int, float]:
        """Median seconds of an epoch by number of threads."""
        ways = len(THREADS)
        return {
            threads: median(self.seconds[place::ways]) for place, threads in enumerate(THREADS[: len(self.seconds)])
        }

    def seconds_until(self, epoch: int) -> float:
        """Seconds of training up to the end of an epoch (from 0), at the better number of threads."""
        return self.setup + (epoch + 1) * min(self.epoch_seconds.values())


def train_classic(data: Data, seed: int, epochs: int = 20) -> ClassicRun:
    """Train on the windows whose target lies in the training part; validation and test part are not learnt from.

    Epochs run on 1 and on 2 threads in turn, so that both are timed.
    """
    before = torch.get_num_threads()
    torch.manual_seed(seed)
    begin = time.perf_counter()
    targets = targets_of(data.split)
    x, base = framed(data, targets["training"])
    y = data.values[targets["training"]]
    x_BT = torch.as_tensor(x, dtype=torch.float32)
    y_B = torch.as_tensor(y if base is None else normalise(y, base), dtype=torch.float32)
    network = Classic()
    optimiser = torch.optim.RMSprop(network.parameters(), lr=RATE, alpha=DECAY, eps=EPSILON)
    run = ClassicRun(time.perf_counter() - begin, [], [], [])
    for epoch in range(epochs):
        torch.set_num_threads(THREADS[epoch % len(THREADS)])
        network.train()
        begin = time.perf_counter()
        for rows in torch.randperm(len(x_BT)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.mse_loss(network(x_BT[rows]), y_B[rows]).backward()
            optimiser.step()
        run.seconds.append(time.perf_counter() - begin)
        run.validation.append(classic_point_by_point(network, data, targets["validation"]))
        run.networks.append(copy.deepcopy(network))
    torch.set_num_threads(before)
    return run


def framed(data: Data, targets: Integers) -> tuple[Floats, Floats | None]:
    """Windows as the recipe reads them: the sine as it is; the index divided by the base, each window's first value."""
    x = windows_before(data.values, targets)
    return (normalise(x, x[:, :1]), x[:, 0]) if data.source.period is None else (x, None)


@torch.no_grad()
def classic_point_by_point(network: Classic, data: Data, targets: Integers) -> float:
    """RMSE of the next step in the series' own units, each from the true values before it."""
    network.eval()
    x, base = framed(data, targets)
    told = network(torch.as_tensor(x, dtype=torch.float32)).double().numpy()
    return rmse(data.values[targets], told if base is None else denormalise(told, base))


@torch.no_grad()
def classic_full_sequence(network: Classic, data: Data, origin: int, steps: int) -> Floats:
    """One run on its own output, (steps,): each value is appended to a window that is read again as a whole.

    The base stays that of the first window, as in the tutorials.
    """
    network.eval()
    x, base = framed(data, np.array([origin + 1]))
    frame_BT = torch.as_tensor(x, dtype=torch.float32)
    made = np.empty(steps)
    for step in range(steps):
        told_B = network(frame_BT)
        made[step] = told_B.item()
        frame_BT = torch.cat([frame_BT[:, 1:], told_B[:, None]], 1)
    return made if base is None else denormalise(made, base)


# ====================================================================================================================
# gatecast
# ====================================================================================================================


class Fit(NamedTuple):
    """A trained forecaster and what its training took."""

    model: LSTMForecaster
    seconds: float  # of the whole fit: set-up, updates, looks at the validation part, refit, intervals
    update_seconds: float  # mean over the updates, their share of the looks included


def fit(data: Data, training: Mapping[str, Any], looks: int | None = None) -> Fit:
    """Train as ``gatecast run`` does; with ``looks``, stop as Ctrl-C would after so many looks at the validation part.

    A run repeats bit for bit, so a stopped one is the beginning of the whole one, without the refit that ends it.
    """
    ends: list[float] = []
    seen = 0

    def follow(progress: Progress) -> None:
        nonlocal seen
        ends.append(time.perf_counter())
        seen += progress.validation is not None
        if seen == looks:
            raise KeyboardInterrupt

    config = data.config.model_copy(update={"training": data.config.training.model_copy(update=dict(training))})
    begin = time.perf_counter()
    model = Standard().train(Standard().build(config), data.source.panel, data.split, follow)
    seconds = time.perf_counter() - begin
    if model.fitted_.trained.interrupted and seen != looks:
        raise KeyboardInterrupt
    return Fit(model, seconds, (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else float("nan"))


def point_by_point(data: Data, model: LSTMForecaster, begin: int, end: int) -> float:
    """RMSE of the next step for the targets ``begin`` to ``end``, in the series' own units."""
    quantiles = model.predict_many(data.source.panel.head(end), np.arange(begin - 1, end - 1), 1)
    return rmse(data.values[begin:end], quantiles[0, :, 0, MEDIAN])


def until_reached(data: Data, target: float, training: Mapping[str, Any]) -> dict[str, Any]:
    """The shortest beginning of a training whose validation RMSE is at most ``target``, in steps of one look.

    Seconds are those of the whole stopped fit, the median of three.  ``reached`` is False if the finished training does
    not get there.
    """
    looks, over, error = 0, False, float("inf")
    while error > target and not over:
        looks += 1
        stopped = fit(data, training, looks)
        error = point_by_point(data, stopped.model, data.split.training, data.split.validation)
        over = not stopped.model.fitted_.trained.interrupted
    updates = stopped.model.fitted_.trained.updates
    seconds = [stopped.seconds, *(fit(data, training, looks).seconds for _ in range(2))]
    return {"reached": error <= target, "seconds": median(seconds), "updates": updates, "validation_rmse": error}


def phase_and_amplitude(path: Floats, origin: int, period: float) -> Drift:
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


def free_run(data: Data, model: LSTMForecaster) -> Drift:
    """Phase and amplitude errors of a trained model on the sine, run on from the end of the validation part."""
    origin, period = data.split.validation - 1, data.source.period or 0.0
    steps, block = max(CYCLES) * round(period), data.config.training.horizon
    return phase_and_amplitude(
        predictor.full_sequence(model.model_, data.values[: origin + 1], steps, block), origin, period
    )


def scores(data: Data, model: LSTMForecaster) -> dict[str, float]:
    """Point by point over the test part, RMSE and CRPS, and both as shares of the last value's."""
    origins = np.arange(data.split.validation - 1, data.split.total - 1)
    truth = data.values[origins + 1]
    last = LastValue().fit_values(data.values[: data.split.training], 1).predict_many(data.values, origins, 1)[:, 0]
    ours = model.predict_many(data.source.panel, origins, 1)[0, :, 0]
    found = {"RMSE": rmse(truth, ours[:, MEDIAN]), "CRPS": crps(truth, ours)}
    others = {"RMSE": rmse(truth, last[:, MEDIAN]), "CRPS": crps(truth, last)}
    return found | {f"{name} / last value's": found[name] / others[name] for name in found}


def process(command: list[str]) -> tuple[float, str]:
    """Seconds from start to end of a fresh process on one thread, and what it printed."""
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
    steps, origins = config.batch * config.context, config.batch * config.origins
    asked = origins * min(config.steps, config.horizon)
    of_state = 2 * steps * 4 * weights.units**2
    of_input = [2 * steps * layer.input_CK.size for layer in weights.layers]
    head = weights.head
    once = 2 * asked * (head.question_FE.size + head.path_DJ.shape[1])  # what is asked needs no gradient
    once += 2 * asked * len(QUANTILES) ** 2  # nor does what makes quantiles of centre and steps outward
    twice = 2 * origins * (head.state_DE.size + head.path_DJ.size) + 2 * asked * (
        head.middle_ED.size + head.out_DO.size
    )
    return {
        "lstm_forward": sum(of_input) + len(of_input) * of_state,
        "lstm_backward": of_input[0] + 2 * sum(of_input[1:]) + 2 * len(of_input) * of_state,  # nor do the data
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


def in_turn(ways: Mapping[Any, Callable[[], Any]], times: int) -> dict[Any, list[float]]:
    """Seconds of each way, A B A B …; the first turn warms up and is not counted."""
    seconds: dict[Any, list[float]] = {name: [] for name in ways}
    for turn in range(times + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def classic_figures(data: Data, run: ClassicRun) -> dict[str, Any]:
    """What one training of the classic recipe gives, after its first epoch and after its best."""
    values, split, period = data.values, data.split, data.source.period
    test, steps = targets_of(split)["test"], split.total - split.validation
    found: dict[str, Any] = {
        "epoch_seconds": run.epoch_seconds,
        "seconds": run.seconds,
        "validation_rmse": run.validation,
        "best_epoch": run.best + 1,
        "best_validation_rmse": run.validation[run.best],
        "seconds_until_first": run.seconds_until(0),
        "seconds_until_best": run.seconds_until(run.best),
        "seconds_until_last": run.seconds_until(len(run.seconds) - 1),
    }
    for label, epoch in (("after_first", 0), ("after_best", run.best)):
        network, longest = run.networks[epoch], max(steps, CYCLES[0] * round(period or 0))
        path = classic_full_sequence(network, data, split.validation - 1, longest)
        found[label] = {
            "point_by_point": classic_point_by_point(network, data, test),
            "full_sequence": rmse(values[test], path[:steps]),
            "free_run": phase_and_amplitude(path, split.validation - 1, period) if period else None,
        }
    return found


def recursive_steps(data: Data, ours: LSTMForecaster, classic: Classic, counts: Counts) -> dict[str, Any]:
    """Seconds of one step on the model's own output, in turn; reading in the history is not counted.

    gatecast: ``Stream.forecast(1)`` (all 13 quantiles, in original units) and ``Stream.update`` with its median.
    Classic: read the window of 50 again, batch 1, and append the output.
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
        classic_full_sequence(classic, data, origin, counts.steps)
        torch.set_num_threads(1)

    ways = {f"classic, threads: {threads}": partial(reread, threads) for threads in THREADS}
    taken = in_turn({"gatecast": run_on, **ways}, counts.turns)
    found = {name: median(seconds) / counts.steps for name, seconds in taken.items()}
    return {**found, "classic": min(found[name] for name in ways)}


def starts(counts: Counts) -> dict[str, float]:
    """Seconds of fresh processes, in turn, from start to end; nothing is subtracted."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "import gatecast": ["-c", "import gatecast"],
        "gatecast --help": ["-m", "gatecast", "--help"],
    }
    ways = {name: partial(process, [sys.executable, *words]) for name, words in commands.items()}
    return {name: median(seconds) for name, seconds in in_turn(ways, counts.turns).items()}


def whole_run(name: str, updates: int | None, no_save: bool = True) -> dict[str, Any]:
    """``gatecast run`` in a fresh process that writes its report, and in another with ``--no-save`` if wanted.

    What the first prints is kept: seconds, free run, and the scores by mode and model.
    """
    command = [sys.executable, "-m", "gatecast", "run", name, "--json"]
    command += [] if updates is None else ["--updates", str(updates)]
    saving, printed = process(command)
    without, again = process([*command, "--no-save"]) if no_save else (None, "{}")
    run = json.loads(printed)
    table: dict[str, dict[str, Any]] = {}
    for row in run["scores"]:
        table.setdefault(row["mode"], {})[row["model"]] = {name: row[name] for name in ("rmse", "crps")}
    kept = {name: run[name] for name in ("seconds", "free_run")}
    kept["seconds_no_save"] = json.loads(again).get("seconds")
    return {
        **kept,
        "updates": run["network"]["updates"],
        "process": saving,
        "process_no_save": without,
        "scores": table,
    }


def what_does_it(data: Mapping[str, Data], updates: int | None) -> dict[str, Any]:
    """The same figures with parts of the training left out, seed 0: the control of the accuracy figures."""
    variants: dict[str, dict[str, Any]] = {
        "0 updates": {"updates": 0},
        "1 update, then the refit": {"updates": 1},
        "1 update": {"updates": 1, "readout": False},
        "all updates": {"updates": updates, "readout": False},
        "all updates, then the refit": {"updates": updates},
    }
    found: dict[str, Any] = {}
    for label, training in variants.items():
        for name, each in data.items():
            made = fit(each, training)
            kept = made.model.fitted_.trained.readout
            row = {"fit_seconds": made.seconds, "refit_kept": kept, **scores(each, made.model)}
            found.setdefault(label, {})[name] = row | (
                {"free_run": free_run(each, made.model)} if name == "sine" else {}
            )
    return found


def measure(counts: Counts) -> dict[str, Any]:
    """Everything, classic recipe and gatecast in turn."""
    data = {name: load_data(name) for name in ("sine", "sp500")}
    sine = data["sine"]
    train_classic(sine, 0, epochs=2)  # warms up, and imports what torch's optimisers need
    fit(sine, {"updates": 5})
    classic: dict[str, list[dict[str, Any]]] = {name: [] for name in data}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in data}
    fits: list[Fit] = []
    reached, products = [], []
    for seed in range(counts.rounds):
        say(f"round {seed + 1} of {counts.rounds}")
        for name, each in data.items():
            runs[name].append(whole_run(name, counts.updates))
            trained = train_classic(each, seed, counts.epochs)
            classic[name].append(classic_figures(each, trained))
            if each is sine:
                reached.append(until_reached(sine, min(trained.validation), {"seed": seed, "updates": counts.updates}))
                products.append(matrix_product())
                fits.append(fit(sine, {"seed": seed, "updates": counts.updates}))
    say("further seeds, recursive steps, starts, what does it")
    while len(fits) < counts.seeds:
        products.append(matrix_product())
        fits.append(fit(sine, {"seed": len(fits), "updates": counts.updates}))
    network = trained.networks[-1]
    weights = fits[0].model.model_.weights
    operations = update_operations(weights, fits[0].model.model_.config.training)
    rates = [sum(operations.values()) / each.update_seconds / 1e9 for each in fits]
    untrained = {name: fit(each, {"updates": 0}).model for name, each in data.items()}
    return {
        "threads": {"gatecast": 1, "classic": THREADS},
        "weights": {"gatecast": weights.size, "classic": network.weights},
        "classic": classic,
        "runs": runs,
        "seeds": [
            {
                "fit_seconds": each.seconds,
                "updates": each.model.fitted_.trained.updates,
                "test_rmse": point_by_point(sine, each.model, sine.split.validation, sine.split.total),
                "free_run": free_run(sine, each.model),
            }
            for each in fits
        ],
        "until_classic_best": reached,
        "recursive_step": recursive_steps(sine, fits[0].model, network, counts),
        "starts": starts(counts),
        "update": {
            "operations": operations,
            "seconds": [each.update_seconds for each in fits],
            "gflops": median(rates),
            "matrix_product_gflops": median(products),
            "share": median(rates) / median(products),
        },
        "what_does_it": what_does_it(data, counts.updates),
        "untrained": {
            "runs": {name: [whole_run(name, 0, no_save=False)] for name in data},
            "seeds": [{"free_run": free_run(sine, untrained["sine"])}],  # every seed says the level, and nothing else
            "validation_rmse": {
                name: point_by_point(each, untrained[name], each.split.training, each.split.validation)
                for name, each in data.items()
            },
        },
    }


# ====================================================================================================================
# What must hold
# ====================================================================================================================

FREE = "sine, full sequence, after {} cycles"
SOONER = "sine, times sooner at the classic recipe's best validation RMSE"
STEP, START = "one recursive step", "start"
PARTS = ("degrees, seed 0", "percent, seed 0", "degrees, median", "percent, median")

# by figure and value: must and goal, both the most it may be (for SOONER the least)
BOUNDS: dict[str, dict[str, tuple[float, float | None]]] = {
    "sine, point by point": {"RMSE": (0.002, 0.0005)},
    FREE.format(10): dict(zip(PARTS, ((1, 0.1), (1, 0.1)) * 2, strict=True)),
    FREE.format(100): dict(zip(PARTS, ((6, 1), (2, 0.5)) * 2, strict=True)),
    "sp500, point by point": {"RMSE / last value's": (1.01, None), "CRPS / last value's": (1, None)},
    "sine, fit and predict": {"seconds": (8, 4)},
    "sp500, fit and predict": {"seconds": (15, 7.5)},
    "sine, whole process with report": {"seconds": (15, 7.5)},
    "sp500, whole process with report": {"seconds": (25, 12.5)},
    SOONER: {"times": (10, 30)},
    STEP: {"ms": (0.5, 0.1)},
    START: {"s gatecast --help": (0.4, 0.2), "s import gatecast": (0.4, 0.2)},
}

Values = dict[str, float]


def accuracy_and_times(measured: Mapping[str, Any]) -> dict[str, Values]:
    """The figures that ``gatecast run`` gives, from several runs of seed 0 and from the free runs of several seeds."""
    runs = measured["runs"]
    of_index = {model: runs["sp500"][0]["scores"]["point_by_point"][model] for model in ("LSTM", "LastValue")}
    found: dict[str, Values] = {
        "sine, point by point": {"RMSE": runs["sine"][0]["scores"]["point_by_point"]["LSTM"]["rmse"]},
        "sp500, point by point": {
            f"{name} / last value's": of_index["LSTM"][name.lower()] / of_index["LastValue"][name.lower()]
            for name in ("RMSE", "CRPS")
        },
    }
    for cycles in CYCLES:
        errors = np.abs([seed["free_run"][str(cycles)] for seed in measured["seeds"]])
        values = [*errors[0].tolist(), *np.median(errors, axis=0).tolist()]
        found[FREE.format(cycles)] = dict(zip(PARTS, values, strict=True))
    for name, several in runs.items():
        seconds = median(run["seconds"]["fit"] + run["seconds"]["predict"] for run in several)
        found[f"{name}, fit and predict"] = {"seconds": seconds}
        found[f"{name}, whole process with report"] = {"seconds": median(run["process"] for run in several)}
    return found


def figures_of(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of what, value, must, goal, met, and the same without training, where every must has to fail.

    A time counts only if the accuracy of the same data set holds: doing nothing is quick.
    """
    pairs = list(zip(measured["classic"]["sine"], measured["until_classic_best"], strict=True))
    times = [theirs["seconds_until_best"] / ours["seconds"] if ours["reached"] else 0.0 for theirs, ours in pairs]
    found = accuracy_and_times(measured) | {
        SOONER: {"times": median(times)},
        STEP: {"ms": 1000 * measured["recursive_step"]["gatecast"]},
        START: {f"s {name}": measured["starts"][name] for name in ("gatecast --help", "import gatecast")},
    }
    none = measured["untrained"]
    at_once = none["validation_rmse"]["sine"] <= max(theirs["best_validation_rmse"] for theirs, _ in pairs)
    at_best = median(theirs["seconds_until_best"] for theirs, _ in pairs)
    at_start = none["runs"]["sine"][0]["seconds"]["fit"]
    without = accuracy_and_times(none) | {SOONER: {"times": at_best / at_start if at_once else 0.0}}
    rows: list[dict[str, Any]] = []
    for what, bounds in BOUNDS.items():
        must = {name: bound for name, (bound, _) in bounds.items()}
        goal = {name: bound for name, (_, bound) in bounds.items() if bound is not None}
        row: dict[str, Any] = {"what": what, "value": found[what], "must": must, "goal": goal or None}
        row["counts_only_with"] = [
            other["what"] for other in rows if must.keys() == {"seconds"} and accurate(other, what.split(",", 1)[0])
        ]
        others = [other for other in rows if other["what"] in row["counts_only_with"]]
        row["met"] = within(what, found[what], must) and all(other["met"] for other in others)
        row["goal_met"] = within(what, found[what], goal) and row["met"] if goal else None
        row["untrained"] = without.get(what)
        row["untrained_met"] = (
            within(what, without[what], must) and all(other["untrained_met"] for other in others)
            if what in without
            else None  # no training changes it
        )
        rows.append(row)
    return rows


def accurate(row: Mapping[str, Any], data: str) -> bool:
    """Whether a row is an accuracy of this data set."""
    return row["what"].startswith(f"{data}, ") and "seconds" not in row["must"]


def within(what: str, values: Values, bounds: Mapping[str, float]) -> bool:
    """Whether every value keeps its bound."""
    sign = -1 if what == SOONER else 1
    return all(sign * values[name] < sign * bound for name, bound in bounds.items())


# ====================================================================================================================
# What is printed and written
# ====================================================================================================================


def in_words(values: Mapping[str, float] | None) -> str:
    """Numbers with their names, short."""
    return "; ".join(f"{x:.4g} {name}" for name, x in values.items()) if values else "–"


def print_figures(rows: list[dict[str, Any]]) -> None:
    words = {True: "met", False: "NOT MET", None: "–"}
    for row in rows:
        most = "at least" if row["what"] == SOONER else "under"
        print(f"\n{row['what']}: {in_words(row['value'])}")
        print(f"  must be {most} {in_words(row['must'])}: {words[row['met']]}")
        if row["goal"]:
            print(f"  goal: {most} {in_words(row['goal'])}: {words[row['goal_met']]}")
        fails = "the must is NOT failed" if row["untrained_met"] else "the must fails, as it has to"
        print(f"  0 updates: {in_words(row['untrained'])}: {fails}" if row["untrained"] else "  no training changes it")
        if row["counts_only_with"]:
            print("  (counts only together with the accuracy on the same data)")


def print_beside(measured: Mapping[str, Any]) -> None:
    """Classic recipe and gatecast side by side, medians over the rounds."""
    heads = ("1 epoch", "best epoch", "gatecast", "LastValue")
    print(f"\n{'the classic recipe after':<44}{heads[0]:>10}" + "".join(f"{head:>12}" for head in heads[1:]))
    for name, theirs in measured["classic"].items():
        runs = measured["runs"][name]
        for mode in ("point_by_point", "full_sequence"):
            of = [median(row[label][mode] for row in theirs) for label in ("after_first", "after_best")]
            of += [runs[0]["scores"][mode][model]["rmse"] for model in ("LSTM", "LastValue")]
            print(f"{f'{name}, {mode}, RMSE':<44}{of[0]:>10.4g}{of[1]:>12.4g}{of[2]:>12.4g}{of[3]:>12.4g}")
        of = [median(row[f"seconds_until_{epoch}"] for row in theirs) for epoch in ("first", "best")]
        fits = median(run["seconds"]["fit"] for run in runs)
        print(f"{f'{name}, fit, seconds':<44}{of[0]:>10.3g}{of[1]:>12.3g}{fits:>12.3g}")
        saving, without = (median(run[key] for run in runs) for key in ("process", "process_no_save"))
        print(f"{f'{name}, process, seconds':<44}{'':>22}{saving:>12.3g}  ({without:.3g} without saving)")
        if name == "sine":
            ways = [[row[label]["free_run"]["10"] for row in theirs] for label in ("after_first", "after_best")]
            ways.append([seed["free_run"]["10"] for seed in measured["seeds"]])
            degrees = [float(np.median(np.abs(way), axis=0)[0]) for way in ways]
            words = f"{degrees[0]:>10.3g}{degrees[1]:>12.3g}{degrees[2]:>12.3g}"
            print(f"{'sine, after 10 cycles, degrees':<44}{words}")
    steps = measured["recursive_step"]
    print(f"{'one recursive step, ms':<44}{'':>10}{1000 * steps['classic']:>12.3g}{1000 * steps['gatecast']:>12.3g}")
    print(f"python -c pass: {measured['starts']['python -c pass']:.3f} s")


def print_training(measured: Mapping[str, Any]) -> None:
    """How soon, how fast, and which part of the training does it."""
    print()
    for theirs, ours in zip(measured["classic"]["sine"], measured["until_classic_best"], strict=True):
        got = f"{ours['seconds']:.2f} s ({ours['updates']} updates: {ours['validation_rmse']:.4g})"
        print(
            f"sine, validation RMSE {theirs['best_validation_rmse']:.4g}: classic recipe "
            f"{theirs['seconds_until_best']:.2f} s (epoch {theirs['best_epoch']}), gatecast {got}"
        )
    best = min(row["best_validation_rmse"] for row in measured["classic"]["sp500"])
    none = measured["untrained"]["validation_rmse"]["sp500"]
    print(f"sp500, validation RMSE: classic recipe at best {best:.4g}, gatecast without training {none:.4g}")
    update = measured["update"]
    print(
        f"a training update: {sum(update['operations'].values()) / 1e6:.0f} MFLOP in "
        f"{1000 * median(update['seconds']):.2f} ms, {update['gflops']:.1f} GFLOP/s: {100 * update['share']:.0f} % of "
        f"a plain matrix product's {update['matrix_product_gflops']:.0f} on the same thread"
    )
    worst = {cycles: np.abs([seed["free_run"][str(cycles)] for seed in measured["seeds"]]).max(0) for cycles in CYCLES}
    for cycles, (degrees, percent) in worst.items():
        print(f"worst of {len(measured['seeds'])} seeds after {cycles} cycles: {degrees:.3g} degrees, {percent:.3g} %")
    heads = ("sine RMSE", "degrees 10", "100 cycles", "sp500 RMSE", "CRPS")
    print(f"\n{'what does it (seed 0)':<30}" + "".join(f"{head:>12}" for head in heads))
    for label, of in measured["what_does_it"].items():
        drift = [of["sine"]["free_run"][str(cycles)][0] for cycles in CYCLES]
        ratios = [of["sp500"][f"{name} / last value's"] for name in ("RMSE", "CRPS")]
        print(
            f"{label:<30}{of['sine']['RMSE']:>12.3g}{drift[0]:>12.3g}{drift[1]:>12.3g}{ratios[0]:>12.4f}{ratios[1]:>12.4f}"
        )
    solved = measured["runs"]["sine"][0]["scores"]["point_by_point"]["AR"]["rmse"]
    print(f"(sp500 as shares of the last value's; an autoregression's RMSE on the sine: {solved:.1e})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny counts, to see that it runs; writes nothing")
    quick = parser.parse_args().quick
    start = note_start()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        measured = measure(QUICK if quick else Counts())
    rows = figures_of(measured)
    print_figures(rows)
    print_beside(measured)
    print_training(measured)
    made = heading(start, "torch", "numpy")
    print(f"\n{made['seconds']:.0f} s in all; load average {start.load[0]:.2f} before; {state(made)}")
    if quick:
        print("quick: tiny counts and a training cut short; the figures mean nothing and are not written")
        return
    write({**made, "figures": rows, "measured": measured}, RESULTS / "course.json")


if __name__ == "__main__":
    main()
