"""Where each number of a folder goes in a scratch file: plane by plane, in each one series after the other.

The files are read twice, batch by batch: for the series and times of their rows, then for their numbers.  Between the
two the times become steps.  A step that the times skip holds a missing value.

Key: N rows, S series.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from gatecast.arrow import Floats, Integers
from gatecast.columns import MOST_WORDS, Names
from gatecast.covariates import Role
from gatecast.dates import local_times, show_zoned
from gatecast.errors import DataError, OutputError, SettingsError
from gatecast.folder import BATCH, Batch, Files, naming
from gatecast.frequency import REGULAR, Frequency, Times, advance, steps_between
from gatecast.panel import MOST_FILLED
from gatecast.spacing import check_spacing, common_frequency

CHUNK = 1 << 18  # numbers of the scratch file written or read at a time
GATHERED = 1 << 20  # numbers gathered before they go to their places
SPACED_BY = 100_000  # times of the longest series that tell the frequency
VOTERS = 500  # series that do, when none has more than two rows

_NONE = np.iinfo(np.int64).min  # no time yet


class Scratch:
    """Numbers of eight bytes in a file without a name; places are counted in numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed below)
        except OSError as error:
            raise OutputError(
                f"{folder}: the scratch file cannot be made there ({error.strerror}); name a folder on a disk with "
                "room: scratch"
            ) from None
        self.close: Callable[[], object] = weakref.finalize(self, self._file.close)

    def need(self, count: int) -> None:
        """Refuse early what will not fit.

        Raises:
            OutputError: the disk has less room than ``count`` numbers take.
        """
        free = shutil.disk_usage(self._folder).free
        if free < 8 * count:
            raise OutputError(
                f"{self._folder} has {free / 1e9:.2f} GB free, and the scratch file needs {8 * count / 1e9:.2f} GB; "
                "name a folder on a disk with room: scratch"
            )

    def write(self, numbers: npt.NDArray[Any], at: int) -> None:
        """Write numbers at a place.

        Raises:
            OutputError: the disk is full, or broken.
        """
        left, place = memoryview(np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data), 8 * at
        try:
            while left:
                count = os.pwrite(self._file.fileno(), left, place)
                left, place = left[count:], place + count
        except OSError as error:
            raise OutputError(
                f"{self._folder}: the scratch file cannot be written there ({error.strerror}); name a folder on a disk "
                "with room: scratch"
            ) from None

    def read(self, at: int, count: int) -> Integers:
        """Read numbers from a place, as 64 bits each.

        Raises:
            SettingsError: the store is closed.
        """
        if self._file.closed:
            raise SettingsError("the store is closed; open it again with open_store")
        data = os.pread(self._file.fileno(), 8 * count, 8 * at)
        while len(data) < 8 * count:  # a single read may give 2 GB at most
            more = os.pread(self._file.fileno(), 8 * count - len(data), 8 * at + len(data))
            if not more:
                raise DataError("the scratch file ends too soon; open the store again")
            data += more
        return np.frombuffer(data, np.int64)


# ------------------------------------------------------------------------------------------- series and times


class Index(NamedTuple):
    """What the first reading finds."""

    ids: tuple[str, ...]
    has_id: bool
    names: Names
    counts: Integers  # rows of each series, (S,)
    first: int  # the first time of all
    last: Integers  # the last time of each series, (S,)
    whole: bool  # times are whole numbers, not dates
    zone: str | None
    local_days: bool

    def times(self, numbers: Integers) -> Times:
        """Numbers of the scratch file as times."""
        if self.whole:
            return numbers
        times = numbers.view("datetime64[us]")
        return times if self.zone is None or not self.local_days else local_times(times, self.zone)

    def which(self, s: int) -> str:
        """A series as it stands in a message."""
        return f"series {self.ids[s]!r}" if self.has_id else f"column {self.ids[0]!r}"


