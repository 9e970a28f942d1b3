"""The page as a person uses it: a headless browser loads it, clicks, and sees what changes.

Nothing is installed or downloaded here; without Debian's browser the tests are skipped.
"""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.box_room import room_snapshot
from support.page_client import PATIENCE
from support.repainting_editor import RepaintingEditor

from scenecode.networks.classes import NYU13
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.viewer import shown_map
from scenecode.viewer.web import WebViewer

webdriver = pytest.importorskip("selenium.webdriver",
                                reason="needs selenium: pip install -e '.[test]'")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ActionChains = pytest.importorskip("selenium.webdriver.common.action_chains").ActionChains
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
StaleElement = pytest.importorskip("selenium.common.exceptions").StaleElementReferenceException

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1280,720")
WALL, TABLE = NYU13.names.index("wall"), NYU13.names.index("table")
#: How far a channel may be off the colour sought: rounding, and shading of depth edges.
TOLERANCE = 14
#: Share of the picture that the room's walls fill at the least.
WALLS_SHARE = 0.03

pytestmark = pytest.mark.slow


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
    viewer.show(replace(room, live=None))
    yield viewer
    viewer.close()


@pytest.fixture
def page(browser, viewer):
    load(browser, viewer)
    return browser


def load(browser, viewer):
    browser.execute_cdp_cmd("Storage.clearDataForOrigin", {
        "origin": viewer.url, "storageTypes": "local_storage"})
    browser.get(viewer.link)
    until(browser, "window.app && app.settledVersion !== undefined "
          "&& !document.body.classList.contains('offline')")


def until(browser, condition: str):
    """Wait for a condition in JavaScript."""
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.05).until(
        lambda _: browser.execute_script(f"return {condition}"))


def wait(browser, condition):
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.1).until(lambda _: condition())


def text(browser, selector: str = "body") -> str:
    return browser.find_element(By.CSS_SELECTOR, selector).text


def click(browser, selector: str) -> None:
    # the page may make an element anew between the search and the click
    WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElement]).until(
        lambda _: browser.find_element(By.CSS_SELECTOR, selector).click() or True)


def still(browser) -> None:
    """Wait until everything that moves has come to rest and is drawn."""
    until(browser, "!app.dirty && !app.camera._flight "
          "&& performance.now() > app.restless")


def scene(browser) -> np.ndarray:
    """The canvas of the map as (H, W, 3) integers, RGB."""
    still(browser)
    png = np.frombuffer(browser.get_screenshot_as_png(), np.uint8)
    whole = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)
    box = browser.find_element(By.ID, "scene").rect
    left, top = int(box["x"]), int(box["y"])
    return whole[top : top + int(box["height"]), left : left + int(box["width"])]


def share(browser, colours) -> float:
    """Share of the scene that has one of ``colours``."""
    view = scene(browser)
    near = [np.abs(view - np.asarray(colour)).max(-1) < TOLERANCE for colour in colours]
    return float(np.logical_or.reduce(near).mean())


def wall_share(browser) -> float:
    return share(browser, [NYU13.colours[WALL]])


def bright_tiles(room) -> np.ndarray:
    """The colours that the walls' tiles have in the images."""
    view = room.keyframes[0]
    return np.unique(view.image[view.labels == WALL], axis=0).astype(int)


def colour_by(browser, mode: str) -> None:
    menu = browser.find_element(By.CSS_SELECTOR, "select[aria-label='Colour by']")
    menu.find_element(By.XPATH, f"option[.='{mode}']").click()


def click_point_of(browser, viewer, label: int) -> None:
    """Click where a point of a class is seen that nothing hides."""
    view = scene(browser)
    near = np.abs(view - np.asarray(NYU13.colours[label])).max(-1) < TOLERANCE
    inside = cv2.erode(near.astype(np.uint8), np.ones((7, 7)))
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    assert distance.max() > 2
    canvas = browser.find_element(By.ID, "scene")
    ActionChains(browser).move_to_element_with_offset(
        canvas, int(x) - canvas.rect["width"] // 2, int(y) - canvas.rect["height"] // 2
    ).click().perform()


def test_draws_the_room_in_the_colours_of_its_images_then_of_its_classes(page, room):
    assert "Saved map" in text(page, "#bar") and f"{len(room.cloud):,}" in text(page, "#bar")
    assert share(page, bright_tiles(room)) > WALLS_SHARE
    assert wall_share(page) < 0.01
    colour_by(page, "class")
    assert wall_share(page) > WALLS_SHARE
    page.find_element(By.XPATH, "//label[normalize-space()='Map']").click()
    assert wall_share(page) < 0.001


