"""A process that has lost touch with the onboarding cluster ends."""

import asyncio

import pytest

from openmcp_adapters.emulation import VirtualClock, run
from openmcp_provider.runtime.watchdog import LostTouch, watch_over


@pytest.mark.parametrize(
    ("quiet_until", "refused", "ends"),
    [(None, None, None), (500.0, None, None), (5000.0, None, 605.0), (None, 100.0, 705.0)],
)
def test_trouble_of_ten_minutes_ends_it(quiet_until: float | None, refused: float | None, ends: float | None) -> None:
    """Ten minutes of silence or of refused credentials end it, anything shorter does not."""

    async def story() -> float | None:
        loop = asyncio.get_running_loop()

        def silence() -> float:
            quiet = quiet_until is not None and loop.time() < quiet_until
            return loop.time() if quiet else 0.0

        watching = watch_over(
            VirtualClock(),
            silence=silence,
            refused_since=lambda: refused if refused is not None and loop.time() >= refused else None,
        )
        (ended,) = await asyncio.gather(asyncio.wait_for(watching, 3600.0), return_exceptions=True)
        assert isinstance(ended, (LostTouch, TimeoutError))
        return loop.time() if isinstance(ended, LostTouch) else None

    assert ends == run(story)
