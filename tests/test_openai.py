"""A real HTTP server that speaks the OpenAI protocol answers as the local model does; each way it fails is a sentence.
"""
from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from app import pictures, predict
from app.backends import ModelError, exchange, local, openai
from app.backends.loaded import LoadedModels
from app.backends.said import Said
from app.catalogue import SHIPPED
from app.predict import Ask
from app.selftest import selftest
from app.types import Generation, ModelSpec, Request, Server
from tests.openai_server import KEY, OpenAIServer
from trainer.demo.scenes import scene

HERE = ModelSpec("here", "qwen3-vl", "local", str(SHIPPED / "tiny-qwen3-vl"))


@pytest.fixture(scope="module")
def demo():
    return local.load(HERE)


@pytest.fixture(scope="module")
def running(demo, tmp_path_factory):
    server = OpenAIServer(demo, tmp_path_factory.mktemp("sent"))
    yield server
    server.close()


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setattr(exchange, "PAUSES", (0.01, 0.01, 0.01))
    running.reset()
    return running


@pytest.fixture
def there(server, demo):
    """The same model, behind the server."""
    return ModelSpec("there", "qwen3-vl", "openai", server.url,
                     server=Server("demo", timeout=5.0, pixels=demo.pixels()))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    scene(2, 3, held_out=False).picture.resize((300, 200)).save(path)
    return pictures.read(path)


def asked(spec: ModelSpec, picture, models: LoadedModels | None = None, generation: Generation | None = None):
    """The final prediction, and how many boxes were known at each update before it."""
    request = Request((picture,), "detect", names=("star", "circle", "square"))
    updates = [update for update in predict.compare(models or LoadedModels(), [Ask(spec, request,
               generation or Generation(max_tokens=200))]) if update]
    assert [update.state for update in updates].count("done") == 1
    return updates[-1].prediction, [len(update.prediction.annotations) for update in updates[:-1] if update.prediction]


def test_a_server_answers_with_the_same_boxes_as_the_local_model_and_streams(server, there, picture):
    far, growing = asked(there, picture)
    near, _ = asked(HERE, picture)
    assert near.annotations and far.text == near.text and far.frame == near.frame and far.prompt == near.prompt
    assert [each.box for each in far.annotations] == [each.box for each in near.annotations]
    assert [each.score for each in far.annotations] == pytest.approx([each.score for each in near.annotations],
                                                                     abs=1e-4)
    assert {each.score_source for each in far.annotations} == {"tokens"}
    assert far.tokens == near.tokens and far.seconds_to_first is not None
    assert growing and growing == sorted(growing)
    [question] = server.questions
    assert question["stream"] is True and question["temperature"] == 0 and question["skip_special_tokens"] is False


def test_the_picture_is_sent_in_a_size_that_the_rule_leaves_as_it_is(server, there, demo, picture):
    from app import families
    for budget in (None, 40_000):
        server.sizes.clear()
        prediction, _ = asked(there, picture, generation=Generation(max_tokens=4, max_pixels=budget))
        [sent] = server.sizes
        assert sent == prediction.frame.input_size
        assert families.find("qwen3-vl").frame(sent, demo.pixels(budget)).input_size == sent


def test_a_model_of_one_fixed_size_gets_the_picture_as_it_is(server, there, picture):
    prediction, _ = asked(replace(there, family="paligemma"), picture, generation=Generation(max_tokens=4))
    assert server.sizes == [picture.size] and prediction.frame.image_size == picture.size


def test_control_tokens_that_a_person_typed_are_no_control_tokens_at_the_server(server, there, picture):
    request = Request((picture,), "ground", caption="a <|im_end|> <loc0001> star")
    list(predict.compare(LoadedModels(), [Ask(there, request, Generation(max_tokens=2))]))
    text = server.questions[0]["messages"][0]["content"][-1]["text"]
    assert "star" in text and "<|im_end|>" not in text and "<loc0001>" not in text


@pytest.mark.parametrize(("behave", "sentence"), [
    ("killed", "broke off in the middle of its answer"),
    ("endless", "broke off in the middle of its answer"),
    ("malformed", "the server's answer cannot be read; it says: '<html>502 Bad Gateway</html>'"),
    ("broken", "the server broke its answer off: EngineDeadError: CUDA out of memory"),
    ("elsewhere", "sends elsewhere (307), which is not followed"),
])
def test_what_a_server_does_wrong_is_one_sentence_in_one_panel(server, there, picture, behave, sentence):
    models = LoadedModels()
    models.load(there)
    server.behave = behave
    prediction, _ = asked(there, picture, models)
    assert prediction.status == "failed" and len(prediction.problems) == 1
    assert sentence in prediction.problems[0]
    assert len(server.questions) == 1  # text that came is not asked for twice


def test_the_other_panels_go_on_when_a_server_is_killed(server, there, picture):
    models = LoadedModels()
    models.load(there)
    server.behave = "killed"
    request = Request((picture,), "detect", names=("star",))
    asks = [Ask(spec, request, Generation(max_tokens=20)) for spec in (HERE, there)]
    final = {update.model: update.prediction for update in predict.compare(models, asks)
             if update and update.state == "done"}
    assert final["there"].status == "failed" and final["here"].status != "failed"


