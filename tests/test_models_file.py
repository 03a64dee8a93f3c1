"""models.toml: what the operator wrote is read, kept as it is, added to and taken from; what cannot be used is said."""
from __future__ import annotations

import json
import shutil

import pytest

from app.backends.downloading import Downloads
from app.catalogue import Catalogue
from app.catalogue.file import HEAD, NAME, written
from app.catalogue.looking import guess, look
from tests.hub_server import COMMIT, HubServer

WRITTEN = """# mine
[memory]
ram_gb = 8

# the large one
[[model]]
id = "qwen-72b"
server = "http://gpu:8000/v1/"
model = "Qwen/Qwen2.5-VL-72B-Instruct"
family = "qwen2.5-vl"
key = "VLLM_API_KEY"
at_once = 4
pixels = { factor = 28, min = 3136, max = 200704 }
"""


@pytest.fixture
def catalogue(tmp_path, checkpoint):
    shutil.copytree(checkpoint("paligemma"), tmp_path / "shipped" / "paligemma")
    (tmp_path / "home").mkdir()
    return Catalogue(tmp_path / "shipped", tmp_path / "home", Downloads(tmp_path / "cache", "http://127.0.0.1:9"))


def write(catalogue: Catalogue, text: str) -> None:
    catalogue.file.path.write_text(text)


def test_a_server_in_the_file_is_a_model_with_everything_that_stands_there(catalogue):
    write(catalogue, WRITTEN)
    spec = catalogue.find("qwen-72b")
    assert (spec.backend, spec.source, spec.family) == ("openai", "http://gpu:8000/v1", "qwen2.5-vl")
    assert (spec.server.model, spec.server.key, spec.server.wide) == ("Qwen/Qwen2.5-VL-72B-Instruct", "VLLM_API_KEY", 4)
    assert spec.server.pixels.max_pixels == 200704 and catalogue.file.memory == {"ram_gb": 8.0}
    assert catalogue.state(spec) == "server" and not catalogue.problems


def test_adding_and_removing_leaves_the_operators_own_lines_alone(catalogue, checkpoint):
    write(catalogue, WRITTEN)
    seen = look(catalogue, str(checkpoint("qwen3_vl")))
    catalogue.add(seen.spec, seen.base)
    assert catalogue.file.path.read_text().startswith(WRITTEN.rstrip())
    assert [entry.spec.id for entry in catalogue.entries() if entry.added] == ["qwen-72b", "qwen3_vl"]
    assert catalogue.find("qwen3_vl").source == str(checkpoint("qwen3_vl"))
    catalogue.remove("qwen3_vl")
    assert catalogue.file.path.read_text().strip() == WRITTEN.strip()
    with pytest.raises(ValueError, match=r"paligemma is not in models\.toml: only what was added can be removed"):
        catalogue.remove("paligemma")


def test_the_first_model_that_is_added_makes_the_file(catalogue, checkpoint):
    catalogue.add(look(catalogue, str(checkpoint("qwen3_vl"))).spec)
    assert catalogue.file.path.read_text().startswith(HEAD)
    with pytest.raises(ValueError, match="in the list already"):
        catalogue.add(look(catalogue, str(checkpoint("qwen3_vl"))).spec)


@pytest.mark.parametrize(("block", "sentence"), [
    ('id = "a"\nsource = "x/y"\ntrust_remote_code = true', "runs no code that comes with a checkpoint"),
    ('id = "a"\nsourse = "x"', "there is no field `sourse`; there are: id"),
    ('source = "x/y"', "it has no `id`"),
    ('id = "a"\nserver = "file:///etc/passwd"\nmodel = "m"\nfamily = "qwen3-vl"', "is no address of a server"),
    ('id = "a"\nserver = "http://me:secret@h/v1"\nmodel = "m"\nfamily = "qwen3-vl"', "is no address of a server"),
    ('id = "a"\nserver = "http://h/v1"\nmodel = "m"\nfamily = "qwen3-vl"\nkey = "sk-1234"', "name of an environment"),
    ('id = "a"\nserver = "http://h/v1"\nmodel = "m"\nfamily = "gpt"', "no family named 'gpt'"),
    ('id = "a"\nsource = "/nowhere/at/all"', "there is no folder /nowhere/at/all"),
    ('id = "a"\nadapter = "x/y"\nbase = "gone"', "its base gone is not here"),
    ('id = "a"\nsource = 7', "`source` cannot be '7'"),
])
def test_a_block_that_cannot_be_used_is_said_and_the_others_work(catalogue, block, sentence):
    write(catalogue, f"{WRITTEN}\n[[model]]\n{block}\n")
    assert catalogue.find("qwen-72b")
    [problem] = catalogue.problems
    assert sentence in problem and problem.startswith("models.toml, ")


