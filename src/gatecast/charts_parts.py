"""What the charts of a run are made of: colours, axes, lines, and the charts along time.

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
from gatecast.config import MEDIAN, QUANTILES
from gatecast.frequency import show_time
from gatecast.panel import Panel
from gatecast.scaling import Floats

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
    "ZeroShot": "#00707f",
    "AutoETS": "#7b46b8",
    "AutoTheta": "#4f7a1c",
    "AutoARIMA": "#b0304a",
    "MSTL": "#515fc9",
    "GARCH": "#8a4a6b",
    "EWMA": "#96571a",
    "HAR": "#5c6b2e",
    "training": "#7b8189",
    "validation": "#a77a09",
    "test": "#3d7ea6",
    "window": "#9aa2ad",
}
DASHES = {
    "LSTM": [1, 0],
    "LastValue": [6, 4],
    "Drift": [2, 3],
    "SeasonalNaive": [8, 3, 2, 3],
    "AR": [11, 3],
    "ZeroShot": [3, 1],
    "AutoETS": [6, 2],
    "AutoTheta": [4, 2, 1, 2],
    "AutoARIMA": [9, 2, 2, 2],
    "MSTL": [3, 2],
    "GARCH": [7, 3, 1, 3],
    "EWMA": [1, 2],
    "HAR": [12, 4],
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
WIDTH = 760  # of a picture; a page sets its own
NARROW = 480  # ... of one that stands beside another
MOST_POINTS = 1_600  # of an overview
WIDE_RANGE = 20  # errors that differ by this factor are drawn on a logarithmic axis
SMALLEST = 1e-6  # ... on which this share of the largest is as good as nothing
QUIET: dict[str, Any] = {"grid": False, "tickCount": {"expr": "max(2, ceil(width / 100))"}}


class Key(NamedTuple):
    """One entry of a legend; ``signal`` is the parameter that shows and hides it, empty when it cannot be hidden."""

    label: str
    colour: str
    dashed: bool
    shown: bool
    signal: str
    shape: str = ""  # "square" or "dot" where it is no line


class Figure(NamedTuple):
    """A chart, what it is called and what it shows in words for those who cannot see it."""

    name: str
    title: str
    alt: str
    chart: AnyChart
    keys: tuple[Key, ...]


class Axes(NamedTuple):
    """How time and values are written in the charts of one series."""

    times: NDArray[Any]  # (T,) milliseconds or whole numbers
    shown: list[str]  # (T,) as people write them
    kind: str  # "T" or "Q", as Altair names the types
    name: str  # of the time column
    time: str  # the title of the time axis
    value: str  # the title of the values' axis
    decimals: int


def axes_of(panel: Panel, s: int, unit: str, begin: int) -> Axes:
    """How time and values of one series are written; its digits are those that the values from row ``begin`` need."""
    times, dated = panel.series_times(s), panel.times.dtype.kind == "M"
    known = panel.series_values(s)[begin:]
    spread = float(np.nanmax(known) - np.nanmin(known)) if np.isfinite(known).any() else 0.0
    size = spread or abs(float(np.nanmax(known, initial=0.0))) or 1.0
    return Axes(
        times=times.astype("datetime64[ms]").astype(np.int64) if dated else times,
        shown=shown_times(times),
        kind="T" if dated else "Q",
        name=panel.names.ds,
        time=f"{panel.names.ds}, {panel.frequency.name}",
        value=panel.names.y + (f" ({unit})" if unit and unit != panel.names.y else ""),
        decimals=max(0, 6 - math.floor(math.log10(size))),
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


def shown_times(times: NDArray[Any]) -> list[str]:
    """Times (T,) as people write them; days, which most are, all at once."""
    if times.dtype.kind == "M" and (times.astype("datetime64[D]") == times).all():
        return [str(day) for day in np.datetime_as_string(times, "D")]
    return [show_time(time) for time in times]


def along_time(axes: Axes, drawn: tuple[Columns, Columns], keys: Sequence[Key], shown: int, errors: bool) -> AnyChart:
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
        chart = alt.Chart(data_of(columns))
        return chart.transform_filter(window) if windowed else chart

    truth, made = rows(of_truth), rows(of_forecasts)
    x = time_axis(axes, "t", window if windowed else None, labelled=not errors)
    segments = "ahead" in of_forecasts
    told = made.transform_filter("datum.ahead > 0") if segments else made
    layers = [
        *bands(axes, made, of_forecasts, x),
        model_line(truth, keys[0], x, value_axis("truth", axes.value), keys),
        *(
            model_line(made, key, x, value_axis(key.label, axes.value), keys, **by_origin(segments))
            for key in models_of(keys)
        ),
        pointer(told, x, told_forecasts(axes, of_forecasts, keys)),
    ]
    if not errors and not windowed:
        return layered(layers, 300, keys)
    stack: list[alt.Chart | alt.LayerChart] = [alt.LayerChart(layer=layers, width=WIDTH, height=280, name="detail")]
    if errors:
        stack.append(error_panel(made, keys, time_axis(axes, "t", window if windowed else None)))
    if windowed:
        stack.append(overview(axes, of_truth).add_params(window))
    return stacked(stack, 16, keys)


def bands(axes: Axes, made: alt.Chart, columns: Columns, x: alt.X) -> list[alt.Chart]:
    """The LSTM's 95 and 80 % bands, where the columns hold them."""
    return [
        made.transform_filter("show_LSTM")
        .mark_area(opacity=opacity, color=PALETTE["LSTM"])
        .encode(x=x, y=value_axis(f"lo{level}", axes.value), y2=f"hi{level}", **by_origin("ahead" in columns))
        for level, opacity in ((95, 0.14), (80, 0.2))
        if f"lo{level}" in columns
    ]


