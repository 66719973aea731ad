"""The commands that train: ``run``, and ``tune``, which searches for its settings."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.cli_messages import note, plain_errors, plain_warnings, print_json
from gatecast.cli_options import Config, Json, MaybeData, Season, TableOptions, settings_of, unfolded
from gatecast.errors import INTERRUPTED, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from gatecast.config import RunConfig
    from gatecast.panel_run import PanelOutcome
    from gatecast.run import Outcome, Recipe, Report


@unfolded
def run(  # noqa: PLR0913 (one parameter per option)
    *,
    ctx: typer.Context,
    data: MaybeData = None,
    table: TableOptions,
    horizon: Annotated[
        int | None, typer.Option(help="steps of each multi-sequence forecast; 50, or the test part if shorter")
    ] = None,
    season_length: Season = None,
    scaling: Annotated[str | None, typer.Option(help="auto, running or fixed")] = None,
    start: Annotated[
        str | None, typer.Option(help="auto, shipped or nothing: what the network knows before it learns")
    ] = None,
    units: Annotated[int | None, typer.Option(help="LSTM units per layer")] = None,
    layers: Annotated[int | None, typer.Option(help="LSTM layers")] = None,
    dropout: Annotated[float | None, typer.Option(help="share of state values zeroed in training")] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="lstm, or no_forget, no_input, no_output, peephole, coupled, gru or rnn (docs/lab.md)"),
    ] = None,
    context: Annotated[int | None, typer.Option(help="past steps a training window shows")] = None,
    updates: Annotated[int | None, typer.Option(help="weight updates; follows from the data when not given")] = None,
    budget: Annotated[
        str | None, typer.Option(help="time that training may take, such as 90s, 5m or 1h; fewer updates, if need be")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="peak of the one-cycle schedule")] = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same weights")] = None,
    device: Annotated[str | None, typer.Option(help="where to train: cpu, cuda, …")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="quick, or full: other seeds, leakage and slower baselines are looked at too")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="with --verdict full: leave out a baseline that would take longer (60)")
    ] = None,
    adapt: Annotated[
        bool | None,
        typer.Option(
            "--adapt/--no-adapt", help="let intervals follow what came of a model's earlier forecasts (they do)"
        ),
    ] = None,
    inside: Annotated[
        bool | None, typer.Option("--inside", help="train a plain RNN too, for contrast in the report's tab Inside")
    ] = None,
    config: Config = None,
    out: Annotated[Path | None, typer.Option(help="the folder to write to, instead of runs/<name>-<time>")] = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="write nothing")] = False,
    resume: Annotated[
        Path | None, typer.Option(help="go on with the run of this folder, which was killed or stopped")
    ] = None,
    as_json: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="answer the course's five questions from this run")
    ] = False,
    open_report: Annotated[bool, typer.Option("--open", help="open the report in the browser when it is done")] = False,
) -> None:
    """Split, train, predict three ways, judge against simple baselines, and write a report."""
    given = {
        "data": {"source": data, **table.given(), "season_length": season_length},
        "network": {"units": units, "layers": layers, "dropout": dropout, "cell": cell},
        "training": {
            "scaling": scaling,
            "start": start,
            "context": context,
            "updates": updates,
            "budget": budget,
            "learning_rate": learning_rate,
            "seed": seed,
            "device": device,
        },
        "horizon": horizon,
        "adapt": adapt,
        "inside": inside,
        "verdict": verdict,
        "seconds": seconds,
    }
    with plain_errors():
        if resume is not None:
            config = _resumed(resume, {"--config": config, "--out": out, "--no-save": no_save})
        settings, where = settings_of(given, config), (resume or out, resume is not None)
        if open_report and no_save:
            raise SettingsError("--open shows the report, and --no-save writes none; leave one of them out")
        run_and_show(
            settings,
            recipe=ctx.obj,
            out=where,
            save=not no_save,
            as_json=as_json,
            explained=explain,
            open_report=open_report,
        )


def _resumed(folder: Path, others: dict[str, Any]) -> Path:
    """The settings of a run that is gone on with; options that would say where it is otherwise are refused."""
    from gatecast.output import settings_to_resume

    for option, value in others.items():
        if value:
            raise SettingsError(f"{option} with --resume: settings and results stand in {folder}; leave {option} out")
    return settings_to_resume(folder)


def run_and_show(
    settings: RunConfig,
    *,
    recipe: Recipe | None = None,
    out: tuple[Path | None, bool] = (None, False),
    save: bool = True,
    as_json: bool = False,
    explained: bool = False,
    open_report: bool = False,
) -> None:
    """Do a run, print it and write its folder; ends with exit code 130 when Ctrl-C cut the training short.

    Args:
        settings: all settings.
        recipe: the steps, when they are not the standard ones.
        out: the folder, and whether to go on with the run that it holds.
        save: whether anything is written.
        as_json: print one JSON object.
        explained: answer the course's five questions.
        open_report: open the report in the browser.
    """
    from rich.console import Console

    from gatecast.checkpoint import CheckpointWarning
    from gatecast.console import training_bar
    from gatecast.output import folder_for, write_outcome, write_panel_outcome
    from gatecast.panel_run import PanelOutcome, with_panel_files
    from gatecast.report import prepare
    from gatecast.run import with_files

    if settings.network.cell != "lstm":
        note(f"the network's cell is {settings.network.cell}; columns and words say LSTM")
    console = Console(highlight=False)
    with ExitStack() as stack:
        name = Path(settings.data.source).stem.strip("-") or "stdin"
        stack.enter_context(plain_warnings(CheckpointWarning))  # one that could not be written or read
        folder, again = out
        place = stack.enter_context(folder_for(name, folder, settings, folder if again else None)) if save else None
        if place is not None:
            prepare()  # the report's JavaScript is bundled beside the training
        with training_bar(console if not as_json else Console(quiet=True)) as progress:
            outcome = _run_either(settings, recipe, progress, None if place is None else place.checkpoint)
        if place is not None and isinstance(outcome, PanelOutcome):
            outcome = with_panel_files(outcome, write_panel_outcome(outcome, place.work, place.final))
        elif place is not None and not isinstance(outcome, PanelOutcome):
            outcome = with_files(outcome, write_outcome(outcome, place.work, place.final))
        if place is not None:
            place.stopped = outcome.interrupted
    if as_json:
        print_json(outcome.as_dict())
    else:
        _print_either(console, outcome, explained)
    note(outcome.forecaster.picked_)
    if open_report:
        import webbrowser

        webbrowser.open(Path(outcome.files["report"]).resolve().as_uri())
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


def _run_either(
    settings: RunConfig, recipe: Recipe | None, progress: Report | None, checkpoint: Path | None = None
) -> Outcome | PanelOutcome:
    """A run over one series, or over several; the course's recipes know one only."""
    from time import perf_counter

    from gatecast import panel_run
    from gatecast import run as single
    from gatecast.opening import open_source

    gather: single.Gather = single.quick
    gather_panel: panel_run.GatherPanel = panel_run.quick
    if settings.verdict == "full":
        from gatecast import evidence

        gather, gather_panel = evidence.gather, evidence.gather_panel
    if recipe is None:
        begin = perf_counter()
        source = open_source(settings.data)
        if len(source.panel) > 1:
            return panel_run.run_panel(settings, source, progress, gather_panel, checkpoint)
        recipe = single.Standard(source, settings.data, perf_counter() - begin)
    return single.run(settings, recipe, progress, gather, checkpoint)


