"""The lab: the course's questions, answered by measurement.  ``gatecast lab NAME``, or a function of that name.

Each experiment asks for a prediction first, measures over several seeds, and writes its answer from the numbers:

    from gatecast import lab

    result = lab.gradient(predict="rnn")
    print(result.sentence)

A result's ``as_dict()`` holds all of it for JSON, charts included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gatecast.lab_gradient import gradient
from gatecast.lab_leaks import leak
from gatecast.lab_memory import ablate, recall, reset
from gatecast.lab_page import render, write_page
from gatecast.lab_pictures import modes
from gatecast.lab_questions import ABLATE, GRADIENT, LEAK, MODES, RECALL, RESET, SECONDS, USUAL, Question, question
from gatecast.lab_results import Answer, LabResult, Row

__all__ = [
    "EXPERIMENTS",
    "USUAL",
    "Answer",
    "Experiment",
    "LabResult",
    "Question",
    "Row",
    "ablate",
    "experiment",
    "gradient",
    "leak",
    "modes",
    "recall",
    "render",
    "reset",
    "write_page",
]

Note = Callable[[str], None]


class Experiment(NamedTuple):
    """One of the lab's: its question, and how it is run with so many seeds."""

    question: Question
    run: Callable[[int, Note | None], LabResult]

    @property
    def seconds(self) -> int:
        """About how long it takes, on one thread, with the usual seeds."""
        return SECONDS[self.question.name]


EXPERIMENTS = {
    "gradient": Experiment(GRADIENT, lambda seeds, note: gradient(seeds)),
    "recall": Experiment(RECALL, lambda seeds, note: recall(seeds, note=note)),
    "reset": Experiment(RESET, lambda seeds, note: reset(seeds, note=note)),
    "ablate": Experiment(ABLATE, lambda seeds, note: ablate(seeds, note=note)),
    "modes": Experiment(MODES, lambda seeds, note: modes(seeds, note=note)),
    "leak": Experiment(LEAK, lambda seeds, note: leak(seeds, note=note)),
}


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        SettingsError: there is none.
    """
    return EXPERIMENTS[question(name).name]
