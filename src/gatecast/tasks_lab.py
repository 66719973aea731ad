"""What a server's lab workers do: measure one experiment, and write its page."""

from __future__ import annotations

from typing import Any

from gatecast.lab import experiment, render
from gatecast.workers import Say


def ready(say: Say) -> None:
    """Load what experiments need: this module has."""


def measure(say: Say, name: str, seeds: int, predict: str | None) -> dict[str, Any]:
    """Return what ``gatecast lab NAME --json`` prints, without the charts' specifications, and the page.

    Args:
        say: is told what is measured next.
        name: of the experiment.
        seeds: how many.
        predict: what was predicted, one of the question's choices.
    """
    say("stage", {"stage": "measuring"})
    result = experiment(name).run(seeds, lambda line: say("note", {"note": line})).after(predict)
    say("stage", {"stage": "writing"})
    told = result.as_dict()
    del told["charts"]
    return {"result": told, "page": render(result)}