def _print_either(console: Console, outcome: Outcome | PanelOutcome, explained: bool) -> None:
    """A run in words, and where its files are if it wrote any."""
    from gatecast.console import print_outcome, print_panel
    from gatecast.explain import explain
    from gatecast.panel_run import PanelOutcome

    if isinstance(outcome, PanelOutcome):
        print_panel(console, outcome)
        answers = "The course's five questions are answered for one series; this table holds several."
    else:
        print_outcome(console, outcome)
        answers = explain(outcome) if explained else ""
    if explained:
        console.print()
        console.print(answers, markup=False, soft_wrap=True)
    if outcome.files:
        report, model = outcome.files["report"], outcome.files["model"]
        console.print(
            f"\nReport: {report}\nModel:  {model}   (gatecast forecast DATA --horizon N --model …)",
            markup=False,
            soft_wrap=True,
        )


@unfolded
def tune(  # noqa: PLR0913 (one parameter per option)
    *,
    data: MaybeData = None,
    budget: Annotated[str | None, typer.Option(help="how long to search, such as 90s, 10m or 1h")] = None,
    trials: Annotated[
        int | None, typer.Option(help="how many trials there are to be in all; the same number repeats exactly")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="steps ahead that count; as in a run, if not given")] = None,
    season_length: Season = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same search")] = None,
    table: TableOptions,
    config: Config = None,
    out: Annotated[Path, typer.Option(help="the settings found, for gatecast run --config")] = Path("tuned.toml"),
    storage: Annotated[
        Path | None,
        typer.Option(help="keeps the trials, so that a search goes on; --out with the ending .sqlite, if not given"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Search for better settings on the training part; called again, the search goes on."""
    given = {
        "data": {"source": data, **table.given(), "season_length": season_length},
        "training": {"seed": seed},
        "horizon": horizon,
    }
    with plain_errors():
        from gatecast.durations import seconds_of
        from gatecast.opening import open_source
        from gatecast.tuned import check_places, tuned_as_text
        from gatecast.tuning import Limits, search

        try:
            seconds = None if budget is None else seconds_of(budget)
        except ValueError as error:
            raise SettingsError(f"--budget {error}") from None
        settings, kept = settings_of(given, config), check_places(out, storage)
        found = search(settings, open_source(settings.data), Limits(seconds, trials, kept), note)
        found.save(out)
        note(f"settings written to {out}; trials kept in {kept}")
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo(tuned_as_text(found))
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
