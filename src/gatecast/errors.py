"""Everything gatecast refuses, as one tree; each message says what was found and what would be right.

    GatecastError                 exit code
    ├── SettingsError                 2      a setting that cannot work, an unknown name or key
    ├── DataError                     3      a table that cannot be read or forecast as it is
    ├── ModelFileError                4      a model file that is damaged, foreign or newer
    ├── OutputError                   5      a folder or file that cannot be written
    └── MissingExtraError             6      an optional part of gatecast that is not installed

Exit code 0 is success, 1 an unforeseen error (please report it), 130 a run ended by Ctrl-C.  The codes are stable.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

INTERRUPTED = 130


class GatecastError(Exception):
    """The root: catch this to catch everything gatecast refuses."""

    exit_code = 1


class SettingsError(GatecastError):
    """A setting cannot work or a name is unknown."""

    exit_code = 2


class DataError(GatecastError):
    """A table cannot be read, or cannot be forecast as it is."""

    exit_code = 3


class ModelFileError(GatecastError):
    """A model file is damaged, not ours, or written by a newer version."""

    exit_code = 4


class OutputError(GatecastError):
    """A folder or file cannot be written."""

    exit_code = 5


class MissingExtraError(GatecastError):
    """An optional part of gatecast is needed and not installed."""

    exit_code = 6


class OutsideTraining(UserWarning):
    """A forecast is asked for where training saw nothing."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'sine'?"`` for the known word closest to ``word``, or an empty string."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""
