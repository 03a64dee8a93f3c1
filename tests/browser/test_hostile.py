"""Hostile words and files in the real browser: no script runs, nothing hangs, and what is refused says why."""
from __future__ import annotations

import io
import json

import PIL.Image
from playwright.sync_api import expect

from app.types import Annotation, Point
from tests.browser.stage import Beat, Part
from tests.browser.test_compare import status

RUN = "window.hacked=1"
CORPUS = [
    f"<script>{RUN}</script>", f"<img src=x onerror={RUN}>", f'"><svg/onload={RUN}>', f"'><body onload={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>", f"<a href=javascript:{RUN} autofocus onfocus={RUN}>x</a>",
    f"<details open ontoggle={RUN}>", f"<input autofocus onfocus={RUN}>", f"<video><source onerror={RUN}></video>",
    f"<style>@import 'javascript:{RUN}'</style>", f"<math><mtext><img src onerror={RUN}></mtext></math>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>", f"<svg><a xlink:href='javascript:{RUN}'><text>x</text></a>",
    f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</script><script>{RUN}</script>",
    f"<!--><img src=x onerror={RUN}>-->", f"<![CDATA[<script>{RUN}</script>]]>", f"<object data=javascript:{RUN}>",
    f"{{{{constructor.constructor('{RUN}')()}}}}", f"${{{RUN}}}", f"#{{{RUN}}}", f"<%= {RUN} %>", f"javascript:{RUN}",
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e", f"&lt;script&gt;{RUN}&lt;/script&gt;", f"`;{RUN};`",
    f"';{RUN};//", f"[x](javascript:{RUN})", f"![x](x\" onerror=\"{RUN})", f"$$\\href{{javascript:{RUN}}}{{x}}$$",
    f"\u202e<script>{RUN}</script>", f"<scr\x00ipt>{RUN}</scr\x00ipt>", f"<IMG SRC=x OnErRoR={RUN}>",
    f"<template shadowrootmode=open><script>{RUN}</script></template>", f"<marquee onstart={RUN}>",
    "x/../../etc/passwd",
    f"<form><button formaction=javascript:{RUN}>x</button></form>", f"<link rel=stylesheet href=x onerror={RUN}>",
    "=cmd|' /C calc'!A0", f"data:text/html,<script>{RUN}</script>",
]


def png(colour="#789"):
    file = io.BytesIO()
    PIL.Image.new("RGB", (320, 240), colour).save(file, "PNG")
    return file.getvalue()


def test_no_script_of_the_corpus_runs_as_name_caption_label_joint_prompt_or_answer(visit, stage):
    hostile = tuple(Annotation(text, (10.0 + n, 10.0 + n, 90.0 + n, 90.0 + n), (Point(text, 20, 20),), id=text)
                    for n, text in enumerate(CORPUS))
    stage.reset(first=Part((Beat("\n".join(CORPUS), hostile),)),
                second=Part((Beat(CORPUS[0]),), "unreadable", tuple(CORPUS)))
    files = [{"name": text.replace("\x00", "").replace("/", "∕") + ".png", "mimeType": "image/png",
              "buffer": png(f"#{100 + n}")} for n, text in enumerate(CORPUS)]
    rows = [{"file": file["name"], "caption": text} for file, text in zip(files, CORPUS, strict=True)]
    files.append({"name": f"{CORPUS[0]}.jsonl", "mimeType": "text/plain",
                  "buffer": "\n".join(map(json.dumps, rows)).encode()})
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.set_input_files("#tray .tray-files", files)
    expect(page.locator(".tray-card")).to_have_count(len(CORPUS), timeout=30_000)
    page.click("#run-one")
    expect(status(page, "first")).to_contain_text(f"{len(CORPUS)} boxes", timeout=30_000)
    assert page.locator("#panel-first .answer-text").text_content() == "\n".join(CORPUS)
    for drawer in page.locator("summary, #history > button").all():
        if drawer.is_visible():
            drawer.click()
    page.locator("#panel-first .overlay-object").first.hover(force=True)
    page.fill("#panel-first .panel-prompt textarea", CORPUS[1])
    page.locator("#panel-first .panel-again").click()
    page.click("#share")
    expect(page.locator("#link")).to_be_visible()
    expect(page.locator("#history-strip .strip-item")).to_have_count(1)
    page.wait_for_timeout(800)
    assert page.evaluate("window.hacked") is None and not dialogs
    handlers = page.evaluate("""() => [...document.querySelectorAll('*')].flatMap(node => [...node.attributes])
        .filter(({name, value}) => /^on/i.test(name) || (/href|src|action|data$/i.test(name)
            && /^\\s*(javascript|data:text)/i.test(value))).map(({name}) => name)""")
    assert handlers == []


def test_ninety_hostile_files_at_once_are_shown_or_refused_and_the_page_goes_on(visit, stage, shared):
    files = sorted((shared / "hostile_images" / "files").iterdir())
    page = visit()
    page.set_input_files("#tray .tray-files", [str(path) for path in files])
    expect(page.locator(".tray-card")).to_have_count(48, timeout=60_000)
    assert page.locator(".tray-problems li").count() + 48 >= len(files)
    page.click("#run-one")
    expect(status(page, "first")).to_contain_text("answered ·")


def test_hostile_files_of_our_own_are_refused_each_with_its_sentence(visit, stage):
    whole = io.BytesIO()
    PIL.Image.effect_noise((300, 200), 50).save(whole, "PNG")
    huge = io.BytesIO()
    PIL.Image.new("1", (12_000, 9_000)).save(huge, "PNG")
    files = {"cut.png": whole.getvalue()[:9000], "words.jpg": b"these are words", "empty.png": b"", "huge.png":
             huge.getvalue(), "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>window.hacked=1</script>"
             b"</svg>", "good.png": png()}
    page = visit()
    page.set_input_files("#tray .tray-files", [{"name": name, "mimeType": "image/png", "buffer": content}
                                               for name, content in files.items()])
    expect(page.locator(".tray-name")).to_have_text(["good.png"], timeout=20_000)
    for name in ("cut.png", "words.jpg", "empty.png", "huge.png", "drawing.svg"):
        expect(page.locator(".tray-problems")).to_contain_text(name)
    expect(page.locator(".tray-problems")).to_contain_text("108 megapixels")
    assert page.evaluate("window.hacked") is None