def test_every_colouring_and_view_draws_something_else(page):
    seen = []
    for mode in ("image", "class", "confidence", "entropy", "height", "depth uncertainty",
                 "keyframe"):
        colour_by(page, mode)
        until(page, "app.settings.mode < 3 || app.attributesComplete")
        seen.append(scene(page))
    for view in ("Bird", "Plan", "Follow", "Walk"):
        page.find_element(By.XPATH, f"//nav/button[.='{view}']").click()
        seen.append(scene(page))
    for number, one in enumerate(seen):
        for other in seen[:number]:
            assert np.abs(one - other).max(-1).mean() > 0.5
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_class_is_hidden_isolated_and_recoloured_by_the_legend(page, viewer, room):
    colour_by(page, "class")
    before = wall_share(page)
    click(page, "[data-class=wall] .name")
    assert wall_share(page) < 0.001 < before
    click(page, "[data-class=wall] .name")
    assert wall_share(page) == pytest.approx(before, rel=0.1)
    page.execute_script("document.querySelector('[data-class=wall] .only').click()")
    others = [c for n, c in enumerate(NYU13.colours) if n != WALL]
    assert wall_share(page) >= before * 0.9 and share(page, others) < 0.002
    page.find_element(By.XPATH, "//button[.='Show all']").click()
    page.execute_script(
        "const i = document.querySelector('[data-class=wall] input'); i.value = '#123456';"
        "i.dispatchEvent(new Event('change'))")
    wait(page, lambda: share(page, [(0x12, 0x34, 0x56)]) > WALLS_SHARE)
    viewer._commands.answer({"do": "set_colour", "class": "wall", "colour": None}, True)
    wait(page, lambda: wall_share(page) > WALLS_SHARE)
    counts = np.bincount(room.cloud.labels, minlength=13)
    title = page.find_element(By.CSS_SELECTOR, "[data-class=wall]").get_attribute("title")
    assert f"{counts[WALL]:,} points" in title and "m²" in title


def test_confidence_ceiling_and_point_size_change_what_is_drawn(page):
    page.execute_script("app.setSetting('fill', false)")
    thin = (scene(page).max(-1) > 60).mean()
    for _ in range(8):
        page.find_element(By.TAG_NAME, "body").send_keys("]")
    assert (scene(page).max(-1) > 60).mean() > 1.12 * thin
    slider(page, "Confidence ≥", 1.0)
    assert (scene(page).max(-1) > 60).mean() < 0.5 * thin
    slider(page, "Confidence ≥", 0.0)
    full = (scene(page).max(-1) > 60).mean()
    slider(page, "Ceiling cut", 0.5)
    assert (scene(page).max(-1) > 60).mean() < 0.8 * full


def test_a_clipping_box_shows_what_is_inside_of_it_only(page):
    full = (scene(page).max(-1) > 60).mean()
    drawn = [full]
    for side in ("X from", "Y from", "Z from"):
        slider(page, side, 0.4)
        drawn.append((scene(page).max(-1) > 60).mean())
    assert drawn[3] < 0.6 * full and drawn[3] <= drawn[2] <= drawn[1] < full
    clip = page.execute_script("return app.settings.clip")
    assert clip == {"low": [0.4] * 3, "high": [1, 1, 1]}
    page.execute_script("[...document.querySelectorAll('button')].find("
                        "b => b.textContent === 'No box').click()")
    assert (scene(page).max(-1) > 60).mean() == pytest.approx(full, rel=0.02)


def slider(browser, name: str, value: float) -> None:
    browser.execute_script(
        "const i = document.querySelector(`input[aria-label='${arguments[0]}']`);"
        "i.value = arguments[1]; i.dispatchEvent(new Event('input'))", name, value)


def test_a_point_that_is_clicked_has_its_class_bars_and_votes(page, viewer):
    colour_by(page, "class")
    click_point_of(page, viewer, WALL)
    wait(page, lambda: text(page, "#tab-point").startswith("wall"))
    shown = text(page, "#tab-point")
    assert "Height over floor" in shown and "PROBABILITIES" in shown and "keyframe" in shown
    assert len(page.find_elements(By.CSS_SELECTOR, "#bars .bar")) == 6
    vote = page.find_element(By.CSS_SELECTOR, "#votes > div")
    assert "wall" in vote.text
    vote.click()
    until(page, "!document.getElementById('drawer').hidden")
    assert text(page, "#keyframe-title").split(" ·")[0].lower() == vote.text.splitlines()[0]


