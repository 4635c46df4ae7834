"""What an author's code raises or returns amiss becomes a mistake that can be told, without what it says."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.author import FUNCTIONS, ProviderMistake, Undecided, contained, health_of
from openmcp_provider.domain.objects import PLATFORM, Json, Ref
from openmcp_provider.provider import Advice, Condition, Copy, Health, Item, Problem, Tenant
from tests.core.second import APPS, SPACE, Beacon, BeaconConfig, BeaconSpec

SPEC = BeaconSpec(replicas=1)
HOME = "mcp--home"
TENANT: Tenant[BeaconSpec, BeaconConfig] = Tenant(
    name="mcp-01", namespace="default", home=HOME, spec=SPEC, config=None, kubeconfigs={}
)
PASSWORD = "hunter2"


class Answering(Beacon):
    """Answers every question with one thing, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def _say(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    def check_spec(self, spec: BeaconSpec) -> Any:
        """Answer."""
        return self._say()

    def check_config(self, config: BeaconConfig | None) -> Any:
        """Answer."""
        return self._say()

    def references(self, config: BeaconConfig) -> Any:
        """Answer."""
        return self._say()

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Any:
        """Answer."""
        return self._say()

    def version(self, spec: BeaconSpec) -> Any:
        """Answer."""
        return self._say()

    def poll(self, config: BeaconConfig | None) -> Any:
        """Answer."""
        return self._say()

    def unmarked(self, name: str, namespace: str) -> Any:
        """Answer."""
        return self._say()

    def advise(self, spec: BeaconSpec, installed: str) -> Any:
        """Answer."""
        return self._say()

    def status(self, tenant: Tenant[BeaconSpec, BeaconConfig], live: Mapping[Ref, Json]) -> Any:
        """Answer."""
        return self._say()


def ask(function: str, answer: object) -> object:
    """Ask one function of an author's whose answer is known."""
    provider = Answering(answer)
    author = contained(provider)
    questions: dict[str, Callable[[], object]] = {
        "check_spec": lambda: author.check_spec(SPEC),
        "check_config": lambda: author.check_config(None),
        "references": lambda: author.references(BeaconConfig()),
        "desired": lambda: author.desired(TENANT),
        "version": lambda: author.version(SPEC),
        "poll": lambda: author.poll(None),
        "unmarked": lambda: author.unmarked("mcp-01", "default"),
        "advise": lambda: author.advise(SPEC, ""),
        "status": lambda: author.status(TENANT, {}),
        "health": lambda: health_of(lambda *_: provider._say(), {}, {}),
    }
    return questions[function]()


def deployment(**metadata: object) -> dict[str, Any]:
    """Return a manifest."""
    return {"apiVersion": APPS, "kind": "Deployment", "metadata": {"name": "web", "namespace": SPACE, **metadata}}


def item(**metadata: object) -> Item:
    """Return an item that is fine but for what is given."""
    return Item(cluster="workload", manifest=deployment(**metadata))


def nested(levels: int) -> Any:
    """Return JSON of so many levels."""
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("error", [KeyError(PASSWORD), RecursionError(PASSWORD), SystemExit(PASSWORD)])
def test_what_is_raised_is_told_by_its_type_alone(function: str, error: BaseException) -> None:
    """The function, the type and the line: an exception may quote a password (case 6.4)."""
    with pytest.raises(ProviderMistake) as caught:
        ask(function, error)

    mistake = caught.value
    assert (mistake.function, mistake.reason) == (function, "Raised")
    assert type(error).__name__ in str(mistake)
    assert "test_author.py, line " in str(mistake)
    assert PASSWORD not in f"{mistake} {mistake.__cause__} {mistake.__suppress_context__ or mistake.__context__}"


@pytest.mark.parametrize("function", FUNCTIONS)
@given(
    answer=st.one_of(
        st.none(), st.integers(), st.binary(), st.lists(st.integers(), min_size=1), st.floats(), st.just(object())
    )
)
def test_nonsense_is_a_mistake(function: str, answer: object) -> None:
    """Whatever is returned that is not what was asked for (case 6.4)."""
    with pytest.raises(ProviderMistake) as caught:
        ask(function, answer)

    assert (caught.value.function, caught.value.reason) == (function, "BadAnswer")


@pytest.mark.parametrize("function", ["check_spec", "check_config", "desired", "unmarked", "advise"])
def test_an_answer_without_end_ends(function: str) -> None:
    """A generator that never stops is cut off (case 6.4)."""
    with pytest.raises(ProviderMistake, match="more than 10,000 entries"):
        ask(function, lambda: itertools.repeat(Problem("spec", "is", "wrong")))


@pytest.mark.parametrize("function", ["check_spec", "desired", "advise"])
def test_what_is_raised_on_the_way_is_contained_too(function: str) -> None:
    """A generator raises only when somebody goes through it (case 6.4)."""

    def broken() -> Iterable[Problem]:
        yield Problem("spec", "is", "wrong")
        raise LookupError(PASSWORD)

    with pytest.raises(ProviderMistake, match="raised LookupError"):
        ask(function, broken)


BAD_ITEMS: dict[str, tuple[object, str]] = {
    "cluster": (Item(cluster="mpc", manifest=deployment()), 'cluster "mpc"; known are platform, mcp, workload'),
    "not owned": (Item(cluster="mcp", manifest=deployment()), "apps/v1 Deployment on mcp, which is not in owns"),
    "not home": (Item(cluster=PLATFORM, manifest=deployment()), "where only the tenant's namespace is open"),
    "no namespace": (Item(cluster=PLATFORM, manifest=deployment(namespace="")), "only the tenant's namespace"),
    "no name": (item(name=""), "has no metadata.name"),
    "a name of another type": (item(name=1), "has no metadata.name"),
    "no kind": (Item(cluster="workload", manifest={"apiVersion": "v1", "metadata": {"name": "a"}}), "has no kind"),
    "no metadata": (Item(cluster="workload", manifest={"apiVersion": "v1", "kind": "ConfigMap"}), "no metadata.name"),
    "a list": (Item(cluster="workload", manifest=[]), "a list for a manifest"),  # type: ignore[arg-type]
    "a key": (item(labels={1: "a"}), "manifest.metadata.labels has a int for a key"),
    "a set": (item(labels={"a": {1}}), "manifest.metadata.labels.a is a set, which JSON does not know"),
    "labels": (item(labels="a=b"), "has a str for metadata.labels"),
    "infinite": (item(weight=math.inf), "manifest.metadata.weight is no finite number"),
    "half a character": (item(note="\ud83d"), "half a character in manifest.metadata.note"),
    "deep": (item(note=nested(200)), "deeper than 100 levels"),
    "a wave": (Item(cluster="workload", manifest=deployment(), wave="1"), "a str for wave"),  # type: ignore[arg-type]
    "a policy": (
        Item(cluster="workload", manifest=deployment(), on_delete="keep"),  # type: ignore[arg-type]
        "on_delete is neither",
    ),
    "a rule": (Item(cluster="workload", manifest=deployment(), health=1), "for a health rule"),  # type: ignore[arg-type]
    "a copy's kind": (
        Copy(source="a", to=Ref("workload", APPS, "Deployment", "a", SPACE)),
        "only Secret and ConfigMap",
    ),
    "a copy's source": (Copy(source="", to=Ref("workload", "v1", "ConfigMap", "a", SPACE)), "has an empty source"),
    "a copy's name": (Copy(source="a", to=Ref("workload", "v1", "ConfigMap", "", SPACE)), "has an empty name"),
    "a copy to nowhere": (Copy(source="a", to=None), "a NoneType rather than a Ref"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_an_item_that_cannot_be_written_is_a_mistake(name: str) -> None:
    """It is found before anything is written, by its place in the answer (case 6.4)."""
    entry, why = BAD_ITEMS[name]
    with pytest.raises(ProviderMistake) as caught:
        ask("desired", [item(), entry])

    assert caught.value.reason == "BadAnswer"
    assert "entry 2 " in str(caught.value)
    assert why in str(caught.value)


FINE = Condition("Shiny", "True", "Polished")
BAD_HEALTHS = [
    Health("Fine"),  # type: ignore[arg-type]
    Health("Ready", message=None),  # type: ignore[arg-type]
    Health("Ready", conditions=("Installed",)),  # type: ignore[arg-type]
    Health("Ready", conditions=(Condition("Installed", "true", "Yes"),)),  # type: ignore[arg-type]
    Health("Ready", conditions=(Condition("", "True", "Yes"),)),
    Health("Ready", conditions=(Condition("Installed", "True", ""),)),
    Health("Ready", keeps_ready=1),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("health", BAD_HEALTHS)
def test_a_health_that_no_server_stores_is_a_mistake(health: Health) -> None:
    """A state that is none, a condition without a reason (case 6.4)."""
    with pytest.raises(ProviderMistake, match="health returned what cannot be used"):
        ask("health", health)


@pytest.mark.parametrize("field", ["phase", "conditions", "observedGeneration", "installedVersion"])
def test_the_status_of_the_library_is_not_the_authors(field: str) -> None:
    """An author's field never takes the place of the library's (case 6.4)."""
    with pytest.raises(ProviderMistake, match=f"status.{field} is not the author's to set"):
        ask("status", {field: "Ready"})


def test_good_answers_pass_as_they_are() -> None:
    """Nothing is changed on the way, and lists and generators are alike."""
    advice, health = Advice(FINE, "Polished"), Health("Ready", "Fine.", (FINE,))
    older = (Ref(PLATFORM, "v1", "ConfigMap", "", HOME), 3)
    problem = Problem("spec.replicas", "is 0", "write 1")

    assert ask("check_spec", [problem]) == ask("check_config", iter([problem])) == (problem,)
    assert ask("desired", lambda: iter([item()])) == (item(),)
    assert ask("version", "1.0") == "1.0"
    assert ask("poll", timedelta(0)) == timedelta(0)
    assert ask("advise", [advice]) == (advice,)
    assert ask("status", {"replicas": 1}) == {"replicas": 1}
    assert ask("health", health) == health
    with pytest.raises(ProviderMistake, match="not in owns"):
        ask("unmarked", [older])


def test_a_provider_may_say_that_it_cannot_decide() -> None:
    """A problem among what is desired means that nothing of it counts (case 2.8)."""
    problem = Problem("spec.replicas", "cannot be looked up", "wait for the catalogue")
    with pytest.raises(Undecided) as caught:
        ask("desired", [item(), problem])

    assert caught.value.problems == (problem,)


def test_containing_twice_is_containing_once() -> None:
    """Every layer may ask for it."""
    author = contained(Beacon())

    assert contained(author) is author
