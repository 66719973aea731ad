"""What is known of series beside their numbers, and what a model file says of its data and its training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from gatecast import __version__
from gatecast.columns import WIDE
from gatecast.config import DataConfig
from gatecast.covariates import Column, Role, learn_column
from gatecast.errors import SettingsError
from gatecast.frequency import Frequency
from gatecast.likeness import shares_of
from gatecast.panel import Panel
from gatecast.rows import OTHER
from gatecast.scaling import Floats
from gatecast.training import Trained


class About(NamedTuple):
    """What is known of the series beside their numbers."""

    frequency: Frequency
    columns: tuple[Column, ...]
    data: DataConfig  # what the columns are called in the user's table
    card: dict[str, Any]


def learn_columns(panel: Panel, validation_steps: int) -> tuple[Column, ...]:
    """What the training part says about the columns beside the target."""
    until = np.repeat(np.maximum(panel.lengths - validation_steps, 1), panel.lengths)
    trained = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths) < until
    columns: list[Column] = []
    tables: dict[Role, dict[str, Floats]] = {"past": panel.inputs, "known": panel.known, "static": panel.static}
    for role, table in tables.items():
        for name, column in table.items():
            seen = column if role == "static" else column[trained]
            columns.append(learn_column(name, role, seen, panel.categories.get(name)))
    return tuple(columns)


def data_of(panel: Panel) -> DataConfig:
    """What the columns are called in the user's table, as settings."""
    inputs, static = tuple(panel.inputs), tuple(panel.static)
    target: str | tuple[str, ...] = panel.names.y
    if f"{OTHER} 1" in inputs:
        target = panel.categories["target"]
        inputs = tuple(name for name in inputs if not name.startswith(OTHER))
        static = tuple(name for name in static if name != "target")
    wide = panel.names.y == WIDE and len(panel) > 1
    series_id = panel.names.unique_id if len(panel) > 1 and not wide else None
    return DataConfig(
        target=target, series_id=series_id, inputs=inputs, known=tuple(panel.known), static=static, wide=wide
    )


def card_of(panel: Panel) -> dict[str, Any]:
    """What a model file says of its data: fingerprint, dates and range."""
    values = panel.values
    most = {name: round(float(share_S.max()), 4) for name, share_S in shares_of(panel).items()}  # of any series
    return {
        "series": len(panel),
        "steps": int(panel.lengths.sum()),
        "first": str(panel.times.min()),
        "last": str(panel.times.max()),
        "frequency": panel.frequency.name,
        "lowest": float(np.nanmin(values)),
        "highest": float(np.nanmax(values)),
        **most,
        "fingerprint": _digest(values),
    }


def _digest(values: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def require_same_series(card: Mapping[str, Any], panel: Panel) -> None:
    """Refuse series that are not those that a model learned from, nor these grown longer.

    Raises:
        SettingsError: what is other, as far as the model's card can tell.
    """
    data = card.get("data", {})
    instead = "fine_tune adapts a model to other series, and fit begins anew"
    if not {"last", "fingerprint", "series"} <= data.keys():
        raise SettingsError(f"continue_fit: the model does not say which series it has learned from; {instead}")
    if data["series"] != len(panel):
        raise SettingsError(
            f"continue_fit: the model has learned from {data['series']} series, the table holds {len(panel)}; {instead}"
        )
    try:
        before = panel.times <= np.array(data["last"], panel.times.dtype)
    except (ValueError, TypeError):  # its data had times of another kind
        before = np.zeros(len(panel.times), np.bool_)
    if _digest(panel.values[before]) != data["fingerprint"]:
        raise SettingsError(
            f"continue_fit: up to {data['last']} the table holds other values than those the model has learned from; "
            f"{instead}"
        )


def make_card(trained: Trained) -> dict[str, Any]:
    """What a model file says of itself: the course of training, and the versions."""
    return {
        "training": {
            "updates": trained.updates,
            "best_update": trained.best_update,
            "validation_loss": trained.validation,
            "path_refitted": trained.readout,
            "interrupted": trained.interrupted,
        },
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"gatecast": __version__, "numpy": np.__version__, "torch": version("torch")},
    }
