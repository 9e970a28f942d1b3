"""Hosts and ports, before a server is started."""

import socket

import pytest

from scenecode.viewer import address
from scenecode.viewer.address import free_port, page_url
from scenecode.viewer.base import ViewerError


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_free_one(taken_port):
    port = free_port("127.0.0.1", taken_port)
    assert taken_port < port < taken_port + address.PORTS_TRIED


def test_no_free_port_is_an_error_that_names_them(taken_port, monkeypatch):
    monkeypatch.setattr(address, "PORTS_TRIED", 1)
    with pytest.raises(ViewerError, match=rf"{taken_port}.*taken.*--port"):
        free_port("127.0.0.1", taken_port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_an_error(port):
    with pytest.raises(ViewerError, match=f"port {port} does not exist"):
        free_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_a_host_that_is_not_this_machine_is_an_error(host):
    with pytest.raises(ViewerError, match=f"cannot listen at {host}:8080.*127.0.0.1"):
        free_port(host, 8080)


def test_the_url_is_one_that_a_browser_here_can_open():
    assert page_url("127.0.0.1", 8080) == "http://127.0.0.1:8080"
    assert page_url("0.0.0.0", 8081) == "http://localhost:8081"
    assert page_url("::1", 8080) == "http://[::1]:8080"
