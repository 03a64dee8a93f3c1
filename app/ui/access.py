"""Who may do what. Whoever sits at this machine is its operator; on a page that others can open, the operator's link
makes one, as a notebook server's token does. Everybody else compares and suggests.

Hiding a button protects nothing (Gradio runs private functions by their number), so each function that acts asks here.
"""
from __future__ import annotations

import hmac
import ipaddress
import os
from urllib.parse import urlsplit

import gradio as gr

from app.workspace import Workspace

KEY = "operator"  # in the address of the page: Gradio's client sends the page's query with every event
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")  # a proxy in front: the nearest address is not the visitor's


def require(workspace: Workspace, visitor: gr.Request | None, action: str) -> None:
    """Raises ValueError, one sentence, unless the visitor is the operator. `action` completes "only … may"."""
    if not is_operator(workspace, visitor):
        raise ValueError(f"Only the operator of this page may {action}. Open it with the operator's link, which the "
                         "server prints when it starts.")


def is_operator(workspace: Workspace, visitor: gr.Request | None) -> bool:
    if visitor is None or _from_another_page(visitor):
        return False
    shown = str(visitor.query_params.get(KEY) or "")
    return hmac.compare_digest(shown.encode(), workspace.operator_key.encode()) or _at_this_machine(visitor)


def announce(workspace: Workspace) -> None:
    """On a page that others can open: tell whoever reads the server's log how it becomes the operator's."""
    if "SPACE_ID" in os.environ or not _loopback(os.environ.get("GRADIO_SERVER_NAME", "localhost")):
        print(f"* To be the operator of this page, add /?{KEY}={workspace.operator_key} to its address", flush=True)


def _at_this_machine(visitor: gr.Request) -> bool:
    """A loopback address on both ends. The name in Host counts too: another site's name that leads here (DNS
    rebinding) would bring that site's scripts with it."""
    if "SPACE_ID" in os.environ or any(visitor.headers.get(name) for name in FORWARDED):
        return False
    return _loopback(visitor.client.host if visitor.client else None) and _loopback(_host(visitor.headers.get("host")))


def _from_another_page(visitor: gr.Request) -> bool:
    """A browser names the page that a request comes from; one of another site must not act as the operator."""
    origin = visitor.headers.get("origin")
    return bool(origin) and urlsplit(origin).netloc != visitor.headers.get("host")


def _host(netloc: str | None) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


def _loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
