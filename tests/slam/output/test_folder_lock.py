"""Two runs do not write into one folder."""

import subprocess
import sys

import pytest

from scenecode.core.errors import ResultError
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder

#: Takes the folder given to it and dies without a word, or when its input ends.
_RUN = """
import os, sys
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder
folder = ResultFolder.create(sys.argv[1], NYU13, "")
print("started", flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_a_folder_is_refused_while_it_is_written_and_free_afterwards(tmp_path):
    out = tmp_path / "out"
    first = ResultFolder.create(out, NYU13, "fps: 1\n")
    with pytest.raises(ResultError, match="in use by another run; give another --out"):
        ResultFolder.create(out, NYU13, "fps: 2\n")
    assert (out / "config.yaml").read_text() == "fps: 1\n"
    first.close()
    ResultFolder.create(out, NYU13, "fps: 2\n").close()
    assert (out / "config.yaml").read_text() == "fps: 2\n"


@pytest.mark.slow
def test_a_run_of_another_process_counts_until_it_dies(tmp_path):
    out = str(tmp_path / "out")
    with subprocess.Popen([sys.executable, "-c", _RUN, out], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "started\n"
        with pytest.raises(ResultError, match="in use"):
            ResultFolder.create(out, NYU13, "")
        other.stdin.close()
        assert other.wait() == 9
    ResultFolder.create(out, NYU13, "").close()
