"""Strategies for names that Kubernetes accepts, quick to draw."""

from hypothesis import strategies as st

labels = st.text("ab1-", min_size=1, max_size=63).map(lambda text: text.strip("-") or "x")
"""DNS labels."""

subdomains = st.builds(
    lambda first, more: ".".join([first, *more])[:253].rstrip("-."), labels, st.lists(labels, max_size=4)
)
"""DNS subdomains, most of them without dots."""
