"""The chip of the head and the list of jobs under it, in a real browser and with real processes."""
from __future__ import annotations

import psutil
from playwright.sync_api import expect

SLOW = 20_000


def test_a_job_is_watched_cancelled_and_resumed_from_the_head_of_the_page(visit, stage):
    jobs = stage.jobs
    job = jobs.submit("count", {"steps": 4000, "rest": 0.05, "trouble_at": 9999})
    page = visit()
    chip, card = page.locator("#device .chip"), page.locator(f"#jobs [data-id='{job.id}']")
    expect(chip).to_contain_text("count ", timeout=SLOW)
    expect(card).to_have_count(0)  # the closed list has asked for nothing
    chip.click()
    expect(card.locator(".jobs-status")).to_contain_text("running", timeout=SLOW)
    expect(card.locator("progress")).to_be_visible()
    card.locator(".jobs-head").click()
    expect(card.locator(".jobs-log")).to_contain_text("step ", timeout=SLOW)
    pid = jobs.find(job.id).pid
    card.get_by_text("Cancel").click()
    expect(card.locator(".jobs-status")).to_contain_text("cancelled", timeout=SLOW)
    assert not psutil.pid_exists(pid)
    card.get_by_text("Resume").click()
    expect(card.locator(".jobs-status")).to_contain_text("running", timeout=SLOW)
    assert len(jobs.events(job.id, "step")) > 1
    page.reload()
    expect(chip).to_contain_text("count ", timeout=SLOW)
    jobs.cancel(job.id)
    expect(chip).not_to_contain_text("count ", timeout=SLOW)


def test_a_failed_job_says_why_and_its_words_stay_words(visit, stage):
    hostile = "<img src=x onerror=alert(1)>"
    job = stage.jobs.submit("import", {"path": f"/nowhere/{hostile}.json", "format": "coco", "dataset": hostile})
    page = visit(390, 844)
    page.locator("#device .chip").click()
    card = page.locator(f"#jobs [data-id='{job.id}']")
    expect(card.locator(".jobs-status")).to_contain_text("failed", timeout=SLOW)
    expect(card.locator(".jobs-head b")).to_contain_text(f"into {hostile}")
    expect(card.locator(".jobs-note")).not_to_have_text("")
    assert page.locator("#jobs img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
