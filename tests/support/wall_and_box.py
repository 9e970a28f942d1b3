"""Keyframes of a wall with a box in front of it, by casting rays."""

import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.records.frame import Frame

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
#: The world is a wall at this z, in front of which a box's face fills x < 0.
WALL, BOX = 3.0, 2.0
LABELS = {WALL: NYU13.names.index("wall"), BOX: NYU13.names.index("furniture")}


def surface(T_world_cam):
    """Depth and labels (H, W) of the wall and the box, by casting rays."""
    rays = CAMERA.rays(CAMERA.pixel_grid()) @ T_world_cam[:3, :3].T
    centre = T_world_cam[:3, 3]
    depth = (WALL - centre[2]) / rays[:, 2]
    label = torch.full_like(depth, LABELS[WALL])
    to_box = (BOX - centre[2]) / rays[:, 2]
    on_box = centre[0] + to_box * rays[:, 0] < 0
    depth = torch.where(on_box, to_box, depth)
    label = torch.where(on_box, float(LABELS[BOX]), label)
    shape = (CAMERA.height, CAMERA.width)
    return depth.reshape(shape), label.reshape(shape).long()


def graph_of(*poses, wrong_depth=None, wrong_labels=None, b=0.005, confidence=4.0):
    """Keyframes of the scene, all linked; some may see a wrong depth or wrong labels."""
    graph = KeyframeGraph()
    for n, T in enumerate(poses):
        depth, labels = surface(T)
        if n == wrong_depth:
            depth = depth * 1.3
        if n == wrong_labels:
            labels = torch.full_like(labels, NYU13.names.index("tv"))
        prox = proximity_from_depth(depth, 2.0)
        logits = confidence * torch.nn.functional.one_hot(labels, len(NYU13)).permute(2, 0, 1)
        prediction = Prediction(prox_zero=prox, prox_J_code=prox.new_zeros(0, *prox.shape),
                                prox_b=torch.full_like(prox, b), logits_zero=logits.float(),
                                logits_J_code=prox.new_zeros(len(NYU13), 0, *prox.shape),
                                classes=NYU13, average_depth=2.0)

        class Known:
            @staticmethod
            def predict(image, camera, prediction=prediction):
                return prediction

        picture = torch.full((3, *prox.shape), 0.25)
        keyframe = make_keyframe(Frame(index=10 * n, timestamp=n / 3, image=picture,
                                       camera=CAMERA), T, WorkingMemory(Known))
        graph.add(keyframe, keyframe.initial_state())
        for other in range(n):
            graph.link(n, other)
    return graph


def pose(x=0.0, yaw=0.0):
    return se3.exp(torch.tensor([x, 0.0, 0.0, 0.0, yaw, 0.0]))
