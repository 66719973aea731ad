"""Where a training stands, on disk: killed at any moment, it goes on and ends with the same weights to the bit.

A fit trains one network or several (trials of the scaling, the training, a panel's second one).  Each is a stage with
a name of its own.  A stage under way has up to two files, written in turn, so that the one before is there while a new
one is written, and if the newer is damaged.  A stage that is done has one file, its result.  Nothing is written in the
first seconds, and then at most once in as many; a file is whole or not there at all.

    fit.json                              what is trained on which data; whether the fit is done
    budget.json                           what a time budget came to, see ``ledger``
    stage-trial-fixed.done.safetensors    the result of a first, short training
    stage-training-fixed.a.safetensors    where the second stands
    stage-training-fixed.b.safetensors    where it stood before, or the other way round

Files are safetensors with a checksum (see ``sealed``) and JSON, never pickle.  Nothing here knows what the arrays are.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.errors import ModelFileError, OutputError, SettingsError
from gatecast.sealed import open_sealed, require_whole, seal, write_atomically

FORMAT = "1"
MARK = "gatecast_checkpoint"
KIND = "checkpoint"
ABOUT = "fit.json"
SLOTS = ("a", "b")
STAGE_FILE = re.compile(r"stage-[a-z-]+\.(a|b|done)\.safetensors")
NAMED = (STAGE_FILE.pattern, re.escape(ABOUT), r"budget\.json")
HALF_WRITTEN = re.compile(rf"\.({'|'.join(NAMED)})\.\w+")  # of a process that was killed
BEGIN_AGAIN = "delete its folder to begin again"
FREE = {"device", "checkpoint_seconds"}  # settings of the training that a resumed one may have otherwise


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or one that was written cannot be read; the training goes on."""


class Kept(NamedTuple):
    """All that a training needs to go on as if it had never stopped, or its result."""

    arrays: Mapping[str, NDArray[Any]]
    numbers: Mapping[str, Any]  # what JSON can hold; ``update`` among them


class Checkpoint:
    """The stages of one fit in a folder.

    Args:
        folder: where they are; made when first something is written.
        identity: what is trained on which data, in values that JSON can hold.
        seconds: between two writes, and before the first.

    Raises:
        SettingsError: the folder holds an unfinished fit of other data or settings; the first difference is named.
        ModelFileError: what it holds is damaged or of a newer version.
        OutputError: there is a file in its place.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))
        self._written = time.monotonic()
        self._results: dict[str, Kept] = {}  # of stages done, not yet on disk
        self._here = False  # whether the folder is this fit's
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: is a file; a checkpoint is a folder, choose another")
        if (folder / ABOUT).exists():
            self._take_up()

    def stage(self, name: str) -> Stage:
        """One training of the fit, under a name that no other has: small letters and dashes."""
        return Stage(self, name)

    def close(self) -> None:
        """The fit is done: its results stay, and the folder may be used for another one."""
        if self._here:
            self.write({}, done=True)

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._written >= self.seconds

    def kept(self, name: str) -> Kept | None:
        """A file's content; None where there is none.

        Raises:
            ModelFileError: it is damaged or of a newer version.
        """
        path = self.folder / f"{name}.safetensors"
        if not self._here or not path.exists():
            return None
        arrays, header = open_sealed(path, MARK, KIND, BEGIN_AGAIN)
        _require_format(path, header[MARK])
        require_whole(path, arrays, header, BEGIN_AGAIN)
        try:
            numbers = dict(json.loads(header["numbers"]))
            numbers["update"] = int(numbers["update"])
        except (LookupError, ValueError, TypeError, RecursionError) as error:
            raise ModelFileError(f"{path}: the checkpoint is incomplete ({error}); {BEGIN_AGAIN}") from None
        return Kept(arrays, numbers)

    def write(self, files: Mapping[str, Kept], done: bool = False) -> bool:
        """Write files, and the results that are not yet on disk; returns whether all are there.

        A full disk is no reason to stop: what was written before stays, and the training goes on with a warning.
        """
        self._written = time.monotonic()
        try:
            self._begin()
            for stage, result in list(self._results.items()):
                self._write_one(f"stage-{stage}.done", result)
                del self._results[stage]
                for slot in SLOTS:
                    (self.folder / f"stage-{stage}.{slot}.safetensors").unlink(missing_ok=True)
            for name, kept in files.items():
                self._write_one(name, kept)
            if done:
                self._write_about(done=True)
        except (OutputError, OSError) as error:
            why = str(error).partition(";")[0]
            warnings.warn(
                f"{why}; no checkpoint was written, what was written before stays and the training goes on",
                CheckpointWarning,
                stacklevel=2,
            )
            return False
        return True

    def result(self, stage: str, kept: Kept) -> None:
        """Take a stage's result; it is written with what is written next, or now if it is time."""
        self._results[stage] = kept
        if self.due():
            self.write({})

    def _begin(self) -> None:
        if not self._here:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._clear(STAGE_FILE)
            self._write_about(done=False)
            self._here = True

    def _write_about(self, done: bool) -> None:
        about = {"format": FORMAT, "done": done, "identity": self._identity}
        write_atomically(self.folder / ABOUT, json.dumps(about, indent=1).encode())

    def _write_one(self, name: str, kept: Kept) -> None:
        header = {MARK: FORMAT, "numbers": json.dumps(kept.numbers)}
        write_atomically(self.folder / f"{name}.safetensors", seal(kept.arrays, header))

    def _take_up(self) -> None:
        """Go on with what the folder holds if it is this fit; replace it if it is another that is done."""
        path = self.folder / ABOUT
        try:
            about = json.loads(path.read_bytes())
            version, done, identity = about["format"], about["done"], dict(about["identity"])
        except (OSError, LookupError, ValueError, TypeError, RecursionError) as error:
            raise ModelFileError(f"{path}: damaged or not a {KIND} ({error}); {BEGIN_AGAIN}") from None
        _require_format(path, version)
        other = difference(identity, self._identity)
        if other and not done:
            raise SettingsError(
                f"{self.folder}: holds the checkpoint of another fit, {other}; give the data and settings that it was "
                f"begun with, or {BEGIN_AGAIN}"
            )
        self._here = not other
        if self._here:
            try:
                self._clear(HALF_WRITTEN)
            except OSError as error:
                raise OutputError(f"{self.folder}: cannot be written ({error.strerror}); choose another") from None

    def _clear(self, names: re.Pattern[str]) -> None:
        """Take away what an earlier fit left."""
        for path in self.folder.iterdir():
            if names.fullmatch(path.name):
                path.unlink(missing_ok=True)


