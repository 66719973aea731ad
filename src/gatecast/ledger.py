"""What became of a time budget, on disk beside a checkpoint: what it holds, how much of it is used, where it ended.

Without this file a fit that was killed would be rehearsed and planned anew, with another number of updates, and could
not go on from its checkpoint.  ``budget`` says what the numbers mean.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.checkpoint import BEGIN_AGAIN, CheckpointWarning, difference, is_unfinished
from gatecast.errors import ModelFileError, OutputError, SettingsError
from gatecast.sealed import write_atomically

FORMAT = "1"
NAME = "budget.json"


class Planned(NamedTuple):
    """What a budget came to."""

    updates: int | None  # planned; None where those that the settings ask for fit into it
    tail: float  # seconds that follow the last update
    spent: float  # seconds of the budget that were used so far
    stop: int | None = None  # the update at which the clock ended the training, if it did


class Ledger:
    """The file of one fit.

    Args:
        folder: that of the checkpoint.
        identity: what is trained on which data, within what budget, in values that JSON can hold.
        seconds: between two notes of the time used.

    Attributes:
        planned: what was planned before, if this fit was begun before.

    Raises:
        SettingsError: the folder holds an unfinished fit of other data or settings; the first difference is named.
        ModelFileError: the file is damaged or of a newer version.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))
        self._written = time.monotonic()
        self.planned: Planned | None = None
        if (folder / NAME).exists():
            self._take_up()

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._written >= self._seconds

    def write(self, planned: Planned) -> None:
        """Write it down; a full disk is no reason to stop."""
        self._written, self.planned = time.monotonic(), planned
        content = json.dumps({"format": FORMAT, **planned._asdict(), "identity": self._identity}, indent=1)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / NAME, content.encode())
        except (OutputError, OSError) as error:
            why = str(error).partition(";")[0]
            warnings.warn(f"{why}; what the budget came to is not kept", CheckpointWarning, stacklevel=2)

    def _take_up(self) -> None:
        path = self._folder / NAME
        try:
            told = json.loads(path.read_bytes())
            version, identity = told["format"], dict(told["identity"])
            updates, stop = (None if told[name] is None else int(told[name]) for name in ("updates", "stop"))
            planned = Planned(updates, float(told["tail"]), float(told["spent"]), stop)
        except (OSError, LookupError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ModelFileError(f"{path}: damaged or not a budget's ({error}); {BEGIN_AGAIN}") from None
        if version != FORMAT:
            raise ModelFileError(
                f"{path}: of format {str(version)[:20]}, this gatecast reads {FORMAT}; go on with the gatecast that "
                f"wrote it, or {BEGIN_AGAIN}"
            )
        other = difference(identity, self._identity)
        if not other:
            self.planned = planned
        elif is_unfinished(self._folder):
            raise SettingsError(
                f"{self._folder}: holds the checkpoint of another fit, {other}; give the data and settings that it was "
                f"begun with, or {BEGIN_AGAIN}"
            )
