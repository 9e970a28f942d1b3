"""The least-squares problem of the newest keyframes, as the solver takes it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optim import se3
from optim.lookup import sample_views_with_gradient
from optim.normal import NormalEquations
from optim.residuals import Residual, code_prior, geometric, photometric, semantic
from optim.robust import huber_cost, huber_weight
from optim.warp import CodedPixels, ViewState, Warp, warp
from slam.config import MappingConfig, StageConfig, Term
from slam.graph import KeyframeGraph
from slam.sparse import SparseTerm
from slam.views import LabelViews, PictureViews, SurfaceViews
from slam.weights import agreement, brightness_change, visibility_weight

#: A pair that sees less than this share of its pixels is left out.
_MIN_SHARE = 1e-3
#: Metres, beyond everything.
_FAR = 1e6
#: So many numbers of a Jacobian stay in the caches of a processor.
_CACHED = 2 ** 18
#: Parameter groups that a stage moves.
STAGE_GROUPS = {"geometry": ("pose", "depth"), "semantics": ("semantic",),
                "joint": ("pose", "depth", "semantic")}
#: Terms that a stage has, as far as they are used, beside the corners'.
STAGE_TERMS = {"geometry": ("photometric", "geometric", "code"),
               "semantics": ("semantic", "code"),
               "joint": ("photometric", "geometric", "semantic", "code")}


@dataclass(frozen=True)
class WindowState:
    """Poses, codes and point depths of the V views that take part, some of them held; a one-way
    frame's codes are zero and say nothing."""

    #: (V, 4, 4) T_world_cam
    poses: Tensor
    #: (V, Kd) and (V, Ks)
    depth: Tensor
    semantic: Tensor
    #: (M,) ln depth of the corners
    points: Tensor


@dataclass(frozen=True)
class _Pairs:
    """Rows of views that are compared: pixels of a are warped into b; both (P,)."""

    a: Tensor
    b: Tensor

    @classmethod
    def of(cls, rows: list[tuple[int, int]]) -> "_Pairs":
        return cls(*torch.tensor(rows, dtype=torch.long).reshape(-1, 2).T)

    def parts(self, size: int) -> Iterator["_Pairs"]:
        """The same, so many at a time."""
        return (_Pairs(a, b) for a, b in zip(self.a.split(size), self.b.split(size)))