def test_a_file_that_is_no_toml_is_said_and_the_shipped_models_stay(catalogue):
    write(catalogue, "[[model")
    assert "models.toml cannot be read" in catalogue.problems[0] and catalogue.find("paligemma")


def test_what_is_written_is_read_back_whatever_stands_in_it():
    written({"id": 'a "quoted" \\ name', "source": "x/y", "pixels": {"factor": 28}, "timeout": 1.5})
    with pytest.raises(ValueError, match="control character"):
        written({"id": "a\n[[model]]", "source": "x"})


def test_a_change_by_hand_is_seen_without_a_restart(catalogue):
    assert not catalogue.file.blocks
    write(catalogue, WRITTEN)
    assert catalogue.find("qwen-72b")
    write(catalogue, "")
    with pytest.raises(ValueError, match="there is no model 'qwen-72b'"):
        catalogue.find("qwen-72b")


def test_adapters_of_our_own_runs_are_models(catalogue, checkpoint):
    adapter = catalogue.home / "runs" / "r1" / "adapter"
    shutil.copytree(checkpoint("lora"), adapter)
    settings = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "paligemma"}))
    [entry] = [entry for entry in catalogue.entries() if entry.state == "tuned here"]
    assert entry.spec.id == "tuned-r1" and entry.spec.source == str(catalogue.shipped / "paligemma")


@pytest.fixture
def hub(checkpoint, monkeypatch, catalogue, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    tuned, code = tmp_path / "tuned", tmp_path / "code"
    shutil.copytree(checkpoint("lora"), tuned)
    settings = json.loads((tuned / "adapter_config.json").read_text())
    (tuned / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "someone/base"}))
    shutil.copytree(checkpoint("paligemma"), code)
    (code / "config.json").write_text('{"model_type": "moondream1", "auto_map": {"AutoModel": "x.Evil"}}')
    server = HubServer()
    server.models |= {"someone/base": checkpoint("paligemma"), "someone/tuned": tuned, "someone/code": code}
    catalogue.downloads._endpoint = server.url
    yield server
    server.close()


def test_a_name_on_the_hub_is_added_pinned_to_its_commit_with_size_and_licence(catalogue, hub):
    seen = look(catalogue, "someone/base")
    assert dict(seen.facts)["Licence"] == "apache-2.0" and dict(seen.facts)["Family"] == "PaliGemma"
    assert seen.spec.revision == COMMIT and seen.spec.family == "paligemma"
    catalogue.add(seen.spec)
    assert catalogue.find("someone/base") == seen.spec and catalogue.state(seen.spec) == "to download"
    assert catalogue.downloads.start("someone/base", COMMIT).over.wait(30)
    assert catalogue.state(seen.spec) == "on disk"


def test_an_adapter_on_the_hub_needs_its_base_first(catalogue, hub):
    assert "it is an adapter for someone/base, which is not in the list" in look(catalogue, "someone/tuned").problem
    catalogue.add(look(catalogue, "someone/base").spec)
    seen = look(catalogue, "someone/tuned")
    assert seen.base == "someone/base" and "LoRA of rank 4" in dict(seen.facts)["Adapter"]
    catalogue.add(seen.spec, seen.base)
    spec = catalogue.find("someone/tuned")
    assert (spec.source, spec.base_revision, spec.adapter, spec.adapter_revision) == (
        "someone/base", COMMIT, "someone/tuned", COMMIT)


def test_what_cannot_be_added_is_said_with_what_is_known(catalogue, hub, tmp_path):
    hub.gated.add("someone/base")
    seen = look(catalogue, "someone/base")
    assert seen.spec is None and "accept its licence" in seen.problem and dict(seen.facts)["Licence"]
    assert "runs only with code of its makers" in look(catalogue, "someone/code").problem or \
        "no family reads" in look(catalogue, "someone/code").problem
    assert "the Hub has no model someone/gone" in look(catalogue, "someone/gone").problem
    assert "there is no folder /nowhere" in look(catalogue, "/nowhere").problem
    assert "neither config.json nor adapter_config.json" in look(catalogue, str(tmp_path)).problem
    assert "Type a name" in look(catalogue, " ").problem
    assert "there is no server at http://127.0.0.1:9/v1" in look(catalogue, "http://127.0.0.1:9/v1").problem


def test_without_a_network_adding_by_name_explains_itself(catalogue):
    seen = look(catalogue, "Qwen/Qwen3-VL-4B-Instruct")
    assert seen.spec is None and "the Hub cannot be reached" in seen.problem


def test_a_family_is_guessed_from_a_models_name():
    assert guess("Qwen/Qwen2.5-VL-72B-Instruct-AWQ") == "qwen2.5-vl"
    assert guess("google/paligemma2-3b-mix") == "paligemma"
    assert guess("demo") == "" and NAME == "models.toml"
