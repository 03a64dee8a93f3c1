"""One file of the Hub over as many connections as it takes: each goes on where the one before broke off."""
from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from app.backends import ModelError
from app.backends.hub import HubFile, Listing, size

ATTEMPTS = 6  # without a single new byte; each that brings some starts the count anew
PAUSES = (0.5, 1, 2, 4, 8)  # seconds before the next attempt
STALLED = 10.0  # seconds of silence after which a connection is given up
log = logging.getLogger(__name__)


class Counting(Protocol):
    """Who hears of every block, and ends a download by raising."""
    done: int

    def came(self, bytes_: int) -> None: ...

    def pause(self, seconds: float) -> None: ...


def bring(listing: Listing, file: HubFile, part: Path, endpoint: str | None, download: Counting | None) -> None:
    """The whole file into `part`, over as many connections as it takes."""
    import httpx2
    failed = 0
    while (before := part.stat().st_size if part.is_file() else 0) < file.size or not part.is_file():
        try:
            _more(listing, file, part, before, endpoint, download)
        except (httpx2.TransportError, httpx2.StreamError, _Busy) as problem:
            failed = 0 if part.is_file() and part.stat().st_size > before else failed + 1
            log.info("%s of %s broke off: %s", file.name, listing.name, problem)
            if failed >= ATTEMPTS or download is None:
                raise
            download.pause(PAUSES[min(failed, len(PAUSES) - 1)])


def _more(listing: Listing, file: HubFile, part: Path, start: int, endpoint: str | None,
          download: Counting | None) -> None:
    """What follows byte `start`, appended; all of it where the server knows no ranges."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
    url = hf_hub_url(listing.name, file.name, revision=listing.commit, endpoint=endpoint)
    headers = build_hf_headers() | ({"Range": f"bytes={start}-"} if start else {}) | {"Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=STALLED) as response:
        if response.status_code in (408, 429, 500, 502, 503, 504):
            raise _Busy(f"the server said {response.status_code}")
        if response.status_code == 416:  # what is here does not belong to this file
            part.unlink()
            return
        hf_raise_for_status(response)
        whole = response.status_code == 200
        if whole and start and download is not None:
            download.done -= start
        with open(part, "wb" if whole else "ab") as out:
            written = 0 if whole else start
            for block in response.iter_raw():  # as they come: what a buffer holds is lost with the connection
                written += len(block)
                if written > file.size:
                    out.truncate(0)
                    raise ModelError(f"{file.name} of {listing.name} is longer than the {size(file.size)} that the "
                                     "Hub's list names; nothing of it was kept")
                out.write(block)
                if download is not None:
                    download.came(len(block))


class _Busy(ConnectionError):
    """The server is there and cannot answer now."""
