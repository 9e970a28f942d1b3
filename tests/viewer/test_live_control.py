"""A run steered from its page: paused, marked, another map begun, stopped."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.page_client import PATIENCE, PageClient

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_run_is_paused_marked_begun_anew_and_stopped_from_its_page(tmp_path):
    out = tmp_path / "walk"
    command = [sys.executable, "-m", "scenecode", "run", "rooms:7:2000", "--sequential", "--view",
               "--no-browser", "--port", "0", "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout if "live at" in line)
            page = PageClient(re.search(r"http://\S+", line).group())
            page.until("live")
            page.ask("pause")
            while page.until("status")["state"] != "paused":
                pass
            page.ask("mark", note="the window")
            frame = [m for kind, m, _ in page.messages if kind == "live"][-1]["frame_index"]
            page.ask("new_map")
            page.messages.clear()
            page.ask("resume")
            while page.until("live")["frame_index"] <= frame:
                pass
            while not (tmp_path / "walk-2" / "classes.json").is_file():
                page.receive()
            page.ask("stop")
            while page.until("status")["state"] != "ended":
                pass
            page.close()
            process.terminate()
            process.wait(PATIENCE)
        finally:
            process.kill()
    assert "the window" in (out / "annotations.json").read_text()
    assert (out / "report.json").is_file() and (tmp_path / "walk-2" / "report.json").is_file()
