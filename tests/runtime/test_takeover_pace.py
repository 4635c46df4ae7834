"""Many tenants of the Go program at once: taken over one after the other, and nobody else waits for that."""

import asyncio
from collections import Counter
from itertools import pairwise

from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider_cli.measures import takeovers
from tests.go_objects import FLUX, GO
from tests.runtime.go_program import gone_by, managers, taken_over
from tests.runtime.stage import CONFIGS, READS, RELEASES, Stage, play

Written = Counter[tuple[str, str, str, str]]
"""How often what was written: namespace, kind, name, verb."""
NAMES = ("a", "b", "c", "d", "e", "f")
SLOW = {"takeovers": 0.1}
"""One tenant in ten seconds: whoever waits is seen to."""


def writes(stage: Stage, *names: str) -> dict[str, list[float]]:
    """Return when the program wrote for tenants, Events apart."""
    homes = {stage.landscape.home(name): name for name in names}
    found: dict[str, list[float]] = {name: [] for name in names}
    for line in stage.landscape.traffic.log:
        name = homes.get(line.namespace) or (line.name if line.kind.startswith("OCM") else "")
        wrote = line.verb not in {*READS, "watch"} and line.kind != "Event"
        if line.client == "provider" and wrote and name in found:
            found[name].append(line.time)
    return found


async def waiters(stage: Stage) -> list[str]:
    """Return the tenants that were not taken over yet, in the order of their names."""
    found = []
    for name in NAMES:
        release = await stage.get(RELEASES, FLUX, stage.landscape.home(name))
        if release is not None and managers(release) != {(GO, "Apply")}:
            found.append(name)
    return found


async def pending(stage: Stage, number: int) -> None:
    """Wait until so many objects are still to be taken over, as the metric has it."""

    async def holds() -> bool:
        return takeovers(stage.controller.caches) == number

    await stage.until(holds)


def test_tenants_are_taken_over_one_after_the_other() -> None:
    """Each begins a turn after the one before; until then nothing of it is written, and its status stays what it was.

    What is left is counted, and the count falls to nothing.
    """

    async def story(stage: Stage) -> tuple[dict[str, list[float]], list[Json], list[Json], list[int]]:
        await gone_by(stage, *NAMES)
        before = [await stage.status(name) for name in NAMES]
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        during = [await stage.status(name) for name in NAMES]
        counts = []
        for left in range(len(NAMES) - 1, -1, -1):
            await pending(stage, 2 * left)
            await asyncio.sleep(5.0)
            counts.append(takeovers(stage.controller.caches))
        await taken_over(stage, *NAMES)
        return writes(stage, *NAMES), before, during, counts

    written, before, during, counts = play(story, stage=SLOW)

    begins = sorted(times[0] for times in written.values())
    assert [10] * 5 == [round(after - first) for first, after in pairwise(begins)]
    assert all(times[-1] - times[0] < 9.0 for times in written.values())
    assert 5 == sum(then == now for then, now in zip(before, during, strict=True))
    assert [10, 8, 6, 4, 2, 0] == counts


def test_others_do_not_wait_for_take_overs() -> None:
    """While many wait, a new tenant gets Ready and one that is over and changed is served, as fast as ever."""

    async def story(stage: Stage) -> tuple[float, float, int]:
        loop = asyncio.get_running_loop()
        await gone_by(stage, *NAMES)
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        (over,) = set(NAMES) - set(await waiters(stage))
        await taken_over(stage, over)
        began = loop.time()
        await stage.tenant("new")
        came = await stage.ready("new") - began
        began = loop.time()
        await stage.ocm(over, "0.7.0")
        await asyncio.sleep(1.0)
        changed = await stage.ready(over) - began
        return came, changed, takeovers(stage.controller.caches)

    came, changed, left = play(story, stage={"takeovers": 0.001})

    assert 10 == left
    assert came < 30.0
    assert changed < 30.0


