"""The pictures of docs/viewer.md: ``python tests/support/page_screenshots.py`` makes a map of a
built-in room, opens its page in a headless browser, and takes them."""

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

ROOT = Path(__file__).parents[2]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--no-first-run")
WIDTH, HEIGHT, SAVED_SIZE, QUALITY = 1280, 720, (960, 540), 75
PATIENCE = 120


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
        self.browser.execute_script(script)
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
        time.sleep(1.5)

    def save(self, path: Path) -> None:
        self.browser.execute_script("document.getElementById('toast').classList.remove('on')")
        time.sleep(0.4)
        png = np.frombuffer(self.browser.get_screenshot_as_png(), np.uint8)
        picture = cv2.resize(cv2.imdecode(png, cv2.IMREAD_COLOR), SAVED_SIZE,
                             interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        print(path)


def saved_pictures(map_file: Path, out: Path) -> None:
    """Pictures of a saved map."""
    command = [sys.executable, "-m", "scenecode", "view", str(map_file), "--port", "0",
               "--no-browser"]
    with served(command) as link:
        page = Page(link)
        try:
            page.save(out / "map.jpg")
            page.do("app.setSetting('mode', 1)")
            page.click(0.5, 0.6)
            page.save(out / "point.jpg")
            page.do("app.drawer.open(app.keyframes[1].index)")
            page.do("app.openTab('look'); app.setView('fit')")
            page.save(out / "keyframe.jpg")
            page.do("app.escape(); app.setView('top')")
            page.save(out / "plan.jpg")
            page.do("app.setView('fit'); app.openTab('find');"
                    "app.find.input.value = 'table'; app.find.search()")
            page.save(out / "search.jpg")
            surface(page, out)
            page.do("app.setSetting('surface', false); app.setSetting('mode', 1)")
            correct(page, out)
        finally:
            page.browser.quit()


def surface(page: Page, out: Path) -> None:
    """The surface as the cameras saw it and by depth uncertainty, where several keyframes agree
    on one."""
    page.do("app.escape(); app.setView('fit'); app.openTab('look');"
            "app.setSetting('mode', 0); app.setSetting('surface', true)")
    page.until("app.surfaceTriangles !== undefined")
    if page.browser.execute_script("return app.surfaceTriangles"):
        page.do("app.redraw()")
        page.save(out / "surface.jpg")
        page.do("app.setSetting('mode', 5)")
        page.until("app.surfaceAttributesComplete")
        page.do("app.redraw()")
        page.save(out / "surface-uncertainty.jpg")


def correct(page: Page, out: Path) -> None:
    """A correction, before and after, where the map can be corrected."""
    if not page.browser.execute_script("return app.hello.can_correct"):
        return
    page.do("app.openTab('correct'); app.drawer.open(app.keyframes[1].index)")
    page.save(out / "correct-before.jpg")
    page.do("document.querySelector('select[aria-label=Class]').value = 'chair';"
            "const k = app.drawer.current, m = app.drawer.maps;"
            "app.correct.at(k, [Math.round(m.width * .17), Math.round(m.height * .86)])")
    page.until("(app.correct.corrections ?? []).length > 0")
    time.sleep(3)
    page.do("app.drawer.mask = null; app.drawer.open(app.keyframes[1].index)")
    page.save(out / "correct-after.jpg")


def live_pictures(out: Path) -> None:
    """A picture of a run that goes on."""
    command = [sys.executable, "-m", "scenecode", "run", "rooms:7:400", "--view", "--no-browser",
               "--port", "0"]
    with served(command) as link:
        page = Page(link)
        try:
            page.until("app.keyframes.length > 5")
            page.browser.execute_script("app.openTab('run')")
            time.sleep(2)
            page.save(out / "live.jpg")
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
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "viewer")
    parser.add_argument("--map", type=Path, help="a map file, in place of one that is made")
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        map_file = args.map
        if map_file is None:
            map_file = Path(folder) / "room.map"
            subprocess.run([sys.executable, "-m", "scenecode", "run", "rooms:7:300",
                            "--sequential", "--map", str(map_file)], cwd=ROOT, check=True)
        saved_pictures(map_file, args.out)
    live_pictures(args.out)


if __name__ == "__main__":
    main()
