"""Rex-Omni: `<|object_ref_start|>man<|object_ref_end|><|box_start|><23><294><106><525>,…<|box_end|>`, 999 steps a side.

A Qwen2.5-VL-3B by its config, so a checkpoint does not say that it is one: choose this family by name. A class that is
not there gets `None` between its tags. Joints are JSON with the same tokens: `{"person1": {"bbox": " <1> <36> <987>
<984> ", "keypoints": {"nose": " <540> <351> ", "left eye": "unvisible"}}}`. Wordings and formats are the makers'
(https://github.com/IDEA-Research/Rex-Omni, rex_omni/tasks.py, parser.py and finetuning/dataset).
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import syntax_refs
from app.families.answer import plain_label
from app.families.base import Example
from app.families.chat import TagChat
from app.families.syntax_json import dumps
from app.geometry import clamp
from app.types import Annotation, Frame, Image, Pixels, Request

STEPS = 999


class RexOmni(TagChat):
    name = "rex-omni"
    title = "Rex-Omni"
    aliases = ("rexomni",)
    tasks = frozenset({"detect", "ground", "point", "keypoints"})
    tagged = frozenset({"detect", "ground", "point"})
    pixels = Pixels(factor=28, min_pixels=16 * 28 * 28, max_pixels=2560 * 28 * 28)
    marks = syntax_refs.Marks(("<|object_ref_start|>", "<|object_ref_end|>"), ("<|box_start|>", "<|box_end|>"), "bins",
                              between=", ")
    example = Example(
        request=Request(images=(Image("cafe.jpg", (1440, 810)),), task="detect", names=("man", "sofa")),
        frame=Frame((1440, 810), (1428, 812)),
        text="<|object_ref_start|>man<|object_ref_end|><|box_start|><23><294><106><525>,<80><286><146><515>,"
             "<69><363><357><936>,<251><327><457><781>,<308><212><362><461>,<512><252><612><551>,"
             "<763><270><842><467><|box_end|>, "
             "<|object_ref_start|>woman<|object_ref_end|><|box_start|><396><253><446><376>,<586><360><745><820>,"
             "<591><228><645><374>,<699><233><738><417>,<880><293><953><514><|box_end|>, "
             "<|object_ref_start|>yellow flower<|object_ref_end|><|box_start|><441><439><594><588><|box_end|>, "
             "<|object_ref_start|>sofa<|object_ref_end|><|box_start|><643><453><999><977><|box_end|>, "
             "<|object_ref_start|>robot-shape light<|object_ref_end|><|box_start|><128><95><218><259>,"
             "<771><96><876><254><|box_end|>, "
             "<|object_ref_start|>blanket<|object_ref_end|><|box_start|><828><560><962><947><|box_end|>, "
             "<|object_ref_start|>microwave<|object_ref_end|><|box_start|><351><307><400><368><|box_end|>, "
             "<|object_ref_start|>laptop<|object_ref_end|><|box_start|><126><343><166><388><|box_end|>, "
             "<|object_ref_start|>cup<|object_ref_end|><|box_start|><575><358><592><384>,<613><545><637><602>,"
             "<840><364><854><387>,<883><359><895><375><|box_end|>, "
             "<|object_ref_start|>white chair<|object_ref_end|><|box_start|><386><418><434><577>,<454><419><498><510>,"
             "<524><420><582><584>,<624><416><673><563><|box_end|>, "
             "<|object_ref_start|>lamp<|object_ref_end|><|box_start|><358><1><399><131>,<488><2><530><130>,"
             "<620><2><664><132><|box_end|><|im_end|>",
        annotations=(Annotation("man", (33.153, 238.378, 152.793, 425.676)),
                     Annotation("man", (115.315, 231.892, 210.45, 417.568)),
                     Annotation("man", (99.459, 294.324, 514.595, 758.919)),
                     Annotation("man", (361.802, 265.135, 658.739, 633.243)),
                     Annotation("man", (443.964, 171.892, 521.802, 373.784)),
                     Annotation("man", (738.018, 204.324, 882.162, 446.757)),
                     Annotation("man", (1099.82, 218.919, 1213.694, 378.649)),
                     Annotation("woman", (570.811, 205.135, 642.883, 304.865)),
                     Annotation("woman", (844.685, 291.892, 1073.874, 664.865)),
                     Annotation("woman", (851.892, 184.865, 929.73, 303.243)),
                     Annotation("woman", (1007.568, 188.919, 1063.784, 338.108)),
                     Annotation("woman", (1268.468, 237.568, 1373.694, 416.757)),
                     Annotation("yellow flower", (635.676, 355.946, 856.216, 476.757)),
                     Annotation("sofa", (926.847, 367.297, 1440.0, 792.162)),
                     Annotation("robot-shape light", (184.505, 77.027, 314.234, 210.0)),
                     Annotation("robot-shape light", (1111.351, 77.838, 1262.703, 205.946)),
                     Annotation("blanket", (1193.514, 454.054, 1386.667, 767.838)),
                     Annotation("microwave", (505.946, 248.919, 576.577, 298.378)),
                     Annotation("laptop", (181.622, 278.108, 239.279, 314.595)),
                     Annotation("cup", (828.829, 290.27, 853.333, 311.351)),
                     Annotation("cup", (883.604, 441.892, 918.198, 488.108)),
                     Annotation("cup", (1210.811, 295.135, 1230.991, 313.784)),
                     Annotation("cup", (1272.793, 291.081, 1290.09, 304.054)),
                     Annotation("white chair", (556.396, 338.919, 625.586, 467.838)),
                     Annotation("white chair", (654.414, 339.73, 717.838, 413.514)),
                     Annotation("white chair", (755.315, 340.541, 838.919, 473.514)),
                     Annotation("white chair", (899.459, 337.297, 970.09, 456.486)),
                     Annotation("lamp", (516.036, 0.811, 575.135, 106.216)),
                     Annotation("lamp", (703.423, 1.622, 763.964, 105.405)),
                     Annotation("lamp", (893.694, 1.622, 957.117, 107.027))),
        source="IDEA-Research/Rex-Omni in https://github.com/IDEA-Research/Rex-Omni/blob/master/tutorials/detection_example/_full_notebook.ipynb",
    )

    def wording(self, request: Request) -> str:
        if request.task == "keypoints":
            return (f"Can you detect each {request.caption or 'person'} in the image using a [x0, y0, x1, y1] box "
                    f"format, and then provide the coordinates of its {', '.join(request.names)} as [x0, y0]? Output "
                    "the answer in JSON format.")
        if request.task == "point":
            return f"Point to {request.caption}."
        asked = ", ".join(request.names) if request.task == "detect" else request.caption
        return f"Detect {asked}. Output the bounding box coordinates in [x0, y0, x1, y1] format."

    def units(self, frame: Frame) -> tuple[int, int]:
        return STEPS, STEPS

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        if request.task == "keypoints":
            return _figures(annotations, request, frame.image_size)
        written = syntax_refs.write(annotations, request, frame.image_size, self.units(frame), self.marks)
        found = {annotation.label for annotation in annotations}
        asked = request.names if request.task == "detect" else () if annotations else (request.caption,)
        absent = [syntax_refs.name(plain_label(label), self.marks) + "None".join(self.marks.place)
                  for label in asked if label not in found]
        return self.marks.between.join(filter(None, (written, *absent)))

    def schema(self, request: Request) -> dict | None:
        return None


def _figures(annotations: Sequence[Annotation], request: Request, size: tuple[int, int]) -> str:
    def tokens(*values: float) -> str:
        numbers = (int(clamp(round(value / size[i % 2] * STEPS), STEPS)) for i, value in enumerate(values))
        return f" {' '.join(f'<{number}>' for number in numbers)} "

    figures = {}
    for i, annotation in enumerate(annotations, 1):
        joints = {joint.name: tokens(joint.x, joint.y) for joint in annotation.points if joint.visibility != "absent"}
        joints = {joint: joints.get(joint, "unvisible") for joint in (*request.names, *joints)}
        box = {} if annotation.box is None else {"bbox": tokens(*annotation.box)}
        figures[f"{annotation.label}{i}"] = box | {"keypoints": joints}
    return f"```json\n{dumps(figures)}\n```"


FAMILY = RexOmni()
