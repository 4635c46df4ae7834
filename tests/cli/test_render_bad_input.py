import base64
from pathlib import Path

import pytest

from tests.cli.running import ACCESS, CONFIG, GROUP, NAMING, OCM, SECRET, Run, stream

PASSWORD = "correct-horse-battery"


def config(spec: str) -> str:
    """Return a ProviderConfig with a spec."""
    return CONFIG.replace("spec: {}", f"spec: {spec}")


def ocm(spec: str) -> str:
    """Return an OCM with a spec."""
    return OCM.replace('spec: {version: "0.6.0"}', f"spec: {spec}")


def pulling(secret: str) -> str:
    """Return a complete input whose pull secret is this."""
    return stream(NAMING, OCM, secret)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", ["a.yaml: is empty; "], id="empty"),
        pytest.param("# only a comment\n---\n", ["a.yaml: is empty; "], id="comment"),
        pytest.param("kind: List\nitems: []", ["a.yaml: is empty; "], id="empty list"),
        pytest.param("- a", ["a.yaml: document 1: is a list; "], id="list"),
        pytest.param("just text", ["a.yaml: document 1: is text; "], id="text"),
        pytest.param(stream(CONFIG, OCM, "a: b: c"), ["a.yaml: document 3: line 11: is not YAML: "], id="broken"),
        pytest.param(stream(CONFIG, OCM, "a: [1"), ["a.yaml: document 3: line 11: is not YAML: "], id="unclosed"),
        pytest.param("{\n", ["a.yaml: document 1: line 1: is not YAML: "], id="broken JSON"),
        pytest.param(
            stream(CONFIG, OCM + "kind: OCM\n"),
            ['a.yaml: document 2: line 10: has the key "kind" twice; write each key once'],
            id="key twice",
        ),
        pytest.param(
            stream(CONFIG, OCM, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, namespace: team}"),
            ["a.yaml: document 3: Deployment team/x: kind: is not known here; known are OCM ("],
            id="unknown kind",
        ),
        pytest.param(
            stream(CONFIG, OCM, "apiVersion: v1\nmetadata: {name: x}"),
            ["a.yaml: document 3: x: kind: is missing or no text; known are OCM ("],
            id="no kind",
        ),
        pytest.param(
            stream(CONFIG, OCM, "kind: Secret\nmetadata: {name: x}"),
            ["a.yaml: document 3: Secret openmcp-system/x: apiVersion: is missing or no text; write apiVersion: v1"],
            id="no apiVersion",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("openmcp.cloud", "open-control-plane.io")),
            [
                'a.yaml: document 2: OCM default/mcp-01: apiVersion: is "ocm.services.open-control-plane.io/v1alpha1"',
                f", of an API group that this program does not serve yet; it serves {GROUP}",
            ],
            id="another group",
        ),
        pytest.param(
            stream(CONFIG.replace("v1alpha1", "v1"), OCM),
            ['a.yaml: document 1: ProviderConfig ocm: apiVersion: is "ocm.services.openmcp.cloud/v1"; write '],
            id="another version",
        ),
        pytest.param(stream(CONFIG), ["a.yaml: OCM: is missing; give at least one"], id="no instance"),
        pytest.param(stream(OCM), ["a.yaml: ProviderConfig: is missing; give one"], id="no config"),
        pytest.param(
            stream(CONFIG, OCM, CONFIG.replace("name: ocm", "name: other")),
            ["a.yaml: document 3: ProviderConfig other: kind: there is another one: ProviderConfig ocm in a.yaml: d"],
            id="two configs",
        ),
        pytest.param(
            stream(CONFIG, OCM, ocm('{version: "0.5.0"}').replace("mcp-01", "mcp-01, namespace: default")),
            ["a.yaml: document 3: OCM default/mcp-01: metadata.name: the same object stands in a.yaml: document 2; "],
            id="two instances of one name",
        ),
        pytest.param(
            stream(CONFIG, OCM, SECRET, SECRET.replace(", namespace: openmcp-system", "")),
            ["a.yaml: document 4: Secret openmcp-system/login: metadata.name: the same object stands in a.yaml: "],
            id="two secrets of one name",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("metadata: {name: mcp-01}", "")),
            ["a.yaml: document 2: OCM: metadata: is missing; "],
            id="no metadata",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("{name: mcp-01}", "mcp-01")),
            ["a.yaml: document 2: OCM: metadata: is text; "],
            id="metadata is text",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", "labels: {}")),
            ["a.yaml: document 2: OCM default: metadata.name: is missing; "],
            id="no name",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", "")),
            ["a.yaml: document 2: OCM: metadata.name: is missing; "],
            id="empty metadata",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", "name: 5")),
            ["a.yaml: document 2: OCM default: metadata.name: is a number; must be text"],
            id="name is a number",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", "name: Mcp_01")),
            ["a.yaml: document 2: OCM default/Mcp_01: metadata.name: is no legal name; write 1 to 253 characters"],
            id="illegal name",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", f"name: {'a' * 254}")),
            [f"a.yaml: document 2: OCM default/{'a' * 254}: metadata.name: is 254 characters long; "],
            id="long name",
        ),
        pytest.param(
            stream(CONFIG, OCM.replace("name: mcp-01", "name: mcp-01, namespace: team.a")),
            ["a.yaml: document 2: OCM team.a/mcp-01: metadata.namespace: is no legal name; write 1 to 63 characters"],
            id="illegal namespace",
        ),
        pytest.param(
            stream(CONFIG, ocm("{version: 0.4}")),
            ['a.yaml: document 2: OCM default/mcp-01: spec.version: is a number; write it in quotes: version: "0.4"'],
            id="version is a number",
        ),
        pytest.param(
            stream(CONFIG, ocm("{version: 0.10}")),
            ['a.yaml: document 2: OCM default/mcp-01: spec.version: is a number; write it in quotes: version: "0.10"'],
            id="version is another number than it looks",
        ),
        pytest.param(
            stream(CONFIG, ocm("{}")),
            ["a.yaml: document 2: OCM default/mcp-01: spec.version: is missing; "],
            id="no version",
        ),
        pytest.param(
            stream(CONFIG, ocm('{version: ""}')),
            ["a.yaml: document 2: OCM default/mcp-01: spec.version: is empty; give a version"],
            id="empty version",
        ),
        pytest.param(
            stream(CONFIG, ocm('{version: "0.4.0+x"}')),
            ['a.yaml: document 2: OCM default/mcp-01: spec.version: has a "+"'],
            id="version with build",
        ),
        pytest.param(
            stream(CONFIG, ocm("null")),
            ["a.yaml: document 2: OCM default/mcp-01: spec: is missing; must be an object"],
            id="no spec",
        ),
        pytest.param(
            stream(CONFIG, ocm('{version: "0.4.0", versoin: "1"}') + "sepc: {}\n"),
            [
                "a.yaml: document 2: OCM default/mcp-01: spec.versoin: is not a known field; did you mean version?",
                "a.yaml: document 2: OCM default/mcp-01: sepc: is not a known field; known are: apiVersion, kind, ",
            ],
            id="unknown fields",
        ),
        pytest.param(
            stream(CONFIG.replace("spec: {}\n", ""), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec: is missing; must be an object"],
            id="config without spec",
        ),
        pytest.param(
            stream(config("{pollInterval: 60}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.pollInterval: is a number; write a duration in quotes"],
            id="interval is a number",
        ),
        pytest.param(
            stream(config("{pollInterval: 1 day}"), OCM),
            ['a.yaml: document 1: ProviderConfig ocm: spec.pollInterval: "1 day" is not a duration; write numbers'],
            id="interval that Go would not read",
        ),
        pytest.param(
            stream(config("{pollInterval: 1us}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.pollInterval: is below one millisecond; "],
            id="tiny interval",
        ),
        pytest.param(
            stream(config("{chartURL: https://example.com/chart}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.chartURL: has a scheme that is not oci; "],
            id="foreign scheme",
        ),
        pytest.param(
            stream(config("{chartURL: example.com/chart:1}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.chartURL: has a tag in it; "],
            id="tag",
        ),
        pytest.param(
            stream(config("{values: [a]}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.values: is a list; must be an object"],
            id="values no object",
        ),
        pytest.param(
            stream(config("{values: {manager: {imagePullSecrets: [login]}}}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.values.manager.imagePullSecrets[0]: is not an object; "],
            id="pull secrets of the wrong shape",
        ),
        pytest.param(
            stream(config("{imagePullSecret: login}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.imagePullSecret: is text; must be an object"],
            id="pull secret of the wrong shape",
        ),
        pytest.param(
            stream(config("{imagePullSecrets: {name: login}}"), OCM),
            ["a.yaml: document 1: ProviderConfig ocm: spec.imagePullSecrets: is not a known field; did you mean im"],
            id="misspelt",
        ),
        pytest.param(
            stream(NAMING, OCM),
            [
                "a.yaml: document 1: ProviderConfig ocm: spec.imagePullSecret.name: names Secret openmcp-system/login",
                " which is not given; add it to the files, of type kubernetes.io/dockerconfigjson",
            ],
            id="pull secret not given",
        ),
        pytest.param(
            stream(config("{values: {manager: {imagePullSecrets: [{name: login}, {name: other}]}}}"), OCM, SECRET),
            [
                "a.yaml: document 1: ProviderConfig ocm: spec.values.manager.imagePullSecrets[1].name: names",
                " Secret openmcp-system/other, which is not given; ",
            ],
            id="one of two not given",
        ),
        pytest.param(
            pulling(SECRET.replace("openmcp-system", "default")),
            [
                "a.yaml: document 1: ProviderConfig ocm: spec.imagePullSecret.name: names Secret openmcp-system/login",
                " which is not given; there is one in namespace default, ",
            ],
            id="pull secret elsewhere",
        ),
        pytest.param(
            pulling(SECRET.replace("type: kubernetes.io/dockerconfigjson\n", "")),
            ['a.yaml: document 3: Secret openmcp-system/login: type: it is of type "Opaque" and must be of type '],
            id="pull secret of another type",
        ),
        pytest.param(
            pulling(SECRET.replace("{.dockerconfigjson: ", "{config.json: ")),
            ['a.yaml: document 3: Secret openmcp-system/login: data: it has no key ".dockerconfigjson"; '],
            id="pull secret without key",
        ),
        pytest.param(
            pulling(SECRET[: SECRET.index("data: {.")]),
            ['a.yaml: document 3: Secret openmcp-system/login: data: it has no key ".dockerconfigjson"; '],
            id="pull secret without data",
        ),
        pytest.param(
            pulling(SECRET.replace("eyJhdXRocyI6IHt9fQ==", base64.b64encode(PASSWORD.encode()).decode())),
            [
                'a.yaml: document 3: Secret openmcp-system/login: data: the value of ".dockerconfigjson" is not JSON; ',
                "; needed because ProviderConfig ocm names it in spec.imagePullSecret.name",
            ],
            id="pull secret is no JSON",
        ),
        pytest.param(
            pulling(SECRET.replace("eyJhdXRocyI6IHt9fQ==", base64.b64encode(f'["{PASSWORD}"]'.encode()).decode())),
            ['a.yaml: document 3: Secret openmcp-system/login: data: the value of ".dockerconfigjson" is not a JSON '],
            id="pull secret is no JSON object",
        ),
        pytest.param(
            pulling(SECRET.replace("eyJhdXRocyI6IHt9fQ==", f'"{PASSWORD}!"')),
            ['a.yaml: document 3: Secret openmcp-system/login: data[".dockerconfigjson"]: is not base64; '],
            id="pull secret is no base64",
        ),
        pytest.param(
            pulling(SECRET.replace("{.dockerconfigjson: eyJhdXRocyI6IHt9fQ==}", PASSWORD)),
            ["a.yaml: document 3: Secret openmcp-system/login: data: is text; must be an object"],
            id="data is text",
        ),
        pytest.param(
            pulling(SECRET + "stringData: {a: 5, b: [c]}\n"),
            [
                "a.yaml: document 3: Secret openmcp-system/login: stringData.a: is a number; ",
                "a.yaml: document 3: Secret openmcp-system/login: stringData.b: is a list; ",
            ],
            id="values are no text",
        ),
        pytest.param(
            pulling(SECRET.replace("type: kubernetes.io/dockerconfigjson", "type: [a]")),
            ["a.yaml: document 3: Secret openmcp-system/login: type: is a list; must be text"],
            id="type is no text",
        ),
        pytest.param(
            stream(CONFIG, OCM, ACCESS.replace("elsewhere", "5")),
            ["a.yaml: document 3: AccessRequest mcp--", ": status.secretRef.name: is missing or no text; "],
            id="access request with a strange status",
        ),
        pytest.param(
            stream(CONFIG, f"kind: List\nitems:\n- 5\n- apiVersion: {GROUP}\n  kind: OCM\n  metadata: {{name: x}}\n"),
            [
                "a.yaml: document 2: List: items[0]: is a number; must be an object",
                "a.yaml: document 2, item 2: OCM default/x: spec: is missing; ",
            ],
            id="list",
        ),
    ],
)
def test_wrong_input(render: Run, text: str, lines: list[str]) -> None:
    """Code 2, nothing on standard output, one line per problem: file, document, path, why, what would be right."""
    found = render({"a.yaml": text})

    assert (found.code, found.out) == (2, "")
    assert all(any(line in told for told in found.lines) for line in lines), found.err
    assert len(found.lines) == len([line for line in lines if line.startswith("a.yaml")])
    assert PASSWORD not in found.err
    assert base64.b64encode(PASSWORD.encode()).decode() not in found.err


def test_everything_at_once(render: Run) -> None:
    """No mistake hides another one, in the same object, in another document or in another file."""
    secret = SECRET.replace("kubernetes.io/dockerconfigjson", "Opaque").replace("login", "known")
    spec = (
        "{pollInterval: 5, chartURL: https://x, imagePullSecret: {name: absent}, more: 1,"
        " values: {manager: {imagePullSecrets: [{name: known}, {nam: x}]}}}"
    )
    found = render(
        {"a.yaml": stream(config(spec), ocm("{version: 0.4}")), "b.yaml": stream("kind: Pod", "a: ["), "c": secret}
    )

    assert (found.code, found.out) == (2, "")
    assert [line.partition(";")[0].removesuffix(", which is not given") for line in found.lines] == [
        "a.yaml: document 1: ProviderConfig ocm: spec.pollInterval: is a number",
        "a.yaml: document 1: ProviderConfig ocm: spec.more: is not a known field",
        "a.yaml: document 1: ProviderConfig ocm: spec.chartURL: has a scheme that is not oci",
        "a.yaml: document 1: ProviderConfig ocm: spec.values.manager.imagePullSecrets[1].name: is missing",
        "a.yaml: document 1: ProviderConfig ocm: spec.imagePullSecret.name: names Secret openmcp-system/absent",
        "a.yaml: document 2: OCM default/mcp-01: spec.version: is a number",
        "b.yaml: document 1: Pod: kind: is not known here",
        "b.yaml: document 2: line 3: is not YAML: did not find expected node content",
    ]


def test_a_problem_is_told_once(render: Run) -> None:
    """What is wrong for every tenant is one problem."""
    found = render({"a.yaml": stream(NAMING, *(OCM.replace("mcp-01", f"mcp-{at}") for at in range(5)))})

    assert len(found.lines) == 1


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read (No such file or directory); "),
        (["folder"], "folder: is a directory; "),
        (["latin1.yaml"], "latin1.yaml: cannot be read (no UTF-8 at byte 1); "),
        (["a.yaml", "a.yaml"], "a.yaml: is given twice; "),
        (["-"], "<stdin>: is empty; "),
        (["x\0y"], "x\\x00y: cannot be read (no file can have that name); "),
        (["bell\n.yaml"], "bell\\n.yaml: cannot be read (No such file or directory); "),
    ],
)
def test_files_that_cannot_be_read(render: Run, files: list[str], line: str) -> None:
    """A file that is none is a problem like any other, on a line of its own."""
    Path("folder").mkdir()
    Path("latin1.yaml").write_bytes("a\u00e4".encode("latin-1") + b"\xff")
    Path("a.yaml").write_text(stream(CONFIG, OCM), encoding="utf-8")
    flags = [flag for file in files if file != "-" for flag in ("-f", file)]
    found = render({}, *flags, stdin="" if "-" in files else None)

    assert (found.code, found.out) == (2, "")
    assert any(told.startswith(line) for told in found.lines)


def test_control_characters_stay_out_of_messages(render: Run) -> None:
    """A name with a line break in it does not forge a message."""
    found = render({"a.yaml": stream(CONFIG, OCM.replace("mcp-01", '"x\\ny\\e[31m"'))})

    assert len(found.lines) == 1
    assert found.err.startswith("a.yaml: document 2: OCM default/x\\ny\\x1b[31m: metadata.name: is no legal name; ")


@pytest.mark.parametrize("namespace", ["", "Team", "a.b", "a" * 64])
def test_illegal_own_namespace(render: Run, namespace: str) -> None:
    """The provider's namespace must be one that can exist."""
    found = render({"a.yaml": stream(CONFIG, OCM)}, "--namespace", namespace)

    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("--namespace: ")


def test_a_pull_secret_of_brackets(render: Run) -> None:
    """A login nested without end is refused like any other that is no JSON object."""
    deep = base64.b64encode(b"[" * 100_000).decode()
    found = render({"a.yaml": pulling(SECRET.replace("eyJhdXRocyI6IHt9fQ==", deep))})

    assert (found.code, len(found.lines)) == (2, 1)
    assert "is not JSON" in found.err


def test_an_object_without_a_name_is_told_once(render: Run) -> None:
    """What has no name lacks that alone: it would be in the default namespace (case 7)."""
    found = render({"a.yaml": stream(CONFIG, OCM.replace("name: mcp-01", ""))})

    assert found.lines == ["a.yaml: document 2: OCM: metadata.name: is missing; give the object a name"]


def test_objects_of_the_later_group(render: Run) -> None:
    """Manifests of v0.4.0 are not to be rewritten: it is said that their group is not served, and which is (case 7)."""
    group = "ocm.services.open-control-plane.io/v1alpha1"
    config = CONFIG.replace("spec: {}", "spec: {versions: [{version: a, chartVersion: 0.6.0}]}")
    found = render({"a.yaml": stream(config, OCM).replace(GROUP, group)})

    why = f'apiVersion: is "{group}", of an API group that this program does not serve yet; it serves {GROUP}'
    assert found.lines == [
        f"a.yaml: document 1: ProviderConfig ocm: {why}",
        f"a.yaml: document 2: OCM default/mcp-01: {why}",
    ]
