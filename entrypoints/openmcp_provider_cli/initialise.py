"""``init``: access to the onboarding cluster, definitions on both clusters, registration. Any failure is one."""

from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider.domain.onboarding import INIT, init_rules
from openmcp_provider.runtime.initialising import NotInitialised, install_definition, register
from openmcp_provider.runtime.onboarding import NoAccess
from openmcp_provider_cli.program import DONE, Failed, Setting

__all__ = ["initialise"]


async def initialise(setting: Setting) -> int:
    """Prepare the clusters.

    Raises:
        Failed: something did not happen.
    """
    provider, edition = setting.provider, setting.provider.edition
    access = setting.access(INIT, init_rules(), setting.platform)
    try:
        onboarding = await access.obtain()
        try:
            for crd in provider.crds:
                await install_definition(
                    crd,
                    {PLATFORM: setting.platform, ONBOARDING: onboarding},
                    manager=setting.manager,
                    clock=setting.clock,
                    told=setting.told,
                )
        finally:
            await onboarding.close()
        await register(edition, setting.platform, setting.name, clock=setting.clock, told=setting.told)
    except (NoAccess, NotInitialised) as error:
        raise Failed(str(error)) from error
    setting.told("done")
    return DONE
