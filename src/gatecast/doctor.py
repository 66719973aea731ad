"""What is wrong with a table, all of it at once: each finding names the rows, an example and what to do.

The door (``panel_from_frame``) refuses a table at its first error.  The doctor reads past errors as far as it can, so
that one look shows everything; at the end it asks the door, and what the door refuses is never called fine.  It mends
only what it is asked to mend.  What it suspects but cannot know (a stuck sensor, another unit) is a warning, and what
may well be true (a spike, a negative value) a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from gatecast.columns import Columns, choose, names_in
from gatecast.errors import DataError
from gatecast.findings import KINDS, Finding, finding_of, many, sentence
from gatecast.forecastability import forecastability
from gatecast.frequency import Frequency, parse_frequency, season_lengths
from gatecast.layouts import eager_frame, is_unnamed
from gatecast.mending import Mended, as_it_came, check_fixes, is_series_each, mend_columns
from gatecast.panel import Panel, panel_of
from gatecast.reading import Read, Roles, read_rows, roles_of
from gatecast.sources import columns_of, find_table
from gatecast.symptoms_of_columns import look_at_known, look_at_others, look_at_static
from gatecast.symptoms_of_times import in_order, spacing
from gatecast.symptoms_of_values import look_at_values, look_for_copy

__all__ = ["Finding", "Report", "check"]

TRAINING = 0.8  # share of the steps looked at to tell whether there is anything to learn: those a run learns from


@dataclass(frozen=True)
class Report:
    """What was found out about a table; empty and 0 stand for what could not be.

    ``table`` is the mended table, or None if nothing was mended; it is no part of what is shown.
    """

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
    mended: tuple[str, ...] = ()  # what was done first, because it was asked for
    forecastability: str = ""  # of one series: whether there is anything to learn, from its training part
    table: pa.Table | None = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the table can be forecast as it is: there is no error."""
        return all(finding.severity != "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        values = asdict(replace(self, table=None))
        del values["table"]
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
        lines += [f"{'mended':<10} {what}" for what in self.mended]
        lines += ["", self.forecastability] if self.forecastability else []
        for found in self.findings:
            rows = ", ".join(f"{row:,}" for row in found.rows) + (" …" if found.count > len(found.rows) else "")
            lines += ["", f"{found.severity}: {found.code}", f"  {found.message}"]
            lines += [f"  rows:  {rows}"] if found.rows else []
            lines += [f"  to do: {found.fix}"] if found.fix else []
        count = {kind: sum(found.severity == kind for found in self.findings) for kind in ("error", "warning", "note")}
        verdict = ", ".join(many(number, kind) for kind, number in count.items() if number)
        return "\n".join([*lines, "", verdict or "Nothing wrong was found."])


def check(  # noqa: PLR0913 (the choice of columns, as keywords)
    table: Any,
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    wide: bool = False,
    zone: str | None = None,
    frequency: Frequency | str | None = None,
    fix: Sequence[str] = (),
) -> Report:
    """Return what is wrong with ``table``: a frame, numbers, a named set, or the path of a CSV or Parquet file.

    Columns not named are found, as by ``panel_from_frame``, which has the same settings.  The table is not changed;
    with ``fix`` (see ``mending``) the report is about a mended copy, says what was done, and has it as ``table``.

    Raises:
        SettingsError: a named column, set or fix is not there; the nearest one is named.
        DataError: ``table`` is no table, or the file is not there.
    """
    check_fixes(fix)
    given = parse_frequency(frequency) if isinstance(frequency, str) else frequency
    asked = Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static), wide, zone)
    season: tuple[int, ...] | None = None
    if isinstance(table, str | Path):
        try:
            found = find_table(str(table))
        except DataError as error:
            if not Path(table).exists():
                raise
            return Report((finding_of("unreadable", f"{error}."),))
        table, asked = found.table, columns_of(found, asked)
        season = None if found.named is None else found.named.season_length
    asked = replace(asked, wide=asked.wide or is_series_each(table, asked.target, asked.series_id))
    findings: list[Finding] = []
    mended = _mended(table, fix, asked, given, findings)
    if mended is not None:
        table = as_it_came(mended, table)
    report, panel = _look(table, asked, given, findings)
    if mended is not None:
        report = replace(report, mended=mended.done, table=mended.table)
    season = season or report.season_length
    learnable = ""
    if panel is not None and len(panel) == 1:
        training = panel.values[: int(TRAINING * len(panel.values))]
        learnable = forecastability(training, max(season, default=1)).sentence
    return replace(report, season_length=season, forecastability=learnable)


