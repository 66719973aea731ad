"""The folder a run leaves: settings, model, forecasts, report and pictures; all of it or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gatecast.config import LEVELS, QUANTILES, config_to_toml
from gatecast.errors import OutputError
from gatecast.explain import explain
from gatecast.modelfile import save_model, write_atomically
from gatecast.panel_report import write_panel_report
from gatecast.panel_run import PanelOutcome
from gatecast.report import write_report
from gatecast.run import Outcome
from gatecast.tables import write_table


@contextmanager
def folder_for(name: str, out: Path | None) -> Iterator[tuple[Path, Path]]:
    """A hidden folder to write into, and the name it gets once everything is there.

    Made before training, so that a folder that cannot be written is known at once; removed if the run fails.

    Raises:
        OutputError: the folder cannot be made, or ``out`` already holds something.
    """
    final = out or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise OutputError(f"{final}: is already there and not an empty folder; choose another with --out")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be written ({error.strerror}); choose another folder with --out, or --no-save"
        ) from None
    try:
        yield work, final
        work.chmod(0o755)
        if final.is_dir():
            final.rmdir()
        work.replace(final)
    except OSError as error:
        raise OutputError(f"{final}: cannot be written ({error.strerror}); choose another folder with --out") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_outcome(outcome: Outcome, work: Path, final: Path) -> dict[str, Path]:
    """Write everything into ``work``; returns the names it will have under ``final``."""
    write_atomically(work / "config.toml", config_to_toml(outcome.config).encode())
    save_model(outcome.model, work / "model.safetensors")
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
    save_model(outcome.model, files["model"])
    write_table(outcome.backtest.table(sorted(LEVELS, reverse=True)), files["forecasts"])
    files |= write_panel_report(outcome, work)
    return {name: final / path.relative_to(work) for name, path in files.items()}


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
