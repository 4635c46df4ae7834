"""What audit logs prove: each promise holds for a made-up log that keeps it, and is missed in one that does not."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest

from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json
from tests.cluster.audited import Write, leaks, unobserved, untrue, useless, writes

OURS = "program/1.0"
HOME = tenant_namespace("one", "default")
OCMS, CONFIGS = "ocms.example.org", "providerconfigs.example.org"
FLUX = {"helmreleases": "helm.toolkit.fluxcd.io", "ocirepositories": "source.toolkit.fluxcd.io"}
VALUES = {"replicas": 1}


def event(version: int, resource: str, obj: Json, *, agent: str = OURS, **more: Any) -> dict[str, Any]:
    """Return an audit event of a write, at as many seconds as its resourceVersion says."""
    group = FLUX.get(resource, "example.org")
    metadata = {"name": "one", "uid": resource, "generation": 1, **obj.get("metadata", {})}
    return {
        "stage": "ResponseComplete",
        "verb": "patch",
        "userAgent": agent,
        "requestURI": "/apis",
        "requestReceivedTimestamp": f"2026-01-01T00:00:{version:02}.000000Z",
        "stageTimestamp": f"2026-01-01T00:00:{version:02}.100000Z",
        "responseStatus": {"code": 200},
        "objectRef": {"resource": resource, "apiGroup": group, **more.pop("reference", {})},
        "responseObject": {**obj, "metadata": {**metadata, "resourceVersion": str(version)}},
        **more,
    }


def found(*events: Json) -> list[Write]:
    """Return the writes in a log."""
    return writes("server", events)


# -- writes for nothing ----------------------------------------------------------------------------------------------


def test_every_change_is_worth_its_write() -> None:
    """A new resourceVersion for each, of whomever, is fine."""
    assert [] == useless(found(event(1, "a", {}), event(2, "a", {}, agent="other"), event(3, "a", {})), "program/")


@pytest.mark.parametrize("first", [OURS, "other"])
def test_a_write_that_changes_nothing_is_found(first: str) -> None:
    """It is answered a resourceVersion that was answered before, to whomever; logged in any order."""
    made = event(1, "a", {}, agent=first)
    again = {**event(1, "a", {}), "stageTimestamp": "2026-01-01T00:00:05Z"}
    for log in ([made, again], [again, made]):
        (wrong,) = useless(found(*log), "program/")
        assert 5 == wrong.ended.second
        assert "a.example.org /one on server at resourceVersion 1" in str(wrong)


def test_what_others_write_for_nothing_is_theirs() -> None:
    """Only the program is looked at."""
    again = event(1, "a", {}, agent="other", stageTimestamp="2026-01-01T00:00:05Z")
    assert [] == useless(found(event(1, "a", {}), again), "program/")


def test_versions_of_different_objects_are_not_compared() -> None:
    """On another server, or of another object, the same number says nothing."""
    both = (event(1, "a", {}), event(1, "b", {}), event(1, "a", {"metadata": {"uid": "anew"}}))
    assert [] == useless([*found(*both), *writes("elsewhere", both)], "program/")


def test_taking_off_the_last_finalizer_is_a_write() -> None:
    """The server answers the version before it, and the object is gone; with a finalizer left it was for nothing."""
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    gone = [event(1, "a", {"metadata": {**deleted, "finalizers": ["f"]}}), event(1, "a", {"metadata": deleted})]
    assert [] == useless(found(*gone), "program/")
    assert 1 == len(useless(found(gone[0], gone[0]), "program/"))


def test_what_was_refused_or_made_no_object_is_no_write() -> None:
    """A conflict, a review, a dry run, and a request that only began."""
    no_object = event(1, "a", {})
    del no_object["responseObject"]["metadata"]["resourceVersion"]
    others = (
        event(1, "a", {}, responseStatus={"code": 409}),
        event(1, "a", {}, requestURI="/apis?dryRun=All"),
        event(1, "a", {}, stage="ResponseStarted"),
    )
    assert [] == found(no_object, *others)


# -- generations -----------------------------------------------------------------------------------------------------


def status(version: int, observed: int, *, ready: str = "True", of: int | None = None, condition: int = 0) -> Json:
    """Return the event of a status that tells of a generation, while another one may be current."""
    told = {"type": "Ready", "status": ready, "observedGeneration": condition or observed}
    obj = {
        "metadata": {"namespace": "default", "generation": observed if of is None else of},
        "status": {"observedGeneration": observed, "conditions": [told]},
        "spec": {"version": "any"},
    }
    return event(version, "ocms", obj, reference={"subresource": "status"})


def test_a_status_tells_of_a_generation_that_there_is() -> None:
    """The current one, or one before, since more may come at any moment."""
    fine = found(status(1, 1), status(2, 1, of=2), status(3, 2), status(4, 2, of=3))
    assert [] == list(unobserved(fine, OCMS, "program/"))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ([status(1, 2, of=1)], "tells of generation 2 after 0 of 1"),
        ([status(1, 0, of=1, condition=0)], "tells of generation 0"),
        ([status(1, 2), status(2, 1, of=2)], "tells of generation 1 after 2 of 2"),
        ([status(1, 2, condition=1)], "Ready tells of generation 1, not 2"),
    ],
)
def test_a_status_of_another_generation_is_found(log: list[Json], said: str) -> None:
    """Of one that is not there yet, of none, of an older one than before, or of two at once."""
    (told,) = unobserved(found(*log), OCMS, "program/")
    assert said in told


# -- Ready -----------------------------------------------------------------------------------------------------------


def asked(version: int, generation: int, wanted: str) -> Json:
    """Return the event of a tenant that asks for a version."""
    obj = {"metadata": {"namespace": "default", "generation": generation}, "spec": {"version": wanted}}
    return event(version, "ocms", obj, agent="kubectl")


def config(version: int, values: Json) -> Json:
    """Return the event of a ProviderConfig."""
    return event(version, "providerconfigs", {"spec": {"values": values}}, agent="kubectl")


def source(version: int, tag: str) -> Json:
    """Return the event of a source that has the artifact of a version."""
    obj = {
        "metadata": {"namespace": HOME},
        "spec": {"ref": {"tag": tag}},
        "status": {"observedGeneration": 1, "artifact": {"revision": f"{tag}@sha256:{tag}"}},
    }
    return event(version, "ocirepositories", obj, agent="source-controller")


def release(version: int, deployed: str, values: Json) -> dict[str, Any]:
    """Return the event of a release that is deployed."""
    newest = {
        "status": "deployed",
        "chartVersion": f"{deployed}+abc",
        "ociDigest": f"sha256:{deployed}",
        "configDigest": "values",
    }
    obj = {
        "metadata": {"namespace": HOME},
        "spec": {"values": values},
        "status": {
            "observedGeneration": 1,
            "lastAttemptedConfigDigest": "values",
            "history": [newest],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    return event(version, "helmreleases", obj, agent="helm-controller")


def wrong(onboarding: Iterable[Json], platform: Iterable[Json]) -> list[str]:
    """Return which statuses say Ready and should not."""
    return list(untrue(found(*onboarding), found(*platform), OCMS, CONFIGS, "program/"))


DEPLOYED = (config(1, VALUES), source(3, "1.0"), release(4, "1.0", VALUES))


def test_ready_after_the_release_was_deployed_is_true() -> None:
    """With the version of the generation, and the values of the ProviderConfig."""
    assert [] == wrong([asked(2, 1, "1.0"), status(5, 1)], DEPLOYED)


def test_what_lasts_since_before_a_generation_counts() -> None:
    """A tenant asks for another version and for the old one again, before anybody noticed: it still runs."""
    log = [asked(2, 1, "1.0"), status(5, 1), asked(6, 2, "2.0"), asked(7, 3, "1.0"), status(8, 3)]
    assert [] == wrong(log, DEPLOYED)


def test_ready_stays_true_of_a_generation_that_was_deployed_once() -> None:
    """The release may be anything afterwards: the promise is about a moment."""
    broken = release(6, "1.0", VALUES)
    broken["responseObject"]["status"]["conditions"][0]["status"] = "False"
    assert [] == wrong([asked(2, 1, "1.0"), status(7, 1)], [*DEPLOYED, broken])


def test_ready_before_the_release_was_deployed_is_found() -> None:
    """The moment came a second too late."""
    (told,) = wrong([asked(2, 1, "1.0"), status(3, 1)], DEPLOYED)
    assert "Ready at generation 1, since which 1.0 was never deployed" in told


def test_ready_of_a_new_version_by_the_old_release_is_found() -> None:
    """The source already asks for the new version, the release is still that of the old."""
    log = [asked(2, 1, "1.0"), status(5, 1), asked(6, 2, "2.0"), status(8, 2)]
    assert 1 == len(wrong(log, [*DEPLOYED, source(7, "2.0")]))
    assert [] == wrong(log, [*DEPLOYED, source(6, "2.0"), release(7, "2.0", VALUES)])


def test_ready_by_a_moment_before_the_generation_is_found() -> None:
    """The version ran once, and no more when the tenant asked for it again."""
    later = [source(7, "2.0"), release(8, "2.0", VALUES)]
    log = [asked(2, 1, "1.0"), asked(5, 2, "2.0"), asked(9, 3, "1.0"), status(10, 3)]
    assert 1 == len(wrong(log, [*DEPLOYED, *later]))
    assert [] == wrong([*log[:2], asked(6, 3, "1.0"), log[3]], [*DEPLOYED, *later])


def test_ready_of_a_generation_that_never_was_is_found() -> None:
    """It cannot have been deployed."""
    (told,) = wrong([asked(2, 1, "1.0"), status(5, 2, of=1)], DEPLOYED)
    assert "Ready at generation 2, which there never was" in told


def test_values_are_those_of_the_config_then() -> None:
    """A release with other values than the ProviderConfig's does not count; a config deleted since still holds."""
    (old, _, _), new = DEPLOYED, config(2, {"replicas": 2})
    assert 1 == len(wrong([asked(2, 1, "1.0"), status(5, 1)], [old, new, *DEPLOYED[1:]]))
    renewed = [old, new, *DEPLOYED[1:], release(6, "1.0", {"replicas": 2})]
    assert [] == wrong([asked(2, 1, "1.0"), status(7, 1)], renewed)


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"observedGeneration": 0}},
        {"status": {"lastAttemptedConfigDigest": "others"}},
        {"status": {"conditions": []}},
        {"status": {"history": []}},
        {"spec": {"suspend": True}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_release_that_is_not_deployed_does_not_count(change: dict[str, dict[str, Any]]) -> None:
    """Not observed, other values, not Ready, without history, suspended, or on its way out."""
    last = deepcopy(DEPLOYED[2])
    for part, fields in change.items():
        last["responseObject"][part] = {**last["responseObject"][part], **fields}
    assert 1 == len(wrong([asked(2, 1, "1.0"), status(5, 1)], [*DEPLOYED[:2], last]))


@pytest.mark.parametrize(
    ("field", "value"), [("status", "failed"), ("ociDigest", "sha256:other"), ("chartVersion", "0.9+abc")]
)
def test_another_revision_does_not_count(field: str, value: str) -> None:
    """A failed one, another artifact, another version."""
    last = deepcopy(DEPLOYED[2])
    last["responseObject"]["status"]["history"][0][field] = value
    assert 1 == len(wrong([asked(2, 1, "1.0"), status(5, 1)], [*DEPLOYED[:2], last]))


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_in_an_object_is_found_and_not_repeated() -> None:
    """Only in Secrets it may be."""
    obj = {"status": {"message": "wrong password: hush"}}
    (told,) = leaks(found(event(1, "a", obj), event(2, "b", {})), "program/", ["hush"])
    assert "hush" not in told
    secret = event(3, "secrets", {"data": {"x": "hush"}}, reference={"apiGroup": ""})
    assert [] == list(leaks(found(secret, event(4, "a", obj, agent="other")), "program/", ["hush"]))
