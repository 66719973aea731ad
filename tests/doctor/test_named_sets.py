"""The named sets are clean: one has missing values, one has further columns, and that is all."""

import pytest
from planted import nothing, only

from gatecast.doctor import check
from gatecast.sources import DATASETS, load


@pytest.mark.parametrize("name", DATASETS)
def test_a_named_set_has_no_findings_but_true_ones(name):
    if name == "co2":
        assert (only(name).code, only(name).count) == ("missing-values", 59)
    elif name == "sp500":
        assert (only(name).code, only(name).count) == ("other-columns", 5)
    else:
        assert nothing(name)


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_inferred_is_what_a_run_uses(name):
    report, source = check(name), load(name)
    assert report.ok
    assert (report.time, report.target) == (source.panel.names.ds, source.panel.names.y)
    assert report.frequency == source.panel.frequency.name
    assert report.season_length == source.season_length
    assert report.steps == len(source.panel.values)
    assert report.series == 1
