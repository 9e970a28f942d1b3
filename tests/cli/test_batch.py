"""Many recordings: the list, what is resumed, what fails alone, Ctrl-C, a cluster."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.pictures import picture, write_picture

from scenecode.cli import batch
from scenecode.cli.batch_job import FAILED, FINISHED, RUNNING, Record, write_record
from scenecode.cli.batch_list import read_list
from scenecode.cli.main import INTERRUPTED, main
from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ConfigError
from scenecode.core.jobs import open_executor
from scenecode.slam.mapfile.summary import summarise
from scenecode.slam.output.result_folder import load_result

#: Seconds that a sub-process may take on a busy machine.
PATIENCE = 180


@pytest.fixture
def each(tiny_weights):
    """Options for a tiny network and a short schedule."""
    return (f"--model '{tiny_weights}' --set width=64 --set height=64 --set "
            "'mapping.schedule=[{stage: geometry, level: 3, iterations: 2}]'")


@pytest.fixture
def listed(tmp_path):
    """Writes a list."""
    def write(*lines):
        path = tmp_path / "list.txt"
        path.write_text("\n".join(lines) + "\n")
        return str(path)
    return write


@pytest.fixture
def here(monkeypatch):
    """Recordings are mapped in this process, which is faster."""
    monkeypatch.setattr(batch, "open_executor",
                        lambda workers, cluster, one_job_each: open_executor(1))


# -- the list ---------------------------------------------------------------------------------

def test_a_line_is_what_run_takes(listed):
    entries = read_list(listed(
        "# a comment", "", 'a/kitchen.mp4 --intrinsics 525,525,320,240',
        '"living room#1.mp4" --stride 2 --name living', r"C:\videos\desk --fps 10",
        "rooms:7:150"), "--max-frames 9")
    assert [entry.name for entry in entries][:2] == ["kitchen.mp4", "living"]
    assert entries[3].name == "rooms_7_150"
    assert entries[1].arguments == ("--max-frames", "9", "living room#1.mp4", "--stride", "2",
                                    "--name", "living")
    assert entries[2].arguments[2] == r"C:\videos\desk"


@pytest.mark.parametrize("line, message", [
    ("a.mp4 --strid", "line 2: .*expected one argument"),
    ("a.mp4 --nonsense", "line 2: .*--nonsense"),
    ("--stride 2", "line 2: .*SOURCE"),
    ("a.mp4 --intrinsics 1,2", "line 2: .*intrinsics"),
    ("a.mp4 --set mapping.windw=3", "line 2: .*window"),
    ("'a.mp4", "line 2: No closing quotation"),
    ("a.mp4 --out b", "line 2: --out is for scenecode run"),
    ("a.mp4 --view", "line 2: --view is for scenecode run"),
    ("a.mp4 --localise", "line 2: --localise needs the map"),
    ("a.mp4 --map ./ok.map", "line 2: the map ./ok.map is written by line 1, too"),
    ("b/OK.mp4", "would be called OK.mp4, ok.mp4; add --name"),
])
def test_wrong_lines_are_named_before_anything_runs(listed, line, message):
    with pytest.raises(ConfigError, match=message):
        read_list(listed("ok.mp4 --map ok.map", line))


def test_lists_that_are_none_are_refused(listed, tmp_path):
    with pytest.raises(ConfigError, match="lists no recording"):
        read_list(listed("# nothing"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_list(tmp_path / "absent.txt")


def test_a_hidden_name_is_shown(listed):
    assert read_list(listed(".videos --name ../a"))[0].name == "_._a"


# -- what is run, and what is run again -------------------------------------------------------

@pytest.mark.slow
def test_one_result_each_and_failures_are_told(here, each, listed, tmp_path, capsys):
    out = tmp_path / "out"
    call = ["batch", listed("rooms:1:8", "absent.mp4", f"rooms:2:6 --name two --map {out}/2.map"),
            "--out", str(out), "--each", each, "--json"]
    assert main(call) == 1
    found = json.loads(capsys.readouterr().out)
    assert [found[name]["state"] for name in found] == [FINISHED, FAILED, FINISHED]
    assert found["rooms_1_8"]["report"]["frames"] == 8 and found["two"]["frames"] == 6
    assert len(load_result(out / "two").keyframes) == found["two"]["report"]["keyframes"]
    assert summarise(out / "2.map")["frames"] == 6
    assert "no such file" in found["absent.mp4"]["error"]
    assert json.loads((out / "absent.mp4.json").read_text()) == found["absent.mp4"]
    # the second call runs what failed, and nothing else
    before = (out / "two.json").stat().st_mtime_ns
    assert main(call[:-1]) == 1
    text = capsys.readouterr()
    assert "no such file" in text.out and "absent.mp4: failed" in text.err
    assert "two:" not in text.err and (out / "two.json").stat().st_mtime_ns == before


@pytest.fixture
def recorded(here, monkeypatch, tmp_path):
    """Runs a batch whose recordings only leave a record; gives the names of those that ran."""
    def call(path):
        ran = []

        def fake(job):
            ran.append(job.name)
            job.result.mkdir(exist_ok=True)
            write_text(job.result / "report.json", "{}")
            record = Record(state=FINISHED, arguments=job.entry.arguments)
            write_record(job, record)
            return record

        monkeypatch.setattr(batch, "map_recording", fake)
        assert main(["batch", path, "--out", str(tmp_path / "out")]) == 0
        return ran
    return call


def test_only_what_is_missing_or_changed_is_run_again(recorded, listed, tmp_path):
    lines = [f"{name}.mp4" for name in "abcde"]
    assert recorded(listed(*lines)) == lines
    assert recorded(listed(*lines)) == []
    out = tmp_path / "out"
    (out / "a.mp4.json").unlink()
    (out / "b.mp4" / "report.json").unlink()
    interrupted = json.loads((out / "c.mp4.json").read_text()) | {"state": RUNNING}
    (out / "c.mp4.json").write_text(json.dumps(interrupted))
    (out / "d.mp4.json").write_text("cut of")
    changed = [*lines[:4], "e.mp4 --stride 2", "f.mp4"]
    assert recorded(listed(*changed)) == [f"{name}.mp4" for name in "abcdef"]


def test_a_program_error_is_kept_with_its_traceback(here, each, listed, tmp_path, monkeypatch):
    def broken(*args, **keywords):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("scenecode.cli.batch_job.System", broken)
    out = tmp_path / "out"
    assert main(["batch", listed("rooms:1:3"), "--out", str(out), "--each", each]) == 1
    assert "RuntimeError: no such thing" in (out / "rooms_1_3.json").read_text()
    assert "in broken" in (out / "rooms_1_3.log").read_text()


def test_recordings_that_give_no_map_fail(here, each, listed, tmp_path, capsys):
    (tmp_path / "black").mkdir()
    for i in range(3):
        write_picture(tmp_path / "black" / f"{i}.png", picture(0))
    assert main(["batch", listed(f"{tmp_path / 'black'}"), "--out", str(tmp_path / "out"),
                 "--each", each]) == 1
    assert "enough contrast" in capsys.readouterr().out
    assert "guessing a field of view" in (tmp_path / "out" / "black.log").read_text()


# -- processes --------------------------------------------------------------------------------

@pytest.fixture
def started():
    """Starts a batch, which ends with the test."""
    processes = []

    def start(arguments, folder):
        processes.append(subprocess.Popen(
            [sys.executable, "-m", "scenecode", "batch", *arguments], cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:      # the test failed
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)


def running_record(out, name):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        path = out / f"{name}.json"
        if path.is_file():
            record = json.loads(path.read_text())
            assert record["state"] == RUNNING, record
            return record
        time.sleep(0.05)
    raise AssertionError("the recording did not start")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills processes as Linux does")
def test_a_killed_recording_fails_alone_and_ctrl_c_ends_all(started, each, listed, tmp_path):
    out = tmp_path / "out"
    arguments = [listed("pingpong:rooms:1:12:5000 --name long", "rooms:2:6 --name short"), "--out",
                 str(out), "--workers", "2", "--each", each]
    process = started(arguments, tmp_path)
    os.kill(running_record(out, "long")["pid"], signal.SIGKILL)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "ended abruptly" in " ".join(text.split())
    states = {name: json.loads((out / f"{name}.json").read_text())["state"]
              for name in ("long", "short")}
    assert states == {"long": FAILED, "short": FINISHED}

    # the second call runs the failed one, until Ctrl-C
    (out / "long.json").unlink()
    process = started(arguments, tmp_path)
    pid = running_record(out, "long")["pid"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED and "the same command goes on" in err
    assert "Traceback" not in err
    assert json.loads((out / "long.json").read_text())["state"] == RUNNING
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_a_cluster_of_two_processes_maps_the_list(each, listed, tmp_path, capsys):
    distributed = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
    out = tmp_path / "out"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  dashboard_address=":0") as cluster:
        path = listed("rooms:1:6", "absent.mp4", "rooms:2:6", "rooms:3:6")
        assert main(["batch", path, "--out", str(out), "--cluster", cluster.scheduler_address,
                     "--each", each, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [found[name]["state"] for name in found] == [FINISHED, FAILED, FINISHED, FINISHED]
    assert os.getpid() not in {record["pid"] for record in found.values()}
    assert all(len(load_result(out / f"rooms_{n}_6").keyframes) for n in (1, 2, 3))


def test_two_batches_do_not_share_a_folder(here, each, listed, tmp_path, capsys, monkeypatch):
    path = listed("rooms:1:3")

    def second(job):
        assert main(["batch", path, "--out", str(tmp_path / "out")]) == 1
        assert "another batch writes" in " ".join(capsys.readouterr().err.split())
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "map_recording", second)
    assert main(["batch", path, "--out", str(tmp_path / "out")]) == INTERRUPTED
