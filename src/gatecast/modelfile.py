"""One file holds a model: weights, scaling, settings and a card.  The only code that touches weight files.

The format is safetensors: arrays and text, nothing that could be executed, readable without torch on any device.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gatecast.config import RunConfig, settings_from
from gatecast.constants import FORMAT, QUANTILES
from gatecast.covariates import Column, Role, column_from, widths_of
from gatecast.errors import ModelFileError, OutputError, SettingsError
from gatecast.runtime import OUTPUTS, Weights, prefix_of, weights_from_arrays, weights_to_arrays
from gatecast.scaling import CANDIDATES, CHANNELS, FEATURES, PATH, Scaling, channels_for, features_for, scaling_from
from gatecast.variants import CELLS

WIDENING = "interval.widening_KQ"
NEVER = -1e4  # a logit so low that its share of the mixture is exactly 0


class Counts(NamedTuple):
    """How many of each there are, columns beside the target left aside."""

    channels: int
    features: int
    candidates: int


NOW = Counts(len(CHANNELS), FEATURES, CANDIDATES)
EARLIER = Counts(16, 14, 4)  # in formats 1 and 2


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
    write_atomically(path, save(arrays, metadata=header))


def load_model(path: str | Path) -> Model:
    """Read a model file.

    Raises:
        ModelFileError: the file is missing, damaged, foreign or written by a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file; a run writes its model as model.safetensors")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if "gatecast_format" not in header:
                raise ModelFileError(f"{path}: a safetensors file, but not one of gatecast's")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: numbers of a kind that NumPy does not have
        raise ModelFileError(f"{path}: damaged or not a model file ({error}); train it again") from None
    version = header["gatecast_format"]
    if not version.isdecimal() or int(version) > FORMAT:
        raise ModelFileError(f"{path}: has format {version}, this gatecast reads up to {FORMAT}; upgrade gatecast")
    earlier = int(version) < 3
    try:
        model = Model(
            weights_from_arrays(arrays),
            scaling_from(json.loads(header["scaling"])),
            settings_from(json.loads(header["config"]), str(path)),
            arrays.get(WIDENING),
            _columns(header),
            dict(json.loads(header["card"])),
        )
        _check_shapes(arrays, model, EARLIER if earlier else NOW)
    except (KeyError, ValueError, TypeError, SettingsError) as error:
        raise ModelFileError(f"{path}: the model is incomplete ({error}); train it again") from None
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ModelFileError(f"{path}: holds weights that are not finite numbers; train it again")
    return replace(model, weights=to_format_3(model.weights)) if earlier else model


def to_format_3(weights: Weights) -> Weights:
    """Return weights of format 1 or 2 as those of format 3 that give the same forecasts.

    What they did not know has no weight: zeros for the newer channels, which stand before those of the columns beside
    the target, and for the newer features, and for each newer candidate an output that is always ``NEVER``.
    """

    def insert(array: np.ndarray[Any, Any], at: int, now: int, value: float = 0.0, axis: int = 0) -> Any:
        return np.insert(array, [at] * (now - at), value, axis)

    first, head = weights.layers[0], weights.head
    first = first._replace(input_CK=insert(first.input_CK, EARLIER.channels, NOW.channels))
    candidates = EARLIER.candidates, NOW.candidates
    head = head._replace(
        question_FE=insert(head.question_FE, EARLIER.features, NOW.features),
        out_DO=insert(head.out_DO, *candidates, axis=1),
        out_bias_O=insert(head.out_bias_O, *candidates, NEVER),
    )
    return Weights((first, *weights.layers[1:]), head)


def _columns(header: Mapping[str, str]) -> tuple[Column, ...]:
    if header["gatecast_format"] == "1":
        return tuple(Column(str(name), "past") for name in json.loads(header["inputs"]))
    return tuple(column_from(values) for values in json.loads(header["columns"]))


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


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: no half-written file is ever seen under ``path``.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another folder with --out") from None
    finally:  # also after Ctrl-C; once it has replaced the file of that name it is no longer there
        if temporary is not None:
            temporary.unlink(missing_ok=True)
