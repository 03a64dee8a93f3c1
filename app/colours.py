"""A label's colour, the same on the page, in every downloaded picture and on every day. Pure."""
from __future__ import annotations

import unicodedata

# Okabe and Ito's colours (2008), distinguishable with every common colour blindness; black is left out, because the
# outline that makes a line visible on any picture is black.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


def colour(label: str) -> str:
    """FNV-1a (32 bit) of the label, over the palette. drawing.js does the same sum; a browser test compares them."""
    return PALETTE[place(label)]


def place(label: str) -> int:
    """Where in PALETTE a label's colour stands."""
    sendable = label.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair reaches a browser as `?`
    hashed = 2166136261
    for byte in unicodedata.normalize("NFC", sendable).lower().encode("utf-8"):
        hashed = (hashed ^ byte) * 16777619 & 0xFFFFFFFF
    return hashed % len(PALETTE)


def ink(paint: str) -> str:
    """Black or white, whichever has more contrast on the colour (WCAG's relative luminance)."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
              for value in (int(paint[i:i + 2], 16) / 255 for i in (1, 3, 5))]
    return "#000000" if sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear)) > 0.179 else "#ffffff"
