"""What is wrong with a table, all of it at once: each finding names the rows, an example and what to do.

The door (``panel_from_frame``) refuses a table at its first error.  The doctor reads past errors as far as it can, so
that one look shows everything; at the end it asks the door, and what the door refuses is never called fine.  It mends
nothing.  What it suspects but cannot know (a stuck sensor, another unit) is a warning, and what may well be true (a
spike, a negative value) a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from gatecast.columns import choose_columns, eager_frame
from gatecast.errors import DataError
from gatecast.findings import KINDS, Finding, finding_of, many, sentence
from gatecast.frequency import season_lengths, show_time
from gatecast.panel import panel_from_frame
from gatecast.reading import Read, read_rows
from gatecast.sources import DATASETS, load, read_table
from gatecast.symptoms_of_times import in_order, spacing
from gatecast.symptoms_of_values import look_at_values, look_for_copy

__all__ = ["Finding", "Report", "check"]


@dataclass(frozen=True)
class Report:
    """What was found out about a table; empty and 0 stand for what could not be."""

    findings: tuple[Finding, ...]
    rows: int = 0
    time: str = ""
    target: str = ""
    series_id: str = ""
    inputs: tuple[str, ...] = ()
    frequency: str = ""
    frequency_code: str = ""
    season_length: tuple[int, ...] = ()
    series: int = 0
    steps: int = 0  # of all series; the missing ones are counted when there is no error
    first: str = ""
    last: str = ""

    @property
    def ok(self) -> bool:
        """Whether the table can be forecast as it is: there is no error."""
        return all(finding.severity != "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        values = asdict(self)
        findings = [{**found, "rows": list(found["rows"])} for found in values.pop("findings")]
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"ok": self.ok, **plain, "findings": findings}

    def as_text(self) -> str:
        """Return everything as plain text, with one paragraph per finding."""
        several = f"{self.series:,} (column {self.series_id})" if self.series_id else ""
        facts = {
            "rows": f"{self.rows:,}",
            "time": f"{self.time or '(counted)'}, {self.first} to {self.last}" if self.first else self.time,
            "target": self.target,
            "inputs": ", ".join(self.inputs),
            "series": several,
            "frequency": f"{self.frequency} ({self.frequency_code})" if self.frequency else "",
            "season": " and ".join(map(str, self.season_length)) + " steps"
            if max(self.season_length, default=1) > 1
            else "",
            "steps": f"{self.steps:,}" if self.steps not in (0, self.rows) else "",
        }
        lines = [f"{name:<10} {fact}" for name, fact in facts.items() if fact]
        for found in self.findings:
            rows = ", ".join(f"{row:,}" for row in found.rows) + (" …" if found.count > len(found.rows) else "")
            lines += ["", f"{found.severity}: {found.code}", f"  {found.message}"]
            lines += [f"  rows:  {rows}"] if found.rows else []
            lines += [f"  to do: {found.fix}"] if found.fix else []
        count = {kind: sum(found.severity == kind for found in self.findings) for kind in ("error", "warning", "note")}
        verdict = ", ".join(many(number, kind) for kind, number in count.items() if number)
        return "\n".join([*lines, "", verdict or "Nothing wrong was found."])


def check(
    table: Any,
    *,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
) -> Report:
    """Return what is wrong with ``table``: a frame narwhals knows, a named set, or the path of a CSV or Parquet file.

    Columns not named are found, as by ``panel_from_frame``.  The table is not changed.

    Raises:
        SettingsError: a named column or set is not there; the nearest one is named.
        DataError: ``table`` is no table, or the file is not there.
    """
    season: tuple[int, ...] | None = None
    if isinstance(table, str | Path):
        known = DATASETS.get(str(table))
        if known is not None:
            table, season = known.read(), known.season_length
            time, target = time or known.time, target or known.target
        elif not Path(table).exists():
            load(str(table))  # refuses, with the nearest name
        else:
            path = Path(table)
            try:
                table = read_table(path)
            except DataError as error:
                return Report((finding_of("unreadable", f"{path.name}: {error}."),))
    frame = eager_frame(table)
    try:
        names, has_time, has_id = choose_columns(frame, time, target, series_id, inputs)
    except DataError as error:
        return Report((finding_of("columns", sentence(error)),), rows=len(frame))
    findings: list[Finding] = []
    read = read_rows(frame, names, has_time, has_id, inputs, findings)
    report = Report(
        (),
        rows=len(frame),
        time=names.ds if has_time else "",
        target=names.y,
        series_id=names.unique_id if has_id else "",
        inputs=tuple(inputs),
        series=len(read.ids),
    )
    report = _examine(frame, read, report, findings)
    if all(finding.severity != "error" for finding in findings):
        try:
            panel = panel_from_frame(table, time=time, target=target, series_id=series_id, inputs=inputs)
            report = replace(report, steps=len(panel.values))
        except DataError as error:
            findings.append(finding_of("refused", sentence(error)))
    order = {code: place for place, code in enumerate(KINDS)}
    ranks = ("error", "warning", "note")
    findings.sort(key=lambda found: (ranks.index(found.severity), order[found.code]))
    return replace(report, findings=tuple(findings), season_length=season or report.season_length)


def _examine(frame: nw.DataFrame[Any], read: Read, report: Report, findings: list[Finding]) -> Report:
    """Look at the times, then at the values in the order of time; says what is known about the spacing."""
    read = read.take(np.argsort(read.codes, kind="stable"))
    if read.times is not None and len(read.rows):
        read = in_order(frame, read, report.time, (report.target, *report.inputs), findings)
        assert read.times is not None
        first, last = show_time(read.times.min()), show_time(read.times.max())
        report = replace(report, steps=len(read.rows), first=first, last=last)
        frequency = spacing(read, findings)
        if frequency is not None:
            report = replace(
                report,
                frequency=frequency.name,
                frequency_code=frequency.code,
                season_length=season_lengths(frequency),
            )
    look_at_values(read, report.target, findings)
    for name, column in read.inputs.items():
        look_for_copy(read, column, name, report.target, findings)
    return report
