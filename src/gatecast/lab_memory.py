"""Labs: what the gates are for, asked of networks that have to remember, to forget, and to do without a part.

``recall`` and ``reset`` belong together: each alone would prove one side.  ``ablate`` takes every part away in turn.

Sources: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; Gers, Schmidhuber &
Cummins, "Learning to forget", Neural Computation 12(10), 2000; Greff et al., "LSTM: a search space odyssey", IEEE
Transactions on Neural Networks and Learning Systems 28(10), 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gatecast.charts_parts import Figure
from gatecast.drills import TASKS, Effort, Learned, practise
from gatecast.lab_charts import ranges
from gatecast.lab_questions import ABLATE, KEPT, RECALL, RESET, USUAL, checked_seeds
from gatecast.lab_results import Answer, LabResult, Row, apart, pick, readable, times
from gatecast.variants import CELLS, Start

Note = Callable[[str], None]

SOLVED = 0.1  # a network that leaves less of the targets' variance has learned the task
LEAST = 1e-9  # of the variance, where ratios are taken
LEFT = "left of the variance"
MEMORY = Effort(steps=KEPT, updates=400)
ABLATION = Effort(steps=40, updates=400)

BIAS_0, BIAS_1, BIAS_3 = "LSTM, forget bias 0", "LSTM, forget bias 1", "LSTM, forget bias 3"
NO_FORGET, RNN = "LSTM without forget gate", "plain RNN"
STARTS = {
    BIAS_0: Start("lstm", 0.0),
    BIAS_1: Start("lstm", 1.0),
    BIAS_3: Start("lstm", 3.0),
    NO_FORGET: Start("no_forget"),
    RNN: Start("rnn"),
}

PUBLISHED = (  # Hochreiter & Schmidhuber 1997, tables of experiments 4 and 6
    "In 1997, without a forget gate: adding with a length of 100 was learned after 74,000 sequences (1 of 2,560 "
    "answers wrong), of 500 after 209,000 (0), of 1,000 after 853,000 (1); temporal order with lengths of 100 "
    "to 110 and two relevant letters after 31,390 (1 of 2,560)."
)


def recall(
    seeds: int = USUAL, predict: str | None = None, effort: Effort | None = None, note: Note | None = None
) -> LabResult:
    """Remember the first number to the end, from several starts.

    Args:
        seeds: how many.
        predict: one of the question's choices, said before.
        effort: how long networks learn, and over how many steps.
        note: told what is trained next.

    Raises:
        SettingsError: too few seeds, or a prediction that is none of the choices.
    """
    predicted = RECALL.checked(predict)
    effort = effort or MEMORY
    rows = _measured("recall", checked_seeds(seeds), effort, note)
    return LabResult(RECALL, rows, answer_recall(rows), method(effort), seeds, _one_chart(rows), predicted)


def reset(
    seeds: int = USUAL, predict: str | None = None, effort: Effort | None = None, note: Note | None = None
) -> LabResult:
    """Sum since the last reset, from the same starts; arguments and errors are those of ``recall``."""
    predicted = RESET.checked(predict)
    effort = effort or MEMORY
    rows = _measured("reset", checked_seeds(seeds), effort, note)
    return LabResult(RESET, rows, answer_reset(rows), method(effort), seeds, _one_chart(rows), predicted)


def ablate(
    seeds: int = USUAL, predict: str | None = None, effort: Effort | None = None, note: Note | None = None
) -> LabResult:
    """Eight cells on six tasks; arguments and errors are those of ``recall``."""
    predicted = ABLATE.checked(predict)
    effort = effort or ABLATION
    learned = practise([Start(name) for name in CELLS], list(TASKS.values()), checked_seeds(seeds), effort, note)
    rows = rows_of_cells(learned)
    figures = tuple(
        ranges(name, task.title, [row for row in rows if row.measure == task.title], LEFT, (1.0, "nothing learned"))
        for name, task in TASKS.items()
    )
    notes = (beside_1997(learned, effort), PUBLISHED)
    how = method(effort) + " Where a cell has a part that keeps, its bias starts at 1."
    return LabResult(ABLATE, rows, answer_ablate(rows), how, seeds, figures, predicted, notes)


# ---------------------------------------------------------------------------------------------------- the answers


def answer_recall(rows: Sequence[Row]) -> Answer:
    """Who learned to remember, by how many of its seeds did."""
    done = {row.what: _solved(row) for row in rows}
    gated = {BIAS_0: done[BIAS_0], BIAS_1: done[BIAS_1], BIAS_3: done[BIAS_3]}
    seeds = len(rows[0].values)
    mostly = {name for name, count in done.items() if 2 * count > seeds}
    if all(count == seeds for count in gated.values()):
        choice, meaning = "all", "Here the start does not matter."
    elif mostly & {*gated, NO_FORGET} == {BIAS_3, NO_FORGET}:
        choice = "high"
        meaning = "A forget gate is no help in remembering; it has to start near 1 not to be in the way."
    elif not mostly & set(gated):
        choice, meaning = "no", "A forget gate, however it starts, is in the way here."
    else:
        choice, meaning = "other", "The start decides part of it, and not in one direction only."
    text = (
        f"Learned by {gated[BIAS_0]} of {seeds} seeds with forget bias 0, by {gated[BIAS_1]} with forget bias 1, by "
        f"{gated[BIAS_3]} with forget bias 3, by {done[NO_FORGET]} without a forget gate, and by {done[RNN]} of the "
        f"plain RNN. {meaning} What the gate is for, gatecast lab reset asks."
    )
    return Answer(choice, text)


def answer_reset(rows: Sequence[Row]) -> Answer:
    """Whether the cell that cannot forget does worse at what asks for forgetting."""
    gated, without = pick(rows, BIAS_1), pick(rows, NO_FORGET)
    others = " and ".join(
        f"{readable(pick(rows, name).median)} with forget bias {name[-1]}" for name in (BIAS_0, BIAS_3)
    )
    numbers = (
        f"{readable(without.median)} of the variance is left without a forget gate, {readable(gated.median)} with one "
        f"and forget bias 1 ({others})"
    )
    if not apart(gated, without):
        return Answer("same", f"No difference that the seeds agree on: {numbers}.")
    if without.median > gated.median:
        found = f"The cell that cannot forget errs {times(without.median, gated.median)} as much: {numbers}."
        return Answer("worse", f"{found} To start anew is what the gate is for; gatecast lab recall shows its price.")
    return Answer("better", f"The cell that cannot forget errs less: {numbers}. Here the gate is only in the way.")


def answer_ablate(rows: Sequence[Row]) -> Answer:
    """Which of the three gates is missed most, over the tasks."""
    tasks = list(dict.fromkeys(row.measure for row in rows))
    missed: dict[str, tuple[int, float]] = {}
    better: list[str] = []
    for name in ("no_forget", "no_input", "no_output"):
        pairs = [(pick(rows, CELLS[name].title, task), pick(rows, CELLS["lstm"].title, task)) for task in tasks]
        worse = sum(apart(own, whole) and own.median > whole.median for own, whole in pairs)
        better += [
            f"{own.measure} without {_gate(name)}"
            for own, whole in pairs
            if apart(own, whole) and own.median < whole.median
        ]
        ratios = [max(own.median, LEAST) / max(whole.median, LEAST) for own, whole in pairs]
        missed[name] = worse, math.prod(ratios)
    most = max(missed, key=lambda name: missed[name])
    counts = ", ".join(f"without {_gate(name)} {count}" for name, (count, _) in missed.items())
    text = f"Clearly worse than the whole LSTM, of {len(tasks)} tasks: {counts}. "
    text += f"Clearly better: {', '.join(better) or 'none'}. "
    best = {task: min((row for row in rows if row.measure == task), key=lambda row: row.median) for task in tasks}
    winners = "; ".join(f"{task}: {row.what}" for task, row in best.items())
    if missed[most][0] == 0:
        return Answer("none", f"{text}None is clearly missed. Lowest median by task: {winners}.")
    tied = [name for name in missed if missed[name][0] == missed[most][0]]
    how = ", by the size of its errors," if len(tied) > 1 else ""
    return Answer(most, f"{text}Missed most{how} is the {_gate(most)}. Lowest median by task: {winners}.")


def beside_1997(learned: Learned, effort: Effort) -> str:
    """Our figures on the two problems of 1997, for the cell of that time and for the LSTM."""
    places, names = list(TASKS), list(CELLS)
    said = []
    for task in ("adding", "temporal_order"):
        for cell in ("no_forget", "lstm"):
            wrong = sorted(learned.wrong[names.index(cell), places.index(task)].tolist())
            share = f"{100 * wrong[len(wrong) // 2]:.1f} % ({100 * wrong[0]:.1f} to {100 * wrong[-1]:.1f})"
            said.append(f"{TASKS[task].title}, {CELLS[cell].title}: {share}")
    return (
        f"Wrong answers here, by the criteria of 1997, with a length of {effort.steps} after "
        f"{effort.updates * effort.batch:,} sequences: {'; '.join(said)}."
    )


def method(effort: Effort) -> str:
    """How networks learn here, in words."""
    return (
        f"Networks of one layer of {effort.units} units and a linear read-out; {effort.updates:,} updates on "
        f"{effort.batch} fresh sequences of {effort.steps} steps each; Adam, gradients clipped. Judged on 200 further "
        f"sequences: the mean squared error over the variance of the targets, where 1 is no better than always saying "
        f"the mean. Below {SOLVED:g} counts as learned. A seed sets weights and sequences, the same for every start."
    )


def rows_of_cells(learned: Learned) -> tuple[Row, ...]:
    """What every cell leaves on every task."""
    return tuple(
        Row(cell.title, task.title, tuple(learned.left[place, number].tolist()))
        for place, cell in enumerate(CELLS.values())
        for number, task in enumerate(TASKS.values())
    )


def _measured(task: str, seeds: int, effort: Effort, note: Note | None) -> tuple[Row, ...]:
    learned = practise(list(STARTS.values()), [TASKS[task]], seeds, effort, note)
    return tuple(Row(name, LEFT, tuple(learned.left[place, 0].tolist())) for place, name in enumerate(STARTS))


def _one_chart(rows: Sequence[Row]) -> tuple[Figure, ...]:
    return (ranges("left", "What each left of the variance", rows, LEFT, (1.0, "nothing learned")),)


def _solved(row: Row) -> int:
    return sum(value < SOLVED for value in row.values)


def _gate(name: str) -> str:
    return f"{name.removeprefix('no_')} gate"