def test_a_deletion_does_not_wait_for_a_turn() -> None:
    """Whose objects are still the Go program's can be deleted; what it waits for then is the cluster, not the line."""

    async def story(stage: Stage) -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        await gone_by(stage, *NAMES)
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        waiting = (await waiters(stage))[0]
        began = loop.time()
        await stage.delete(waiting)
        gone = await stage.gone(waiting) - began
        return gone, takeovers(stage.controller.caches)

    gone, left = play(story, stage={"takeovers": 0.001})

    assert gone < 60.0
    assert 8 == left


def test_who_changes_a_tenant_that_waits_waits_less() -> None:
    """A status that does not say Ready for the present generation is somebody's concern: such a tenant goes ahead."""

    async def story(stage: Stage) -> bool:
        await gone_by(stage, *NAMES)
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        last = (await waiters(stage))[-1]
        await stage.ocm(last, "0.7.0")
        await pending(stage, 2 * len(NAMES) - 4)
        return last not in await waiters(stage)

    assert play(story, stage=SLOW)


def test_a_restart_in_the_middle_goes_on_where_it_was() -> None:
    """After any number of restarts the very same was written, and nothing twice whose answer was heard.

    The restarts come as soon as something was taken over, in the midst of a tenant.
    """

    async def story(stage: Stage, restarts: int) -> tuple[Written, Written]:
        await gone_by(stage, *NAMES)
        stage.start()
        for left in range(2 * len(NAMES) - 1, 2 * len(NAMES) - 1 - restarts, -1):
            await at_once(stage, left)
            await stage.stop()
            await asyncio.sleep(1.0)
            stage.start()
        await taken_over(stage, *NAMES)
        await asyncio.sleep(60.0)
        tried: Written = Counter()
        heard: Written = Counter()
        for line in stage.landscape.traffic.log:
            if line.client == "provider" and line.cluster == PLATFORM and line.verb not in {*READS, "watch"}:
                what = (line.namespace, line.kind, line.name, line.verb)
                tried[what] += 1
                heard[what] += line.outcome == "OK"
        return tried, heard

    async def at_once(stage: Stage, left: int) -> None:
        caches = stage.controller.caches
        while len(caches.instances) < len(NAMES) or takeovers(caches) > left:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)  # short enough that no pass ends in between

    tried, heard = play(lambda stage: story(stage, 0), stage=SLOW)
    again, once = play(lambda stage: story(stage, 5), stage=SLOW)

    assert tried == heard
    assert set(tried) == set(again)
    assert all(number <= heard[what] for what, number in once.items())
    assert 3 * len(NAMES) == sum(verb == "patch" and namespace != "" for namespace, _, _, verb in tried)


def test_waiting_keeps_no_worker() -> None:
    """With a single worker and many who wait, the program is idle, and a new tenant gets Ready."""

    async def story(stage: Stage) -> bool:
        await gone_by(stage, *NAMES)
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        await asyncio.sleep(5.0)
        idle = stage.controller.idle
        await stage.tenant("new")
        await stage.ready("new")
        return idle

    assert play(story, stage={"takeovers": 0.001, "workers": 1})


def test_a_configuration_that_breaks_is_told_to_those_who_wait() -> None:
    """Who waits is not forgotten: what can be told without writing anything for it is told at once."""

    async def story(stage: Stage) -> Json:
        await gone_by(stage, *NAMES)
        stage.start()
        await pending(stage, 2 * len(NAMES) - 2)
        waiting = (await waiters(stage))[0]
        await stage.landscape.client("operator-person").delete(CONFIGS, "ocm")

        async def told() -> bool:
            found = (await stage.status(waiting))["conditions"]
            return any((item["type"], item["status"]) == ("ProviderConfigValid", "False") for item in found)

        await stage.until(told)
        return await stage.status(waiting)

    assert "Ready" == play(story, stage={"takeovers": 0.001})["phase"]
