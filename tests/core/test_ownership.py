"""Whose an object is: what is kept of managedFields, what taking over does, who may write and who may delete."""

import base64
import copy
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.copies import digest_of
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, dig
from openmcp_provider.domain.ownership import (
    WAVE,
    Live,
    Owner,
    marks,
    observe,
    owns_beyond,
    take_over_patch,
    without_emptied,
)
from openmcp_provider.domain.plan import Apply
from openmcp_provider.provider import Copy, Item, Owned, Tenant
from tests.core.second import SPACE, Beacon, BeaconConfig, BeaconSpec
from tests.core.world import SYSTEM, World

EDITION = Beacon.edition
OWN, OTHER = EDITION.field_manager, "helm-controller"
SECRET = "c2VjcmV0LWJ5dGVz"
TIME = "2026-06-01T12:00:00Z"
REF = Ref(PLATFORM, "v1", "Secret", "pull", "home")

Fields = dict[str, Any]

steps = st.sampled_from(["f:metadata", "f:spec", "f:a", "f:b.c/d", 'k:{"name":"x"}', 'v:"x"', "v:2", "i:0", "."])
fields: st.SearchStrategy[Fields] = st.recursive(
    st.just({}), lambda inner: st.dictionaries(steps, inner, max_size=3), max_leaves=8
)
entries = st.fixed_dictionaries(
    {
        "manager": st.sampled_from([OWN, OTHER]),
        "operation": st.sampled_from(["Apply", "Update"]),
        "apiVersion": st.just("v1"),
        "time": st.just(TIME),
        "fieldsV1": fields,
    },
    optional={"subresource": st.sampled_from(["status", "scale"])},
)
histories = st.lists(entries, max_size=4)

names = st.text("abcxyz", min_size=1, max_size=3)
leaves = st.none() | st.booleans() | st.integers(-3, 3) | names
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(names, unique=True, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3).map(lambda items: [{"name": k, "of": v} for k, v in items.items()])
    ),
    max_leaves=10,
)
manifests = st.dictionaries(names, values, min_size=1, max_size=4)


def entry(operation: str, owned: Fields, manager: str = OWN, **more: str) -> Fields:
    """Return an entry of managedFields."""
    return {"manager": manager, "operation": operation, "time": TIME, "fieldsV1": owned, **more}


def having(*history: Fields, **more: object) -> Fields:
    """Return an object with these managedFields."""
    metadata = {"name": "pull", "namespace": "home", "uid": "u1", "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {**metadata, "managedFields": list(history)}, **more}


def owned_by(*owned: Fields) -> frozenset[tuple[str, ...]]:
    """Return the paths of field sets that one Apply entry would have."""
    return frozenset(
        itertools.chain.from_iterable(observe(having(entry("Apply", one)), OWN).owns or () for one in owned)
    )


def patched(obj: Json, patch: Iterable[Json]) -> Fields:
    """Return the object after a JSON patch of tests and replacements."""
    changed: Fields = copy.deepcopy(dict(obj))
    for operation in patch:
        *path, last = operation["path"].strip("/").split("/")
        parent = dig(changed, *path)
        if operation["op"] == "test":
            assert operation["value"] == parent[last]
        else:
            assert operation["op"] == "replace"
            parent[last] = operation["value"]
    return changed


def fields_of(value: object) -> Fields:
    """Return the field set that a server records for a value: maps by name, lists of names as sets or by their key."""
    if isinstance(value, dict):
        return {f"f:{key}": fields_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return dict(_item(inner) for inner in value)
    return {}


def _item(item: object) -> tuple[str, Fields]:
    if not isinstance(item, dict):
        return f"v:{json.dumps(item)}", {}
    return f"k:{json.dumps({'name': item['name']})}", {".": {}, **fields_of(item)}


def spots(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every field and item is, save the keys of list items, without which they are others."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if not (key == "name" and at and isinstance(at[-1], int)):
            yield (*at, key)
        yield from spots(inner, (*at, key))


def live(*, marked: bool, history: tuple[Fields, ...], cluster: str = PLATFORM, notes: Json | None = None) -> Live:
    """Return a live object."""
    obj = having(*history)
    obj["metadata"]["labels"] = marks(EDITION, "mcp-01", "default", cluster) if marked else {}
    obj["metadata"]["annotations"] = dict(notes or {})
    return observe(obj, OWN)


APPLIED = (entry("Apply", {"f:data": {"f:a": {}}}),)
OLD = (entry("Update", {"f:data": {"f:a": {}}}),)
TOUCHED = (entry("Update", {"f:metadata": {"f:labels": {"f:a": {}}}}), entry("Update", {"f:data": {"f:a": {}}}, OTHER))


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_no_data_is_kept_of_what_may_be_secret(kind: str) -> None:
    """Of a Secret or ConfigMap no byte of data is kept, be it in a part or in what kubectl noted of it."""
    note = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"a": SECRET}}), "mine": "1"}
    obj = having(*APPLIED, kind=kind, data={"a": SECRET}, stringData={"b": SECRET}, binaryData={"c": SECRET})
    obj["metadata"]["annotations"] = note
    kept = observe(obj, OWN)

    assert SECRET not in repr(kept)
    assert base64.b64decode(SECRET).decode() not in repr(kept)
    assert kept.object["metadata"]["annotations"] == {"mine": "1"}


