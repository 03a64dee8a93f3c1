"""Models one talks to: six tasks in plain words, answered in JSON. A new one says what differs.

Where a maker documents a wording, its family has that; the wordings here are Qwen2.5-VL's, and ours in their manner
for joints and counts. Numbers are thousandths of each side unless a family says otherwise.
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import answer, objects_json, syntax_refs
from app.families.base import Family
from app.families.forms import JsonForm
from app.families.reading import Reading
from app.types import Annotation, Frame, Parsed, Request


class Chat(Family):
    """JSON for every task."""
    tasks = frozenset({"detect", "ground", "point", "keypoints", "count", "ask"})
    spelling = objects_json.QWEN
    largest = 1000  # number of a coordinate
    unlabelled: frozenset[str] = frozenset()  # the tasks whose answers name nothing

    def question(self, request: Request) -> str:
        self.check(request)
        return self.wording(answer.tagless(request))

    def wording(self, request: Request) -> str:
        """The family's words for a request whose own words are free of tags."""
        names = ", ".join(request.names)
        if request.task == "detect":
            return f"Outline the position of each {names} and output all the coordinates in JSON format."
        if request.task == "ground":
            return f"Locate the {request.caption}, output its bbox coordinates using JSON format."
        if request.task == "point":
            return f"Point to the {request.caption}, output its coordinates in JSON format."
        if request.task == "keypoints":
            return f"Locate the {names} of each {request.caption or 'person'}, output the keypoints in JSON format."
        if request.task == "count":
            return f"How many {names} are there? Answer in JSON format."
        return request.caption

    def units(self, frame: Frame) -> tuple[int, int]:
        """What the whole picture measures in the numbers of an answer."""
        return 1000, 1000

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        return objects_json.write(annotations, request, frame.image_size, self.units(frame), self.spelling)

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return answer.parse(text, self.reading(request, frame), objects_json.read)

    def reading(self, request: Request, frame: Frame) -> Reading:
        return Reading(request, frame, self.units(frame), y_first=self.spelling.y_first,
                       labelled=request.task not in self.unlabelled)

    def schema(self, request: Request) -> dict | None:
        return objects_json.schema(request, self.spelling, self.largest)

    def form(self, request: Request) -> JsonForm | None:
        schema = None if request.think else self.schema(request)
        return None if schema is None else objects_json.form(schema, self.spelling)


class TagChat(Chat):
    """Boxes with their names in the family's own tags (`marks`), joints, points and counts in JSON."""
    marks: syntax_refs.Marks
    tagged = frozenset({"detect", "ground"})  # the tasks whose answers are in tags

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        if request.task not in self.tagged:
            return super().format(annotations, request, frame)
        return syntax_refs.write(annotations, request, frame.image_size, self.units(frame), self.marks
                                 ) or syntax_refs.NONE

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return answer.parse(text, self.reading(request, frame), syntax_refs.read, objects_json.read)

    def schema(self, request: Request) -> dict | None:
        return None if request.task in self.tagged else super().schema(request)
