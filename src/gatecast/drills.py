"""Six small tasks whose answers are known, and a loop that trains many small networks on them at once.

A network is one layer of a cell of ``variants`` and a linear read-out.  All networks of one cell, over their starts,
tasks and seeds, take every step together, which costs hardly more than one of them alone; nothing else joins them.
Starts are those of ``variants.begin``.

Sources: adding and temporal order are experiments 4 and 6a of Hochreiter & Schmidhuber, "Long short-term memory",
Neural Computation 9(8), 1997.

Key: M network, B sequence, T step, C input channel, D hidden unit, K gates and candidate, O output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatecast.adam import BETAS, one_cycle
from gatecast.cell import LayerWeights
from gatecast.recurrent import unroll
from gatecast.variants import CELLS, Start, begin

Floats = NDArray[np.float64]

RESETS = 0.1  # chance that a step starts the sum anew
NOISE = 0.3  # standard deviation, on a sine of amplitude 1
PERIODS = (10.0, 30.0)  # steps of a sine's cycle, drawn for each sequence
WRONG_SUM = 0.04  # an adding answer farther off is wrong, as in 1997
WRONG_CLASS = 0.3  # ... and a class, if one of its outputs is
JUDGED = 200  # fresh sequences a trained network is judged on
CLIP = 1.0  # norm of one network's gradient


class Drill(NamedTuple):
    """Sequences, what is to be answered, and where."""

    x_BTC: Floats
    y_BTO: Floats
    asked_BT: NDArray[np.bool_]


class Task(NamedTuple):
    """A task: how its sequences are drawn, and from how far off an answer is called wrong."""

    title: str
    draw: Callable[[np.random.Generator, int, int], Drill]
    wrong: float | None = None


class Effort(NamedTuple):
    """How long and with what a network learns."""

    steps: int = 60  # of a sequence
    updates: int = 400
    units: int = 16
    batch: int = 16
    rate: float = 0.01  # peak of the one-cycle schedule


class Learned(NamedTuple):
    """How networks did, each array (starts, tasks, seeds)."""

    left: Floats  # mean squared error over the targets' variance: 1 is no better than always saying the mean
    wrong: Floats  # share of wrong answers; NaN where the task does not say what is wrong


# ---------------------------------------------------------------------------------------------------- the tasks


def recall(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """A number, then nothing; at the last step the number is asked for."""
    x_BTC = np.zeros((batch, steps, 1))
    x_BTC[:, 0, 0] = rng.uniform(-1, 1, batch)
    return Drill(x_BTC, np.repeat(x_BTC[:, :1], steps, axis=1), _last(batch, steps))


def reset(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """Numbers, and now and then the sign to start anew; at every step the sum since the last sign is asked for."""
    values_BT, signs_BT = rng.uniform(-1, 1, (batch, steps)), rng.random((batch, steps)) < RESETS
    sums_BT, sum_B = np.empty((batch, steps)), np.zeros(batch)
    for t in range(steps):
        sum_B = np.where(signs_BT[:, t], 0, sum_B) + values_BT[:, t]
        sums_BT[:, t] = sum_B
    return Drill(np.stack([values_BT, signs_BT], -1), sums_BT[..., None], np.ones((batch, steps), np.bool_))


def sine(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """A wave of unknown period and phase; its next value is asked for once half of it was seen."""
    return _wave(rng, batch, steps, 0.0)


def noisy_sine(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """The same wave under noise; the next value without noise is asked for."""
    return _wave(rng, batch, steps, NOISE)


def adding(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """Two of many numbers are marked; at the end (0.5 and a quarter of) their sum is asked for.

    One mark stands in the first ten steps, the other in the first half.  In 1997 the lengths varied by a tenth.
    """
    x_BTC, rows = np.zeros((batch, steps, 2)), np.arange(batch)
    x_BTC[..., 0] = rng.uniform(-1, 1, (batch, steps))
    first_B = rng.integers(0, min(10, steps // 2), batch)
    second_B = rng.integers(0, steps // 2 - 1, batch)
    second_B += second_B >= first_B  # another one
    x_BTC[:, [0, -1], 1] = -1
    x_BTC[rows, first_B, 1] = x_BTC[rows, second_B, 1] = 1
    x_BTC[(first_B == 0) | (second_B == 0), 0, 0] = 0
    sum_B = x_BTC[rows, first_B, 0] + x_BTC[rows, second_B, 0]
    y_BTO = np.repeat((0.5 + sum_B / 4)[:, None, None], steps, axis=1)
    return Drill(x_BTC, y_BTO, _last(batch, steps))


def temporal_order(rng: np.random.Generator, batch: int, steps: int) -> Drill:
    """Two of many letters are X or Y; at the end their order is asked for, one of four classes."""
    letters_BT = rng.integers(0, 4, (batch, steps))  # a, b, c, d; then X, Y, and the marks of begin and end
    letters_BT[:, 0], letters_BT[:, -1] = 6, 7
    rows, kinds_B2 = np.arange(batch), rng.integers(0, 2, (batch, 2))
    first_B = rng.integers(max(1, steps // 10), max(2, steps // 5), batch)
    second_B = rng.integers(steps // 2, max(steps // 2 + 1, 3 * steps // 5), batch)
    letters_BT[rows, first_B], letters_BT[rows, second_B] = 4 + kinds_B2[:, 0], 4 + kinds_B2[:, 1]
    classes_BO = np.eye(4)[2 * kinds_B2[:, 0] + kinds_B2[:, 1]]
    return Drill(np.eye(8)[letters_BT], np.repeat(classes_BO[:, None], steps, axis=1), _last(batch, steps))


TASKS = {
    "sine": Task("sine", sine),
    "noisy_sine": Task("noisy sine", noisy_sine),
    "recall": Task("recall", recall),
    "reset": Task("reset", reset),
    "adding": Task("adding", adding, WRONG_SUM),
    "temporal_order": Task("temporal order", temporal_order, WRONG_CLASS),
}


def _last(batch: int, steps: int) -> NDArray[np.bool_]:
    return np.broadcast_to(np.arange(steps) == steps - 1, (batch, steps))


def _wave(rng: np.random.Generator, batch: int, steps: int, noise: float) -> Drill:
    period_B1, phase_B1 = rng.uniform(*PERIODS, (batch, 1)), rng.uniform(0, 2 * np.pi, (batch, 1))
    wave_BT = np.sin(2 * np.pi * np.arange(steps + 1) / period_B1 + phase_B1)
    seen_BT = wave_BT[:, :-1] + noise * rng.normal(size=(batch, steps))
    late = np.broadcast_to(np.arange(steps) >= steps // 2, (batch, steps))
    return Drill(seen_BT[..., None], wave_BT[:, 1:, None], late)


# ------------------------------------------------------------------------------------------------------ the loop


def practise(
    starts: Sequence[Start],
    tasks: Sequence[Task],
    seeds: int,
    effort: Effort | None = None,
    note: Callable[[str], None] | None = None,
) -> Learned:
    """Train a network from every start on every task with every seed; the seed decides its weights and its sequences.

    Args:
        starts: what networks begin as.
        tasks: what they learn.
        seeds: how many, counted from 0.
        effort: how long.
        note: told what is trained next.
    """
    effort = effort or Effort()
    shape = (len(starts), len(tasks), seeds)
    left, wrong = np.empty(shape), np.empty(shape)
    for cell in dict.fromkeys(start.cell for start in starts):
        mine = [place for place, start in enumerate(starts) if start.cell == cell]
        if note is not None:
            note(f"training {len(mine) * len(tasks) * seeds} networks: {CELLS[cell].title}")
        left[mine], wrong[mine] = _practise([starts[place] for place in mine], tasks, seeds, effort)
    return Learned(left, wrong)


class _Sequences:
    """The same sequences for every start: drawn once for each task and seed, and padded to one shape."""

    def __init__(self, tasks: Sequence[Task], seeds: int, starts: int, steps: int) -> None:
        self.tasks, self.seeds, self.starts, self.steps = tasks, seeds, starts, steps
        self._training = [np.random.default_rng([seed, 1]) for _ in tasks for seed in range(seeds)]
        drawn = [task.draw(np.random.default_rng(0), 1, steps) for task in tasks]
        self.channels = max(drill.x_BTC.shape[-1] for drill in drawn)
        self.outputs = max(drill.y_BTO.shape[-1] for drill in drawn)

    def next(self, batch: int) -> list[Floats]:
        """The next sequences to learn from: x (M, B, T, C), y (M, B, T, O), and what is asked, as y."""
        return self._draw(self._training, batch)

    def fresh(self) -> list[Floats]:
        """Sequences to be judged on, which nobody has seen; the same at every call."""
        return self._draw([np.random.default_rng([seed, 2]) for _ in self.tasks for seed in range(self.seeds)], JUDGED)

    def _draw(self, generators: list[np.random.Generator], batch: int) -> list[Floats]:
        drills = [self.tasks[place // self.seeds].draw(rng, batch, self.steps) for place, rng in enumerate(generators)]
        x = [_padded(drill.x_BTC, self.channels) for drill in drills]
        y = [_padded(drill.y_BTO, self.outputs) for drill in drills]
        asked = [
            _padded(np.where(drill.asked_BT[..., None], np.ones_like(drill.y_BTO), 0), self.outputs) for drill in drills
        ]
        return [np.tile(np.stack(part), (self.starts, 1, 1, 1)) for part in (x, y, asked)]


def _padded(array: Floats, columns: int) -> Floats:
    return np.pad(array, ((0, 0), (0, 0), (0, columns - array.shape[-1])))


def _practise(starts: Sequence[Start], tasks: Sequence[Task], seeds: int, effort: Effort) -> tuple[Floats, Floats]:
    """Networks of one cell: what is left of the variance, and the share of wrong answers, (starts, tasks, seeds)."""
    source = _Sequences(tasks, seeds, len(starts), effort.steps)
    weights = weights_of(starts, len(tasks), seeds, (source.channels, effort.units, source.outputs))
    learn(starts[0].cell, weights, lambda: source.next(effort.batch), effort)
    x, y, asked = source.fresh()
    said = answer(starts[0].cell, weights, x)
    shape = (len(starts), len(tasks), seeds)
    left_M = [_left(*three) for three in zip(said, y, asked, strict=True)]
    tolerances = [task.wrong for _ in starts for task in tasks for _ in range(seeds)]
    wrong_M = [_wrong(*four) for four in zip(said, y, asked, tolerances, strict=True)]
    return np.reshape(left_M, shape), np.reshape(wrong_M, shape)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: a second thread gains nothing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def learn(cell: str, weights: list[Tensor], draw: Callable[[], Sequence[Floats]], effort: Effort) -> None:
    """Train networks of one cell side by side, in place; each has its own gradient, clipped by its own norm.

    Args:
        cell: a name of ``variants``.
        weights: as ``weights_of`` gives them.
        draw: the next x (M, B, T, C), y (M, B, T, O), and 1 where an answer is asked for, as y.
        effort: how long, and at what rate.
    """
    mean, square = [torch.zeros_like(each) for each in weights], [torch.zeros_like(each) for each in weights]
    for update in range(effort.updates):
        x, y, asked = (torch.from_numpy(part).float() for part in draw())
        missed = (_said(cell, weights, x) - y).square() * asked
        loss_M = missed.sum((1, 2, 3)) / asked.sum((1, 2, 3))
        gradients = torch.autograd.grad(loss_M.sum(), weights)
        rate = one_cycle(update, effort.updates, effort.rate)
        with torch.no_grad():
            norm_M = torch.stack([each.flatten(1).square().sum(1) for each in gradients]).sum(0).sqrt()
            shrink_M = (CLIP / (norm_M + 1e-6)).clamp(max=1)
            for each, gradient, first, second in zip(weights, gradients, mean, square, strict=True):
                gradient = gradient * shrink_M.reshape(-1, 1, 1)  # noqa: PLW2901 (the same gradient, clipped)
                first.lerp_(gradient, 1 - BETAS[0])
                second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
                spread = (second / (1 - BETAS[1] ** (update + 1))).sqrt_().add_(1e-8)
                each.addcdiv_(first, spread, value=-rate / (1 - BETAS[0] ** (update + 1)))


@torch.no_grad()
def answer(cell: str, weights: list[Tensor], x_MBTC: Floats) -> Floats:
    """What trained networks say at every step, (M, B, T, O)."""
    return np.asarray(_said(cell, weights, torch.tensor(x_MBTC, dtype=torch.float32)).double().numpy())


def weights_of(starts: Sequence[Start], tasks: int, seeds: int, sizes: tuple[int, int, int]) -> list[Tensor]:
    """The weights of all networks under each other: input, hidden, bias (M, 1, K), read-out and its bias (M, 1, O).

    Of one seed, the networks of all starts and tasks draw alike.
    """
    channels, units, outputs = sizes
    rows = []
    for start in starts:
        for seed in [*range(seeds)] * tasks:
            rng = np.random.default_rng([seed, 0])
            layer = begin(rng, start, channels, units)
            limit = np.sqrt(6 / (units + outputs))
            out_DO = rng.uniform(-limit, limit, (units, outputs))
            rows.append((layer.input_CK, layer.hidden_DK, layer.bias_K[None], out_DO, np.zeros((1, outputs))))
    return [torch.from_numpy(np.stack(part)).float().requires_grad_() for part in zip(*rows, strict=True)]


def _said(cell: str, weights: list[Tensor], x_MBTC: Tensor) -> Tensor:
    of_layer: list[Any] = weights[:3]
    h_MBTD = unroll(cell, x_MBTC, LayerWeights(*of_layer), weights[3].shape[1])
    return h_MBTD @ weights[3][:, None] + weights[4][:, None]


def _left(said_BTO: Floats, y_BTO: Floats, asked_BTO: Floats) -> float:
    """Mean squared error over the variance of the targets, each output about its own mean."""
    there = asked_BTO[:, :, 0] > 0
    said, y = said_BTO[there], y_BTO[there]
    used = asked_BTO.any((0, 1))
    return float(np.square(said - y)[:, used].sum() / np.square(y - y.mean(0))[:, used].sum())


def _wrong(said_BTO: Floats, y_BTO: Floats, asked_BTO: Floats, tolerance: float | None) -> float:
    if tolerance is None:
        return float("nan")
    there = asked_BTO > 0
    off_BTO = np.where(there, np.abs(said_BTO - y_BTO), 0)
    return float((off_BTO.max(-1)[there[..., 0]] > tolerance).mean())
