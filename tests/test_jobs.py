"""The queue and its supervisor, with real processes: started, adopted, cancelled, resumed, killed, and never twice."""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.jobs import queue, run, supervisor
from app.jobs.queue import Jobs
from app.store import NotFound, Store, StoreError
from app.types import Job

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"count": "tests.workers", "nothing": "tests.no_such_module"}
LONG = {"steps": 1000, "rest": 0.05}

# Supervises until its standard input ends, or until it is killed.
PROGRAM = """
import sys
from pathlib import Path
from app.jobs.queue import Jobs
from app.store import Store
home = Path(sys.argv[1])
store = Store(home)
jobs = Jobs(home / "runs", store.jobs, {"count": "tests.workers"})
jobs.supervise()
print("here", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def opened(tmp_path):
    """opened() → the jobs of a home; each as another process would open them."""
    both = []

    def open_jobs() -> Jobs:
        store = Store(tmp_path / "home")
        jobs = Jobs(tmp_path / "home" / "runs", store.jobs, KINDS)
        both.append((jobs, store))
        return jobs
    yield open_jobs
    jobs = both[0][0]
    for job in jobs.all():
        if job.status == "running" and job.pid and psutil.pid_exists(job.pid):
            os.killpg(job.pid, signal.SIGKILL)
    for jobs, store in both:
        jobs.close()
        store.close()


@pytest.fixture
def jobs(opened) -> Jobs:
    return opened()


def until(true: Callable[[], object], seconds: float = 20) -> float:
    """The seconds until it was true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - began


