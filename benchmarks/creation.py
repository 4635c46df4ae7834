"""What one tenant costs in requests on the emulated landscape, beside what the Go program v0.1.1 costs.

The figures of the Go program were counted from its code: one creation with one chart and one image pull secret in the
best case, and one steady pass, of which it does one per poll interval.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.runtime.test_promises import creation

GO_READS, GO_WRITES, GO_STEADY = 44, 10, "17 R + 2 W"


def main() -> None:
    """Count and print."""
    reads, writes, events = creation()
    print(f"one creation     {reads:3d} R + {writes:3d} W, {events} Events    Go: {GO_READS} R + {GO_WRITES} W")
    print(f"                 reads, ours / Go = {reads / GO_READS:.2f}; writes, ours / Go = {writes / GO_WRITES:.2f}")
    print(f"one steady pass    0 R +   0 W              Go: {GO_STEADY} (asserted by the tests: no request but polls)")


if __name__ == "__main__":
    main()
