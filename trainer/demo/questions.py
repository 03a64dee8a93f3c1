"""Asks the questions of SCENES.md about a drawn scene, and knows the answers."""
from __future__ import annotations

from dataclasses import dataclass, replace

from app.types import Annotation, Image, Point, Request
from trainer.demo.scenes import COLOURS, HELD_OUT, JOINTS, SHAPES, Scene, Thing

TASKS = ("detect", "ground", "point", "keypoints", "count", "ask")
SIDES = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}  # axis, direction
ENDS = {"leftmost": (0, -1), "rightmost": (0, 1), "topmost": (1, -1), "bottommost": (1, 1)}
MARGIN = 0.05  # of the shorter side: nearer to the border of a relation than that is not asked
FACTOR = 1.3  # in size, for largest and smallest
SMALL, BIG = 0.14, 0.26  # of the shorter side


@dataclass(frozen=True)
class Question:
    """A request about a scene and its true answer, in pixels of the scene. `held_out` combinations are marked."""
    request: Request
    truth: tuple[Annotation, ...]
    answer: str = ""  # the word, for `ask`
    held_out: bool = False


@dataclass(frozen=True)
class Expression:
    """`small red star left of the blue circle`: any part may be missing but the shape."""
    shape: str
    colour: str | None = None
    size: str | None = None
    end: str | None = None
    side: str | None = None
    anchor: tuple[str | None, str] | None = None  # colour and shape

    def __str__(self) -> str:
        words = [self.end, self.size, self.colour, self.shape]
        tail = f" {self.side} the {name(*self.anchor)}" if self.side else ""
        return " ".join(word for word in words if word) + tail

    @property
    def held_out(self) -> bool:
        """Never asked in training, though its parts are."""
        relation = (self.shape, self.side) == ("triangle", "above") or (self.colour, self.side) == ("purple", "left of")
        return relation or (self.colour, self.shape) in HELD_OUT or self.anchor in HELD_OUT


def ask(rng, scene: Scene, task: str, held_out: bool) -> Question | None:
    """A question of that task, or None if this scene has no fair one."""
    return {"detect": _detect, "ground": _ground, "point": _point, "keypoints": _keypoints,
            "count": _count, "ask": _ask}[task](rng, scene, held_out)


def name(colour: str | None, shape: str) -> str:
    return f"{colour} {shape}" if colour else shape


def is_a(thing: Thing, words: str) -> bool:
    return words in (thing.shape, name(thing.colour, thing.shape))


def truth(scene: Scene, words: str) -> tuple[Annotation, ...]:
    """All things of that name, top to bottom, then left to right."""
    things = sorted((t for t in scene.things if is_a(t, words)), key=lambda t: (t.box[1], t.box[0]))
    return tuple(Annotation(words, thing.box) for thing in things)


def _request(scene: Scene, task: str, **fields) -> Request:
    return Request((Image("", scene.size),), task, **fields)


def _names(rng, scene: Scene, most: int, held_out: bool) -> tuple[str, ...]:
    """One to `most` names; one time in five none of them is in the picture."""
    found: list[str] = []
    nothing = rng.random() < 0.2
    while not found or rng.random() < (most - len(found)) / most:
        if not nothing and rng.random() < 0.75:
            thing = scene.things[rng.integers(len(scene.things))]
            words = name(thing.colour if rng.random() < 0.5 else None, thing.shape)
        else:
            kind = rng.choice((*SHAPES, "person"))
            words = name(str(rng.choice(list(COLOURS))) if kind != "person" and rng.random() < 0.6 else None, str(kind))
        if not held_out and tuple(words.split(" ")) in HELD_OUT:
            continue  # asking for what is never drawn would teach that it is never there
        if nothing and truth(scene, words):
            continue
        if not any(words in known or known in words for known in found):  # "star" and "red star" would overlap
            found.append(words)
    return tuple(found)


def _any_held_out(scene: Scene, names) -> bool:
    return any(thing.held_out for thing in scene.things if any(is_a(thing, words) for words in names))


def _detect(rng, scene: Scene, held_out: bool) -> Question:
    names = _names(rng, scene, 3, held_out)
    found = [note for words in names for note in truth(scene, words)]
    found.sort(key=lambda note: (note.box[1], note.box[0]))
    return Question(_request(scene, "detect", names=names), tuple(found), held_out=_any_held_out(scene, names))


def _count(rng, scene: Scene, held_out: bool) -> Question:
    names = _names(rng, scene, 2, held_out)
    found = tuple(Annotation(words) for words in names for _ in truth(scene, words))
    return Question(_request(scene, "count", names=names), found, held_out=_any_held_out(scene, names))


def _ground(rng, scene: Scene, held_out: bool) -> Question | None:
    expression, thing = _expression(rng, scene, held_out)
    if expression is None:
        return None
    words = str(expression)
    found = (Annotation(words, thing.box),) if thing else ()
    return Question(_request(scene, "ground", caption=words), found,
                    held_out=expression.held_out or bool(thing and thing.held_out))