def error_panel(made: alt.Chart, keys: Sequence[Key], x: alt.X) -> alt.LayerChart:
    """Forecast minus truth of every model shown, on an axis of its own."""
    y = value_axis("error", "forecast minus truth", zero=True)
    lines = []
    for key in models_of(keys):
        error = f"isValid(datum.truth) ? datum['{key.label}'] - datum.truth : null"
        lines.append(model_line(made.transform_calculate(error=error), key, x, y, keys))
    zero = alt.Chart(data_of({"error": [0]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.2).encode(y=y)
    return alt.LayerChart(layer=[zero, *lines], width=WIDTH, height=90, name="errors")


def overview(axes: Axes, truth: Columns) -> alt.Chart:
    """All of the test part, small: where the window is moved."""
    keep = thin(np.array([math.nan if value is None else value for value in truth["truth"]]), MOST_POINTS // 2)
    data = data_of({name: [truth[name][row] for row in keep] for name in ("t", "truth")})
    y = alt.Y("truth:Q", title=None, axis=None, scale={"zero": False})
    strip = line(alt.Chart(data), "truth", 1).encode(x=time_axis(axes, "t", title=None), y=y)
    return strip.properties(width=WIDTH, height=46, name="overview")


def keys_of(models: Sequence[str] | Mapping[str, Any], shown: Sequence[str]) -> tuple[Key, ...]:
    """The truth and every model; those in ``shown`` are visible at first."""
    entries = [
        Key(name, name if name in PALETTE else "muted", DASHES.get(name, [1, 0])[1] > 0, name in shown, f"show_{name}")
        for name in models
    ]
    return (Key("truth", "ink", False, True, ""), *entries)


def models_of(keys: Sequence[Key]) -> list[Key]:
    """The models among the keys, the LSTM first: where lines coincide, a dashed one on top leaves both visible."""
    return sorted((key for key in keys if key.signal), key=lambda key: key.label != "LSTM")


def by_origin(whether: bool) -> dict[str, str]:
    """An encoding that makes one line of the forecasts from one origin."""
    return {"detail": "cutoff:N"} if whether else {}


def model_colour(keys: Sequence[Key]) -> alt.Color:
    """The colour of ``model``; the legend holds those that are shown at first."""
    scale = {"domain": [key.label for key in keys], "range": [PALETTE[key.colour] for key in keys]}
    legend = {"symbolType": "stroke", "values": [key.label for key in keys if key.shown]}
    return alt.Color("model:N", scale=scale, legend=legend)


def model_line(chart: alt.Chart, key: Key, x: alt.X, y: alt.Y, keys: Sequence[Key], **more: Any) -> alt.Chart:
    """The line of one model, in its colour and dash; ``more`` are further encodings."""
    shown = chart.transform_filter(key.signal) if key.signal else chart
    width = {"truth": 2.8, "LSTM": 2.1}.get(key.label, 1.6)
    drawn = line(shown.transform_calculate(model=f"'{key.label}'"), key.label, width)
    return drawn.encode(x=x, y=y, color=model_colour(keys), **more)


def line(chart: alt.Chart, name: str, width: float) -> alt.Chart:
    """A line in the model's dash, broken where a value is missing."""
    drawn: alt.Chart = chart.mark_line(
        strokeWidth=width,
        strokeDash=DASHES.get(name, [1, 0]),
        strokeJoin="round",
        color=PALETTE["ink"],
        invalid="break-paths-show-domains",
    )
    return drawn


def pointer(chart: alt.Chart, x: alt.X, told: Sequence[alt.Tooltip]) -> alt.Chart:
    """A hair line at the step nearest to the pointer, telling the exact numbers there."""
    near = alt.selection_point(
        name="near", nearest=True, on="pointerover", clear="pointerout", encodings=["x"], empty=False
    )
    shade = alt.when(near).then(alt.value(0.7)).otherwise(alt.value(0))
    rule: alt.Chart = chart.mark_rule(color=PALETTE["muted"], strokeWidth=1)
    return rule.encode(x=x, opacity=shade, tooltip=list(told)).add_params(near)


def told_forecasts(axes: Axes, columns: Columns, keys: Sequence[Key]) -> list[alt.Tooltip]:
    """What the pointer tells in a chart of forecasts."""
    told = [alt.Tooltip("ds:N", title=axes.name), alt.Tooltip("cutoff:N", title="known up to (cutoff)")]
    if "ahead" in columns:
        told.append(alt.Tooltip("ahead:Q", title="steps ahead"))
    told += [told_number(axes, key.label, key.label) for key in keys]
    if "lo95" in columns:
        for level in (80, 95):
            told += [told_number(axes, f"{end}{level}", f"LSTM-{end}-{level}") for end in ("lo", "hi")]
    return told


def told_number(axes: Axes, field: str, title: str) -> alt.Tooltip:
    """A value as the pointer tells it."""
    return alt.Tooltip(f"{field}:Q", title=title, format=f",.{axes.decimals}~f")


def time_axis(
    axes: Axes, field: str, window: alt.Parameter | None = None, labelled: bool = True, title: str | None = ""
) -> alt.X:
    """The time axis; its title is left out where another chart below carries it."""
    scale: dict[str, Any] = {"type": "utc"} if axes.kind == "T" else {"zero": False, "nice": False}
    return alt.X(
        f"{field}:{axes.kind}",
        title=(axes.time if title == "" else title) if labelled else None,
        scale=scale if window is None else scale | {"domain": window},
        axis=QUIET | {"labels": labelled, "ticks": labelled},
    )


def value_axis(field: str, title: str, zero: bool = False) -> alt.Y:
    """The axis of values, or of errors, which has a zero; its title stands above it."""
    return alt.Y(f"{field}:Q", title=title, scale={"zero": zero}, axis={"tickCount": 4 if zero else 6})


def error_axis(errors: Floats, from_zero: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
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


def forecast_columns(axes: Axes, forecasts: Mapping[str, Floats]) -> Columns:
    """Each model's median, and the LSTM's 80 and 95 % bounds; forecasts are (N, Q)."""
    columns = {name: rounded(made[:, MEDIAN], axes) for name, made in forecasts.items()}
    for level in (80, 95):
        low, high = metrics.interval(forecasts["LSTM"], level)
        columns |= {f"lo{level}": rounded(low, axes), f"hi{level}": rounded(high, axes)}
    return columns


def lines_ahead(
    axes: Axes, values: Floats, known: Floats, origins: Indices, forecasts: Mapping[str, Floats]
) -> Columns:
    """The columns of forecasts made at several origins, each a line that begins at the last value known there.

    Args:
        axes: those of the chart.
        values: the series, (T,).
        known: the last value known at every step, (T,).
        origins: steps that are forecast from, (O,).
        forecasts: by model, quantiles (O, H, Q) of the steps after each origin.
    """
    horizon = next(iter(forecasts.values())).shape[1]
    first = np.repeat(known[origins, None, None], len(QUANTILES), axis=2)
    made = {
        name: np.concatenate([first, quantiles], axis=1).reshape(-1, len(QUANTILES))
        for name, quantiles in forecasts.items()
    }
    rows = (origins[:, None] + np.arange(horizon + 1)).ravel()
    columns = at_rows(axes, rows) | {
        "cutoff": [axes.shown[origin] for origin in np.repeat(origins, horizon + 1)],
        "ahead": np.tile(np.arange(horizon + 1), len(origins)).tolist(),
        "truth": rounded(values[rows], axes),
    }
    return columns | forecast_columns(axes, made)


def at_rows(axes: Axes, rows: Indices) -> Columns:
    """The columns of time at some steps: for the axis, and as people write it."""
    return {"t": axes.times[rows].tolist(), "ds": [axes.shown[row] for row in rows]}


def rounded(values: Floats, axes: Axes) -> list[float | None]:
    """Values to a millionth of their range, all of one chart alike: what was equal stays equal.  None where missing."""
    return [None if math.isnan(value) else value for value in np.round(values, axes.decimals).tolist()]


def data_of(columns: Columns) -> alt.InlineData:
    """Columns as CSV text, with the type of each said."""
    kinds = {
        name: "string" if any(isinstance(cell, str) for cell in cells) else "number" for name, cells in columns.items()
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return alt.InlineData(values=text.getvalue(), format=alt.CsvDataFormat(type="csv", parse=kinds))


def layered(
    layers: list[alt.Chart], height: int, keys: Sequence[Key], width: int = WIDTH, above: int = 32
) -> alt.LayerChart:
    """Layers as one chart."""
    return alt.LayerChart(layer=layers, width=width, height=height, params=switches(keys), **look(above))


def stacked(stack: list[Any], spacing: int, keys: Sequence[Key]) -> alt.VConcatChart:
    """Charts one below the other as one chart."""
    return alt.VConcatChart(vconcat=stack, spacing=spacing, params=switches(keys), **look(offset=14))


def switches(keys: Sequence[Key]) -> Any:
    """The parameters that show and hide models."""
    return [alt.VariableParameter(name=key.signal, value=key.shown) for key in keys if key.signal] or alt.Undefined


def look(offset: int) -> dict[str, Any]:
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
