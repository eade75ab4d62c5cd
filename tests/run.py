"""`make test`: runs every test with pytest and ends with the line `N passed, N failed`.

Arguments go to pytest (default: the whole of tests/). Two workers for each core, since a test waits about half of its
time: for the guest's clock, or for what QEMU's e1000 does in its first second, which is nothing. TEST_JOBS says another
number. The last line counts tests; a skipped test counts as failed, because on a prepared machine nothing has a reason to
be skipped.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("RVNET_BUILD", ROOT / "build"))
RESULTS = BUILD / "test-results.xml"


def jobs():
    return os.environ.get("TEST_JOBS") or str(2 * len(os.sched_getaffinity(0)))


def counts():
    suite = xml.etree.ElementTree.parse(RESULTS).getroot().find("testsuite")
    bad = sum(int(suite.get(kind)) for kind in ("failures", "errors", "skipped"))
    return int(suite.get("tests")) - bad, bad


def main():
    RESULTS.unlink(missing_ok=True)
    arguments = sys.argv[1:] or ["tests"]
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", jobs(), "--durations=8",
         f"--junitxml={RESULTS}", *arguments], cwd=ROOT, check=False).returncode
    if not RESULTS.exists():
        sys.exit(f"pytest ended with {code} before it ran a test")
    passed, failed = counts()
    if failed:
        print(f"evidence of failed system tests: {BUILD / 'evidence'}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or code or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