def supervising(tmp_path: Path) -> subprocess.Popen:
    """Another process that supervises the home, as the page does."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / "home")], cwd=ROOT,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    return process


def begun(jobs: Jobs, spec: dict = LONG, **named) -> Job:
    """A job that has counted a little."""
    job = jobs.submit("count", spec, **named)
    until(lambda: (jobs.settle(start=True), jobs.find(job.id).progress)[1])
    return jobs.find(job.id)


def test_a_job_runs_in_a_process_of_its_own_and_leaves_what_it_found(jobs, tmp_path):
    job = jobs.submit("count", {"steps": 3, "rest": 0.01}, owner="ada")
    assert (job.status, job.pid, job.progress, jobs.all()) == ("queued", None, None, [job])
    done = jobs.wait(job.id, 30)
    assert (done.status, done.exit_code, done.owner, done.problem) == ("done", 0, "ada", "")
    assert done.created <= done.started <= done.ended and done.progress.done == done.progress.total == 3
    assert done.pid != os.getpid() and not psutil.pid_exists(done.pid)
    assert jobs.result(job.id) == {"steps": 3, "device": "", "home": str(tmp_path / "home")}
    assert [told["step"] for told in jobs.events(job.id, "step")] == [1, 2, 3]
    assert jobs.log(job.id)[-1] == "step 3" and jobs.spec(job.id) == {"steps": 3, "rest": 0.01}


def test_a_job_survives_its_supervisor_and_the_next_one_adopts_it(opened, tmp_path):
    """The page is killed and started again: the same process goes on, and is known within five seconds."""
    jobs = opened()
    first = supervising(tmp_path)
    job = jobs.submit("count", LONG)
    until(lambda: jobs.find(job.id).progress)
    assert not jobs.settle(), "two supervisors at once"
    os.killpg(os.getpgid(first.pid), 0)  # it is in our group, so Ctrl-C would reach it …
    assert os.getsid(jobs.find(job.id).pid) == jobs.find(job.id).pid  # … and not the job
    first.kill()
    first.wait()
    before = jobs.find(job.id)
    assert psutil.pid_exists(before.pid)
    jobs.supervise()
    assert until(lambda: jobs._supervisor._lock.is_locked) < 5
    after = jobs.find(job.id)
    assert (after.status, after.pid) == ("running", before.pid)
    until(lambda: jobs.find(job.id).progress.done > before.progress.done)
    jobs.cancel(job.id)
    assert until(lambda: jobs.find(job.id).status == "cancelled") < 3


def test_a_job_that_ended_while_nobody_watched_is_judged_by_what_it_wrote(opened, tmp_path):
    jobs = opened()
    good = jobs.submit("count", {"steps": 20, "rest": 0.1})
    bad = jobs.submit("count", {"steps": 20, "rest": 0.1, "behave": "dies", "trouble_at": 15})
    first = supervising(tmp_path)
    until(lambda: jobs.find(good.id).progress and jobs.find(bad.id).progress)
    first.kill()
    first.wait()
    until(lambda: run.state(jobs.runs / good.id)["status"] == "done")
    until(lambda: len(jobs.events(bad.id, "step")) == 15)
    assert {jobs.find(good.id).status, jobs.find(bad.id).status} == {"running"}, "nobody has looked yet"
    until(lambda: jobs.settle() and "running" not in {jobs.find(good.id).status, jobs.find(bad.id).status})
    ended = run.state(jobs.runs / good.id)["updated"]
    assert (jobs.find(good.id).status, jobs.find(good.id).ended) == ("done", ended)
    assert jobs.find(bad.id).status == "failed"
    assert jobs.find(bad.id).problem == ("it ended without a word (while nobody watched); "
                                         "the last line of its log: step 15")


def test_a_pid_that_was_given_away_again_is_not_adopted_and_not_touched(opened):
    jobs = opened()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    job = jobs.submit("count", LONG)
    started = psutil.Process(stranger.pid).create_time()
    jobs._rows.change(job.id, ["queued"], status="running", started=time.time(),
                      handle={"pid": stranger.pid, "pid_started": started - 3600})
    assert jobs.settle()
    assert jobs.find(job.id).status == "failed" and "without a word" in jobs.find(job.id).problem
    other = jobs.submit("count", LONG)
    jobs._rows.change(other.id, ["queued"], status="running", started=time.time(), stopping=time.time() - 60,
                      handle={"pid": stranger.pid, "pid_started": started - 3600})
    jobs.settle()
    assert jobs.find(other.id).status == "cancelled"
    assert stranger.poll() is None, "somebody else's process was ended"
    same = jobs.submit("count", LONG)
    jobs._rows.change(same.id, ["queued"], status="running", started=time.time(),
                      handle={"pid": stranger.pid, "pid_started": started})
    jobs.settle()
    assert jobs.find(same.id).status == "running", "the same pid and start is the same process"
    stranger.kill()
    stranger.wait()


def test_cancel_ends_a_job_that_listens_and_one_that_does_not(jobs):
    jobs.supervise()
    for behave, code in (("", 143), ("deaf", -signal.SIGKILL)):
        job = jobs.submit("count", LONG | {"behave": behave})
        until(lambda job=job: jobs.find(job.id).progress)
        stopping = jobs.cancel(job.id)
        assert stopping.status == "running" and stopping.stopping
        assert until(lambda job=job: jobs.find(job.id).status != "running") < 3
        ended = jobs.find(job.id)
        assert (ended.status, ended.exit_code, ended.problem) == ("cancelled", code, "")
        assert not psutil.pid_exists(ended.pid)


def test_what_a_job_started_ends_with_it(jobs):
    for end in ("cancel", "finish"):
        spec = {"behave": "parent"} | (LONG if end == "cancel" else {"steps": 2})
        job = begun(jobs, spec)
        child = psutil.Process(jobs.events(job.id, "child")[0]["pid"])
        if end == "cancel":
            jobs.cancel(job.id)
        assert jobs.wait(job.id, 20).status == {"cancel": "cancelled", "finish": "done"}[end]
        until(lambda child=child: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_cancelled_job_that_is_resumed_goes_on_where_it_stopped(jobs):
    job = begun(jobs, {"steps": 30, "rest": 0.03})
    jobs.cancel(job.id)
    stopped = jobs.wait(job.id, 10)
    assert stopped.status == "cancelled" and 0 < stopped.progress.done < 30
    again = jobs.resume(job.id)
    assert (again.id, again.status, again.stopping, again.exit_code) == (job.id, "queued", None, None)
    assert jobs.wait(job.id, 30).status == "done"
    assert [told["step"] for told in jobs.events(job.id, "step")] == list(range(1, 31))


def test_retry_is_a_new_job_that_is_told_the_same(jobs):
    job = jobs.submit("count", {"steps": 2, "behave": "refuses", "trouble_at": 1}, priority=3, owner="ada")
    jobs.wait(job.id, 20)
    new = jobs.retry(job.id)
    assert new.id != job.id and jobs.spec(new.id) == jobs.spec(job.id)
    assert (new.kind, new.priority, new.owner, new.status) == ("count", 3, "ada", "queued")
    assert jobs.find(job.id).status == "failed"


@pytest.mark.parametrize("behave, code, said", [
    ("dies", -9, "it ended without a word (killed, as the system does when memory runs out); "
                 "the last line of its log: step 2"),
    ("leaves", 7, "it ended without a word (exit code 7); the last line of its log: step 2"),
    ("refuses", 1, "row 3 has no picture; add it and import again"),
    ("fault", 1, "a fault in Boxloop (KeyError: 'width'); the log has the details"),
    ("quits", 1, "it left before it was done"),
])
def test_a_job_that_fails_says_why(jobs, behave, code, said):
    job = jobs.submit("count", {"steps": 5, "behave": behave, "trouble_at": 2})
    failed = jobs.wait(job.id, 20)
    assert (failed.status, failed.exit_code, failed.problem) == ("failed", code, said)


def test_a_job_whose_module_cannot_be_run_says_so(jobs):
    failed = jobs.wait(jobs.submit("nothing", {}).id, 20)
    assert failed.status == "failed" and "No module named tests.no_such_module" in failed.problem


def test_one_job_at_a_time_on_each_device_and_a_few_on_the_cpu(jobs):
    on_cpu = [jobs.submit("count", LONG) for _ in range(supervisor.CPU_JOBS + 1)]
    on_gpu = [jobs.submit("count", LONG, device=device) for device in ("cuda", "cuda:0", "cuda:1")]
    jobs.settle(start=True)
    assert [jobs.find(job.id).status for job in on_cpu] == ["running"] * supervisor.CPU_JOBS + ["queued"]
    assert [jobs.find(job.id).status for job in on_gpu] == ["running", "queued", "running"]
    jobs.cancel(on_gpu[0].id)
    until(lambda: (jobs.settle(start=True), jobs.find(on_gpu[1].id).status)[1] == "running")
    assert jobs.find(on_gpu[0].id).status == "cancelled"


@pytest.mark.parametrize("seen, device, named", [(None, "cuda:1", "1"), ("2,GPU-abc", "cuda:1", "GPU-abc"),
                                                 ("2,3", "cpu", "")])
def test_a_job_sees_its_own_device_only(jobs, monkeypatch, seen, device, named):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    job = jobs.submit("count", {"steps": 1}, device=device)
    jobs.wait(job.id, 20)
    assert jobs.result(job.id)["device"] == named


def test_the_higher_priority_goes_first_then_the_older(jobs):
    specs = [("low", -1), ("first", 0), ("second", 0), ("urgent", 5)]
    named = {name: jobs.submit("count", {"steps": 1}, device="cuda:0", priority=priority) for name, priority in specs}
    for job in named.values():
        jobs.wait(job.id, 30)
    began = sorted(named, key=lambda name: jobs.find(named[name].id).started)
    assert began == ["urgent", "first", "second", "low"]


def test_a_queued_job_is_cancelled_at_once_and_never_starts(jobs):
    job = jobs.submit("count", {})
    assert jobs.cancel(job.id).status == "cancelled"
    jobs.settle(start=True)
    assert jobs.log(job.id) == [] and jobs.find(job.id).pid is None


def test_a_process_whose_supervisor_dies_before_it_is_written_down_does_nothing(jobs):
    """Between the start and the commit: the gate's pipe ends, and so does the process, before it has begun."""
    job = jobs.submit("count", {})
    handle = jobs._supervisor._engine.handle(job, "tests.workers", jobs.runs / job.id)
    child = jobs._supervisor._engine._children[handle["pid"]]
    child.stdin.close()
    assert child.wait(20) == 1
    assert not (jobs.runs / job.id / "state.json").exists() and jobs.find(job.id).status == "queued"


