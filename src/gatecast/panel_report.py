"""The report of a run over several series: the frame of the single run's page with another body.

The body's template is ``web/panel.html``; colours, scripts and escaping are those of ``report``.  Every statement is
written from the numbers of the run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import vl_convert
from markupsafe import Markup

from gatecast.charts import PALETTE, WIDEST_RATIO, Figure, panel_figures, picked_series
from gatecast.config import NetworkConfig, TrainingConfig, describe
from gatecast.frequency import show_time
from gatecast.modelfile import write_atomically
from gatecast.panel_run import PanelOutcome, cut_lines, judged_words
from gatecast.report import DARK, GRAMMAR, SHARPNESS, Row, javascript, live, number_rows, prepare, still
from gatecast.verdict import IN_WORDS


def write_panel_report(outcome: PanelOutcome, folder: Path) -> dict[str, Path]:
    """Write ``report.html`` and one PNG for each chart into ``folder``; return their paths by name.

    Raises:
        OutputError: the folder cannot be written to.
    """
    prepare()  # works beside what follows
    drawn = panel_figures(outcome)
    compiled = {
        figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False), vl_version=GRAMMAR)
        for figure in drawn
    }
    paths = {}
    for name, chart in compiled.items():
        paths[name] = folder / f"{name}.png"
        write_atomically(paths[name], vl_convert.vega_to_png(still(chart), scale=SHARPNESS))
    page = folder / "report.html"
    write_atomically(page, render_panel(outcome, drawn, compiled).encode())
    return {"report": page} | paths


def render_panel(outcome: PanelOutcome, drawn: Sequence[Figure], compiled: dict[str, dict[str, Any]]) -> str:
    """The whole page as text."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    words, places = captions(outcome), [figure.name.startswith("series_") for figure in drawn]
    figures = [(figure, words[figure.name]) for figure in drawn]
    first, *rest = re.split(r"(?<=[.:]) (?=[A-Z])", outcome.verdict.sentence)
    specs = ",".join(f'"{name}":{live(chart)}' for name, chart in compiled.items())
    return environment.from_string(page_template()).render(
        title=f"{outcome.source.title}, {outcome.counts.series:,} series",
        about=outcome.source.about,
        facts=facts(outcome),
        interrupted=outcome.interrupted,
        mended=outcome.source.mended,
        verdict=(first, rest),
        unit="",
        judged=judged_words(outcome),
        scores=score_rows(outcome),
        charts_of_all=[figure for figure, single in zip(figures, places, strict=True) if not single],
        charts_of_series=[figure for figure, single in zip(figures, places, strict=True) if single],
        picked=picked_words(outcome),
        trained=trained_lines(outcome),
        settings=setting_rows(outcome),
        version=outcome.model.card.get("versions", {}).get("gatecast", ""),
        light=PALETTE,
        dark=DARK,
        charts=Markup("{" + specs + "}"),  # escaped in ``live``
        vega=Markup(javascript()),
    )


def page_template() -> str:
    """The frame of the single run's page (style, macros, scripts) around the body for several series."""
    web = files("gatecast") / "web"
    frame, body = ((web / name).read_text(encoding="utf-8") for name in ("report.html", "panel.html"))
    above, below = frame.index("<header>"), frame.index('<dl id="tip"')
    return frame[:above] + body + frame[below:]


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
    rows = number_rows([row.model for row in scores], [[row.mase for row in scores], [row.wql for row in scores]])
    full = []
    for row, score in zip(rows, scores, strict=True):
        better = "" if score.lstm_better_on is None else f"{100 * score.lstm_better_on:.0f} %"
        shares = [f"{100 * share:.1f} %" for share in (score.coverage_80, score.coverage_90)]
        full.append(row._replace(cells=[*row.cells, *shares, better], best=[*row.best, False, False, False]))
    return full


def picked_words(outcome: PanelOutcome) -> str:
    """How the series that are drawn were chosen."""
    count, best = len(picked_series(outcome)), outcome.verdict.best_baseline
    return (
        f"{count} of {outcome.verdict.series:,} series, by the LSTM's error over that of {best} "
        f"({IN_WORDS.get(best, best)}), the best baseline: chosen by their place, not by their looks."
    )


def trained_lines(outcome: PanelOutcome) -> list[str]:
    """The split, the network and how its training went."""
    trained, network = outcome.forecaster.fitted_.trained, outcome.config.network
    layers = f"{network.layers} layer{'s' if network.layers > 1 else ''} of {network.units} units"
    split = cut_lines(outcome)
    return [
        *(line[0].upper() + line[1:] + "." for line in split),
        f"One LSTM serves all series: {layers}, {outcome.model.weights.size:,} weights, after "
        f"{trained.updates:,} updates; all training took {outcome.seconds['fit']:.1f} s.",
        "Values are read relative to a level and a scale that follow each series and know nothing later, so that "
        "large and small series speak one language.",
    ]


def setting_rows(outcome: PanelOutcome) -> list[tuple[str, str, str]]:
    """Every hyperparameter, its value in this run and what it does."""
    groups = ((NetworkConfig, outcome.config.network), (TrainingConfig, outcome.config.training))
    return [
        (name, str(getattr(values, name)), meaning)
        for group, values in groups
        for name, meaning in describe(group).items()
    ]


def captions(outcome: PanelOutcome) -> dict[str, str]:
    """For each chart: what to look for and what not to be fooled by, from the numbers."""
    best = outcome.verdict.best_baseline
    words = {"mase_by_step": _step_words(outcome), "ratios": _ratio_words(outcome)}
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
