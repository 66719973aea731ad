"""The course's five answers, written from a run.

How the data is split, what the target is, how the network is built, which hyperparameters it used and what each does,
and whether it works on the data at hand.
"""

from __future__ import annotations

import numpy as np

from gatecast.config import DIRECT_HORIZON, NetworkConfig, TrainingConfig, describe
from gatecast.covariates import widths_of
from gatecast.frequency import show_time
from gatecast.run import Outcome
from gatecast.runtime import OUTPUTS
from gatecast.scaling import CHANNELS, PATH, channels_for
from gatecast.variants import CELLS
from gatecast.wording import counted


def explain(outcome: Outcome) -> str:
    """Five numbered answers as plain text."""
    answers = [
        ("How is the data split?", split_lines(outcome)),
        ("How is the target determined?", target_lines(outcome)),
        ("How is the architecture defined?", architecture_lines(outcome)),
        ("Which hyperparameters, and what does each do?", settings_lines(outcome)),
        ("Does it work on this data?", works_lines(outcome)),
    ]
    return "\n\n".join(
        f"{place}. {question}\n" + "\n".join(f"   {line}" for line in lines)
        for place, (question, lines) in enumerate(answers, start=1)
    )


def split_lines(outcome: Outcome) -> list[str]:
    """Rows and dates of the three parts; rows are counted from 1."""
    split, times = outcome.split, outcome.source.panel.times
    parts = [
        ("training", 0, split.training),
        ("validation", split.training, split.validation),
        ("test", split.validation, split.total),
    ]
    lines = [
        f"{name:<10} rows {begin + 1:>6,} to {end:>6,}   {show_time(times[begin])} to {show_time(times[end - 1])}"
        for name, begin, end in parts
    ]
    return [
        *lines,
        "In time order, nothing shuffled across a border: the training part sets the weights and every scale,",
        "the validation part chooses which weights are kept, the test part is only forecast.",
    ]


def target_lines(outcome: Outcome) -> list[str]:
    """One target written out with the numbers of this run: the first origin of the test part."""
    panel, mode = outcome.source.panel, outcome.modes["point_by_point"]
    values, origin, horizon = panel.series_values(0), int(mode.origins[0]), outcome.config.training.horizon
    last = min(origin + horizon, len(values) - 1)
    shown = ", ".join(f"{x:.6g}" for x in values[origin - 2 : origin + 1])
    ahead = ", ".join(f"{x:.6g}" for x in values[origin + 1 : origin + 4])
    scaled = outcome.model.scaling
    lines = [
        f"At every step the target is the next {counted(horizon, 'value')} of the same series, "
        "not one value per window.",
        f"At row {origin + 1:,} ({show_time(panel.times[origin])}) the network has read … {shown}",
        f"and its target is rows {origin + 2:,} to {last + 1:,}: {ahead}, …",
        f"It answers with {len(outcome.model.widening_KQ[0]) if outcome.model.widening_KQ is not None else 13} "
        "quantiles for each step; the pinball loss compares them with the target.",
    ]
    if scaled.as_dict()["kind"] == "fixed":
        return [
            *lines,
            f"Values are read as (value - {scaled.as_dict()['level']:.4g}) / {scaled.as_dict()['scale']:.4g}: "
            "mean and standard deviation of the training part.",
        ]
    return [
        *lines,
        "Values are read relative to a running level, in units of a running mean of the changes up to that row.",
    ]


def architecture_lines(outcome: Outcome) -> list[str]:
    """The layers and their weights, as trained."""
    weights = outcome.model.weights
    columns = outcome.model.columns
    more = channels_for(widths_of(columns)) - len(CHANNELS)
    further = f" + {more} of {', '.join(column.name for column in columns)}" if more else ""
    lines = [f"input      {len(CHANNELS)} numbers per step{further}: value, changes, age, what is missing"]
    for place, layer in enumerate(weights.layers, start=1):
        size, count, seen = sum(array.size for array in layer), len(CELLS[weights.cell].parts), len(layer.hidden_DK)
        parts = "4 gates" if count == 4 else f"{count} part{'s' if count > 1 else ''}"
        added = "" if place == 1 else ", added to the layer before"
        lines.append(
            f"{weights.cell.upper()} {place}     {layer.input_CK.shape[0]} → {weights.units} units: "
            f"{parts} × {weights.units} × ({layer.input_CK.shape[0]} + {seen} + 1) = {size:,} weights{added}"
        )
    head = weights.head
    hidden = sum(array.size for array in head[:5])
    lines += [
        f"head       {weights.units} + {head.question_FE.shape[0]} → {head.bias_E.size} → {weights.units}: "
        f"{hidden:,} weights, shared by all steps ahead",
        f"out        {weights.units} → {OUTPUTS}: {head.out_DO.size + head.out_bias_O.size:,} weights "
        "(mixture of level, last, usual and trend, correction, width of the intervals)",
        f"path       {weights.units} → {PATH}: {head.path_DJ.size + head.path_bias_J.size:,} weights "
        "(a smooth curve over the steps ahead, linear in the state)",
        f"in all     {weights.size:,} weights; none of their shapes depends on season or horizon",
    ]
    return lines


def settings_lines(outcome: Outcome) -> list[str]:
    """Every hyperparameter with its value here and what it does."""
    config = outcome.config
    rows = []
    for group, model in ((NetworkConfig, config.network), (TrainingConfig, config.training)):
        for name, meaning in describe(group).items():
            rows.append((name, getattr(model, name), meaning))
    best = outcome.forecaster.fitted_.trained.best_update
    lines = [f"{name:<14} {value!s:<8} {meaning}" for name, value, meaning in rows]
    refit = "with the path refitted by least squares" if outcome.forecaster.fitted_.trained.readout else "as trained"
    return [*lines, f"The weights kept are those after update {best:,}, the best on validation, {refit}."]


def works_lines(outcome: Outcome) -> list[str]:
    """What the test part says, in one sentence and one comparison."""
    rows = [row for row in outcome.scores if row.mode == "point_by_point"]
    lstm = next(row for row in rows if row.model == "LSTM")
    last = next(row for row in rows if row.model == "LastValue")
    ratio = lstm.rmse / last.rmse if last.rmse > 0 else np.nan
    return [
        outcome.verdict.sentence,
        f"One step ahead its RMSE is {ratio:.4g} × that of repeating the last value.",
        f"Forecasts were trained for up to {counted(outcome.config.training.horizon, 'step')} ahead "
        f"(at most {DIRECT_HORIZON} directly); your own file: gatecast run FILE --target COLUMN.",
    ]
