"""The dashboard's files: built from `web/` where Node.js is there, and how each is served.

`python -m local.dashboard` builds them; with a word more, it runs that npm script of web/package.json.
"""

import fcntl
import hashlib
import mimetypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.processes import ProblemError
from local.template import ROOT

WEB = ROOT / "web"
DIST = WEB / "dist"
PAGE = "index.html"
ASSETS = "assets/"
"""Below it a name holds its content's hash: another content has another name."""

NODE = (20, 19)
BUILT_FROM = ".built-from"
INSTALLED_FROM = ".installed-from"
GENERATED = {"node_modules", "dist", "schema.d.ts"}

mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("font/woff2", ".woff2")


class NodeError(ProblemError):
    """There is no Node.js, or none that is new enough; in one line."""


type Tell = Callable[[str], object]


def build(tell: Tell, folder: Path = WEB) -> Path:
    """Builds it, where its sources are not those of the last build.

    Args:
        tell: Called with what is done, where it takes a while.
        folder: Where the sources are.

    Returns:
        The folder of what was built.

    Raises:
        ProblemError: There is no Node.js, or npm failed.
    """
    npm = _npm()
    dist = folder / "dist"
    with _only_builder(folder):
        sources = _fingerprint(folder)
        if _read(dist / BUILT_FROM) == sources:
            return dist
        _install(tell, folder, npm)
        tell("Vite builds the dashboard")
        _run(folder, npm, "run", "build")
        (dist / BUILT_FROM).write_text(sources)
    return dist


def run(script: str, tell: Tell, folder: Path = WEB) -> None:
    """Runs an npm script, its output as it comes.

    Raises:
        ProblemError: There is no Node.js, or it failed.
    """
    npm = _npm()
    with _only_builder(folder):
        _install(tell, folder, npm)
    if subprocess.run([npm, "run", "--silent", script], cwd=folder, check=False).returncode:
        raise ProblemError(f"`npm run {script}` failed in {folder}")


def files(dist: Path) -> list[str]:
    """The paths of what is served, relative to the folder."""
    return sorted(
        str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file() and not path.name.startswith(".")
    )


def content_type(path: str) -> str:
    """A file's media type, as HTTP tells it."""
    found = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def cache_control(path: str) -> str:
    """How long a browser may keep a file without asking."""
    return "public, max-age=31536000, immutable" if path.startswith(ASSETS) else "no-cache"


def is_page(path: str) -> bool:
    """Whether a URL's path is a page, which index.html draws, and no file."""
    return "." not in path.rpartition("/")[2]


def _npm() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    wanted = ".".join(map(str, NODE))
    get = "https://nodejs.org has it; on Debian 13, apt install nodejs npm"
    if node is None or npm is None:
        raise NodeError(f"{'Node.js' if node is None else 'npm'} is missing (Node.js {wanted} or newer): {get}")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if found is None or tuple(map(int, found.groups())) < NODE:
        raise NodeError(f"Node.js {wanted} or newer is needed, and this is {version or 'broken'}: {get}")
    return npm


def _install(tell: Tell, folder: Path, npm: str) -> None:
    """Installs the packages that the lock file names, where they are not there."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    mark = folder / "node_modules" / INSTALLED_FROM
    if _read(mark) != lock:
        tell("npm installs the dashboard's packages: some seconds, once")
        _run(folder, npm, "ci")
        mark.write_text(lock)


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Lets one process build at a time: a second waits, and finds it done."""
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(folder: Path) -> str:
    """Changes whenever what would be built does."""
    sources: list[Path] = []
    for path, folders, names in folder.walk():
        folders[:] = [name for name in folders if name not in GENERATED]
        sources += [path / name for name in names if name not in GENERATED]
    digest = hashlib.sha256((ROOT / "docs" / "openapi.json").read_bytes())
    for path in sorted(sources):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise ProblemError(f"`{' '.join(['npm', *command[1:]])}` failed in {folder}:\n{tail}")


def main(words: list[str]) -> int:
    """Runs `make web`, and its part of `make check` and `make test`."""
    try:
        if words:
            run(words[0], print)
        else:
            print(build(print))
    except NodeError as problem:
        print(f"!! the dashboard is left out: {problem}", file=sys.stderr)
        return 1 if "CI" in os.environ else 0
    except ProblemError as problem:
        print(f"✗ {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
