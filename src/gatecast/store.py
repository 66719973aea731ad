"""Series larger than memory: a folder of Parquet files, laid out in a scratch file one series after the other.

From then on a stretch of a series is one small read, so training and forecasting need the memory that the number of
series asks for, however long these are.  The scratch file has no name: the system removes it when the store is closed,
and also when the program is killed.

Key: S series, P past-only, J known-future and G static columns.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from gatecast.arrow import Floats
from gatecast.columns import Columns, names_in
from gatecast.config import DataConfig
from gatecast.covariates import Column, Role, encode, learn_column, spread_of, widths_of
from gatecast.errors import SettingsError
from gatecast.folder import open_files
from gatecast.frequency import Frequency, parse_frequency
from gatecast.panel import DAY, Panel
from gatecast.placing import CHUNK, Index, Layout, Scratch, Taken, lay_out, read_keys, write_numbers


class Store:
    """Series on disk, as ``open_store`` lays them out; to be closed, or used in a ``with`` statement.

    Attributes:
        ids: the S names of the series, in the order of their first rows.
        lengths: (S,) steps of each; those that the times skip are among them, as missing values.
        offsets: (S+1,) where each series starts.
        frequency: the spacing of all series.
        last_times: (S,) the last time of each series.
        names: what the columns are called in the files.
        categories: for columns of words, what their numbers 0, 1, 2 … stand for.
        static: what stays the same for a series, (S,) each; NaN is missing.
        roles: the columns beside the target, and what they are.
        filled: how many steps were added.
        zone: the time zone of the times, if they had one; ``last_times`` are then UTC, or local days.
        local_days: whether they are days of that zone.
    """

    def __init__(self, index: Index, layout: Layout, taken: Taken, scratch: Scratch) -> None:
        self.ids, self.names, self.zone, self.local_days = index.ids, index.names, index.zone, index.local_days
        self.last_times, self._first_time = index.times(index.last), index.times(np.array([index.first]))[0]
        self.frequency, self.lengths, self.offsets = layout.frequency, layout.lengths, layout.offsets
        self.filled = int(self.offsets[-1] - index.counts.sum())
        self.roles = taken.roles
        self.categories = {name: tuple(sorted(words)) for name, words in taken.words.items()}
        self._taken, self._scratch = taken, scratch
        self.static = {name: self._in_order(name, values) for name, values in taken.static.items()}

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch file; nothing can be read afterwards."""
        self._scratch.close()

    def planes(self, columns: tuple[Column, ...] = ()) -> StorePlanes:
        """Return the series as training and forecasting read them, with ``columns`` encoded beside the target.

        Raises:
            SettingsError: the store was opened without one of the columns.
        """
        for column in columns:
            if self.roles.get(column.name) != column.role:
                raise SettingsError(
                    f"the store was opened without the column {column.name!r} ({column.role}); name it when opening"
                )
        return StorePlanes(self, columns)

    def ends(self) -> Panel:
        """Return the last step of every series as a panel: what is needed to say when a forecast's steps are."""
        count = len(self)
        return Panel(
            self.ids,
            self.last_times,
            np.array([self.read(None, s, int(end) - 1, int(end))[0] for s, end in enumerate(self.lengths)]),
            np.arange(count + 1, dtype=np.int64),
            self.frequency,
            {name: np.full(count, np.nan) for name, role in self.roles.items() if role == "past"},
            self.names,
            self.filled,
            {name: np.full(count, np.nan) for name, role in self.roles.items() if role == "known"},
            self.static,
            self.categories,
            self.zone,
            self.local_days,
        )

    def learn_columns(self, validation_steps: int) -> tuple[Column, ...]:
        """Return what all steps but the last ``validation_steps`` of each series say about the columns."""
        columns = []
        for name, role in self.roles.items():
            labels = self.categories.get(name)
            if role == "static":
                columns.append(learn_column(name, role, self.static[name], labels))
            else:
                columns.append(_learn_in_parts(name, role, list(labels or ()), self._trained(name, validation_steps)))
        return tuple(columns)

    def data(self) -> DataConfig:
        """Return what the columns are called in the files, as settings of a model."""
        inputs, known, static = (
            tuple(name for name in self.roles if self.roles[name] == role) for role in ("past", "known", "static")
        )
        series_id = self.names.unique_id if len(self) > 1 else None
        return DataConfig(target=self.names.y, series_id=series_id, inputs=inputs, known=known, static=static)

    def card(self) -> dict[str, Any]:
        """Return what a model file says of its data: fingerprint, dates and range."""
        digest, known = hashlib.sha256(), np.zeros(len(self), np.int64)
        counts = {"zeros": known.copy(), "negative": known.copy(), "missing": known.copy()}
        for begin, end in self._chunks():
            values = self._numbers(None, begin, end)
            digest.update(values.tobytes())
            rows = np.searchsorted(self.offsets, np.arange(begin, end), "right") - 1
            finds = {"zeros": values == 0, "negative": values < 0, "missing": np.isnan(values)}
            for name, found in finds.items():
                counts[name] += np.bincount(rows[found], minlength=len(self))
            known += np.bincount(rows[np.isfinite(values)], minlength=len(self))
        among = {"missing": self.lengths}
        return {
            "series": len(self),
            "steps": int(self.offsets[-1]),
            "first": str(self._first_time),
            "last": str(self.last_times.max()),
            "frequency": self.frequency.name,
            "lowest": self._taken.lowest,
            "highest": self._taken.highest,
            **{n: round(float((c / among.get(n, np.maximum(known, 1))).max()), 4) for n, c in counts.items()},
            "fingerprint": digest.hexdigest()[:16],
        }

    def read(self, name: str | None, s: int, begin: int, end: int) -> Floats:
        """Return steps ``begin`` to before ``end`` of one series: of the target (None), or of a column that moves.

        Raises:
            IndexError: the series has no such steps.
            SettingsError: the store is closed.
        """
        if not 0 <= begin <= end <= self.lengths[s]:
            raise IndexError(f"steps {begin} to {end} of a series that has {self.lengths[s]}")
        start = int(self.offsets[s])
        return self._numbers(name, start + begin, start + end)

    def _numbers(self, name: str | None, begin: int, end: int) -> Floats:
        plane = 0 if name is None else 1 + self._taken.moving.index(name)
        numbers = self._scratch.read(plane * int(self.offsets[-1]) + begin, end - begin).view(np.float64)
        return numbers if name is None else self._in_order(name, numbers)

    def _in_order(self, name: str, numbers: Floats) -> Floats:
        """Words are numbered as they came; from here on they are numbered in alphabetical order."""
        if name not in self.categories:
            return numbers
        place = {word: code for code, word in enumerate(self.categories[name])}
        codes = np.array([*(place[word] for word in self._taken.words[name]), np.nan])
        return np.asarray(codes[np.where(np.isfinite(numbers), numbers, -1).astype(np.int64)])

    def _chunks(self) -> Iterator[tuple[int, int]]:
        total = int(self.offsets[-1])
        return ((begin, min(begin + CHUNK, total)) for begin in range(0, total, CHUNK))

    def _trained(self, name: str, validation_steps: int) -> Iterator[Floats]:
        """What the training parts hold of a column, part by part, without what is missing."""
        until = self.offsets[:-1] + np.maximum(self.lengths - validation_steps, 1)
        for begin, end in self._chunks():
            rows = np.arange(begin, end)
            seen = self._numbers(name, begin, end)[rows < until[np.searchsorted(self.offsets, rows, "right") - 1]]
            yield seen[np.isfinite(seen)]


