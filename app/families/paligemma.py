"""PaliGemma 1 and 2: `detect cat ; dog` → `<loc0046><loc0538><loc0795><loc1022> cat ; …`, y before x, 1024 bins.

Whatever the picture's shape, it is squeezed into a square, so a bin is a 1024th of each side. The makers document
`detect`, `segment` and `answer en`; `point` and `keypoints` are ours, in the same tokens, learnt by fine-tuning.

    detect, ground   <locY><locX><locY><locX> label ; …
    point            <locY><locX> label ; …
    keypoints        <locY><locX><locY><locX> person <locY><locX> head <locY><locX> left hand ; …   (box if any)
    count            3          or, asked for several names,   3 cat ; 0 dog
    nothing there    the empty text, or a count of 0: status "empty"
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import syntax_loc as loc
from app.families.answer import answer_part, apart
from app.families.base import Example, Family
from app.families.forms import LocForm
from app.families.reading import Reading, asked_label, boxed, counted, pointed
from app.families.words import denied, number, number_within, refused
from app.metrics import same
from app.types import Annotation, Frame, Image, Parsed, Pixels, Request


class PaliGemma(Family):
    name = "paligemma"
    title = "PaliGemma"
    aliases = ("paligemma1", "paligemma2", "paligemma-1", "paligemma-2")
    model_types = ("paligemma",)
    tasks = frozenset({"detect", "ground", "point", "keypoints", "count", "ask"})
    pixels = Pixels(fixed=(224, 224))  # 448 and 896 exist too; the backend asks the processor
    example = Example(
        request=Request(images=(Image("000000039769.jpg", (640, 480)),), task="detect", names=("cat",)),
        frame=Frame((640, 480), (224, 224)),
        text="<loc0046><loc0538><loc0795><loc1022> cat ; <loc0110><loc0000><loc1022><loc0512> cat",
        annotations=(Annotation("cat", (336.25, 21.5625, 638.75, 372.65625)),
                     Annotation("cat", (0.0, 51.5625, 320.0, 479.0625))),
        source="google/paligemma-3b-mix-224 on COCO val2017 39769, in "
               "https://github.com/Blaizzy/mlx-vlm/blob/main/examples/object_detection.ipynb (MIT)",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        names, caption = apart(" ; ".join(request.names)), apart(request.caption)
        if request.task == "count":
            return f"answer en how many {names}?"
        if request.task == "ask":
            return f"answer en {caption}"
        verb = {"ground": "detect", "point": "point", "detect": "detect", "keypoints": "keypoints"}[request.task]
        return f"{verb} {names if request.task in ('detect', 'keypoints') else caption}"

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        size = frame.image_size
        if request.task == "count":
            counts = counted(annotations, request.names)
            if len(counts) == 1:
                return str(len(annotations))
            return loc.SEPARATOR.join(f"{count} {loc.write_label(name)}" for name, count in counts.items())
        if request.task == "keypoints":
            return loc.SEPARATOR.join(filter(None, (_figure(annotation, size) for annotation in annotations)))
        if request.task == "point":
            return loc.SEPARATOR.join(f"{loc.write_place(x, y, size)} {loc.write_label(annotation.label)}"
                                      for annotation in annotations for x, y in pointed(annotation))
        return loc.SEPARATOR.join(f"{loc.write_box(boxed(annotation, request.task), size)} "
                                  f"{loc.write_label(annotation.label)}"
                                  for annotation in annotations)

    def form(self, request: Request) -> LocForm | None:
        if request.task not in ("detect", "ground", "point") or request.think:
            return None
        names = request.names if request.task == "detect" else (request.caption,)
        return LocForm(2 if request.task == "point" else 4, tuple(map(loc.write_label, names)), loc.SEPARATOR)

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        reading = Reading(request, frame, (loc.BINS, loc.BINS))
        start, end, thinking = answer_part(text, request.think)
        said, cut = loc.whole(text[start:end], joints=request.task == "keypoints")
        if request.task == "ask":
            return reading.parsed("ok" if said.strip() else "truncated" if thinking else "empty")
        if thinking:
            reading.problem("the answer ends while the model is still thinking")
            return reading.parsed("truncated")
        reading.offset = start
        said = reading.short(said)
        groups = list(loc.groups(said))
        if groups:
            return _places(groups, cut, reading)
        if cut:
            reading.problem("the answer ends in the middle of a place")
            return reading.parsed("truncated")
        if refused(said):
            return reading.parsed("refused")
        if request.task == "count" and said.strip():
            return _count(said, reading)
        if not said.strip() or denied(said):
            return reading.parsed("empty")
        reading.problem("there is text, but no place (<loc…>) in it")
        return reading.parsed("unreadable")


def _figure(annotation: Annotation, size: tuple[int, int]) -> str:
    parts = [] if annotation.box is None else [f"{loc.write_box(annotation.box, size)} "
                                               f"{loc.write_label(annotation.label)}"]
    parts += [f"{loc.write_place(joint.x, joint.y, size)} {loc.write_label(joint.name)}"
              for joint in annotation.points if joint.visibility != "absent"]
    return " ".join(parts)


def _places(groups: list[loc.Group], cut: bool, reading: Reading) -> Parsed:
    task = reading.request.task
    *_, final = groups
    # Two tokens without a label at the end may be half a box: they become a point when their label begins.
    if len(final.bins) % 4 and not final.label:
        cut = True
        groups = groups[:-1]
    figure = _Figure(reading)
    for group in groups:
        count = len(group.bins)
        if task == "keypoints" and count in (2, 4):
            figure.take(group)
        elif count % 4 == 0:
            label = reading.label(group.label)
            for i in range(0, count, 4):
                box = reading.box(loc.xy(group.bins[i:i + 4]))
                if box is not None:
                    reading.add(Annotation(label, box), (group.start, group.end))
        elif count == 2 and task == "point":
            point = reading.point(loc.xy(group.bins))
            if point is not None:
                reading.add(Annotation(reading.label(group.label), points=(point,)), (group.start, group.end))
        else:
            reading.problem(f"left out {count} <loc> tokens in a row: a box has 4, a point has 2")
    figure.finish()
    if cut:
        reading.problem("the answer ends in the middle of a place")
        return reading.parsed("truncated")
    return reading.parsed("ok" if reading.annotations else "unreadable")


class _Figure:
    """Joints are gathered into the object they belong to: a box or a separator begins the next one."""

    def __init__(self, reading: Reading):
        self.reading = reading
        self._begin()

    def take(self, group: loc.Group) -> None:
        if len(group.bins) == 4:
            self.finish()
            self.box, self.label = self.reading.box(loc.xy(group.bins)), self.reading.label(group.label)
        else:
            point = self.reading.point(loc.xy(group.bins), group.label)
            if point is not None:
                self.points.append(point)
        self.start = group.start if self.start is None else self.start
        self.end = group.end
        if group.last:
            self.finish()

    def finish(self) -> None:
        if self.box is not None or self.points:
            self.reading.add(Annotation(self.label, self.box, tuple(self.points)), (self.start, self.end))
        self._begin()

    def _begin(self) -> None:
        self.box, self.points, self.label = None, [], asked_label(self.reading.request)
        self.start, self.end = None, 0


def _count(said: str, reading: Reading) -> Parsed:
    """`3`, `3 cat ; 0 dog`, or a sentence with one number in it. Zero of everything is "empty"."""
    names = reading.request.names
    if len(names) == 1:
        count = number(said)
        count = number_within(said) if count is None else count
        counts = {} if count is None else {names[0]: count}
        if count is None and denied(said):
            return reading.parsed("empty")
    else:
        counts, asked = {}, {same(loc.write_label(name)): name for name in names}
        for piece in said.split(";"):
            head, _, label = piece.strip().partition(" ")
            count = number(head)
            if count is None or not label.strip():
                reading.problem(f"left out {piece.strip()[:60]!r}: it is no count with a name")
                continue
            counts[asked.get(same(label), label.strip())] = count
        if counts:
            _compare_names(counts, reading)
    if not counts:
        reading.problem("there is text, but no count in it")
        return reading.parsed("unreadable")
    for label, count in counts.items():
        for _ in range(count):
            reading.add(Annotation(label), (0, len(said)))
    return reading.parsed("ok" if any(counts.values()) else "empty")


def _compare_names(counts: dict[str, int], reading: Reading) -> None:
    for name in reading.request.names:
        if name not in counts:
            reading.problem(f"did not say how many {name!r}")
    for label in counts:
        if label not in reading.request.names:
            reading.problem(f"counted {label!r}, which was not asked for")


FAMILY = PaliGemma()
