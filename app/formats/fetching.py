"""Pictures from the network, where the operator allowed it: from a mirror that they named, or from where rows say.

What a row says is hostile: only public addresses are reached, judged on the connection itself, so that neither a
redirect nor a name that changes its address in between leads into the own network. A picture is fetched once.
"""
from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import socket
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path

LARGEST = 100 * 1024**2  # bytes of one picture
PATIENCE = 20  # seconds without a byte
ENDS = 3  # how much of a path is tried on a mirror: train2014/a.jpg, coco/train2014/a.jpg, a.jpg


class Unreached(OSError):
    """Why a picture could not be fetched."""


def first(mirror: Sequence[str], own: Sequence[str], folder: Path) -> Path:
    """The picture from the first address that has it. Raises Missing with every address's reason."""
    from app.formats.finding import Missing  # which imports this
    folder = folder / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url, public in [*((url, False) for url in mirror), *((url, True) for url in own)]:
        path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.picture"
        if path.exists():
            return path
        try:
            _fetch(url, path, public)
            return path
        except (OSError, ValueError, http.client.HTTPException) as problem:
            reasons.append(f"{url[:200]}: {str(problem)[:120] or type(problem).__name__}")
    raise Missing(f"has a picture that could not be fetched ({'; '.join(reasons) or 'no address is known'})")


def ends(file: str) -> list[str]:
    """`coco/train2014/a.jpg`, `train2014/a.jpg`, `a.jpg`: how a mirror may call it, the longest first."""
    path = file.split("://", 1)[-1]
    parts = [part for part in path.split("/") if part not in ("", ".", "..")][-ENDS:]
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _fetch(url: str, path: Path, public: bool) -> None:
    handlers = [_Only(public, http.client.HTTPConnection), _OnlySecure(public)]
    opener = urllib.request.OpenerDirector()
    for handler in (*handlers, urllib.request.HTTPRedirectHandler(), urllib.request.HTTPErrorProcessor(),
                    urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"User-Agent": "boxloop"})
    unfinished = path.with_name(f"unfinished-{uuid.uuid4().hex}")
    try:
        with opener.open(request, timeout=PATIENCE) as answer, unfinished.open("wb") as target:
            while piece := answer.read(1 << 20):
                target.write(piece)
                if target.tell() > LARGEST:
                    raise Unreached(f"is larger than {LARGEST // 1024**2} MB")
        os.replace(unfinished, path)
    except urllib.error.HTTPError as problem:
        raise Unreached(f"answered {problem.code}") from problem
    finally:
        unfinished.unlink(missing_ok=True)


def _judge(sock: socket.socket, public: bool) -> None:
    """After connecting, before a byte is sent: the address is that of this very connection."""
    address = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
    if public and not (address.is_global and not address.is_multicast):
        sock.close()
        raise Unreached(f"{address} is no public address")


class _Only(urllib.request.HTTPHandler):
    def __init__(self, public: bool, connection):
        super().__init__()
        self._public, self._connection = public, connection

    def http_open(self, request):
        return self.do_open(lambda host, **named: _judging(http.client.HTTPConnection, self._public)(host, **named),
                            request)


class _OnlySecure(urllib.request.HTTPSHandler):
    def __init__(self, public: bool):
        super().__init__()
        self._public = public

    def https_open(self, request):
        return self.do_open(lambda host, **named: _judging(http.client.HTTPSConnection, self._public)(host, **named),
                            request)


def _judging(kind, public: bool):
    class Judging(kind):
        def connect(self):
            if kind is http.client.HTTPSConnection:  # its connect also shakes hands, which sends bytes; judge before
                http.client.HTTPConnection.connect(self)
                _judge(self.sock, public)
                self.sock = self._context.wrap_socket(self.sock, server_hostname=self._tunnel_host or self.host)
            else:
                super().connect()
                _judge(self.sock, public)
    return Judging