class _Newest:
    """The newest number of each series, as rows of many series come by."""

    def __init__(self, start: int) -> None:
        self._start, self.of = start, np.full(1024, start, np.int64)

    def before(self, codes: Integers, numbers: Integers) -> Integers:
        """For each row the number of the row before it in its series, (N,)."""
        order, begin, end, series = self._grouped(codes)
        ordered = numbers[order]
        earlier = np.empty_like(ordered)
        earlier[1:] = ordered[:-1]
        earlier[begin] = self.of[series]
        self.of[series] = ordered[end]
        found = np.empty_like(earlier)
        found[order] = earlier
        return found

    def added(self, codes: Integers, steps: Integers) -> Integers:
        """For each row the sum of the steps of its series, up to and with its own, (N,)."""
        order, begin, end, series = self._grouped(codes)
        sums = np.cumsum(steps[order])
        sums += np.repeat(self.of[series] - sums[begin] + steps[order[begin]], end - begin + 1)
        self.of[series] = sums[end]
        found = np.empty_like(sums)
        found[order] = sums
        return found

    def _grouped(self, codes: Integers) -> tuple[Integers, Integers, Integers, Integers]:
        """Rows in the order of their series; where each series begins and ends among them; and which it is."""
        while codes.max() >= len(self.of):
            self.of = np.append(self.of, np.full_like(self.of, self._start))
        order = np.argsort(codes, kind="stable") if (codes[1:] < codes[:-1]).any() else np.arange(len(codes))
        change = np.flatnonzero(np.diff(codes[order]))
        begin, end = np.append(0, change + 1), np.append(change, len(codes) - 1)
        return order, begin, end, codes[order[begin]]


def read_keys(files: Files, keys: Scratch) -> Index:
    """The first reading: series and time of every row, checked, into ``keys``."""
    names, has_id = files.chosen.names, files.chosen.has_id
    codes_of: dict[str, int] = {} if has_id else {names.y: 0}
    counts, newest = np.zeros(0, np.int64), _Newest(_NONE)
    first, rows, whole, midnights = np.iinfo(np.int64).max, 0, False, True
    for batch in files.batches([names.ds, *([names.unique_id] if has_id else [])]):
        codes = batch.series(names.unique_id, codes_of) if has_id else np.zeros(len(batch.table), np.int64)
        times = batch.times(names.ds)
        whole = times.dtype.kind == "i"
        if midnights and files.zone is not None:
            with naming(batch.file):
                local = local_times(times, files.zone)
            midnights = bool((local == local.astype("datetime64[D]")).all())
        numbers = times.view(np.int64)
        before = newest.before(codes, numbers)
        for row in np.flatnonzero(numbers <= before)[:1]:
            found = before[row : row + 1].view(times.dtype)[0], times[row]
            _refuse_order(batch, int(row), list(codes_of)[codes[row]] if has_id else None, found, files.zone)
        counts = np.append(counts, np.zeros(len(codes_of) - len(counts), np.int64))
        counts += np.bincount(codes, minlength=len(counts))
        first = min(first, int(numbers.min()))
        keys.write(np.stack([codes, numbers], axis=1), 2 * rows)
        rows += len(codes)
    days = files.zone is not None and midnights
    return Index(tuple(codes_of), has_id, names, counts, first, newest.of[: len(counts)], whole, files.zone, days)


def _refuse_order(batch: Batch, row: int, series: str | None, times: tuple[Any, Any], zone: str | None) -> NoReturn:
    earlier, time = (show_zoned(each, zone, False) for each in times)
    which = f"series {series!r} " if series is not None else ""
    hint = "" if series is not None else "; if there are several series, name the column that tells them apart"
    if earlier == time:
        batch.refuse(row, f"{which}has the time {time} a second time; keep one row per time{hint}")
    batch.refuse(
        row,
        f"{which}goes back in time, from {earlier} to {time}; files are read in the order of their paths, and rows as "
        f"they stand: sort them by time across all files{hint}",
    )


# ------------------------------------------------------------------------------------------- steps


class Layout(NamedTuple):
    """Where the numbers go."""

    frequency: Frequency
    lengths: Integers
    offsets: Integers


def _keys_of(index: Index, keys: Scratch) -> Iterator[tuple[int, Integers, Integers]]:
    """Series and time (later: step) of every row, and the number of the first of them, part by part."""
    rows = int(index.counts.sum())
    for begin in range(0, rows, BATCH):
        codes, numbers = keys.read(2 * begin, 2 * min(BATCH, rows - begin)).reshape(-1, 2).T
        yield begin, codes, np.ascontiguousarray(numbers)


def _times_of(index: Index, keys: Scratch, series: Integers) -> tuple[Times, Integers]:
    """The times of some series, (N,), the first of each if there are too many; and where each starts."""
    chosen = np.zeros(len(index.ids), np.bool_)
    chosen[series] = True
    parts, left = [], SPACED_BY
    for _, codes, numbers in _keys_of(index, keys):
        rows = np.flatnonzero(chosen[codes])[:left]
        parts.append(np.stack([codes[rows], numbers[rows]]))
        left -= len(rows)
        if left == 0:
            break
    codes, numbers = np.concatenate(parts, axis=1)
    order = np.argsort(codes, kind="stable")
    return index.times(numbers[order]), np.append(np.flatnonzero(np.diff(codes[order], prepend=-1)), len(codes))


