"""What a run looks like: Altair charts, one specification each for the report and for pictures.

Everything is drawn in original units.  A chart carries its numbers as CSV text, a third of the size of JSON rows; a
forecast equal to the truth is equal to it in every chart's numbers.  Detail is never thinned: a long test part is cut,
and what is left out is said.  Only the overviews of long series are thinned, to real values that keep every peak.

A part of a chart that a reader may switch on and off hangs on a parameter ``show_NAME``; a window on the time axis is
the interval selection ``window``.  Every colour stands in ``PALETTE``, so that a page can exchange them in the dark.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
from numpy.typing import NDArray

from gatecast import metrics
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.frequency import show_time
from gatecast.panel_run import PanelOutcome
from gatecast.run import Outcome, newest
from gatecast.scaling import Floats
from gatecast.verdict import judge_coverage

Indices = NDArray[np.int64]
AnyChart = alt.Chart | alt.LayerChart | alt.VConcatChart
Columns = dict[str, list[Any]]

PALETTE = {  # told apart by the colour-blind (after Okabe & Ito), by dashes, and by name
    "paper": "#ffffff",
    "ink": "#1b1d21",
    "muted": "#5a6068",
    "grid": "#e4e6ea",
    "axis": "#b4b9c0",
    "LSTM": "#0068b0",
    "LastValue": "#d1500a",
    "Drift": "#b0508a",
    "SeasonalNaive": "#00806a",
    "AR": "#846a00",
    "training": "#7b8189",
    "validation": "#a77a09",
    "test": "#3d7ea6",
    "window": "#9aa2ad",
}
DASHES = {"LSTM": [1, 0], "LastValue": [6, 4], "Drift": [2, 3], "SeasonalNaive": [8, 3, 2, 3], "AR": [11, 3]}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
WIDTH = 760  # of a picture; a page sets its own
SHOWN = 120  # steps in the window at first
MOST_STEPS = 3_000  # of the test part drawn in detail
MOST_POINTS = 1_600  # of an overview
WIDE_RANGE = 20  # errors that differ by this factor are drawn on a logarithmic axis
QUIET: dict[str, Any] = {"grid": False, "tickCount": {"expr": "max(2, ceil(width / 100))"}}
MOST_BINS = 32  # of a histogram; half as many where there are few series
WIDEST_RATIO = 4.0  # ratios beyond are counted in the outermost bins
LEAST_SHOWN = 40  # steps before the first origin of a series that is drawn
PICKED = {  # the series drawn, by their place among all from best to worst
    "The best": 0.0,
    "Better than three quarters": 0.25,
    "The one in the middle": 0.5,
    "Worse than three quarters": 0.75,
    "Worse than nineteen in twenty": 0.95,
    "The worst": 1.0,
}
SMALLEST = 1e-6  # ... on which this share of the largest is as good as nothing


class Key(NamedTuple):
    """One entry of a legend; ``signal`` is the parameter that shows and hides it, empty when it cannot be hidden."""

    label: str
    colour: str
    dashed: bool
    shown: bool
    signal: str


class Figure(NamedTuple):
    """A chart, what it is called and what it shows in words for those who cannot see it."""

    name: str
    title: str
    alt: str
    chart: AnyChart
    keys: tuple[Key, ...]


class Picked(NamedTuple):
    """A judged series that is drawn: its number, the name of its chart, and its place among all in words."""

    series: int
    name: str
    words: str


class _Axes(NamedTuple):
    """How time and values are written in the charts of one outcome."""

    times: NDArray[Any]  # (T,) milliseconds or whole numbers
    shown: list[str]  # (T,) as people write them
    kind: str  # "T" or "Q", as Altair names the types
    name: str  # of the time column
    time: str  # the title of the time axis
    value: str  # the title of the values' axis
    decimals: int


def figures(outcome: Outcome) -> list[Figure]:
    """Every chart of a run that has something to show, in the order of the report."""
    made = [
        series_chart(outcome),
        point_by_point_chart(outcome),
        multi_sequence_chart(outcome),
        full_sequence_chart(outcome),
        error_by_step_chart(outcome),
        relative_chart(outcome),
        coverage_chart(outcome),
        training_chart(outcome),
    ]
    return [figure for figure in made if figure is not None]


# ------------------------------------------------------------------------------------------- along time


def series_chart(outcome: Outcome) -> Figure:
    """The whole series and its three parts."""
    axes, split = _axes(outcome), outcome.split
    values = outcome.source.panel.series_values(0)
    parts = {
        "training": (0, split.training),
        "validation": (split.training, split.validation),
        "test": (split.validation, split.total - 1),
    }
    keep = thin(values, MOST_POINTS)
    data = _data(_at(axes, keep) | {"value": _rounded(values[keep], axes)})
    regions = _data(
        {
            "part": list(parts),
            "from": [axes.times[begin] for begin, _ in parts.values()],
            "to": [axes.times[end] for _, end in parts.values()],
        }
    )
    scale = {"domain": list(parts), "range": [PALETTE[name] for name in parts]}
    colour = alt.Color("part:N", scale=scale, legend={"symbolType": "square", "symbolOpacity": 0.5})
    x = _time(axes, "t")
    strong = alt.Opacity("part:N", scale={"domain": list(parts), "range": [0.1, 0.26, 0.26]}, legend=None)
    layers = [
        alt.Chart(regions).mark_rect().encode(x=_time(axes, "from"), x2="to", color=colour, opacity=strong),
        _line(alt.Chart(data), "value", 1.2).encode(x=x, y=_value("value", axes.value)),
        _pointer(alt.Chart(data), x, [alt.Tooltip("ds:N", title=axes.name), _number(axes, "value", axes.value)]),
    ]
    test, validation = split.total - split.validation, split.validation - split.training
    return Figure(
        "series",
        "The series and its three parts",
        f"{axes.value} from {axes.shown[0]} to {axes.shown[-1]}: the last {test:,} of {split.total:,} steps are the "
        f"test part, the {validation:,} before them the validation part.",
        _layered(layers, 220, ()),
        tuple(Key(name, name, False, True, "") for name in parts),
    )


def point_by_point_chart(outcome: Outcome) -> Figure:
    """One step ahead from every origin, in a window that can be moved, with the errors below."""
    axes, mode = _axes(outcome), outcome.modes["point_by_point"]
    forecasts = {name: made[-MOST_STEPS:, 0] for name, made in outcome.forecasts[mode.name].items()}
    origins, truth = mode.origins[-MOST_STEPS:], mode.truth_OH[-MOST_STEPS:, 0]
    columns = _at(axes, origins + 1) | {"cutoff": [axes.shown[origin] for origin in origins]}
    columns |= {"truth": _rounded(truth, axes)} | _forecast_columns(axes, forecasts)
    keys = _keys(forecasts, ("LSTM", "LastValue"))
    chart = _along_time(axes, (columns, columns), keys, SHOWN, errors=True)
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
    axes, mode = _axes(outcome), outcome.modes["multi_sequence"]
    values = outcome.source.panel.series_values(0)
    most = max(1, MOST_STEPS // mode.horizon)
    origins = mode.origins[-most:]
    ahead = np.arange(mode.horizon + 1)
    known = np.repeat(newest(values)[origins, None, None], len(QUANTILES), axis=2)
    forecasts = {
        name: np.concatenate([known, made[-most:]], axis=1).reshape(-1, len(QUANTILES))
        for name, made in outcome.forecasts[mode.name].items()
    }
    rows = origins[:, None] + ahead
    seen = np.arange(origins[0], len(values))
    truth = _at(axes, seen) | {"truth": _rounded(values[seen], axes)}
    columns = _at(axes, rows.ravel()) | {
        "cutoff": [axes.shown[origin] for origin in np.repeat(origins, len(ahead))],
        "ahead": np.tile(ahead, len(origins)).tolist(),
        "truth": _rounded(values[rows].ravel(), axes),
    }
    columns |= _forecast_columns(axes, forecasts)
    keys = _keys(forecasts, ("LSTM", "LastValue"))
    plural = "s" if mode.horizon > 1 else ""
    return Figure(
        mode.name,
        f"Multi-sequence: {mode.horizon} step{plural} ahead from every {_ordinal(mode.horizon)} origin",
        f"Truth and {len(origins):,} forecasts of {mode.horizon} step{plural}, each a line from the last value known, "
        "with the LSTM's 80 and 95 % bands.",
        _along_time(axes, (truth, columns), keys, max(600, 6 * mode.horizon), errors=False),
        keys,
    )


def full_sequence_chart(outcome: Outcome) -> Figure:
    """One run over the test part on each model's own output."""
    axes, mode = _axes(outcome), outcome.modes["full_sequence"]
    steps, origin = min(mode.horizon, MOST_STEPS), int(mode.origins[0])
    columns = _at(axes, origin + 1 + np.arange(steps)) | {
        "cutoff": [axes.shown[origin]] * steps,
        "truth": _rounded(mode.truth_OH[0, :steps], axes),
    }
    forecasts = outcome.forecasts[mode.name]
    columns |= {name: _rounded(made[0, :steps, MEDIAN], axes) for name, made in forecasts.items()}
    keys = _keys(forecasts, ("LSTM", "LastValue", "AR"))
    return Figure(
        mode.name,
        "Full sequence: one run on its own output",
        f"Truth and each model's run over {steps:,} steps of the test part from one origin; below them the errors.",
        _along_time(axes, (columns, columns), keys, steps, errors=True),
        keys,
    )


