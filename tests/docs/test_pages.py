import contextlib
import importlib
import io
import re
from pathlib import Path

import pytest

from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.docs.pages import DOCS, cells, fenced, spans
from tests.docs.told import Told, everything

GROUP = "ocm.services.openmcp.cloud/v1alpha1"
API, DELETION, POLICY, RENDER, STATUS = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("api", "deletion", "policy", "render", "status")
)
TENANT = "mcp--4b6f2253-c68f-836b-927e-f2ee28e25584"


def complaints(*arguments: str) -> list[str]:
    """Return what `render` says about bad input."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(PROVIDER, ["render", *arguments])
    assert (code, out.getvalue()) == (2, "")
    return err.getvalue().splitlines()


def checks(kind: str) -> list[tuple[str, str]]:
    """Return the rows of the table of checks for a kind: a spec, and what is said of it."""
    section = API.partition("## Checks")[2].partition(f"\n`{kind}`:\n")[2].split("\n\n")[0]
    return [(row[0].strip("`"), row[1].strip("`")) for row in cells(section)][1:]


@pytest.mark.parametrize(
    ("kind", "spec", "told"), [(kind, *row) for kind in ("OCM", "ProviderConfig") for row in checks(kind)]
)
def test_checks(tmp_path: Path, kind: str, spec: str, told: str) -> None:
    """Every check that docs/api.md lists says what is written there."""
    specs = {"OCM": "{version: 0.6.0}", "ProviderConfig": "{}"} | {kind: spec}
    texts = [
        f"apiVersion: {GROUP}\nkind: {name}\nmetadata: {{name: x}}\nspec: {body}\n" for name, body in specs.items()
    ]
    file = tmp_path / "a.yaml"
    file.write_text("---\n".join(texts), encoding="utf-8")

    assert told in [line.split(f" {kind} ", 1)[1].partition(": ")[2] for line in complaints("-f", str(file))]


def test_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples in docs/render.md end as shown there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    shown = 0
    for language, body in fenced(RENDER, "yaml", "console"):
        first, _, rest = body.partition("\n")
        if language == "yaml":
            Path(first.removeprefix("# ")).write_text(rest + "\n", encoding="utf-8")
        else:
            assert complaints(*first.split()[3:]) == rest.splitlines()
            shown += 1
    assert shown == 3


@pytest.fixture(scope="module")
def told() -> Told:
    """What a tenant reads in all situations that are played."""
    return everything()


@pytest.mark.parametrize(("page", "column"), [("status", 2), ("deletion", 0)])
def test_messages(told: Told, page: str, column: int) -> None:
    """Every sentence in a table of messages is one that the program says."""
    text = {"status": STATUS, "deletion": DELETION.partition("## What you read meanwhile")[2].partition("\n## ")[0]}[
        page
    ]
    quoted = [
        row[column][1:-1] for row in cells(text) if len(row) > column and re.fullmatch("`[^`]* [^`]*`", row[column])
    ]
    said = [message for kind, _, _, message in told.conditions if kind == "Ready"]

    assert len(quoted) > 10
    for message in quoted:
        pattern = re.sub("<[^>]*>", ".*", re.escape(message).replace(r"\ ", " ").replace("T/", f"{TENANT}/"))
        assert [other for other in said if re.fullmatch(pattern, other)], message


def test_reasons_are_listed(told: Told) -> None:
    """Whatever a condition says is in the table of conditions."""
    table = {row[0]: row[1:] for row in cells(STATUS.partition("## Conditions")[2].partition("\n## ")[0])}
    columns = {"True": 0, "False": 1, "Unknown": 2}

    for kind, status, reason, _ in told.conditions:
        assert re.search(rf"\b{reason}\b", table[kind][columns[status]]), (kind, status, reason)


def test_events_are_listed(told: Told) -> None:
    """Whatever an event says is a reason in one of the tables."""
    listed = set(re.findall(r"\w+", STATUS))

    assert {reason for _, reason in told.events} <= listed


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (row[0].strip("`"), spans(row[1]))
        for row in cells(POLICY)
        if row[0].startswith("`openmcp_") or row[0] == "`service_provider_ocm`"
    ],
)
def test_public_names(module: str, names: list[str]) -> None:
    """What docs/policy.md calls public is exported where it says so."""
    assert set(names) <= set(importlib.import_module(module).__all__)
