"""Raw scenes of NYU Depth v2, written here in their layout with known depths."""

import numpy as np
import pytest
from support.pictures import picture, write_picture

from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.datasets.nyu_raw import metres_from_disparity

WIDTH, HEIGHT = 640, 480
#: The colour camera as published, without its distortion, so that frames keep its pixels.
COLOUR = (518.857901, 519.469611, 325.582449, 253.736166)
#: fx and cx of the depth camera; centimetres from there to the colour camera, to the right.
DEPTH_FX, DEPTH_CX, BASELINE = 582.624482, 313.044759, 0.025031875
START = 1294439279.421332


def disparity(metres):
    """Kinect disparity of a depth, as the toolbox's constants say."""
    return np.round(1092.5 - 351.3 / metres).astype(np.uint16)


def write_depth(path, disparities):
    """As the data set's files are: a PGM header that promises big-endian values, and little-endian
    values."""
    height, width = disparities.shape
    path.write_bytes(f"P5\n{width} {height}\n65535\n".encode()
                     + disparities.astype("<u2").tobytes())


def scene(folder, frames=3, width=WIDTH, height=HEIGHT):
    """Colour at 15 Hz, and depth 11 ms later whose left half is at 1 m and right half at 3 m."""
    folder.mkdir()
    raw = np.full((height, width), disparity(3.0))
    raw[:, :width // 2] = disparity(1.0)
    raw[:10] = 2047
    for i in range(frames):
        t = START + i / 15
        write_picture(folder / f"r-{t:.6f}-{311878761 + i}.ppm",
                      picture(40 * (i + 1), width, height))
        write_depth(folder / f"d-{t + 0.011:.6f}-{311878900 + i}.pgm", raw)
        (folder / f"a-{t:.6f}-{i}.dump").write_bytes(b"\x00" * 40)
    (folder / "INDEX.txt").write_text("r-...\n")
    return folder


def options(**changes):
    return SourceOptions(**{"intrinsics": COLOUR, "width": WIDTH, "height": HEIGHT, **changes})


def test_colour_images_are_the_frames_and_names_the_stamps(tmp_path):
    source = open_source(str(scene(tmp_path / "study_0001")), options())
    frames = list(source)
    assert source.length == len(frames) == 3 and source.fps == pytest.approx(15, rel=1e-3)
    assert [f.timestamp for f in frames] == pytest.approx(START + np.arange(3) / 15, abs=1e-6)
    assert [round(float(f.image[0, :, :200].mean()) * 255) for f in frames] == [40, 80, 120]
    assert all(f.truth.T_world_cam is None for f in frames)


def test_depth_is_in_metres_and_registered_to_colour(tmp_path):
    frame = next(iter(open_source(str(scene(tmp_path / "scene")), options())))
    row = frame.truth.depth[250].numpy()
    columns = np.arange(WIDTH)
    # where the last column at 1 m and the first at 3 m are seen from the colour camera
    edge = {z: COLOUR[0] * ((u - DEPTH_CX) / DEPTH_FX - BASELINE / z) + COLOUR[2]
            for z, u in ((1.0, WIDTH // 2 - 1), (3.0, WIDTH // 2))}
    # the cameras are turned by 0.25 degrees against each other about the vertical
    turn = COLOUR[0] * 4.31e-3
    near = columns[(row > 0) & (row < 1.5)]
    far = columns[row > 2]
    assert near.max() == pytest.approx(edge[1.0] - turn, abs=1.5)
    assert far.min() == pytest.approx(edge[3.0] - turn, abs=1.5)
    assert far.min() - near.max() == pytest.approx(edge[3.0] - edge[1.0], abs=1.5)
    assert np.median(row[near]) == pytest.approx(1.0, rel=5e-3)
    assert np.median(row[far]) == pytest.approx(3.0, rel=1e-2)
    # what the depth camera sees fills the colour camera's narrower view, but for what is hidden
    assert (row[60:580] > 0).mean() > 0.9


def test_a_plane_is_a_plane_for_the_colour_camera(tmp_path):
    folder = scene(tmp_path / "scene", frames=1)
    z = 351.3 / (1092.5 - float(disparity(2.0)))
    write_depth(next(folder.glob("d-*")), np.full((HEIGHT, WIDTH), disparity(2.0)))
    frame = next(iter(open_source(str(folder), options())))
    depth = frame.truth.depth.numpy()
    # normal of the depth camera's image plane as the colour camera sees it: the toolbox's rotation
    normal = np.array([-4.3196624923060242e-03, 3.6662365748484798e-03, 9.9998394948385538e-01])
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([(u - COLOUR[2]) / COLOUR[0], (v - COLOUR[3]) / COLOUR[1],
                     np.ones_like(u)], -1)
    expected = (z + normal @ [-BASELINE, 0, 0]) / (rays @ normal)
    seen = depth > 0
    assert seen[40:440, 60:580].mean() > 0.95
    np.testing.assert_allclose(depth[seen], expected[seen], rtol=2e-3)


def test_the_camera_is_known_and_its_lens_undistorted(tmp_path, caplog):
    source = open_source(str(scene(tmp_path / "scene")), options(intrinsics=None))
    assert source.original.fx == pytest.approx(518.8579, abs=1e-4)
    assert source.original.distortion.k1 == pytest.approx(0.20796615)
    assert not caplog.text


def test_other_sizes_scale_both_cameras(tmp_path):
    folder = scene(tmp_path / "scene", width=160, height=120)
    source = open_source(str(folder), options(intrinsics=None, width=64, height=48))
    assert source.original.fx == pytest.approx(518.857901 / 4)
    depth = next(iter(source)).truth.depth.numpy()
    assert np.median(depth[24, 5:25]) == pytest.approx(1, rel=0.01)
    assert np.median(depth[24, 40:60]) == pytest.approx(3, rel=0.01)


def test_disparities_without_a_measurement_and_beyond_ten_metres_are_unknown():
    values = np.array([[0, 600, 1057, 1058, 1092, 1093, 2047]], np.uint16)
    depth = metres_from_disparity(values.byteswap())[0]
    assert depth[:3] == pytest.approx([351.3 / 1092.5, 351.3 / 492.5, 351.3 / 35.5], rel=1e-5)
    assert depth[3:].tolist() == [0, 0, 0, 0]


def test_depth_from_another_moment_is_no_truth(tmp_path):
    folder = scene(tmp_path / "scene")
    depths = sorted(folder.glob("d-*"))
    for path in depths[1:]:
        path.unlink()
    frames = list(open_source(str(folder), options()))
    assert [f.truth is not None for f in frames] == [True, False, False]
