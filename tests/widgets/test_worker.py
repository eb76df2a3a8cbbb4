"""Work on another thread."""

from __future__ import annotations

import threading

import pytest

from napari_semantic_sam.widgets.worker import Job, Progress


class Owner:
    """Notes what it hears, and on which thread."""

    def __init__(self):
        self.ended, self.heard, self.threads = [], [], set()

    def on_end(self, job):
        self.ended.append(job)
        self.threads.add(threading.current_thread())

    def on_progress(self, job):
        self.heard.append(job.progress)
        self.threads.add(threading.current_thread())


@pytest.fixture
def owner(qapp):
    return Owner()


def test_result_and_progress_arrive_on_the_main_thread(owner, qtbot):
    threads = []

    def work(job):
        threads.append(threading.current_thread())
        job.report("half", 0.5)
        return 42

    job = Job(work, owner.on_end, owner.on_progress)
    job.start()
    qtbot.waitUntil(lambda: owner.ended == [job])
    assert (job.result, job.error) == (42, None)
    assert owner.heard == [Progress("half", 0.5)]
    assert owner.threads == {threading.main_thread()}
    assert threads != [threading.main_thread()]


@pytest.mark.parametrize("error", [RuntimeError("CUDA error"), ValueError("shape")])
def test_every_error_arrives(owner, qtbot, error):
    def work(job):
        raise error

    job = Job(work, owner.on_end)
    job.start()
    qtbot.waitUntil(lambda: owner.ended == [job])
    assert job.error is error


def test_a_cancelled_job_is_not_heard_of(owner, qtbot):
    gate, done = threading.Event(), threading.Event()

    def work(job):
        gate.wait(10)
        seen = job.is_cancelled()
        job.report("too late")
        done.set()
        return seen

    job = Job(work, owner.on_end, owner.on_progress)
    job.start()
    job.cancel()
    gate.set()
    last = Job(lambda job: done.wait(10), owner.on_end)
    last.start()
    qtbot.waitUntil(lambda: owner.ended == [last])
    assert owner.heard == []


def test_an_owner_that_is_gone_hears_nothing(owner, qtbot):
    other = Owner()
    gate = threading.Event()
    job = Job(lambda job: gate.wait(10), other.on_end)
    job.start()
    del other
    gate.set()
    last = Job(lambda job: 1, owner.on_end)
    last.start()
    qtbot.waitUntil(lambda: owner.ended == [last])
