"""Settings that hold for all tests."""

import os

from hypothesis import settings

# On a desk every run looks at new examples; in CI each run looks at the same ones, so that a red run can be repeated.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
