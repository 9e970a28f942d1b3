"""``scenecode twoview``: structure from motion of two images (paper, figures 1 and 9).

Only the two images and the camera are known: depth and labels start at the zero code, both poses
at the identity, and mapping's own schedule optimises all of it together.  Pure rotation is no
special case, since the network predicts depth without parallax.
"""

import argparse
import json
from contextlib import closing
from dataclasses import dataclass, replace
from math import degrees
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.colours import amount_colours, depth_colours
from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.core.errors import ResultError, SourceError
from scenecode.core.images import image_to_uint8, write_rgb
from scenecode.core.titles import title_row
from scenecode.networks.classes import ClassSet
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.config.files import changed
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.evaluation.scores import keyframe_depth_scores
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import open_source
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.calibration.intrinsics import parse_intrinsics

#: Intensity difference at which the picture's colours saturate.
_LARGE_DIFFERENCE = 0.3


@dataclass(frozen=True)
class TwoViews:
    """Two images before and after optimisation; keyframe 0 is the first image."""

    before: KeyframeGraph
    after: KeyframeGraph

    @property
    def T_first_second(self) -> Tensor:
        """(4, 4); the translation has the scale of the network's depth."""
        return self.after.relative(1, 0)

    def difference(self, graph: KeyframeGraph) -> tuple[Tensor, Tensor]:
        """Intensity of the second image warped onto the first, and its absolute difference from
        the first; both (H, W), 0 outside the second image."""
        first, second = (keyframe.pyramid[0] for keyframe in graph.keyframes.values())
        projected = graph.project(0, 1)
        seen = projected.in_view
        warped = sample_view(second[..., None], projected.pixels)[:, 0]
        warped = (warped * seen).view_as(first)
        return warped, (warped - first).abs() * seen.view_as(first)

    def scores(self) -> dict[str, float]:
        """``difference_before`` and ``difference``: mean intensity error of the warped second
        image.  With true poses also ``rotation_error_deg`` and, where the camera moved,
        ``direction_error_deg`` of the translation and ``scale``; with true depth
        ``depth_within_10_before``, ``depth_within_10``."""
        scores = {"difference_before": float(self.difference(self.before)[1].mean()),
                  "difference": float(self.difference(self.after)[1].mean()),
                  "rotation_deg": degrees(se3.rotation_angle(self.T_first_second)),
                  "translation_m": float(self.T_first_second[:3, 3].norm())}
        first, second = (keyframe.truth for keyframe in self.after.keyframes.values())
        if first is not None and first.T_world_cam is not None \
                and second is not None and second.T_world_cam is not None:
            true = se3.inverse(first.T_world_cam.double()) @ second.T_world_cam.double()
            scores |= self._pose_scores(true)
        if first is not None and first.depth is not None:
            for name, graph in (("depth_within_10_before", self.before),
                                ("depth_within_10", self.after)):
                depth = graph.keyframes[0].depth(graph.states[0].code_depth).cpu().numpy()
                found = keyframe_depth_scores(depth, np.zeros_like(depth),
                                              first.depth.cpu().numpy(), scale=1.0)
                scores |= {} if found is None else {name: found.within}
        return scores

    def _pose_scores(self, true: Tensor) -> dict[str, float]:
        found = self.T_first_second.double().cpu()
        error = se3.inverse(true) @ found
        scores = {"rotation_error_deg": degrees(se3.rotation_angle(error)),
                  "translation_error_m": float(error[:3, 3].norm())}
        t, u = found[:3, 3], true[:3, 3]
        if float(u.norm()) > 0:
            angle = torch.atan2(torch.linalg.cross(t, u).norm(), t @ u)
            scores |= {"direction_error_deg": degrees(angle),
                       "scale": float(t.norm() / u.norm())}
        return scores

    def picture(self, classes: ClassSet) -> np.ndarray:
        """(H, W, 3) uint8: both images, then before and after: the second warped onto the first,
        their difference, depth and labels of the first."""
        first, second = self.after.keyframes.values()
        gap = np.zeros_like(image_to_uint8(first.rgb))
        rows = [[image_to_uint8(first.rgb), image_to_uint8(second.rgb), gap, gap]]
        for graph in (self.before, self.after):
            keyframe, state = graph.keyframes[0], graph.states[0]
            warped, difference = self.difference(graph)
            grey = image_to_uint8(warped.expand(3, -1, -1))
            labels = keyframe.probabilities(state.code_semantic).argmax(0)
            rows.append([grey, amount_colours(difference.cpu().numpy() / _LARGE_DIFFERENCE),
                         depth_colours(keyframe.depth(state.code_depth).cpu().numpy()),
                         classes.paint(labels.cpu().numpy())])
        names = ("second on first", "difference", "depth", "labels")
        width = gap.shape[1]
        return np.vstack([np.hstack(rows[0]), title_row(names, width),
                          *(np.hstack(row) for row in rows[1:])])


