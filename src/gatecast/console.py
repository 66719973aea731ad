"""What a run looks like in a terminal; plain text in a pipe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gatecast import training
from gatecast.explain import architecture_lines, split_lines
from gatecast.modes import MODES
from gatecast.panel import Panel
from gatecast.panel_run import PanelOutcome, cut_lines, judged_words
from gatecast.rolling import Backtest
from gatecast.run import Outcome, Report
from gatecast.scoring import score_backtest
from gatecast.sources import Source
from gatecast.verdict import PanelVerdict, Verdict
from gatecast.wave import CYCLES
from gatecast.wording import counted, each_of, ordinal

TITLES = {
    "point_by_point": "Point by point: one step ahead from {origins}",
    "multi_sequence": "Multi-sequence: {steps} from {origins}",
    "full_sequence": "Full sequence: one run of {steps} on its own output (a single path: CRPS = MAE)",
}


@contextmanager
def training_bar(console: Console) -> Iterator[Report | None]:
    """One progress bar while training; none where nobody watches."""
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("training", total=None, loss="")

        def report(progress: training.Progress) -> None:
            if progress.validation is not None or progress.update % 10 == 0:
                bar.update(task, total=progress.updates, completed=progress.update, loss=f"loss {progress.loss:.4f}")

        yield report


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The verdict, then data, split, target, architecture, training and tables."""
    source, panel = outcome.source, outcome.source.panel
    missing = int(np.isnan(panel.values).sum())
    _print_verdict(console, outcome)
    console.print(f"\n{source.title}", style="bold", highlight=False, markup=False)
    console.print(source.about, highlight=False, soft_wrap=True)
    season = " and ".join(str(length) for length in outcome.config.data.season_length or (1,))
    console.print(
        f"{outcome.split.total:,} points, {panel.frequency.describe()}, season length {season}"
        + (f", {missing:,} missing" if missing else "")
        + (f", {panel.filled:,} of them filled holes in time" if panel.filled else ""),
        highlight=False,
        soft_wrap=True,
    )
    for line in [*columns_lines(panel), *mended_lines(source)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    _section(console, "Split", split_lines(outcome)[:3])
    horizon = outcome.config.training.horizon
    _section(console, "Target", [f"at every step, the next {counted(horizon, 'value')} of {panel.names.y}"])
    _section(console, "Architecture", architecture_lines(outcome))
    trained = outcome.forecaster.fitted_.trained
    lines = [
        f"{counted(trained.updates, 'update')} in {outcome.seconds['fit']:.1f} s, "
        f"best on validation after {trained.best_update:,}"
    ]
    if outcome.config.training.start == "shipped":
        kept = ", and kept them: nothing learned here was better on validation" if trained.best_update == 0 else ""
        lines.append(f"began with the shipped weights{kept}")
    if outcome.forecaster.fitted_.race:
        race = ", ".join(f"{kind} {loss:.3f}" for kind, loss in outcome.forecaster.fitted_.race.items())
        lines.append(f"scaling {outcome.config.training.scaling} (validation loss of short trials: {race})")
    if outcome.interrupted:
        lines.append("stopped by Ctrl-C: the best weights up to there were kept, and everything below is theirs")
    _section(console, "Training", lines)
    for mode in MODES:
        _print_scores(console, outcome, mode)
    if outcome.free_run is not None:
        _print_free_run(console, outcome)


def _print_verdict(console: Console, outcome: Outcome | PanelOutcome) -> None:
    """The sentence that heads every run, and what it did not look at."""
    console.print(outcome.verdict.sentence, style="bold", highlight=False, soft_wrap=not console.is_terminal)
    for line in outcome.unlooked:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def columns_lines(panel: Panel) -> list[str]:
    """Which columns of the table are what, as named or found."""
    found = {"time": panel.names.ds, "target": panel.names.y}
    if len(panel) > 1:
        found["series"] = panel.names.unique_id
    roles = {"inputs": panel.inputs, "known in advance": panel.known, "static": panel.static}
    found |= {role: ", ".join(columns) for role, columns in roles.items() if columns}
    return ["columns: " + "; ".join(f"{role} {name}" for role, name in found.items())]


def mended_lines(source: Source) -> list[str]:
    """What was mended because it was asked for, a line each."""
    return [f"mended: {sentence}" for sentence in source.mended]


def print_panel(console: Console, outcome: PanelOutcome) -> None:
    """The verdict, the data, where they are cut, training, and the table."""
    source, panel = outcome.source, outcome.source.panel
    _print_verdict(console, outcome)
    console.print(f"\n{source.title}, {len(panel):,} series", style="bold", highlight=False, markup=False)
    lines = [source.about, *panel_lines(outcome), *columns_lines(panel), *mended_lines(source)]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    _section(console, "Split", cut_lines(outcome))
    trained = outcome.forecaster.fitted_.trained
    network = outcome.config.network
    lines = [
        f"one LSTM for all series: {network.layers} × {network.units} units, {outcome.model.weights.size:,} weights",
        f"{counted(trained.updates, 'update')}; all training took {outcome.seconds['fit']:.1f} s",
    ]
    if outcome.interrupted:
        lines.append("stopped by Ctrl-C: the best weights up to there were kept, and all scores are theirs")
    _section(console, "Training", lines)
    console.print()
    console.print(judged_words(outcome), style="bold", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=True, header_style="")
    table.add_column("  model")
    for name in ("MASE", "WQL", "80 % held", "90 % held", "LSTM better on"):
        table.add_column(name, justify="right")
    best = min((row.mase for row in outcome.scores if not math.isnan(row.mase)), default=math.nan)
    for row in outcome.scores:
        shares = ["" if share is None else f"{100 * share:.1f} %" for share in (row.coverage_80, row.coverage_90)]
        better = "" if row.lstm_better_on is None else f"{100 * row.lstm_better_on:.0f} %"
        wql = "" if row.wql is None else number(row.wql)
        cells = [f"  {row.model}", number(row.mase), wql, *shares, better]
        table.add_row(*cells, style="bold" if row.mase == best else "")
    console.print(table)


def print_backtest(console: Console, backtest: Backtest, verdict: Verdict | PanelVerdict | None) -> None:
    """The verdict, where forecasts were made, the table, and what was left out."""
    if verdict is not None:
        console.print(verdict.sentence, style="bold", highlight=False, soft_wrap=not console.is_terminal)
    plan, series = backtest.plan, len(backtest.panel)
    ahead = "One step" if plan.horizon == 1 else f"{plan.horizon:,} steps"
    many = f" of each of {series:,} series" if series > 1 else ""
    every = "every origin" if int(plan.refit) == 1 else f"every {ordinal(int(plan.refit))} origin"
    fits = "fitted once" if plan.refit is False else f"fitted at {every}"
    console.print(
        f"\n{ahead} ahead from {counted(plan.origins or 0, 'origin')}{many}, {fits}", style="bold", highlight=False
    )
    table = Table(box=None, pad_edge=True, header_style="")
    table.add_column("  model")
    for name in ("MASE", *(("MAE",) if series == 1 else ()), "WQL", "80 % held", "90 % held", "seconds"):
        table.add_column(name, justify="right")
    for row in score_backtest(backtest):
        held = ["" if share is None else f"{100 * share:.1f} %" for share in (row.coverage_80, row.coverage_90)]
        of_one = [] if row.mae is None else [number(row.mae)]
        wql = "" if row.wql is None else number(row.wql)
        table.add_row(f"  {row.model}", number(row.mase), *of_one, wql, *held, f"{row.seconds:.2f}")
    console.print(table)
    for name, why in backtest.left_out.items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False, soft_wrap=True)
    if verdict is None:
        why = "the first model named is judged against others, and one of the two is lacking"
        console.print(f"no verdict: {why}", highlight=False, soft_wrap=True)


