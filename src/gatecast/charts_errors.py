"""The charts of a run that show errors: by step ahead, beside the last value's, of the intervals, and what remains.

Those that several series have too are made from numbers alone.  Parts and colours are those of ``charts_parts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from gatecast import metrics
from gatecast.charts_parts import (
    NARROW,
    PALETTE,
    QUIET,
    Columns,
    Figure,
    Key,
    data_of,
    error_axis,
    keys_of,
    layered,
    model_line,
    models_of,
    pointer,
)
from gatecast.config import LEVELS, MEDIAN
from gatecast.coverage import Coverage, judge_coverage
from gatecast.forecastability import autocorrelation
from gatecast.run import Outcome
from gatecast.scaling import Floats
from gatecast.skill import LEVEL, SkillRow
from gatecast.wording import counted

FARTHEST = 100.0  # percent: a gain beyond is drawn at the edge
MOST_LAGS = 20  # of the autocorrelation of errors
NORMAL_95 = 1.96  # noise stays within so many standard errors 95 times in 100


def error_by_step_chart(outcome: Outcome) -> Figure | None:
    """How the error grows with the steps ahead; nothing to draw for a horizon of one."""
    mode = outcome.modes["multi_sequence"]
    if mode.horizon < 2:
        return None
    unit = f" ({outcome.source.unit})" if outcome.source.unit else ""
    words = f"RMSE of each model 1 to {mode.horizon} steps ahead, over {counted(len(mode.origins), 'origin')}."
    return by_step_figure("error_by_step", errors_by_step(outcome), f"RMSE{unit}", words)


def errors_by_step(outcome: Outcome) -> dict[str, Floats]:
    """RMSE (H,) of each model at each step ahead, over the origins of the multi-sequence mode."""
    mode = outcome.modes["multi_sequence"]
    return {
        name: np.array([metrics.rmse(mode.truth_OH[:, k], made[:, k, MEDIAN]) for k in range(mode.horizon)])
        for name, made in outcome.forecasts[mode.name].items()
    }


def by_step_figure(name: str, errors: Mapping[str, Floats], title: str, words: str) -> Figure:
    """A line for each model: its error at each step ahead, (H,) by model."""
    steps = len(next(iter(errors.values())))
    base = alt.Chart(data_of({"ahead": list(range(1, steps + 1))} | {key: row.tolist() for key, row in errors.items()}))
    keys = keys_of(errors, tuple(errors))[1:]
    scale, axis = error_axis(np.concatenate(list(errors.values())))
    x = steps_axis()
    lines = [
        model_line(base, key, x, alt.Y(f"{key.label}:Q", title=title, scale=scale, axis=axis), keys)
        for key in models_of(keys)
    ]
    told = [alt.Tooltip("ahead:Q", title="steps ahead")]
    told += [alt.Tooltip(f"{key.label}:Q", title=key.label, format=".4~g") for key in keys]
    return Figure(name, "Error by step ahead", words, layered([*lines, pointer(base, x, told)], 260, keys), keys)


def steps_axis(title: str = "steps ahead") -> alt.X:
    """The axis of steps ahead."""
    return alt.X("ahead:Q", title=title, scale={"nice": False, "zero": False}, axis=QUIET | {"tickMinStep": 1})


def skill_chart(outcome: Outcome) -> Figure | None:
    """The gain over the best baseline at each step ahead; nothing to draw for a horizon of one."""
    return skill_figure(outcome.skill, "RMSE")


def skill_figure(rows: Sequence[SkillRow], error: str) -> Figure | None:
    """The gain at each step ahead with its interval; where the best baseline is exact, at the lower edge."""
    if len(rows) < 2:
        return None
    gains = [-FARTHEST if row.gain_percent is None else _within(row.gain_percent) for row in rows]
    ends = [row.interval_percent or (gain, gain) for row, gain in zip(rows, gains, strict=True)]
    columns: Columns = {
        "ahead": [row.step for row in rows],
        "gain": gains,
        "low": [_within(low) for low, _ in ends],
        "high": [_within(high) for _, high in ends],
        "best": [row.best_baseline for row in rows],
        "exact": ["exact" if row.gain_percent is None else f"{row.gain_percent:+.1f} %" for row in rows],
    }
    base, x = alt.Chart(data_of(columns)), steps_axis()
    title = f"gain in {error} over the step's best baseline"
    lowest, highest = min(0.0, *columns["low"], *gains), max(0.0, *columns["high"], *gains)
    scale = {"domain": [lowest, max(highest, lowest + 1)], "nice": True, "clamp": True}
    percent = {"tickCount": 6, "labelExpr": "(datum.value ? format(datum.value, '+~g') : '0') + ' %'"}

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=percent)

    told = [
        alt.Tooltip("ahead:Q", title="steps ahead"),
        alt.Tooltip("exact:N", title="gain"),
        alt.Tooltip("low:Q", title=f"{LEVEL} % interval from, %", format="+.1f"),
        alt.Tooltip("high:Q", title="to, %", format="+.1f"),
        alt.Tooltip("best:N", title="best baseline"),
    ]
    layers = [
        base.mark_area(opacity=0.25, color=PALETTE["LSTM"]).encode(x=x, y=y("low"), y2="high"),
        alt.Chart(data_of({"gain": [0]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.4).encode(y=y("gain")),
        base.mark_line(color=PALETTE["LSTM"], strokeWidth=2.4).encode(x=x, y=y("gain")),
        base.mark_circle(color=PALETTE["LSTM"], size=28, opacity=1).encode(x=x, y=y("gain")),
        pointer(base, x, told),
    ]
    return Figure(
        "skill",
        "Is it better than the best baseline?",
        f"Percent by which the LSTM errs less than the best baseline, {rows[0].step} to {rows[-1].step} steps ahead, "
        f"with {LEVEL} % intervals: {gains[0]:+.1f} at the first and {gains[-1]:+.1f} at the last.",
        layered(layers, 390, (), width=NARROW, above=12),
        (Key("LSTM", "LSTM", False, True, ""), Key(f"its {LEVEL} % interval", "LSTM", False, True, "", "square")),
    )


def _within(gain: float) -> float:
    return float(np.clip(gain, -FARTHEST, FARTHEST))


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
    keys = tuple(key._replace(signal="", shape="dot") for key in keys_of(models, models)[1:])
    scale, axis = error_axis(np.array(columns["ratio"]), from_zero=False)
    x = alt.X("ratio:Q", title="RMSE ÷ LastValue's (below 1 is better)", scale=scale | {"padding": 12}, axis=axis)
    between = {"grid": True, "tickBand": "extent", "labelPadding": 10}
    y = alt.Y("mode:N", title=None, sort=None, axis=between, scale={"paddingInner": 0.2, "paddingOuter": 0.1})
    colours = {"domain": models, "range": [PALETTE[key.colour] for key in keys]}
    told = [alt.Tooltip("mode:N"), alt.Tooltip("model:N")]
    told += [
        alt.Tooltip("rmse:Q", title="RMSE", format=".4~g"),
        alt.Tooltip("ratio:Q", title="÷ LastValue", format=".4~g"),
    ]
    rule = alt.Chart(data_of({"ratio": [1]})).mark_rule(color=PALETTE["LastValue"], strokeWidth=1.6, strokeDash=[5, 3])
    dots = (
        alt.Chart(data_of(columns))
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
        layered([rule.encode(x=x), dots], max(84, 16 * len(models)) * len(modes), (), above=12),
        keys,
    )


def coverage_chart(outcome: Outcome) -> Figure:
    """How much each interval was asked to hold one step ahead, and how much it held."""
    mode = outcome.modes["point_by_point"]
    truth = mode.truth_OH[:, 0]
    judged = {
        name: [judge_coverage(truth, made[:, 0], level) for level in LEVELS]
        for name, made in outcome.forecasts[mode.name].items()
    }
    return coverage_figure(judged, f"{int(np.isfinite(truth).sum()):,} values")


def coverage_figure(judged: Mapping[str, Sequence[Coverage]], of_what: str) -> Figure:
    """Share held against share asked, by model, at all ``LEVELS``; the band is that of the LSTM's intervals."""
    bands = [coverage.band for coverage in judged["LSTM"]]
    columns: Columns = {
        "asked": list(LEVELS),
        "low": [100 * low for low, _ in bands],
        "high": [100 * high for _, high in bands],
    }
    columns |= {name: [100 * coverage.held for coverage in row] for name, row in judged.items()}
    keys = keys_of(judged, ("LSTM", "LastValue"))[1:]
    base = alt.Chart(data_of(columns))
    scale = {"domain": [0, 100], "nice": False}
    percent = {"values": [0, *LEVELS], "labelExpr": "datum.label + ' %'"}
    x = alt.X("asked:Q", title="share an interval was asked to hold", scale=scale, axis=percent)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="share it held", scale=scale, axis=percent)

    diagonal = alt.Chart(data_of({"asked": [0, 100], "held": [0, 100]}))
    lines = [model_line(base, key, x, y(key.label), keys) for key in models_of(keys)]
    dots = [
        base.transform_filter(key.signal)
        .mark_circle(size=60, opacity=1, color=PALETTE[key.colour])
        .encode(x=x, y=y(key.label))
        for key in models_of(keys)
    ]
    told = [
        alt.Tooltip("asked:Q", title="asked, %"),
        *(alt.Tooltip(f"{key.label}:Q", title=f"{key.label} held, %", format=".1f") for key in keys),
    ]
    layers = [
        base.mark_area(opacity=0.3, color=PALETTE["window"]).encode(x=x, y=y("low"), y2="high"),
        diagonal.mark_line(color=PALETTE["ink"], strokeWidth=1.2).encode(x=x, y=y("held")),
        *lines,
        *dots,
        pointer(base, x, told),
    ]
    return Figure(
        "coverage",
        "Do the intervals hold what they promise?",
        f"Share of {of_what} inside each model's intervals against the share asked, 20 to 95 %; a right interval lies "
        "on the diagonal.",
        layered(layers, 340, keys, width=NARROW),
        keys,
    )


