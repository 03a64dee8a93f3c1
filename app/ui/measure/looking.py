"""What the Measure tab reads: finished evaluations, kept while they are looked at, and their pictures. No gradio."""
from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import combinations

from app import evaluating
from app.evaluate.pairs import OUTCOMES, RIGHT, most_disputed, outcomes, worst
from app.report import Evaluation, number, parts
from app.types import Job
from app.workspace import Workspace

KEPT = 4  # evaluations in memory: one of 1,000 pictures and 5 models takes about 30 MB
PICTURES = 16  # of a gallery
DISPUTED = "Where models disagree most"
SECTIONS: dict[str, Callable[[Evaluation, str], str]] = {
    "table": parts.table,
    "curves": lambda evaluation, metric: parts.curve_plots(evaluation),
    "pareto": parts.pareto,
    "slices": lambda evaluation, metric: parts.slice_table(evaluation),
    "confusion": lambda evaluation, metric: parts.confusion(evaluation),
    "protocol": lambda evaluation, metric: parts.protocol(evaluation)}


class Looking:
    """Evaluations by the id of their job; each is read once and its sections are drawn once."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace
        self._known: OrderedDict[str, Evaluation] = OrderedDict()
        self._drawn: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._door = threading.Lock()

    def jobs(self) -> list[Job]:
        return [job for job in self._workspace.jobs.all() if job.kind == "evaluate"]

    def find(self, id: str) -> Evaluation:
        """Raises ValueError, one sentence, for one that is not there or is not done."""
        with self._door:
            if id not in self._known:
                job = self._workspace.jobs.find(id)
                if job.kind != "evaluate" or job.status != "done":
                    raise ValueError(f"the evaluation {id} is {job.status}; its numbers come when it is done")
                result = self._workspace.jobs.result(id)
                models = evaluating.answered(self._workspace, self._workspace.jobs.spec(id), result)
                if not next(iter(models.values())):
                    raise ValueError(f"the pictures of the evaluation {id} are not here any more")
                self._known[id] = Evaluation(id, result, models)
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(id)
            return self._known[id]

    def section(self, evaluation: Evaluation, name: str, metric: str) -> str:
        key = (evaluation.id, name, metric if name in ("table", "pareto") else "")
        if key not in self._drawn:
            self._drawn[key] = f'<div class="measure-part">{SECTIONS[name](evaluation, metric)}</div>'
            while len(self._drawn) > KEPT * len(SECTIONS) * 4:
                self._drawn.popitem(last=False)
        return self._drawn[key]

    def spec(self, id: str) -> dict:
        return self._workspace.jobs.spec(id)


def headline(job: Job, spec: dict) -> str:
    when = time.strftime("%d %b %H:%M", time.localtime(job.created))
    return f"{spec['name']}, {spec['split'] or 'all'}: {', '.join(spec['models'])} · {when}"[:160]


def looks(evaluation: Evaluation) -> list[str]:
    """What the gallery can show."""
    names = evaluation.names
    couples = [f"{_words(outcome, a, b)}" for a, b in combinations(names, 2) for outcome in OUTCOMES]
    return [*([DISPUTED] if len(names) > 1 else []), *(f"Worst of {model}" for model in names), *couples]


def gallery(evaluation: Evaluation, look: str) -> list[tuple[int, str]]:
    """(place, note) of the pictures of a look; a look that is not there shows the first."""
    names, models = evaluation.names, evaluation.models
    look = look if look in looks(evaluation) else looks(evaluation)[0]
    if look == DISPUTED:
        return [(place, f"disagreement {value:.2f}") for place, value in most_disputed(models, PICTURES)]
    for model in names:
        if look == f"Worst of {model}":
            return [(place, f"score {number(models[model][place].score)}") for place in worst(models[model], PICTURES)]
    for a, b in combinations(names, 2):
        for outcome, places in outcomes(models[a], models[b]).items():
            if look == _words(outcome, a, b):
                return [(place, f"{number(models[a][place].score)} and {number(models[b][place].score)}")
                        for place in places[:PICTURES]]
    return []


def pairs_part(evaluation: Evaluation) -> str:
    """Each two models: how many pictures both, only one, or none had right."""
    names = evaluation.names
    told = "".join(parts.pair_counts(evaluation, a, b) for a, b in combinations(names, 2))
    note = f"An answer is called right from a score of {RIGHT} of its picture on." if told else (
        "Evaluate two models to compare them picture by picture.")
    return f'<div class="measure-part">{told}<p class="measure-note">{note}</p></div>'


def _words(outcome: str, a: str, b: str) -> str:
    return {"both right": f"Both right: {a} and {b}", "both wrong": f"Both wrong: {a} and {b}",
            "only A": f"Only {a}, not {b}", "only B": f"Only {b}, not {a}"}[outcome]