def test_all_else_is_kept_but_managed_fields() -> None:
    """An object is kept as it is without its managedFields, and what was read is left alone."""
    obj = having(*APPLIED, kind="Deployment", spec={"replicas": 1}, data={"kept": "here"})
    before = copy.deepcopy(obj)
    kept = observe(obj, OWN)

    assert obj == before
    del before["metadata"]["managedFields"]
    assert kept.object == before
    assert kept.digest == ""
    assert kept.uid == "u1"


def test_the_digest_is_that_of_the_data() -> None:
    """Data that somebody else wrote, or an older program, counts whole."""
    obj = having(data={"a": SECRET}, type="Opaque")

    assert observe(obj, OWN).digest == digest_of(obj)
    assert observe({**obj, "data": {"a": ""}}, OWN).digest != digest_of(obj)


def test_the_digest_leaves_out_what_others_added() -> None:
    """Of data that we apply only our keys count: a key of somebody else's is no reason to write, ever."""
    ours = having(*APPLIED, data={"a": SECRET})
    both = having(*APPLIED, entry("Update", {"f:data": {"f:b": {}}}, OTHER), data={"a": SECRET, "b": "Yg=="})

    assert observe(both, OWN).digest == observe(ours, OWN).digest == digest_of(ours)


def test_the_digest_notices_what_others_took() -> None:
    """A key whose value somebody changed, and which is theirs since, is missing from the digest."""
    taken = having(
        entry("Apply", {"f:data": {"f:a": {}}}),
        entry("Update", {"f:data": {"f:b": {}}}, OTHER),
        data={"a": SECRET, "b": "eA=="},
    )

    assert observe(taken, OWN).digest != digest_of({"data": {"a": SECRET, "b": "Yg=="}})


def test_data_owned_as_a_whole_counts_whole() -> None:
    """Where a server records data as one field, every key is ours."""
    obj = having(entry("Apply", {"f:data": {}}), data={"a": SECRET, "b": "Yg=="})

    assert observe(obj, OWN).digest == digest_of(obj)


def test_our_apply_entry_says_what_we_own_and_since_when() -> None:
    """The fields of our Apply entry are kept as paths, with its time."""
    owned = {
        "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
        "f:spec": {
            "f:list": {'k:{"name":"x"}': {".": {}, "f:port": {}}},
            "f:set": {'v:"one"': {}},
            "f:atomic": {},
            "f:ordered": {"i:0": {}},
        },
    }
    kept = observe(having(entry("Apply", owned), entry("Update", {"f:spec": {"f:theirs": {}}}, OTHER)), OWN)

    assert kept.applied == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert kept.owns == frozenset(
        {
            ("f:metadata", "f:labels", "f:a.b/c"),
            ("f:spec", "f:list", 'k:{"name":"x"}', "f:port"),
            ("f:spec", "f:set", 'v:"one"'),
            ("f:spec", "f:atomic"),
            ("f:spec", "f:ordered", "i:0"),
        }
    )


