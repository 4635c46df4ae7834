"""The test kit for authors of providers and of adapters."""
