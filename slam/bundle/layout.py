"""Which keyframes take part in a stage of the window, and which parameters of theirs are free."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.residuals import Group
from scenecode.slam.config.mapping import StageKind
from scenecode.slam.map.graph import KeyframeGraph

#: Parameter groups that a stage optimises, in addition to the landmarks' depths; the others are
#: fixed.
STAGE_GROUPS: dict[StageKind, tuple[Group, ...]] = {
    "geometry": (Group.POSE, Group.DEPTH_CODE),
    "semantics": (Group.SEMANTIC_CODE,),
    "joint": (Group.POSE, Group.DEPTH_CODE, Group.SEMANTIC_CODE)}


@dataclass(frozen=True)
class WindowState:
    """Poses, codes and landmark depths of the V keyframes that take part, some of them fixed."""

    #: (V, 4, 4) T_world_cam
    poses: Tensor
    #: (V, Kd) and (V, Ks)
    depth: Tensor
    semantic: Tensor
    #: (M,) ln depth of the landmarks
    log_depths: Tensor


@dataclass(frozen=True)
class Pairs:
    """Rows of views whose images are compared: pixels of a are warped into b; both (P,)."""

    a: Tensor
    b: Tensor

    @classmethod
    def of(cls, rows: list[tuple[int, int]]) -> "Pairs":
        """From a list of pairs."""
        return cls(*torch.tensor(rows, dtype=torch.long).reshape(-1, 2).T)

    def split(self, size: int) -> Iterator["Pairs"]:
        """The same in parts of at most ``size`` pairs."""
        return (Pairs(a, b) for a, b in zip(self.a.split(size), self.b.split(size)))


@dataclass(frozen=True)
class Leaving:
    """A keyframe that leaves the window, and those that were in it with it and stay."""

    keyframe: int
    staying: tuple[int, ...]


class WindowLayout:
    """The V keyframes of a window as rows of a ``WindowState``, and the columns of their free
    parameters in the normal equations.

    The pose of the very first keyframe is fixed, and so is everything that rests.
    """

    def __init__(self, graph: KeyframeGraph, stage: StageKind,
                 leaving: Leaving | None = None):
        """With ``leaving``, only the residuals between that keyframe, those that stay and those
        that rest take part."""
        self._graph = graph
        self._groups = STAGE_GROUPS[stage]
        self._origins = graph.origins
        self._active = sorted(graph.active if leaving is None
                              else (leaving.keyframe, *leaving.staying))
        involved = set(self._active if leaving is None else (leaving.keyframe,))
        absent = set(graph.active).difference(self._active)
        #: pairs whose images are compared
        self.links = [(a, b) for a, b in sorted(graph.links - graph.absorbed_links)
                      if (a in involved or b in involved) and absent.isdisjoint((a, b))]
        #: pairs (a, b) where b observes landmarks of a
        self.observations = [
            (a, b) for a, b in sorted(graph.observations.keys() - graph.absorbed_observations)
            # landmarks that stay are still measured in keyframes that have left
            if (a in involved or (b in involved and leaving is None))
            and absent.isdisjoint((a, b))]
        #: keyframes whose images are compared, in the order of their rows
        self.compared = sorted({*involved, *(n for pair in self.links for n in pair)})
        # the rest comes last: keyframes with landmark observations only, or with nothing but the
        # marginal prior
        others = sorted({*self._active, *(n for pair in self.observations for n in pair)}
                        .difference(self.compared))
        #: row of the state by keyframe
        self.row = {n: i for i, n in enumerate([*self.compared, *others])}
        #: (V,) whether the prior on its codes counts
        self.has_code_prior = torch.zeros(len(self.row), dtype=torch.bool)
        self.has_code_prior[[self.row[n] for n in involved]] = True
        self.pairs = Pairs.of([(self.row[a], self.row[b]) for a, b in self.links])
        #: (V, size) columns of every group, -1 where fixed
        self.columns: dict[Group, Tensor] = {}
        #: number of free parameters, landmarks not counted
        self.size = 0
        self._number_columns()

    def _number_columns(self) -> None:
        state = self._graph.states[self._active[-1]]
        sizes = {Group.POSE: 6, Group.DEPTH_CODE: len(state.code_depth),
                 Group.SEMANTIC_CODE: len(state.code_semantic)}
        active = [row for n, row in self.row.items() if n in self._active]
        fixed = {row for n, row in self.row.items() if n in self._origins}
        for group, size in sizes.items():
            columns = torch.full((len(self.row), size), -1, dtype=torch.long)
            for row in active if group in self._groups else ():
                if group is Group.POSE and row in fixed:
                    continue
                columns[row] = torch.arange(self.size, self.size + size)
                self.size += size
            self.columns[group] = columns

    def columns_of(self, number: int) -> Tensor:
        """(6 + Kd + Ks,) columns of a keyframe's pose and codes, -1 where fixed."""
        return torch.cat([columns[self.row[number]] for columns in self.columns.values()])

    def start(self, log_depths: Tensor) -> WindowState:
        """The state that the graph is in, with the landmarks' ln depths (M,)."""
        states = [self._graph.states[n] for n in self.row]
        return WindowState(poses=torch.stack([s.T_world_cam for s in states]),
                           depth=torch.stack([s.code_depth for s in states]),
                           semantic=torch.stack([s.code_semantic for s in states]),
                           log_depths=log_depths)

    def keep(self, state: WindowState) -> None:
        """Write poses and codes of a state into the graph."""
        for number, i in self.row.items():
            if number not in self._active:
                continue
            changed = {"T_world_cam": state.poses[i]} \
                if Group.POSE in self._groups and number not in self._origins else {}
            if Group.DEPTH_CODE in self._groups:
                changed["code_depth"] = state.depth[i]
            if Group.SEMANTIC_CODE in self._groups:
                changed["code_semantic"] = state.semantic[i]
            self._graph.states[number] = replace(self._graph.states[number], **changed)

    def retract(self, state: WindowState, step: Tensor) -> WindowState:
        """The state moved by a step (size + M,)."""
        step = step.to(state.poses)
        # fixed parameters take the zero that is appended
        parts = torch.cat([step[:self.size], step.new_zeros(1)])
        moves = {group: parts[columns] for group, columns in self.columns.items()}
        moving = (self.columns[Group.POSE][:, 0] >= 0)[:, None, None]
        # a step of zero would still move a fixed pose by round-off
        poses = torch.where(moving, se3.retract(state.poses, moves[Group.POSE]), state.poses)
        return WindowState(poses=poses, depth=state.depth + moves[Group.DEPTH_CODE],
                           semantic=state.semantic + moves[Group.SEMANTIC_CODE],
                           log_depths=state.log_depths + step[self.size:])
