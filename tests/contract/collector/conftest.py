from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.fakes.collecting import CollectorProcess, collector


@pytest_asyncio.fixture
async def collecting(tmp_path: Path) -> AsyncIterator[CollectorProcess]:
    """One that runs."""
    async with collector(tmp_path) as running:
        yield running
