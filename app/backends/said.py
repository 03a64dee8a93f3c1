"""What a server has said so far: its text, and which token added which part of it, with its log-probability."""
from __future__ import annotations

import codecs
from dataclasses import replace

from app.backends import Step
from app.backends.exchange import Piece
from app.confidence import Token


class Said:
    """A token may end in the middle of a character, so bytes are decoded as they come and the places counted."""

    def __init__(self) -> None:
        self.text = ""
        self.tokens = 0
        self._written: list[Token] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._spelt: list[str] = []  # the text as the tokens spell it
        self._end = 0

    def take(self, piece: Piece) -> None:
        self.text += piece.text
        for bytes_, log_probability in piece.tokens:
            spelt = self._decoder.decode(bytes_)
            self._spelt.append(spelt)
            self._written.append(Token(self._end, self._end + len(spelt), log_probability))
            self._end += len(spelt)
        self.tokens = piece.counted or len(self._written) or self.tokens + bool(piece.text)

    def step(self, step: Step) -> Step:
        """`written` is () where the tokens do not spell the text: then no place in it would be right."""
        spelt = "".join(self._spelt)
        written = ()
        if self.text and spelt.startswith(self.text):  # behind it stands at most the mark of the end
            written = tuple(token for token in self._written if token.end <= len(self.text))
        return replace(step, text=self.text, tokens=self.tokens, written=written)
