"""What clients send, kept in one folder of the data folder, under names that the server gave; the newest stay.

A client's own name for a file is kept as words beside it and never used as a path.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.errors import OutputError
from gatecast.limits import Refusal
from gatecast.modelfile import write_atomically

ID = re.compile(r"[0-9a-f]{16}")
LONGEST_NAME = 100


def new_id() -> str:
    """Return a name that nobody can guess."""
    return secrets.token_hex(8)


def plain_name(name: str) -> str:
    """Return a file's name as words: no folders, nothing that is not printed, not too long."""
    last = re.split(r"[/\\]", name)[-1]
    words = "".join(letter for letter in last if letter.isprintable()).strip(" .")
    return words[-LONGEST_NAME:] or "table.csv"


def make_folder(folder: Path) -> Path:
    """Make a folder that only this user may read.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another data folder") from None
    return folder


class Upload(NamedTuple):
    """What is known of one."""

    id: str
    name: str
    content: bytes


class Uploads:
    """A folder of uploads.

    Args:
        folder: theirs alone.
        most: that are kept.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = make_folder(folder), most
        self._guard = threading.Lock()

    def keep(self, content: bytes, name: str, about: dict[str, Any]) -> dict[str, Any]:
        """Write an upload; the oldest goes if there are too many.

        Raises:
            OutputError: the folder cannot be written to.
        """
        identity = new_id()
        known = {"id": identity, "name": plain_name(name), "bytes": len(content), **about}
        with self._guard:
            place = make_folder(self.folder / identity)
            try:
                write_atomically(place / "content", content)
                write_atomically(place / "about.json", json.dumps(known).encode())
            except OutputError:
                shutil.rmtree(place, ignore_errors=True)  # a full disk is not made fuller
                raise
            kept = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
            for old in kept[: max(0, len(kept) - self.most)]:
                shutil.rmtree(old, ignore_errors=True)
        return known

    def read(self, identity: str) -> Upload:
        """Return an upload.

        Raises:
            Refusal: there is none of that name.
        """
        place = self.folder / identity
        try:
            if not ID.fullmatch(identity):
                raise FileNotFoundError
            about = json.loads((place / "about.json").read_bytes())
            return Upload(identity, about["name"], (place / "content").read_bytes())
        except (OSError, ValueError, LookupError, TypeError):  # not there, or not as it was written
            raise self._unknown(identity) from None

    def drop(self, identity: str) -> None:
        """Remove an upload.

        Raises:
            Refusal: there is none of that name.
        """
        with self._guard:  # while one is written, the oldest are looked for
            if not ID.fullmatch(identity) or not (self.folder / identity).is_dir():
                raise self._unknown(identity)
            shutil.rmtree(self.folder / identity, ignore_errors=True)

    def _unknown(self, identity: str) -> Refusal:
        return Refusal(
            "not_found",
            f"there is no upload {identity[:40]!r}; the {self.most} newest are kept, send the file again",
            404,
        )
