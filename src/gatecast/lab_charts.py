"""The two charts of the lab: a dot with its range for each subject, and a line with its band."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from gatecast.charts_parts import PALETTE, WIDTH, Columns, Figure, Key, data_of, error_axis, layered
from gatecast.lab_results import Lines, Row, with_range

ROW_HEIGHT = 34


def ranges(name: str, title: str, rows: Sequence[Row], axis: str, mark: tuple[float, str] | None = None) -> Figure:
    """Every subject's median as a dot on the line from its lowest to its highest seed, and the seeds as small rings.

    Args:
        name: of the figure, one word.
        title: above it.
        rows: one for each subject.
        axis: what is measured.
        mark: a value to draw a line at, and what it means.
    """
    whats = [row.what for row in rows]
    values = [value for row in rows for value in row.values]
    seeds: Columns = {
        "what": [row.what for row in rows for _ in row.values],
        "value": values,
    }
    table: Columns = {
        "what": whats,
        "median": [row.median for row in rows],
        "low": [row.low for row in rows],
        "high": [row.high for row in rows],
        "told": [with_range(row) for row in rows],
    }
    scale, ticks = error_axis(np.array([*values, *([mark[0]] if mark else [])]))
    y = alt.Y("what:N", sort=whats, title=None, axis={"labelLimit": 190, "grid": False, "domain": False})

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=axis, scale=scale, axis={**ticks, "grid": True})

    base = alt.Chart(data_of(table)).encode(y=y)
    told = [alt.Tooltip("what:N", title="of"), alt.Tooltip("told:N", title=axis)]
    layers = [
        base.mark_rule(color=PALETTE["LSTM"], strokeWidth=5, opacity=0.3).encode(x=x("low"), x2="high"),
        alt.Chart(data_of(seeds)).mark_point(color=PALETTE["LSTM"], size=22, strokeWidth=1).encode(x=x("value"), y=y),
        base.mark_circle(color=PALETTE["LSTM"], size=110, opacity=1).encode(x=x("median"), tooltip=told),
    ]
    keys = [Key("median", "LSTM", False, True, "", "dot"), Key("range of the seeds", "LSTM", False, True, "", "square")]
    if mark is not None:
        line = alt.Chart(data_of({"value": [mark[0]]})).mark_rule(color=PALETTE["ink"], strokeDash=[5, 4])
        layers.insert(0, line.encode(x=x("value")))
        keys.append(Key(mark[1], "ink", True, True, ""))
    words = "; ".join(f"{row.what} {with_range(row)}" for row in rows)
    return Figure(name, title, f"{title}: {words}.", layered(layers, ROW_HEIGHT * len(rows), ()), tuple(keys))


def curves(told: Lines) -> Figure:
    """One line for each subject, the median of its seeds, with their range as a band."""
    lines, at = told.lines, told.at
    columns: Columns = {
        "x": at * len(lines),
        "what": [label for label in lines for _ in at],
        "median": np.concatenate([np.median(values, axis=0) for values in lines.values()]).tolist(),
        "low": np.concatenate([values.min(axis=0) for values in lines.values()]).tolist(),
        "high": np.concatenate([values.max(axis=0) for values in lines.values()]).tolist(),
    }
    scale, ticks = told.axis()
    shades = {"domain": list(lines), "range": [PALETTE[told.colours[label]] for label in lines]}
    colour = alt.Color("what:N", scale=shades, legend={"symbolType": "stroke", "columns": 2})
    base = alt.Chart(data_of(columns)).encode(
        x=alt.X("x:Q", title=told.axes[0], axis={"grid": False}, scale={"nice": False, "zero": False}), color=colour
    )

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=told.axes[1], scale=scale, axis=ticks)

    layers = [
        base.mark_area(opacity=0.16).encode(y=y("low"), y2="high"),
        base.mark_line(strokeWidth=2.2).encode(y=y("median"), tooltip=["what:N", "x:Q", "median:Q", "low:Q", "high:Q"]),
    ]
    ends = "; ".join(f"{label} ends at {np.median(values[:, -1]):.3g}" for label, values in lines.items())
    chart = layered(layers, 320, (), WIDTH)
    keys = tuple(Key(label, told.colours[label], False, True, "") for label in lines)
    return Figure(told.name, told.title, f"{told.title}: {told.axes[1]} by {told.axes[0]}. {ends}.", chart, keys)
