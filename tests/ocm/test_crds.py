import json
from typing import Any

import pytest

from openmcp_provider.provider import Json
from service_provider_ocm import PROVIDER
from tests.ocm.schema import refusals, structural

INSTANCES, CONFIGS = (crd["spec"] for crd in PROVIDER.crds)
READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Reconciling",
    "message": "",
    "lastTransitionTime": "2026-11-22T10:00:00Z",
    "observedGeneration": 1,
}


def schema(crd: Json) -> Any:
    """Return the schema of a CRD's one version."""
    (version,) = crd["versions"]
    return version["schema"]["openAPIV3Schema"]


def test_identity() -> None:
    """The CRDs are those of v0.1.1 in name, scope and cluster, so that they replace them in place."""
    found = {
        (
            crd["metadata"]["name"],
            crd["metadata"]["labels"]["openmcp.cloud/cluster"],
            crd["spec"]["scope"],
            crd["spec"]["names"]["kind"],
            crd["spec"]["names"]["listKind"],
            crd["spec"]["names"]["singular"],
        )
        for crd in PROVIDER.crds
    }

    assert found == {
        ("ocms.ocm.services.openmcp.cloud", "onboarding", "Namespaced", "OCM", "OCMList", "ocm"),
        (
            "providerconfigs.ocm.services.openmcp.cloud",
            "platform",
            "Cluster",
            "ProviderConfig",
            "ProviderConfigList",
            "providerconfig",
        ),
    }


@pytest.mark.parametrize("crd", PROVIDER.crds)
def test_an_api_server_accepts_it(crd: Json) -> None:
    """The schema is structural, the one version is served and stored, and status is a subresource."""
    (version,) = crd["spec"]["versions"]

    assert [*structural(schema(crd["spec"]))] == []
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert f"{crd['spec']['names']['plural']}.{crd['spec']['group']}" == crd["metadata"]["name"]
    assert json.loads(json.dumps(crd)) == crd


def test_columns_of_the_provider_config() -> None:
    """The operator sees whether it can be used, why not, and how many tenants follow it (case 5.5)."""
    columns = CONFIGS["versions"][0]["additionalPrinterColumns"]
    assert ["Valid", "Reason", "Tenants", "Age", "Message"] == [column["name"] for column in columns]
    assert [1] == [column["priority"] for column in columns if "priority" in column]


def test_columns() -> None:
    """PHASE stays the second column, which scripts read; the reasons come with -o wide."""
    (version,) = INSTANCES["versions"]
    columns = [(column["name"], column.get("priority", 0)) for column in version["additionalPrinterColumns"]]

    assert columns == [
        ("Phase", 0),
        ("Ready", 0),
        ("Version", 0),
        ("Installed", 0),
        ("Age", 0),
        ("Reason", 1),
        ("Message", 1),
    ]
    assert version["selectableFields"] == [{"jsonPath": ".status.phase"}]


def test_what_is_required() -> None:
    """Exactly what v0.1.1 required is required, no more."""
    assert schema(INSTANCES)["required"] == ["spec"]
    assert schema(INSTANCES)["properties"]["spec"]["required"] == ["version"]
    assert set(schema(INSTANCES)["properties"]["status"]["required"]) == {"observedGeneration", "phase"}
    assert schema(CONFIGS)["required"] == ["spec"]
    assert "required" not in schema(CONFIGS)["properties"]["spec"]
    assert "required" not in schema(CONFIGS)["properties"]["status"]


def test_defaults() -> None:
    """The server fills in what it filled in before."""
    fields = schema(CONFIGS)["properties"]["spec"]["properties"]

    assert fields["pollInterval"]["default"] == "1m"
    assert fields["pollInterval"]["format"] == "duration"
    assert fields["imagePullSecret"]["properties"]["name"]["default"] == ""
    assert "default" not in fields["chartURL"]


@pytest.mark.parametrize(
    "body",
    [
        {"spec": {"version": "0.4.0"}},
        {"spec": {"version": ""}},
        {"spec": {"version": "anything at all"}, "status": None},
        {"spec": {"version": "0.4.0"}, "status": {"observedGeneration": 1, "phase": "Ready"}},
        {"spec": {"version": "0.4.0"}, "status": {"observedGeneration": 0, "phase": "", "conditions": []}},
        {
            "spec": {"version": "0.4.0"},
            "status": {"observedGeneration": 1, "phase": "Progressing", "conditions": [READY]},
        },
    ],
)
def test_accepts_instances_of_before(body: Json) -> None:
    """Every OCM that v0.1.1's CRD accepted is accepted."""
    assert [*refusals(schema(INSTANCES), body)] == []


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"pollInterval": "1m", "imagePullSecret": {"name": "login"}, "values": {"manager": {"replicas": 2}}},
        {"pollInterval": "1 day", "chartURL": "", "imagePullSecret": {}, "values": "anything"},
        {"chartURL": "https://x:1", "values": [1, {"a": None}]},
        {"pollInterval": None, "chartURL": None, "imagePullSecret": None, "values": None},
    ],
)
def test_accepts_configs_of_before(spec: Json) -> None:
    """Every ProviderConfig that v0.1.1's CRD accepted is accepted, also one that cannot be used."""
    assert [*refusals(schema(CONFIGS), {"spec": spec, "status": {"conditions": [READY]}})] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"spec": {}},
        {"spec": {"version": None}},
        {"spec": {"version": 0.4}},
        {"spec": {"version": "0.4.0"}, "status": {"phase": "Ready"}},
        {"spec": {"version": "0.4.0"}, "status": {"observedGeneration": "1", "phase": "Ready"}},
        {
            "spec": {"version": "0.4.0"},
            "status": {"observedGeneration": 1, "phase": "", "conditions": [{**READY, "status": "Yes"}]},
        },
        {
            "spec": {"version": "0.4.0"},
            "status": {"observedGeneration": 1, "phase": "", "conditions": [{**READY, "reason": ""}]},
        },
    ],
)
def test_refuses_the_wrong_shape(body: Json) -> None:
    """The server itself refuses what no program could use."""
    assert [*refusals(schema(INSTANCES), body)]


def test_everything_is_described() -> None:
    """Who asks kubectl to explain reads something about every field that a person can set."""
    for crd in (INSTANCES, CONFIGS):
        assert all(field["description"] for field in schema(crd)["properties"]["spec"]["properties"].values())
    assert all(column["description"] for column in INSTANCES["versions"][0]["additionalPrinterColumns"])
