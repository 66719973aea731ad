"""What a run looks like: Altair charts, one specification each for the report and for pictures.

Here are the list of all and those along time; ``charts_errors`` has those of errors, ``charts_parts`` what all are made
of.
"""

from __future__ import annotations

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from gatecast import metrics
from gatecast.charts_errors import coverage_chart, error_by_step_chart, relative_chart, residuals_chart, skill_chart
from gatecast.charts_parts import (
    MOST_POINTS,
    NARROW,
    PALETTE,
    QUIET,
    WIDTH,
    Axes,
    Columns,
    Figure,
    Indices,
    Key,
    along_time,
    at_rows,
    axes_of,
    data_of,
    error_axis,
    forecast_columns,
    keys_of,
    layered,
    line,
    lines_ahead,
    model_colour,
    pointer,
    rounded,
    stacked,
    thin,
    time_axis,
    told_number,
    value_axis,
)
from gatecast.config import MEDIAN, QUANTILES
from gatecast.run import Outcome, newest
from gatecast.wording import ordinal

SHOWN = 120  # steps in the window at first
MOST_STEPS = 3_000  # of the test part drawn in detail
FANS = 4  # origins, well spread over the test part, whose forecasts are drawn large
FAN_LEVELS = (95, 80, 60)  # of their bands, the widest first
GLANCE = ("fan", "skill", "coverage", "residuals")  # the charts that are to be understood at a glance


def figures(outcome: Outcome) -> list[Figure]:
    """Every chart of a run that has something to show, in the order of the report."""
    with debug_mode(False):  # Altair checks each part against its schema as it is made; the tests check the whole
        made = [
            fan_chart(outcome),
            skill_chart(outcome),
            coverage_chart(outcome),
            residuals_chart(outcome),
            series_chart(outcome),
            point_by_point_chart(outcome),
            multi_sequence_chart(outcome),
            full_sequence_chart(outcome),
            error_by_step_chart(outcome),
            relative_chart(outcome),
            training_chart(outcome),
        ]
    return [figure for figure in made if figure is not None]


def axes_of_run(outcome: Outcome) -> Axes:
    """How time and values of the run's series are written."""
    return axes_of(outcome.source.panel, 0, outcome.source.unit, outcome.split.training)


# ------------------------------------------------------------------------------------------- at a glance


def fan_chart(outcome: Outcome) -> Figure | None:
    """What was said at a few origins far apart, and what came; nothing to draw for a horizon of one."""
    mode, axes = outcome.modes["multi_sequence"], axes_of_run(outcome)
    if mode.horizon < 2:
        return None
    places = fan_places(outcome)
    keys = keys_of(["LSTM"], ["LSTM"])
    stack = [_one_fan(outcome, axes, place, keys, last=bool(place == places[-1])) for place in places]
    words = ", ".join(axes.shown[mode.origins[place]] for place in places)
    return Figure(
        "fan",
        "What it said, and what came",
        f"Truth and the LSTM's forecast of {mode.horizon} steps with its 60, 80 and 95 % bands, from {words}.",
        stacked(stack, 14, ()),
        (
            *(key._replace(signal="") for key in keys),
            Key("its 60, 80 and 95 % bands", "LSTM", False, True, "", "square"),
        ),
    )


def fan_places(outcome: Outcome) -> Indices:
    """Which origins of the multi-sequence mode are drawn large: the first, the last, and two between them."""
    count = len(outcome.modes["multi_sequence"].origins)
    return np.unique(np.linspace(0, count - 1, min(FANS, count)).round().astype(np.int64))