def test_a_job_cancelled_between_its_start_and_its_row_does_nothing(jobs, monkeypatch):
    job = jobs.submit("count", {})
    change = jobs._rows.change

    def cancelled_first(id, statuses, **values):
        change(job.id, ["queued"], status="cancelled")
        return change(id, statuses, **values)
    monkeypatch.setattr(jobs._rows, "change", cancelled_first)
    jobs.settle(start=True)
    assert jobs.find(job.id).status == "cancelled" and not (jobs.runs / job.id / "state.json").exists()
    assert not jobs._supervisor._engine._children


def test_a_store_that_cannot_write_starts_nothing_and_recovers(jobs, monkeypatch):
    job = jobs.submit("count", {"steps": 1})
    with monkeypatch.context() as broken:
        broken.setattr(jobs._rows._writer, "write", lambda work: (_ for _ in ()).throw(StoreError("the disk is full")))
        with pytest.raises(StoreError, match="the disk is full"):
            jobs.settle(start=True)
    assert jobs.find(job.id).status == "queued" and not (jobs.runs / job.id / "state.json").exists()
    assert jobs.wait(job.id, 20).status == "done"


def test_only_what_ended_can_be_resumed_and_only_what_has_not_can_be_cancelled(jobs):
    job = jobs.submit("count", {"steps": 1})
    with pytest.raises(ValueError, match="cannot be resumed: it is queued"):
        jobs.resume(job.id)
    jobs.wait(job.id, 20)
    with pytest.raises(ValueError, match="cannot be resumed: it is done"):
        jobs.resume(job.id)
    with pytest.raises(ValueError, match="cannot be cancelled: it is done already"):
        jobs.cancel(job.id)
    for use in (jobs.find, jobs.cancel, jobs.resume, jobs.retry, jobs.log, jobs.result, jobs.events):
        for id in ("nowhere", "../../etc", "", "\x00\ud800"):
            with pytest.raises(NotFound, match="there is no job"):
                use(id)


