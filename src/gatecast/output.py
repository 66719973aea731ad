"""The folder a run leaves: settings, model, forecasts, report and pictures; all of it, or a checkpoint."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from glob import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from gatecast.checkpoint import ABOUT
from gatecast.config import LEVELS, QUANTILES, RunConfig, config_to_toml
from gatecast.errors import OutputError, SettingsError
from gatecast.explain import explain
from gatecast.modelfile import Model, save_model, write_atomically
from gatecast.panel_report import write_panel_report
from gatecast.panel_run import PanelOutcome
from gatecast.report import write_report
from gatecast.run import Outcome
from gatecast.tables import write_table

CHECKPOINT = "checkpoint"  # the folder in a run's folder that says it is not finished
SETTINGS = "settings.toml"


@dataclass
class RunFolder:
    """Where a run is written."""

    work: Path  # hidden, written into
    final: Path  # the name it gets
    stopped: bool = False  # by Ctrl-C: what came of it is written and can be gone on from

    @property
    def checkpoint(self) -> Path:
        """Where the run's checkpoints stand while it is not finished."""
        return self.final / CHECKPOINT


@contextmanager
def folder_for(name: str, out: Path | None, settings: RunConfig, resume: Path | None = None) -> Iterator[RunFolder]:
    """A hidden folder to write into, and the name it gets once everything is there.

    Made before training, so that a folder that cannot be written is known at once; removed if the run fails.  Under its
    name there is a folder ``checkpoint`` from the start, with the settings and where the trainings stand: a run that
    was killed, or that ended with an error after a checkpoint was written, can be gone on with.  It goes last of all.

    Args:
        name: of the data.
        out: the folder, if it was named.
        settings: as they were asked for.
        resume: the folder of the run to go on with.

    Raises:
        OutputError: the folder cannot be made, or ``out`` already holds something.
        SettingsError: there is no run to go on with.
    """
    final = resume or out or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    checkpoint = final / CHECKPOINT
    if resume is not None:
        settings_to_resume(resume)
    elif final.exists() and (not final.is_dir() or any(final.iterdir())):
        hint = f", or go on with that run: --resume {final}" if (checkpoint / SETTINGS).exists() else ""
        raise OutputError(f"{final}: is already there and not an empty folder; choose another with --out{hint}")
    with _written(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        for left in final.parent.glob(f".{escape(final.name)}.????????") if resume is not None else ():
            shutil.rmtree(left, ignore_errors=True)  # by a process that was killed
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        checkpoint.mkdir(parents=True, exist_ok=True)
    place = RunFolder(work, final)
    try:
        if resume is None:
            text = tomli_w.dumps(settings.model_dump(mode="json", exclude_unset=True))
            write_atomically(checkpoint / SETTINGS, text.encode())
        yield place
        with _written(final):
            for path in sorted(work.iterdir()):
                if (there := final / path.name).is_dir():  # moved by a run that was killed while it did this
                    shutil.rmtree(there)
                path.replace(there)
            if not (place.stopped and _has_stages(checkpoint)):
                shutil.rmtree(checkpoint)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if checkpoint.exists() and not _has_stages(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)
        with suppress(OSError):
            final.rmdir()  # if there is nothing in it


def settings_to_resume(folder: Path) -> Path:
    """Return the file with the settings of a run that is not finished.

    Raises:
        SettingsError: there is none.
    """
    path = folder / CHECKPOINT / SETTINGS
    if not path.exists():
        why = "there is no such folder" if not folder.exists() else "holds no checkpoint, so that run is finished"
        raise SettingsError(f"--resume {folder}: {why}; give the folder of a run that was cut short")
    return path


def _has_stages(checkpoint: Path) -> bool:
    """Whether there is more than the settings: something to go on from."""
    return any(path.name == ABOUT for path in checkpoint.rglob("*"))


@contextmanager
def _written(final: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be written ({error.strerror}); choose another folder with --out, or --no-save"
        ) from None


def write_outcome(outcome: Outcome, work: Path, final: Path) -> dict[str, Path]:
    """Write everything into ``work``; returns the names it will have under ``final``."""
    write_atomically(work / "config.toml", config_to_toml(outcome.config).encode())
    save_model(with_verdict(outcome), work / "model.safetensors")
    buffer = BytesIO()
    pq.write_table(forecasts_table(outcome), buffer)
    write_atomically(work / "forecasts.parquet", buffer.getvalue())
    files = {
        "config": work / "config.toml",
        "model": work / "model.safetensors",
        "forecasts": work / "forecasts.parquet",
    } | write_report(outcome, work, explain(outcome))
    return {name: final / path.relative_to(work) for name, path in files.items()}


def write_panel_outcome(outcome: PanelOutcome, work: Path, final: Path) -> dict[str, Path]:
    """Write everything of a run over several series into ``work``; returns the names it will have under ``final``."""
    files = {
        "config": work / "config.toml",
        "model": work / "model.safetensors",
        "forecasts": work / "forecasts.parquet",
    }
    write_atomically(files["config"], config_to_toml(outcome.config).encode())
    save_model(with_verdict(outcome), files["model"])
    write_table(outcome.backtest.table(sorted(LEVELS, reverse=True)), files["forecasts"])
    files |= write_panel_report(outcome, work)
    return {name: final / path.relative_to(work) for name, path in files.items()}


def with_verdict(outcome: Outcome | PanelOutcome) -> Model:
    """The model, its card with what the run says of it."""
    verdict = outcome.verdict
    said = {"sentence": verdict.sentence, "looked_at": outcome.config.verdict, "gain_claimed": verdict.claimed}
    return replace(outcome.model, card={**outcome.model.card, "verdict": said})


def forecasts_table(outcome: Outcome) -> pa.Table:
    """Every forecast of the run as a long table: mode, unique_id, ds, cutoff, y, MODEL, MODEL-lo-95 … MODEL-hi-95."""
    panel = outcome.source.panel
    times = panel.series_times(0)
    parts = []
    for name, mode in outcome.modes.items():
        ahead = mode.origins[:, None] + np.arange(1, mode.horizon + 1)
        rows = ahead.size
        columns: dict[str, object] = {
            "mode": [name] * rows,
            "unique_id": [panel.ids[0]] * rows,
            "ds": times[ahead].ravel(),
            "cutoff": np.repeat(times[mode.origins], mode.horizon),
            "y": mode.truth_OH.ravel(),
        }
        for model, quantiles in outcome.forecasts[name].items():
            columns[model] = quantiles[..., QUANTILES.index(0.5)].ravel()
            for level in sorted(LEVELS, reverse=True):
                low = QUANTILES.index(round(0.5 - level / 200, 3))
                columns[f"{model}-lo-{level}"] = quantiles[..., low].ravel()
                columns[f"{model}-hi-{level}"] = quantiles[..., len(QUANTILES) - 1 - low].ravel()
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)
