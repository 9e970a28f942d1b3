"""Who may look at a page and who may change something: the token, and the headers of requests."""

import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

#: Names by which a browser on this machine may ask.
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at ``host``."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


class Access:
    """Rules of one server.

    * On loopback a browser of this machine gets the token with the page; a page that was reached
      by another name (DNS rebinding) gets nothing.
    * Beyond loopback nothing is shown without the token, which is part of the printed link.
    * What changes the map or the run needs the token always, which a page of another origin does
      not have; with ``view_only`` nothing is changed.
    """

    def __init__(self, host: str, view_only: bool = False, token: str | None = None):
        self.token = secrets.token_urlsafe(18) if token is None else token
        self.view_only = view_only
        self.is_local = is_loopback(host)

    def may_load(self, path: str, headers: Mapping[str, str], port: int) -> bool:
        """Whether a request for ``path`` (with its query) is answered."""
        if self.is_local:
            return _host_name(headers.get("Host", "")) in _LOOPBACK_NAMES \
                and _origin_is_local(headers.get("Origin"))
        return self.has_token(path, headers, port)

    def may_change(self, path: str, headers: Mapping[str, str], port: int) -> bool:
        """Whether a connection that was opened by this request may change anything."""
        return not self.view_only and self.has_token(path, headers, port)

    def has_token(self, path: str, headers: Mapping[str, str], port: int) -> bool:
        """Whether the query or the cookie of a request carries the token."""
        given = parse_qs(urlsplit(path).query).get("token", [])
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(cookie_name(port))
        except CookieError:
            cookie = None
        given += [cookie.value] if cookie is not None else []
        return any(secrets.compare_digest(one.encode(), self.token.encode()) for one in given)

    def cookie(self, port: int) -> str:
        """Value of the ``Set-Cookie`` header of the page."""
        return f"{cookie_name(port)}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def link(self, url: str) -> str:
        """The link to print: with the token where the page is reached from elsewhere."""
        return url if self.is_local else f"{url}/?token={self.token}"


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart, so that their name does."""
    return f"scenecode_{port}"


def _host_name(host: str) -> str:
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host


def _origin_is_local(origin: str | None) -> bool:
    return origin is None or _host_name(origin.partition("//")[2]) in _LOOPBACK_NAMES
