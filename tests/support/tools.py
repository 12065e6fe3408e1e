"""Programs that a machine may not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str, package: str) -> NoReturn:
    """Skip the test, and say what its reader has to install; in CI, where .ci/run has installed it, fail.

    Only for what ``make`` can't install into the environment of a newcomer, who runs every other test.
    """
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing: .ci/run installs it")
    # A newcomer without root can't install it, and `make test` says at its end what was skipped.
    pytest.skip(f"no {what} here: apt-get install {package}")