def panel_lines(outcome: PanelOutcome) -> list[str]:
    """How many series of what length, and their rhythm."""
    panel, lengths = outcome.source.panel, outcome.source.panel.lengths
    missing = int(np.isnan(panel.values).sum())
    season = " and ".join(str(length) for length in outcome.config.data.season_length or (1,))
    least = f"{lengths.min():,} to " if lengths.min() < lengths.max() else ""
    return [
        f"{least}{lengths.max():,} points each, {panel.frequency.describe()}, season length {season}"
        + (f", {missing:,} missing" if missing else "")
        + (f", {panel.filled:,} of them filled holes in time" if panel.filled else "")
    ]


def _section(console: Console, title: str, lines: list[str]) -> None:
    console.print(f"\n[bold]{title}[/bold]", highlight=False)
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _print_scores(console: Console, outcome: Outcome, mode: str) -> None:
    rows = [row for row in outcome.scores if row.mode == mode]
    about = outcome.modes[mode]
    console.print()
    title = TITLES[mode].format(origins=each_of(len(about.origins), "origin"), steps=counted(about.horizon, "step"))
    console.print(title, style="bold", highlight=False, soft_wrap=True)
    unit = outcome.source.unit
    table = Table(box=None, pad_edge=True, header_style="")
    table.add_column("  model")
    for name in ("RMSE", "MAE", "CRPS"):
        table.add_column(f"{name} ({unit})" if unit else name, justify="right")
    table.add_column("MASE", justify="right")
    best = min(row.rmse for row in rows)
    for row in rows:
        cells = [f"  {row.model}", *(number(x) for x in (row.rmse, row.mae, row.crps, row.mase))]
        table.add_row(*cells, style="bold" if row.rmse == best else "")
    console.print(table)


def _print_free_run(console: Console, outcome: Outcome) -> None:
    run = outcome.free_run or {}
    phase, amplitude = run["phase_error_degrees"], run["amplitude_error_percent"]
    lines = [
        f"after {count:>3} cycles: phase {phase[str(count)]:+.3f}°, amplitude {amplitude[str(count)]:+.3f} %"
        for count in CYCLES
    ]
    _section(console, "Free run beyond the data, on its own output", lines)
    console.print()
    console.print("Series never trained on: RMSE", style="bold", highlight=False)
    table = Table(box=None, pad_edge=True, header_style="")
    models = list(dict.fromkeys(row["model"] for row in outcome.unseen))
    table.add_column("  series", no_wrap=True)
    for model in models:
        table.add_column(model, justify="right", no_wrap=True)
    for series in dict.fromkeys(row["series"] for row in outcome.unseen):
        of = {row["model"]: row for row in outcome.unseen if row["series"] == series}
        for key, ahead in (("rmse_1", "1 step"), ("rmse_10", "10 steps")):
            table.add_row(f"  {series}, {ahead}", *(number(of[model][key]) for model in models))
    console.print(table)


def number(x: float) -> str:
    """A score with the digits that matter."""
    if math.isnan(x):
        return "–"
    if x == 0 or 1e-3 <= abs(x) < 1e6:
        return f"{x:,.2f}" if abs(x) >= 100 else f"{x:.4f}"
    return f"{x:.2e}"