@pytest.mark.parametrize(
    ("history", "legacy", "applied", "managed"),
    [
        ((), False, False, False),
        (APPLIED, False, True, True),
        (OLD, True, False, True),
        (OLD + APPLIED, True, True, True),
        (TOUCHED, False, False, False),
        ((entry("Update", {"f:status": {"f:a": {}}}, subresource="status"),), False, False, False),
        ((entry("Apply", {"f:status": {"f:a": {}}}, subresource="status"),), False, False, False),
        ((entry("Update", {"f:spec": {"f:a": {}}}, OTHER),), False, False, False),
        ((entry("Apply", {"f:spec": {"f:a": {}}}, OTHER),), False, False, False),
        ((entry("Update", {}),), False, False, False),
        ((entry("Update", {"f:metadata": {"f:labels": {}}, "f:spec": {}}),), True, False, True),
    ],
)
def test_who_wrote_an_object_shows_in_its_entries(
    history: tuple[Fields, ...], legacy: bool, applied: bool, managed: bool
) -> None:
    """Our manager's entries without subresource count: Apply is ours, an Update beyond metadata the older one's."""
    kept = observe(having(*history), OWN)

    assert (kept.legacy, kept.applied is not None, kept.owns is not None, kept.managed) == (
        legacy,
        applied,
        applied,
        managed,
    )


def test_an_object_without_managed_fields_is_nobodys() -> None:
    """A server or a file that records no managers leaves us nothing to go by."""
    kept = observe({"kind": "Secret", "metadata": {"name": "pull"}}, OWN)

    assert (kept.managed, kept.owns, kept.applied, kept.uid) == (False, None, None, "")


# -- fields beyond -----------------------------------------------------------------------------------------------------


@given(manifests)
def test_what_was_applied_is_not_beyond_itself(manifest: Fields) -> None:
    """No field that a server records for a manifest is beyond that manifest."""
    assert owns_beyond(owned_by(fields_of(manifest)), manifest) == ""


@given(manifests, manifests)
def test_more_wanted_is_never_beyond(manifest: Fields, more: Fields) -> None:
    """A field that is wanted but not yet owned is no reason to say that one is owned in vain."""
    assert owns_beyond(owned_by(fields_of(manifest)), {**more, **manifest}) == ""


@given(st.data())
def test_what_is_no_longer_wanted_is_beyond(data: st.DataObject) -> None:
    """Taking any field or list item out of a manifest leaves something that is owned beyond it."""
    manifest = data.draw(manifests)
    owned = owned_by(fields_of(manifest))
    spot = data.draw(st.sampled_from(list(spots(manifest))))
    parent: Any = copy.deepcopy(manifest)
    less = parent
    for key in spot[:-1]:
        parent = parent[key]
    del parent[spot[-1]]

    assert owns_beyond(owned, less)


@pytest.mark.parametrize(
    ("owned", "manifest", "beyond"),
    [
        ({"f:spec": {"f:a": {}, "f:b": {}}}, {"spec": {"a": None}}, "spec.b"),
        ({"f:metadata": {"f:labels": {"f:x.io/a": {}}}}, {"metadata": {"labels": {}}}, "metadata.labels.x.io/a"),
        ({"f:spec": {".": {}}}, {"spec": {}}, ""),
        ({"f:spec": {".": {}, "f:a": {}}}, {"spec": {}}, "spec.a"),
        ({"f:atomic": {}}, {"atomic": [1, 2]}, ""),
        ({"f:atomic": {}}, {}, "atomic"),
        ({"f:l": {'k:{"name":"x"}': {"f:p": {}}}}, {"l": [{"name": "x", "p": 1}]}, ""),
        ({"f:l": {'k:{"name":"x"}': {"f:p": {}}}}, {"l": [{"name": "x"}, {"name": "y", "p": 1}]}, 'l.{"name":"x"}.p'),
        ({"f:l": {'k:{"name":"x"}': {}}}, {"l": "text"}, 'l.{"name":"x"}'),
        ({"f:l": {'v:"x"': {}, "v:2": {}}}, {"l": ("x", 2)}, ""),
        ({"f:l": {'v:"x"': {}, "v:2": {}}}, {"l": ["x"]}, "l.2"),
        ({"f:l": {"i:1": {}}}, {"l": ["x", "y"]}, ""),
        ({"f:l": {"i:1": {"f:a": {}}}}, {"l": ["x"]}, "l.1.a"),
        ({"f:l": {"i:0": {"f:a": {}}}}, {"l": [{"b": 1}]}, "l.0.a"),
        ({"f:a": {"f:b": {}}}, {"a": "text"}, "a.b"),
    ],
)
def test_each_kind_of_step_is_followed(owned: Fields, manifest: Fields, beyond: str) -> None:
    """Names, keys, set values and indices are found in a manifest, and the first that is not is named in words."""
    assert owns_beyond(owned_by(owned), manifest) == beyond


