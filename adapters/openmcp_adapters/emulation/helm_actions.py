"""What helm-controller does about a release until it is as wanted, or until it gives up; and what it tells of it."""

from typing import Any, Literal

from attrs import define, evolve

from openmcp_adapters.emulation.helm import ActionFailed, Helm, NotRendered, Record, digest_of
from openmcp_adapters.emulation.helm_inputs import Halt, Inputs
from openmcp_adapters.emulation.report import FORCE, REQUESTED, RESET, Report
from openmcp_provider.domain.durations import MINUTE, format_duration, parse_duration
from openmcp_provider.domain.objects import Json, annotations, dig
from openmcp_provider.ports import Forbidden, PortError, Unavailable

__all__ = ["Attempt", "timeout_of"]

_HISTORY = 5
_NOT_IN_SYNC = 10.0  # seconds that Flux waits for its cache after an uninstall before it tries again
_OVER = {"Install": "install", "Upgrade": "upgrade"}


def timeout_of(obj: Json, action: str) -> str:
    """Return how long Helm waits, as Go writes it."""
    text = dig(obj, "spec", action, "timeout") or dig(obj, "spec", "timeout")
    return format_duration(parse_duration(text) if text else 5 * MINUTE)


@define(eq=False)
class Attempt:
    """One look at a HelmRelease that can be worked on.

    Attributes:
        obj: The HelmRelease as read.
        report: Its status.
        helm: Helm on its control plane.
        inputs: What is to be deployed.
    """

    obj: Json
    report: Report
    helm: Helm
    inputs: Inputs

    async def run(self) -> None:
        """Act until the release is as wanted, or until it stalled.

        Raises:
            Halt: it cannot go on.
            PortError: the HelmRelease could not be written.
        """
        forced = self._note()
        while not await self._step(forced=forced):
            forced = False

    async def _step(self, *, forced: bool) -> bool:
        """Take the next step; tell whether it was the last."""
        records = await self._records()
        newest = records[-1] if records else None
        if newest is None or newest.status == "uninstalled":
            return self._give_up("install") or await self._install()
        if newest.status.startswith("pending-"):
            await self._unlock(newest)
            return False
        if newest.status == "uninstalling":
            raise Halt("StateError", "unable to determine state for release with status 'uninstalling'")
        history = self.report.fields.get("history") or []
        if not history or history[0].get("version") != newest.number:
            self.report.fields["history"] = []  # somebody else's revision: taken over by an upgrade
            return await self._upgrade(records)
        if forced:
            return await self._upgrade(records)
        if self._as_wanted(newest):
            self._in_sync(newest)
            return True
        tried = self.report.fields.get("lastAttemptedReleaseAction", "install")
        if self._give_up("upgrade" if newest.status == "deployed" else tried):
            return True
        if newest.status == "failed" and self.report.fields.get(f"{tried}Failures"):
            return await self._remediate(tried, records)
        return await self._upgrade(records)

    # --- what is known

    def _note(self) -> bool:
        """Note the attempt; begin to count anew where anything is new; tell whether an upgrade is forced."""
        fields, inputs = self.report.fields, self.inputs
        tried = (
            fields.get("lastAttemptedGeneration"),
            fields.get("lastAttemptedRevision"),
            fields.get("lastAttemptedConfigDigest"),
        )
        asked = annotations(self.obj).get(REQUESTED)
        reset, force = (annotations(self.obj).get(name) for name in (RESET, FORCE))
        again = bool(reset) and reset == asked and reset != fields.get("lastHandledResetAt")
        forced = bool(force) and force == asked and force != fields.get("lastHandledForceAt")
        if reset:
            fields["lastHandledResetAt"] = reset
        if force:
            fields["lastHandledForceAt"] = force
        if again or tried != (self.report.generation, inputs.version, inputs.config):
            for counter in ("failures", "installFailures", "upgradeFailures"):
                fields.pop(counter, None)
        fields["storageNamespace"] = self.helm.storage
        fields["lastAttemptedGeneration"] = self.report.generation
        fields["lastAttemptedRevision"] = inputs.version
        fields["lastAttemptedRevisionDigest"] = inputs.attempted
        fields["lastAttemptedConfigDigest"] = inputs.config
        return forced

    async def _records(self) -> list[Record]:
        try:
            return await self.helm.records()
        except PortError as error:
            said = "Could not determine release state: failed to retrieve last release from storage: query: "
            said += f"failed to query with labels: {_told(error, self.helm)}"
            raise Halt("StateError", said) from error

    def _as_wanted(self, record: Record) -> bool:
        wanted = (self.inputs.version, self.inputs.config)
        return record.status == "deployed" and (record.version, record.config) == wanted

    def _exhausted(self, action: str) -> bool:
        retries = int(dig(self.obj, "spec", action, "remediation", "retries") or 0)
        return 0 <= retries < int(self.report.fields.get(f"{action}Failures", 0))

    # --- actions; each tells whether that was all

    async def _install(self) -> bool:
        await self._begin("install")
        record = self._record(1)
        create = bool(dig(self.obj, "spec", "install", "createNamespace"))
        doing = self.helm.install(self.inputs.chart, self.inputs.values, record, create_namespace=create)
        try:
            done = await self._try("Install", doing)
        except NotRendered as error:
            raise self._unrendered("Install", str(error)) from error
        except ActionFailed as error:
            await self._failed("Install", evolve(record, status="failed"), str(error))
            return self._give_up("install") or await self._remediate("install", await self._records())
        self._succeeded("Install", done)
        return True

    async def _upgrade(self, records: list[Record]) -> bool:
        await self._begin("upgrade")
        record = self._record(records[-1].number + 1, first=records[0].first)
        doing = self.helm.upgrade(self.inputs.chart, self.inputs.values, record, records)
        try:
            done = await self._try("Upgrade", doing)
        except NotRendered as error:
            raise self._unrendered("Upgrade", str(error)) from error
        except ActionFailed as error:
            await self._failed("Upgrade", evolve(record, status="failed"), str(error))
            return await self._after_upgrade()
        self._succeeded("Upgrade", done)
        return True

    async def _after_upgrade(self) -> bool:
        """Put a failed upgrade right, then give up or try again; the last failure stays if nothing is to be retried."""
        retries = int(dig(self.obj, "spec", "upgrade", "remediation", "retries") or 0)
        over = self._exhausted("upgrade")
        last = dig(self.obj, "spec", "upgrade", "remediation", "remediateLastFailure")
        if not over or (retries > 0 if last is None else last):
            return await self._remediate("upgrade", await self._records()) or self._give_up("upgrade")
        return self._give_up("upgrade")

    async def _remediate(self, action: str, records: list[Record]) -> bool:
        """Take back what an action did that failed; tell whether it stalled, as there is nothing to go back to."""
        strategy = dig(self.obj, "spec", "upgrade", "remediation", "strategy") or "rollback"
        if action == "install" or strategy == "uninstall":
            await self._uninstall(records)
            return False
        known = {entry.get("version") for entry in self.report.fields.get("history") or ()}
        before = [one for one in records[:-1] if one.status in {"deployed", "superseded"} and one.number in known]
        target = before[-1] if before else None
        if target is None:
            said = "Failed to perform remediation: missing target release for rollback: cannot remediate failed release"
            self.report.stall("MissingRollbackTarget", said)
            return True
        await self._rollback(records, target)
        return False

    async def _uninstall(self, records: list[Record]) -> None:
        self.report.progress(f"Running 'uninstall' action with timeout of {timeout_of(self.obj, 'uninstall')}")
        await self.report.write()
        chart = self.helm.world.registry.chart_of(records[-1].digest) or self.inputs.chart
        try:
            await self._try("Uninstall", self.helm.uninstall(records, chart))
        except ActionFailed as error:
            said = f"Helm uninstall failed for release {self._place(records[-1])}: {error}"
            self._remediated("False", "UninstallFailed", said)
            self._count()
            raise Halt("UninstallFailed", said) from error
        self._change_newest(status="uninstalling", action="uninstall-remediation")
        said = f"Helm uninstall remediation for release {self._place(records[-1])} succeeded"
        self.report.say("Remediated", "True", "UninstallSucceeded", said)
        self.report.say("Reconciling", "True", "ProgressingWithRetry", self.report.message("Reconciling"))
        await self.report.write()
        world = self.helm.world
        await world.pause(_NOT_IN_SYNC + 3 * world.chance("helm-controller", self.helm.origin, records[-1].last))

    async def _rollback(self, records: list[Record], target: Record) -> None:
        self.report.progress(f"Running 'rollback' action with timeout of {timeout_of(self.obj, 'rollback')}")
        await self.report.write()
        now = self.helm.world.moment()
        record = evolve(target, number=records[-1].number + 1, last=now)
        chart = self.helm.world.registry.chart_of(target.digest) or self.inputs.chart
        place = f"{self._place(target)}"
        try:
            done = await self._try("Rollback", self.helm.rollback(chart, record, records))
        except ActionFailed as error:
            self._remember(evolve(record, status="failed"), "rollback", digest=False)
            said = f"Helm rollback to previous release {place} failed: {error}"
            self._remediated("False", "RollbackFailed", said)
            self._count()
            raise Halt("RollbackFailed", said) from error
        self._remember(done, "rollback", digest=False)
        self._disturb_history()
        self._remediated("True", "RollbackSucceeded", f"Helm rollback to previous release {place} succeeded")
        await self.report.write()

    async def _unlock(self, record: Record) -> None:
        """Mark a revision as failed in whose middle somebody died; what Flux knew of all revisions is lost with it."""
        said = f"Unlocked Helm release {self._place(record)} in {record.status} state"
        await self._try("Upgrade", self.helm.write(evolve(record, status="failed")))
        self.report.say("Released", "False", "PendingRelease", said)
        self.report.say("Ready", "False", "PendingRelease", said)
        await self.report.write()
        self.report.fields["history"] = []
        await self.report.write()

    async def _try(self, action: str, doing: Any) -> Any:  # noqa: ANN401 - what the action returns
        """Do something on the control plane; what keeps one from it there is no failed attempt."""
        try:
            return await doing
        except PortError as error:
            raise Halt(f"{action}Failed", self._not_done(action, _told(error, self.helm))) from error

    # --- what is told

    async def _begin(self, action: Literal["install", "upgrade"]) -> None:
        self.report.fields["lastAttemptedReleaseAction"] = action
        self.report.begin(f"Running '{action}' action with timeout of {timeout_of(self.obj, action)}")
        await self.report.write()
        self.report.drop("Remediated")
        if action == "install":
            self.report.fields["history"] = []

    def _succeeded(self, action: Literal["Install", "Upgrade"], record: Record) -> None:
        self._remember(record, _OVER[action])
        delays = self.helm.script.delays
        seconds = delays.install if action == "Install" else delays.upgrade
        self.report.fields["lastAttemptedReleaseActionDuration"] = f"{seconds}s"
        said = f"Helm {_OVER[action]} succeeded for release {self._place(record)}"
        self._well(f"{action}Succeeded", said)

    def _in_sync(self, record: Record) -> None:
        """Say again how well it went, where something else was said in between."""
        if self.report.status("Released") != "True" or self.report.status("Remediated"):
            action = "install" if record.number == 1 else "upgrade"
            said = f"Helm {action} succeeded for release {self._place(record)}"
            self._well(f"{action.capitalize()}Succeeded", said)
        else:
            self._well(self.report.reason("Released"), self.report.message("Released"))

    def _well(self, reason: str, said: str) -> None:
        self.report.drop("Reconciling", "Stalled", "Remediated")
        self.report.say("Ready", "True", reason, said)
        self.report.say("Released", "True", reason, said)
        self.report.fields["observedGeneration"] = self.report.generation
        name = self.inputs.chart.deployment.format(release=self.helm.release)
        entry = {"id": f"{self.helm.namespace}_{name}_apps_Deployment", "v": "v1"}
        self.report.fields["inventory"] = {"entries": [entry]}

    async def _failed(self, action: Literal["Install", "Upgrade"], record: Record, cause: str) -> None:
        self._remember(record, _OVER[action])
        self._count(_OVER[action])
        said = self._not_done(action, cause)
        self.report.say("Released", "False", f"{action}Failed", said)
        self.report.say("Ready", "False", f"{action}Failed", said)
        await self.report.write()

    def _unrendered(self, action: Literal["Install", "Upgrade"], cause: str) -> Halt:
        """Return how it ends where Helm recorded nothing: no attempt is counted, nothing is taken back."""
        self._count()
        said = self._not_done(action, cause)
        self.report.say("Released", "False", f"{action}Failed", said)
        return Halt(f"{action}Failed", said)

    def _not_done(self, action: str, cause: str) -> str:
        said = f"Helm {action.lower()} failed for release {self.helm.storage}/{self.helm.release}"
        return f"{said} with chart {self.inputs.chart.name}@{self.inputs.version}: {cause.strip()}"

    def _remediated(self, status: str, reason: str, said: str) -> None:
        """Tell of a remediation; any of them means not ready."""
        self.report.say("Remediated", status, reason, said)
        self.report.say("Ready", "False", reason, said)

    def _give_up(self, action: str) -> bool:
        """Stall if an action was tried often enough; tell whether it was."""
        if not self._exhausted(action):
            return False
        count = self.report.fields.get(f"{action}Failures", 0)
        self.report.stall("RetriesExceeded", f"Failed to {action} after {count} attempt(s)")
        if self.report.status("Ready") != "False":
            self.report.say("Ready", "False", self.report.reason("Released"), self.report.message("Released"))
        return True

    def _count(self, action: str = "") -> None:
        for counter in ("failures", f"{action}Failures" if action else ""):
            if counter:
                self.report.fields[counter] = int(self.report.fields.get(counter, 0)) + 1

    def _record(self, number: int, first: str = "") -> Record:
        now = self.helm.world.moment()
        return Record(
            number=number,
            status="",
            version=self.inputs.version,
            digest=self.inputs.digest,
            config=self.inputs.config,
            first=first or now,
            last=now,
        )

    def _remember(self, record: Record, action: str, *, digest: bool = True) -> None:
        """Put a revision at the head of the history. That of a rollback has no digest of the artifact, as with Flux."""
        entry: dict[str, Any] = {
            "apiVersion": "v2",
            "name": self.helm.release,
            "namespace": self.helm.storage,
            "version": record.number,
            "status": record.status,
            "action": action,
            "chartName": self.inputs.chart.name,
            "chartVersion": record.version,
            "appVersion": record.version.partition("+")[0],
            "configDigest": record.config,
            "digest": digest_of([record.number, record.version, record.config]),
            "firstDeployed": record.first,
            "lastDeployed": record.last,
        }
        if digest:
            entry["ociDigest"] = record.digest
        older = [old for old in self.report.fields.get("history") or () if old.get("version") != record.number]
        if record.status == "deployed":
            older = [{**old, "status": "superseded"} if old["status"] == "deployed" else old for old in older]
        self.report.fields["history"] = [entry, *older][:_HISTORY]

    def _disturb_history(self) -> None:
        """Leave the history as a rollback does: out of order, and with less about what failed."""
        newest, *rest = self.report.fields["history"]
        lost = {"ociDigest", "action"}
        less = [{key: entry[key] for key in entry if entry["status"] != "failed" or key not in lost} for entry in rest]
        self.report.fields["history"] = [newest, *less[-1:], *less[:-1]]

    def _change_newest(self, **fields: Any) -> None:  # noqa: ANN401 - JSON
        newest, *older = self.report.fields.get("history") or [{}]
        self.report.fields["history"] = [{**newest, **fields}, *older]

    def _place(self, record: Record) -> str:
        return (
            f"{self.helm.storage}/{self.helm.release}.v{record.number} "
            f"with chart {self.inputs.chart.name}@{record.version}"
        )


def _told(error: PortError, helm: Helm) -> str:
    """Return an error of the control plane in the words of its client."""
    if isinstance(error, Forbidden):
        return f'secrets is forbidden: {error.message} in the namespace "{helm.storage}"'
    if isinstance(error, Unavailable):
        return f'Get "https://emulated:6443/api/v1/namespaces/{helm.storage}/secrets": {error.message}'
    return error.message or error.reason