def thin(values: Floats, most: int) -> Indices:
    """Which of the values (T,) to draw, at most about ``most``: the first, lowest, highest and last of each stretch.

    All are real values at their own times, and no peak is lost.  A stretch without a value stays a gap.
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 4 + 1).round().astype(np.int64)
    kept: list[int] = []
    for begin, end in itertools.pairwise(edges.tolist()):
        kept += [begin, end - 1]
        if not np.isnan(values[begin:end]).all():
            kept += [begin + int(np.nanargmin(values[begin:end])), begin + int(np.nanargmax(values[begin:end]))]
    return np.unique(kept)


def _along_time(axes: _Axes, drawn: tuple[Columns, Columns], keys: Sequence[Key], shown: int, errors: bool) -> AnyChart:
    """Truth and forecasts (``drawn``) over time; errors below if asked; an overview where not all steps are shown.

    Where the forecasts have a column ``ahead``, those of one ``cutoff`` make one line.
    """
    of_truth, of_forecasts = drawn
    steps = of_truth["t"]
    windowed = len(steps) > shown
    window = alt.selection_interval(
        name="window",
        encodings=["x"],
        value={"x": [steps[-shown], steps[-1]]} if windowed else alt.Undefined,
        mark=alt.BrushConfig(fill=PALETTE["window"], fillOpacity=0.3, stroke=PALETTE["muted"], cursor="move"),
    )

    def rows(columns: Columns) -> alt.Chart:
        """The rows within the window, so that the values' axis fits them."""
        chart = alt.Chart(_data(columns))
        return chart.transform_filter(window) if windowed else chart

    truth, made = rows(of_truth), rows(of_forecasts)
    x = _time(axes, "t", window if windowed else None, labelled=not errors)
    by_origin = "ahead" in of_forecasts
    told = made.transform_filter("datum.ahead > 0") if by_origin else made
    layers = [
        *_bands(axes, made, of_forecasts, x),
        _model_line(truth, keys[0], x, _value("truth", axes.value), keys),
        *(
            _model_line(made, key, x, _value(key.label, axes.value), keys, **_by_origin(by_origin))
            for key in _models(keys)
        ),
        _pointer(told, x, _told(axes, of_forecasts, keys)),
    ]
    if not errors and not windowed:
        return _layered(layers, 300, keys)
    stack: list[alt.Chart | alt.LayerChart] = [alt.LayerChart(layer=layers, width=WIDTH, height=280, name="detail")]
    if errors:
        stack.append(_error_panel(made, keys, _time(axes, "t", window if windowed else None)))
    if windowed:
        stack.append(_overview(axes, of_truth).add_params(window))
    return _stacked(stack, 16, keys)


