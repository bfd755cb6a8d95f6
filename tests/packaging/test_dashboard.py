"""What a browser has to load before it shows anything of the dashboard."""

import os

import pytest

from bench.dashboard import JAVASCRIPT_KB, initial_javascript
from local.dashboard import DIST, PAGE


def test_the_first_load_is_small() -> None:
    if not (DIST / PAGE).exists():
        assert "CI" not in os.environ
        pytest.skip("not built, for want of Node.js: the dashboard's size is NOT tested")
    assert 20 < initial_javascript() < JAVASCRIPT_KB
