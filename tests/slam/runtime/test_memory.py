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


@pytest.mark.skipif(sys.platform != "linux", reason="heaps of the C library of Linux")
def test_blocks_that_threads_have_freed_are_not_kept():
    """Without shared heaps these eight threads keep 150 MB."""
    code = """
import threading
from scenecode.slam.runtime.memory import keep_heaps_small, resident_mb

def make_and_free():
    for _ in range(20):
        blocks = [bytearray(b"x") * 2_000_000 for _ in range(10)]
        kept = bytearray(1000)
        del blocks
    freed.wait()
    measured.wait()

keep_heaps_small()
freed, measured = threading.Barrier(9), threading.Barrier(9)
before = resident_mb()
for _ in range(8):
    threading.Thread(target=make_and_free).start()
freed.wait()
print(resident_mb() - before)
measured.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20
