"""What a search of settings found: its trials, the settings that won, and in words what was won.

The search itself is ``tuning``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from gatecast.config import RunConfig
from gatecast.config import config_to_toml as as_toml
from gatecast.errors import OutputError
from gatecast.modelfile import write_atomically
from gatecast.space import Space, in_difference
from gatecast.wording import finite, pair


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    settings: dict[str, Any]  # as in the space
    score: float | None  # None if it did not come to its end
    ended: str  # finished, pruned, or why it failed
    seconds: float


@dataclass(frozen=True)
class Tuned:
    """What a search found."""

    config: RunConfig  # for ``gatecast run --config``
    trials: tuple[Tried, ...]
    default: Tried
    best: Tried
    fresh: tuple[tuple[float, float], ...]  # scores of the best and the default with fresh seeds, a pair for each
    interrupted: bool
    sentence: str

    @property
    def better(self) -> bool:
        """Whether the best is written rather than the default."""
        return self.config_of is self.best and self.best.number > 0

    @property
    def config_of(self) -> Tried:
        """The trial whose settings are written."""
        if self.fresh:
            won = mean(one for one, _ in self.fresh) < mean(other for _, other in self.fresh)
            return self.best if won else self.default
        return self.best

    def save(self, path: str | Path) -> None:
        """Write the settings as TOML, which ``gatecast run --config`` takes."""
        write_atomically(Path(path), as_toml(self.config).encode())

    def as_dict(self) -> dict[str, Any]:
        """Return what ``gatecast tune --json`` prints."""
        made: dict[str, Any] = finite(
            {
                "sentence": self.sentence,
                "better": self.better,
                "best": self.best.__dict__,
                "default": self.default.__dict__,
                "fresh_seeds": [{"best": one, "default": other} for one, other in self.fresh],
                "trials": [each.__dict__ for each in self.trials],
                "interrupted": self.interrupted,
                "config": self.config.model_dump(mode="json", exclude_none=True),
            }
        )
        return made


def check_places(out: Path, storage: Path | None = None) -> Path:
    """Return where the trials are kept: in ``storage``, or beside ``out``, with the ending ``.sqlite``.

    Settings that are not those of the search that is to go on are not written over.

    Raises:
        OutputError: ``out`` is a folder or the storage itself, is there while the storage is not, or the folder of one
            is missing.
    """
    if not out.name or out.is_dir():
        raise OutputError(f"{out}: is a folder; name a file for the settings with --out")
    storage = storage or out.with_suffix(".sqlite")
    if out.resolve() == storage.resolve():
        raise OutputError(f"{out}: cannot hold both settings and trials; give --out the ending .toml, or --storage")
    if out.exists() and not storage.exists():
        raise OutputError(f"{out}: is already there, and no search in {storage}; choose another file with --out")
    for path in (out, storage):
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no folder {path.parent}; make it, or choose another file")
    return storage


def tuned_as_text(tuned: Tuned) -> str:
    """The sentence, and below it the trials, best first."""
    order = sorted(tuned.trials, key=lambda each: (each.score is None, each.score or 0.0, each.number))
    lines = [tuned.sentence, "", "trial     score  settings other than the default's"]
    for each in order:
        shown = f"{each.score:>10.4g}" if each.score is not None else f"{'–':>10}"
        ended = "" if each.score is not None else f" ({each.ended})"
        lines.append(f"{each.number:>5}{shown}  {in_difference(each.settings, tuned.default.settings)}{ended}")
    if tuned.interrupted:
        lines += ["", "Ended by Ctrl-C; called again, the search goes on."]
    return "\n".join(lines)


def sentence_of(tuned: Tuned, space: Space) -> str:
    """What the search won, in one sentence or two."""
    pruned = sum(each.score is None for each in tuned.trials)
    tried = f"{len(tuned.trials)} trial{'s' if len(tuned.trials) > 1 else ''}" + (
        f", {pruned} of them ended early" if pruned else ""
    )
    if tuned.best.number == 0:
        return f"The default wins: in {tried}, nothing scored better than it ({tuned.best.score:.4g}). It is written."
    first = f"Best of {tried}: {in_difference(tuned.best.settings, space.default)}"
    scores = pair(tuned.best.score or 0.0, tuned.default.score or 0.0)
    if not tuned.fresh:
        return (
            f"{first}; {scores} of the default. The two did not meet again with fresh seeds, so some of this is chance."
        )
    one, other = (mean(each) for each in zip(*tuned.fresh, strict=True))
    seeds = f"{len(tuned.fresh)} fresh seed{'s' if len(tuned.fresh) > 1 else ''}"
    again = f"with {seeds} {pair(one, other)}"
    if tuned.config_of is tuned.best:
        gain = 100 * (1 - one / other)
        return f"{first}; {scores} of the default, and {again}: {gain:.1f} % better on the validation part."
    return f"The default wins: {first[0].lower()}{first[1:]} scored {scores}, but {again}. The default is written."