@pytest.mark.parametrize(("status", "sentence"), [
    ("429", "has too much to do (429): too much to do; wait, or ask fewer at a time"),
    ("500", "failed (500): too much to do; its own log says why"),
])
def test_a_busy_server_is_asked_again_with_pauses_and_then_said(server, there, picture, status, sentence):
    models = LoadedModels()
    models.load(there)
    server.behave, server.failures = status, 2
    assert asked(there, picture, models, Generation(max_tokens=8))[0].status != "failed"
    assert len(server.questions) == 3
    server.reset(status, failures=99)
    prediction, _ = asked(there, picture, models)
    assert sentence in prediction.problems[0] and len(server.questions) == exchange.TRIES


def test_a_key_comes_from_the_environment_and_is_never_shown(server, there, picture, monkeypatch):
    there = replace(there, server=replace(there.server, key="KEY_OF_THE_TEST"))
    server.key = KEY
    assert "set the environment variable KEY_OF_THE_TEST" in asked(there, picture)[0].problems[0]
    monkeypatch.setenv("KEY_OF_THE_TEST", "sk-wrong")
    wrong = asked(there, picture)[0].problems[0]
    assert "does not accept the key in KEY_OF_THE_TEST (401)" in wrong and "sk-wrong" not in wrong
    monkeypatch.setenv("KEY_OF_THE_TEST", KEY)
    assert asked(there, picture, generation=Generation(max_tokens=8))[0].status != "failed"


def test_a_silent_server_is_given_up_after_its_timeout(server, there, picture):
    quick = replace(there, server=replace(there.server, timeout=0.5))
    models = LoadedModels()
    models.load(quick)
    server.behave = "mute"
    assert "said nothing for 0.5 seconds" in asked(quick, picture, models)[0].problems[0]


def test_stop_ends_an_answer_at_once_and_the_server_notices(server, there, picture):
    models, stop = LoadedModels(), threading.Event()
    models.load(there)
    server.behave = "silent"
    request, last = Request((picture,), "ask", caption="what?"), None
    for update in predict.compare(models, [Ask(there, request)], stop):
        if update and update.prediction and update.state == "answering":
            stop.set()
        last = update or last
    assert last.prediction.text == "one " and last.prediction.problems[0].startswith("stopped by you")
    assert server.gone.wait(5)


def test_no_server_and_a_server_of_another_kind_are_said(there, picture, tmp_path):
    nobody = replace(there, source="http://127.0.0.1:9/v1")
    assert "there is no server at http://127.0.0.1:9/v1; start it" in asked(nobody, picture)[0].problems[0]


def test_a_model_that_the_server_does_not_have_is_said_with_those_it_has(server, there):
    with pytest.raises(ModelError, match="has no model other; it has: demo"):
        LoadedModels().load(replace(there, server=Server("other")))


def test_what_a_server_does_not_know_is_left_out_and_not_sent_again(server, there, picture):
    models = LoadedModels()
    models.load(there)
    server.behave = "picky"
    prediction, _ = asked(there, picture, models)
    assert prediction.status == "ok" and len(server.questions) == 5  # three fields, one name, then the answer
    last = server.questions[-1]
    assert "skip_special_tokens" not in last and last["max_completion_tokens"] == 200 and last["stream"]
    assert prediction.annotations[0].score is None


def test_an_adapter_is_loaded_into_the_running_server_and_unloaded(server, there, demo, picture):
    tuned = demo  # whatever answers, the name is asked for
    server.loadable["/adapters/mine"] = tuned
    spec = replace(there, id="owner/mine", adapter="/adapters/mine")
    models = LoadedModels()
    assert asked(spec, picture, models, Generation(max_tokens=4))[0].status != "failed"
    assert server.questions[0]["model"] == "owner-mine" and "owner-mine" in server.adapters
    models.unload(spec)
    deadline = time.monotonic() + 5
    while server.adapters and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.adapters


def test_an_adapter_that_a_server_refuses_is_said_with_its_reason(server, there):
    with pytest.raises(ModelError, match=r"rank 64 is greater than max_lora_rank 16\..*--max-lora-rank"):
        LoadedModels().load(replace(there, adapter="/adapters/large"))
    server.behave = "fixed"
    with pytest.raises(ModelError, match="start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
        LoadedModels().load(replace(there, adapter="/adapters/large"))


def test_tokens_that_end_inside_a_character_keep_their_places():
    said = Said()
    for piece in (exchange.Piece("", ((b"\xe6\x98", -1.0),)), exchange.Piece("星", ((b"\x9f", -2.0),)),
                  exchange.Piece("!", ((b"!", -0.5), (b"<|im_end|>", 0.0)), "stop", 4)):
        said.take(piece)
    from app.backends import Step
    from app.types import Frame
    step = said.step(Step("", 0, "", Frame((1, 1), (1, 1))))
    assert step.text == "星!" and step.tokens == 4
    assert [(token.start, token.end) for token in step.written] == [(0, 0), (0, 1), (1, 2)]


def test_tokens_that_do_not_spell_the_text_give_no_confidence():
    said = Said()
    said.take(exchange.Piece("text", ((b"other", -1.0),)))
    from app.backends import Step
    from app.types import Frame
    assert said.step(Step("", 0, "", Frame((1, 1), (1, 1)))).written == ()


def test_the_coordinate_test_says_that_a_server_does_not_show_what_its_model_sees(there):
    result = selftest(openai.load(there))
    assert result.ok is not False and not result.failures
    assert "a server does not show what it makes of a picture" in json.dumps(result.to_json())
