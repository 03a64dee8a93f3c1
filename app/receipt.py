"""The receipt of a training: what got better, what got worse, and whether the model looks at the picture at all. Pure.

    choosing, judging, independent = split(held, choose_most=32, judge_most=64)
    told = comparison(base, tuned, shuffled, independent=independent, chosen_by=len(choosing))
    told["verdict"]["word"]                            # "better", "no clear difference", "worse", "not by looking"

One number judges, and which one is said before anybody answers: the task's own. It must be better than the base's, and
better than what the tuned model gets when each question comes with another sample's picture: a model that has only
learnt where boxes usually are gets as much there, and is "not by looking". A checkpoint is chosen by other pictures
than those that judge it, where there are enough.
"""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from app import tasks
from app.evaluate import Answered, Numbers, measured, measures
from app.evaluate.grouping import grouped, marks
from app.evaluate.paired import (
    BETTER,
    UNCLEAR,
    WORSE,
    Paired,
    PairedSlice,
    class_agnostic,
    enough,
    paired,
    paired_slices,
)
from app.geometry import scaled
from app.metrics import mean
from app.metrics.intervals import LEVEL
from app.types import Annotation, Image, Sample

BLIND = "not by looking"
ENOUGH = 12  # pictures that judge alone; with fewer, all that are held out choose and judge
SHARE = 3  # one picture in so many chooses
ALONE = next(number for number in range(100) if number - number // SHARE >= ENOUGH)  # pictures that do for both
FEW = 30  # pictures with which only a large difference is seen
GALLERY = 24  # places of pictures that got better, and of those that got worse
SENTENCES = 3  # about parts of the data, of each direction
SOME, MANY = 0.05, 0.2  # shares of answers that cannot be read which are worth a sentence
TITLES = {"f1": "F1", "accuracy": "Acc@0.5", "joints": "PCK@0.05", "exact": "the share of exact answers",
          "score": "the mean score"}


def split(held: Sequence[Sample], choose_most: int, judge_most: int, chooses: bool = True,
          ) -> tuple[tuple[Sample, ...], tuple[Sample, ...], bool]:
    """(those that choose the checkpoint, those that judge it, whether no picture does both), each in its old order.

    By a hash of the pictures, so that neither the order of a file nor another picture beside them moves one.
    """
    groups, lots = grouped(held), {}
    for sample, group in zip(held, groups):
        for image in sample.images:
            lots.setdefault(group, set()).update(marks(image))
    order = sorted(lots, key=lambda group: hashlib.sha256("\n".join(sorted(lots[group])).encode()).hexdigest())
    first = len(order) // SHARE if chooses else 0
    independent = len(order) - first >= ENOUGH or not chooses
    choosing, judging = (order[:first], order[first:]) if independent else (order, order)
    return (_some(held, groups, choosing, choose_most) if chooses else (), _some(held, groups, judging, judge_most),
            independent)


def deranged(samples: Sequence[Sample], seed: int) -> list[int] | None:
    """For each sample the place of one about another picture, fixed by the seed; None where there is one picture."""
    groups = grouped(samples)
    pictures = max(groups, default=-1) + 1
    if pictures < 2:
        return None
    order = np.random.default_rng(seed).permutation(pictures).tolist()
    other = dict(zip(order, [*order[1:], order[0]]))
    return [groups.index(other[group]) for group in groups]


def on_picture(found: Sequence[Annotation], seen: Sequence[Image], own: Sequence[Image]) -> tuple[Annotation, ...]:
    """Annotations of the pictures that were seen, at the same places of others: as a share of their sides."""
    moved = []
    for one in found:
        if one.image < min(len(seen), len(own)):
            scale = tuple(b / a for a, b in zip(seen[one.image].size, own[one.image].size))
            one = replace(one, box=one.box and scaled(one.box, scale), area=one.area and one.area * scale[0] * scale[1],
                          points=tuple(replace(point, x=point.x * scale[0], y=point.y * scale[1])
                                       for point in one.points))
        moved.append(one)
    return tuple(moved)


def comparison(base: Sequence[Answered], tuned: Sequence[Answered], shuffled: Sequence[Answered] | None, *,
               independent: bool, chosen_by: int,
               general: tuple[str, Sequence[Answered], Sequence[Answered]] | None = None) -> dict:
    """What stands in result.json. `general`: (its name, the base's answers, the tuned model's)."""
    before, after = measured(base, ranked=False), measured(tuned, ranked=False)
    numbers = {one.name: one for one in paired(after, before)}
    measure = judged_by(base, tuned)
    parts = paired_slices(tuned, base)
    beside = _general(*general) if general else None
    blind, as_good = _shuffled(measure, before, after, shuffled)
    boxes, read = class_agnostic(tuned, base), _unreadable(base, tuned)
    word = numbers[measure].verdict if numbers[measure].verdict != BETTER or blind["passed"] else (
        BLIND if as_good else UNCLEAR)
    scores = [(one.score, other.score) for one, other in zip(base, tuned, strict=True)]
    gains = sorted(range(len(scores)), key=lambda place: (scores[place][0] - scores[place][1], place))
    return _plain({
        "samples": len(tuned), "pictures": after.pictures, "independent": independent, "chosen_by": chosen_by,
        "measure": measure, "metrics": [asdict(one) for one in numbers.values()],
        "slices": [asdict(one) for one in parts], "general": beside,
        "controls": {"shuffled": blind, "class_agnostic": boxes and _boxes(boxes, numbers[measure]),
                     "unreadable": read},
        "verdict": {"word": word, "sentences": [_judgement(word, numbers[measure], after.pictures, blind),
                                                *_parts(parts), *_besides(beside, read, independent, after.pictures)]},
        "better": [place for place in gains if scores[place][1] > scores[place][0]][:GALLERY],
        "worse": [place for place in reversed(gains) if scores[place][1] < scores[place][0]][:GALLERY]})


def judged_by(base: Sequence[Answered], tuned: Sequence[Answered]) -> str:
    """The task's own number; the mean score where it is undefined, as F1 is where nothing is there and nothing said."""
    name = measures(tuned)
    defined = all(measured(side, sure=False, ranked=False).values.get(name) is not None for side in (base, tuned))
    return name if defined else "score"


def title(measure: str) -> str:
    return TITLES.get(measure, measure)


def _some(held: Sequence[Sample], groups: Sequence[int], pictures: Sequence[int], most: int) -> tuple[Sample, ...]:
    """Whole pictures, at least one, as long as there are no more samples than `most`."""
    chosen, count = set(), 0
    for picture in pictures:
        count += groups.count(picture)
        if chosen and count > most:
            break
        chosen.add(picture)
    return tuple(sample for sample, group in zip(held, groups) if group in chosen)[:most]


def _shuffled(measure: str, before: Numbers, after: Numbers, shuffled: Sequence[Answered] | None) -> tuple[dict, bool]:
    """The control, and whether other pictures give the gain as well: clearly more than the base has, and no less."""
    told = {"measure": measure, "tuned": after.values[measure], "shuffled": None, "difference": None, "interval": None,
            "passed": False, "words": "There is one held-out picture: none to shuffle with."}
    if shuffled is None:
        return told, False
    numbers = measured(shuffled, ranked=False)
    looking = {one.name: one for one in paired(after, numbers)}.get(measure)
    gained = {one.name: one for one in paired(numbers, before)}.get(measure)
    passed, blindly = looking is not None and looking.verdict == BETTER, gained is not None and gained.verdict == BETTER
    own, other = _number(after.values[measure]), _number(numbers.values.get(measure))
    if passed:
        words = f"With the picture of another sample it gets {other} instead of {own}: it looks."
        words += (" Part of what it gained is knowing where things usually are: that is more than the base's "
                  f"{_number(before.values[measure])}.") if blindly else ""
    elif blindly:
        words = (f"With the picture of another sample it gets {other}, with its own {own}: it has learnt where things "
                 "usually are, not to see them.")
    else:
        words = f"With the picture of another sample it gets {other}, with its own {own}: no sign that it looks."
    return told | {"shuffled": numbers.values.get(measure), "difference": looking and looking.difference,
                   "interval": looking and looking.interval, "passed": passed, "words": words}, blindly and not passed


def _boxes(found: Paired, main: Paired) -> dict:
    moved = f"F1 {_number(found.base)} → {_number(found.tuned)}"
    words = {BETTER: f"The boxes themselves got better, whatever they are called: {moved}.",
             WORSE: f"The boxes themselves got worse, whatever they are called: {moved}.",
             UNCLEAR: f"The boxes themselves, whatever they are called: no clear difference, {moved}."}[found.verdict]
    if main.verdict == BETTER and found.verdict == UNCLEAR:
        words += " What got better is their names."
    if main.verdict != BETTER and found.verdict == BETTER:
        words += " But it calls them by the wrong names."
    return {name: value for name, value in asdict(found).items() if name != "name"} | {"words": words}


def _unreadable(base: Sequence[Answered], tuned: Sequence[Answered]) -> dict:
    before, after = (mean(float(not tasks.read(one.prediction)) for one in side) for side in (base, tuned))
    words = f"{after:.0%} of its answers cannot be read; of the base's, {before:.0%}."
    if before >= MANY and after <= before / 2:
        words += " Part of what it gained is the form of its answers."
    return {"base": before, "tuned": after, "words": words}


def _general(name: str, base: Sequence[Answered], tuned: Sequence[Answered]) -> dict:
    found = paired(measured(tuned, ranked=False), measured(base, ranked=False))
    return {"dataset": name, "samples": len(tuned), "measure": judged_by(base, tuned),
            "metrics": [asdict(one) for one in found]}


def _judgement(word: str, main: Paired, pictures: int, blind: dict) -> str:
    what = title(main.name)
    if main.difference == 0:
        moved = f"{what} stayed at {_number(main.tuned)}"
    else:
        moved = (f"{what} {'rose' if main.difference > 0 else 'fell'} from {_number(main.base)} to "
                 f"{_number(main.tuned)}")
    on = f"on {pictures} held-out picture{'' if pictures == 1 else 's'}"
    sure = ""
    if main.interval and main.difference:
        sure = f" (95% sure: by {main.interval[0]:+.2f} to {main.interval[1]:+.2f})"
    other = f"but it is {_number(blind['shuffled'])} on other samples' pictures"
    if word == BLIND:
        return f"Not by looking: {moved} {on}, {other} as well."
    if word == UNCLEAR and main.verdict == BETTER:
        return f"No clear difference: {moved} {on}{sure}, {other}, which is too near to say that it looks."
    if word == UNCLEAR and main.interval and not main.interval[0] <= 0 <= main.interval[1]:
        return f"No clear difference: {moved} {on}, but on so few of them that it may be chance."
    return f"{word.capitalize()}: {moved} {on}{sure}."


def _parts(found: Sequence[PairedSlice]) -> list[str]:
    """The largest clear ones, what got worse first."""
    told = []
    for wanted in (WORSE, BETTER):
        clear = sorted((one for one in found if one.verdict == wanted), key=lambda one: -abs(one.difference))
        told += [f"{wanted.capitalize()} on {_named(one)}: {one.metric} {_number(one.base)} → {_number(one.tuned)}."
                 for one in clear[:SENTENCES]]
    return told


def _named(one: PairedSlice) -> str:
    match one.kind:
        case "label":
            return f"“{one.value}”"
        case "size":
            return f"{one.value.split()[1].strip(',')} objects"
        case "shape":
            return f"{one.value.partition(',')[0]} objects" if one.value != "even" else "objects about as wide as high"
        case "count":
            return f"pictures with {'nothing' if one.value == '0' else one.value} to find"
        case "task":
            return f"the task {one.value}"
    return f"questions {one.value if one.value != 'without' else f'without a {one.kind}'}"


def _besides(general: dict | None, read: dict, independent: bool, pictures: int) -> list[str]:
    told = []
    if general is not None:
        main = next((one for one in general["metrics"] if one["name"] == general["measure"]), None)
        if main is not None:
            told.append(f"{main['verdict'].capitalize()} on the general set “{general['dataset']}”: "
                        f"{title(main['name'])} {_number(main['base'])} → {_number(main['tuned'])}.")
    if read["tuned"] >= SOME:
        told.append(f"{read['tuned']:.0%} of its answers cannot be read.")
    if pictures < enough(LEVEL):
        told.append(f"Fewer than {enough(LEVEL)} pictures cannot show a difference: hold out more.")
    elif pictures < FEW:
        told.append(f"{pictures} pictures are few: only a large difference is seen.")
    if not independent:
        told.append("The same pictures chose the checkpoint, so its figures are a little too good; with "
                    f"{ALONE} held-out pictures or more, others judge.")
    return told


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _plain(value):
    """As JSON has it, numbers to six digits."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return round(float(value), 6) if isinstance(value, float) else value
