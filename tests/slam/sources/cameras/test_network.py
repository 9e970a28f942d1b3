"""A network camera: a small MJPEG server on this machine, which drops the line and comes back."""

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import pytest
from support.pictures import picture, small

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source
from scenecode.slam.sources.cameras import live
from scenecode.slam.sources.cameras.network import is_url

#: Images before the first connection is dropped; FFmpeg reads a few ahead.
FIRST_IMAGES = 60


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections = itertools.count()
        self.ending = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Pictures until the connection is to end: one grey for each connection."""

    server: Server

    def do_GET(self):
        connection = next(self.server.connections)
        jpeg = cv2.imencode(".jpg", picture(60 + 60 * min(connection, 2)))[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for sent in itertools.count():
                if connection == 0 and sent == FIRST_IMAGES or self.server.ending.wait(0.01):
                    return
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: "
                                 + str(len(jpeg)).encode() + b"\r\n\r\n" + jpeg + b"\r\n")
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(live, "LOST_AFTER", 0.1)
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.01)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.ending.set()
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_camera_that_drops_the_line_and_comes_back_goes_on(server, caplog):
    url = f"http://user:secret@127.0.0.1:{server.server_port}/video.mjpg"
    camera = open_source(url, small())
    try:
        greys, stamps = set(), []
        for frame in camera:
            greys.add(round(float(frame.image[0, 8:16, 4:12].mean()) * 255 / 60))
            stamps.append(frame.timestamp)
            if len(greys) == 2:
                break
    finally:
        camera.close()
    assert camera.is_live and stamps == sorted(stamps)
    assert "trying to open it again" in caplog.text and "is back" in caplog.text
    assert "secret" not in caplog.text + camera.name


def test_an_address_without_a_camera_is_refused():
    with pytest.raises(SourceError, match="http://127.0.0.1:9/none: cannot be opened"):
        open_source("http://127.0.0.1:9/none", small())


@pytest.mark.parametrize("spec, expected", [
    ("rtsp://host/stream", True), ("HTTP://10.0.0.1:8080/video", True),
    ("C://videos/a.mp4", False), ("rooms:7", False), ("a/b//c", False), ("12:30:00.mp4", False)])
def test_urls_are_distinguished_from_paths(spec, expected):
    assert is_url(spec) == expected
