"""``python -m service_provider_ocm_cli``."""

import sys

from service_provider_ocm_cli import main

sys.exit(main())
