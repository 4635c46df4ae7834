"""Applied bodies are read as YAML: no surrogate pairs in them, and nothing that YAML takes otherwise."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.rest import Request
from tests.rest.scripted import CONFIG_MAPS, Kind, both, played, reaching, says, serving, thing


@given(st.text())
def test_any_text_is_the_same_as_json_and_as_yaml(text: str) -> None:
    """What is sent means the same to a reader of JSON and to one of YAML, rockets included (case 6.2)."""
    sent = Request(method="PATCH", target="/", read=1.0, body={"text": text}).content
    assert sent is not None
    assert {"text": text} == json.loads(sent)
    assert {"text": text} == yaml.safe_load(sent.decode())


@both
@played
async def test_an_applied_body_has_no_surrogate_pairs(kind: Kind) -> None:
    """Both clients send text outside the first plane of Unicode as it is (case 6.2)."""
    note = "deploy \N{ROCKET} done"
    async with serving(says(200, thing())) as server, reaching(kind, server) as cluster:
        await cluster.apply(CONFIG_MAPS, thing(data={"note": note}), manager="m")
    assert note == server.seen[0].body["data"]["note"]
    assert "\N{ROCKET}".encode() in server.raw[0]
