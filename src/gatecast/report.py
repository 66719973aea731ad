"""The report of a run: one page that works offline, and a picture of every chart.

The page holds Vega once, the charts compiled for it, and nothing that would be fetched from anywhere.  Its template is
``web/report.html``, which fills the frame ``web/base.html`` that the page of several series fills too.  Whatever comes
from a user's table is escaped.  What stands under a chart is in ``captions``.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import vl_convert
from markupsafe import Markup

from gatecast.captions import captions, written
from gatecast.charts import GLANCE, figures
from gatecast.charts_parts import PALETTE, Figure
from gatecast.columns import Columns
from gatecast.config import QUANTILES, NetworkConfig, RunConfig, TrainingConfig, describe
from gatecast.frequency import show_time
from gatecast.inside import inside_run, inside_table
from gatecast.modelfile import Model, write_atomically
from gatecast.modes import MODES
from gatecast.panel_run import PanelOutcome
from gatecast.run import Outcome
from gatecast.variants import CELLS
from gatecast.verdict import IN_WORDS
from gatecast.wave import CYCLES
from gatecast.wording import counted, each_of

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
    "ZeroShot": "#3cc4d6",
    "AutoETS": "#b08ae6",
    "AutoTheta": "#93c45a",
    "AutoARIMA": "#f07c92",
    "MSTL": "#93a0ff",
    "GARCH": "#d193b4",
    "EWMA": "#d99a5b",
    "HAR": "#a9bd72",
    "training": "#8b929c",
    "validation": "#d9a520",
    "test": "#5fb0de",
    "window": "#7d8794",
}
GRAMMAR = "6.4"  # of Vega-Lite, as Altair writes it
INSIDE_SCRIPTS = (  # arithmetic and reading; then words, how things stand, drawing, and what listens
    "inside_network.js",
    "inside_reading.js",
    "inside_words.js",
    "inside_state.js",
    "inside_drawing.js",
    "inside_sums.js",
    "inside_saying.js",
    "inside_controls.js",
    "inside.js",
)
SHARPNESS = 2  # pixels of a picture per unit of its chart

Compiled = dict[str, dict[str, Any]]  # by chart, as Vega draws it

TIED = re.compile(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<] \d)|(?<=\bp [=<]) (?=\d)")  # spaces at which no line ends
HEADINGS = {
    "point_by_point": "Point by point: one step ahead from {origins}",
    "multi_sequence": "Multi-sequence: {steps} from {origins}",
    "full_sequence": "Full sequence: one run of {steps} on its own output",
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
    return write_page(drawn, folder, lambda compiled: render(outcome, drawn, compiled, explain))


def write_page(drawn: Sequence[Figure], folder: Path, page: Callable[[Compiled], str]) -> dict[str, Path]:
    """Compile the charts, write a PNG of each and ``report.html``, whose text ``page`` makes; return paths by name.

    Raises:
        OutputError: the folder cannot be written to.
    """
    compiled = {
        figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False), vl_version=GRAMMAR)
        for figure in drawn
    }
    paths = {}
    for name, chart in compiled.items():
        paths[name] = folder / f"{name}.png"
        write_atomically(paths[name], vl_convert.vega_to_png(still(chart), scale=SHARPNESS))
    report = folder / "report.html"
    write_atomically(report, page(compiled).encode())
    return {"report": report} | paths


def prepare() -> None:
    """Bundle the JavaScript beside other work, such as a training: two seconds less."""
    threading.Thread(target=javascript, daemon=True).start()


_BUNDLING = threading.Lock()
_BUNDLER = (
    "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle(vl_version=sys.argv[1]).encode())"
)


def javascript() -> str:
    """Vega as one script that defines ``vegaEmbed``, bundled once per process from what vl-convert carries."""
    with _BUNDLING:
        return _bundle()


@lru_cache(maxsize=1)
def _bundle() -> str:
    text = _bundled_apart() or vl_convert.javascript_bundle(vl_version=GRAMMAR)  # type: ignore[call-arg]  # its stub
    return text.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def _bundled_apart() -> str:
    """The bundle as another process makes it, since vl-convert lets no thread run meanwhile; empty if there is none."""
    if not sys.executable or getattr(sys, "frozen", False):
        return ""
    command = [sys.executable, "-P", "-c", _BUNDLER, GRAMMAR]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return ""
    return done.stdout.decode() if done.returncode == 0 else ""


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


def render(outcome: Outcome, drawn: Sequence[Figure], compiled: Compiled, explain: str | None) -> str:
    """The whole page as text."""
    words = captions(outcome)
    charts = [(figure, words[figure.name]) for figure in drawn]
    return fill(
        "report.html",
        frame_of(outcome)
        | {
            "title": outcome.source.title,
            "facts": facts(outcome),
            "unit": outcome.source.unit,
            "glance": [pair for pair in charts if pair[0].name in GLANCE],
            "scores": [(_heading(outcome, mode), score_rows(outcome, mode)) for mode in MODES],
            "figures": [pair for pair in charts if pair[0].name not in GLANCE],
            "split": split_rows(outcome),
            "target": target_words(outcome),
            "layers": layer_rows(outcome),
            "free_run": free_run_rows(outcome),
            "unseen": unseen_rows(outcome),
            "explain": explain,
            "inside": inside_run(
                outcome.forecaster,
                outcome.source.panel,
                plain=None if outcome.contrast is None else outcome.contrast.plain,
                unit=outcome.source.unit,
            ),
        },
        compiled,
    )


def frame_of(outcome: Outcome | PanelOutcome) -> dict[str, Any]:
    """What every page shows: the verdict and what it did not look at, the data, and the settings."""
    first, *rest = re.split(r"(?<=[.:]) (?=[A-Z])", outcome.verdict.sentence)
    return {
        "about": outcome.source.about,
        "interrupted": outcome.interrupted,
        "mended": outcome.source.mended,
        "verdict": (first, rest),
        "unlooked": outcome.unlooked,
        "contrast": outcome.contrast,
        "settings": setting_rows(outcome.config),
        "version": outcome.model.card.get("versions", {}).get("gatecast", ""),
    }


def fill(template: str, words: dict[str, Any], compiled: Compiled) -> str:
    """A page of ``web/`` with its words, its compiled charts, and Vega to draw them."""
    specs = ",".join(f'"{name}":{live(chart)}' for name, chart in compiled.items())
    drawn = {"charts": Markup("{" + specs + "}"), "vega": Markup(javascript())}  # escaped in ``live``
    return _rendered(template, words | drawn)


def write_inside(  # noqa: PLR0913 (the choice of columns, as keywords)
    table: Any,
    path: str | Path,
    model: Model | str | Path | None = None,
    *,
    series: Sequence[str] | str | None = None,
    season_length: tuple[int, ...] | None = None,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
) -> None:
    """Write a page that opens a network over a series: its gates and states, and what happens if they are changed.

    Args:
        table: a frame, numbers, a panel, a named set, or the path of a file or folder.
        path: where to write the page; one self-contained HTML file.
        model: a trained model, or the file it was saved in; None takes the first network of the shipped ensemble.
        series: the name of the series, or several, between which the page lets one choose; None is the first few.
        season_length: steps per season for the shipped network; None takes or finds them as a forecast does.
        time: the column of times; columns not named are found.
        target: the column to forecast.
        series_id: the column that names the series.

    Raises:
        SettingsError: a name cannot work.
        DataError: the table cannot be read, or lacks a column that the model reads.
        ModelFileError: the model file is damaged, foreign or newer.
        OutputError: the page cannot be written.
    """
    columns = Columns(time, target, series_id)
    name, told = inside_table(table, model, series=series, season_length=season_length, columns=columns)
    write_atomically(Path(path), inside_page(f"Inside {name}", told).encode())


def inside_page(title: str, told: Markup) -> str:
    """The page of ``write_inside`` as text; ``told`` comes from ``inside``."""
    return _rendered("inside_page.html", {"title": title, "inside": told, "alone": True})


def _rendered(template: str, words: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_web),
        autoescape=True,
        finalize=_unbroken,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = Markup("".join(map(_web, INSIDE_SCRIPTS)))
    frame = {"inside": None, "contrast": None, "inside_scripts": scripts, "light": PALETTE, "dark": DARK}
    return environment.get_template(template).render(frame | words)


def _unbroken(word: Any) -> Any:
    """Keep a number and its percent sign, and a p value, on one line."""
    return TIED.sub("\u00a0", word) if type(word) is str else word


def _web(name: str) -> str:
    return (files("gatecast") / "web" / name).read_text(encoding="utf-8")


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
    return HEADINGS[mode].format(origins=each_of(len(about.origins), "origin"), steps=counted(about.horizon, "step"))


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
    count = len(CELLS[weights.cell].parts)
    parts = "4 gates" if count == 4 else f"{count} part{'s' if count > 1 else ''}"
    rows = [
        (
            f"{weights.cell.upper()} {place}",
            f"{layer.input_CK.shape[0]} → {units} units, {parts} each",
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


def setting_rows(config: RunConfig) -> list[tuple[str, str, str]]:
    """Every hyperparameter, its value in this run and what it does."""
    groups = ((NetworkConfig, config.network), (TrainingConfig, config.training))
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