def test_a_key_that_the_server_filled_in_is_not_beyond() -> None:
    """A list item keyed by a field that the manifest leaves to the server's default is still the item wanted."""
    key = 'k:{"containerPort":80,"protocol":"TCP"}'
    owned = owned_by({"f:ports": {key: {".": {}, "f:containerPort": {}}}})

    assert owns_beyond(owned, {"ports": [{"containerPort": 80}]}) == ""
    assert owns_beyond(owned, {"ports": [{"containerPort": 80, "protocol": "UDP"}]})
    assert owns_beyond(owned, {"ports": [{"containerPort": 81}]})
    assert owns_beyond(owned, {"ports": [{}]})


# -- emptied maps -----------------------------------------------------------------------------------------------------

maps = st.recursive(
    st.integers(1, 2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


def holding(before: Fields, *, operation: str = "Apply") -> Live:
    """Return an object whose spec is `before`, all of it ours."""
    return observe(having(entry(operation, {"f:spec": fields_of(before)}), spec=before), OWN)


def emptied(wanted: object, live: object) -> bool:
    """Tell whether any map that is empty in `wanted` is there with something in it."""
    if not isinstance(wanted, dict) or not isinstance(live, dict):
        return False
    return (not wanted and bool(live)) or any(emptied(value, live.get(key)) for key, value in wanted.items())


@given(st.dictionaries(st.sampled_from("abc"), maps), st.dictionaries(st.sampled_from("abc"), maps, min_size=1))
@pytest.mark.parametrize("operation", ["Apply", "Update"])
def test_no_map_of_ours_is_emptied_and_two_writes_bring_what_is_wanted(
    operation: str, before: Fields, after: Fields
) -> None:
    """The first write empties no map that holds something of ours, the second is what is wanted."""
    wanted = {"spec": {"kept": 1, **after}}
    first = without_emptied(wanted, holding({"kept": 1, **before}, operation=operation))

    assert not emptied(first["spec"], {"kept": 1, **before})
    assert wanted == without_emptied(wanted, holding(dict(first["spec"])))


def test_an_empty_map_that_others_fill_is_left_to_them() -> None:
    """What is in a map that is wanted empty may be somebody else's: nothing would be emptied."""
    theirs = having(
        entry("Apply", {"f:spec": {"f:a": {}}}),
        entry("Apply", {"f:spec": {"f:a": {"f:b": {}}}}, OTHER),
        spec={"a": {"b": 1}},
    )

    assert {"spec": {"a": {}}} == without_emptied({"spec": {"a": {}}}, observe(theirs, OWN))


# -- taking over -------------------------------------------------------------------------------------------------------


@given(histories)
def test_after_taking_over_nothing_is_the_older_programs(history: list[Fields]) -> None:
    """After the patch no legacy entry is left and our Apply entry owns all that either entry owned."""
    obj = having(*history)
    after = observe(patched(obj, take_over_patch(obj, OWN)), OWN)
    own = [item for item in history if item["manager"] == OWN and "subresource" not in item]
    # A server keeps one Apply entry a manager; what a second would hold is not looked for.
    applies = [item["fieldsV1"] for item in own if item["operation"] == "Apply"][:1]
    legacy = [item["fieldsV1"] for item in own if item["operation"] == "Update" and observe(having(item), OWN).legacy]

    assert not after.legacy
    for path in owned_by(*applies, *legacy):
        assert any(held[: len(path)] == path for held in after.owns or ())


@given(histories)
def test_taking_over_leaves_everybody_elses_entries_alone(history: list[Fields]) -> None:
    """Entries of other managers, of subresources, and ours of nothing but metadata stay as they are, in their order."""
    obj = having(*history)
    patch = take_over_patch(obj, OWN)
    if not patch:
        return
    taken = [item for item in history if observe(having(item), OWN).managed]
    kept = [item for item in history if item not in taken]
    after = patched(obj, patch)["metadata"]["managedFields"]

    assert after[:-1] == kept
    assert (after[-1]["manager"], after[-1]["operation"]) == (OWN, "Apply")
    assert "subresource" not in after[-1]


@given(histories)
def test_nothing_is_patched_where_nothing_is_legacy(history: list[Fields]) -> None:
    """There is a patch exactly where the older program's entry shows, and a second one after it never."""
    obj = having(*history)
    patch = take_over_patch(obj, OWN)

    assert bool(patch) == observe(obj, OWN).legacy
    assert take_over_patch(patched(obj, patch), OWN) == ()


def test_taking_over_is_guarded_and_touches_managed_fields_alone() -> None:
    """The patch tests the resourceVersion that was read, first, and replaces managedFields and nothing else."""
    obj = having(*OLD)
    guard, change = take_over_patch(obj, OWN)

    assert guard == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert (change["op"], change["path"]) == ("replace", "/metadata/managedFields")
    assert change["value"] == [{**OLD[0], "operation": "Apply"}]


def test_taking_over_unites_what_both_programs_own() -> None:
    """Our fields and the older program's become one entry; a map that one owns and the other fills stays owned."""
    ours = entry("Apply", {"f:spec": {"f:a": {}, "f:values": {}}})
    old = entry("Update", {"f:spec": {"f:b": {}, "f:values": {"f:x": {}}}})
    obj = having(ours, old)
    (merged,) = patched(obj, take_over_patch(obj, OWN))["metadata"]["managedFields"]

    assert merged["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {}, "f:values": {".": {}, "f:x": {}}}}


def test_there_is_nothing_to_take_over_in_an_object_without_managers() -> None:
    """An object without managedFields needs no patch."""
    assert take_over_patch({"metadata": {"resourceVersion": "7"}}, OWN) == ()


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["not", "by name", "by kind"])
@pytest.mark.parametrize("history", [(), TOUCHED, APPLIED, OLD])
@pytest.mark.parametrize("marked", [False, True])
def test_a_mark_lets_write_and_only_our_entry_lets_delete(
    marked: bool, history: tuple[Fields, ...], named: str
) -> None:
    """Ours to write is what is marked, or named as an older program's and written by it; to delete, also managed."""
    known = {"not": (), "by name": ((REF, 1),), "by kind": ((REF._replace(name=""), 1),)}[named]
    owner = Owner(EDITION, "mcp-01", "default", known)
    found = live(marked=marked, history=history)
    managed = history in (APPLIED, OLD)
    may_write = marked or (managed and named != "not")

    assert owner.may_write(REF, found) == may_write
    assert owner.may_delete(REF, found) == (managed and may_write)


@pytest.mark.parametrize(
    "other",
    [
        REF._replace(name="other"),
        REF._replace(namespace="elsewhere"),
        REF._replace(kind="ConfigMap"),
        REF._replace(cluster="mcp"),
        REF._replace(api_version="v2"),
    ],
)
def test_what_is_named_is_that_object_and_no_other(other: Ref) -> None:
    """An older program's object is known by cluster, version, kind, namespace and name; without name, any has it."""
    named = Owner(EDITION, "mcp-01", "default", ((REF, 1),))
    by_kind = Owner(EDITION, "mcp-01", "default", ((REF._replace(name=""), 1),))

    assert not named.may_write(other, live(marked=False, history=OLD))
    assert by_kind.may_write(other, live(marked=False, history=OLD)) == (other.name != REF.name)


@given(st.text("ab-", min_size=1, max_size=80), st.text("ab-", min_size=1, max_size=80))
def test_marks_on_a_tenant_cluster_name_the_instance(name: str, namespace: str) -> None:
    """On the platform a mark names the program; elsewhere it names the instance too, in labels that servers accept."""
    here, there = marks(EDITION, name, namespace, PLATFORM), marks(EDITION, name, namespace, "workload")

    assert here == {"openmcp.cloud/managed-by": EDITION.access_controller}
    assert set(there) - set(here) == {"openmcp.cloud/onboarding-name", "openmcp.cloud/onboarding-namespace"}
    assert here.items() <= there.items()
    assert all(len(value) <= 63 for value in there.values())
    if len(name) <= 63:
        assert there["openmcp.cloud/onboarding-name"] == name


def test_on_a_tenant_cluster_the_platforms_mark_is_not_enough() -> None:
    """An object on a tenant cluster that bears another instance's name is not ours, whoever's program wrote it."""
    there = REF._replace(cluster="workload")
    owner, other = Owner(EDITION, "mcp-01", "default"), Owner(EDITION, "mcp-02", "default")
    found = live(marked=True, history=APPLIED, cluster="workload")

    assert owner.may_delete(there, found)
    assert not other.may_write(there, found)
    assert not owner.may_write(there, live(marked=True, history=APPLIED, cluster=PLATFORM))


@pytest.mark.parametrize(
    ("notes", "known", "wave"),
    [
        ({WAVE: "3"}, ((REF, 1),), 3),
        ({WAVE: "-2"}, (), -2),
        ({}, ((REF, 1),), 1),
        ({}, ((REF._replace(name=""), 2),), 2),
        ({WAVE: "high"}, ((REF, 1),), 1),
        ({WAVE: ""}, (), 0),
        ({}, (), 0),
    ],
)
def test_the_wave_is_what_the_object_says_else_what_is_known(
    notes: Fields, known: tuple[tuple[Ref, int], ...], wave: int
) -> None:
    """An object that says its own wave is believed; an older program's has the one it is known with, others none."""
    owner = Owner(EDITION, "mcp-01", "default", known)

    assert owner.wave(REF, live(marked=True, history=APPLIED, notes=notes)) == wave


# -- living with others ------------------------------------------------------------------------------------------------


class Noted(Beacon):
    """Wants, beside the rest, a Secret and a ConfigMap with data of its own."""

    owns = (*Beacon.owns, Owned("workload", "v1", "Secret", "secrets"))

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Add the two to the rest."""
        yield from super().desired(tenant)
        for kind in ("Secret", "ConfigMap"):
            metadata = {"name": "notes", "namespace": SPACE}
            manifest = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"note": SECRET}}
            yield Item(cluster="workload", manifest=manifest)


def settled(provider: Beacon) -> World:
    """Return a world in which all was written."""
    world = World(provider, BeaconSpec(replicas=1), None)
    metadata = {"name": "ca-bundle", "namespace": SYSTEM}
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca": "pem"}}
    world.put(Ref(PLATFORM, "v1", "ConfigMap", "ca-bundle", SYSTEM), bundle)
    world.control_plane()
    world.step()
    world.grant()
    world.settle()
    return world


def test_a_key_that_somebody_adds_to_a_copy_does_not_keep_us_writing() -> None:
    """A copy that has more than its source is left alone; one whose value was changed is put right."""
    world = settled(Beacon())
    copied = world.objects[Ref("workload", "v1", "ConfigMap", "ca-bundle", SPACE)]
    copied["data"]["theirs"] = "more"
    copied["metadata"]["managedFields"].append(entry("Update", {"f:data": {"f:theirs": {}}}, OTHER))
    world.pass_time(120)
    written = len(world.log)
    world.settle()

    assert not [step for step in world.log[written:] if isinstance(step, Apply)]

    copied["data"]["ca"] = "forged"
    world.pass_time(120)
    world.settle()

    assert copied["data"] == {"ca": "pem", "theirs": "more"}


def test_an_item_with_data_is_written_once_and_again_only_when_its_data_changed() -> None:
    """A Secret or ConfigMap that the author wrote is compared by its data, of which no step shows a byte."""
    world = settled(Noted())
    written = [step for step in world.log if isinstance(step, Apply) and step.ref.name == "notes"]

    assert [step.ref.kind for step in written] == ["Secret", "ConfigMap"]
    assert SECRET not in repr(written)

    for kind in ("Secret", "ConfigMap"):
        ref = Ref("workload", "v1", kind, "notes", SPACE)

        assert world.objects[ref]["data"] == {"note": SECRET}

        world.objects[ref]["data"] = {"note": "eA=="}
        world.pass_time(120)
        world.settle()

        assert world.objects[ref]["data"] == {"note": SECRET}
