"""Lists of jobs, here and on a cluster: what fails, fails alone."""

import builtins
import os
import sys
import time

import pytest
from support.jobs import job, slow_job

from scenecode.core.errors import ConfigError, DataError
from scenecode.core.jobs import JobDied, completed, open_executor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes as Linux does")

WHAT = ["a", "raise", "b", "exit", "c", "killed", "d"]


def check_outcomes(found):
    assert sorted(found) == sorted(WHAT)
    assert all(found[name].result[0] == name and found[name].error is None for name in "abcd")
    assert isinstance(found["raise"].error, DataError)
    assert "fetch it again" in str(found["raise"].error)
    for dead in ("exit", "killed"):
        assert isinstance(found[dead].error, JobDied) and found[dead].result is None


@pytest.mark.slow
def test_what_raises_or_dies_fails_alone():
    started = []
    with open_executor(workers=2) as executor:
        found = {done.job: done for done in completed(executor, job, WHAT, started.append)}
    check_outcomes(found)
    assert started == WHAT
    used = {found[name].result[1] for name in "abcd"}
    assert os.getpid() not in used


@pytest.mark.slow
def test_a_job_can_have_a_process_of_its_own():
    with open_executor(workers=1, one_job_each=True) as executor:
        pids = [done.result[1] for done in completed(executor, job, "ab")]
    assert len({*pids, os.getpid()}) == 3


def test_one_worker_is_this_process():
    with open_executor(workers=1) as executor:
        found = {done.job: done for done in completed(executor, job, ["a", "raise", "b"])}
    assert found["a"].result == ("a", os.getpid()) and found["b"].result == ("b", os.getpid())
    assert isinstance(found["raise"].error, DataError)


@pytest.mark.slow
def test_leaving_by_an_exception_ends_what_runs(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with open_executor(workers=2) as executor:
            future = executor.submit(slow_job, str(tmp_path))
            while not (pids := os.listdir(tmp_path)):
                time.sleep(0.05)
            raise KeyboardInterrupt
    assert future.exception() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids[0]), 0)


@pytest.fixture(scope="module")
def cluster():
    """The address of a Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0",
                                  processes=True) as two:
        yield two.scheduler_address


@pytest.mark.slow
def test_a_cluster_does_the_same_and_its_workers_outlive_a_job_that_dies(cluster):
    with open_executor(cluster=cluster) as executor:
        before = set(executor._client.nthreads())
        found = {done.job: done for done in completed(executor, job, WHAT)}
        assert set(executor._client.nthreads()) == before
    check_outcomes(found)


@pytest.mark.slow
def test_workers_of_several_threads_are_refused():
    distributed = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0",
                                  processes=False) as cluster, \
            pytest.raises(ConfigError, match="--nthreads 1"):
        with open_executor(cluster=cluster.scheduler_address):
            pass


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    monkeypatch.setattr("scenecode.core.jobs._CLUSTER_TIMEOUT", 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", processes=False) as none, \
            pytest.raises(ConfigError, match="has no workers"):
        with open_executor(cluster=none.scheduler_address):
            pass


@pytest.mark.slow
def test_a_cluster_that_loses_its_workers_says_so(monkeypatch, caplog):
    distributed = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    monkeypatch.setattr("scenecode.core.jobs._ABSENCE", 0.1)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0",
                                  processes=False) as cluster, \
            open_executor(cluster=cluster.scheduler_address) as executor:
        cluster.scale(0)

        def bring_worker(record):
            if "has no workers any more" in record.getMessage():
                cluster.scale(1)
            return True

        caplog.handler.addFilter(bring_worker)
        # the job waits for a worker
        while executor._client.nthreads():
            time.sleep(0.05)
        found = list(completed(executor, job, ["a"]))
    assert found[0].result[0] == "a"
    assert caplog.text.count("has no workers any more") == 1


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="0 workers"):
        with open_executor(workers=0):
            pass


def test_without_the_extra_the_cure_is_named(monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "distributed":
            raise ImportError(name)
        return imported(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"scenecode\[cluster\]"):
        with open_executor(cluster="tcp://127.0.0.1:1"):
            pass


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    monkeypatch.setattr("scenecode.core.jobs._CLUSTER_TIMEOUT", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense"):
        with pytest.raises(ConfigError, match="no Dask scheduler"):
            with open_executor(cluster=address):
                pass
