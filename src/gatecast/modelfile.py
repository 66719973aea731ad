"""One file holds a model: weights, scaling, settings and a card.  The only code that touches weight files.

The format is safetensors: arrays and text, nothing that could be executed, readable without torch on any device.  A
checksum over both is written with them (see ``sealed``) and looked at when they are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatecast.config import RunConfig, settings_from
from gatecast.constants import FORMAT, QUANTILES
from gatecast.covariates import Column, Role, column_from, widths_of
from gatecast.errors import ModelFileError, SettingsError
from gatecast.frequency import require_season_lengths
from gatecast.runtime import OUTPUTS, Weights, prefix_of, weights_from_arrays, weights_to_arrays
from gatecast.scaling import (
    CANDIDATES,
    CHANNELS,
    FEATURES,
    PATH,
    Fixed,
    Running,
    Scaling,
    channels_for,
    features_for,
    scaling_from,
)
from gatecast.sealed import open_sealed, require_whole, seal, write_atomically
from gatecast.variants import CELLS

__all__ = [
    "EARLIER",
    "FORMAT",
    "NEVER",
    "NOW",
    "Counts",
    "Model",
    "format_of",
    "load_model",
    "save_model",
    "with_seasons",
    "write_atomically",
]

WIDENING = "interval.widening_KQ"
LONGEST_SEASON = 10_000_000  # steps: a longer one, in a damaged file, would fill the memory
LARGEST_NUMBER = 1e300
UNSEALED = {"gatecast_format", "scaling", "config", "columns", "inputs", "card"}  # all that files had before checksums
DAMAGED = "train it again, or take a copy of the file"
NEVER = -1e4  # a logit so low that its share of the mixture is exactly 0


class Counts(NamedTuple):
    """How many of each there are, columns beside the target left aside."""

    channels: int
    features: int
    candidates: int


NOW = Counts(len(CHANNELS), FEATURES, CANDIDATES)
EARLIER = {1: Counts(16, 14, 4), 2: Counts(16, 14, 4), 3: Counts(19, 18, 8)}  # by format


@dataclass(frozen=True)
class Model:
    """A trained network and all that is needed to forecast with it."""

    weights: Weights
    scaling: Scaling
    config: RunConfig = field(default_factory=RunConfig)
    widening_KQ: np.ndarray[Any, Any] | None = None  # factors on the distance from the median, per step ahead
    columns: tuple[Column, ...] = ()  # what it reads beside the target
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def direct_horizon(self) -> int:
        """Steps ahead the head was trained for; beyond them the state runs on over hidden steps."""
        return self.config.training.horizon

    def reads(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns it reads in a role."""
        return tuple(column.name for column in self.columns if column.role == role)


def with_seasons(model: Model, seasons: tuple[int, ...]) -> Model:
    """Return a model whose level and scale run, with other seasons."""
    nearest = isinstance(model.scaling, Running) and model.scaling.nearest
    return replace(model, scaling=Running(seasons, nearest))


def save_model(model: Model, path: Path) -> None:
    """Write a model file; an earlier file of that name is replaced only once the new one is complete.

    Raises:
        OutputError: the folder cannot be written to.
    """
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights_to_arrays(model.weights).items()}
    if model.widening_KQ is not None:
        arrays[WIDENING] = np.ascontiguousarray(model.widening_KQ, np.float32)
    header = {
        "gatecast_format": str(FORMAT),
        "scaling": json.dumps(model.scaling.as_dict()),
        "config": model.config.model_dump_json(),
        "columns": json.dumps([column.as_dict() for column in model.columns]),
        "card": json.dumps(dict(model.card)),
    }
    write_atomically(path, seal(arrays, header))