def test_a_run_whose_folder_is_damaged_or_removed_is_said(jobs):
    gone, torn, waiting = (jobs.submit("count", {"steps": 1}) for _ in range(3))
    jobs.cancel(waiting.id)
    for job in (gone, torn):
        jobs.wait(job.id, 20)
    shutil.rmtree(jobs.runs / gone.id)
    (jobs.runs / torn.id / "state.json").write_text("{")
    (jobs.runs / waiting.id / "spec.json").unlink()
    found = {job.id: job for job in jobs.all()}
    assert found[gone.id].status == "done" and "its log and its result are gone" in found[gone.id].problem
    assert "state.json of the run" in found[torn.id].problem and found[torn.id].progress is None
    assert "has no spec.json" in found[waiting.id].problem
    for use in (jobs.resume, jobs.retry):
        with pytest.raises(ValueError, match=r"has no spec\.json"):
            use(waiting.id)


def test_a_folder_removed_while_its_job_waits_or_runs_is_a_failure(jobs):
    running, waiting = begun(jobs), jobs.submit("count", {})
    for job in (running, waiting):
        (jobs.runs / job.id).rename(jobs.runs / f"elsewhere-{job.id}")
    assert "was removed" in jobs.wait(waiting.id, 20).problem
    assert jobs.wait(running.id, 20).status == "failed" and "was removed" in jobs.find(running.id).problem


def test_a_job_needs_a_known_kind_a_device_and_a_spec_that_json_can_say(jobs):
    for kind, spec, device, said in [("rm", {}, "cpu", "there are: count, nothing"),
                                     ("count", {}, "cuda:0; rm -rf /", "no device"), ("count", {}, "gpu", "no device"),
                                     ("count", {"x": float("nan")}, "cpu", "what JSON can say"),
                                     ("count", {"x": object()}, "cpu", "what JSON can say")]:
        with pytest.raises(ValueError, match=said):
            jobs.submit(kind, spec, device=device)
    assert jobs.all() == [] and [path.name for path in jobs.runs.iterdir() if path.is_dir()] == []