def _bands(axes: _Axes, made: alt.Chart, columns: Columns, x: alt.X) -> list[alt.Chart]:
    """The LSTM's 95 and 80 % bands, where the columns hold them."""
    return [
        made.transform_filter("show_LSTM")
        .mark_area(opacity=opacity, color=PALETTE["LSTM"])
        .encode(x=x, y=_value(f"lo{level}", axes.value), y2=f"hi{level}", **_by_origin("ahead" in columns))
        for level, opacity in ((95, 0.14), (80, 0.2))
        if f"lo{level}" in columns
    ]


def _error_panel(made: alt.Chart, keys: Sequence[Key], x: alt.X) -> alt.LayerChart:
    """Forecast minus truth of every model shown, on an axis of its own."""
    y = _value("error", "forecast minus truth", zero=True)
    lines = []
    for key in _models(keys):
        error = f"isValid(datum.truth) ? datum['{key.label}'] - datum.truth : null"
        lines.append(_model_line(made.transform_calculate(error=error), key, x, y, keys))
    zero = alt.Chart(_data({"error": [0]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.2).encode(y=y)
    return alt.LayerChart(layer=[zero, *lines], width=WIDTH, height=90, name="errors")


def _overview(axes: _Axes, truth: Columns) -> alt.Chart:
    """All of the test part, small: where the window is moved."""
    keep = thin(np.array([math.nan if value is None else value for value in truth["truth"]]), MOST_POINTS // 2)
    data = _data({name: [truth[name][row] for row in keep] for name in ("t", "truth")})
    y = alt.Y("truth:Q", title=None, axis=None, scale={"zero": False})
    strip = _line(alt.Chart(data), "truth", 1).encode(x=_time(axes, "t", title=None), y=y)
    return strip.properties(width=WIDTH, height=46, name="overview")


# ------------------------------------------------------------------------------------------- errors


def error_by_step_chart(outcome: Outcome) -> Figure | None:
    """How the error grows with the steps ahead; nothing to draw for a horizon of one."""
    axes, mode = _axes(outcome), outcome.modes["multi_sequence"]
    if mode.horizon < 2:
        return None
    errors = errors_by_step(outcome)
    data = _data({"ahead": list(range(1, mode.horizon + 1))} | {name: row.tolist() for name, row in errors.items()})
    keys = _keys(errors, tuple(errors))[1:]
    scale, axis = _error_axis(np.concatenate(list(errors.values())))
    x = alt.X("ahead:Q", title="steps ahead", scale={"nice": False, "zero": False}, axis=QUIET | {"tickMinStep": 1})
    base, title = alt.Chart(data), f"RMSE{_in_unit(outcome)}"
    lines = [
        _model_line(base, key, x, alt.Y(f"{key.label}:Q", title=title, scale=scale, axis=axis), keys)
        for key in _models(keys)
    ]
    told = [alt.Tooltip("ahead:Q", title="steps ahead"), *(_number(axes, key.label, key.label, ".4~g") for key in keys)]
    return Figure(
        "error_by_step",
        "Error by step ahead",
        f"RMSE of each model 1 to {mode.horizon} steps ahead, over {len(mode.origins):,} origins.",
        _layered([*lines, _pointer(base, x, told)], 260, keys),
        keys,
    )


def errors_by_step(outcome: Outcome) -> dict[str, Floats]:
    """RMSE (H,) of each model at each step ahead, over the origins of the multi-sequence mode."""
    mode = outcome.modes["multi_sequence"]
    return {
        name: np.array([metrics.rmse(mode.truth_OH[:, k], made[:, k, MEDIAN]) for k in range(mode.horizon)])
        for name, made in outcome.forecasts[mode.name].items()
    }


def relative_chart(outcome: Outcome) -> Figure | None:
    """RMSE of every model in every mode as a multiple of the last value's; none where that has no error."""
    last = {score.mode: score.rmse for score in outcome.scores if score.model == "LastValue"}
    rows = [score for score in outcome.scores if last.get(score.mode, 0) > 0 and math.isfinite(score.rmse)]
    if not rows:
        return None
    modes = list(dict.fromkeys(score.mode.replace("_", " ") for score in rows))
    models = list(dict.fromkeys(score.model for score in rows))
    columns: Columns = {
        "mode": [score.mode.replace("_", " ") for score in rows],
        "model": [score.model for score in rows],
        "rmse": [score.rmse for score in rows],
        "ratio": [score.rmse / last[score.mode] for score in rows],
    }
    keys = tuple(key._replace(signal="") for key in _keys(models, models)[1:])
    scale, axis = _error_axis(np.array(columns["ratio"]), from_zero=False)
    x = alt.X("ratio:Q", title="RMSE ÷ LastValue's (below 1 is better)", scale=scale | {"padding": 12}, axis=axis)
    between = {"grid": True, "tickBand": "extent", "labelPadding": 10}
    y = alt.Y("mode:N", title=None, sort=None, axis=between, scale={"paddingInner": 0.2, "paddingOuter": 0.1})
    colours = {"domain": models, "range": [PALETTE[key.colour] for key in keys]}
    told = [alt.Tooltip("mode:N"), alt.Tooltip("model:N")]
    told += [
        alt.Tooltip("rmse:Q", title="RMSE", format=".4~g"),
        alt.Tooltip("ratio:Q", title="÷ LastValue", format=".4~g"),
    ]
    rule = alt.Chart(_data({"ratio": [1]})).mark_rule(color=PALETTE["LastValue"], strokeWidth=1.6, strokeDash=[5, 3])
    dots = (
        alt.Chart(_data(columns))
        .mark_circle(size=110, opacity=1)
        .encode(
            x=x,
            y=y,
            yOffset=alt.YOffset("model:N", sort=None, scale={"padding": 0.5}),
            color=alt.Color("model:N", scale=colours, legend={"symbolType": "circle"}),
            tooltip=told,
        )
    )
    return Figure(
        "relative",
        "Error beside the last value's",
        f"A dot for each model: its RMSE as a multiple of LastValue's, for {', '.join(modes)}.",
        _layered([rule.encode(x=x), dots], 84 * len(modes), (), above=12),
        keys,
    )


def coverage_chart(outcome: Outcome) -> Figure:
    """How much each interval was asked to hold one step ahead, and how much it held."""
    axes, mode = _axes(outcome), outcome.modes["point_by_point"]
    truth = mode.truth_OH[:, 0]
    forecasts = {name: made[:, 0] for name, made in outcome.forecasts[mode.name].items()}
    judged = {name: [judge_coverage(truth, made, level) for level in LEVELS] for name, made in forecasts.items()}
    bands = [coverage.band for coverage in judged["LSTM"]]
    columns: Columns = {
        "asked": list(LEVELS),
        "low": [100 * low for low, _ in bands],
        "high": [100 * high for _, high in bands],
    }
    columns |= {name: [100 * coverage.held for coverage in row] for name, row in judged.items()}
    keys = _keys(forecasts, ("LSTM", "LastValue"))[1:]
    base = alt.Chart(_data(columns))
    scale = {"domain": [0, 100], "nice": False}
    percent = {"values": [0, *LEVELS], "labelExpr": "datum.label + ' %'"}
    x = alt.X("asked:Q", title="share an interval was asked to hold", scale=scale, axis=percent)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="share it held", scale=scale, axis=percent)

    diagonal = alt.Chart(_data({"asked": [0, 100], "held": [0, 100]}))
    lines = [_model_line(base, key, x, y(key.label), keys) for key in _models(keys)]
    dots = [
        base.transform_filter(key.signal)
        .mark_circle(size=60, opacity=1, color=PALETTE[key.colour])
        .encode(x=x, y=y(key.label))
        for key in _models(keys)
    ]
    told = [
        alt.Tooltip("asked:Q", title="asked, %"),
        *(_number(axes, key.label, f"{key.label} held, %", ".1f") for key in keys),
    ]
    layers = [
        base.mark_area(opacity=0.3, color=PALETTE["window"]).encode(x=x, y=y("low"), y2="high"),
        diagonal.mark_line(color=PALETTE["ink"], strokeWidth=1.2).encode(x=x, y=y("held")),
        *lines,
        *dots,
        _pointer(base, x, told),
    ]
    return Figure(
        "coverage",
        "Do the intervals hold what they promise?",
        f"Share of {int(np.isfinite(truth).sum()):,} values inside each model's intervals against the share asked, "
        "20 to 95 %; a right interval lies on the diagonal.",
        _layered(layers, 340, keys, width=480),
        keys,
    )


def training_chart(outcome: Outcome) -> Figure | None:
    """Training and validation loss by update; none when nothing was trained."""
    trained = outcome.forecaster.fitted_.trained
    if not trained.history:
        return None
    updates, losses, checked = (list(column) for column in zip(*trained.history, strict=True))
    base = alt.Chart(_data({"update": updates, "training": losses, "validation": checked}))
    best = alt.Chart(_data({"update": [trained.best_update], "words": [f"best: {trained.best_update:,}"]}))
    late = trained.best_update > updates[-1] / 2

    def panel(field: str, title: str, last: bool) -> alt.LayerChart:
        quiet = QUIET | {"labels": last, "ticks": last}
        x = alt.X("update:Q", title="weight updates" if last else None, scale={"domain": [0, updates[-1]]}, axis=quiet)
        scale, axis = _error_axis(np.array(losses if last else checked), from_zero=False)
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
        _stacked(stack, 24, ()),
        (),
    )


# ------------------------------------------------------------------------------------------- several series


def panel_figures(outcome: PanelOutcome) -> list[Figure]:
    """Every chart of a run over several series that has something to show, in the order of the report."""
    made = [mase_by_step_chart(outcome), ratios_chart(outcome)]
    made += [fan_chart(outcome, picked) for picked in picked_series(outcome)]
    return [figure for figure in made if figure is not None]


def mase_by_step_chart(outcome: PanelOutcome) -> Figure | None:
    """How the scaled error grows with the steps ahead; nothing to draw for a horizon of one."""
    errors, horizon = outcome.mase_by_step(), outcome.cut.horizon
    if horizon < 2:
        return None
    data = _data({"ahead": list(range(1, horizon + 1))} | {name: row.tolist() for name, row in errors.items()})
    keys = _keys(errors, tuple(errors))[1:]
    scale, axis = _error_axis(np.concatenate(list(errors.values())))
    x = alt.X("ahead:Q", title="steps ahead", scale={"nice": False, "zero": False}, axis=QUIET | {"tickMinStep": 1})
    base = alt.Chart(data)
    lines = [
        _model_line(base, key, x, alt.Y(f"{key.label}:Q", title="MASE", scale=scale, axis=axis), keys)
        for key in _models(keys)
    ]
    told = [alt.Tooltip("ahead:Q", title="steps ahead")]
    told += [alt.Tooltip(f"{key.label}:Q", title=key.label, format=".4~g") for key in keys]
    return Figure(
        "mase_by_step",
        "Error by step ahead",
        f"MASE of each model 1 to {horizon} steps ahead, over {outcome.verdict.series:,} series.",
        _layered([*lines, _pointer(base, x, told)], 260, keys),
        keys,
    )


def ratios_chart(outcome: PanelOutcome) -> Figure:
    """How the series differ: the LSTM's error over the best baseline's, counted in bins of equal factors."""
    best, ratios = outcome.verdict.best_baseline, outcome.ratios[~np.isnan(outcome.ratios)]
    bins = MOST_BINS if len(ratios) >= 10 * MOST_BINS else MOST_BINS // 2
    edges = np.geomspace(1 / WIDEST_RATIO, WIDEST_RATIO, bins + 1)
    counts, _ = np.histogram(np.clip(ratios, edges[0], edges[-1]), edges)
    columns: Columns = {
        "from": edges[:-1].tolist(),
        "to": edges[1:].tolist(),
        "none": [0] * bins,
        "series": counts.tolist(),
        "share": (100 * counts / len(ratios)).tolist(),
        "better": ["LSTM" if high <= 1 + 1e-9 else best for high in edges[1:]],
    }
    ticks = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4]
    words = "(datum.value <= 0.25 ? '≤ ' : datum.value >= 4 ? '≥ ' : '') + format(datum.value, '~g')"
    scale = {"type": "log", "domain": [edges[0], edges[-1]], "nice": False}
    axis = {"values": ticks, "labelExpr": words, "grid": False}
    x = alt.X("from:Q", title=f"the LSTM's error ÷ {best}'s (below 1 is better)", scale=scale, axis=axis)
    sides = ["LSTM", best]
    colour = alt.Color(
        "better:N",
        scale={"domain": sides, "range": [PALETTE.get(name, PALETTE["muted"]) for name in sides]},
        legend={"symbolType": "square"},
    )
    bars = (
        alt.Chart(_data(columns))
        .mark_rect(opacity=0.75, stroke=PALETTE["paper"], strokeWidth=1)
        .encode(
            x=x,
            x2="to",
            y=alt.Y("none:Q", title="series", scale={"domainMin": 0}, axis={"tickCount": 5, "format": ",~d"}),
            y2="series",
            color=colour,
            tooltip=[
                alt.Tooltip("from:Q", format=".2f"),
                alt.Tooltip("to:Q", format=".2f"),
                alt.Tooltip("series:Q", format=",d"),
                alt.Tooltip("share:Q", title="share, %", format=".1f"),
            ],
        )
    )
    middle = float(np.median(ratios))
    one = alt.Chart(_data({"from": [1]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.4).encode(x=x)
    median = alt.Chart(_data({"from": [min(max(middle, edges[0]), edges[-1])], "words": [f"median {middle:.2f}"]}))
    rule = median.mark_rule(color=PALETTE["muted"], strokeWidth=1.4, strokeDash=[4, 3]).encode(x=x)
    label = median.mark_text(align="center", y=-8, fontSize=12, color=PALETTE["ink"]).encode(x=x, text="words:N")
    keys = tuple(Key(f"{name} errs less", name if name in PALETTE else "muted", False, True, "") for name in sides)
    return Figure(
        "ratios",
        "How the series differ",
        f"Number of series by the LSTM's error over {best}'s, on a logarithmic axis from a quarter to four times; "
        f"the median of {len(ratios):,} series is {middle:.2f}.",
        _layered([bars, one, rule, label], 240, ()),
        keys,
    )


def picked_series(outcome: PanelOutcome) -> list[Picked]:
    """Six series that stand for all, by the LSTM's error over the best baseline's; fewer where fewer were judged."""
    order = np.argsort(outcome.ratios, kind="stable")[: outcome.verdict.series]  # those without a MASE come last
    picked: dict[int, Picked] = {}
    for number, (words, place) in enumerate(PICKED.items(), start=1):
        s = int(order[round(place * (len(order) - 1))])
        picked.setdefault(s, Picked(s, f"series_{number}", words))
    return list(picked.values())


def fan_chart(outcome: PanelOutcome, picked: Picked) -> Figure:
    """One judged series and what was forecast of it: lines from the last value known, with the LSTM's bands."""
    s, backtest, best = picked.series, outcome.backtest, outcome.verdict.best_baseline
    panel, origins, horizon = backtest.panel, backtest.origins_SO[s], outcome.cut.horizon
    values = panel.series_values(s)
    shown = max(outcome.cut.test, 2 * backtest.season_length, LEAST_SHOWN)
    begin = max(0, int(origins[0]) + 1 - min(shown, MOST_POINTS // 4))
    axes = _axes_of_series(outcome, s, begin)
    ahead = np.arange(horizon + 1)
    known = np.repeat(newest(values)[origins, None, None], len(QUANTILES), axis=2)
    forecasts = {
        name: np.concatenate([known, made[s]], axis=1).reshape(-1, len(QUANTILES))
        for name, made in backtest.forecasts.items()
    }
    rows, seen = origins[:, None] + ahead, np.arange(begin, len(values))
    truth = _at(axes, seen) | {"truth": _rounded(values[seen], axes)}
    columns = _at(axes, rows.ravel()) | {
        "cutoff": [axes.shown[origin] for origin in np.repeat(origins, len(ahead))],
        "ahead": np.tile(ahead, len(origins)).tolist(),
        "truth": _rounded(values[rows].ravel(), axes),
    }
    columns |= _forecast_columns(axes, forecasts)
    keys = _keys(forecasts, ("LSTM", best))
    chart = _along_time(axes, (truth, columns), keys, len(seen), errors=False)
    chart.height = 200
    plural = "s" if len(origins) > 1 else ""
    return Figure(
        picked.name,
        f"{picked.words}: {panel.ids[s]}",
        f"Truth and {len(origins)} forecast{plural} of series {panel.ids[s]}, {horizon} steps each, with the LSTM's 80 "
        f"and 95 % bands, and {best}.",
        chart,
        keys,
    )


def _axes_of_series(outcome: PanelOutcome, s: int, begin: int) -> _Axes:
    """How time and values of one judged series are written; what is drawn begins at row ``begin``."""
    panel, unit = outcome.backtest.panel, outcome.source.unit
    times, dated = panel.series_times(s), panel.times.dtype.kind == "M"
    known = panel.series_values(s)[begin:]
    spread = float(np.nanmax(known) - np.nanmin(known))
    size = spread or abs(float(np.nanmax(known))) or 1.0
    return _Axes(
        times=times.astype("datetime64[ms]").astype(np.int64) if dated else times,
        shown=[show_time(time) for time in times],
        kind="T" if dated else "Q",
        name=panel.names.ds,
        time=f"{panel.names.ds}, {panel.frequency.name}",
        value=panel.names.y + (f" ({unit})" if unit and unit != panel.names.y else ""),
        decimals=max(0, 6 - math.floor(math.log10(size))),
    )


# ------------------------------------------------------------------------------------------- parts of charts


def _keys(models: Sequence[str] | Mapping[str, Any], shown: Sequence[str]) -> tuple[Key, ...]:
    """The truth and every model; those in ``shown`` are visible at first."""
    entries = [
        Key(name, name if name in PALETTE else "muted", DASHES.get(name, [1, 0])[1] > 0, name in shown, f"show_{name}")
        for name in models
    ]
    return (Key("truth", "ink", False, True, ""), *entries)


def _models(keys: Sequence[Key]) -> list[Key]:
    """The models among the keys, the LSTM first: where lines coincide, a dashed one on top leaves both visible."""
    return sorted((key for key in keys if key.signal), key=lambda key: key.label != "LSTM")


def _by_origin(whether: bool) -> dict[str, str]:
    """An encoding that makes one line of the forecasts from one origin."""
    return {"detail": "cutoff:N"} if whether else {}


def _colour(keys: Sequence[Key]) -> alt.Color:
    """The colour of ``model``; the legend holds those that are shown at first."""
    scale = {"domain": [key.label for key in keys], "range": [PALETTE[key.colour] for key in keys]}
    legend = {"symbolType": "stroke", "values": [key.label for key in keys if key.shown]}
    return alt.Color("model:N", scale=scale, legend=legend)


def _model_line(chart: alt.Chart, key: Key, x: alt.X, y: alt.Y, keys: Sequence[Key], **more: Any) -> alt.Chart:
    """The line of one model, in its colour and dash; ``more`` are further encodings."""
    shown = chart.transform_filter(key.signal) if key.signal else chart
    width = {"truth": 2.8, "LSTM": 2.1}.get(key.label, 1.6)
    line = _line(shown.transform_calculate(model=f"'{key.label}'"), key.label, width)
    return line.encode(x=x, y=y, color=_colour(keys), **more)


def _line(chart: alt.Chart, name: str, width: float) -> alt.Chart:
    """A line in the model's dash, broken where a value is missing."""
    drawn: alt.Chart = chart.mark_line(
        strokeWidth=width,
        strokeDash=DASHES.get(name, [1, 0]),
        strokeJoin="round",
        color=PALETTE["ink"],
        invalid="break-paths-show-domains",
    )
    return drawn


def _pointer(chart: alt.Chart, x: alt.X, told: Sequence[alt.Tooltip]) -> alt.Chart:
    """A hair line at the step nearest to the pointer, telling the exact numbers there."""
    near = alt.selection_point(
        name="near", nearest=True, on="pointerover", clear="pointerout", encodings=["x"], empty=False
    )
    shade = alt.when(near).then(alt.value(0.7)).otherwise(alt.value(0))
    rule: alt.Chart = chart.mark_rule(color=PALETTE["muted"], strokeWidth=1)
    return rule.encode(x=x, opacity=shade, tooltip=list(told)).add_params(near)


def _told(axes: _Axes, columns: Columns, keys: Sequence[Key]) -> list[alt.Tooltip]:
    """What the pointer tells in a chart of forecasts."""
    told = [alt.Tooltip("ds:N", title=axes.name), alt.Tooltip("cutoff:N", title="known up to (cutoff)")]
    if "ahead" in columns:
        told.append(alt.Tooltip("ahead:Q", title="steps ahead"))
    told += [_number(axes, key.label, key.label) for key in keys]
    if "lo95" in columns:
        for level in (80, 95):
            told += [_number(axes, f"{end}{level}", f"LSTM-{end}-{level}") for end in ("lo", "hi")]
    return told


def _number(axes: _Axes, field: str, title: str, how: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=how or f",.{axes.decimals}~f")


def _time(
    axes: _Axes, field: str, window: alt.Parameter | None = None, labelled: bool = True, title: str | None = ""
) -> alt.X:
    """The time axis; its title is left out where another chart below carries it."""
    scale: dict[str, Any] = {"type": "utc"} if axes.kind == "T" else {"zero": False, "nice": False}
    return alt.X(
        f"{field}:{axes.kind}",
        title=(axes.time if title == "" else title) if labelled else None,
        scale=scale if window is None else scale | {"domain": window},
        axis=QUIET | {"labels": labelled, "ticks": labelled},
    )


def _value(field: str, title: str, zero: bool = False) -> alt.Y:
    return alt.Y(f"{field}:Q", title=title, scale={"zero": zero}, axis={"tickCount": 4 if zero else 6})


def _error_axis(errors: Floats, from_zero: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scale and axis: linear, or logarithmic down to zero where the errors differ by orders of magnitude."""
    known = np.abs(errors[np.isfinite(errors)])
    largest = float(known.max(initial=0.0))
    least = float(known[known > 0].min(initial=largest))
    if largest == 0 or largest < WIDE_RANGE * least:
        return {"zero": from_zero}, {"tickCount": 5}
    low = math.floor(math.log10(max(least, SMALLEST * largest)))
    powers = [10.0**power for power in range(low, math.ceil(math.log10(largest)) + 1)]
    if float(known.min()) >= powers[0]:
        return {"type": "log", "nice": False}, {"values": powers, "format": "~g"}
    return {"type": "symlog", "constant": powers[0], "nice": False}, {"values": [0.0, *powers[1:]], "format": "~g"}


def _forecast_columns(axes: _Axes, forecasts: Mapping[str, Floats]) -> Columns:
    """Each model's median, and the LSTM's 80 and 95 % bounds; forecasts are (N, Q)."""
    columns = {name: _rounded(made[:, MEDIAN], axes) for name, made in forecasts.items()}
    for level in (80, 95):
        low, high = metrics.interval(forecasts["LSTM"], level)
        columns |= {f"lo{level}": _rounded(low, axes), f"hi{level}": _rounded(high, axes)}
    return columns


def _axes(outcome: Outcome) -> _Axes:
    """How time and values are written for this outcome."""
    panel, unit = outcome.source.panel, outcome.source.unit
    times, dated = panel.series_times(0), panel.times.dtype.kind == "M"
    known = panel.series_values(0)[outcome.split.training :]
    spread = float(np.nanmax(known) - np.nanmin(known)) if np.isfinite(known).any() else 0.0
    size = spread or abs(float(np.nanmax(known, initial=0.0))) or 1.0
    return _Axes(
        times=times.astype("datetime64[ms]").astype(np.int64) if dated else times,
        shown=[show_time(time) for time in times],
        kind="T" if dated else "Q",
        name=panel.names.ds,
        time=f"{panel.names.ds}, {panel.frequency.name}",
        value=panel.names.y + (f" ({unit})" if unit and unit != panel.names.y else ""),
        decimals=max(0, 6 - math.floor(math.log10(size))),
    )


def _in_unit(outcome: Outcome) -> str:
    return f" ({outcome.source.unit})" if outcome.source.unit else ""


def _at(axes: _Axes, rows: Indices) -> Columns:
    return {"t": axes.times[rows].tolist(), "ds": [axes.shown[row] for row in rows]}


def _rounded(values: Floats, axes: _Axes) -> list[float | None]:
    """Values to a millionth of their range, all of one chart alike: what was equal stays equal.  None where missing."""
    return [None if math.isnan(value) else value for value in np.round(values, axes.decimals).tolist()]


def _data(columns: Columns) -> alt.InlineData:
    """Columns as CSV text, with the type of each said."""
    kinds = {
        name: "string" if any(isinstance(cell, str) for cell in cells) else "number" for name, cells in columns.items()
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return alt.InlineData(values=text.getvalue(), format=alt.CsvDataFormat(type="csv", parse=kinds))


def _ordinal(count: int) -> str:
    if count == 1:
        return "single"
    ending = "th" if 10 <= count % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def _layered(
    layers: list[alt.Chart], height: int, keys: Sequence[Key], width: int = WIDTH, above: int = 32
) -> alt.LayerChart:
    return alt.LayerChart(layer=layers, width=width, height=height, params=_switches(keys), **_look(above))


def _stacked(stack: list[Any], spacing: int, keys: Sequence[Key]) -> alt.VConcatChart:
    return alt.VConcatChart(vconcat=stack, spacing=spacing, params=_switches(keys), **_look(offset=14))


def _switches(keys: Sequence[Key]) -> Any:
    """The parameters that show and hide models."""
    return [alt.VariableParameter(name=key.signal, value=key.shown) for key in keys if key.signal] or alt.Undefined


def _look(offset: int) -> dict[str, Any]:
    """What all charts share; the legend stands ``offset`` above the chart, over the title of its axis."""
    text = {"labelColor": PALETTE["muted"], "titleColor": PALETTE["ink"], "labelFontSize": 12, "titleFontSize": 13}
    axis = text | {"titleFontWeight": "normal", "gridColor": PALETTE["grid"], "tickColor": PALETTE["axis"]}
    axis |= {"domainColor": PALETTE["axis"], "labelOverlap": "greedy", "labelSeparation": 8, "titleLimit": 290}
    above = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": 0, "titleY": -10}
    legend = {"orient": "top", "title": None, "offset": offset, "labelColor": PALETTE["ink"], "labelFontSize": 13}
    return {
        "background": PALETTE["paper"],
        "padding": {"left": 6, "right": 14, "top": 8, "bottom": 6},
        "config": {
            "font": FONT,
            "aria": False,  # the page says what a chart shows; hundreds of labelled points would drown it
            "view": {"stroke": None},
            "axis": axis,
            "axisY": above | {"domain": False, "ticks": False, "labelPadding": 6, "titleBaseline": "bottom"},
            "axisX": {"titlePadding": 8},
            "legend": legend | {"symbolStrokeWidth": 3, "symbolSize": 160},
        },
    }
