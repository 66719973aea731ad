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

from gatecast import lab_gradient, lab_leaks, lab_memory, lab_pictures
from gatecast.errors import SettingsError, nearest
from gatecast.lab_gradient import gradient
from gatecast.lab_leaks import leak
from gatecast.lab_memory import ablate, recall, reset
from gatecast.lab_page import render, write_page
from gatecast.lab_pictures import modes
from gatecast.lab_results import USUAL, Answer, LabResult, Question, Row

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
    seconds: int  # about, on one thread, with the usual seeds


EXPERIMENTS = {
    "gradient": Experiment(lab_gradient.QUESTION, lambda seeds, note: gradient(seeds), 2),
    "recall": Experiment(lab_memory.RECALL, lambda seeds, note: recall(seeds, note=note), 25),
    "reset": Experiment(lab_memory.RESET, lambda seeds, note: reset(seeds, note=note), 25),
    "ablate": Experiment(lab_memory.ABLATE, lambda seeds, note: ablate(seeds, note=note), 120),
    "modes": Experiment(lab_pictures.QUESTION, lambda seeds, note: modes(seeds, note=note), 15),
    "leak": Experiment(lab_leaks.QUESTION, lambda seeds, note: leak(seeds, note=note), 12),
}


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        SettingsError: there is none.
    """
    if name not in EXPERIMENTS:
        listed = ", ".join(EXPERIMENTS)
        raise SettingsError(f"lab: there is no experiment {name!r}.{nearest(name, EXPERIMENTS)} There are: {listed}")
    return EXPERIMENTS[name]
