"""Who is the operator: whoever sits at this machine, or has the operator's link; never another site's page."""
from __future__ import annotations

import pytest
import starlette.requests

from app.ui import access
from app.workspace import Workspace

LOCAL = ("127.0.0.1", "127.0.0.1:7860")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    for name in ("SPACE_ID", "BOXLOOP_OPERATOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(tmp_path)


def visitor(client: str, host: str, query: str = "", **headers: str):
    """What Gradio hands to a function: it passes on the attributes of the server's own request."""
    sent = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return starlette.requests.Request({
        "type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "client": (client, 50000),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()]})


@pytest.mark.parametrize("client, host, headers", [
    ("127.0.0.1", "127.0.0.1:7860", {}),
    ("127.0.0.1", "localhost:7860", {"origin": "http://localhost:7860"}),
    ("::1", "[::1]:7860", {}),
])
def test_whoever_sits_at_the_machine_is_the_operator(workspace, client, host, headers):
    access.require(workspace, visitor(client, host, **headers), "train")


@pytest.mark.parametrize("client, host, headers", [
    ("192.0.2.7", "192.0.2.1:7860", {}),
    ("192.0.2.7", "localhost:7860", {}),
    ("127.0.0.1", "evil.example", {}),  # a name of theirs that leads to this machine
    ("127.0.0.1", "127.0.0.1:7860", {"origin": "https://evil.example"}),
    ("127.0.0.1", "127.0.0.1:7860", {"origin": "null"}),
    ("127.0.0.1", "127.0.0.1:7860", {"x_forwarded_for": "192.0.2.7"}),
    ("127.0.0.1", "127.0.0.1:7860", {"forwarded": "for=192.0.2.7"}),
    ("127.0.0.1", "[", {}),
    ("not an address", "", {}),
])
def test_everybody_else_is_told_what_would_help(workspace, client, host, headers):
    with pytest.raises(ValueError, match=r"Only the operator of this page may train\..* the operator's link"):
        access.require(workspace, visitor(client, host, **headers), "train")


def test_a_call_without_a_visitor_is_nobodys(workspace):
    assert not access.is_operator(workspace, None)


def test_the_operators_link_works_from_anywhere_but_another_sites_page(workspace):
    query = f"operator={workspace.operator_key}"
    assert access.is_operator(workspace, visitor("192.0.2.7", "host.example", query))
    assert access.is_operator(workspace, visitor("192.0.2.7", "host.example", query, origin="https://host.example"))
    assert not access.is_operator(workspace, visitor("192.0.2.7", "host.example", query, origin="https://evil.example"))
    for wrong in ("operator=", "operator=x", query[:-1], f"other={workspace.operator_key}", "operator=%C3%A9"):
        assert not access.is_operator(workspace, visitor("192.0.2.7", "host.example", wrong))


def test_on_a_space_nobody_is_at_the_machine(workspace, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert not access.is_operator(workspace, visitor(*LOCAL))
    assert access.is_operator(workspace, visitor(*LOCAL, f"operator={workspace.operator_key}"))


def test_the_key_is_the_given_one_or_stays_the_same_after_a_restart(workspace, monkeypatch):
    assert Workspace(workspace.home).operator_key == workspace.operator_key != workspace.secret
    assert len(workspace.operator_key) >= 32
    monkeypatch.setenv("BOXLOOP_OPERATOR_KEY", "chosen")
    assert Workspace(workspace.home).operator_key == "chosen"


def test_the_key_is_said_only_where_others_can_open_the_page(workspace, monkeypatch, capsys):
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    access.announce(workspace)
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    access.announce(workspace)
    assert workspace.operator_key in capsys.readouterr().out
