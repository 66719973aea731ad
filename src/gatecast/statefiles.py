"""Where a stream is, in one small file: safetensors, written whole or not at all, and refused when a bit has changed.

The networks are not in it, only what tells them from others; the values that were read cannot be told from it, but for
the newest season.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gatecast.covariates import Floats
from gatecast.errors import ModelFileError
from gatecast.following import Memory
from gatecast.modelfile import write_atomically
from gatecast.stream import StreamState

FORMAT = 2  # 1 knew less of each season
KEY = "gatecast_stream_format"


class StreamFile(NamedTuple):
    """What a file holds."""

    fingerprint: str  # of the networks
    horizon: int
    adapt: bool
    seasons: tuple[int, ...]
    steps: int  # values read
    static_G: Floats
    states: tuple[StreamState, ...]
    memory: Memory | None
    forecast_HQ: Floats | None


def save_stream_file(path: Path, file: StreamFile) -> None:
    """Write a stream's state; an earlier file of that name is replaced only once the new one is complete.

    Raises:
        OutputError: the folder cannot be written to.
    """
    arrays = {
        f"state.{m}.{name}": part for m, state in enumerate(file.states) for name, part in state._asdict().items()
    }
    if file.memory is not None:
        arrays |= {f"memory.{name}": part for name, part in file.memory._asdict().items()}
    if file.forecast_HQ is not None:
        arrays["forecast"] = file.forecast_HQ
    arrays["static"] = file.static_G
    arrays = {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}
    about = {
        "fingerprint": file.fingerprint,
        "horizon": file.horizon,
        "adapt": file.adapt,
        "seasons": list(file.seasons),
        "steps": file.steps,
        "networks": len(file.states),
    }
    header = {KEY: str(FORMAT), "about": json.dumps(about)}
    write_atomically(path, save(arrays, metadata=header | {"digest": _digest(header, arrays)}))


def load_stream_file(path: Path) -> StreamFile:
    """Read a stream's state.

    Raises:
        ModelFileError: the file is missing, damaged, foreign or written by a newer version.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file; ForecastStream.save writes one")
    try:
        with safe_open(path, framework="numpy") as opened:
            header = opened.metadata() or {}
            if KEY not in header:
                raise ModelFileError(f"{path}: a safetensors file, but not the state of one of gatecast's streams")
            version = header[KEY]
            if not version.isdecimal() or len(version) > 9 or int(version) > FORMAT:
                raise ModelFileError(
                    f"{path}: has stream format {version[:20]}, this gatecast reads up to {FORMAT}; upgrade gatecast"
                )
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is not a dict)
    except (SafetensorError, OSError, TypeError) as error:
        raise ModelFileError(f"{path}: damaged or not the state of a stream ({error})") from None
    digest = header.pop("digest", "")
    if digest != _digest(header, arrays):
        raise ModelFileError(f"{path}: damaged: what it holds is not what was written")
    try:
        about = json.loads(header["about"])
        if version == "1":
            _bring_up(arrays, int(about["networks"]))
        return _file_from(about, arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path}: the state of a stream is incomplete ({error})") from None


def _bring_up(arrays: dict[str, Floats], networks: int) -> None:
    """Tell a state of format 1 what it lacks of each season: nothing is known of it until the next value comes."""
    for m in range(networks):
        sums_N3 = arrays.pop(f"state.{m}.seasons_N3")
        arrays[f"state.{m}.seasons_N5"] = np.pad(sums_N3, ((0, 0), (0, 2)), constant_values=np.nan)
        arrays[f"state.{m}.numbers"] = np.append(arrays[f"state.{m}.numbers"], [1.0, 0.0, 0.0])  # of a mean not begun


def _file_from(about: Mapping[str, Any], arrays: Mapping[str, Floats]) -> StreamFile:
    states = tuple(
        StreamState(*(arrays[f"state.{m}.{name}"] for name in StreamState._fields)) for m in range(about["networks"])
    )
    adapts = bool(about["adapt"])
    return StreamFile(
        str(about["fingerprint"]),
        int(about["horizon"]),
        adapts,
        tuple(int(length) for length in about["seasons"]),
        int(about["steps"]),
        arrays["static"],
        states,
        Memory(*(arrays[f"memory.{name}"] for name in Memory._fields)) if adapts else None,
        arrays.get("forecast"),
    )


def _digest(header: Mapping[str, str], arrays: Mapping[str, Any]) -> str:
    """What tells these settings and numbers from any others."""
    digest = hashlib.sha256(json.dumps(dict(sorted(header.items()))).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
