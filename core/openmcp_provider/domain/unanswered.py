"""What a tenant reads where the author's code gave no answer, or the answer that nothing is wanted."""

from openmcp_provider.domain.author import NoAnswer, ProviderMistake, Undecided
from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.status import says_ready

__all__ = ["mistake_condition", "no_answer", "nothing_wanted"]

_SHOWN = 5


def mistake_condition(title: str, mistake: ProviderMistake) -> Condition:
    """Return the condition that tells of a mistake in the provider's own code."""
    message = (
        f"The provider of {title} has a mistake: its function {mistake}. "
        "Ask the platform operator, who can update the provider or report this to its authors."
    )
    return Condition("ProviderError", TRUE, mistake.reason, message)


def no_answer(title: str, instance: Json, answer: NoAnswer) -> Finding:
    """Return what it is to the tenant that the author's code gave no answer: nothing is written until it does."""
    if isinstance(answer, ProviderMistake):
        condition = mistake_condition(title, answer)
        words = condition.message
    else:
        problems = answer.problems if isinstance(answer, Undecided) else ()
        shown = [f"{problem.path} {problem.why} ({problem.want})" for problem in problems[:_SHOWN]]
        shown += [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        words = f"What {title} needs cannot be decided: {'; '.join(shown)}."
        condition = Condition("Decided", FALSE, "Undecided", words)
    message = f"{words} Until then nothing is written or removed; this is retried automatically."
    return Finding(
        condition=condition,
        message=message,
        keeps_ready=True,  # nothing is written because of it, so what runs stays as it is
        event="ProviderError" if isinstance(answer, ProviderMistake) else "",
        silent=isinstance(answer, ProviderMistake) and says_ready(instance),  # thousands may meet one mistake
    )


def nothing_wanted(title: str, *, left: bool) -> Finding:
    """Return that the author's code wants nothing for a tenant.

    Args:
        title: What tenants call the thing.
        left: Whether something that was written is still there.
    """
    if left:
        message = f"Nothing of {title} is wanted for this spec and ProviderConfig any more: what is there is removed."
        condition = Condition("Installed", UNKNOWN, "BeingRemoved", message)
    else:
        message = (
            f"Nothing of {title} is wanted for this spec and ProviderConfig, so nothing is installed. "
            "If that is not meant, change the spec or ask the platform operator."
        )
        condition = Condition("Installed", FALSE, "NothingWanted", message)
    return Finding(condition=condition, message=message, error=False, alarm=True, blocks=False)
