"""The page as a person sees it: a headless browser loads it and finds the scene.

Nothing is installed or downloaded here; without Debian's browser the tests are skipped.
"""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.box_room import room_snapshot

from scenecode.networks.classes import NYU13
from scenecode.viewer.web import WebViewer

webdriver = pytest.importorskip("selenium.webdriver",
                                reason="needs selenium: pip install -e '.[test]'")
By = pytest.importorskip("selenium.webdriver.common.by").By
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

#: Seconds; a page drawn in software on a busy machine is slow to come.
PATIENCE = 120
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1100,700")
WALL = NYU13.names.index("wall")
#: How far a channel may be off the colour sought: the browser's rounding.
TOLERANCE = 12
#: Share of the picture that the room's walls fill at the least.
WALLS_SHARE = 0.05


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs a browser: Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    session = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture(scope="module")
def room():
    return room_snapshot(keyframes=3, width=128, step=1, full_turn=1.5)


@pytest.fixture(scope="module")
def viewer(room):
    viewer = WebViewer(port=0)
    viewer.show(room)
    yield viewer
    viewer.close()


@pytest.fixture(scope="module")
def page(browser, viewer):
    browser.get(viewer.url)
    wait(browser, lambda: "Keyframes" in text(browser))
    return browser


def wait(browser, condition):
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.2).until(lambda _: condition())


def text(browser) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def picture(browser) -> np.ndarray:
    """The page as (H, W, 3) integers, RGB."""
    png = np.frombuffer(browser.get_screenshot_as_png(), np.uint8)
    return cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)


def scene_share(browser, colours) -> float:
    """Share of the scene, side panels left out, that has one of ``colours``."""
    canvas = max(browser.find_elements(By.TAG_NAME, "canvas"), key=lambda c: c.size["width"])
    box = canvas.rect
    left, top = int(box["x"]), int(box["y"])
    view = picture(browser)[top : top + int(box["height"]), left : left + int(box["width"])]
    near = [np.abs(view - colour).max(-1) < TOLERANCE for colour in colours]
    return float(np.logical_or.reduce(near).mean())


def wall_share(browser) -> float:
    return scene_share(browser, [NYU13.colours[WALL]])


def bright_tiles(room) -> np.ndarray:
    """The colours that the walls' tiles have in the images."""
    view = room.keyframes[0]
    return np.unique(view.image[view.labels == WALL], axis=0).astype(int)


def choose_colours(browser, mode: str) -> None:
    """Pick ``mode`` in the page's menu, as a person does."""
    menu = next(box for box in browser.find_elements(By.TAG_NAME, "input")
                if box.get_attribute("value") in ("image", "class", "confidence"))
    menu.click()
    wait(browser, lambda: _options(browser, mode))[0].click()


def _options(browser, mode: str):
    return [o for o in browser.find_elements(By.CSS_SELECTOR, "[role=option]")
            if o.is_displayed() and o.text == mode]


@pytest.mark.slow
def test_names_every_class_and_the_state(page, room):
    shown = text(page)
    assert all(name in shown for name in NYU13.names)
    assert "Tracking" in shown and f"{len(room.cloud.points):,}" in shown
    # the current frame, its depth and its classes
    wait(page, lambda: len([i for i in page.find_elements(By.TAG_NAME, "img")
                            if i.size["width"] > 100]) >= 3)


@pytest.mark.slow
def test_draws_the_room_in_the_colours_of_its_images_then_of_its_classes(page, room):
    wait(page, lambda: scene_share(page, bright_tiles(room)) > WALLS_SHARE)
    assert wall_share(page) < 0.01
    choose_colours(page, "class")
    wait(page, lambda: wall_share(page) > WALLS_SHARE)
    assert scene_share(page, bright_tiles(room)) < WALLS_SHARE
    page.find_element(By.XPATH, "//label[normalize-space()='Map']").click()
    wait(page, lambda: wall_share(page) < 0.01)


@pytest.mark.slow
def test_page_shows_when_the_camera_is_lost(page, viewer, room):
    viewer.show(replace(room, live=replace(room.live, lost=True)))
    wait(page, lambda: "Lost" in text(page) and "Tracking" not in text(page))
