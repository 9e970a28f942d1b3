"""Shared by all tests: helper modules on the path, and one seed for each test."""

import sys
from pathlib import Path

import pytest
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "optim")]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
