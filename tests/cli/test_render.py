import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import ACCESS, CONFIG, EXAMPLES, NAMING, OCM, SECRET, WORKED, Run, stream

WORKED_OUTPUT = yaml.safe_load((WORKED.parent / "worked-output.yaml").read_text(encoding="utf-8"))
LOGIN = base64.b64encode(b'{"auths": {}}').decode()


def essence(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without labels and annotations."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in {"labels", "annotations"}}
    return {**obj, "metadata": metadata}


def test_worked_example(render: Run) -> None:
    """The worked input becomes exactly the AccessRequest and the five objects of the older program, in its order."""
    found = render({"in.yaml": WORKED.read_text(encoding="utf-8")}, "-o", "json", "--show-secrets")

    assert [
        {"cluster": entry["cluster"], "object": essence(entry["object"])} for entry in found.entries
    ] == WORKED_OUTPUT
    assert {entry["tenant"] for entry in found.entries} == {"default/mcp-01"}
    assert [entry["object"]["metadata"].get("labels") for entry in found.entries[:2]] == [
        {
            "openmcp.cloud/managed-by": "ocm.services.openmcp.cloud",
            "openmcp.cloud/managed-purpose": "default.mcp-01.mcp",
            "openmcp.cloud/onboarding-name": "mcp-01",
            "openmcp.cloud/onboarding-namespace": "default",
        },
        {"openmcp.cloud/managed-by": "ocm.services.openmcp.cloud"},
    ]


def test_yaml_says_the_same_as_json(render: Run) -> None:
    """Both forms hold the same objects; YAML names the cluster in a comment before each."""
    files = {"in.yaml": WORKED.read_text(encoding="utf-8")}
    entries = render(files, "-o", "json").entries
    found = render(files)

    assert found.documents == [entry["object"] for entry in entries]
    comments = [line for line in found.out.splitlines() if line.startswith("#")]
    assert comments == [f"# cluster: {entry['cluster']}" for entry in entries]
    assert found.out.startswith("# cluster: platform\n")
    assert render(files, "-o", "yaml") == found


def test_same_input_same_bytes(render: Run) -> None:
    """A preview can be compared with the one of yesterday."""
    files = {"in.yaml": WORKED.read_text(encoding="utf-8")}

    assert render(files) == render(files)


def test_secrets_stay_hidden(render: Run) -> None:
    """Values of Secrets are replaced by one and the same text, on both clusters, unless they are asked for."""
    files = {"in.yaml": WORKED.read_text(encoding="utf-8")}
    data = [found["data"] for found in render(files).documents if found["kind"] == "Secret"]
    shown = [found["data"] for found in render(files, "--show-secrets").documents if found["kind"] == "Secret"]

    assert data == [{".dockerconfigjson": "<hidden>"}] * 2
    assert shown == [{".dockerconfigjson": LOGIN}] * 2
    assert LOGIN not in render(files).out + render(files, "-o", "json").out


def test_several_files_and_standard_input(render: Run) -> None:
    """It does not matter which file holds what, and - is standard input."""
    one = render({"all.yaml": stream(NAMING, SECRET, OCM)})
    many = render({"secret.yaml": SECRET, "ocm.yaml": OCM}, stdin=NAMING)

    assert one.code == 0
    assert one == many


def test_tenants_in_the_order_given(render: Run) -> None:
    """Each instance has its objects together, access first, in the order of the input."""
    other = OCM.replace("mcp-01", "mcp-00, namespace: team-a")
    found = render({"a.yaml": stream(OCM, other, CONFIG)}, "-o", "json").entries

    assert [(entry["tenant"], entry["object"]["kind"]) for entry in found] == [
        (tenant, kind)
        for tenant in ("default/mcp-01", "team-a/mcp-00")
        for kind in ("AccessRequest", "OCIRepository", "HelmRelease")
    ]


def test_nothing_but_what_is_written(render: Run) -> None:
    """No finalizers, no status, no requests for the onboarding cluster."""
    found = render({"a.yaml": stream(NAMING, SECRET, OCM)}).documents

    assert all("finalizers" not in obj["metadata"] and "status" not in obj for obj in found)
    assert all(obj["metadata"].get("namespace", "mcp--").startswith(("mcp--", "ocm-k8s")) for obj in found)


def test_an_access_request_names_the_kubeconfig(render: Run) -> None:
    """Where the AccessRequest is given, its status tells the Secret; else its name is the default."""
    secrets = [
        release["spec"]["kubeConfig"]["secretRef"]["name"]
        for files in ({"a": stream(CONFIG, OCM)}, {"a": stream(CONFIG, OCM, ACCESS)})
        for release in render(files).documents
        if release["kind"] == "HelmRelease"
    ]

    assert secrets == ["ocm.services.openmcp.cloud--mcp-01--mcp.kubeconfig", "elsewhere"]


@pytest.mark.parametrize("status", ["", "status: {}", "status: {phase: Pending, secretRef: null}"])
def test_an_access_request_that_is_not_granted(render: Run, status: str) -> None:
    """Without a name in its status the default name stays, as without the AccessRequest."""
    access = ACCESS[: ACCESS.index("status")] + status

    assert render({"a": stream(CONFIG, OCM, access)}) == render({"a": stream(CONFIG, OCM)})


def test_lists_are_unfolded(render: Run) -> None:
    """What kubectl get prints for several objects is read like the objects."""
    items = [yaml.safe_load(text) for text in (NAMING, SECRET, OCM)]
    whole = {"apiVersion": "v1", "kind": "List", "items": items}
    bare = {key: value for key, value in items[2].items() if key not in {"apiVersion", "kind"}}
    typed = {"apiVersion": items[2]["apiVersion"], "kind": "OCMList", "items": [bare]}
    plain = render({"a": stream(NAMING, SECRET, OCM)})

    assert plain.code == 0
    assert render({"a": json.dumps(whole)}) == plain
    assert render({"a": stream(NAMING, SECRET, json.dumps(typed))}) == plain


def test_json_input(render: Run) -> None:
    """JSON is read too: one document or several after each other."""
    texts = [json.dumps(yaml.safe_load(text), indent=1) for text in (NAMING, SECRET, OCM)]

    assert render({"a": "\n".join(texts)}) == render({"a": stream(NAMING, SECRET, OCM)})


def test_byte_order_mark_comments_and_empty_documents(render: Run) -> None:
    """What editors add and people leave does not matter."""
    text = "\ufeff# a comment\n---\n" + stream(NAMING, "# nothing\n", SECRET, "", OCM) + "---\n"

    assert render({"a": text}) == render({"a": stream(NAMING, SECRET, OCM)})


def test_string_data(render: Run) -> None:
    """Plain text is stored as an API server stores it: in base64, over what data says."""
    secret = SECRET.replace("eyJhdXRocyI6IHt9fQ==", "e30=") + "stringData: {.dockerconfigjson: '{\"auths\": {}}'}\n"

    assert render({"a": stream(NAMING, secret, OCM)}, "--show-secrets") == render(
        {"a": stream(NAMING, SECRET, OCM)}, "--show-secrets"
    )


def test_base64_with_line_breaks(render: Run) -> None:
    """As in Go, line breaks in base64 count for nothing."""
    broken = SECRET.replace(
        "data: {.dockerconfigjson: eyJhdXRocyI6IHt9fQ==}",
        "data:\n  .dockerconfigjson: |\n    eyJhdXRo\n    cyI6IHt9fQ==",
    )

    assert render({"a": stream(NAMING, broken, OCM)}, "--show-secrets") == render(
        {"a": stream(NAMING, SECRET, OCM)}, "--show-secrets"
    )


@pytest.mark.parametrize("where", ["flag", "environment"])
def test_own_namespace(render: Run, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Sources lie in the provider's namespace: the flag's, else that of the pod, else openmcp-system."""
    files = {"a": stream(NAMING, SECRET.replace("openmcp-system", "mine"), OCM)}
    if where == "environment":
        monkeypatch.setenv("POD_NAMESPACE", "mine")
    found = render(files, *(["--namespace", "mine"] if where == "flag" else []))

    assert found.code == 0
    assert found == render(
        {"a": stream(NAMING, SECRET.replace(", namespace: openmcp-system", ""), OCM)}, "--namespace", "x"
    )


@pytest.mark.parametrize("reference", ["{}", '{name: ""}', "null", "{name: null}"])
def test_no_pull_secret(render: Run, reference: str) -> None:
    """An empty reference means no pull secret."""
    config = CONFIG.replace("spec: {}", f"spec: {{imagePullSecret: {reference}}}")

    assert render({"a": stream(config, OCM)}) == render({"a": stream(CONFIG, OCM)})


def test_empty_values_are_kept(render: Run) -> None:
    """An empty object is written, null is not: so it was before."""
    specs = {
        text: [
            found["spec"].get("values")
            for found in render({"a": stream(CONFIG.replace("spec: {}", f"spec: {{values: {text}}}"), OCM)}).documents
            if found["kind"] == "HelmRelease"
        ]
        for text in ("{}", "null")
    }

    assert specs == {"{}": [{}], "null": [None]}


def test_values_keep_their_types(render: Run) -> None:
    """Texts that look like something else stay texts, in both forms, for Helm and for whoever applies the preview."""
    values = {
        "texts": [
            "0.10",
            "1e3",
            "12e45",
            "yes",
            "y",
            "null",
            "~",
            "0777",
            "0x1F",
            "1_000",
            "",
            " a",
            "a\nb\n",
            "ä",
            "=",
        ],
        "others": [0.1, 1000, True, None, [], {}, -5],
        "on": {"12:30": "2024-01-01"},
    }
    config = CONFIG.replace("spec: {}", f"spec: {{values: {json.dumps(values)}}}")
    found = render({"a": stream(config, OCM)})
    again = render({"a": stream(config, OCM)}, "-o", "json")

    assert [doc["spec"]["values"] for doc in found.documents if doc["kind"] == "HelmRelease"] == [values]
    assert again.entries[-1]["object"]["spec"]["values"] == values


def test_secrets_that_nobody_names_do_not_matter(render: Run) -> None:
    """More may be given than is needed, in any namespace and of any type."""
    more = SECRET.replace("login", "other").replace("kubernetes.io/dockerconfigjson", "Opaque")
    foreign = more.replace("openmcp-system", "elsewhere")

    assert render({"a": stream(CONFIG, OCM, more, foreign)}) == render({"a": stream(CONFIG, OCM)})


def test_examples(render: Run) -> None:
    """The manifests in deploy/examples can be rendered as they are, and hold no login that works."""
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))}
    found = render(files, "-o", "json")

    assert found.code == 0
    assert len({entry["tenant"] for entry in found.entries}) == 5
    assert "placeholder-password" in files["pull-secret.yaml"]
    assert "registry.example.com" in files["pull-secret.yaml"]


def test_the_readme_examples_are_complete() -> None:
    """Five tenants, one ProviderConfig, one Secret."""
    kinds = [
        doc["kind"] for path in EXAMPLES.glob("*.yaml") for doc in yaml.safe_load_all(Path(path).read_text("utf-8"))
    ]

    assert sorted(kinds) == ["OCM"] * 5 + ["ProviderConfig", "Secret"]
