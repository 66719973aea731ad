"""The report of a run over several series: the frame of the single run's page with another body, ``web/panel.html``.

Colours, scripts and escaping are those of ``report``.  Every statement is written from the numbers of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gatecast.captions import coverage_words, skill_words
from gatecast.charts import GLANCE
from gatecast.charts_panel import WIDEST_RATIO, coverage_by_model, panel_figures, picked_series
from gatecast.charts_parts import Figure
from gatecast.frequency import show_time
from gatecast.inside import inside_run
from gatecast.panel_run import PanelOutcome, cut_lines, judged_words
from gatecast.report import Compiled, Row, fill, frame_of, number_rows, prepare, write_page
from gatecast.verdict import IN_WORDS
from gatecast.wording import counted


def write_panel_report(outcome: PanelOutcome, folder: Path) -> dict[str, Path]:
    """Write ``report.html`` and one PNG for each chart into ``folder``; return their paths by name.

    Raises:
        OutputError: the folder cannot be written to.
    """
    prepare()  # works beside what follows
    drawn = panel_figures(outcome)
    return write_page(drawn, folder, lambda compiled: render_panel(outcome, drawn, compiled))


def render_panel(outcome: PanelOutcome, drawn: Sequence[Figure], compiled: Compiled) -> str:
    """The whole page as text."""
    words = captions(outcome)
    charts = [(figure, words[figure.name]) for figure in drawn]
    single = [pair for pair in charts if pair[0].name.startswith("series_")]
    return fill(
        "panel.html",
        frame_of(outcome)
        | {
            "title": f"{outcome.source.title}, {outcome.counts.series:,} series",
            "facts": facts(outcome),
            "glance": [pair for pair in charts if pair[0].name in GLANCE],
            "judged": judged_words(outcome),
            "scores": score_rows(outcome),
            "figures": [pair for pair in charts if pair[0].name not in GLANCE and pair not in single],
            "charts_of_series": single,
            "picked": picked_words(outcome),
            "trained": trained_lines(outcome),
            "inside": inside_run(
                outcome.forecaster,
                outcome.source.panel,
                plain=None if outcome.contrast is None else outcome.contrast.plain,
                series=[outcome.backtest.panel.ids[picked.series] for picked in picked_series(outcome)],
            ),
        },
        compiled,
    )


def facts(outcome: PanelOutcome) -> list[tuple[str, str]]:
    """The data in a few words each."""
    panel, lengths = outcome.source.panel, outcome.source.panel.lengths
    missing = int(np.isnan(panel.values).sum())
    season = " and ".join(str(length) for length in outcome.config.data.season_length or (1,))
    least = f"{lengths.min():,} to " if lengths.min() < lengths.max() else ""
    rows = [
        ("target", panel.names.y),
        ("series", f"{len(panel):,}, named by {panel.names.unique_id}"),
        ("points each", f"{least}{lengths.max():,}" + (f", {missing:,} missing in all" if missing else "")),
        ("from", show_time(panel.times.min())),
        ("to", show_time(panel.times.max())),
        ("frequency", panel.frequency.describe()),
        ("season length", "none" if season == "1" else f"{season} steps"),
    ]
    columns = [*panel.inputs, *panel.known, *panel.static]
    return rows + ([("further columns", ", ".join(columns))] if columns else [])


def score_rows(outcome: PanelOutcome) -> list[Row]:
    """MASE and WQL with the lowest marked, then shares."""
    scores = outcome.scores
    wql = [math.nan if row.wql is None else row.wql for row in scores]
    rows = number_rows([row.model for row in scores], [[row.mase for row in scores], wql])
    full = []
    for row, score in zip(rows, scores, strict=True):
        better = "" if score.lstm_better_on is None else f"{100 * score.lstm_better_on:.0f} %"
        shares = ["" if share is None else f"{100 * share:.1f} %" for share in (score.coverage_80, score.coverage_90)]
        full.append(row._replace(cells=[*row.cells, *shares, better], best=[*row.best, False, False, False]))
    return full


def picked_words(outcome: PanelOutcome) -> str:
    """How the series that are drawn were chosen."""
    count, best = len(picked_series(outcome)), outcome.verdict.best_baseline
    meaning = f" ({IN_WORDS[best]})" if best in IN_WORDS else ""
    return (
        f"{count} of {outcome.verdict.series:,} series, by the LSTM's error over that of {best}{meaning}, the best "
        "baseline: chosen by their place, not by their looks."
    )


def trained_lines(outcome: PanelOutcome) -> list[str]:
    """The split, the network and how its training went."""
    trained, network = outcome.forecaster.fitted_.trained, outcome.config.network
    layers = f"{network.layers} layer{'s' if network.layers > 1 else ''} of {network.units} units"
    split = cut_lines(outcome)
    return [
        *(line[0].upper() + line[1:] + "." for line in split),
        f"One LSTM serves all series: {layers}, {outcome.model.weights.size:,} weights, after "
        f"{counted(trained.updates, 'update')}; all training took {outcome.seconds['fit']:.1f} s.",
        "Values are read relative to a level and a scale that follow each series and know nothing later, so that "
        "large and small series speak one language.",
    ]


def captions(outcome: PanelOutcome) -> dict[str, str]:
    """For each chart: what to look for and what not to be fooled by, from the numbers."""
    best = outcome.verdict.best_baseline
    words = {
        "skill": skill_words(outcome.skill),
        "coverage": coverage_words(coverage_by_model(outcome)["LSTM"]),
        "mase_by_step": _step_words(outcome),
        "ratios": _ratio_words(outcome),
    }
    for picked in picked_series(outcome):
        ratio = outcome.ratios[picked.series]
        much = f"{ratio:.2f} × that of {best}" if np.isfinite(ratio) else f"not 0, as that of {best} is"
        mase = outcome.errors["LSTM"][picked.series] / outcome.scales[picked.series]
        words[picked.name] = f"The LSTM's error is {much}; its MASE is {mase:.2f}."
    return words


def _step_words(outcome: PanelOutcome) -> str:
    best, errors = outcome.verdict.best_baseline, outcome.mase_by_step()
    won = int((errors["LSTM"] < errors[best]).sum())
    return (
        f"The LSTM errs less than {best} at {won:,} of {outcome.cut.horizon:,} steps ahead. All steps come from the "
        "same origins, and what was special about that time is in every one of them."
    )


def _ratio_words(outcome: PanelOutcome) -> str:
    ratios, best = outcome.ratios[~np.isnan(outcome.ratios)], outcome.verdict.best_baseline
    won, far = int((ratios < 1).sum()), int((ratios > WIDEST_RATIO).sum())
    text = (
        f"Left of the line the LSTM errs less than {best}: {won:,} of {len(ratios):,} series. A mean can be good "
        "while single series do badly; look how far the bars reach to the right."
    )
    return text + (f" {far:,} series lie beyond {WIDEST_RATIO:g} times and are counted there." if far else "")
