"""Lab: the same network on the same series, scored with each classic leak planted.

The series are random walks with gaps: nothing about the next step can be known.  Whatever a pipeline gains over the
honest one comes from the future.

Key: M network, B window, T step, N origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.drills import Effort, answer, learn, weights_of
from gatecast.lab_charts import ranges
from gatecast.lab_questions import LEAK, USUAL, checked_seeds
from gatecast.lab_results import Answer, LabResult, Row, apart, pick, readable
from gatecast.leakage import leakage_probe
from gatecast.scaling import Floats
from gatecast.variants import Start

Note = Callable[[str], None]

STEPS, TRAINED = 500, 400  # of a series, and of its training part
CONTEXT = 20
GAPS = 0.3  # share of missing values
SMOOTHED = 5  # values in a centred mean
EFFORT = Effort(steps=CONTEXT, updates=300)
PROBED = Effort(steps=CONTEXT, updates=20)  # a leak shows however little is learned
SCORE = "RMSE ÷ that of the last value"
HONEST = "honest"

NAMES = {
    HONEST: HONEST,
    "scaler": "scaler of the whole series",
    "smoothing": "centred smoothing",
    "shuffle": "shuffled before the split",
    "gap": "gaps filled from both sides",
}


class Prepared(NamedTuple):
    """A pipeline's windows, scaled, and how to read its answers."""

    windows_NT: Floats  # scaled
    targets_N: Floats  # the next value less the window's last, scaled; NaN where it is missing
    training_N: NDArray[np.bool_]
    test_N: NDArray[np.bool_]
    truth_N: Floats  # in the series' units
    last_N: Floats  # the newest value there was
    mean: float
    width: float


def leak(
    seeds: int = USUAL, predict: str | None = None, effort: Effort | None = None, note: Note | None = None
) -> LabResult:
    """Score one network on random walks with each leak planted.

    Args:
        seeds: how many series, each with its own network.
        predict: one of the question's choices, said before.
        effort: how long networks learn.
        note: told what happens next.

    Raises:
        SettingsError: too few seeds, or a prediction that is none of the choices.
    """
    predicted = LEAK.checked(predict)
    effort = effort or EFFORT
    rows = measure(checked_seeds(seeds), effort, note)
    caught = probe(note)
    method = (
        f"Random walks of {STEPS} steps, {100 * GAPS:.0f} % of the values missing, the last {STEPS - TRAINED} for the "
        f"test. An LSTM of {effort.units} units reads windows of {CONTEXT} and says how far the next value lies from "
        f"the window's last, after {effort.updates} updates. The honest pipeline fills gaps from the left, scales by "
        "the training part and splits in time; every other one differs from it by one leak. Each is scored on its own "
        "test windows, as its author would."
    )
    figures = (ranges("score", "The score each pipeline reports", rows, SCORE, (1.0, "the last value")),)
    return LabResult(LEAK, rows, answer_leak(rows), method, seeds, figures, predicted, (_said_of(caught),))


def walk(seed: int) -> Floats:
    """A random walk (T,) with missing values; the first is known."""
    rng = np.random.default_rng([seed, 3])
    values = 100 + np.cumsum(rng.normal(size=STEPS))
    values[1:][rng.random(STEPS - 1) < GAPS] = np.nan
    return np.asarray(values)


