"""The controls, the status, the legend and the images next to the scene."""

import html
from collections.abc import Callable

import numpy as np
import viser

from scenecode.core.colours import FARTHEST, NEAREST, depth_colours
from scenecode.networks.classes import ClassSet
from scenecode.slam.records.snapshot import KeyframeView, LiveView, Snapshot
from scenecode.viewer.colours import COLOUR_MODES

#: Point sizes offered, in metres.
SMALLEST_POINT, LARGEST_POINT, POINT_STEP, POINT_SIZE = 0.002, 0.06, 0.002, 0.016
#: Widths of the side panels in screen pixels.
PICTURES_WIDTH, CONTROLS_WIDTH = 280, 310

TRACKING, LOST, SAVED = ("Tracking", "#2f9e44"), ("Lost", "#e03131"), ("Saved map", "#1971c2")


class Panel:
    """Everything of the page that is not the scene.

    ``on_change`` is called, from a thread of the web server, whenever the user moved
    a control; the controls are then read from the properties.
    """

    def __init__(self, gui: viser.GuiApi, on_change: Callable[[], None]):
        self._gui = gui
        self._classes: ClassSet | None = None
        self._pictures: dict[str, viser.GuiImageHandle] = {}
        self._pictured: KeyframeView | LiveView | None = None
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(CONTROLS_WIDTH)
        self._status = gui.add_html("")
        self._add_controls(on_change)
        with gui.add_folder("Classes"):
            self._legend = gui.add_html("")
        pictures = gui.add_panel()
        self._picture_tab = pictures.add_tab("Current frame")
        pictures.dock_left()
        pictures.set_width(PICTURES_WIDTH)

    def _add_controls(self, on_change: Callable[[], None]) -> None:
        gui = self._gui
        with gui.add_folder("Show"):
            self._mode = gui.add_dropdown("Colour by", COLOUR_MODES)
            self._size = gui.add_slider("Point size (m)", SMALLEST_POINT, LARGEST_POINT,
                                        POINT_STEP, POINT_SIZE)
            self._map = gui.add_checkbox("Map", True)
            self._path = gui.add_checkbox("Camera path", True)
            self._keyframes = gui.add_checkbox("Keyframes", True)
            self._follow = gui.add_checkbox("Follow", False)
        for control in (self._mode, self._size, self._map, self._path, self._keyframes,
                        self._follow):
            control.on_update(lambda _event: on_change())

    @property
    def colour_mode(self) -> str:
        """One of ``COLOUR_MODES``."""
        return self._mode.value

    @property
    def point_size(self) -> float:
        """Metres."""
        return self._size.value

    @property
    def map_shown(self) -> bool:
        return self._map.value

    @property
    def path_shown(self) -> bool:
        return self._path.value

    @property
    def keyframes_shown(self) -> bool:
        return self._keyframes.value

    @property
    def follows(self) -> bool:
        return self._follow.value

    def show(self, snapshot: Snapshot, points_drawn: int) -> None:
        """Update status, legend and pictures; ``points_drawn`` of the map's points are drawn."""
        self._status.content = status_html(snapshot, points_drawn)
        if snapshot.classes != self._classes:
            self._classes = snapshot.classes
            self._legend.content = legend_html(snapshot.classes)
        newest = snapshot.keyframes[-1] if snapshot.keyframes else None
        current = snapshot.live or newest
        if current is not None and current is not self._pictured:
            self._pictured = current
            self._picture("image", current.image)
            self._picture(f"depth, {NEAREST:g} m red to {FARTHEST:g} m blue",
                          depth_colours(current.depth))
            self._picture("classes", snapshot.classes.paint(current.labels))

    def _picture(self, label: str, image: np.ndarray) -> None:
        if label in self._pictures:
            self._pictures[label].image = image
            return
        with self._picture_tab:
            self._pictures[label] = self._gui.add_image(image, label=label)


def status_html(snapshot: Snapshot, points_drawn: int) -> str:
    """State, frame, keyframes and points, as a small table."""
    live = snapshot.live
    word, colour = SAVED if live is None else LOST if live.lost else TRACKING
    points = f"{len(snapshot.cloud):,}"
    if points_drawn < len(snapshot.cloud):
        points += f" ({points_drawn:,} drawn)"
    rows = {"Keyframes": str(len(snapshot.keyframes)),
            "Tracked": f"{len(snapshot.trajectory)} frames", "Points": points}
    if live is not None:
        rows = {"Frame": f"{live.frame_index} at {live.timestamp:.2f} s"} | rows
    cells = "".join(f"<div style='opacity:.65'>{name}</div><div>{value}</div>"
                    for name, value in rows.items())
    note = "<div>The pose is the last one known.</div>" if live is not None and live.lost else ""
    return (f"<div style='font-size:.875em;padding:0 .75em'><div style='display:inline-block;"
            f"padding:.1em .7em;margin:.2em 0 .5em;border-radius:1em;color:white;"
            f"font-weight:600;background:{colour}'>{word}</div>{note}<div style='display:grid;"
            f"grid-template-columns:6em 1fr;row-gap:.15em'>{cells}</div></div>")


def legend_html(classes: ClassSet) -> str:
    """A colour swatch and the name of each class, in two columns."""
    entries = "".join(
        f"<div style='display:flex;align-items:center;gap:.5em'><span style='width:1em;"
        f"height:1em;border-radius:.2em;flex:none;background:rgb({r},{g},{b})'></span>"
        f"{html.escape(name)}</div>"
        for name, (r, g, b) in zip(classes.names, classes.colours))
    return (f"<div style='display:grid;grid-template-columns:1fr 1fr;gap:.2em .8em;"
            f"font-size:.875em;padding:0 .75em'>{entries}</div>")
