"""Runs all benchmarks, or those named, each in a fresh interpreter: `make bench`, `make bench NAME=candles`."""

import subprocess
import sys
import time
from pathlib import Path


def main(names: list[str]) -> int:
    """Runs benchmarks one after another, so that none disturbs another.

    Args:
        names: Modules of this package; all if empty.

    Returns:
        How many failed, or missed what they promise.
    """
    found = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    unknown = set(names) - set(found)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(found)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or found:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - began:.1f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
