"""The contract of the port, held against the in-memory cluster."""

import asyncio

import pytest

from openmcp_testing.contract import CASES, Case
from openmcp_testing.memory import MemoryHarness


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_memory(case: Case) -> None:
    """Each rule of the port holds for the in-memory cluster."""
    asyncio.run(case.run(MemoryHarness()))
