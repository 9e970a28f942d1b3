"""Who may look and who may change something."""

import pytest

from scenecode.viewer.access import Access, cookie_name, is_loopback

PORT = 8080


def local(**more):
    return {"Host": "localhost:8080", **more}


def test_loopback_names():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.0.0.9")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.0.7", "::", "example.org")))


def test_on_loopback_the_page_is_shown_and_the_link_is_plain():
    access = Access("127.0.0.1")
    assert access.may_load("/", local(), PORT)
    assert access.link("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example:8080"}, local(Origin="http://evil.example"),
    {"Host": "localhost.evil.example"}, {}])
def test_other_sites_reach_nothing_on_loopback(headers):
    assert not Access("127.0.0.1").may_load("/socket", headers, PORT)


def test_changes_need_the_token_also_on_loopback():
    access = Access("127.0.0.1")
    assert not access.may_change("/socket", local(), PORT)
    cookie = {"Cookie": access.cookie(PORT).partition(";")[0]}
    assert access.may_change("/socket", local(**cookie), PORT)
    assert not access.may_change("/socket", local(Cookie=f"{cookie_name(PORT)}=no"), PORT)


def test_beyond_loopback_nothing_is_shown_without_the_token():
    access = Access("0.0.0.0")
    headers = {"Host": "192.168.0.7:8080"}
    assert not access.may_load("/", headers, PORT)
    assert not access.may_load("/?token=wrong", headers, PORT)
    assert access.may_load(f"/?token={access.token}", headers, PORT)
    assert access.token in access.link("http://192.168.0.7:8080")
    assert access.may_load("/style.css", {**headers, "Cookie": access.cookie(PORT)}, PORT)


def test_view_only_changes_nothing_with_the_token_either():
    access = Access("0.0.0.0", view_only=True)
    assert access.may_load(f"/?token={access.token}", {}, PORT)
    assert not access.may_change(f"/socket?token={access.token}", {}, PORT)


def test_tokens_differ_from_start_to_start():
    assert Access("0.0.0.0").token != Access("0.0.0.0").token
