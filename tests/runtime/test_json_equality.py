"""A value that turns from 1 to true is a change, also where Python sees none."""

from openmcp_provider.domain.objects import dig
from tests.runtime.stage import RELEASES, Stage, play


def test_a_value_that_turns_from_one_to_true_reaches_the_release() -> None:
    """The change of a ProviderConfig's value from 1 to true is in the HelmRelease within seconds (case 6.3)."""

    async def story(stage: Stage) -> None:
        await stage.pull_secret()
        await stage.configure(imagePullSecret={"name": "privateregcred"}, values={"webhook": {"enable": 1}})
        await stage.tenant("a")
        await stage.ready("a")
        await stage.configure(imagePullSecret={"name": "privateregcred"}, values={"webhook": {"enable": True}})

        async def arrived() -> bool:
            release = await stage.get(RELEASES, "sp-ocm-k8s-toolkit", stage.landscape.home("a"))
            return dig(release, "spec", "values", "webhook", "enable") is True

        await stage.until(arrived, 30.0)

    play(story)