def _frequency_of(index: Index, keys: Scratch) -> Frequency:
    """The frequency of the longest series; of most of them, if none has more than two rows."""
    longest = int(np.argmax(index.counts))
    if index.counts[longest] < 2:
        raise DataError("no series has more than one row; a forecast needs at least 2 (and many more to be any good)")
    pairs = np.flatnonzero(index.counts == 2)
    if index.counts[longest] > 2:
        times, offsets = _times_of(index, keys, np.array([longest]))
        with naming(index.which(longest)) if len(index.ids) > 1 else contextlib.nullcontext():
            return common_frequency(times, offsets, index.ids[longest : longest + 1])
    voters = pairs[np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), VOTERS)).astype(np.int64))]
    times, offsets = _times_of(index, keys, voters)
    return common_frequency(times, offsets, [index.ids[s] for s in voters])


def lay_out(index: Index, keys: Scratch, frequency: Frequency | None) -> Layout:
    """Find the frequency, or check the one given; in ``keys`` each time becomes its step within its series."""
    given = frequency is not None
    frequency = frequency or _frequency_of(index, keys)
    if (frequency.unit == "numbers") != index.whole:
        check_spacing(index.times(index.last[:1]), np.array([0, 1]), index.ids[:1], frequency, given)
    fitting, widest = np.zeros(len(index.ids), np.int64), (0, 0, 0, 0)
    newest, places = _Newest(_NONE), _Newest(0)
    for row, codes, numbers in _keys_of(index, keys):
        before = newest.before(codes, numbers)
        starts = before == _NONE
        earlier, later = index.times(np.where(starts, numbers, before)), index.times(numbers)
        steps = np.where(starts, 0, steps_between(earlier, later, frequency))
        fitting += np.bincount(codes[~starts & (advance(earlier, steps, frequency) == later)], minlength=len(fitting))
        if frequency.unit == "weekdays":
            steps = np.minimum(steps, 1)  # which of those left out were holidays is not known
        at = int(np.argmax(steps))
        widest = max(widest, (int(steps[at]), int(codes[at]), int(before[at]), int(numbers[at])))
        keys.write(np.stack([codes, places.added(codes, steps)], axis=1), 2 * row)
    lengths = places.of[: len(index.ids)] + 1
    _check_steps(index, (frequency, given), fitting, int(lengths.sum()), widest)
    return Layout(frequency, lengths, np.append(0, np.cumsum(lengths)))


def _check_steps(
    index: Index, found: tuple[Frequency, bool], fitting: Integers, steps: int, widest: tuple[int, int, int, int]
) -> None:
    """Refuse a series that has another spacing, and holes that cannot be meant."""
    frequency, given = found
    gaps, rows = index.counts - 1, int(index.counts.sum())
    for s in np.flatnonzero(fitting < REGULAR * gaps)[:1]:
        asked = "is asked for" if given else "is the frequency of the longest series"
        raise DataError(
            f"the times of {index.which(s)} keep to another spacing: {frequency.name!r} {asked}, and only "
            f"{fitting[s]:,} of its {gaps[s]:,} gaps are whole steps of that; give one folder for each spacing"
        )
    if steps - rows > MOST_FILLED * rows + 1000:
        most, s, *ends = widest
        before, after = (
            show_zoned(time, index.zone, index.local_days) for time in index.times(np.array(ends, np.int64))
        )
        raise DataError(
            f"the spacing looks like {frequency.name!r}, but then {steps - rows:,} steps are missing among {rows:,} "
            f"rows, {most - 1:,} of them in {index.which(s)} between {before} and {after}; give one row per regular "
            "step, or mend that time"
        )


# ------------------------------------------------------------------------------------------- numbers


