"""Back-off: waits that double from try to try."""

__all__ = ["doubled"]

_MOST = 30  # doublings; whoever fails more often has long reached any ceiling


def doubled(floor: float, ceiling: float, failures: int) -> float:
    """Return the seconds to wait after so many failures before this one: the floor at first, the ceiling at most."""
    return min(ceiling, floor * 2.0 ** min(failures, _MOST))