def test_a_keyframe_opens_from_the_timeline_and_tells_classes_on_hover(page, room):
    walk = page.find_element(By.ID, "walk")
    ActionChains(page).move_to_element_with_offset(walk, 20 - walk.rect["width"] // 2, 5
                                                   ).click().perform()
    until(page, "app.drawer.maps !== null")
    shown = [c for c in page.find_elements(By.CSS_SELECTOR, "#drawer canvas") if c.is_displayed()]
    assert len(shown) == 5
    view = room.keyframes[0]
    assert f"Keyframe {view.frame_index} " in text(page, "#keyframe-title")
    labels = page.find_element(By.CSS_SELECTOR, "canvas[data-kind=labels]")
    ActionChains(page).move_to_element(labels).perform()
    middle = NYU13.names[view.labels[view.labels.shape[0] // 2, view.labels.shape[1] // 2]]
    wait(page, lambda: middle in text(page, "#readout"))
    painted = page.execute_script(
        "return [...document.querySelector('canvas[data-kind=image]').getContext('2d')"
        ".getImageData(3, 2, 1, 1).data]")
    assert painted[:3] == view.image[2, 3].tolist()
    page.find_element(By.TAG_NAME, "body").send_keys(".")
    wait(page, lambda: f"Keyframe {room.keyframes[1].frame_index} "
         in text(page, "#keyframe-title"))
    page.find_element(By.XPATH, "//button[.='Look from here']").click()
    until(page, "app.camera.pose !== null")


def test_search_flies_to_an_object_and_boxes_it(page):
    before = page.execute_script("return app.camera.eye")
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    search = page.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("tables", Keys.ENTER)
    wait(page, lambda: "table 1" in text(page, "#objects"))
    still(page)
    assert page.execute_script("return app.camera.eye") != before
    assert "table 1" in text(page, "#overlay")


def test_measures_are_listed_named_and_kept_over_a_reload(page, viewer):
    colour_by(page, "class")
    click(page, "[data-tab=find]")
    click(page, "[data-kind=height]")
    click_point_of(page, viewer, WALL)
    wait(page, lambda: "height:" in text(page, "#reading"))
    ActionChains(page).send_keys(Keys.ENTER).perform()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#measures input"))
    click(page, "#measures input")
    ActionChains(page).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(
        "shelf", Keys.TAB).perform()
    wait(page, lambda: [m.name for m in viewer._annotations.current.measures] == ["shelf"])
    load(page, viewer)
    click(page, "[data-tab=find]")
    assert page.find_element(By.CSS_SELECTOR, "#measures input").get_attribute("value") == "shelf"
    page.find_element(By.CSS_SELECTOR, "#measures button[title='Remove it']").click()
    wait(page, lambda: not page.find_elements(By.CSS_SELECTOR, "#measures input"))


def test_the_area_of_a_polygon_is_that_of_the_corners_that_were_clicked(page, viewer):
    colour_by(page, "class")
    click(page, "[data-tab=find]")
    view = scene(page)
    walls = np.abs(view - np.asarray(NYU13.colours[WALL])).max(-1) < TOLERANCE
    y, x = np.nonzero(cv2.erode(walls.astype(np.uint8), np.ones((9, 9))))
    page.find_element(By.CSS_SELECTOR, "[data-kind=area]").click()
    canvas = page.find_element(By.ID, "scene")
    middle = np.array([canvas.rect["width"] // 2, canvas.rect["height"] // 2])
    for number, at in enumerate((x.argmin(), x.argmax(), y.argmin())):
        right, down = (np.array([x[at], y[at]]) - middle).tolist()
        ActionChains(page).move_to_element_with_offset(canvas, right, down).click().perform()
        until(page, f"app.find.points.length === {number + 1}")
    wait(page, lambda: "area:" in text(page, "#reading") and "m²" in text(page, "#reading"))
    ActionChains(page).send_keys(Keys.ENTER).perform()
    wait(page, lambda: len(viewer._annotations.current.measures) == 1)
    measure = viewer._annotations.current.measures[0]
    a, b, c = np.asarray(measure.points)
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a))
    assert area > 0.01 and measure.value == pytest.approx(area, rel=1e-3)
    assert measure.kind == "area"
    assert f"{area:.{3 if area < 1 else 2}f} m²" in text(page, "#reading")
    viewer._commands.answer({"do": "remove_measure", "number": measure.number}, True)


def test_a_label_that_is_corrected_changes_another_keyframe_too(browser, room):
    saved = replace(room, live=None)
    viewer = WebViewer(port=0)
    viewer.set_editor(RepaintingEditor(saved))
    viewer.show(saved)
    try:
        load(browser, viewer)
        colour_by(browser, "class")
        assert wall_share(browser) > WALLS_SHARE
        click(browser, "[data-tab=correct]")
        browser.find_element(By.XPATH, "//select[@aria-label='Class']/option[.='tv']").click()
        browser.find_element(By.XPATH, "//button[.='Correct' and @title]"
                             "[not(@role='tab')]").click()
        click_point_of(browser, viewer, WALL)
        wait(browser, lambda: "tv" in text(browser, "#corrections"))
        wait(browser, lambda: wall_share(browser) < 0.002)
        assert share(browser, [NYU13.colours[NYU13.names.index("tv")]]) > WALLS_SHARE
        # every keyframe, also those that were not clicked
        for view in room.keyframes:
            browser.execute_script(f"app.drawer.open({view.frame_index})")
            until(browser, f"app.drawer.current?.index === {view.frame_index}")
            assert not browser.execute_script(
                f"return [...app.drawer.maps.labels].includes({WALL})")
        browser.find_element(By.XPATH, "//button[.='Undo']").click()
        until(browser, f"[...app.drawer.maps.labels].includes({WALL})")
        browser.execute_script("app.drawer.close()")
        wait(browser, lambda: wall_share(browser) > WALLS_SHARE)
    finally:
        viewer.close()


class ScriptedRun:
    """Controls of a run that notes what is asked of it."""

    def __init__(self):
        self.asked: list[str] = []
        self.state = "running"

    def pause(self):
        self.asked.append("pause")
        self.state = "paused"

    def resume(self):
        self.asked.append("resume")
        self.state = "running"

    def stop(self):
        self.asked.append("stop")
        self.state = "ended"

    def new_map(self):
        self.asked.append("new_map")

    def status(self):
        return {"state": self.state, "fps": 30.0, "lag_s": 0.2, "memory_mb": 900.0, "waiting": 1}


def test_a_run_is_watched_paused_marked_and_stopped(browser, room):
    run = ScriptedRun()
    viewer = WebViewer(port=0, controls=run)
    viewer.show(room)
    try:
        load(browser, viewer)
        wait(browser, lambda: text(browser, "#state") == "Tracking")
        click(browser, "[data-tab=run]")
        wait(browser, lambda: "30.0" in text(browser, "#tab-run"))
        shown = browser.execute_script(
            "return [...document.querySelector('canvas[data-live=labels]').getContext('2d')"
            ".getImageData(5, 4, 1, 1).data].slice(0, 3)")
        assert shown == list(NYU13.colours[room.live.labels[4, 5]])
        viewer.show(replace(room, live=replace(room.live, lost=True)))
        wait(browser, lambda: text(browser, "#state") == "Lost")
        assert "camera is lost" in text(browser, "#alarm") and "slowly" in text(browser, "#alarm")
        viewer.show(replace(room, live=replace(room.live, frame_index=99)))
        wait(browser, lambda: text(browser, "#state") == "Tracking")
        assert not browser.find_element(By.ID, "alarm").is_displayed()
        click(browser, "#pause")
        wait(browser, lambda: text(browser, "#state") == "Paused")
        click(browser, "#pause")
        wait(browser, lambda: text(browser, "#state") == "Tracking")
        browser.find_element(By.CSS_SELECTOR, "input[aria-label=Note]").send_keys(
            "the door", Keys.ENTER)
        wait(browser, lambda: "the door" in text(browser, "#marks"))
        load(browser, viewer)       # reloaded during the run
        click(browser, "[data-tab=run]")
        wait(browser, lambda: "the door" in text(browser, "#marks"))
        click(browser, "#new-map")
        click(browser, "#stop")
        wait(browser, lambda: text(browser, "#state") == "Finished")
        assert run.asked == ["pause", "resume", "new_map", "stop"]
    finally:
        viewer.close()


def test_a_page_that_may_look_only_offers_no_changes(browser, room):
    viewer = WebViewer(port=0, view_only=True, controls=ScriptedRun())
    viewer.show(room)
    try:
        load(browser, viewer)
        click(browser, "[data-tab=run]")
        until(browser, "document.getElementById('stop').disabled")
        click(browser, "[data-tab=look]")
        assert not browser.find_element(By.CSS_SELECTOR,
                                        "[data-class=wall] input").is_enabled()
        click(browser, "[data-class=wall] .name")
        until(browser, "app.hidden.size === 1")
    finally:
        viewer.close()


def test_beyond_loopback_the_link_opens_the_page_and_the_address_alone_does_not(browser, room):
    viewer = WebViewer("0.0.0.0", port=0)
    viewer.show(room)
    try:
        browser.get(viewer.url)
        assert "those who have its link" in text(browser)
        load(browser, viewer)
        assert browser.execute_script("return app.hello.may_change")
    finally:
        viewer.close()


class OfOneChunk:
    """A ``SurfaceMap`` whose only chunk has a mesh that is given."""

    pending, voxel = 0, 0.03

    def __init__(self, mesh):
        self._mesh = mesh

    def update(self, keyframes, at_most, exactly):
        return {(0, 0, 0)}

    def chunk(self, key):
        return self._mesh


def test_the_surface_is_drawn_in_place_of_points(browser, room, monkeypatch):
    z = 0.3
    vertices = np.array([[-2, -1.2, z], [2, -1.2, z], [2, 1.1, z], [-2, 1.1, z]], np.float32)
    sheet = TriangleMesh(
        vertices=vertices, triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        colours=np.full((4, 3), 90, np.uint8), labels=np.full(4, TABLE, np.uint8),
        confidence=np.ones(4, np.float32),
        normals=np.tile(np.array([0, 0, -1], np.float32), (4, 1)))
    monkeypatch.setattr(shown_map, "SurfaceMap", lambda voxel, classes: OfOneChunk(sheet))
    viewer = WebViewer(port=0)
    viewer.show(replace(room, live=None))
    try:
        load(browser, viewer)
        colour_by(browser, "class")
        before = tinted_share(browser, NYU13.colours[TABLE])
        browser.find_element(By.XPATH, "//label[normalize-space()='Surface']").click()
        until(browser, "app.surfaceTriangles === 2")
        assert tinted_share(browser, NYU13.colours[TABLE]) > max(0.1, 2 * before)
        assert wall_share(browser) < 0.001
        click(browser, "[data-class=table] .name")
        assert tinted_share(browser, NYU13.colours[TABLE]) < 0.01
    finally:
        viewer.close()


def test_a_surface_far_away_is_drawn_by_few_calls_in_coarse_triangles(browser, room, monkeypatch):
    x, y = np.meshgrid(np.linspace(-2, 2, 81), np.linspace(-1.2, 1.1, 47))
    at = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (at[s].ravel() for s in (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1],
                                          np.s_[1:, 1:]))
    sheet = TriangleMesh(
        vertices=np.stack([x, y, np.full_like(x, 0.3)], 2).reshape(-1, 3).astype(np.float32),
        triangles=np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]
                                 ).astype(np.int32),
        colours=np.full((x.size, 3), 90, np.uint8), labels=np.full(x.size, TABLE, np.uint8),
        confidence=np.ones(x.size, np.float32),
        normals=np.tile(np.array([0, 0, -1], np.float32), (x.size, 1)))
    monkeypatch.setattr(shown_map, "SurfaceMap", lambda voxel, classes: OfOneChunk(sheet))
    viewer = WebViewer(port=0)
    viewer.show(replace(room, live=None))
    try:
        load(browser, viewer)
        colour_by(browser, "class")
        browser.find_element(By.XPATH, "//label[normalize-space()='Surface']").click()
        until(browser, f"app.surfaceTriangles === {len(sheet.triangles)}")
        browser.execute_script("app.setView('free', false); app.camera.zoom(0.3)")
        until(browser, "!app.dirty")
        near = browser.execute_script("return app.renderer.drawn")
        browser.execute_script(
            "const gl = app.renderer.gl, draw = gl.drawElements; window.calls = 0;"
            "gl.drawElements = (...all) => { window.calls++; draw.apply(gl, all); };"
            "app.camera.zoom(60); app.redraw()")
        until(browser, "window.calls > 0 && !app.dirty")
        browser.execute_script("window.calls = 0; app.redraw()")
        until(browser, "window.calls > 0 && !app.dirty")
        calls, far = browser.execute_script("return [window.calls, app.renderer.drawn]")
        assert near == len(sheet.triangles) and calls == 1 and 0 < far < 0.2 * near
        browser.execute_script("app.camera.zoom(1 / 12); app.redraw()")
        assert tinted_share(browser, NYU13.colours[TABLE]) > 0.0005
    finally:
        viewer.close()


