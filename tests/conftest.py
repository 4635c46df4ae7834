"""Settings that hold for all tests."""

import os

from hypothesis import HealthCheck, settings

# A busy machine is no mistake of the code: nothing fails for being slow.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
# On a desk every run looks at new examples; in CI each run looks at the same ones, so that a red run can be repeated.
settings.register_profile("default", patient)
settings.register_profile("ci", patient, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
