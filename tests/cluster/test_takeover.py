"""Taking over from the Go program on real servers, with the real definitions of Flux and the real controller."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json, generation
from openmcp_provider.runtime.resources import SECRETS
from service_provider_ocm import pull_secret_copy_name
from tests.cluster.clients import CLIENTS
from tests.cluster.clients import play as run
from tests.cluster.estate import RELEASES, SOURCES, Estate, Servers, estate, ours, until
from tests.go_objects import GO, TOOLKIT, release, secret_copy, source

PULL = "privateregcred"
VALUES: Json = {"manager": {"imagePullSecrets": [{"name": PULL}], "logLevel": "debug"}, "extra": {"a": {"b": 1}}}
Story = Callable[[Estate, str], Awaitable[None]]


def play(servers: Servers, client: str, story: Story) -> None:
    """Play a story of one tenant, which the Go program has installed."""

    async def told() -> None:
        async with estate(client, servers) as made:
            name = f"t-{uuid4().hex[:8]}"
            await gone_by(made, name)
            await story(made, name)

    run(told)


async def gone_by(made: Estate, name: str) -> None:
    """Leave everything as v0.1.1 does: written by POST under the same field manager, without any mark."""
    await made.configure(imagePullSecret={"name": PULL}, values=VALUES)
    secret = await made.pull_secret()
    home = await made.grant(name, manager=GO)
    await made.ocm(name)
    copied = secret_copy(secret, pull_secret_copy_name(PULL), home)
    await made.platform.create(SECRETS, copied, manager=GO)
    await made.namespace(TOOLKIT, made.control_plane)
    await made.platform.create(SOURCES, source(home, PULL), manager=GO)
    kubeconfig = f"ocm.services.openmcp.cloud--{name}--mcp.kubeconfig"
    await made.platform.create(RELEASES, release(home, kubeconfig, VALUES), manager=GO)


def home_of(name: str) -> str:
    """Return the tenant's namespace on the platform."""
    return tenant_namespace(name, "default")


async def taken_over(made: Estate, name: str) -> tuple[Json, Json]:
    """Return both objects once nothing of theirs is the Go program's any more."""

    async def owned() -> bool:
        return all(ours(found, GO) == {"Apply"} for found in await made.flux(home_of(name)))

    await until(owned)
    return await made.flux(home_of(name))


@pytest.mark.parametrize("client", CLIENTS)
def test_taking_over_makes_no_new_generation(servers: Servers, client: str) -> None:
    """Everything is marked and owned by apply, spec and generation stay, and nothing is written again afterwards."""

    async def story(made: Estate, name: str) -> None:
        before = await made.flux(home_of(name))
        async with made.controlled() as controller:
            after = await taken_over(made, name)
            await until(lambda: settled(controller))
            final = await made.flux(home_of(name))
        for old, new, last in zip(before, after, final, strict=True):
            assert 1 == generation(new) == generation(last)
            assert old["spec"] == last["spec"]
            assert "ocm.services.openmcp.cloud" == last["metadata"]["labels"]["openmcp.cloud/managed-by"]
        copied = await made.platform.get(SECRETS, pull_secret_copy_name(PULL), home_of(name))
        assert {"Apply"} == ours(copied, GO)

    play(servers, client, story)


async def settled(controller: Any) -> bool:
    """Tell whether the controller has nothing to do now."""
    return bool(controller.idle)


@pytest.mark.parametrize("client", CLIENTS)
def test_fields_that_the_go_program_wrote_go_when_they_are_dropped(servers: Servers, client: str) -> None:
    """After the take-over a value that leaves the ProviderConfig leaves the HelmRelease, and so does a secretRef."""

    async def story(made: Estate, name: str) -> None:
        async with made.controlled():
            await taken_over(made, name)
            await made.configure(values={"manager": {"logLevel": "info"}})

            async def dropped() -> bool:
                found, wanted = await made.flux(home_of(name))
                values = wanted["spec"]["values"]
                return "secretRef" not in found["spec"] and values == {"manager": {"logLevel": "info"}}

            await until(dropped)

    play(servers, client, story)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_field_that_the_go_program_adds_later_goes_again(servers: Servers, client: str) -> None:
    """Python, then a PUT that adds a field, then Python: the field goes, and all is owned by apply again."""

    async def story(made: Estate, name: str) -> None:
        async with made.controlled():
            _, found = await taken_over(made, name)
        await made.platform.update(RELEASES, {**found, "spec": {**found["spec"], "timeout": "1m0s"}}, manager=GO)
        assert {"Apply", "Update"} == ours((await made.flux(home_of(name)))[1], GO)
        async with made.controlled():

            async def removed() -> bool:
                return "timeout" not in (await made.flux(home_of(name)))[1]["spec"]

            await until(removed)
        _, last = await made.flux(home_of(name))
        assert {"Apply"} == ours(last, GO)
        assert found["spec"] == last["spec"]

    play(servers, client, story)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_map_that_becomes_empty_is_never_null(servers: Servers, client: str) -> None:
    """Helm takes a chart's default away where a value is null, so a map that is emptied must not become null."""

    async def story(made: Estate, name: str) -> None:
        async with made.controlled():
            await taken_over(made, name)
            begun = (await made.platform.list(RELEASES, namespace=home_of(name))).resource_version
            values = {**VALUES, "extra": {"a": {}}}
            await made.configure(imagePullSecret={"name": PULL}, values=values)

            async def emptied() -> bool:
                return bool((await made.flux(home_of(name)))[1]["spec"]["values"] == values)

            await until(emptied)
        seen = []
        async for event in made.platform.watch(RELEASES, resource_version=begun, namespace=home_of(name)):
            if event.type == "MODIFIED":
                seen.append(event.object["spec"]["values"])
            if seen and seen[-1] == values:
                break
        assert seen
        assert [] == [found for found in seen if "null" in repr(found) or "None" in repr(found)]

    play(servers, client, story)
