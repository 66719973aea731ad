"""What the lab asks, before anything is measured; light, so that a server can ask it too.

The experiments themselves are in ``lab_gradient``, ``lab_memory``, ``lab_pictures`` and ``lab_leaks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gatecast.errors import SettingsError, nearest

FEWEST, USUAL, MOST = 4, 5, 50  # seeds
LAG = 50  # steps back for which gradients are asked
KEPT = 60  # steps of a sequence whose first number is asked for at the end


class Question(NamedTuple):
    """What is asked before anything runs; choices by the word that picks them."""

    name: str
    title: str
    text: str
    choices: Mapping[str, str]

    def checked(self, predicted: str | None) -> str | None:
        """Return the prediction.

        Raises:
            SettingsError: it is none of the choices.
        """
        if predicted is not None and predicted not in self.choices:
            listed = "; ".join(f"{key} ({text})" for key, text in self.choices.items())
            raise SettingsError(
                f"lab {self.name}: the prediction {predicted!r} is none of the choices."
                f"{nearest(predicted, self.choices)} They are: {listed}"
            )
        return predicted


GRADIENT = Question(
    "gradient",
    "How much of the error comes back?",
    f"Before any training: through which cell does more of an error get {LAG} steps back, an LSTM with the usual "
    "forget bias of 1, or a plain RNN whose recurrent matrix is orthogonal?",
    {"lstm": "the LSTM", "rnn": "the plain RNN", "same": "about the same through both"},
)
RECALL = Question(
    "recall",
    "Who remembers?",
    f"A network is shown one number and asked for it {KEPT - 1} steps later; in between nothing happens. "
    "Which LSTMs learn that?",
    {
        "all": "all of them, whatever their start: gates learn what is needed",
        "high": "those whose forget gate starts near 1, and the one that has none; not those of forget bias 0 and 1",
        "no": "none that has a forget gate",
        "other": "another pattern",
    },
)
RESET = Question(
    "reset",
    "Who forgets?",
    "Now the sum of the numbers since the last reset sign is asked for, at every step. How does the LSTM without a "
    "forget gate do, beside the usual one with forget bias 1?",
    {"worse": "worse", "same": "about as well", "better": "better"},
)
ABLATE = Question(
    "ablate",
    "Which part is needed?",
    "Over six tasks: which gate does the LSTM miss most when it is taken away?",
    {
        "no_forget": "the forget gate",
        "no_input": "the input gate",
        "no_output": "the output gate",
        "none": "none of them clearly",
    },
)
MODES = Question(
    "modes",
    "How a picture flatters",
    "Point by point, the forecast of the S&P 500 lies almost on the truth. When the forecast for tomorrow moves, whose "
    "move does it go with?",
    {
        "today": "today's, which it has just seen",
        "tomorrow": "tomorrow's, which it is to forecast",
        "neither": "neither",
    },
)
LEAK = Question(
    "leak",
    "What a leak is worth",
    "On a random walk, which leak makes the same network's score look best?",
    {
        "scaler": "mean and width taken from the whole series",
        "smoothing": "inputs smoothed by a centred mean",
        "shuffle": "windows shuffled before the split",
        "gap": "gaps filled between both neighbours",
        "none": "none makes a clear difference",
    },
)
SECONDS = {  # about, on one thread, with the usual seeds
    "gradient": 2,
    "recall": 25,
    "reset": 25,
    "ablate": 120,
    "modes": 15,
    "leak": 12,
}
QUESTIONS = {each.name: each for each in (GRADIENT, RECALL, RESET, ABLATE, MODES, LEAK)}


def question(name: str) -> Question:
    """The question of an experiment.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in QUESTIONS:
        listed = ", ".join(QUESTIONS)
        raise SettingsError(f"lab: there is no experiment {name!r}.{nearest(name, QUESTIONS)} There are: {listed}")
    return QUESTIONS[name]


def checked_seeds(seeds: int) -> int:
    """Return the number of seeds.

    Raises:
        SettingsError: too few to tell two things apart, or very many.
    """
    if not FEWEST <= seeds <= MOST:
        raise SettingsError(f"seeds is {seeds}; give {FEWEST} to {MOST}: with fewer, two equal cells look different")
    return seeds
