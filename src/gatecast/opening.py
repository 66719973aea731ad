"""A run's data, opened as its settings say: found, mended where that was asked for, and made a panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatecast.config import DataConfig
from gatecast.mending import check_fixes, mend
from gatecast.sources import Source, find_table, load, source_of

__all__ = ["Source", "open_source"]


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
    mended = mend(found.table, data.fix, **columns, frequency=data.frequency)
    source = source_of(replace(found, table=mended.table), **columns, zone=data.zone, frequency=data.frequency)
    return replace(source, mended=mended.done)