def test_the_surface_has_every_colouring(browser, room):
    viewer = WebViewer(port=0, error=lambda view: 0.01 * view.depth)
    viewer.show(replace(room, live=None))
    try:
        load(browser, viewer)
        browser.find_element(By.XPATH, "//label[normalize-space()='Surface']").click()
        until(browser, "app.surfaceTriangles > 1000")
        seen = []
        for mode in ("image", "class", "confidence", "entropy", "height", "depth uncertainty",
                     "keyframe", "error"):
            colour_by(browser, mode)
            until(browser, "app.settings.mode < 3 || app.surfaceAttributesComplete")
            seen.append(scene(browser))
        for number, one in enumerate(seen):
            for other in seen[:number]:
                assert np.abs(one - other).max(-1).mean() > 0.5
        # what no keyframe knows is grey, as the background is
        drawn = seen[-1].max(-1) > 40
        assert (np.ptp(seen[-1], -1)[drawn] > 25).mean() > 0.3
    finally:
        viewer.close()


def tinted_share(browser, colour) -> float:
    """Share of the scene that has a colour in any light."""
    view = scene(browser) + 1e-3
    wanted = np.asarray(colour) / np.linalg.norm(colour)
    cosine = view @ wanted / np.linalg.norm(view, axis=-1)
    return float(((cosine > 0.995) & (view.max(-1) > 70)).mean())


