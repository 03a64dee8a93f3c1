"""What somebody typed, looked at before it is added: a name on the Hub, a folder, or the address of a server.

    seen = look(catalogue, "Qwen/Qwen3-VL-4B-Instruct")      # nothing large is fetched
    seen.facts, seen.problem                                 # what to say about it, and why it cannot be added
    catalogue.add(seen.spec, seen.base)
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app import families
from app.backends import ModelError, adapters
from app.backends.checkpoint import check_safetensors, needs
from app.backends.hub import Listing, size
from app.catalogue import Catalogue
from app.catalogue.file import address, variable
from app.types import ModelSpec, Server

ROOM = 1.3  # a GPU needs this much of the weights' size, for the picture and the answer


@dataclass(frozen=True)
class Seen:
    """`spec` is None as long as something is missing. `choices` are the models of a server, `family` a guess."""
    spec: ModelSpec | None
    facts: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    base: str = ""
    kind: str = ""  # "hub", "folder" or "server"
    choices: tuple[str, ...] = ()
    family: str = ""


def look(catalogue: Catalogue, typed: str, model: str = "", family: str = "", key: str = "",
         adapter: str = "") -> Seen:
    """Never raises for what was typed or what is there: `problem` says it. The rest is only for servers."""
    typed = typed.strip()
    try:
        if not typed:
            raise ValueError("Type a name on the Hub (owner/name), a folder, or the address of a server.")
        if "://" in typed:
            return _server(typed, model.strip(), family, key, adapter.strip())
        folder = Path(typed).expanduser()
        if folder.is_dir():
            return _folder(catalogue, folder)
        if folder.is_absolute() or typed.startswith((".", "~")):
            raise ValueError(f"there is no folder {typed} on this machine")
        return _hub(catalogue, typed)
    except (ValueError, ModelError) as problem:
        return Seen(None, problem=str(problem))


def _hub(catalogue: Catalogue, typed: str) -> Seen:
    name, _, revision = typed.removeprefix("https://huggingface.co/").partition("@")
    listing = catalogue.downloads.look(name, revision or None)
    facts = [("Download", size(listing.size)), ("Licence", listing.licence or "none is named"),
             ("Revision", listing.commit[:12])]
    if listing.gate:
        facts.append(("Access", f"its makers ask you to accept the licence at {listing.gate}"))
    if listing.refusal:
        return Seen(None, tuple(facts), listing.refusal, kind="hub")
    try:
        listing.check_weights()
        seen = _hub_adapter(catalogue, listing) if listing.is_adapter else _hub_model(listing)
    except (ValueError, ModelError) as problem:
        return Seen(None, tuple(facts), str(problem), kind="hub")
    return replace(seen, facts=(*seen.facts, *facts), kind="hub")


def _hub_model(listing: Listing) -> Seen:
    family = families.for_model_type(str(listing.settings.get("model_type") or ""))
    if family.backend not in ("local", "detector"):
        raise ValueError(f"{family.title} runs only with code of its makers, and Boxloop runs no code from a "
                         "checkpoint; serve it elsewhere and add the server")
    told = _needs(listing) | {"gpu_gb": _gb(listing.size * ROOM)}
    spec = ModelSpec(listing.name, family.name, family.backend, listing.name, listing.commit,
                     title=listing.name.split("/")[-1], needs=told)
    return Seen(spec, (("Family", family.title), ("Memory", f"about {told['gpu_gb']} GB on a GPU")))


def _hub_adapter(catalogue: Catalogue, listing: Listing) -> Seen:
    adapter = adapters.described(listing.settings, listing.name)
    base = next((entry.spec for entry in catalogue.entries() if not entry.spec.adapter and not entry.spec.server
                 and adapter.base in (entry.spec.id, entry.spec.source)), None)
    if base is None:
        raise ValueError(f"it is an adapter for {adapter.base or 'a model it does not name'}, which is not in the "
                         "list; add that model first")
    spec = catalogue.on_base(base, listing.name, listing.name, listing.name.split("/")[-1], listing.commit)
    spec = replace(spec, adapter_revision=listing.commit, needs=_needs(listing))
    return Seen(spec, (("Adapter", adapter.words), ("Base", base.title or base.id)), base=base.id)


def _folder(catalogue: Catalogue, folder: Path) -> Seen:
    folder = folder.resolve()
    spec = catalogue.describe(folder, folder.name)
    check_safetensors(folder, str(folder))
    if spec.adapter:
        adapter = adapters.read(folder)
        base = next((each.spec.id for each in catalogue.entries() if each.spec.source == spec.source
                     and not each.spec.adapter), spec.source)
        if Path(spec.source).is_dir():
            adapters.check_fits(folder, Path(spec.source))
        return Seen(spec, (("Adapter", adapter.words), ("Base", base)), base=base, kind="folder")
    family = families.find(spec.family)
    if family.backend not in ("local", "detector"):
        raise ValueError(f"{family.title} runs only with code of its makers, which Boxloop does not run")
    taken = needs(spec, "cuda:0")
    return Seen(replace(spec, needs={"gpu_gb": _gb(taken * ROOM)}), kind="folder", facts=(
        ("Family", family.title), ("Memory", f"{size(taken)} of weights on a GPU, "
                                             f"{size(needs(spec, 'cpu'))} on a CPU")))


def _server(typed: str, model: str, family: str, key: str, adapter: str) -> Seen:
    from app.backends.exchange import Post, listed
    url, key = address(typed), variable(key)
    there = tuple(sorted(listed(Post(ModelSpec(url, "", "openai", url, server=Server("", key, timeout=20.0))))))
    model = model or (there[0] if there else "")
    guessed = family or guess(model)
    facts = (("Models", ", ".join(there[:8]) or "it does not list them"),)
    if not model:
        return Seen(None, facts, "this server does not list its models: write the name of one", kind="server")
    if not guessed:
        problem = f"say of which family {model} is: its name does not tell"
        return Seen(None, facts, problem, kind="server", choices=there)
    name = adapter.rstrip("/").rsplit("/", 1)[-1] if adapter else model
    place = hashlib.sha256(url.encode()).hexdigest()[:6]  # its address is nobody's business: visitors see the id
    spec = ModelSpec(f"{name}@{place}", families.find(guessed).name, "openai",
                     url, adapter=adapter or None, title=f"{name.rsplit('/', 1)[-1]} (server)",
                     server=Server(model, key))
    return Seen(spec, (*facts, ("Family", families.find(guessed).title)), kind="server", choices=there, family=guessed)


def guess(model: str) -> str:
    """The family whose name stands in a model's name; the longest, so that Qwen2.5-VL is not Qwen-VL."""
    def plain(text: str) -> str:
        return "".join(letter for letter in text.lower() if letter.isalnum())

    names = {plain(name): family.name for family in families.every()
             for name in (family.name, *family.aliases, *family.model_types)}
    found = [name for name in names if name in plain(model)]
    return names[max(found, key=len)] if found else ""


def _needs(listing: Listing) -> Mapping[str, object]:
    told: dict[str, object] = {"download_gb": _gb(listing.size)}
    told |= {"licence": listing.licence} if listing.licence else {}
    return told | ({"token": f"accept the licence at {listing.gate} and set HF_TOKEN"} if listing.gate else {})


def _gb(bytes_: float) -> float:
    return max(0.001, float(f"{bytes_ / 1e9:.2g}"))
