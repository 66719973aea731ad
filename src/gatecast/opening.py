"""Data opened as settings say: found, mended where that was asked for, and made a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.columns import WIDE, Columns
from gatecast.config import DataConfig
from gatecast.frequency import season_lengths
from gatecast.layouts import eager_frame
from gatecast.mending import as_it_came, check_fixes, mend_columns
from gatecast.panel import Panel, panel_of
from gatecast.sources import Source, columns_of, find_table, said_of, source_of

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
    found = find_table(data.source)
    asked = Columns(data.time, data.target, data.series_id, data.inputs, data.known, data.static, data.wide, data.zone)
    with said_of(found):
        table, done = _mended(found.table, columns_of(found, asked), data.frequency, data.fix)
    return replace(source_of(replace(found, table=table), asked, data.frequency), mended=done)


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
    if usual is not None:
        asked = _as_usual(asked, usual, table)
    if found is not None:
        asked = columns_of(found, asked)
    with said_of(found):
        table, done = _mended(table, asked, frequency, fix)
        panel = panel_of(table, asked, frequency)
    seasons = season_lengths(panel.frequency)
    if found is not None and found.named is not None and asked.target == found.named.target:
        seasons = found.named.season_length
    return Opened(panel, like, seasons, done)


def _mended(table: Any, asked: Columns, frequency: str | None, fix: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """The table, mended if that is asked for, and what was done."""
    if not fix:
        return table, ()
    mended = mend_columns(table, fix, asked, frequency)
    return as_it_came(mended, table), mended.done


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
