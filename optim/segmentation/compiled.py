"""Loops over pixels, compiled by numba at their first call."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function compiled for the types of its first call, kept on disk for later processes
    where a folder for that can be written."""
    try:
        return njit(function, cache=True, nogil=True)
    except RuntimeError:
        # no folder for the cache: compiled anew in every process
        return njit(function, nogil=True)
