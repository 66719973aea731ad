"""Data opened as settings say: found, mended where that was asked for, and made a panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.columns import WIDE, Columns, eager_frame
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
    usual: DataConfig | None = None,
) -> Opened:
    """Return whatever is given as data as a panel.

    Args:
        table: a frame, numbers, a panel, a named set, or the path of a file or folder; it is not changed.
        asked: which columns are what.
        frequency: the spacing; None infers it.
        fix: what to mend first, see ``mending``.
        usual: what the columns were called in training; taken where nothing is asked for and the table has them.

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
    if usual is not None:
        asked = _as_usual(asked, usual, table)
    if not asked.target and not asked.wide and named is not None:
        asked = replace(asked, target=named.target)
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


def _as_usual(asked: Columns, usual: DataConfig, table: Any) -> Columns:
    """The columns of training where none are asked for, as far as the table has them."""
    columns = eager_frame(table).columns
    targets = [usual.target] if isinstance(usual.target, str) else list(usual.target or ())
    if asked.series_id is None and usual.series_id in columns and not asked.wide:
        asked = replace(asked, series_id=usual.series_id)
    if asked.target or asked.wide:
        return asked
    if usual.wide and WIDE not in columns and asked.series_id is None:
        return replace(asked, wide=True)
    return replace(asked, target=usual.target) if targets and all(name in columns for name in targets) else asked
