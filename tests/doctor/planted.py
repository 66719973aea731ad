"""Healthy tables to plant a fault in, and the finding that should come of it."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from gatecast.doctor import check


def times(n, step=timedelta(days=1), start=datetime(2024, 1, 1)):
    return [start + k * step for k in range(n)]


def level(n, seed=0):
    """A series that wanders about 100."""
    return (100 + np.random.default_rng(seed).normal(size=n).cumsum()).tolist()


def table(n=60, **columns):
    """Daily values, with other columns put in their places."""
    return pa.table({"ds": times(n), "y": level(n), **columns})


def only(frame, **arguments):
    """The one finding about a table."""
    findings = check(frame, **arguments).findings
    assert len(findings) == 1, findings
    return findings[0]


def nothing(frame, **arguments):
    """Whether there is no finding at all."""
    return check(frame, **arguments).findings == ()
