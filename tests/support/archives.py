"""The archives that users install, built from a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BESIDES_PACKAGES = shutil.ignore_patterns(
    ".*", "*.egg-info", "__pycache__", "build", "dist", "htmlcov", "node_modules", "*.log"
)


def build(folder: Path) -> Path:
    """Build sdist and wheel below ``folder``, so that the checkout gets no build folder; return theirs."""
    tree, archives = folder / "tree", folder / "dist"
    shutil.copytree(ROOT, tree, ignore=BESIDES_PACKAGES)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(archives), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return archives