def test_the_sheet_of_keys_opens_and_closes(page):
    page.find_element(By.TAG_NAME, "body").send_keys("?")
    wait(page, lambda: "replay the walk" in text(page, "#sheet"))
    page.find_element(By.XPATH, "//dialog//button[.='Close']").click()
    until(page, "!document.getElementById('sheet').open")


def test_the_walk_is_replayed(page):
    page.find_element(By.ID, "play").click()
    until(page, "app.timeline.share > 0")
    until(page, "app.replay === null")     # to its end
    assert page.execute_script("return app.timeline.share") == 1


def test_two_tabs_hide_and_colour_for_themselves_and_share_measures(page, viewer):
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    try:
        load(page, viewer)
        colour_by(page, "class")
        click(page, "[data-class=wall] .name")
        viewer._commands.answer({"do": "save_measure", "kind": "height", "name": "both",
                                 "points": [[0, 0, 1]]}, True)
        until(page, "app.annotations.measures.some(m => m.name === 'both')")
        page.switch_to.window(first)
        until(page, "app.annotations.measures.some(m => m.name === 'both')")
        assert page.execute_script("return [...app.hidden]") == []
    finally:
        page.switch_to.window([h for h in page.window_handles if h != first][0])
        page.close()
        page.switch_to.window(first)
        viewer._commands.answer({"do": "remove_measure", "number": 1}, True)


def test_a_phone_shows_the_map_and_opens_the_panel(page, viewer):
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 390, "height": 780, "deviceScaleFactor": 2, "mobile": True})
    try:
        load(page, viewer)
        canvas = page.find_element(By.ID, "scene").rect
        assert canvas["width"] == 390 and canvas["height"] > 500
        assert not page.find_element(By.ID, "panel").is_displayed()
        click(page, "#panel-toggle")
        assert page.find_element(By.ID, "panel").is_displayed()
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_server_that_comes_back_is_found_again(browser, room):
    first = WebViewer(port=0)
    port = int(first.url.rsplit(":", 1)[1])
    first.show(replace(room, live=None))
    load(browser, first)
    first.close()
    wait(browser, lambda: text(browser, "#state") == "No connection")
    second = WebViewer(port=port)
    try:
        assert second.url == first.url
        second.show(replace(room, version=7, live=None))
        until(browser, "app.settledVersion === 7")
        assert text(browser, "#state") == "Saved map"
    finally:
        second.close()
