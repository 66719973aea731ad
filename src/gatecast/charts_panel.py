"""What a run over several series looks like.  Parts and colours are those of ``charts_parts``."""

from __future__ import annotations

from typing import NamedTuple

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from gatecast.charts_errors import by_step_figure, coverage_figure, skill_figure
from gatecast.charts_parts import (
    MOST_POINTS,
    PALETTE,
    Columns,
    Figure,
    Key,
    along_time,
    at_rows,
    axes_of,
    data_of,
    keys_of,
    layered,
    lines_ahead,
    rounded,
)
from gatecast.config import LEVELS
from gatecast.coverage import Coverage, judge_panel_coverage
from gatecast.panel_run import PanelOutcome
from gatecast.run import newest
from gatecast.scoring import coincide

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


class Picked(NamedTuple):
    """A judged series that is drawn: its number, the name of its chart, and its place among all in words."""

    series: int
    name: str
    words: str


def panel_figures(outcome: PanelOutcome) -> list[Figure]:
    """Every chart of a run over several series that has something to show, in the order of the report."""
    with debug_mode(False):  # as in ``charts.figures``
        made = [panel_skill_chart(outcome), panel_coverage_chart(outcome)]
        made += [mase_by_step_chart(outcome), ratios_chart(outcome)]
        made += [fan_chart(outcome, picked) for picked in picked_series(outcome)]
    return [figure for figure in made if figure is not None]


def panel_skill_chart(outcome: PanelOutcome) -> Figure | None:
    """The gain over the best baseline at each step ahead; nothing to draw for a horizon of one."""
    return skill_figure(outcome.skill, "MASE")


def panel_coverage_chart(outcome: PanelOutcome) -> Figure:
    """How much each interval was asked to hold at all steps ahead, and how much it held."""
    return coverage_figure(coverage_by_model(outcome), f"the values of {outcome.verdict.series:,} series")


def coverage_by_model(outcome: PanelOutcome) -> dict[str, list[Coverage]]:
    """Coverage at all ``LEVELS`` over the series that have a MASE, as the verdict counts it."""
    backtest, kept = outcome.backtest, ~np.isnan(outcome.scales)
    truth, together = backtest.truth_SOH[kept], coincide(backtest)
    return {
        name: [judge_panel_coverage(truth, made[kept], level, coincide=together) for level in LEVELS]
        for name, made in backtest.forecasts.items()
    }


def mase_by_step_chart(outcome: PanelOutcome) -> Figure | None:
    """How the scaled error grows with the steps ahead; nothing to draw for a horizon of one."""
    if outcome.cut.horizon < 2:
        return None
    words = f"MASE of each model 1 to {outcome.cut.horizon} steps ahead, over {outcome.verdict.series:,} series."
    return by_step_figure("mase_by_step", outcome.mase_by_step(), "MASE", words)


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
    x = alt.X("from:Q", title=f"LSTM's error ÷ {best}'s, below 1 is better", scale=scale, axis=axis)
    sides = ["LSTM", best]
    colour = alt.Color(
        "better:N",
        scale={"domain": sides, "range": [PALETTE.get(name, PALETTE["muted"]) for name in sides]},
        legend={"symbolType": "square"},
    )
    bars = (
        alt.Chart(data_of(columns))
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
    one = alt.Chart(data_of({"from": [1]})).mark_rule(color=PALETTE["ink"], strokeWidth=1.4).encode(x=x)
    median = alt.Chart(data_of({"from": [min(max(middle, edges[0]), edges[-1])], "words": [f"median {middle:.2f}"]}))
    rule = median.mark_rule(color=PALETTE["muted"], strokeWidth=1.4, strokeDash=[4, 3]).encode(x=x)
    label = median.mark_text(align="center", y=-8, fontSize=12, color=PALETTE["ink"]).encode(x=x, text="words:N")
    keys = tuple(
        Key(f"{name} errs less", name if name in PALETTE else "muted", False, True, "", "square") for name in sides
    )
    return Figure(
        "ratios",
        "How the series differ",
        f"Number of series by the LSTM's error over {best}'s, on a logarithmic axis from a quarter to four times; "
        f"the median of {len(ratios):,} series is {middle:.2f}.",
        layered([bars, one, rule, label], 240, ()),
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
    axes = axes_of(panel, s, outcome.source.unit, begin)
    forecasts = {name: made[s] for name, made in backtest.forecasts.items()}
    seen = np.arange(begin, len(values))
    truth = at_rows(axes, seen) | {"truth": rounded(values[seen], axes)}
    columns = lines_ahead(axes, values, newest(values), origins, forecasts)
    keys = keys_of(forecasts, ("LSTM", best))
    chart = along_time(axes, (truth, columns), keys, len(seen), errors=False)
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