def test_a_queue_has_an_end(jobs, monkeypatch):
    monkeypatch.setattr(queue, "MOST_QUEUED", 2)
    for _ in range(2):
        jobs.submit("count", {})
    with pytest.raises(ValueError, match="2 jobs are waiting already"):
        jobs.submit("count", {})


def test_jobs_of_another_home_on_the_same_store_are_left_alone(opened, tmp_path):
    jobs = opened()
    job = begun(jobs)
    store = Store(tmp_path / "home")
    other = Jobs(tmp_path / "elsewhere", store.jobs, KINDS)
    mine = other.submit("count", {"steps": 1})
    assert other.wait(mine.id, 20).status == "done"
    assert jobs.find(job.id).status == "running" and other._place != jobs._place
    store.close()


@pytest.mark.slow
def test_supervisors_that_are_killed_again_and_again_lose_no_job_and_start_none_twice(opened, tmp_path):
    jobs = opened()
    ids = [jobs.submit("count", {"steps": 20, "rest": 0.02}).id for _ in range(12)]
    turns = 0
    while any(jobs.find(id).status in ("queued", "running") for id in ids):
        turns += 1
        assert turns < 60
        one = supervising(tmp_path)
        time.sleep(0.02 * (turns % 40))
        one.kill()
        one.wait()
    assert {jobs.find(id).status for id in ids} == {"done"}
    assert all([told["step"] for told in jobs.events(id, "step")] == list(range(1, 21)) for id in ids)
    assert turns > 1


class Lender:
    """As LoadedModels lends: notes who borrows, and what is out."""

    def __init__(self):
        self.out, self.asked = {}, []

    @contextlib.contextmanager
    def __call__(self, device: str, needed: int):
        self.asked.append((device, needed))
        self.out[device] = needed
        yield
        del self.out[device]


def test_a_job_that_needs_memory_gets_it_from_the_page_until_it_has_ended(tmp_path):
    store, lender = Store(tmp_path / "home"), Lender()
    jobs = Jobs(tmp_path / "home" / "runs", store.jobs, KINDS, lend=lender)
    jobs.supervise()
    job = jobs.submit("count", LONG | {"behave": "borrows", "bytes": 500, "free": 100})
    until(lambda: jobs.events(job.id, "borrowed"))
    assert jobs.events(job.id, "borrowed")[0]["lent"] is True
    assert lender.asked == [("cpu", 500)] and lender.out == {"cpu": 500}
    jobs.cancel(job.id)
    until(lambda: not lender.out)
    jobs.close(), store.close()


def test_a_job_that_has_room_does_not_wait_and_still_says_what_it_takes(tmp_path):
    store, lender = Store(tmp_path / "home"), Lender()
    jobs = Jobs(tmp_path / "home" / "runs", store.jobs, KINDS, lend=lender)
    job = jobs.submit("count", LONG | {"behave": "borrows", "bytes": 100, "free": 500})
    jobs.settle(start=True)
    until(lambda: jobs.events(job.id, "borrowed"))
    assert jobs.events(job.id, "borrowed")[0]["lent"] is True and not lender.asked
    jobs.supervise()
    until(lambda: lender.out)
    jobs.close()
    until(lambda: not lender.out)
    Jobs(tmp_path / "home" / "runs", store.jobs, KINDS).cancel(job.id)
    jobs.wait(job.id, 20)
    store.close()


def test_where_no_page_answers_a_job_goes_on_with_what_there_is(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.json").write_text("{}")
    monkeypatch.setattr(run, "HEARD", 0.3)
    with run.Run(tmp_path / "run") as here:
        assert here.borrow(500, 100) is False
        assert run.borrowing(here.folder) == 500
        (here.folder / "borrow.json").write_text("[")
        assert run.borrowing(here.folder) == 0
        here.finish()
