"""The soak: what a session shows, what is sampled, and what comes of it."""

import csv
import json

import cv2
import numpy as np
import pytest
from support.pictures import greys, small, write_pictures

from scenecode.cli.main import main
from scenecode.slam.benchmarks.soak.command import Soak
from scenecode.slam.benchmarks.soak.plot import plot_samples
from scenecode.slam.benchmarks.soak.samples import Sample, write_samples
from scenecode.slam.benchmarks.soak.session import Place, SessionSource, plan
from scenecode.slam.sources import open_source


def steps(frames=20_000, place=50, other=7, seed=1):
    return list(plan(place, other, frames, np.random.default_rng(seed)))


def test_a_session_walks_and_is_disturbed():
    found = steps()
    assert len(found) == 20_000
    shares = {kind: sum(s.kind == kind for s in found) / len(found)
              for kind in ("walk", "blackout", "unrelated")}
    assert shares["walk"] > 0.8 and shares["blackout"] > 0.01 and shares["unrelated"] > 0.01
    assert all(0 <= s.position < (7 if s.kind == "unrelated" else 50) for s in found)
    steps_taken = [abs(b.position - a.position) for a, b in zip(found, found[1:])
                   if a.kind == b.kind == "walk"]
    assert np.mean(np.array(steps_taken) == 1) > 0.99 and max(steps_taken) > 1  # a few cuts
    assert {s.position for s in found if s.kind == "walk"} == set(range(50))


def test_sessions_are_repeatable_and_differ_by_seed():
    assert steps(3000) == steps(3000) and steps(3000) != steps(3000, seed=2)


def test_a_place_of_one_image_can_be_walked_through():
    assert {s.position for s in steps(2000, place=1) if s.kind == "walk"} == {0}


def test_frames_are_as_planned(tmp_path):
    here, there = (Place.keep(open_source(str(write_pictures(
        tmp_path / name, [f"{i}.png" for i in range(n)])), small()), name)
        for name, n in (("here", 3), ("there", 5)))
    source = SessionSource(here, there, 1500, seed=0)
    frames = list(source)
    assert [f.index for f in frames] == list(range(1500)) and len(source.kinds) == 1500
    assert frames[30].timestamp == pytest.approx(1.0)
    for kind, possible in (("walk", {10, 20, 30}), ("blackout", {0}),
                           ("unrelated", {10, 20, 30, 40, 50})):
        assert set(greys(f for f, k in zip(frames, source.kinds) if k == kind)) <= possible
    assert {f.camera for f in frames} == {frames[0].camera}


@pytest.fixture
def samples():
    return [Sample(seconds=float(i), frames=100 * i, session=1 + i // 3, resident_mb=900.0 + i,
                   keyframes=i, reused=0, culled=0, lag_median_ms=None if i == 0 else 10.0 * i,
                   lag_max_ms=None if i == 0 else 20.0 * i, output_lag_max_ms=None, file_mb=0.1)
            for i in range(6)]


def test_samples_are_kept_and_drawn(samples, tmp_path):
    write_samples(tmp_path / "a.csv", samples)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert len(rows) == 6 and rows[2]["frames"] == "200" and rows[0]["lag_max_ms"] == ""
    plot_samples(tmp_path / "a.png", "a soak", samples)
    assert cv2.imread(str(tmp_path / "a.png")).std() > 5
    plot_samples(tmp_path / "b.png", "interrupted at once", [])


@pytest.mark.slow
def test_a_short_soak_over_two_rooms(tiny_weights, tmp_path, capsys):
    out = tmp_path / "out"
    status = main(["bench", "soak", "rooms:1:12", "rooms:2:12", "--out", str(out), "--frames",
                   "40", "--session", "30", "--every", "0.2", "--json", "--model",
                   str(tiny_weights), "--set",
                   "mapping.schedule=[{stage: geometry, level: 3, iterations: 1}]"])
    summary = json.loads(capsys.readouterr().out)
    assert status == 0 and summary == json.loads((out / "soak.json").read_text())
    assert [s["frames"] for s in summary["sessions"]] == [30, 10] and summary["frames"] == 40
    assert summary["sessions"][0]["report"]["frames"] == 30
    assert 100 < summary["resident_mb"]["peak"] < 20_000
    assert summary["tracked_share"]["walk"] > 0
    assert (out / "rooms_1_12" / "map.ply").is_file()
    rows = list(csv.DictReader((out / "soak.csv").open()))
    assert rows[-1]["frames"] == "40" and rows[-1]["session"] == "2"
    assert cv2.imread(str(out / "soak.png")) is not None


def test_what_makes_no_sense_is_refused(capsys, tmp_path):
    assert main(["bench", "soak", "rooms:1:3", "--out", str(tmp_path), "--frames", "0"]) == 1
    assert "must be positive" in capsys.readouterr().err


def test_what_sessions_gave_is_kept_when_a_later_one_fails(tmp_path, monkeypatch, tiny_weights):
    def one_works(soak, session, source, advance):
        if len(soak.sessions) == 2:
            raise RuntimeError("the second")
        session.frames, soak.frames = 5, 5

    monkeypatch.setattr(Soak, "_run_session", one_works)
    with pytest.raises(RuntimeError, match="the second"):
        main(["bench", "soak", "rooms:1:4", "--model", str(tiny_weights), "--frames", "10",
              "--session", "5", "--out", str(tmp_path / "out")])
    assert json.loads((tmp_path / "out/soak.json").read_text())["frames"] == 5
    assert (tmp_path / "out/soak.csv").exists() and (tmp_path / "out/soak.png").exists()
