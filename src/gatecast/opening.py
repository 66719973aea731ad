"""Data opened as settings say: found, mended where that was asked for, and made a panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.columns import Columns, eager_frame
from gatecast.config import DataConfig
from gatecast.errors import DataError, SettingsError
from gatecast.frequency import season_lengths
from gatecast.mending import check_fixes, mend
from gatecast.panel import Panel, panel_from_frame
from gatecast.sources import Found, Source, find_table, load, source_of

__all__ = ["Opened", "Source", "open_source", "open_table"]


class Opened(NamedTuple):
    """A table as a panel."""

    panel: Panel
    like: Any  # the table that came in, None for a name or a path
    season_length: tuple[int, ...]  # of the named set, or what goes with the frequency
    mended: tuple[str, ...]  # what was done, a sentence for each thing


def open_source(data: DataConfig) -> Source:
    """Return the series named in the settings; what was mended is in ``Source.mended``.

    Raises:
        SettingsError: a name, column or fix is not known; the nearest one is named.
        DataError: the table cannot be read, mended or forecast as it is; rows are named.
    """
    check_fixes(data.fix)
    columns: dict[str, Any] = {
        "time": data.time,
        "target": data.target,
        "series_id": data.series_id,
        "inputs": data.inputs,
        "known": data.known,
        "static": data.static,
        "wide": data.wide,
    }
    if not data.fix:
        return load(data.source, **columns, zone=data.zone, frequency=data.frequency)
    found = find_table(data.source)
    named = found.named
    if named is not None:
        columns["time"] = data.time or named.time
        columns["target"] = data.target or (None if data.wide else named.target)
    with _said_of(found):
        mended = mend(found.table, data.fix, **columns, frequency=data.frequency)
    source = source_of(replace(found, table=mended.table), **columns, zone=data.zone, frequency=data.frequency)
    return replace(source, mended=mended.done)


def open_table(
    table: Any,
    asked: Columns,
    *,
    frequency: str | None = None,
    fix: Sequence[str] = (),
    usual: str | Sequence[str] | None = None,
) -> Opened:
    """Return whatever is given as data as a panel.

    Args:
        table: a frame, numbers, a panel, a named set, or the path of a file or folder; it is not changed.
        asked: which columns are what.
        frequency: the spacing; None infers it.
        fix: what to mend first, see ``mending``.
        usual: the target, or several, taken where none is asked for and the table has them.

    Raises:
        SettingsError: a name, column or fix is not known; the nearest one is named.
        DataError: the table cannot be read, mended or forecast as it is; rows are named.
    """
    check_fixes(fix)
    if isinstance(table, Panel):
        return Opened(table, None, season_lengths(table.frequency), ())
    like, found = table, None
    if isinstance(table, str | Path):
        found = find_table(str(table))
        like, table = None, found.table
    named = None if found is None else found.named
    if named is not None:
        asked = replace(asked, time=asked.time or named.time)
    if not asked.target and not asked.wide:
        asked = replace(asked, target=_there(usual, table) or (named.target if named is not None else None))
    columns: dict[str, Any] = {**vars(asked), "frequency": frequency}
    zone = columns.pop("zone")
    done: tuple[str, ...] = ()
    with _said_of(found):
        if fix:
            mended = mend(table, fix, **columns)
            table, done = mended.table, mended.done
        panel = panel_from_frame(table, **columns, zone=zone)
    seasons = season_lengths(panel.frequency)
    if named is not None and asked.target == named.target:
        seasons = named.season_length
    return Opened(panel, like, seasons, done)


@contextmanager
def _said_of(found: Found | None) -> Iterator[None]:
    """What is refused names the file it is in."""
    try:
        yield
    except (DataError, SettingsError) as error:
        if found is None or found.named is not None:
            raise
        raise type(error)(f"{found.shown}: {error}") from None


def _there(usual: str | Sequence[str] | None, table: Any) -> str | Sequence[str] | None:
    """The usual target, if the table has all of it."""
    names = [usual] if isinstance(usual, str) else list(usual or ())
    if not names:
        return None
    columns = eager_frame(table).columns
    return usual if all(name in columns for name in names) else None
