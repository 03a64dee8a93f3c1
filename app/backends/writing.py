"""Turns tokens into text as they come: a character may be spread over several tokens, and the cost stays linear."""
from __future__ import annotations

import math

from app.confidence import Token

BROKEN = "\N{REPLACEMENT CHARACTER}"  # what a decoder shows for the first bytes of a character
LONGEST = 8  # tokens to wait for the rest of a character: UTF-8 has at most 4 bytes, so more is garbage


class Writing:
    """The answer so far. `ends` are the tokens that end an answer; they are counted, but not shown.

    Decoding one token alone loses the space before a word in many tokenizers, so each piece is decoded together with
    the piece before it, and the difference is new. Both are a few tokens long, however long the answer is.
    """

    def __init__(self, tokenizer, ends: frozenset[int]) -> None:
        self.tokenizer, self.ends = tokenizer, ends
        self.ids: list[int] = []
        self.tokens = 0
        self.ended = False
        self._text: list[str] = []
        self._written: list[Token] = []
        self._waiting: list[float] = []  # log-probabilities of ids[_open:]
        self._before = self._open = 0  # ids[_before:_open] is the piece last shown, ids[_open:] waits

    @property
    def so_far(self) -> str:
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return "".join(self._text)

    def take(self, token: int, log_probability: float = math.nan) -> None:
        self.tokens += 1
        if token in self.ends:
            self.ended = True
            return
        self.ids.append(token)
        self._waiting.append(log_probability)
        shown = self._decoded(self.ids[self._before:self._open])
        now = self._decoded(self.ids[self._before:])
        if now.endswith(BROKEN) and len(self.ids) - self._open < LONGEST:
            return
        self._show(now[len(shown):])
        self._before, self._open = self._open, len(self.ids)

    def whole(self) -> str:
        """The final text, decoded once from all tokens."""
        return self._decoded(self.ids)

    def written_in(self, text: str) -> tuple[Token, ...]:
        """Each token's place in `text`; () where that is not what was shown, so that no place would be right."""
        return tuple(self._written) if text.startswith(self.so_far) else ()

    def _show(self, piece: str) -> None:
        start = self._written[-1].end if self._written else 0
        self._written += [Token(start, start + len(piece), each) for each in self._waiting]
        self._text.append(piece)
        self._waiting.clear()

    def _decoded(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