class Window:
    """The newest keyframes, and those that they are linked to.

    The very first keyframe's pose is held, and so is everything older than the window.  What
    was learnt there stays in force by the prior that it left behind, and by links that are newer.
    """

    def __init__(self, graph: KeyframeGraph, config: MappingConfig, stage: StageConfig,
                 leaving: int | None = None):
        """With ``leaving``, only what that keyframe and the rest of its window say together."""
        self._graph = graph
        self._config = config
        self._stage = stage
        first = max(0, len(graph) - config.window) if leaving is None else leaving
        last = len(graph) if leaving is None else min(leaving + config.window, len(graph))
        self._active = range(first, last)
        involved = self._active if leaving is None else (leaving,)
        #: pairs whose images are compared, and those of which corners are
        self.links = pairs = [(a, b) for a, b in sorted(graph.links - graph.absorbed_links)
                              if (a in involved or b in involved) and max(a, b) < last]
        self.sightings = sightings = [
            (a, b) for a, b in sorted(graph.sightings.keys() - graph.absorbed_sightings)
            # corners that stay are still measured in keyframes that have left
            if (a in involved or (b in involved and leaving is None)) and max(a, b) < last]
        self._one_way = [] if stage.stage == "semantics" else [
            frame for frame in graph.one_way if frame.keyframe in involved
            and max(frame.sightings) < last]
        compared = sorted({*involved, *(n for pair in pairs for n in pair),
                           *(n for frame in self._one_way for n in frame.sightings)})
        # after those whose images are compared, and the one-way frames, come those of which only
        # corners are known, or nothing but what others left behind
        known = sorted({*self._active, *(n for pair in sightings for n in pair)}
                       .difference(compared))
        self._compared = len(compared)
        self._first_known = len(compared) + len(self._one_way)
        place = {n: i for i, n in enumerate(compared)} \
            | {n: self._first_known + i for i, n in enumerate(known)}
        #: row of the state by keyframe
        self._place = place
        self._coded = torch.zeros(self._first_known + len(known), dtype=torch.bool)
        self._coded[[place[n] for n in involved]] = True
        beside = [(n, len(compared) + i, sighting) for i, frame in enumerate(self._one_way)
                  for n, sighting in frame.sightings.items()]
        linked = [(place[a], place[b]) for a, b in pairs]
        #: rows of the views that are linked, and of all whose pictures are compared
        self._links = _Pairs.of(linked)
        self._pictured = _Pairs.of(linked + [(place[n], row) for n, row, _ in beside])
        self._columns, self._size = self._layout()
        keyframes = [graph.keyframes[n] for n in compared]
        seen = [(a, place[b], graph.sightings[a, b]) for a, b in sightings] \
            + [entry for entry in beside if entry[2] is not None
               # a corner that stays cannot leave a part of its depth behind
               and (leaving is None or entry[0] == leaving)]
        codes = torch.stack([graph.states[n].code_depth for n in compared])
        self._surfaces = SurfaceViews(keyframes, codes, config)
        if self._has("photometric"):
            self._pictures = PictureViews(keyframes, self._one_way, self._surfaces, stage.level,
                                          config)
        #: (P, 1) of the pairs where the stage begins: it must not change while costs are compared
        self._agreement: Tensor | None = None
        if stage.stage != "semantics":
            self._sparse = SparseTerm(graph, seen, place, config.residuals)
        if self._has("semantic"):
            self._labels = LabelViews(keyframes, self._surfaces, config)

    def _has(self, term: Term) -> bool:
        """Whether a term takes part in this stage."""
        return term in STAGE_TERMS[self._stage.stage] and term in self._config.residuals.used

    def _layout(self) -> tuple[dict[str, Tensor], int]:
        """Columns (V, size) of every group, -1 where held; and their number."""
        state = self._graph.states[-1]
        sizes = {"pose": 6, "depth": len(state.code_depth), "semantic": len(state.code_semantic)}
        active = [row for n, row in self._place.items() if n in self._active]
        moving = {group: active for group in sizes}
        moving["pose"] = [row for row in active if row != self._place.get(0)] \
            + [*range(self._compared, self._first_known)]
        columns, start = {}, 0
        for group, size in sizes.items():
            columns[group] = torch.full((len(self._coded), size), -1, dtype=torch.long)
            for row in moving[group] if group in STAGE_GROUPS[self._stage.stage] else ():
                columns[group][row] = torch.arange(start, start + size)
                start += size
        return columns, start

    def start(self) -> WindowState:
        """The state that the graph is in."""
        states = [self._graph.states[n] for n in self._place]
        passed = [replace(states[0], T_world_cam=self._graph.pose_of(frame),
                          code_depth=torch.zeros_like(states[0].code_depth),
                          code_semantic=torch.zeros_like(states[0].code_semantic))
                  for frame in self._one_way]
        states[self._compared:self._compared] = passed
        geometric = self._stage.stage != "semantics"
        return WindowState(torch.stack([s.T_world_cam for s in states]),
                           torch.stack([s.code_depth for s in states]),
                           torch.stack([s.code_semantic for s in states]),
                           self._sparse.log_depths() if geometric else torch.zeros(0))

    def columns_of(self, number: int) -> Tensor:
        """(6 + Kd + Ks,) columns of a keyframe's pose and codes, -1 where held."""
        return torch.cat([columns[self._place[number]] for columns in self._columns.values()])

    def one_way_columns(self) -> Tensor:
        """(6 W,) columns of the poses of one-way frames."""
        return self._columns["pose"][self._compared:self._first_known].flatten()

    def keep(self, state: WindowState) -> None:
        """Put the graph into a state."""
        groups = STAGE_GROUPS[self._stage.stage]
        for number, i in self._place.items():
            if number in self._active:
                moved = {"T_world_cam": state.poses[i]} if "pose" in groups and number else {}
                if "depth" in groups:
                    moved["code_depth"] = state.depth[i]
                if "semantic" in groups:
                    moved["code_semantic"] = state.semantic[i]
                self._graph.states[number] = replace(self._graph.states[number], **moved)
        if "pose" in groups:
            self._sparse.keep(state.points)
            self._keep_one_way(state.poses[self._compared:self._first_known])

    def _keep_one_way(self, poses: Tensor) -> None:
        graph = self._graph
        moved = {id(frame): frame.at(
            se3.inverse(graph.states[frame.keyframe].T_world_cam) @ T,
            graph.keyframes[frame.keyframe].scale) for frame, T in zip(self._one_way, poses)}
        graph.one_way = [moved.get(id(frame), frame) for frame in graph.one_way]

    def retract(self, state: WindowState, step: Tensor) -> WindowState:
        """The state moved by a step of the whole window."""
        step = step.to(state.poses)
        # held parameters take the zero that is appended
        parts = torch.cat([step[:self._size], step.new_zeros(1)])
        moves = {group: parts[columns] for group, columns in self._columns.items()}
        moving = (self._columns["pose"][:, 0] >= 0)[:, None, None]
        # a step of zero would still move a held pose by round-off
        poses = torch.where(moving, se3.retract(state.poses, moves["pose"]), state.poses)
        return WindowState(poses, state.depth + moves["depth"],
                           state.semantic + moves["semantic"], state.points + step[self._size:])

    def linearise(self, state: WindowState) -> NormalEquations:
        """Cost and normal equations at a state."""
        equations = NormalEquations(self._size, points=len(state.points))
        surfaces = self._surfaces.maps(state.depth[:self._compared])
        if self._has("photometric") and len(self._pictured.a):
            self._add_photometric(equations, state, surfaces)
        if self._has("geometric") and len(self._links.a):
            self._add_geometric(equations, state, surfaces)
        if self._has("semantic") and len(self._links.a):
            self._add_semantic(equations, state, surfaces)
        if self._stage.stage != "semantics":
            self._sparse.add(equations, state.poses, state.depth, state.points, self._columns)
        self._add_priors(equations, state)
        return equations

    def _add_photometric(self, equations, state, surfaces) -> None:
        c, pictures, pairs = self._config.residuals, self._pictures, self._pictured
        # nothing is known to hide anything from a one-way frame
        clear = surfaces.new_tensor([_FAR, 1.0]).expand(len(self._one_way), *surfaces.shape[1:])
        warped, weight = self._correspond(pictures.pixels, pictures.weight, pictures.camera,
                                          state, torch.cat([surfaces, clear]), pairs)
        intensity = pictures.intensity[pairs.a]
        seen, seen_J_pixel = sample_views_with_gradient(pictures.maps, pairs.b, warped.pixels)
        gain, offset = brightness_change(intensity, seen[..., 0], weight)
        residual = photometric(intensity, seen, seen_J_pixel, warped, gain, offset)
        if self._agreement is None:
            self._agreement = agreement(residual.value.norm(dim=-1), weight, c)
        self._add(equations, residual, weight, c.photometric_sigma, c.photometric_huber, pairs,
                  self._agreement)

    def _add_geometric(self, equations, state, surfaces) -> None:
        c, views, pairs = self._config.residuals, self._surfaces, self._links
        warped, weight = self._correspond(views.pixels, views.weight, views.camera, state,
                                          surfaces, pairs)
        residual = geometric(views.depth_maps, state.depth[:self._compared], pairs.b, warped)
        self._add(equations, residual, weight, c.geometric_sigma, c.geometric_huber, pairs)

    def _add_semantic(self, equations, state, surfaces) -> None:
        c, labels = self._config.residuals, self._labels
        codes = state.semantic[:self._compared]
        prob, prob_J_code = labels.probabilities(codes)
        logits = labels.maps.logits(codes)
        together = max(1, _CACHED // max(prob_J_code[0].numel(), 1))
        for pairs in self._links.parts(together):
            warped, weight = self._correspond(labels.pixels, labels.weight, labels.camera, state,
                                              surfaces, pairs)
            residual = semantic(prob[pairs.a], prob_J_code[pairs.a], labels.maps, logits,
                                pairs.b, warped, with_geometry=self._stage.stage == "joint")
            self._add(equations, residual, weight, c.semantic_sigma, c.semantic_huber, pairs)

    def _correspond(self, pixels: CodedPixels, weight: Tensor, camera, state: WindowState,
                    surfaces: Tensor, pairs: _Pairs) -> tuple[Warp, Tensor]:
        """The warp of each pair, and the weights (P, N) of its pixels."""
        c, a, b = self._config.residuals, pairs.a, pairs.b
        T_ba = se3.inverse(state.poses[b]) @ state.poses[a]
        warped = warp(pixels.of(a), state.depth[a], T_ba, camera, c.border)
        scale = surfaces.shape[2] / camera.width
        visible = visibility_weight(surfaces, b, (warped.pixels + 0.5) * scale - 0.5, warped, c)
        return warped, weight[a] * visible

    def _add(self, equations: NormalEquations, residual: Residual, weight: Tensor, sigma: float,
             huber: float, pairs: _Pairs, counts: Tensor | float = 1.0) -> None:
        """Whiten, weigh robustly and sum; residual and Jacobian are scaled together.

        The weights are normalised so that a pair always counts as the same number of
        pixels, times ``counts`` (P, 1): otherwise losing sight of each other would lower the cost.
        """
        error = residual.value.norm(dim=-1) / sigma
        total = weight.sum(1, keepdim=True)
        enough = total >= _MIN_SHARE * weight.shape[1]
        effective = self._config.residuals.effective_pixels
        share = torch.where(enough, weight * (counts * effective / total.clamp(min=1e-6)), 0.0)
        cost = float((share * huber_cost(error, huber)).sum())
        row_weight = share * huber_weight(error, huber) / (sigma * sigma)
        rows = residual.value.shape[-1]
        columns, jacobians = [], []
        for name, jacobian in residual.jacobians.items():
            group, which = name.split("_")
            if group in STAGE_GROUPS[self._stage.stage]:
                columns.append(self._columns[group][pairs.a if which == "a" else pairs.b])
                jacobians.append(jacobian.flatten(1, 2))
        equations.add_groups(torch.cat(columns, 1), torch.cat(jacobians, -1),
                      residual.value.flatten(1), row_weight.repeat_interleave(rows, 1), cost)

    def _add_priors(self, equations: NormalEquations, state: WindowState) -> None:
        groups = (("depth", state.depth), ("semantic", state.semantic))
        for group, codes in groups if self._has("code") else ():
            columns = self._columns[group]
            moved = (columns >= 0).any(1) & self._coded
            if bool(moved.any()):
                value, jacobian = code_prior(codes[moved], self._config.residuals.code_sigma)
                equations.add_groups(columns[moved], jacobian, value, torch.ones_like(value),
                                     0.5 * float(value.square().sum()))
        prior = self._graph.prior
        if prior is not None:
            rows = [self._place[n] for n in prior.numbers]
            states = [ViewState(state.poses[i], state.depth[i], state.semantic[i]) for i in rows]
            prior.add(equations, states, [self.columns_of(n) for n in prior.numbers])
