"""A desktop window instead of the page, for those who installed polyscope."""

from typing import Any

import numpy as np

from scenecode.slam.records.snapshot import Snapshot
from scenecode.viewer.base import ViewerError
from scenecode.viewer.inspection.ground import ground_of, transformed


class PolyscopeViewer:
    """Shows points (by image, class and confidence) and the camera's path with polyscope
    (https://polyscope.run), which draws in the thread that calls.

    ``offscreen`` draws without a display, for ``picture``.  Raises ``ViewerError`` when polyscope
    is not installed.  There is one such viewer in a program, since polyscope has one state.
    """

    def __init__(self, offscreen: bool = False, width: int = 1280, height: int = 720):
        try:
            import polyscope
        except ImportError as error:
            raise ViewerError("a window needs polyscope; pip install 'scenecode[window]', or "
                              "leave out --window for the page") from error
        self._polyscope: Any = polyscope
        self._offscreen = offscreen
        polyscope.set_verbosity(0)
        polyscope.set_program_name("scenecode")
        polyscope.set_allow_headless_backends(offscreen)
        polyscope.set_up_dir("z_up")
        polyscope.set_ground_plane_mode("shadow_only")
        polyscope.init()
        polyscope.set_window_size(width, height)

    def show(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot`` in place of the one before."""
        T = ground_of(snapshot)
        cloud = snapshot.cloud
        if len(cloud):
            points = self._polyscope.register_point_cloud(
                "map", transformed(cloud.points, T), point_render_mode="quad")
            points.add_color_quantity("class", snapshot.classes.paint(cloud.labels) / 255)
            points.add_scalar_quantity("confidence", cloud.confidence, vminmax=(0, 1))
            points.add_color_quantity("image", cloud.colours / 255, enabled=True)
        centres = transformed(snapshot.trajectory[:, :3, 3], T)
        if len(centres) > 1:
            self._polyscope.register_curve_network("path", centres, "line")
        if not self._offscreen:
            self._polyscope.frame_tick()

    def wait(self) -> None:
        """Show the window until the user closes it."""
        self._polyscope.show()

    def picture(self) -> np.ndarray:
        """(H, W, 3) uint8 of the present view."""
        return self._polyscope.screenshot_to_buffer(transparent_bg=False)[..., :3]

    def close(self) -> None:
        """Remove what is drawn.  A second call does nothing."""
        self._polyscope.remove_all_structures()
