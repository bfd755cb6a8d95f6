"""What the tests of those who ask strangers share."""

from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.unit.feeds.host import NAME


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of NAME with its key, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(self_signed(NAME))
    return path
