"""Walks that several test files share; each is rendered once."""

import pytest
from walks import SMALL, walk


@pytest.fixture(scope="session")
def small_walk():
    """60 frames of 128x96."""
    return walk(1, 60, *SMALL)
