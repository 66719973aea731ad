"""Some times with a zone and some without is an error."""

from datetime import timedelta

import pyarrow as pa
from planted import level, only, times


def test_the_rows_without_a_zone_are_named():
    hours = [f"{time.isoformat()}Z" for time in times(60, timedelta(hours=1))]
    hours[7], hours[9] = hours[7][:-1], hours[9][:-1]
    found = only(pa.table({"ds": hours, "y": level(60)}))
    assert (found.code, found.severity, found.rows, found.count) == ("mixed-zones", "error", (8, 10), 2)
    assert "'2024-01-01T07:00:00', has no time zone" in found.message