def prepare(leak: str, values: Floats, trained: int = TRAINED) -> Prepared:
    """Windows of a series (T,) as the pipeline with this leak makes them; ``honest`` has none."""
    known = ~np.isnan(values)
    filled = values[np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))]
    seen = filled
    if leak == "gap":
        seen = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    if leak == "smoothing":
        around = np.pad(filled, SMOOTHED // 2, mode="edge")
        seen = np.convolve(around, np.ones(SMOOTHED) / SMOOTHED, "valid")
    part = filled if leak == "scaler" else filled[:trained]
    mean, width = float(part.mean()), float(part.std())
    windows_NT = np.lib.stride_tricks.sliding_window_view((seen - mean) / width, CONTEXT)[:-1]
    origins = np.arange(CONTEXT - 1, len(values) - 1)
    truth_N, there = values[origins + 1], known[origins + 1]
    training = origins + 1 < trained
    if leak == "shuffle":
        training = np.random.default_rng(len(values)).permutation(training)
    targets_N = (truth_N - mean) / width - windows_NT[:, -1]
    return Prepared(windows_NT, targets_N, training & there, ~training & there, truth_N, filled[origins], mean, width)


def measure(seeds: int, effort: Effort, note: Note | None = None) -> tuple[Row, ...]:
    """The score of every pipeline on every seed's series; all networks are trained side by side."""
    if note is not None:
        note(f"training {len(NAMES) * seeds} networks: LSTM")
    pipelines = [prepare(leak, walk(seed)) for leak in NAMES for seed in range(seeds)]
    rng = [np.random.default_rng([seed, 4]) for _ in NAMES for seed in range(seeds)]
    weights = weights_of([Start("lstm")], len(NAMES), seeds, (1, effort.units, 1))
    learn("lstm", weights, partial(_batch, pipelines, rng, effort.batch), effort)
    scores = [
        _score(pipeline, [part[place : place + 1] for part in weights]) for place, pipeline in enumerate(pipelines)
    ]
    by_leak = np.reshape(scores, (len(NAMES), seeds))
    return tuple(Row(name, SCORE, tuple(by_leak[place].tolist())) for place, name in enumerate(NAMES.values()))


def forecast(leak: str, values: Floats) -> float:
    """What the pipeline with this leak says after a training on the series, about the step after its training part."""
    made = prepare(leak, values)
    weights = weights_of([Start("lstm")], 1, 1, (1, PROBED.units, 1))
    learn("lstm", weights, partial(_batch, [made], [np.random.default_rng(4)], PROBED.batch), PROBED)
    window = TRAINED - CONTEXT  # it ends with the training part
    return float(_forecasts(made, weights, np.arange(len(made.windows_NT)) == window)[0])


def probe(note: Note | None = None) -> dict[str, bool]:
    """Whether the leakage probe catches each pipeline: it changes the future and looks whether a forecast moves."""
    if note is not None:
        note("changing the future, to see which forecasts move")
    values, last = walk(0), TRAINED - 1
    values[last] = np.nan  # a gap that the future could fill
    return {leak: leakage_probe(partial(forecast, leak), values, last).leaks for leak in NAMES}


def answer_leak(rows: Sequence[Row]) -> Answer:
    """Which leak flatters most, and by how much."""
    honest = pick(rows, HONEST)
    gains = {}
    for leak, name in NAMES.items():
        row = pick(rows, name)
        if leak != HONEST and apart(row, honest) and row.median < honest.median:
            gains[leak] = 100 * (1 - row.median / honest.median)
    honestly = f"Honestly it errs {readable(honest.median, 3)} times as much as the last value."
    rest = [NAMES[leak] for leak in NAMES if leak not in gains and leak != HONEST]
    unclear = f" No difference that the seeds agree on: {', '.join(rest)}." if rest else ""
    if not gains:
        return Answer("none", f"No leak makes the network look clearly better. {honestly}{unclear}")
    most = max(gains, key=lambda leak: gains[leak])
    listed = ", ".join(f"{NAMES[leak]} by {gains[leak]:.0f} %" for leak in sorted(gains, key=lambda leak: -gains[leak]))
    return Answer(most, f"The same network looks better by a leak alone: {listed}. {honestly}{unclear}")


def _said_of(caught: dict[str, bool]) -> str:
    found = [NAMES[leak] for leak, seen in caught.items() if seen]
    missed = [NAMES[leak] for leak, seen in caught.items() if not seen]
    return (
        f"gatecast's leakage probe, which changes the future and looks whether forecasts move, calls these leaking: "
        f"{', '.join(found) or 'none'}; and these not: {', '.join(missed) or 'none'}."
    )


def _batch(
    pipelines: Sequence[Prepared], generators: Sequence[np.random.Generator], size: int
) -> tuple[Floats, Floats, Floats]:
    """The next windows of every pipeline's training part, (M, B, T, 1), their targets, and where they are asked for."""
    x, y = [], []
    for pipeline, rng in zip(pipelines, generators, strict=True):
        rows = rng.choice(np.flatnonzero(pipeline.training_N), size)
        x.append(pipeline.windows_NT[rows])
        y.append(np.repeat(pipeline.targets_N[rows, None], CONTEXT, axis=1))
    asked = np.zeros((len(x), size, CONTEXT, 1))
    asked[:, :, -1] = 1
    return np.stack(x)[..., None], np.stack(y)[..., None], asked


def _score(pipeline: Prepared, weights: list[Any]) -> float:
    said, truth = _forecasts(pipeline, weights, pipeline.test_N), pipeline.truth_N[pipeline.test_N]
    last = pipeline.last_N[pipeline.test_N]
    return float(np.sqrt(np.mean((said - truth) ** 2) / np.mean((last - truth) ** 2)))


def _forecasts(pipeline: Prepared, weights: list[Any], rows_N: NDArray[np.bool_]) -> Floats:
    """What a trained network says of the step after some windows, in the series' units."""
    windows_NT = pipeline.windows_NT[rows_N]
    moves_N = answer("lstm", weights, windows_NT[None, ..., None])[0, :, -1, 0]
    return np.asarray((windows_NT[:, -1] + moves_N) * pipeline.width + pipeline.mean)