class StorePlanes:
    """A store's numbers, encoded as the network reads them: the ``Planes`` of ``supply``."""

    def __init__(self, store: Store, columns: tuple[Column, ...]) -> None:
        self._store, self.lengths, self.widths = store, store.lengths, widths_of(columns)
        self._moving = [column for role in ("past", "known") for column in columns if column.role == role]
        static = [self._encode(column, store.static[column.name]) for column in columns if column.role == "static"]
        self.static_GS: Floats = np.concatenate(static) if static else np.zeros((0, len(store)))

    def cut(self, s: int, begin: int, end: int) -> Floats:
        """Steps ``begin`` to before ``end`` of one series, (1 + P + J, end - begin)."""
        rows = [self._store.read(None, s, begin, end)[None]]
        rows += [self._encode(column, self._store.read(column.name, s, begin, end)) for column in self._moving]
        return np.concatenate(rows)

    def _encode(self, column: Column, numbers: Floats) -> Floats:
        return encode(column, numbers, self._store.categories.get(column.name))


def open_store(  # noqa: PLR0913 (the choice of columns, as keywords)
    folder: str | Path,
    *,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    frequency: Frequency | str | None = None,
    scratch: str | Path | None = None,
) -> Store:
    """Lay out a folder of Parquet files, or one such file, on disk: to train on it without having it in memory.

    The files are long tables with the same columns.  They are read in the order of their paths; in that order each
    series must be in time order, however it is spread over them.  Columns are chosen, and their cells read, as by
    ``panel_from_frame``; dates that are text must look like 2020-01-31 or 2020-01-31 14:30.

    Args:
        folder: the folder; files in folders inside it count too, hidden ones do not.
        time: the column of times.
        target: the column to forecast.
        series_id: the column that tells the series apart.
        inputs: further columns, known up to now only.
        known: further columns that are known in advance.
        static: further columns that stay the same for a series.
        frequency: the spacing or its code; None infers it from the longest series.
        scratch: a folder on a disk with room for 8 bytes per step and column, and 16 per row while the files are read;
            None is the system's temporary folder, which on some machines is in memory.

    Raises:
        SettingsError: a named column is not there, or is used twice.
        DataError: the files cannot be read, or cannot be forecast as they are; the message names file and row.
        OutputError: the scratch file cannot be written.
    """
    if isinstance(frequency, str):
        frequency = parse_frequency(frequency)
    files = open_files(
        Path(folder), Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static))
    )
    room = Path(scratch) if scratch is not None else Path(tempfile.gettempdir())
    with contextlib.ExitStack() as undo:
        with contextlib.closing(Scratch(room)) as keys:
            index = read_keys(files, keys)
            if frequency is not None and frequency.unit == "span" and frequency.step % DAY:
                index = index._replace(local_days=False)  # steps within a day need UTC
            layout = lay_out(index, keys, frequency)
            numbers = Scratch(room)
            undo.callback(numbers.close)
            taken = write_numbers(files, index, layout, keys, numbers)
        store = Store(index, layout, taken, numbers)
        undo.pop_all()
    pa.default_memory_pool().release_unused()
    return store