def _mended(
    table: Any, fix: Sequence[str], asked: Columns, frequency: Frequency | None, findings: list[Finding]
) -> Mended | None:
    """The table mended, or None if nothing is asked for; what cannot be mended is said."""
    if not fix:
        return None
    try:
        return mend_columns(table, fix, asked, None if frequency is None else frequency.code)
    except DataError as error:
        findings.append(finding_of("refused", f"Nothing was mended. {sentence(error)}"))
        return None


def _look(
    table: Any, asked: Columns, frequency: Frequency | None, findings: list[Finding]
) -> tuple[Report, Panel | None]:
    """Read a table past its errors and say everything; then ask the door."""
    frame = eager_frame(table)
    try:
        chosen = choose(frame, asked, counted=is_unnamed(table))
    except DataError as error:
        return Report((*findings, finding_of("columns", sentence(error))), rows=len(frame)), None
    roles = roles_of(frame, chosen, asked)
    report = Report(
        (),
        rows=len(frame),
        time=roles.time or "",
        target=chosen.names.y,
        series_id=roles.id or "",
        inputs=roles.inputs,
    )
    report, panel = _examine(frame, roles, report, findings, (asked.zone, frequency)), None
    if all(finding.severity != "error" for finding in findings):
        try:
            panel = panel_of(table, asked, frequency)
            report = replace(report, steps=len(panel.values))
        except DataError as error:
            findings.append(finding_of("refused", sentence(error)))
    order = {code: place for place, code in enumerate(KINDS)}
    ranks = ("error", "warning", "note")
    findings.sort(key=lambda found: (ranks.index(found.severity), order[found.code]))
    return replace(report, findings=tuple(findings)), panel


def _examine(
    frame: nw.DataFrame[Any],
    roles: Roles,
    report: Report,
    findings: list[Finding],
    given: tuple[str | None, Frequency | None],
) -> Report:
    """Look at the times, then at the values in the order of time; says what is known about the spacing."""
    zone, frequency = given
    read, columns = read_rows(frame, roles, findings, zone)
    look_at_static(frame, roles, read, findings)
    look_at_known(frame, roles, columns, read, findings)
    look_at_others(frame, roles, findings)
    if (np.diff(read.codes) < 0).any():
        read = read.take(np.argsort(read.codes, kind="stable"))
    report = replace(report, series=len(read.ids) * len(roles.targets))
    if read.times is not None and len(read.rows):
        read = in_order(frame, read, roles, findings)
        assert read.times is not None
        first, last = int(np.argmin(read.times)), int(np.argmax(read.times))
        steps = len(read.rows) * len(roles.targets)
        report = replace(report, steps=steps, first=read.show(first), last=read.show(last))
        frequency = spacing(read, findings, frequency)
        if frequency is not None:
            report = replace(
                report,
                frequency=frequency.name,
                frequency_code=frequency.code,
                season_length=season_lengths(frequency),
            )
    targets = {name: columns[name] for name in roles.targets}
    several = len(targets) > 1
    look_at_values(_side_by_side(read, targets, roles) if several else read, "" if several else report.target, findings)
    for target, (values, _) in targets.items():
        for name in roles.inputs:
            if name in columns:
                look_for_copy(
                    replace(read, values=values[read.rows - 1]), columns[name][0][read.rows - 1], name, target, findings
                )
    return report


def _side_by_side(read: Read, targets: dict[str, tuple[Any, Any]], roles: Roles) -> Read:
    """Each target of each series as a series of its own; in a wide table from its first value on."""
    many_, rows = len(targets), read.rows - 1
    values = np.concatenate([values[rows] for values, _ in targets.values()])
    spoilt = np.concatenate([spoilt[rows] for _, spoilt in targets.values()])
    codes = np.concatenate([read.codes * many_ + place for place in range(many_)])
    order = np.argsort(codes, kind="stable")
    if roles.wide:
        there = (~np.isnan(values) | spoilt).reshape(many_, -1)
        order = np.flatnonzero((np.logical_or.accumulate(there, axis=1) | ~there.any(1, keepdims=True)).reshape(-1))
    ids = tuple(f"{series}/{name}" for series in read.ids for name in targets) if read.has_id else tuple(targets)
    return Read(
        rows=np.tile(read.rows, many_)[order],
        codes=codes[order],
        ids=ids,
        times=None,
        values=values[order],
        spoilt=spoilt[order],
        has_id=read.has_id,
    )