def residuals_chart(outcome: Outcome) -> Figure | None:
    """What one-step errors remember of each other; none where they do not vary, or are too few."""
    found = autocorrelations(outcome)
    if not found.size:
        return None
    edge = edge_of_noise(outcome)
    lags = np.arange(1, len(found) + 1)
    columns: Columns = {
        "lag": lags.tolist(),
        "from": (lags - 0.35).tolist(),
        "to": (lags + 0.35).tolist(),
        "none": [0] * len(lags),
        "autocorrelation": found.tolist(),
    }
    most = max(1.3 * edge, float(np.abs(found).max()) * 1.05)
    scale = {"domain": [-most, most], "nice": False}
    whole = {"zero": False, "nice": False, "domain": [0.4, len(lags) + 0.6]}
    x = alt.X("from:Q", title="steps between two errors", scale=whole, axis=QUIET | {"tickMinStep": 1})

    signed = {"tickCount": 5, "labelExpr": "datum.value ? format(datum.value, '+.2~f') : '0'"}

    def y(field: str) -> alt.Y:
        title = "autocorrelation of the one-step errors"
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=signed)

    told = [alt.Tooltip("lag:Q", title="steps between"), alt.Tooltip("autocorrelation:Q", format="+.3f")]
    band = alt.Chart(data_of({"from": [0.4], "to": [len(lags) + 0.6], "low": [-edge], "high": [edge]}))
    bars = alt.Chart(data_of(columns)).mark_rect(color=PALETTE["LSTM"], opacity=1)
    layers = [
        band.mark_rect(opacity=0.3, color=PALETTE["window"]).encode(x=x, x2="to", y=y("low"), y2="high"),
        alt.Chart(data_of({"none": [0]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.2).encode(y=y("none")),
        bars.encode(x=x, x2="to", y=y("none"), y2="autocorrelation", tooltip=told),
    ]
    return Figure(
        "residuals",
        "Was anything left to learn?",
        f"Autocorrelation of the LSTM's one-step errors at 1 to {len(lags)} steps between them, from "
        f"{found.min():+.2f} to {found.max():+.2f}; noise stays within {edge:.2f} of zero 95 times in 100.",
        layered(layers, 340, (), width=NARROW, above=12),
        (Key("LSTM", "LSTM", False, True, "", "square"), Key("noise", "window", False, True, "", "square")),
    )


def autocorrelations(outcome: Outcome) -> Floats:
    """Of the LSTM's one-step errors at lags 1, 2 … (K,); empty where they do not vary, or are too few."""
    mode = outcome.modes["point_by_point"]
    errors = outcome.forecasts[mode.name]["LSTM"][:, 0, MEDIAN] - mode.truth_OH[:, 0]
    known = errors[np.isfinite(errors)]
    if known.size < 10 or np.ptp(known) == 0:
        return np.empty(0)
    return np.array([autocorrelation(errors, lag) for lag in range(1, min(MOST_LAGS, known.size // 5) + 1)])


def edge_of_noise(outcome: Outcome) -> float:
    """How far from zero an autocorrelation of noise lies at most, 95 times in 100: ±1.96/√n."""
    return NORMAL_95 / math.sqrt(int(np.isfinite(outcome.modes["point_by_point"].truth_OH).sum()))