def _learn_in_parts(name: str, role: Role, labels: Sequence[str], parts: Iterator[Floats]) -> Column:
    """What ``learn_column`` says, of numbers that come part by part; of a single part exactly that."""
    first, second = next(parts), next(parts, None)
    if second is None:
        return learn_column(name, role, first, labels or None)
    parts = chain((first, second), parts)
    if labels:
        counts = np.zeros(len(labels), np.int64)
        for seen in parts:
            counts += np.bincount(seen.astype(np.int64), minlength=len(labels))
        rank = np.unique(np.append(0, counts), return_inverse=True)[1][1:]  # as good as the counts, and small
        return learn_column(name, role, np.repeat(np.arange(len(labels), dtype=np.float64), rank), labels)
    count, mean, squares, lowest, highest = 0, 0.0, 0.0, np.inf, -np.inf
    for seen in parts:  # Chan, Golub and LeVeque 1979
        if len(seen):
            away, both = float(seen.mean()) - mean, count + len(seen)
            squares += float(seen.var()) * len(seen) + away**2 * count * len(seen) / both
            mean += away * len(seen) / both
            count, lowest, highest = both, min(lowest, float(seen.min())), max(highest, float(seen.max()))
    if count == 0 or role == "past":
        return learn_column(name, role, np.array([lowest, highest]))
    spread = spread_of(float(np.sqrt(squares / count)), lowest, highest)
    return Column(name, role, (), mean, spread, lowest, highest)
