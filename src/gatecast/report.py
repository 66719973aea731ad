"""The report of a run: one page that works offline, and a picture of every chart.

The page holds Vega once, the charts compiled for it, and nothing that would be fetched from anywhere; its template is
``web/report.html``.  Whatever comes from a user's table is escaped.  Every statement under a chart is written from the
numbers of the run.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import vl_convert
from markupsafe import Markup

from gatecast.charts import MOST_POINTS, MOST_STEPS, PALETTE, Figure, errors_by_step, figures
from gatecast.config import QUANTILES, NetworkConfig, TrainingConfig, describe
from gatecast.frequency import show_time
from gatecast.modelfile import write_atomically
from gatecast.modes import MODES
from gatecast.run import CYCLES, Outcome
from gatecast.verdict import IN_WORDS

DARK = {  # the palette on a dark page
    "paper": "#16181c",
    "ink": "#eceef1",
    "muted": "#a3aab4",
    "grid": "#2c3037",
    "axis": "#565d68",
    "LSTM": "#58aef2",
    "LastValue": "#ff8b4d",
    "Drift": "#e391c3",
    "SeasonalNaive": "#35c3a0",
    "AR": "#d6b53c",
    "training": "#8b929c",
    "validation": "#d9a520",
    "test": "#5fb0de",
    "window": "#7d8794",
}
GRAMMAR = "6.4"  # of Vega-Lite, as Altair writes it
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SHARPNESS = 2  # pixels of a picture per unit of its chart

HEADINGS = {
    "point_by_point": "Point by point: one step ahead from each of {origins:,} origins",
    "multi_sequence": "Multi-sequence: {horizon:,} steps from each of {origins:,} origins",
    "full_sequence": "Full sequence: one run of {horizon:,} steps on its own output",
}


class Row(NamedTuple):
    """A row of a table of numbers; ``best`` says which of its cells are the lowest of their column."""

    name: str
    words: str
    cells: list[str]
    best: list[bool]


def write_report(outcome: Outcome, folder: Path, explain: str | None) -> dict[str, Path]:
    """Write ``report.html`` and one PNG for each chart into ``folder``; return their paths by name.

    Args:
        outcome: the run.
        folder: an existing folder.
        explain: the course's answers as text, shown folded; None leaves them out.

    Raises:
        OutputError: the folder cannot be written to.
    """
    prepare()  # works beside what follows
    drawn = figures(outcome)
    compiled = {
        figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False), vl_version=GRAMMAR)
        for figure in drawn
    }
    paths = {}
    for name, chart in compiled.items():
        paths[name] = folder / f"{name}.png"
        write_atomically(paths[name], vl_convert.vega_to_png(still(chart), scale=SHARPNESS))
    page = folder / "report.html"
    write_atomically(page, render(outcome, drawn, compiled, explain).encode())
    return {"report": page} | paths


def prepare() -> None:
    """Start to bundle the JavaScript beside other work; calling it before a training takes a second off the report."""
    threading.Thread(target=javascript, daemon=True).start()


_BUNDLING = threading.Lock()


def javascript() -> str:
    """Vega as one script that defines ``vegaEmbed``, bundled once per process from what vl-convert carries."""
    with _BUNDLING:
        return _bundle()


@lru_cache(maxsize=1)
def _bundle() -> str:
    text: str = vl_convert.javascript_bundle(vl_version=GRAMMAR)  # type: ignore[call-arg]  # its stub lacks defaults
    return text.replace("</script", r"<\/script").replace("<!--", r"<\!--")


# ------------------------------------------------------------------------------------------- charts


def still(chart: Any) -> Any:
    """A compiled chart without what only a pointer needs: it looks the same and is drawn in half the time."""
    if isinstance(chart, list):
        pointers = {
            mark["name"].removesuffix("_voronoi") for mark in chart if _is_mark(mark) and "_voronoi" in mark["name"]
        }
        names = {f"{name}_{part}" for name in pointers for part in ("marks", "voronoi")}
        return [still(part) for part in chart if not (_is_mark(part) and part["name"] in names)]
    if isinstance(chart, dict):
        return {key: still(part) for key, part in chart.items() if key != "clip"}
    return chart


def _is_mark(part: Any) -> bool:
    return isinstance(part, dict) and "name" in part and "type" in part and "encode" in part


def live(chart: dict[str, Any]) -> str:
    """A compiled chart as JSON for the page: no legend (there are switches), the page's colours, a movable window."""
    kept = {key: part for key, part in chart.items() if key not in ("legends", "background", "$schema")}
    text = json.dumps(_telling(_movable(kept)), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for name, colour in PALETTE.items():
        text = text.replace(f'"{colour}"', f'"var(--{name})"')
    return text.replace("<", "\\u003c")


def _telling(chart: Any) -> Any:
    """Let the cells around the pointer tell text too: Vega-Lite looks for it in the cell instead of in its row."""
    if isinstance(chart, list):
        return [_telling(part) for part in chart]
    if not isinstance(chart, dict):
        return chart
    if not (_is_mark(chart) and chart["name"].endswith("_voronoi")):
        return {key: _telling(part) for key, part in chart.items()}
    update = chart["encode"]["update"]
    signal = re.sub(r"(?<![.\w])datum\[", "datum.datum[", update["tooltip"]["signal"])
    return chart | {"encode": chart["encode"] | {"update": update | {"tooltip": {"signal": signal}}}}


def _movable(chart: dict[str, Any]) -> dict[str, Any]:
    """Let the page move the window: it sets the signal ``go`` to the first and last time to show."""
    groups = []
    for group in chart["marks"]:
        signals = []
        for signal in group.get("signals", []):
            if signal["name"] == "window_x":
                scale = f'scale("{group["name"].removesuffix("_group")}_x", go[%d])'
                move = {"events": {"signal": "go"}, "update": f"go ? [{scale % 0}, {scale % 1}] : window_x"}
                signal = signal | {"on": [*signal["on"], move]}  # noqa: PLW2901 (the same signal, with one more line)
            signals.append(signal)
        groups.append(group | {"signals": signals} if signals else group)
    if groups == chart["marks"]:
        return chart
    return chart | {"marks": groups, "signals": [*chart["signals"], {"name": "go", "value": None}]}


# ------------------------------------------------------------------------------------------- the page


def render(outcome: Outcome, drawn: Sequence[Figure], compiled: dict[str, dict[str, Any]], explain: str | None) -> str:
    """The whole page as text."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files("gatecast") / "web" / "report.html").read_text(encoding="utf-8"))
    words = captions(outcome)
    first, *rest = re.split(r"(?<=[.:]) (?=[A-Z])", outcome.verdict.sentence)
    specs = ",".join(f'"{name}":{live(chart)}' for name, chart in compiled.items())
    return template.render(
        title=outcome.source.title,
        about=outcome.source.about,
        facts=facts(outcome),
        interrupted=outcome.interrupted,
        verdict=(first, rest),
        unit=outcome.source.unit,
        scores=[(_heading(outcome, mode), score_rows(outcome, mode)) for mode in MODES],
        figures=[(figure, words[figure.name]) for figure in drawn],
        split=split_rows(outcome),
        target=target_words(outcome),
        layers=layer_rows(outcome),
        settings=setting_rows(outcome),
        free_run=free_run_rows(outcome),
        unseen=unseen_rows(outcome),
        explain=explain,
        version=outcome.model.card.get("versions", {}).get("gatecast", ""),
        light=PALETTE,
        dark=DARK,
        charts=Markup("{" + specs + "}"),  # escaped in ``live``
        vega=Markup(javascript()),
    )


def facts(outcome: Outcome) -> list[tuple[str, str]]:
    """The data in a few words each."""
    panel, split = outcome.source.panel, outcome.split
    missing = int(np.isnan(panel.values).sum())
    season = " and ".join(str(length) for length in outcome.config.data.season_length or (1,))
    rows = [
        ("target", panel.names.y),
        ("points", f"{split.total:,}" + (f", {missing:,} missing" if missing else "")),
        ("from", show_time(panel.times[0])),
        ("to", show_time(panel.times[-1])),
        ("frequency", panel.frequency.name),
        ("season length", "none" if season == "1" else f"{season} steps"),
    ]
    return rows + ([("further inputs", ", ".join(panel.inputs))] if panel.inputs else [])


def _heading(outcome: Outcome, mode: str) -> str:
    about = outcome.modes[mode]
    return HEADINGS[mode].format(origins=len(about.origins), horizon=about.horizon)


def score_rows(outcome: Outcome, mode: str) -> list[Row]:
    """RMSE, MAE, CRPS and MASE of every model in one mode, and its RMSE as a multiple of the last value's."""
    rows = [score for score in outcome.scores if score.mode == mode]
    last = next((score.rmse for score in rows if score.model == "LastValue"), math.nan)
    ratios = [score.rmse / last if last > 0 else math.nan for score in rows]
    columns = [[getattr(score, name) for score in rows] for name in ("rmse", "mae", "crps", "mase")] + [ratios]
    return number_rows([score.model for score in rows], columns)


def number_rows(names: Sequence[str], columns: Sequence[Sequence[float]]) -> list[Row]:
    """Numbers with the digits that tell them apart; the lowest of each column, and all written alike, are marked."""
    cells = [written(column) for column in columns]
    lowest = [
        min((pair for pair in zip(*both, strict=True) if pair[0] == pair[0]), default=None)
        for both in zip(columns, cells, strict=True)
    ]
    best = ["" if pair is None else pair[1] for pair in lowest]
    return [
        Row(
            name,
            IN_WORDS.get(name, ""),
            [column[place] for column in cells],
            [column[place] == text for column, text in zip(cells, best, strict=True)],
        )
        for place, name in enumerate(names)
    ]


def written(numbers: Sequence[float]) -> list[str]:
    """Numbers with as few significant digits, four to six, as tell apart what six tell apart."""
    tries = [[number(x, significant) for x in numbers] for significant in (4, 5, 6)]
    return next(texts for texts in tries if len(set(texts)) == len(set(tries[-1])))


def number(x: float, significant: int = 4) -> str:
    """One number with so many significant digits, in full where that can be read."""
    if not math.isfinite(x):
        return "–"
    if x and not 1e-4 <= abs(x) < 1e7:
        mantissa, exponent = f"{x:.{min(significant, 3) - 1}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(RAISED)}"
    digits = max(0, significant - 1 - math.floor(math.log10(abs(x)))) if x else 0
    return f"{x:,.{digits}f}"


def split_rows(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    """Part, rows counted from 1, first and last time."""
    split, times = outcome.split, outcome.source.panel.times
    parts = {
        "training": (0, split.training),
        "validation": (split.training, split.validation),
        "test": (split.validation, split.total),
    }
    return [
        (name, f"{begin + 1:,} to {end:,}", show_time(times[begin]), show_time(times[end - 1]))
        for name, (begin, end) in parts.items()
    ]


def target_words(outcome: Outcome) -> str:
    """What the network was trained to say."""
    config = outcome.config.training
    scaling = {
        "fixed": "Values are read relative to the mean and the spread of the training part.",
        "running": "Values are read relative to a level and a scale that follow the series and know nothing later.",
    }
    return (
        f"At every step, {len(QUANTILES)} quantiles of each of the next {config.horizon:,} values of "
        f"{outcome.source.panel.names.y}, judged by the pinball loss. "
        f"{scaling[str(outcome.model.scaling.as_dict()['kind'])]}"
    )


def layer_rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Each layer, how many numbers go in and out, and its weights; the last row is their sum."""
    weights = outcome.model.weights
    head, units = weights.head, weights.units
    rows = [
        (
            f"LSTM {place}",
            f"{layer.input_CK.shape[0]} → {units} units, 4 gates each",
            sum(array.size for array in layer),
        )
        for place, layer in enumerate(weights.layers, start=1)
    ]
    asked, hidden = head.question_FE.shape
    rows += [
        (
            "head",
            f"{units} + {asked} → {hidden} → {units}, shared by all steps ahead",
            sum(part.size for part in head[:5]),
        ),
        ("quantiles", f"{units} → {head.out_bias_O.size}", head.out_DO.size + head.out_bias_O.size),
        ("path over the steps ahead", f"{units} → {head.path_bias_J.size}", head.path_DJ.size + head.path_bias_J.size),
    ]
    rows.append(("all", "no shape depends on season or horizon", sum(count for _, _, count in rows)))
    return [(name, shape, f"{count:,}") for name, shape, count in rows]


def setting_rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Every hyperparameter, its value in this run and what it does."""
    groups = ((NetworkConfig, outcome.config.network), (TrainingConfig, outcome.config.training))
    return [
        (name, str(getattr(values, name)), meaning)
        for group, values in groups
        for name, meaning in describe(group).items()
    ]


def free_run_rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Cycles, phase error and amplitude error of a sine that runs on its own output."""
    run = outcome.free_run
    if run is None:
        return []
    phase, amplitude = run["phase_error_degrees"], run["amplitude_error_percent"]
    return [(f"{count}", f"{phase[str(count)]:+.3f}°", f"{amplitude[str(count)]:+.3f} %") for count in CYCLES]


def unseen_rows(outcome: Outcome) -> list[tuple[str, list[Row]]]:
    """RMSE one and ten steps ahead on each series never trained on."""
    tables = []
    for title in dict.fromkeys(row["series"] for row in outcome.unseen):
        rows = [row for row in outcome.unseen if row["series"] == title]
        columns = [[row[name] for row in rows] for name in ("rmse_1", "rmse_10")]
        tables.append((str(title), number_rows([row["model"] for row in rows], columns)))
    return tables


# ------------------------------------------------------------------------------------------- what a chart says


def captions(outcome: Outcome) -> dict[str, str]:
    """For each chart: what to look for and what not to be fooled by, from the numbers."""
    return {
        "series": _series_words(outcome),
        "point_by_point": _point_words(outcome),
        "multi_sequence": _multi_words(outcome),
        "full_sequence": _full_words(outcome),
        "error_by_step": _step_words(outcome),
        "relative": "Left of the line is better than doing nothing, right of it worse; a distance of a few per cent is "
        "no gain unless the verdict above claims one.",
        "coverage": _coverage_words(outcome),
        "training": _training_words(outcome),
    }


def _rmse(outcome: Outcome, mode: str) -> dict[str, float]:
    return {score.model: score.rmse for score in outcome.scores if score.mode == mode}


def _beside_last(outcome: Outcome, mode: str) -> str:
    """The LSTM's RMSE and the last value's, in words."""
    errors = _rmse(outcome, mode)
    own, last = written([errors["LSTM"], errors.get("LastValue", math.nan)])
    return f"RMSE {own} for the LSTM, {last} for LastValue"


def _series_words(outcome: Outcome) -> str:
    split = outcome.split
    text = (
        "The network learns from the training part alone, the validation part chooses which weights are kept, and "
        f"every score on this page comes from the {split.total - split.validation:,} steps of the test part."
    )
    if split.total > MOST_POINTS:
        every = round(split.total / (MOST_POINTS // 4))
        text += f" Drawn are the first, lowest, highest and last value of every {every:,} steps or so."
    return text


def _point_words(outcome: Outcome) -> str:
    steps = len(outcome.modes["point_by_point"].origins)
    if outcome.verdict.lag.follows_last:
        text = "It only looks like a good forecast: the LSTM's line is the truth one step late, and so is LastValue's"
    else:
        text = "Every line hugs the truth, even LastValue's, because each forecast is told all values before its step"
    text += (
        f" ({_beside_last(outcome, 'point_by_point')}). In the lower panel a forecast that knows something "
        "stays nearer to zero."
    )
    return text + (f" Drawn are the last {MOST_STEPS:,} of {steps:,} steps." if steps > MOST_STEPS else "")


def _multi_words(outcome: Outcome) -> str:
    mode = outcome.modes["multi_sequence"]
    drawn = max(1, MOST_STEPS // mode.horizon)
    text = (
        "Each line runs on from where it starts and is not told what came; look whether it turns where the truth "
        f"turns, since setting out in the right direction is easy ({_beside_last(outcome, 'multi_sequence')})."
    )
    if len(mode.origins) < 30:
        text += f" {len(mode.origins):,} forecasts are few: one stretch of the series can decide who looks best."
    return text + (f" Drawn are the last {drawn:,} of {len(mode.origins):,}." if len(mode.origins) > drawn else "")


def _full_words(outcome: Outcome) -> str:
    mode = outcome.modes["full_sequence"]
    text = (
        f"One path from one origin, {mode.horizon:,} steps without a word about the truth: look how the error grows, "
        f"and do not judge by the end, where any line may happen to cross ({_beside_last(outcome, 'full_sequence')})."
    )
    return text + (f" Drawn are the first {MOST_STEPS:,} steps." if mode.horizon > MOST_STEPS else "")


def _step_words(outcome: Outcome) -> str:
    errors = errors_by_step(outcome)
    if "LastValue" not in errors:
        return "Look where the curves part; neighbouring steps share the same origins."
    own, last = errors["LSTM"], errors["LastValue"]
    origins = len(outcome.modes["multi_sequence"].origins)
    return (
        f"The LSTM errs less than LastValue at {int((own < last).sum()):,} of {len(own):,} steps ahead; all steps "
        f"share the same {origins:,} origins, so a whole stretch of a curve can be luck."
    )


def _coverage_words(outcome: Outcome) -> str:
    judged = {round(100 * coverage.asked): coverage for coverage in outcome.verdict.coverage}
    held = ", ".join(f"its {level} % interval held {100 * coverage.held:.1f} %" for level, coverage in judged.items())
    return (
        f"On the diagonal an interval holds what it promises, above it is too wide, below too narrow; of the LSTM, "
        f"{held}. The grey band is where right intervals would lie 95 times in 100. Holding is not enough, since a "
        "wide interval holds anything: the CRPS in the table judges both."
    )


def _training_words(outcome: Outcome) -> str:
    trained = outcome.forecaster.fitted_.trained
    refit = " and then its linear path refitted by least squares" if trained.readout else ""
    return (
        f"Kept are the weights after update {trained.best_update:,} of {trained.updates:,}, the best on "
        f"validation{refit}. A falling loss shows that something is learned, not that it beats the baselines; the two "
        "panels have different units and cannot be compared."
    )