def reconstruct(first: Frame, second: Frame, predictor: Predictor,
                config: SlamConfig) -> TwoViews:
    """Depth, labels and motion of two images, by mapping's own schedule from the identity."""
    identity = se3.identity(device=first.image.device)
    # the second pose is unknown, so the first view's depth cannot tell the second one's scale
    mapping = replace(config.mapping, scale_share=0.0)
    mapper = Mapper(mapping, predictor)
    mapper.insert(first, identity)
    mapper.insert(second, identity, tracked_against=0)
    before = mapper.graph.frozen()
    while mapper.has_work:
        mapper.step()
    return TwoViews(before, mapper.graph.frozen())


EXAMPLES = """examples:
  scenecode twoview rooms:7 --frames 0 12           two images of a built-in room
  scenecode twoview frames/ --intrinsics 525,525,320,240 --frames 100 115 --out pair.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode twoview``."""
    parser.add_argument("source", metavar="SOURCE", help="what 'scenecode run' takes")
    parser.add_argument("--frames", type=int, nargs=2, default=(0, 10),
                        metavar=("FIRST", "SECOND"),
                        help="which two of its images, counted from 0 (default 0 10)")
    parser.add_argument("--intrinsics", metavar="fx,fy,cx,cy[,...]",
                        help="of the original images, in pixels")
    parser.add_argument("--calib", metavar="FILE", help="calibration file")
    parser.add_argument("--out", metavar="FILE", default="two_views.png",
                        help="picture of images, warps, depth and labels (default %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.landmarks.per_keyframe=0")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode twoview``; returns the exit status."""
    config = changed(SlamConfig(), f"device={choose_device(args.device)}")
    for assignment in args.set:
        config = changed(config, assignment)
    predictor = load_front_end(args.model, config.device)
    intrinsics = None if args.intrinsics is None else parse_intrinsics(args.intrinsics)
    options = SourceOptions(intrinsics=intrinsics, calib=args.calib, width=predictor.width,
                            height=predictor.height)
    first, second = (replace(frame, image=frame.image.to(config.device))
                     for frame in _pick(args.source, options, *args.frames))
    found = reconstruct(first, second, predictor, config)
    try:
        write_rgb(Path(args.out), found.picture(predictor.classes))
    except (OSError, cv2.error) as error:
        raise ResultError(f"{args.out}: cannot write the picture ({error}); choose another --out "
                          "that ends in .png or .jpg") from error
    scores = found.scores()
    if args.json:
        print(json.dumps(scores | {"T_first_second": found.T_first_second.tolist()}))
        return 0
    console = make_console()
    for name, value in scores.items():
        console.print(f"{name:24s} {value:.4f}")
    console.print(f"picture: {args.out}")
    return 0


def _pick(name: str, options: SourceOptions, first: int, second: int) -> tuple[Frame, Frame]:
    """Two images of a source by number.  Raises ``SourceError`` when it has fewer, or for the same
    image twice."""
    if first == second or min(first, second) < 0:
        raise SourceError(f"--frames {first} {second}: name two different images, counted from 0")
    last = max(first, second)
    with closing(open_source(name, options)) as source:
        frames = {number: frame for number, frame in zip(range(last + 1), source)
                  if number in (first, second)}
    if len(frames) < 2:
        raise SourceError(f"{name}: no image number {last}; choose smaller --frames")
    return frames[first], frames[second]
