"""What a page asks for by messages, each a name and values; all of it that can be checked without
a browser."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenecode.core.errors import CorrectionError, ScenecodeError
from scenecode.slam.corrections.correction import CorrectionKind
from scenecode.slam.corrections.editor import LabelEditor
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.viewer.base import RunControls, ViewerError
from scenecode.viewer.inspection.annotations import AnnotationBook
from scenecode.viewer.inspection.ground import transformed
from scenecode.viewer.inspection.measures import measure
from scenecode.viewer.inspection.objects import MapObject, matching_classes
from scenecode.viewer.inspection.observations import mean_probabilities, observations
from scenecode.viewer.inspection.picking import Filter, Ray, pick
from scenecode.viewer.shown_map import MapShower, ShownMap
from scenecode.viewer.transport.wire import binary_message, text_message

#: Classes of which the probability is shown.
BARS = 6
#: Keyframes of which probabilities are computed for a point.
EXACT = 3
#: Steps of the depths and standard deviations that are sent, metres.
DEPTH_STEP, STD_STEP = 0.001, 0.0005

Answer = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A command of a page."""

    function: Callable[[Values], Answer | bytes]
    #: whether it changes the map, the run or what is saved, so that permission is needed
    changes: bool = False


class PageCommands:
    """Answers pages.  Any thread may call; a command that cannot be done raises
    ``ScenecodeError``."""

    def __init__(self, shower: MapShower, shown: Callable[[], ShownMap],
                 annotations: AnnotationBook, *, on_change: Callable[[], None],
                 editor: LabelEditor | None = None, controls: RunControls | None = None):
        self._shower, self._shown, self._on_change = shower, shown, on_change
        self._annotations, self._controls = annotations, controls
        #: replaced when another map is begun
        self.editor = editor
        self._commands = {
            "pick": Command(self._pick), "keyframe": Command(self._keyframe),
            "probabilities": Command(self._probabilities),
            "search": Command(self._search), "box": Command(self._box),
            "measure": Command(self._measure), "region": Command(self._region),
            "save_measure": Command(self._save_measure, changes=True),
            "rename_measure": Command(self._rename_measure, changes=True),
            "remove_measure": Command(self._remove_measure, changes=True),
            "set_colour": Command(self._set_colour, changes=True),
            "correct": Command(self._correct, changes=True),
            "undo": Command(lambda v: self._edited("undo"), changes=True),
            "redo": Command(lambda v: self._edited("redo"), changes=True),
            "remove_correction": Command(self._remove_correction, changes=True),
            "pause": Command(lambda v: self._controlled("pause"), changes=True),
            "resume": Command(lambda v: self._controlled("resume"), changes=True),
            "stop": Command(lambda v: self._controlled("stop"), changes=True),
            "new_map": Command(lambda v: self._controlled("new_map"), changes=True),
            "mark": Command(self._mark, changes=True),
        }

    def answer(self, request: Values, may_change: bool) -> str | bytes:
        """The message that answers a request: ``{"id": .., "do": name, ...}``; what fails is
        answered with ``error``."""
        number = request.get("id")
        try:
            command = self._commands.get(str(request.get("do")))
            if command is None:
                raise ViewerError(f"there is no command {request.get('do')!r}; reload the page")
            if command.changes and not may_change:
                raise ViewerError("this page may look only; open the link that was printed, of a "
                                  "server without --view-only")
            answer = command.function(request)
        except ScenecodeError as error:
            return text_message({"type": "answer", "id": number, "error": str(error)})
        except (KeyError, TypeError, ValueError, IndexError) as error:
            return text_message({"type": "answer", "id": number,
                                 "error": f"the request is not understood ({error!r}); reload "
                                 "the page"})
        if command.changes:
            self._on_change()
        if isinstance(answer, bytes):
            return answer
        return text_message({"type": "answer", "id": number, "result": answer})

    def corrections(self) -> list[dict[str, Any]]:
        """The corrections of the map as a page lists them."""
        if self.editor is None:
            return []
        names = self._shown().snapshot.classes.names
        listed = []
        for entry in self.editor.corrections:
            with suppress(CorrectionError):     # its keyframe is not shown yet, or was culled
                listed.append({
                    "number": entry.number, "class": names[entry.label], "kind": entry.kind,
                    "frame_index": self.editor.frame_index_of(entry), "active": entry.active,
                    "pixels": len(entry.region), "weight": entry.weight})
        return listed

    # --- asking ----------------------------------------------------------------------

    def _pick(self, values: Values) -> Answer:
        shown = self._shown()
        index = self._picked(shown, values)
        return {"hit": False} if index is None else self._point(shown, index)

    def _picked(self, shown: ShownMap, values: Values) -> int | None:
        T, cloud = shown.T_ground_world, shown.cloud
        ray = Ray(origin=T[:3, :3].T @ (_vector(values["origin"]) - T[:3, 3]),
                  direction=T[:3, :3].T @ _vector(values["direction"]))
        limits = values.get("filter", {})
        low, high = limits.get("low"), limits.get("high")
        keep = Filter(hidden=frozenset(int(n) for n in limits.get("hidden", ())),
                      min_confidence=float(limits.get("min_confidence", 0)),
                      low=None if low is None else _vector(low),
                      high=None if high is None else _vector(high))
        return pick(cloud.points, ray, float(values["tolerance"]),
                    keep.shown(cloud.points, cloud.labels, cloud.confidence, T))

    def _point(self, shown: ShownMap, index: int) -> Answer:
        cloud, classes = shown.cloud, shown.snapshot.classes
        point = cloud.points[index].astype(np.float64)
        seen = observations(point, shown.snapshot.keyframes, self._shower.maps, len(classes))
        mean = mean_probabilities(seen, len(classes))
        in_ground = transformed(point[None], shown.T_ground_world)[0]
        label = int(cloud.labels[index])
        return {
            "hit": True, "label": label, "class": _name(classes.names, label),
            "confidence": float(cloud.confidence[index]), "world": point, "ground": in_ground,
            "height": float(in_ground[2]), "colour": cloud.colours[index],
            "depth_std": min((o.depth_std for o in seen), default=None),
            "probabilities": _bars(mean, classes.names),
            "observations": [{
                "frame_index": o.frame_index, "timestamp": o.timestamp, "u": o.u, "v": o.v,
                "depth": o.depth, "depth_std": o.depth_std, "label": o.label,
                "class": _name(classes.names, o.label), "confidence": o.confidence}
                for o in seen]}

    def _probabilities(self, values: Values) -> Answer:
        """Of a point of the world, by the nearest keyframes that see it: slower than ``pick``."""
        shown = self._shown()
        classes = shown.snapshot.classes
        seen = observations(_vector(values["world"]), shown.snapshot.keyframes,
                            self._shower.maps, len(classes), exact=EXACT)[:EXACT]
        return {"probabilities": _bars(mean_probabilities(seen, len(classes)), classes.names)}

    def _keyframe(self, values: Values) -> bytes:
        view = self._view(values)
        decoded = self._shower.maps.of(view)
        maps = decoded.maps
        camera = view.camera
        header = {"type": "answer", "id": values.get("id"), "frame_index": view.frame_index,
                  "timestamp": view.timestamp, "width": camera.width, "height": camera.height,
                  "depth_step": DEPTH_STEP, "std_step": STD_STEP,
                  "entropy_is_known": decoded.probabilities is not None}
        error = {} if decoded.error is None else {"depth_error": _steps(decoded.error, STD_STEP)}
        return binary_message(header, {
            **error, "image": maps.image, "labels": maps.labels,
            "depth": _steps(maps.depth, DEPTH_STEP),
            "depth_std": _steps(maps.depth_std, STD_STEP),
            "confidence": _bytes(maps.confidence), "entropy": _bytes(decoded.entropy)})

    def _search(self, values: Values) -> Answer:
        shown = self._shown()
        text = str(values["text"])
        labels = matching_classes(text, shown.snapshot.classes)
        if not labels:
            raise ViewerError(f"no class is called {text!r}; the map has "
                              + ", ".join(shown.snapshot.classes.names))
        confidence = float(values.get("min_confidence", 0))
        return {"objects": [_object(found, shown) for label in labels
                            for found in shown.objects(label, confidence).objects]}

    def _box(self, values: Values) -> Answer:
        """The connected object that a ray hits."""
        shown = self._shown()
        index = self._picked(shown, values)
        if index is None:
            raise ViewerError("there is no point there; click on the map")
        found = shown.objects(int(shown.cloud.labels[index]),
                              float(values.get("filter", {}).get("min_confidence", 0)))
        number = int(found.member[index])
        if not number:
            raise ViewerError("the point belongs to no object that is large enough; click "
                              "another one")
        return _object(found.objects[number - 1], shown)

    def _measure(self, values: Values) -> Answer:
        value, unit = measure(str(values["kind"]), values["points"])
        return {"value": value, "unit": unit}

    def _save_measure(self, values: Values) -> Answer:
        kind, name = str(values["kind"]), str(values.get("name", ""))
        points = [[float(c) for c in point] for point in values["points"]]
        if kind == "box":
            value, unit = float(values["value"]), "m3"
        else:
            value, unit = measure(kind, points)
        return asdict(self._annotations.add_measure(kind, name, value, unit, points))

    def _rename_measure(self, values: Values) -> Answer:
        self._annotations.rename_measure(int(values["number"]), str(values["name"]))
        return {}

    def _remove_measure(self, values: Values) -> Answer:
        self._annotations.remove_measure(int(values["number"]))
        return {}

    def _set_colour(self, values: Values) -> Answer:
        name, colour = str(values["class"]), values.get("colour")
        if name not in self._shown().snapshot.classes.names:
            raise ViewerError(f"there is no class {name!r}; reload the page")
        self._annotations.set_colour(
            name, None if colour is None else [min(max(int(c), 0), 255) for c in colour])
        return {}

    # --- correcting ------------------------------------------------------------------

    def _region(self, values: Values) -> bytes:
        view = self._view(values)
        mask = self._labels().region(view.frame_index, _place(values), _radius(values))
        return binary_message({"type": "answer", "id": values.get("id"),
                               "width": mask.shape[1], "height": mask.shape[0]},
                              {"mask": mask.astype(np.uint8)})

    def _correct(self, values: Values) -> Answer:
        kind: CorrectionKind = "override" if values.get("kind") == "override" else "code"
        made = self._labels().correct(self._view(values).frame_index, _place(values),
                                      str(values["class"]), radius=_radius(values), kind=kind)
        return {"number": made.number, "pixels": len(made.region)}

    def _edited(self, action: str) -> Answer:
        editor = self._labels()
        made = editor.undo() if action == "undo" else editor.redo()
        return {"number": made.number}

    def _remove_correction(self, values: Values) -> Answer:
        return {"number": self._labels().remove(int(values["number"])).number}

    def _labels(self) -> LabelEditor:
        if self.editor is None:
            raise ViewerError("labels of this map cannot be corrected here; open the map file "
                              "that a run keeps with --map")
        return self.editor

    # --- the run ---------------------------------------------------------------------

    def _controlled(self, action: str) -> Answer:
        controls = self._run()
        {"pause": controls.pause, "resume": controls.resume, "stop": controls.stop,
         "new_map": controls.new_map}[action]()
        return {}

    def _mark(self, values: Values) -> Answer:
        live = self._shown().snapshot.live
        if live is None:
            raise ViewerError("a moment can be marked while a run goes on only")
        return asdict(self._annotations.add_mark(live.frame_index, live.timestamp,
                                                 str(values.get("note", ""))))

    def _run(self) -> RunControls:
        if self._controls is None:
            raise ViewerError("this is a saved map: there is no run to control")
        return self._controls

    def _view(self, values: Values) -> KeyframeView:
        index = int(values["frame_index"])
        view = self._shown().keyframe(index)
        if view is None:
            raise ViewerError(f"there is no keyframe of frame {index} any more; choose another")
        return view