class Stage:
    """One training of a fit."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self._all, self._name = checkpoint, name
        self._next = SLOTS[0]

    def result(self) -> Kept | None:
        """What the training left, if it is done.

        Raises:
            ModelFileError: the file is damaged.
        """
        return self._all.kept(f"stage-{self._name}.done")

    def newest(self) -> Kept | None:
        """Where the training stands; where it stood before if the newer file is damaged; None before the first.

        Raises:
            ModelFileError: there are files and all are damaged.
        """
        found: dict[str, Kept] = {}
        damaged: list[ModelFileError] = []
        for slot in SLOTS:
            try:
                kept = self._all.kept(f"stage-{self._name}.{slot}")
            except ModelFileError as error:
                damaged.append(error)
                continue
            if kept is not None:
                found[slot] = kept
        if not found:
            if damaged:
                raise damaged[0]
            return None
        newest = max(found, key=lambda slot: found[slot].numbers["update"])
        self._next = SLOTS[1 - SLOTS.index(newest)]
        if damaged:
            update = found[newest].numbers["update"]
            warnings.warn(f"{damaged[0]}; going on from update {update:,}", CheckpointWarning, stacklevel=2)
        return found[newest]

    def due(self) -> bool:
        """Whether it is time to write."""
        return self._all.due()

    def keep(self, kept: Kept) -> None:
        """Write where the training stands in place of the older of the two files."""
        if self._all.write({f"stage-{self._name}.{self._next}": kept}):
            self._next = SLOTS[1 - SLOTS.index(self._next)]

    def finish(self, kept: Kept) -> None:
        """Take the training's result."""
        self._all.result(self._name, kept)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a fit that is not done, as far as its description can be read."""
    try:
        return not json.loads((folder / ABOUT).read_bytes())["done"]
    except (OSError, LookupError, ValueError, TypeError, RecursionError):
        return False


def mark_done(folder: Path) -> None:
    """The fit in a folder has ended where its clock or its plan wanted; the folder may be used for another one."""
    if is_unfinished(folder):
        about = json.loads((folder / ABOUT).read_bytes())
        try:
            write_atomically(folder / ABOUT, json.dumps(about | {"done": True}, indent=1).encode())
        except OutputError as error:
            warnings.warn(str(error).partition(";")[0], CheckpointWarning, stacklevel=2)


def fingerprint_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of named arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _require_format(path: Path, version: object) -> None:
    if version != FORMAT:
        raise ModelFileError(
            f"{path}: a checkpoint of format {str(version)[:20]}, this gatecast reads {FORMAT}; go on with the "
            f"gatecast that wrote it, or {BEGIN_AGAIN}"
        )


def difference(one: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> str:
    """The first thing in which two identities differ, in words; empty if they do not."""
    for name in [*one, *(name for name in other if name not in one)]:
        before, now = one.get(name), other.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            if found := difference(before, now, f"{where}{name}."):
                return found
        elif before != now:
            if name == "data":
                return "on other data"
            return f"with {where}{name} = {before!r} where {now!r} is asked for"
    return ""
