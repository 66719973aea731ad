"""What the server refuses, as typed errors with stable codes, and the limits that make it refuse.

Every refusal reaches a client as ``{"error": {"code": …, "message": …, "status": …}}``.  A code is stable; the words of
a message are those of ``errors`` wherever a forecast is refused.

    code               status
    settings              422   a setting that cannot work, an unknown name or key
    data                  422   a table that cannot be read or forecast as it is
    model_file            422   a model file that is damaged, foreign or newer
    missing_extra         422   a part of gatecast that is not installed on the server
    request               422   a request that is not what the OpenAPI document says; each field is named
    took_too_long         422   more work than the server's limit of time allows
    too_large             413   more bytes, rows or values than are taken
    wrong_type            415   a body of another kind
    not_found             404   no such model, upload, stream, file or page
    wrong_method          405   there is such a page, but not for this method
    evicted               410   a stream that had to make room for others
    not_ready             409   a model that is still being trained, or was not finished
    full                  409   as many models as are kept
    token                 401   no token, or a wrong one
    foreign_host          403   the request names another host (DNS rebinding)
    foreign_origin        403   the request was sent by another site's page (CSRF)
    too_slow              408   a body that does not arrive
    busy                  503   the queue is full; Retry-After says when to come again
    output                503   the data folder cannot be written to
    unforeseen            500   a fault in gatecast: please report it
"""

from __future__ import annotations

from dataclasses import dataclass

from gatecast.errors import DataError, GatecastError, MissingExtraError, ModelFileError, OutputError, SettingsError

CODES: dict[type[GatecastError], tuple[str, int]] = {
    SettingsError: ("settings", 422),
    DataError: ("data", 422),
    ModelFileError: ("model_file", 422),
    MissingExtraError: ("missing_extra", 422),
    OutputError: ("output", 503),
}
LATER = 30  # seconds after which to try again where the data folder cannot be written to


@dataclass(frozen=True)
class Limits:
    """How much one server takes on."""

    bytes: int = 20_000_000  # of a request's body
    rows: int = 200_000  # of a table, and cells of a panel's target
    horizon: int = 1_000
    values: int = 5_000  # of one update of a stream
    workers: int = 1  # processes that forecast and check
    queue: int = 64  # requests that wait for one of them
    seconds: float = 30.0  # that a forecast or check may take, waiting included
    backtest_queue: int = 4  # backtests that wait; one runs at a time
    backtest_seconds: float = 300.0
    training_queue: int = 8  # trainings that wait; one runs at a time
    training_seconds: float = 3600.0
    body_seconds: float = 30.0  # that a body may take to arrive
    streams: int = 1_000
    uploads: int = 100  # the newest are kept
    models: int = 200
    lab_queue: int = 4  # experiments of the lab that wait; one runs at a time
    lab_seconds: float = 900.0
    lab_runs: int = 20  # that are remembered
    listeners: int = 64  # open event streams


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """A request that is refused; what a client is told.

    Args:
        code: a stable word, see the table above.
        message: what was found and what would be right.
        status: of HTTP.
        retry_after: whole seconds after which it is worth trying again.
    """

    def __init__(self, code: str, message: str, status: int, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.retry_after = code, message, status, retry_after

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str, int, int | None]]:
        return Refusal, (self.code, self.message, self.status, self.retry_after)

    def as_dict(self) -> dict[str, dict[str, str | int]]:
        """Return what is sent."""
        return {"error": {"code": self.code, "message": self.message, "status": self.status}}


def refusal_of(error: GatecastError) -> Refusal:
    """Return what gatecast refuses as what the server answers."""
    code, status = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), ("unforeseen", 500))
    return Refusal(code, str(error), status, LATER if status == 503 else None)


def too_many_rows(rows: int, most: int) -> Refusal:
    """Return the refusal of a table with more rows than are taken."""
    return Refusal("too_large", f"the table has {rows:,} rows; at most {most:,} are taken here", 413)
