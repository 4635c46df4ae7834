"""A control plane that answers with an error is there: its words are told, and what runs keeps running."""

from collections.abc import Callable
from typing import Any

import pytest

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Forbidden, Invalid, NotFound, PortError, ServerError
from tests.runtime.stage import SECRETS, Stage, play

SPEC: dict[str, Any] = {
    "imagePullSecret": {"name": "privateregcred"},
    "values": {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}},
}
HIDDEN = "aGlkZGVu"
WEBHOOK = ServerError(
    f'Internal error occurred: failed calling webhook "guard.tenant.io": {HIDDEN}: connect: connection refused'
)
TERMINATING = Forbidden(
    'secrets "privateregcred" is forbidden: unable to create new content in namespace ocm-k8s-toolkit-system because '
    "it is being terminated"
)
POLICY = Forbidden(
    "secrets \"privateregcred\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
)
QUOTA = Forbidden('secrets "privateregcred" is forbidden: exceeded quota: q, requested: count/secrets=1')
RIGHTS = Forbidden('secrets is forbidden: User "system:serviceaccount:a:b" cannot patch resource "secrets"')
OTHER = Invalid('Secret "privateregcred" is invalid: metadata.labels: Too long')


class Failing:
    """Faults of what the provider asks of control planes, which can be switched."""

    def __init__(self) -> None:
        self.meets: Callable[[str, str], PortError | None] = lambda *_: None

    def __call__(self, client: str, cluster: str, verb: str, kind: str, name: str) -> PortError | None:
        """Fail what is asked for, and nothing on platform and onboarding cluster."""
        if client != "provider" or cluster in {"platform", "onboarding"}:
            return None
        return self.meets(verb, f"{kind}/{name}")


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def message(status: Json, kind: str) -> str:
    """Return what a condition says."""
    return str(next(item["message"] for item in status["conditions"] if item["type"] == kind))


def writes(error: PortError) -> Callable[[str, str], PortError | None]:
    """Refuse every write of a Secret."""
    return lambda verb, what: error if verb == "apply" and what.startswith("Secret/") else None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WEBHOOK, "It is an admission webhook on the control plane that fails or refuses: change that there."),
        (POLICY, "It is an admission policy on the control plane that fails or refuses: change that there."),
        (QUOTA, "It is a quota on the control plane that fails or refuses: change that there."),
        (TERMINATING, "Its namespace is being deleted by somebody"),
        (OTHER, "The control plane does not accept it."),
        (ServerError("etcdserver: no space"), "if it persists, ask the platform operator"),
        (NotFound("the server could not find the requested resource"), "does not serve this kind, or its namespace is"),
    ],
)
def test_a_write_that_is_refused_is_told_and_keeps_ready(error: PortError, words: str) -> None:
    """Object, kind of error and who acts are told, nothing of a Secret's words; what runs stays Ready (case 4.3)."""
    failing = Failing()

    async def story(stage: Stage) -> None:
        await stage.configure(**SPEC, pollInterval="1m")
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        failing.meets = writes(error)
        there = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
        body = {"data": {".dockerconfigjson": "e30="}}
        await there.patch(SECRETS, "privateregcred", "ocm-k8s-toolkit-system", kind="merge", body=body)

        async def told() -> bool:
            return conditions(await stage.status("a"))["PullSecretsReady"] == ("Unknown", f"Write{error.reason}")

        await stage.until(told, 120.0)
        status = await stage.status("a")
        assert ("True", "ReconcileSuccess") == conditions(status)["Ready"]
        assert ("True", "Granted") == conditions(status)["ControlPlaneAccess"]
        said = message(status, "PullSecretsReady")
        assert said.startswith("Writing Secret ocm-k8s-toolkit-system/privateregcred on the control plane failed (")
        assert words in said
        assert HIDDEN not in str(status)
        assert not any(text in str(status) for text in ("guard.tenant.io", "is forbidden", "Too long"))
        failing.meets = lambda *_: None

        async def copied() -> bool:
            return conditions(await stage.status("a"))["PullSecretsReady"] == ("True", "Copied")

        await stage.until(copied, 400.0)

    play(story, faults=failing)


def test_a_missing_right_is_the_platforms_business() -> None:
    """Where rights management refuses, the platform operator acts, and the object is named (case 4.3)."""
    failing = Failing()

    async def story(stage: Stage) -> None:
        failing.meets = writes(RIGHTS)
        await stage.configure(**SPEC)
        await stage.pull_secret()
        await stage.tenant("a")
        status = await stage.told("a", "denies the provider a right that it needs: Writing Secret ")
        assert ("False", "ReconcileError") == conditions(status)["Ready"]
        assert ("False", "Forbidden") == conditions(status)["ControlPlaneAccess"]
        failing.meets = lambda *_: None
        await stage.ready("a")

    play(story, faults=failing)


def test_a_read_that_fails_is_told_in_the_servers_words() -> None:
    """A server that cannot list what is ours is reached: no talk of silence; Ready only if it was (case 4.2)."""
    failing = Failing()

    def lists(verb: str, what: str) -> PortError | None:
        return ServerError("etcdserver: request is too large") if verb == "list" and "Secret" in what else None

    async def story(stage: Stage) -> None:
        failing.meets = lists
        await stage.configure(**SPEC, pollInterval="1m")
        await stage.pull_secret()
        await stage.tenant("a")
        status = await stage.told("a", "Control plane default/a answers with an error (ServerError: list of secrets)")
        assert ("False", "ReconcileError") == conditions(status)["Ready"]
        assert ("True", "Granted") == conditions(status)["ControlPlaneAccess"]
        failing.meets = lambda *_: None
        await stage.ready("a")
        failing.meets = lists

        async def told() -> bool:
            return conditions(await stage.status("a"))["PullSecretsReady"] == ("Unknown", "ReadServerError")

        await stage.until(told, 120.0)
        assert ("True", "ReconcileSuccess") == conditions(await stage.status("a"))["Ready"]

    play(story, faults=failing)


@pytest.mark.parametrize("served", [True, False])
def test_guard_kinds_that_cannot_be_listed_are_named(*, served: bool) -> None:
    """A dead conversion webhook of the toolkit's own kinds blocks deletion under their names (case 4.2)."""
    failing = Failing()
    error = ServerError("conversion webhook for delivery.ocm.software/v1alpha1, Kind=Component failed: no endpoints")

    def guards(verb: str, what: str) -> PortError | None:
        return error if (verb == "list" and what.startswith("Component/") if served else verb == "served") else None

    async def story(stage: Stage) -> None:
        await stage.configure(**SPEC)
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        failing.meets = guards
        await stage.delete("a")
        name = "components.delivery.ocm.software" if served else "kinds of delivery.ocm.software"
        status = await stage.told("a", f"the control plane could not list {name}")
        assert ("True", "GuardsUnknown") == conditions(status)["DeletionBlocked"]
        assert ("True", "Granted") == conditions(status)["ControlPlaneAccess"]
        failing.meets = lambda *_: None
        await stage.gone("a")

    play(story, faults=failing)


def test_leftovers_that_cannot_be_looked_for_are_not_gone() -> None:
    """An error at the last look of a deletion is told as such, and access stays until it is over (case 4.2)."""
    failing = Failing()

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        failing.meets = lambda verb, what: ServerError("boom") if (verb, what[:10]) == ("get", "Deployment") else None
        await stage.delete("a")
        status = await stage.told("a", "answers with an error (ServerError: boom)")
        assert ("True", "Granted") == conditions(status)["ControlPlaneAccess"]
        failing.meets = lambda *_: None
        await stage.gone("a")

    play(story, faults=failing)
