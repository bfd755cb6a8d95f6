"""clients/python builds into a wheel, without a network, that is whole and typed."""

import shutil
import subprocess
import sys
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

from local import template

SOURCE = template.ROOT / "clients" / "python"
PACKAGE = "cryptopulse_client"
USE = """
import sys
sys.path.insert(0, sys.argv[1])
import cryptopulse_client
print(cryptopulse_client.Client.__name__, cryptopulse_client.__file__)
"""


def test_the_python_client(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a build leaves things beside what it builds
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")
    command = (sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", tmp_path, source)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == "cryptopulse_client-0.1.0-py3-none-any.whl"
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith(f"{PACKAGE}/")}
        metadata = message_from_string(archive.read("cryptopulse_client-0.1.0.dist-info/METADATA").decode())
    assert names == {f"{PACKAGE}/{path.name}" for path in (SOURCE / PACKAGE).iterdir() if path.is_file()}
    assert f"{PACKAGE}/py.typed" in names
    required = {text.partition(">")[0] for text in metadata.get_all("Requires-Dist", [])}
    assert (metadata["Name"], required) == ("cryptopulse-client", {"msgspec", "websockets"})
    done = subprocess.run((sys.executable, "-I", "-c", USE, wheel), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"Client {wheel / PACKAGE / '__init__.py'}\n", "")
