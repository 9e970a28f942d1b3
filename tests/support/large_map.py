"""A synthetic map of many rooms, to measure the viewer on: ``python tests/support/large_map.py``
prints frames a second and bytes of the page in a headless browser that renders in software."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.box_room import room_snapshot

from scenecode.slam.records.snapshot import FusedCloud, PointCloud, Snapshot

#: Distance of the rooms, metres, and keyframes of each.
ROOM_SPACING, KEYFRAMES_PER_ROOM = 6.0, 20
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--no-first-run", "--window-size=1280,720")


def large_map(keyframes: int = 1000, width: int = 64) -> Snapshot:
    """Rooms on a square grid, each with its own chunk of points."""
    room = room_snapshot(keyframes=KEYFRAMES_PER_ROOM, width=width, step=1)
    count = keyframes // KEYFRAMES_PER_ROOM
    side = int(np.ceil(np.sqrt(count)))
    views, chunks, poses = [], {}, []
    for n in range(count):
        offset = ROOM_SPACING * np.array([n % side, 0, n // side])
        T = np.eye(4)
        T[:3, 3] = offset
        first = n * KEYFRAMES_PER_ROOM
        views += [replace(view, T_world_cam=T @ view.T_world_cam, frame_index=10 * (first + i),
                          timestamp=(first + i) / 3) for i, view in enumerate(room.keyframes)]
        poses.append(T @ room.trajectory)
        whole = room.cloud
        points = (whole.points + offset).astype(np.float32)
        cells = np.floor(points / 1.0).astype(int)
        _, inverse = np.unique(cells, axis=0, return_inverse=True)
        for cell in range(inverse.max() + 1):
            inside = inverse.ravel() == cell
            chunks[len(chunks)] = PointCloud(
                points=points[inside], colours=whole.colours[inside],
                labels=whole.labels[inside], confidence=whole.confidence[inside])
    trajectory = np.concatenate(poses)
    return Snapshot(version=1, classes=room.classes, keyframes=tuple(views),
                    cloud=FusedCloud(chunks), trajectory=trajectory,
                    timestamps=np.arange(len(trajectory)) / 30)


def measured(browser, seconds: float) -> dict:
    """Frames a second of a turning map, and how many points or triangles are drawn."""
    results = {}
    for view in ("fit", "bird", "first"):
        browser.execute_script(f"app.setView('{view}', false)")
        time.sleep(1)
        fps, drawn = browser.execute_async_script(
            "const [seconds, done] = arguments; let n = 0; app.spin = 0.01;"
            "app.on('frame', () => n++);"
            "setTimeout(() => { n = 0; setTimeout(() => { app.spin = 0;"
            "done([n / seconds, app.renderer.drawn]); }, 1000 * seconds); }, 3000);", seconds)
        results[view] = {"fps": fps, "drawn": drawn}
    return results


def main() -> None:
    from selenium import webdriver

    from scenecode.viewer.web import WebViewer
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keyframes", type=int, default=1000)
    parser.add_argument("--width", type=int, default=192, help="of the keyframes, pixels")
    parser.add_argument("--surface", action="store_true", help="measure triangles, too")
    parser.add_argument("--seconds", type=float, default=6)
    args = parser.parse_args()
    snapshot = large_map(args.keyframes, args.width)
    viewer = WebViewer(port=0)
    started = time.perf_counter()
    viewer.show(snapshot)
    shown = time.perf_counter() - started
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False})
        started = time.perf_counter()
        browser.get(viewer.link)
        while not browser.execute_script("return window.app?.settledVersion === 1"):
            time.sleep(0.1)
        loaded = time.perf_counter() - started
        results = {"points": len(snapshot.cloud), "keyframes": len(snapshot.keyframes),
                   "prepare_s": shown, "load_s": loaded, "bytes": browser.execute_script(
                       "return app.connection.bytes")}
        results["points drawn"] = measured(browser, args.seconds)
        if args.surface:
            started = time.perf_counter()
            browser.execute_script("app.setSetting('surface', true)")
            while not browser.execute_script("return app.surfaceTriangles !== undefined"):
                time.sleep(0.1)
            results |= {"triangles": browser.execute_script("return app.surfaceTriangles"),
                        "surface_s": time.perf_counter() - started,
                        "bytes_with_surface": browser.execute_script(
                            "return app.connection.bytes")}
            results["triangles drawn"] = measured(browser, args.seconds)
    finally:
        browser.quit()
        viewer.close()
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
