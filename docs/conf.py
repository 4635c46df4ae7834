"""How the documentation is built."""

project = "service-provider-ocm"
author = "service-provider-ocm contributors"
project_copyright = "2026, service-provider-ocm contributors"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = "service-provider-ocm"
