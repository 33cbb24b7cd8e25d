"""The lab as a fixture."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.federation.lab import Labs, lab_starter


@pytest.fixture(scope="module")
def start_lab(request: pytest.FixtureRequest) -> Iterator[Labs]:
    """Starts labs that end with the tests of one file."""
    with ExitStack() as stack:
        yield lab_starter(request, stack)
