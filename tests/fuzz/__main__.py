"""`make fuzz`: every target, `--inputs` in all. Exit 1, and the inputs in build/fuzz, when one crashed or hung."""

import argparse
import sys
from hashlib import sha256
from pathlib import Path

from tests.fuzz.run import run
from tests.fuzz.target import found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=found(), help="only these")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for what failed")
    asked = parser.parse_args()
    targets = {name: target for name, target in found().items() if not asked.target or name in asked.target}
    share, failed = -(-asked.inputs // len(targets)), 0
    for name, target in targets.items():
        report = run(target, share, asked.seed)
        failed += len(report.failures)
        sys.stdout.write(
            f"{name:20} {report.fed:>9} inputs  slowest {report.slowest * 1e3:7.1f} ms  {len(report.failures)} failed\n"
        )
        sys.stdout.flush()
        for data, words in report.failures:
            asked.keep.mkdir(parents=True, exist_ok=True)
            path = asked.keep / f"{name}-{sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            sys.stdout.write(f"  {path}: {words}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
