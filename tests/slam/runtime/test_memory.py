"""Resident memory of this process and of those that it started."""

import subprocess
import sys
import time

import pytest

from scenecode.slam.runtime.memory import peak_memory_mb, resident_mb


def test_the_peak_is_that_of_this_process():
    assert 20 < peak_memory_mb() < 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="other processes are counted on Linux only")
def test_memory_of_processes_that_were_started_counts_while_they_run():
    before = resident_mb()
    code = "import sys; held = b'x' * 100_000_000; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        during = resident_mb()
        process.stdin.close()
        process.wait()
    deadline = time.monotonic() + 20
    while resident_mb() > before + 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert during > before + 90
    assert resident_mb() < before + 50
