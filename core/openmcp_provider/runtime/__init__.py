"""The runtime: asyncio over ports. No threads, no wall clock and no chance but what is injected."""
