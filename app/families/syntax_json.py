"""JSON as models write it: fenced or not, with prose around, cut off, with a `{` too many. One pass, never an error.

Only what is closed counts: a list or an object exists from its closing bracket on, so a half-written box is no box.
What is never closed (a stray `{`, or the end of a cut-off answer) is dissolved and its whole children stay. That
salvages more than a JSON parser with repairs, and unlike a repair it cannot invent the end of a number.
"""
from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

DEEPEST = 64  # deeper than any answer; keeps reading linear and recursion small on "[[[[[…"

OPENER = re.compile(r"[\[{]")
# A string ends at its quote, or broken at the line's end. Every alternative is found without backtracking.
TOKEN = re.compile(r"""
    (?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*(?:"|\\?\Z|(?=\n)))
  | (?P<single>'[^'\\\n]*(?:\\.[^'\\\n]*)*(?:'|\\?\Z|(?=\n)))
  | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
  | (?P<mark>[\[\]{}:,])
  | (?P<word>[^\W\d]\w*)
""", re.VERBOSE | re.DOTALL)
WORDS = {"null": None, "none": None, "true": True, "false": False, "nan": math.nan, "inf": math.inf,
         "infinity": math.inf}


@dataclass
class Node:
    """A closed list or object: `entries` are (key, value) pairs, keys None in a list. `orphan`: its parent was cut."""
    kind: str  # "[" or "{"
    start: int
    end: int = -1
    key: str | None = None
    entries: list = field(default_factory=list)
    orphan: bool = False

    @property
    def values(self) -> list:
        return [value for _, value in self.entries]

    @property
    def pairs(self) -> dict:
        return {key: value for key, value in self.entries if key is not None}


def read(text: str) -> tuple[list[Node], bool, int]:
    """The outermost closed lists and objects in order; whether the text ends inside one; how many were dissolved."""
    roots: list[Node] = []
    stack: list[Node] = []
    stray = 0
    position, key, candidate, before = 0, None, None, ""

    def keep(value: object, name: str | None) -> None:
        if stack:
            stack[-1].entries.append((name, value))
        elif isinstance(value, Node):
            roots.append(value)

    def dissolve() -> None:
        node = stack.pop()
        for _, child in node.entries:
            if isinstance(child, Node):
                child.orphan = child.orphan or child.key is not None
                keep(child, None)

    while True:
        if not stack:
            match = OPENER.search(text, position)
        else:
            match = TOKEN.search(text, position)
        if match is None:
            break
        token, position = match.group(), match.end()
        if stack and match.lastgroup == "single" and before not in tuple("[{:,"):
            position = match.start() + 1  # an apostrophe, not a quote
            continue
        if token in "[{":
            if len(stack) == DEEPEST:
                stray += len(stack)
                while stack:
                    dissolve()
            stack.append(Node(token, match.start(), key=key))
            key = candidate = None
        elif token in "]}":
            opener = "[" if token == "]" else "{"
            if any(node.kind == opener for node in stack):
                while stack[-1].kind != opener:
                    stray += 1
                    dissolve()
                node = stack.pop()
                node.end = position
                keep(node, node.key)
            else:
                stray += 1
            key = candidate = None
        elif token == ":":
            key, candidate = candidate, None
        elif token == ",":
            key = candidate = None
        elif stack[-1].kind == "{" and key is None:
            candidate = str(_value(match))
            stack[-1].entries.append((None, candidate))
        else:
            keep(_value(match), key)
            key = None
        before = token
    cut = bool(stack)
    while stack:
        dissolve()
    return roots, cut, stray


def _value(match: re.Match) -> object:
    token = match.group()
    if match.lastgroup == "number":
        return float(token)
    if match.lastgroup == "word":
        return WORDS.get(token.lower(), token)
    if match.lastgroup == "string":
        try:
            return json.loads(token, strict=False)
        except ValueError:
            pass  # broken at the end of its line, or with an escape JSON does not know: as it stands, then
    quote = token[0]
    return token[1:-1 if len(token) > 1 and token.endswith(quote) else None].replace("\\" + quote, quote)


def dumps(value: object) -> str:
    """One line of JSON as Qwen writes it. Tags in a label are escaped: `</think>` or `<|im_end|>` would be read."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"<(?=[/|｜a-zA-Z])", r"\\u003c", text)