def _one_fan(outcome: Outcome, axes: Axes, place: int, keys: tuple[Key, ...], last: bool) -> alt.LayerChart:
    """The forecast from one origin on an axis of steps ahead, with as many steps of the past."""
    mode, values = outcome.modes["multi_sequence"], outcome.source.panel.series_values(0)
    origin, horizon = int(mode.origins[place]), mode.horizon
    begin = max(0, origin - horizon)
    known = np.repeat(newest(values)[origin, None, None], len(QUANTILES), axis=1)
    made = np.concatenate([known, outcome.forecasts[mode.name]["LSTM"][place]])
    columns: Columns = {"ahead": list(range(horizon + 1)), "LSTM": rounded(made[:, MEDIAN], axes)}
    for level in FAN_LEVELS:
        low, high = metrics.interval(made, level)
        columns |= {f"lo{level}": rounded(low, axes), f"hi{level}": rounded(high, axes)}
    truth: Columns = {
        "ahead": list(range(begin - origin, horizon + 1)),
        "truth": rounded(values[begin : origin + horizon + 1], axes),
    }
    of_truth, of_forecast = alt.Chart(data_of(truth)), alt.Chart(data_of(columns))
    quiet = QUIET | {"tickMinStep": 1, "labels": last, "ticks": last}
    scale = {"domain": [-horizon, horizon], "nice": False}
    x = alt.X("ahead:Q", title="steps ahead" if last else None, scale=scale, axis=quiet)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=None, scale={"zero": False}, axis={"tickCount": 3})

    bands = [
        of_forecast.mark_area(opacity=opacity, color=PALETTE["LSTM"]).encode(x=x, y=y(f"lo{level}"), y2=f"hi{level}")
        for level, opacity in zip(FAN_LEVELS, (0.13, 0.15, 0.17), strict=True)
    ]
    now = alt.Chart(data_of({"ahead": [0]})).mark_rule(color=PALETTE["axis"], strokeWidth=1.2)
    lines = [
        line(chart.transform_calculate(model=f"'{name}'"), name, width).encode(x=x, y=y(name), color=model_colour(keys))
        for chart, name, width in ((of_truth, "truth", 2.2), (of_forecast, "LSTM", 2.0))
    ]
    title = alt.TitleParams(
        f"{axes.value}, known up to {axes.shown[origin]}",
        anchor="start",
        fontSize=13,
        fontWeight="normal",
        color=PALETTE["ink"],
        offset=4,
    )
    return alt.LayerChart(layer=[*bands, now.encode(x=x), *lines], width=NARROW, height=96, title=title)


# ------------------------------------------------------------------------------------------- along time


def series_chart(outcome: Outcome) -> Figure:
    """The whole series and its three parts."""
    axes, split = axes_of_run(outcome), outcome.split
    values = outcome.source.panel.series_values(0)
    parts = {
        "training": (0, split.training),
        "validation": (split.training, split.validation),
        "test": (split.validation, split.total - 1),
    }
    keep = thin(values, MOST_POINTS)
    data = data_of(at_rows(axes, keep) | {"value": rounded(values[keep], axes)})
    regions = data_of(
        {
            "part": list(parts),
            "from": [axes.times[begin] for begin, _ in parts.values()],
            "to": [axes.times[end] for _, end in parts.values()],
        }
    )
    scale = {"domain": list(parts), "range": [PALETTE[name] for name in parts]}
    colour = alt.Color("part:N", scale=scale, legend={"symbolType": "square", "symbolOpacity": 0.5})
    x = time_axis(axes, "t")
    strong = alt.Opacity("part:N", scale={"domain": list(parts), "range": [0.1, 0.26, 0.26]}, legend=None)
    layers = [
        alt.Chart(regions).mark_rect().encode(x=time_axis(axes, "from"), x2="to", color=colour, opacity=strong),
        line(alt.Chart(data), "value", 1.2).encode(x=x, y=value_axis("value", axes.value)),
        pointer(alt.Chart(data), x, [alt.Tooltip("ds:N", title=axes.name), told_number(axes, "value", axes.value)]),
    ]
    test, validation = split.total - split.validation, split.validation - split.training
    return Figure(
        "series",
        "The series and its three parts",
        f"{axes.value} from {axes.shown[0]} to {axes.shown[-1]}: the last {test:,} of {split.total:,} steps are the "
        f"test part, the {validation:,} before them the validation part.",
        layered(layers, 220, ()),
        tuple(Key(name, name, False, True, "", "square") for name in parts),
    )


def point_by_point_chart(outcome: Outcome) -> Figure:
    """One step ahead from every origin, in a window that can be moved, with the errors below."""
    axes, mode = axes_of_run(outcome), outcome.modes["point_by_point"]
    forecasts = {name: made[-MOST_STEPS:, 0] for name, made in outcome.forecasts[mode.name].items()}
    origins, truth = mode.origins[-MOST_STEPS:], mode.truth_OH[-MOST_STEPS:, 0]
    columns = at_rows(axes, origins + 1) | {"cutoff": [axes.shown[origin] for origin in origins]}
    columns |= {"truth": rounded(truth, axes)} | forecast_columns(axes, forecasts)
    keys = keys_of(forecasts, ("LSTM", "LastValue"))
    chart = along_time(axes, (columns, columns), keys, SHOWN, errors=True)
    return Figure(
        mode.name,
        "Point by point: one step ahead, then the truth is told",
        f"Truth, LSTM with its 80 and 95 % bands and LastValue at {len(origins):,} steps of the test part; below them "
        "the errors of each.",
        chart,
        keys,
    )


