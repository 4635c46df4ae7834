"""Rules of failures that are not the request's fault."""

from openmcp_provider.domain.errors import ServerError, TooManyRequests, Unauthorized, Unavailable
from openmcp_testing.contract.case import Cases, Fault, Harness, equal, refused
from openmcp_testing.contract.objects import CONFIG_MAPS, WIDGET, config_map, watching

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def too_many_requests(h: Harness) -> None:
    """An answer 429 is TooManyRequests with the seconds of Retry-After; the adapter does not wait by itself."""
    async with h.provoke(Fault.TOO_MANY_REQUESTS):
        error = await refused(TooManyRequests, h.cluster.get(CONFIG_MAPS, "a", h.namespace))
        equal(7.0, error.retry_after)
        error = await refused(TooManyRequests, h.cluster.create(CONFIG_MAPS, config_map(h, "a")))
        equal(7.0, error.retry_after)
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))


@CASES.rule
async def server_errors(h: Harness) -> None:
    """An answer 500 is a ServerError: somebody is there (case 4.2)."""
    async with h.provoke(Fault.SERVER_ERROR):
        await refused(ServerError, h.cluster.create(CONFIG_MAPS, config_map(h, "a")))
        await refused(ServerError, h.cluster.list(CONFIG_MAPS, namespace=h.namespace))
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))


@CASES.rule
async def unauthorized(h: Harness) -> None:
    """An answer 401 is Unauthorized, if it does not go away with fresh credentials."""
    async with h.provoke(Fault.UNAUTHORIZED):
        await refused(Unauthorized, h.cluster.get(CONFIG_MAPS, "a", h.namespace))
        await refused(Unauthorized, h.cluster.apply(CONFIG_MAPS, config_map(h, "a"), manager="m"))
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))


@CASES.rule
async def unreachable(h: Harness) -> None:
    """A server that cannot be reached is Unavailable for every method; afterwards the adapter works again."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body = {"data": {"k": "v"}}
    async with h.provoke(Fault.UNREACHABLE):
        await refused(Unavailable, h.cluster.get(CONFIG_MAPS, "a", h.namespace))
        await refused(Unavailable, h.cluster.list(CONFIG_MAPS, namespace=h.namespace))
        await refused(Unavailable, h.cluster.create(CONFIG_MAPS, config_map(h, "b")))
        await refused(Unavailable, h.cluster.apply(CONFIG_MAPS, config_map(h, "b"), manager="m"))
        await refused(Unavailable, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))
        await refused(Unavailable, h.cluster.delete(CONFIG_MAPS, "a", h.namespace))
        await refused(Unavailable, h.cluster.served(""))
        async with watching(h, widgets, "1") as events:
            await refused(Unavailable, events.any())
    await h.cluster.get(CONFIG_MAPS, "a", h.namespace)


@CASES.rule
async def lost_answers_to_writes(h: Harness) -> None:
    """A write whose answer is lost is Unavailable, though it may have happened."""
    async with h.provoke(Fault.LOST_ANSWER):
        await refused(Unavailable, h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"one": "1"})))
    equal({"one": "1"}, (await h.cluster.get(CONFIG_MAPS, "a", h.namespace))["data"])
    async with h.provoke(Fault.LOST_ANSWER):
        await refused(Unavailable, h.cluster.apply(CONFIG_MAPS, config_map(h, "a", {"two": "2"}), manager="m"))
    equal({"one": "1", "two": "2"}, (await h.cluster.get(CONFIG_MAPS, "a", h.namespace))["data"])


@CASES.rule
async def lost_answers_to_deletes(h: Harness) -> None:
    """A delete whose answer is lost is Unavailable, though the object may be gone."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    async with h.provoke(Fault.LOST_ANSWER):
        await refused(Unavailable, h.cluster.delete(CONFIG_MAPS, "a", h.namespace))
    equal(0, len((await h.cluster.list(CONFIG_MAPS, namespace=h.namespace, fields="metadata.name=a")).items))


@CASES.rule
async def lost_answers_to_reads(h: Harness) -> None:
    """A read whose answer is lost is Unavailable."""
    async with h.provoke(Fault.LOST_ANSWER):
        await refused(Unavailable, h.cluster.list(CONFIG_MAPS, namespace=h.namespace))
