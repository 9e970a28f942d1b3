"""Depth and labels of the map in the current frame."""

import numpy as np
import pytest
import torch
from support.box_room import camera, keyframe
from support.single_view import single_view
from support.wall_and_box import BOX, CAMERA, graph_of, pose, surface

from scenecode.networks.classes import VOID
from scenecode.slam.output.live_view import reproject
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps


def test_a_keyframe_is_seen_from_elsewhere():
    graph = graph_of(pose())
    view = single_view(graph.keyframes[0], graph.states[0])
    T = pose(0.2, 0.03)
    depth, labels = reproject(view, torch.linalg.inv(T).numpy(), CAMERA)
    true_depth, true_labels = (a.numpy() for a in surface(T))
    known = depth > 0
    assert 0.6 < known.mean() < 1 and ((labels == VOID) == ~known).all()
    # points fall between pixels: right but for the edge of the box
    assert (np.abs(depth - true_depth)[known] < 0.05).mean() > 0.95
    assert (labels == true_labels)[known].mean() > 0.95


def test_reprojection_lets_the_nearer_point_win_and_ignores_what_is_behind():
    graph = graph_of(pose())
    view = single_view(graph.keyframes[0], graph.states[0])
    small = CAMERA.resized(2, 2)
    depth, _ = reproject(view, np.eye(4), small)
    assert depth[0, 0] == pytest.approx(BOX, abs=1e-3)
    behind = pose(yaw=np.pi).numpy()
    depth, labels = reproject(view, behind, CAMERA)
    assert not depth.any() and (labels == VOID).all()


def test_a_camera_that_comes_nearer_sees_a_surface_without_dotted_holes():
    cam = camera(128)
    view, _ = keyframe(0, 0.0, cam)
    nearer = np.eye(4)
    nearer[2, 3] = -0.5      # half a metre ahead
    depth, labels = reproject(view, nearer, cam)
    inner = np.s_[12:-12, 16:-16]
    assert (depth[inner] > 0).mean() > 0.98
    assert (labels[inner] != VOID).mean() > 0.98


def test_what_an_object_hid_stays_unknown():
    cam = camera(128)
    flat = np.full((cam.height, cam.width), 3.0, np.float32)
    flat[:, 40:80] = 1.0
    maps = StoredMaps(image=np.zeros((*flat.shape, 3), np.uint8), depth=flat, depth_std=flat,
                      labels=np.zeros(flat.shape, np.uint8), confidence=flat)
    view = KeyframeView(frame_index=0, timestamp=0, T_world_cam=np.eye(4), camera=cam, maps=maps)
    aside = np.eye(4)
    aside[0, 3] = -0.3
    depth, _ = reproject(view, aside, cam)
    assert (depth == 0).mean() > 0.1
