"""Streams that a server keeps: so many, each behind a lock; the one unused for longest makes room for a new one.

What was evicted is remembered for a while, so that its owner is told what happened and what to do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatecast.errors import DataError
from gatecast.frames import quantile_columns
from gatecast.limits import Refusal
from gatecast.modelfile import load_model, with_seasons
from gatecast.rows import LARGEST
from gatecast.stream import Stream
from gatecast.uploads import new_id
from gatecast.wording import finite
from gatecast.zeroshot import NAME, shipped

REMEMBERED = 10_000  # evicted streams that are known by name


@dataclass
class Kept:
    """One stream and how far it has come."""

    stream: Stream
    model: str  # as the columns are called
    steps: int = 0
    seen: bool = False  # whether there was a value
    guard: threading.Lock = field(default_factory=threading.Lock)

    def update(
        self, values: Sequence[float | None], horizon: int | None, level: Sequence[int]
    ) -> list[dict[str, Any]] | None:
        """Read the next values, all of them or none, and forecast if a horizon is given; None is missing.

        Raises:
            DataError: a value is too large to be reckoned with.
            Refusal: a forecast is asked for, and there is no value yet, nor among these.
        """
        if horizon is not None and not self.seen and all(value is None for value in values):
            raise _no_value()
        self.read(values)
        return None if horizon is None else self.forecast(horizon, level)

    def read(self, values: Sequence[float | None]) -> None:
        """Read the next values, all of them or none; None is missing.

        Raises:
            DataError: a value is too large to be reckoned with.
        """
        for place, value in enumerate(values, start=1):
            if value is not None and abs(value) > LARGEST:
                raise DataError(
                    f"value {place} of {len(values)} is {value:g}, and numbers are reckoned with up to {LARGEST:g}; "
                    "send null if it is a mistake, or the series in other units"
                )
        for value in values:
            self.stream.update(float("nan") if value is None else value)
            self.seen = self.seen or value is not None
        self.steps += len(values)

    def forecast(self, horizon: int, level: Sequence[int]) -> list[dict[str, Any]]:
        """Return a row for each step ahead.

        Raises:
            Refusal: no value was read yet.
        """
        if not self.seen:
            raise _no_value()
        columns = quantile_columns(self.model, self.stream.forecast(horizon), level)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        made = [{"step": step, **dict(zip(columns, row, strict=True))} for step, row in enumerate(rows, start=1)]
        plain: list[dict[str, Any]] = finite(made)
        return plain


class Streams:
    """All streams of a server; they live in its memory only.

    Args:
        most: that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._gone: deque[str] = deque(maxlen=REMEMBERED)
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def create(self, model: Path | None, season_length: Sequence[int] | None, values: Sequence[float | None]) -> Any:
        """Return the name of a new stream and the stream, which has read ``values``.

        Args:
            model: a model file; None takes the first shipped network.
            season_length: steps per season, of the shipped network.
            values: what came before.

        Raises:
            Refusal: the model reads other columns, or has its own seasons.
        """
        kept = self._made(model, season_length)
        kept.read(values)
        identity = new_id()
        with self._guard:
            self._kept[identity] = kept
            while len(self._kept) > self.most:
                old, _ = self._kept.popitem(last=False)
                self._gone.append(old)
                self.evicted += 1
        return identity, kept

    def find(self, identity: str) -> Kept:
        """Return a stream, which is now the one used last.

        Raises:
            Refusal: there is none of that name, or it was evicted.
        """
        with self._guard:
            kept = self._kept.get(identity)
            if kept is not None:
                self._kept.move_to_end(identity)
                return kept
            if identity in self._gone:
                raise Refusal(
                    "evicted",
                    f"stream {identity} had to make room: {self.most} are kept, and it was unused for longest; "
                    "create it again with the values it had read",
                    410,
                )
        raise Refusal("not_found", f"there is no stream {identity[:40]!r}; POST /v1/streams creates one", 404)

    def drop(self, identity: str) -> None:
        """Remove a stream.

        Raises:
            Refusal: there is none of that name, or it was evicted.
        """
        self.find(identity)
        with self._guard:
            self._kept.pop(identity, None)

    def _made(self, file: Path | None, season_length: Sequence[int] | None) -> Kept:
        if file is None:
            model = with_seasons(shipped()[0], tuple(season_length or (1,)))
            return Kept(Stream(model), NAME)
        if season_length is not None:
            raise Refusal("settings", "a trained model knows its season_length; leave it out", 422)
        model = load_model(file)
        if model.columns:
            names = ", ".join(column.name for column in model.columns)
            raise Refusal(
                "settings", f"the model reads {names} beside its target; a stream here is of values alone", 422
            )
        return Kept(Stream(model), "LSTM")


def _no_value() -> Refusal:
    return Refusal("data", "the stream has read no value yet, so nothing follows; send some first", 422)
