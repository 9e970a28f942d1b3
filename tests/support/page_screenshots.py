"""The pictures of docs/viewer.md: ``python tests/support/page_screenshots.py`` makes a map of a
built-in room, opens its page in a headless browser, and takes them; with names (``live plan``)
only these."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from scenecode.slam.benchmarks.corrections.simulated_user import Click, SimulatedUser
from scenecode.slam.output.saved_map import open_saved
from scenecode.slam.sources import open_source

ROOT = Path(__file__).parents[2]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--no-first-run")
WIDTH, HEIGHT, QUALITY = 1280, 720, 80
PATIENCE = 600
#: The walk that is mapped, and the one that is shown when it has so many keyframes.
WALK, LIVE_WALK, LIVE_KEYFRAMES = "rooms:7:450", "rooms:12:600", 14
NAMES = ("live", "map", "point", "keyframe", "plan", "search", "surface", "surface-uncertainty",
         "correct")
#: The eye nearer to the cameras than where all of the map is seen.
CLOSE = "app.setView('fit', false); app.setView('free', false); app.camera.orbit(0, -0.12);" \
        "app.camera.zoom(0.72)"
#: Seconds until a map that changed is shown.
SETTLING = 5
#: Where a point is clicked, as a share of the scene's width and height.
POINT = 0.4, 0.5


class Page:
    """A headless browser at a page of the viewer."""

    def __init__(self, link: str):
        from selenium import webdriver
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, f"--user-data-dir={tempfile.mkdtemp()}"):
            options.add_argument(flag)
        self.browser = webdriver.Chrome(options,
                                        webdriver.ChromeService(shutil.which("chromedriver")))
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False})
        self.browser.set_script_timeout(PATIENCE)
        self.browser.get(link)
        self.until("window.app?.settledVersion !== undefined")
        self.do("")

    def until(self, condition: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.browser.execute_script(f"return {condition}"):
            if time.monotonic() > end:
                raise TimeoutError(condition)
            time.sleep(0.1)

    def do(self, script: str) -> None:
        """Run a script, which may wait for promises, until nothing moves any more."""
        self.browser.execute_async_script(
            f"const done = arguments[0]; (async () => {{ {script} }})().then(() => done())")
        self.until("!app.dirty && !app.camera._flight")
        time.sleep(0.7)

    def click(self, across: float, down: float) -> None:
        """Click at a share of the scene's width and height."""
        from selenium.webdriver.common.action_chains import ActionChains
        canvas = self.browser.find_element("id", "scene")
        size = canvas.rect
        ActionChains(self.browser).move_to_element_with_offset(
            canvas, int((across - 0.5) * size["width"]), int((down - 0.5) * size["height"])
        ).click().perform()

    def save(self, path: Path) -> None:
        self.browser.execute_script("document.getElementById('toast').classList.remove('on')")
        time.sleep(0.4)
        png = np.frombuffer(self.browser.get_screenshot_as_png(), np.uint8)
        cv2.imwrite(str(path), cv2.imdecode(png, cv2.IMREAD_COLOR),
                    [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        print(path, f"{path.stat().st_size / 1e3:.0f} kB")


class Pictures:
    """Pictures of a saved map, in the order in which one page shows them."""

    def __init__(self, page: Page, out: Path, wanted: list[str], click: Click | None):
        self._page, self._out, self._wanted, self._click = page, out, wanted, click

    def take(self) -> None:
        """The pictures that are wanted."""
        page, shot = self._page, self._shot
        shot("map", "app.setView('fit')")
        page.do("app.setSetting('surface', true)")
        page.until("app.surfaceTriangles")
        page.do("app.redraw()")
        shot("surface", CLOSE)
        page.do("app.setSetting('mode', 1)")
        shot("plan", "app.setView('top')")
        if "point" in self._wanted:
            page.do(CLOSE)
            page.click(*POINT)
            page.until("document.getElementById('tab-point').classList.contains('open')")
            page.save(self._out / "point.webp")
        shot("search", f"app.escape(); {CLOSE}; app.openTab('find');"
                       "app.find.input.value = 'table'; await app.find.search()")
        shot("keyframe", "app.escape(); app.openTab('look');"
                         f"await app.drawer.open(app.keyframes[2].index); {CLOSE}")
        page.do("app.escape(); app.setSetting('mode', 5)")
        page.until("app.surfaceAttributesComplete")
        shot("surface-uncertainty", CLOSE)
        page.do("app.setSetting('mode', 1)")
        self._correct()

    def _shot(self, name: str, script: str) -> None:
        """Takes a picture after a script, where it is wanted."""
        if name in self._wanted:
            self._page.do(script)
            self._page.save(self._out / f"{name}.webp")

    def _correct(self) -> None:
        """The click of a user who knows the truth, before and after."""
        page, click = self._page, self._click
        if "correct" not in self._wanted or click is None:
            return
        open_keyframe = f"app.drawer.mask = null; await app.drawer.open({click.keyframe})"
        page.do("for (const lines of ['keyframes', 'path', 'loops']) app.setSetting(lines, false);"
                f"app.openTab('correct'); {open_keyframe}; app.lookFrom(app.drawer.current);"
                "app.showInScene('current', null)")
        page.save(self._out / "correct-before.webp")
        page.do(f"delete app.surfaceTriangles; app.correct.class.selectedIndex = {click.label};"
                f"await app.correct.at(app.drawer.current, {list(click.at)})")
        page.until("app.surfaceTriangles !== undefined")
        page.do(f"{open_keyframe}; app.showInScene('current', null)")
        page.save(self._out / "correct-after.webp")


def largest_mistake(map_file: Path, walk: str) -> Click | None:
    """What a user who knows the truth corrects first."""
    saved, source = open_saved(map_file), open_source(walk)
    truth = {}
    for view in saved.keyframes:
        true = source.frame(view.frame_index).truth
        if true is not None and true.labels is not None:
            truth[view.frame_index] = true.labels.numpy()
    return SimulatedUser(truth, len(saved.classes)).click(
        {view.frame_index: view.labels for view in saved.keyframes})


def saved_pictures(map_file: Path, walk: str, out: Path, wanted: list[str]) -> None:
    """Pictures of a saved map of a walk."""
    command = [sys.executable, "-m", "scenecode", "view", str(map_file), "--port", "0",
               "--no-browser"]
    click = largest_mistake(map_file, walk) if "correct" in wanted else None
    with served(command) as link:
        page = Page(link)
        try:
            Pictures(page, out, wanted, click).take()
        finally:
            page.browser.quit()


def live_picture(out: Path) -> None:
    """A picture of a run that goes on."""
    command = [sys.executable, "-m", "scenecode", "run", LIVE_WALK, "--sequential", "--view",
               "--no-browser", "--port", "0"]
    with served(command) as link:
        page = Page(link)
        try:
            page.until(f"app.keyframes.length >= {LIVE_KEYFRAMES}")
            page.browser.execute_script(f"app.openTab('run'); {CLOSE}")
            time.sleep(SETTLING)
            page.save(out / "live.webp")
        finally:
            page.browser.quit()


class served:
    """A command that prints its link, for the length of a block."""

    def __init__(self, command: list[str]):
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"http://\S+", line):
                return found.group()
        raise RuntimeError("the command ended without a link")

    def __exit__(self, *error) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "viewer")
    parser.add_argument("--map", type=Path, help=f"a map of {WALK}, in place of one that is made")
    args = parser.parse_args()
    wanted = args.names or list(NAMES)
    if unknown := set(wanted).difference(NAMES):
        parser.error(f"no picture is named {', '.join(sorted(unknown))}")
    args.out.mkdir(exist_ok=True)
    if "live" in wanted:
        live_picture(args.out)
    if wanted == ["live"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        map_file = args.map
        if map_file is None:
            map_file = Path(folder) / "room.map"
            subprocess.run([sys.executable, "-m", "scenecode", "run", WALK,
                            "--sequential", "--map", str(map_file)], cwd=ROOT, check=True)
        saved_pictures(map_file, WALK, args.out, wanted)


if __name__ == "__main__":
    main()