def _object(found: MapObject, shown: ShownMap) -> Answer:
    return {**asdict(found), "class": _name(shown.snapshot.classes.names, found.label),
            "volume": float(np.prod(found.size))}


def _bars(probabilities: np.ndarray, names: tuple[str, ...]) -> list[list[Any]]:
    """[name, id, probability] of the most probable classes; none where nothing is known."""
    if not probabilities.any():
        return []
    top = np.argsort(-probabilities)[:BARS].tolist()
    return [[names[n], n, float(probabilities[n])] for n in top]


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if label < len(names) else "unlabelled"


def _vector(values: Any) -> np.ndarray:
    """(3,) float64."""
    vector = np.array([float(v) for v in values])
    if vector.shape != (3,):
        raise ValueError(f"{values} is not three numbers")
    return vector


def _place(values: Values) -> Any:
    at = values["at"]
    if isinstance(at[0], (list, tuple)):
        return [(float(u), float(v)) for u, v in at]
    return float(at[0]), float(at[1])


def _radius(values: Values) -> float | None:
    radius = values.get("radius")
    return None if radius is None else float(radius)


def _steps(values: np.ndarray, step: float) -> np.ndarray:
    return np.rint(np.clip(np.nan_to_num(values) / step, 0, 65535)).astype(np.uint16)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
