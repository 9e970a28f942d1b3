"""OpenCV's YAML, XML and JSON (``camera_matrix``, ``distortion_coefficients``), the camera files
of ROS, Open3D's ``intrinsic_matrix`` and Record3D's ``K``."""

from scenecode.core.errors import SourceError
from scenecode.slam.sources.calibration.stated_camera import (
    Content,
    StatedCamera,
    distortion_by_name,
    numbers,
    simple,
    stated_size,
)

#: Keys in the spelling of ``simple``.
_MATRIX = ("cameramatrix", "k", "intrinsicmatrix", "mtx")
_DISTORTION = ("distortioncoefficients", "distcoeffs", "distcoefs", "distcoeff", "d", "dist")
_MODEL = ("distortionmodel", "cameramodel")
_SIZES = (("imagewidth", "imageheight"), ("width", "height"), ("w", "h"))
_SIZE_PAIRS = ("imagesize", "resolution")


def parse(content: Content, origin: str) -> StatedCamera | None:
    """The camera, or None when there is no camera matrix.  Raises ``SourceError`` for one that is
    not complete, ``TypeError`` or ``ValueError`` for what is no number."""
    entries = {simple(key): value for key, value in content.items()}
    matrix = next((numbers(entries[key]) for key in _MATRIX if key in entries), None)
    if matrix is None:
        return None
    if len(matrix) != 9:
        raise SourceError(f"{origin}: the camera matrix has {len(matrix)} numbers, needs 9")
    if matrix[2] == matrix[5] == 0 and matrix[6] != 0:
        # Open3D, Record3D and other tools that write columns first
        matrix = tuple(matrix[3 * column + row] for row in range(3) for column in range(3))
    coefficients = next((numbers(entries[key]) for key in _DISTORTION if key in entries), ())
    size = stated_size(entries, *_SIZES)
    for key in _SIZE_PAIRS:
        if size is None and key in entries:
            width, height = numbers(entries[key])
            size = int(width), int(height)
    return StatedCamera(
        fx=matrix[0], fy=matrix[4], cx=matrix[2], cy=matrix[5],
        distortion=distortion_by_name(_model(entries, coefficients, origin), coefficients, origin),
        size=size)


def _model(entries: Content, coefficients: tuple[float, ...], origin: str) -> str:
    if float(entries.get("fisheyemodel", 0)):
        return "fisheye"
    stated = next((str(entries[key]) for key in _MODEL if entries.get(key)), None)
    if stated is not None:
        return stated
    if "d" in entries and len(coefficients) == 4 and any(coefficients):
        raise SourceError(f"{origin}: K and D with four numbers do not tell whether cv2.fisheye "
                          "or cv2.calibrateCamera measured them; add a line 'distortion_model: "
                          "fisheye' or 'distortion_model: radtan'")
    return "radtan"
