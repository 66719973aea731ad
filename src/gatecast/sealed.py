"""A safetensors file that can tell whether it is whole: arrays, a header of text, and a checksum over both.

Nothing in such a file can be executed.  The checksum finds damage and edits; it is no signature: whoever changes a file
on purpose can write a new one.  Model files and the checkpoints of a training are made of it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gatecast.errors import ModelFileError, OutputError

Arrays = dict[str, NDArray[Any]]

CHECKSUM = "checksum"


def checksum_of(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, str]) -> str:
    """Return the SHA-256 of all names, texts, types, shapes and numbers, in an order of its own."""
    digest = hashlib.sha256()

    def absorb(part: bytes) -> None:
        digest.update(len(part).to_bytes(8, "little") + part)

    for name in sorted(header.keys() - {CHECKSUM}):
        absorb(name.encode())
        absorb(header[name].encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        absorb(f"{name} {array.dtype.str} {arrays[name].shape}".encode())
        absorb(array.tobytes())
    return digest.hexdigest()


def seal(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, str]) -> bytes:
    """Return a file's content, its checksum in the header."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole, metadata={**header, CHECKSUM: checksum_of(whole, header)})


def open_sealed(path: Path, mark: str, kind: str, advice: str) -> tuple[Arrays, dict[str, str]]:
    """Read a file's arrays and header, not yet checked: a newer version may have another checksum.

    Args:
        path: the file.
        mark: an entry that the header of every such file has.
        kind: what such a file is called in messages.
        advice: what to do about one that is damaged.

    Raises:
        ModelFileError: it is damaged or foreign.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            if mark not in header:
                raise ModelFileError(f"{path}: a safetensors file, but not one of gatecast's")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    except (SafetensorError, OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        # beside files that are damaged: numbers of a kind that NumPy does not have
        raise ModelFileError(f"{path}: damaged or not a {kind} ({error}); {advice}") from None
    return arrays, header


def require_whole(path: Path, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, str], advice: str) -> None:
    """Refuse a file whose content is not what was written.

    Raises:
        ModelFileError: it was changed after it was written, or has no checksum.
    """
    if header.get(CHECKSUM) != checksum_of(arrays, header):
        raise ModelFileError(
            f"{path}: was changed after it was written, or is damaged: its checksum is not that of its content; "
            f"{advice}"
        )


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
