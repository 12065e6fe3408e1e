"""Every benchmark of a layer runs; what it measures is nobody's business here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from benchmarks.micro.__main__ import FOLDER, LAYERS, ROOT


@pytest.mark.parametrize("layer", LAYERS)
def test_the_benchmarks_of_a_layer_run(layer: str) -> None:
    command = [
        sys.executable,
        str(FOLDER / f"bench_{layer}.py"),
        "--debug-single-value",
        "--inherit-environ=PYTHONPATH",
    ]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\S.*: [\d.]+ (ns|us|ms)$", done.stdout, re.MULTILINE), done.stdout