class Taken:
    """What the second reading finds, beside the numbers themselves."""

    def __init__(self, files: Files, series: int) -> None:
        asked = files.asked
        self.roles: dict[str, Role] = {
            **dict.fromkeys(asked.inputs, "past"),
            **dict.fromkeys(asked.known, "known"),
            **dict.fromkeys(asked.static, "static"),
        }
        self.moving = (*asked.inputs, *asked.known)
        self.words: dict[str, dict[str, int]] = {name: {} for name in sorted(files.words)}
        self.static = {name: np.full(series, np.nan) for name in asked.static}
        self.known = np.zeros(series, np.int64)  # values there are of each target
        self.lowest, self.highest = np.inf, -np.inf

    def column(self, batch: Batch, name: str) -> Floats:
        """A column beside the target as numbers, (N,); words are numbered as they come."""
        if name not in self.words:
            return batch.numbers(name)
        codes_of = self.words[name]
        numbers, labels = batch.words(name)
        codes = np.array([*(codes_of.setdefault(word, len(codes_of)) for word in labels), np.nan])
        if len(codes_of) > MOST_WORDS:
            raise DataError(
                f"{batch.file}: column {name!r} holds more than {MOST_WORDS:,} different words; leave it out, or group "
                "its words"
            )
        return np.asarray(codes[np.where(np.isfinite(numbers), numbers, -1).astype(np.int64)])

    def see_target(self, codes: Integers, values: Floats) -> None:
        """Count the values, and keep their range."""
        there = ~np.isnan(values)
        self.known += np.bincount(codes[there], minlength=len(self.known))
        self.lowest = min(self.lowest, float(np.min(values[there], initial=np.inf)))
        self.highest = max(self.highest, float(np.max(values[there], initial=-np.inf)))

    def see_static(self, batch: Batch, name: str, codes: Integers, which: Callable[[int], str]) -> None:
        """Keep the value of each series; a second one is refused."""
        numbers, kept = self.column(batch, name), self.static[name]
        there = np.flatnonzero(~np.isnan(numbers))
        fresh = there[np.isnan(kept[codes[there]])][::-1]  # the one written last stays: the first row
        kept[codes[fresh]] = numbers[fresh]
        for row in there[numbers[there] != kept[codes[there]]][:1]:
            labels = list(self.words.get(name, ()))
            one, two = (
                repr(labels[int(value)]) if labels else f"{value:g}" for value in (kept[codes[row]], numbers[row])
            )
            batch.refuse(
                int(row),
                f"static column {name!r} holds {two} for {which(codes[row])}, and {one} before; a static column stays "
                "the same for a series: name it as known in advance, or as an input",
            )


def write_numbers(files: Files, index: Index, layout: Layout, keys: Scratch, numbers: Scratch) -> Taken:
    """The second reading: every number to its place, one plane for the target and one for each column that moves."""
    taken = Taken(files, len(index.ids))
    total, rows = int(layout.offsets[-1]), int(index.counts.sum())
    planes = 1 + len(taken.moving)
    numbers.need(planes * total)
    if total > rows:  # some steps stay missing
        for at in range(0, planes * total, CHUNK):
            numbers.write(np.full(min(CHUNK, planes * total - at), np.nan), at)
    done, gathered = 0, _Gathered(numbers, planes, total)
    for batch in files.batches([index.names.y, *taken.roles]):
        count = len(batch.table)
        if done + count > rows:
            break
        codes, steps = keys.read(2 * done, 2 * count).reshape(-1, 2).T
        values = batch.numbers(index.names.y)
        taken.see_target(codes, values)
        for name in taken.static:
            taken.see_static(batch, name, codes, index.which)
        gathered.add(layout.offsets[codes] + steps, [values, *(taken.column(batch, name) for name in taken.moving)])
        done += count
    gathered.flush()
    if done != rows:
        raise DataError(f"the files changed while they were read: {rows:,} rows were seen first; try again")
    _check_known(index, taken.known)
    return taken


class _Gathered:
    """Numbers on their way to the scratch file: many at a time, so that those of a series go there together."""

    def __init__(self, numbers: Scratch, planes: int, total: int) -> None:
        self._numbers, self._planes, self._total = numbers, planes, total
        self._places: list[Integers] = []
        self._columns: list[list[Floats]] = [[] for _ in range(planes)]

    def add(self, places: Integers, columns: Sequence[Floats]) -> None:
        """Take rows: where they go, and their number in each plane."""
        self._places.append(places)
        for kept, column in zip(self._columns, columns, strict=True):
            kept.append(column)
        if self._planes * sum(map(len, self._places)) >= GATHERED:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if not self._places:
            return
        places = np.concatenate(self._places)
        order = np.argsort(places, kind="stable")
        places = places[order]
        edges = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        for plane, parts in enumerate(self._columns):
            column = np.concatenate(parts)[order]
            for begin, end in pairwise(edges):
                self._numbers.write(column[begin:end], plane * self._total + int(places[begin]))
            parts.clear()
        self._places.clear()


def _check_known(index: Index, known: Integers) -> None:
    """Refuse a series without a value, and series none of which has two."""
    needed = "a forecast needs at least 2 (and many more to be any good)"
    empty = np.flatnonzero(known == 0)
    if len(empty):
        more = f", and {len(empty):,} series in all do not" if len(empty) > 1 else ""
        raise DataError(f"{index.names.y!r} of {index.which(int(empty[0]))} holds no value at all{more}; {needed}")
    if known.max() < 2:
        raise DataError(f"{index.names.y!r} of {index.which(0)} holds a single value, and none holds more; {needed}")
