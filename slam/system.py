"""The whole system: frames in, poses and map out.

    source -> track -> keyframe -> optimise -> publish -> output

``System`` is the only place that knows all parts.  The front end (``frontend``) tracks every
frame; frames that it wants as keyframes go to the back end (``backend``), which optimises the
map, publishes it to the front end, and hands it to the output (``output``): files, viewer, and
readers of snapshots.  With ``threaded`` the three run concurrently.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import TracebackType

import numpy as np

from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError, CorrectionError, ScenecodeError, SourceError
from scenecode.networks.inference.combined import load_front_end
from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.backend import Backend, FramePlacing, ThreadedBackend
from scenecode.slam.config.files import config_text
from scenecode.slam.config.slam_config import SlamConfig, weights_of
from scenecode.slam.corrections.correction import Correction, CorrectionKind, CorrectionList
from scenecode.slam.corrections.editor import Place
from scenecode.slam.corrections.label_editing import LabelEditing
from scenecode.slam.evaluation.report import Report
from scenecode.slam.frame_placement import Placed
from scenecode.slam.frontend import Frontend
from scenecode.slam.known_map import OpenedMap, open_map
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.mapfile.fingerprint import (
    predictor_fingerprint,
    predictor_name,
    weights_fingerprint,
)
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.sink import OutputSink
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.runtime.memory import keep_heaps_small, resident_mb
from scenecode.slam.runtime.playback import paced
from scenecode.slam.runtime.run_control import RunControl, Status
from scenecode.slam.runtime.worker import single_threaded_operations
from scenecode.slam.sources.base.rectifier import Rectifier
from scenecode.slam.sources.base.source import ContinuedSource, Source
from scenecode.slam.tracking.process import TrackingProcess, TrackingProcessError
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings
from scenecode.slam.tracking.tracker import TrackedFrame, Tracker

_log = logging.getLogger(__name__)


class System:
    """Monocular dense semantic SLAM of one camera: ``run`` a source, or ``track`` images.

    A context manager; without ``with``, call ``close`` at the end.
    """

    def __init__(self, config: SlamConfig | None = None, predictor: Predictor | None = None, *,
                 camera: PinholeCamera | None = None, out: str | Path | None = None,
                 on_map: Callable[[Snapshot], None] | None = None,
                 on_frame: Callable[[Frame, TrackedFrame], None] | None = None,
                 on_placed: Placed | None = None,
                 threaded: bool = False, mailbox: Mailbox[Snapshot] | None = None,
                 output: OutputSink | None = None, map_file: str | Path | None = None,
                 localise: bool = False, recode: bool = False, session: str = "frames",
                 control: RunControl | None = None):
        """Loads the network; nothing runs yet.

        * ``config``: settings; ``predictor``: the network, by default the one it names.
        * ``camera``: of the images given to ``track``, in pixels of the original image.
        * ``out``: a folder for the results, readable after every keyframe; cleared if it holds
          an earlier result.
        * ``on_map`` is called with every new ``Snapshot``, ``on_frame`` with every frame and its
          ``TrackedFrame``; when ``threaded``, the former in another thread.
        * ``on_placed`` is called at the end of a ``run`` of a recording, when its frames are
          placed between the keyframes, with how many of them are, and how many there are.
        * ``threaded``: whether mapping and output run concurrently with tracking, which then
          takes a process of its own.
        * ``mailbox``: gets every new snapshot, for the thread of a viewer.
        * ``output``: where map and frames go instead of an ``Output`` of ``out`` and ``on_map``.
        * ``map_file``: the map is kept in this file and, if it exists, continued: the camera is
          searched in it, and a map begun beside it, to be joined with it, where that takes long.
          ``session`` names this run in it.  To ``localise`` is to track only and leave the file as
          it is; to ``recode`` is to compute the codes of another network's map anew first.

        * ``control``: steers a ``run`` from other threads.

        Raises ``ConfigError`` when the network takes images of another size than ``config``
        states, ``ResultError`` for an ``out`` or a ``map_file`` that cannot be used.
        """
        config = SlamConfig() if config is None else config
        self.config = config = replace(config, device=str(choose_device(config.device)))
        self.predictor = _loaded(config) if predictor is None else predictor
        _require_size(self.predictor, config)
        _require_moving_classes(self.predictor, config)
        self.recording = Recording()
        self.timings = Timings()
        #: set it to end a run after the present frame
        self.stop = threading.Event()
        self.control = RunControl() if control is None else control
        self.control.attach(self.stop, self._status)
        self._resources = ExitStack()
        self._map_file = None if map_file is None else Path(map_file)
        self._threaded = threaded
        if threaded:
            keep_heaps_small()
        with ExitStack() as until_made:
            until_made.callback(self._resources.close)
            self._map = self._open_map(predictor is not None, session, localise, recode)
            self.output = output if output is not None else \
                self._make_output(out, on_map, mailbox)
            until_made.pop_all()
        self._editing = LabelEditing(
            lambda: self.output.snapshot, self._keyframe_number, self._corrections_changed,
            self._known_corrections)
        self._on_frame, self._on_placed = on_frame, on_placed
        #: that of ``run``
        self._source: Source | None = None
        self._camera = camera
        self._rectifier: Rectifier | None = None
        self._last_timestamp: float | None = None
        #: given to ``track`` so far
        self._images = 0
        self._frontend: Frontend | None = None
        self._backend: Backend | None = None
        self._tracking_process: TrackingProcess | None = None
        self._closed = False

    # --- the main loop ---------------------------------------------------------------

    def run(self, source: Source, realtime: bool | None = None) -> None:
        """Process a source to its end, or until ``stop`` is set, and close.

        ``realtime`` plays a recording at its own speed, as a camera would deliver it; by default
        when ``threaded``.  An exception in any thread ends the run and is raised here.
        """
        frames = self.control.held(source)
        if (self._threaded if realtime is None else realtime) and not source.is_live:
            frames = paced(frames, self.stop, lambda: self.control.held_s)
        self._source = source
        with self:
            # the clock of a recording must not run while tracking starts
            self._started()
            for frame in frames:
                if self.stop.is_set():
                    break
                # before a report that this frame may cause
                self.recording.unreadable = source.unreadable
                self.process(frame)
                self.control.note_frame()
            self.recording.unreadable = source.unreadable

    def process(self, frame: Frame) -> TrackedFrame | None:
        """Track a frame, and map it where it is wanted as a keyframe; None for a frame that no
        map can be started from.  Raises what mapping or the output raised in its thread."""
        frontend, backend = self._started()
        backend.raise_failure()
        if not frontend.is_usable(frame):
            return None
        frame = replace(frame, image=frame.image.to(self.config.device))
        published = backend.published
        tracked = frontend.track(frame, published, backend.searches)
        if tracked is not None:
            self.output.on_frame(frame, tracked)
            if self._on_frame is not None:
                self._on_frame(frame, tracked)
            # keyframe, optimise, publish, output; when threaded, during the next frames
            if tracked.wants_keyframe:
                backend.request(frame, tracked, published)
            elif tracked.lost:
                backend.report_lost(frame)
        elif published is None and self._map.known is not None:
            backend.report_lost(frame)
        return tracked

    def track(self, image: np.ndarray, timestamp: float) -> np.ndarray | None:
        """The pose of the next image of the ``camera``, for callers that have images of their own.

        ``image``: (H, W, 3) RGB or (H, W) grey, uint8, as the camera took it (its distortion is
        undone here); ``timestamp`` in seconds, rising.  Returns ``T_world_cam`` (4, 4) float64 in
        metres as known now, None while the camera is lost or no map was started.  The world
        frame is the camera of the first keyframe.

        Raises ``ConfigError`` without a camera, and ``SourceError`` for an image that does not
        fit it or a timestamp that is not finite or does not rise.
        """
        frame = self._frame(image, timestamp)
        tracked = self.process(frame)
        if tracked is None or tracked.lost:
            return None
        return tracked.T_world_cam.double().cpu().numpy()

    def close(self) -> None:
        """Finish mapping and output.  Raises what a thread raised; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        with self._resources:
            if self._backend is not None:
                self._note_tracking_memory()
                self._backend.close(self._placing())
                self.output.finish()
                self._tell_whether_found()

    # --- corrections of labels (scenecode.slam.corrections.editor.LabelEditor) ---------

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """What users stated about labels, oldest first, with what was undone."""
        return self._editing.corrections

    def frame_index_of(self, correction: Correction) -> int:
        """Frame index of the keyframe that a correction is of."""
        return self._editing.frame_index_of(correction)

    def region(self, frame_index: int, place: Place, radius: float | None = None) -> np.ndarray:
        """(H, W) bool: the pixels that ``correct`` would mean."""
        return self._editing.region(frame_index, place, radius)

    def correct(self, frame_index: int, place: Place, class_name: str, *,
                radius: float | None = None, kind: CorrectionKind = "code") -> Correction:
        """State the class of a region of a keyframe of ``snapshot``: around a pixel (u, v), in a
        disc of a ``radius`` around it, or in a polygon.  When ``threaded``, from any thread, and a
        later snapshot shows what it changed.  Raises ``CorrectionError``."""
        return self._editing.correct(frame_index, place, class_name, radius=radius, kind=kind)

    def undo(self) -> Correction:
        """Undo the last correction that counts.  Raises ``CorrectionError``."""
        return self._editing.undo()

    def redo(self) -> Correction:
        """Make the last correction that was undone count again.  Raises ``CorrectionError``."""
        return self._editing.redo()

    def remove(self, number: int) -> Correction:
        """Remove the correction of a number.  Raises ``CorrectionError``."""
        return self._editing.remove(number)

    def _keyframe_number(self, frame_index: int) -> int:
        return self._own_output().number_of(frame_index)

    def _corrections_changed(self, corrections: CorrectionList) -> None:
        if self._closed:
            raise CorrectionError("this System is closed; correct the map that it saved with "
                                  "'scenecode label'")
        self._own_output().correct(corrections)
        if self._backend is not None:
            self._backend.corrections_changed(_keyframes_of(corrections))

    def _own_output(self) -> Output:
        if not isinstance(self.output, Output):
            raise CorrectionError("labels can be corrected where the output is the System's own; "
                                  "make it without output=")
        return self.output

    @property
    def _known_corrections(self) -> CorrectionList:
        """Those of the map file when it was opened."""
        return CorrectionList() if self._map.known is None else self._map.known.corrections

    # --- results ---------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The newest map for those who look at it; its ``version`` grows with every change."""
        return self.output.snapshot

    @property
    def report(self) -> Report:
        """What was measured so far, as in ``report.json``."""
        return self.output.report

    @property
    def graph(self) -> KeyframeGraph:
        """The keyframe graph, which mapping changes; to be read when nothing runs."""
        return KeyframeGraph() if self._backend is None else self._backend.graph

    def _status(self) -> Status:
        """How the run does, for ``control``; any thread may call."""
        return {"lag_s": self.timings.lag.median, "memory_mb": resident_mb(),
                "waiting": None if self._backend is None else self._backend.waiting}

    # --- parts -----------------------------------------------------------------------

    def __enter__(self) -> "System":
        try:
            self._started()
        except BaseException:  # nobody calls __exit__ then
            self.close()
            raise
        return self

    def __exit__(self, error_type: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if error_type is None:
            self.close()
            return
        self.stop.set()
        try:
            self.close()
        except Exception as second:  # the body's own error comes first
            if second is not error:
                _log.warning("while ending after an error: %s", second)

    def _started(self) -> tuple[Frontend, Backend]:
        """Front end and back end; started at the first call."""
        if self._closed:
            raise ScenecodeError("this System is closed; make a new one for another run")
        if self._frontend is None or self._backend is None:
            tracker = self._tracker()
            self._frontend = Frontend(self.config.tracking, tracker, self.recording, self.timings,
                                      self._map.known)
            parts = (self.config, self.predictor, self.recording, self.timings, self.output,
                     self._map.known)
            self._backend = ThreadedBackend(*parts, on_failure=self.stop.set) \
                if self._threaded else Backend(*parts)
            if len(self._known_corrections):
                self._backend.corrections_changed(_keyframes_of(self._known_corrections))
        return self._frontend, self._backend

    def _make_output(self, out: str | Path | None,
                     on_map: Callable[[Snapshot], None] | None,
                     mailbox: Mailbox[Snapshot] | None) -> Output:
        classes = self.predictor.classes
        folder = None
        if out is not None:
            text = config_text(self.config, everything=True)
            folder = ResultFolder.create(out, classes, text, self._map_file)
            self._resources.callback(folder.close)
        return Output(self.config.fusion, classes, folder=folder, mailbox=mailbox,
                      on_snapshot=on_map, deferring=self._threaded, map_writer=self._map.writer,
                      corrections=self._known_corrections,
                      matched=None if self._map.known is None else self._map.known.image_depths)

    def _open_map(self, is_own: bool, session: str, localise: bool, recode: bool) -> OpenedMap:
        """``is_own``: whether the predictor was given, so that it has no weights file of ours."""
        path = self._map_file
        if path is None:
            return OpenedMap(known=None, writer=None)
        fingerprint = predictor_fingerprint(self.predictor) if is_own \
            else weights_fingerprint(weights_of(self.config.model))
        opened = open_map(path, self.config, self.predictor, fingerprint, session, localise,
                          recode, predictor_name(self.predictor) if is_own else None)
        if opened.writer is not None:
            self._resources.callback(opened.writer.close)
        return opened

    def _tell_whether_found(self) -> None:
        if self._map.known is None or self.recording.relocalised_at is not None:
            return
        consequence = "no pose is known" if self._map.known.localise else \
            "what was mapped has a world frame of its own, until a run recognises a place of both"
        _log.warning("the place of the camera in the map %s was not found; %s", self._map_file,
                     consequence)

    def _placing(self) -> FramePlacing | None:
        """How the frames of a run can be placed at its end: not those of a camera, which are gone,
        nor when it was told to stop."""
        source = self._source
        if source is None or source.is_live or self.stop.is_set():
            return None
        again = source.again if isinstance(source, ContinuedSource) else source.__iter__
        return FramePlacing(again=again, should_stop=self.stop.is_set, on_placed=self._on_placed)

    def _note_tracking_memory(self) -> None:
        if self._tracking_process is not None:
            try:
                self.timings.tracking_memory_mb = self._tracking_process.peak_memory_mb()
            except TrackingProcessError as error:  # it may be why the run ends
                _log.warning("%s", error)

    def _tracker(self) -> Tracker | TrackingProcess:
        if not self._threaded:
            return Tracker(self.config.tracking, self.config.keyframes)
        process = TrackingProcess(self.config.tracking, self.config.keyframes)
        self._resources.callback(process.close)
        self._resources.enter_context(single_threaded_operations())
        process.wait_until_ready()
        self._tracking_process = process
        return process

    def _frame(self, image: np.ndarray, timestamp: float) -> Frame:
        if not isinstance(self._camera, PinholeCamera):
            raise ConfigError("track() needs to know the camera of its images; make the system by "
                              "System(camera=PinholeCamera(fx, fy, cx, cy, width, height))")
        image = np.asarray(image)
        if not isfinite(timestamp):
            raise SourceError(f"timestamp {timestamp} is no time; give seconds")
        if self._last_timestamp is not None and timestamp <= self._last_timestamp:
            raise SourceError(f"timestamp {timestamp:.6f} s does not rise, the one before was "
                              f"{self._last_timestamp:.6f} s; give images in time order")
        if self._rectifier is None:
            self._rectifier = Rectifier.for_camera(self._camera, self.config.width,
                                                   self.config.height)
        rgb = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image
        if rgb.dtype != np.uint8 or rgb.shape[2:] != (3,) or not self._rectifier.fits(rgb):
            height, width = self._camera.height, self._camera.width
            raise SourceError(f"an image of shape {image.shape} and type {image.dtype}; the "
                              f"camera needs ({height}, {width}, 3) uint8")
        self._last_timestamp = timestamp
        self._images += 1
        return self._rectifier.frame(self._images - 1, timestamp, rgb)


def _keyframes_of(corrections: CorrectionList) -> frozenset[int]:
    return frozenset(correction.keyframe for correction in corrections.entries)


def _loaded(config: SlamConfig) -> Predictor:
    return load_front_end(weights_of(config.model), config.device, config.precision)


def _require_moving_classes(predictor: Predictor, config: SlamConfig) -> None:
    if config.dynamic == "mask" and not predictor.classes.moving:
        raise ConfigError(f"dynamic mask: none of the network's {len(predictor.classes)} classes "
                          "is of people or vehicles; take its depth and labels of a network that "
                          "has them (--model DEPTH+LABELS), or leave --dynamic out")


def _require_size(predictor: Predictor, config: SlamConfig) -> None:
    if (predictor.width, predictor.height) != (config.width, config.height):
        raise ConfigError(f"the model takes {predictor.width}x{predictor.height} images, the "
                          f"configuration says {config.width}x{config.height}; add --set "
                          f"width={predictor.width} --set height={predictor.height}")