def multi_sequence_chart(outcome: Outcome) -> Figure:
    """Each forecast of ``horizon`` steps as a line from the last value known."""
    axes, mode = axes_of_run(outcome), outcome.modes["multi_sequence"]
    values = outcome.source.panel.series_values(0)
    most = max(1, MOST_STEPS // mode.horizon)
    origins = mode.origins[-most:]
    forecasts = {name: made[-most:] for name, made in outcome.forecasts[mode.name].items()}
    seen = np.arange(origins[0], len(values))
    truth = at_rows(axes, seen) | {"truth": rounded(values[seen], axes)}
    columns = lines_ahead(axes, values, newest(values), origins, forecasts)
    keys = keys_of(forecasts, ("LSTM", "LastValue"))
    plural = "s" if mode.horizon > 1 else ""
    return Figure(
        mode.name,
        f"Multi-sequence: {mode.horizon} step{plural} ahead from every {ordinal(mode.horizon)} origin",
        f"Truth and {len(origins):,} forecasts of {mode.horizon} step{plural}, each a line from the last value known, "
        "with the LSTM's 80 and 95 % bands.",
        along_time(axes, (truth, columns), keys, max(600, 6 * mode.horizon), errors=False),
        keys,
    )


def full_sequence_chart(outcome: Outcome) -> Figure:
    """One run over the test part on each model's own output."""
    axes, mode = axes_of_run(outcome), outcome.modes["full_sequence"]
    steps, origin = min(mode.horizon, MOST_STEPS), int(mode.origins[0])
    columns = at_rows(axes, origin + 1 + np.arange(steps)) | {
        "cutoff": [axes.shown[origin]] * steps,
        "truth": rounded(mode.truth_OH[0, :steps], axes),
    }
    forecasts = outcome.forecasts[mode.name]
    columns |= {name: rounded(made[0, :steps, MEDIAN], axes) for name, made in forecasts.items()}
    keys = keys_of(forecasts, ("LSTM", "LastValue", "AR"))
    return Figure(
        mode.name,
        "Full sequence: one run on its own output",
        f"Truth and each model's run over {steps:,} steps of the test part from one origin; below them the errors.",
        along_time(axes, (columns, columns), keys, steps, errors=True),
        keys,
    )


def training_chart(outcome: Outcome) -> Figure | None:
    """Training and validation loss by update; none when nothing was trained."""
    trained = outcome.forecaster.fitted_.trained
    if not trained.history:
        return None
    updates, losses, checked = (list(column) for column in zip(*trained.history, strict=True))
    base = alt.Chart(data_of({"update": updates, "training": losses, "validation": checked}))
    best = alt.Chart(data_of({"update": [trained.best_update], "words": [f"best: {trained.best_update:,}"]}))
    late = trained.best_update > updates[-1] / 2

    def panel(field: str, title: str, last: bool) -> alt.LayerChart:
        quiet = QUIET | {"labels": last, "ticks": last}
        x = alt.X("update:Q", title="weight updates" if last else None, scale={"domain": [0, updates[-1]]}, axis=quiet)
        scale, axis = error_axis(np.array(losses if last else checked), from_zero=False)
        y = alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis | {"tickCount": 4})
        told = [alt.Tooltip("update:Q", format=",d"), alt.Tooltip(f"{field}:Q", title=f"{field} loss", format=".4~g")]
        colour = PALETTE["validation" if field == "validation" else "muted"]
        mark = best.mark_rule(color=PALETTE["muted"], strokeWidth=1.4, strokeDash=[4, 3]).encode(x=x)
        label = best.mark_text(
            align="right" if late else "left", dx=-6 if late else 6, y=8, fontSize=12, color=PALETTE["ink"]
        ).encode(x=x, text="words:N")
        layers = [
            mark,
            *([] if last else [label]),
            base.mark_line(strokeWidth=1.8, color=colour).encode(x=x, y=y),
            base.mark_circle(size=44, color=colour, opacity=1).encode(x=x, y=y, tooltip=told),
        ]
        return alt.LayerChart(layer=layers, width=WIDTH, height=110)

    stack = [
        panel("validation", "validation loss (in mean one-step changes)", last=False),
        panel("training", "training loss of one batch (in scales)", last=True),
    ]
    return Figure(
        "training",
        "Training",
        f"Validation loss from {checked[0]:.4g} to {min(checked):.4g} and training loss from {losses[0]:.4g} to "
        f"{losses[-1]:.4g} over {updates[-1]:,} updates; the best is marked.",
        stacked(stack, 24, ()),
        (),
    )