def _point(rng, scene: Scene, held_out: bool) -> Question | None:
    question = _ground(rng, scene, held_out)
    if question is None:
        return None
    points = []
    for note in question.truth:
        x1, y1, x2, y2 = note.box
        points.append(Annotation(note.label, points=(Point(note.label, (x1 + x2) / 2, (y1 + y2) / 2),)))
    return replace(question, request=replace(question.request, task="point"), truth=tuple(points))


def _keypoints(rng, scene: Scene, held_out: bool) -> Question:
    joints = [JOINTS[k] for k in sorted(rng.choice(len(JOINTS), int(rng.integers(2, 8)), replace=False))]
    people = sorted((t for t in scene.things if t.shape == "person"), key=lambda t: (t.box[1], t.box[0]))
    found = tuple(
        Annotation("person", person.box, tuple(Point(j, *person.joints[JOINTS.index(j)]) for j in joints))
        for person in people)
    return Question(_request(scene, "keypoints", names=tuple(joints)), found)


def _ask(rng, scene: Scene, held_out: bool) -> Question | None:
    if rng.random() < 0.5:
        thing = scene.things[rng.integers(len(scene.things))]
        if not thing.colour or len(truth(scene, thing.shape)) != 1:
            return None
        question, answer = f"what colour is the {thing.shape}?", thing.colour
    else:
        words = _names(rng, scene, 1, held_out)[0]
        question, answer = f"is there a {words}?", "yes" if truth(scene, words) else "no"
    return Question(_request(scene, "ask", caption=question), (), answer)


def _expression(rng, scene: Scene, held_out: bool) -> tuple[Expression | None, Thing | None]:
    """An expression that fits one thing, or, one time in four, none; (None, None) if no fair one was found."""
    nothing = rng.random() < 0.25
    for _ in range(24):
        expression = _wording(rng, scene)
        if expression.held_out and not held_out:
            continue
        fitting, unclear = _fitting(scene, expression)
        if unclear:
            continue
        if nothing and not fitting:
            return expression, None
        if not nothing and len(fitting) == 1:
            return expression, fitting[0]
    return None, None


def _wording(rng, scene: Scene) -> Expression:
    """Words taken from things of the scene, some of them swapped so that a part may not fit."""
    thing = scene.things[rng.integers(len(scene.things))]
    shape, colour = thing.shape, thing.colour
    if rng.random() < 0.2:
        shape = str(rng.choice((*SHAPES, "person")))
    if colour and rng.random() < 0.2:
        colour = str(rng.choice(list(COLOURS)))
    colour = colour if shape != "person" and rng.random() < 0.65 else None
    form = rng.integers(4)
    if form == 0:
        return Expression(shape, colour)
    if form == 1:
        return Expression(shape, colour, size=str(rng.choice(("small", "big"))))
    if form == 2:
        return Expression(shape, colour, end=str(rng.choice((*ENDS, "largest", "smallest"))))
    anchor = scene.things[rng.integers(len(scene.things))]
    anchor_name = (anchor.colour if rng.random() < 0.5 else None, anchor.shape)
    return Expression(shape, colour, side=str(rng.choice(list(SIDES))), anchor=anchor_name)


def _fitting(scene: Scene, expression: Expression) -> tuple[list[Thing], bool]:
    """The things that an expression fits, and whether any is too near to the border to be sure."""
    short = min(scene.size)
    things = [t for t in scene.things if is_a(t, name(expression.colour, expression.shape))]
    if expression.size:
        limit = SMALL if expression.size == "small" else BIG
        sure = [abs(t.side - limit * short) > 0.02 * short for t in things]
        fit = [t for t in things if (t.side < limit * short) == (expression.size == "small")]
        return fit, not all(sure)
    if expression.end in ("largest", "smallest"):
        if len(things) < 2:
            return [], bool(things)  # "largest" of one is not said
        by_size = sorted(things, key=lambda t: t.side, reverse=expression.end == "largest")
        ratio = by_size[0].side / by_size[1].side
        return by_size[:1], max(ratio, 1 / ratio) < FACTOR
    if expression.end:
        if len(things) < 2:
            return [], bool(things)
        axis, direction = ENDS[expression.end]
        ordered = sorted(things, key=lambda t: -direction * t.centre[axis])
        return ordered[:1], abs(ordered[0].centre[axis] - ordered[1].centre[axis]) < MARGIN * short
    if expression.side:
        anchors = [t for t in scene.things if is_a(t, name(*expression.anchor))]
        if len(anchors) != 1 or anchors[0] in things:
            return [], True
        axis, direction = SIDES[expression.side]
        gaps = [(direction * (t.centre[axis] - anchors[0].centre[axis]), t) for t in things]
        return [t for gap, t in gaps if gap > 0], any(abs(gap) < MARGIN * short for gap, _ in gaps)
    return things, False