def load_model(path: str | Path) -> Model:
    """Read a model file.

    Raises:
        ModelFileError: the file is missing, damaged, changed, foreign or written by a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file; a run writes its model as model.safetensors")
    arrays, header = open_sealed(path, "gatecast_format", "model file", DAMAGED)
    version = header["gatecast_format"]
    if not version.isdecimal() or len(version) > 9 or int(version) > FORMAT:
        raise ModelFileError(f"{path}: has format {version[:20]}, this gatecast reads up to {FORMAT}; upgrade gatecast")
    if header.keys() - UNSEALED:
        require_whole(path, arrays, header, DAMAGED)
    earlier = EARLIER.get(int(version), NOW)
    try:
        model = Model(
            weights_from_arrays(arrays),
            _scaling(header),
            settings_from(json.loads(header["config"]), str(path)),
            arrays.get(WIDENING),
            _columns(header),
            _card(header),
        )
        _check_shapes(arrays, model, earlier)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError, SettingsError) as error:
        raise ModelFileError(f"{path}: the model is incomplete ({error}); {DAMAGED}") from None
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ModelFileError(f"{path}: holds weights that are not finite numbers; {DAMAGED}")
    return model if earlier == NOW else replace(model, weights=brought_up(model.weights, earlier))


def format_of(path: Path) -> int:
    """Return the format of a model file that can be loaded."""
    return int(open_sealed(path, "gatecast_format", "model file", DAMAGED)[1]["gatecast_format"])


def brought_up(weights: Weights, earlier: Counts) -> Weights:
    """Return weights of an earlier format as those of today's that give the same forecasts.

    What they did not know has no weight: zeros for the newer channels, which stand before those of the columns beside
    the target, and for the newer features, and for each newer candidate an output that is always ``NEVER``.
    """

    def insert(array: np.ndarray[Any, Any], at: int, now: int, value: float = 0.0, axis: int = 0) -> Any:
        return np.insert(array, [at] * (now - at), value, axis)

    first, head = weights.layers[0], weights.head
    first = first._replace(input_CK=insert(first.input_CK, earlier.channels, NOW.channels))
    candidates = earlier.candidates, NOW.candidates
    head = head._replace(
        question_FE=insert(head.question_FE, earlier.features, NOW.features),
        out_DO=insert(head.out_DO, *candidates, axis=1),
        out_bias_O=insert(head.out_bias_O, *candidates, NEVER),
    )
    return Weights((first, *weights.layers[1:]), head)


def _columns(header: Mapping[str, str]) -> tuple[Column, ...]:
    if header["gatecast_format"] == "1":
        return tuple(Column(str(name), "past") for name in json.loads(header["inputs"]))
    return tuple(column_from(values) for values in json.loads(header["columns"]))


def _scaling(header: Mapping[str, str]) -> Scaling:
    """The scaling, if its numbers are such that a series can be scaled with them."""
    scaling = scaling_from(json.loads(header["scaling"]))
    require_season_lengths(scaling.seasons)
    if max(scaling.seasons) > LONGEST_SEASON:
        raise ValueError(f"a season of {max(scaling.seasons)} steps")
    if isinstance(scaling, Fixed):
        sizes = (scaling.scale, scaling.change, *scaling.season_changes)
        if len(scaling.season_changes) != len(scaling.seasons) or not all(
            isinstance(number, int | float) and math.isfinite(number) for number in (scaling.level, *sizes)
        ):
            raise ValueError("a fixed scaling that is not made of numbers")
        if min(sizes) < 0:
            raise ValueError(f"a fixed scaling with the size {min(sizes):g}")
    return scaling


def _card(header: Mapping[str, str]) -> dict[str, Any]:
    """What the file says of itself: text and numbers, in groups where these are looked at."""
    card = dict(json.loads(header["card"]))
    for group in ("data", "training", "versions", "verdict", "start"):
        if not isinstance(card.get(group, {}), dict):
            raise ValueError(f"the card's {group} is no group")
    for name, value in card.get("data", {}).items():
        if name in {"first", "last", "frequency", "fingerprint"}:
            continue
        if not isinstance(value, int | float | None) or abs(value or 0.0) > LARGEST_NUMBER:
            raise ValueError(f"the card's {name} is {value!r}, not a number")
    return card


def _check_shapes(arrays: Mapping[str, np.ndarray[Any, Any]], model: Model, counts: Counts) -> None:
    """Refuse arrays that do not fit each other, the inputs or the head of their format.

    Raises:
        ValueError: the first array that does not fit, what it is and what it should be.
    """
    layers = len(model.weights.layers)
    if layers == 0:
        raise ValueError("it has no LSTM layer")
    units, cell = model.weights.units, model.weights.cell
    if cell != model.config.network.cell:
        raise ValueError(f"its weights are of the cell {cell!r} and its settings name {model.config.network.cell!r}")
    widths = widths_of(model.columns)
    channels = channels_for(widths) - NOW.channels + counts.channels
    features = features_for(widths) - NOW.features + counts.features
    outputs = OUTPUTS - NOW.candidates + counts.candidates
    expected = {
        f"{prefix_of(cell)}.{place}.{name}": shape
        for place in range(layers)
        for name, shape in CELLS[cell].shapes(units if place else channels, units).items()
    } | {
        "head.state_DE": (units, 2 * units),
        "head.question_FE": (features, 2 * units),
        "head.bias_E": (2 * units,),
        "head.middle_ED": (2 * units, units),
        "head.middle_bias_D": (units,),
        "head.out_DO": (units, outputs),
        "head.out_bias_O": (outputs,),
        "head.path_DJ": (units, PATH),
        "head.path_bias_J": (PATH,),
    }
    if WIDENING in arrays:
        expected[WIDENING] = (max(1, arrays[WIDENING].size // len(QUANTILES)), len(QUANTILES))
    unknown = sorted(set(arrays) - set(expected))
    if unknown:
        raise ValueError(f"{unknown[0]} belongs to no layer that is whole")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, it should be {shape}")
