"""Autobahn's test suite, installed once per checkout."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "autobahntestsuite==25.10.1"
CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "conformance"
INSTALL_TIMEOUT = 600.0
# What is installed with --target has namespace packages, whose .pth files count in site directories only.
SITE = """
import site, sys
sys.path.insert(0, sys.argv[1])
site.addsitedir(sys.argv.pop(1))
"""
RUN = f"""{SITE}
from autobahntestsuite.wstest import run
run()
"""
LIST = f"""{SITE}
import json
from autobahntestsuite import case, caseset
names = case.CaseSetname, case.CaseBasename, case.Cases, case.CaseCategories, case.CaseSubCategories
print(json.dumps([caseset.CaseSet(*names).caseClasstoId(each) for each in case.Cases]))
"""


class SuiteMissing(Exception):
    """The suite can't be run here."""


def python2() -> str:
    """Return the path of a Python 2.7 that has pip.

    Raises:
        SuiteMissing: There is none.
    """
    named = os.environ.get("PYTHON2")
    path = shutil.which(named or "python2.7")
    if path is None:
        where = f"PYTHON2={named} is no program" if named else "there is no python2.7 on PATH"
        raise SuiteMissing(
            f"Autobahn's test suite runs on Python 2.7 only, and {where}; the variable PYTHON2 may name one"
        )
    check = [path, "-c", "import sys; assert sys.version_info[:2] == (2, 7), sys.version; import pip"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise SuiteMissing(
            f"{path} is no Python 2.7 with pip (its module ensurepip installs it):\n{done.stderr}"
        )
    return path


def install(python: str) -> Path:
    """Return the folder that the suite is installed in; install it if it isn't there.

    Raises:
        SuiteMissing: pip has failed; the message holds what it says.
    """
    # What is compiled belongs to the interpreter that it was compiled for.
    digest = hashlib.sha256(f"{REQUIREMENT} {Path(python).resolve()}".encode()).hexdigest()[:16]
    suite = CACHE / digest
    if suite.is_dir():
        return suite
    print(f"installing {REQUIREMENT} for {python}", file=sys.stderr, flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: an interrupted installation is never taken for one.
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="incomplete-") as folder:
        target = Path(folder) / "suite"
        arguments = ["-m", "pip", "install", "--quiet", "--target", str(target), REQUIREMENT]
        done = subprocess.run(
            [python, *arguments], capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
        )
        if done.returncode != 0:
            raise SuiteMissing(f"{python} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        if not suite.is_dir():
            target.rename(suite)
    return suite


@functools.cache
def _launcher() -> tuple[str, Path]:
    python = python2()
    return python, install(python)


def command() -> list[str]:
    """Return the command that ``wstest`` is, without its arguments; install it first where it is missing.

    Raises:
        SuiteMissing: It can't be had.
    """
    python, suite = _launcher()
    return [python, "-E", "-c", RUN, str(suite)]


def all_cases() -> list[str]:
    """Return the names of all cases, such as "12.1.3", in the order of the suite; install it first.

    Raises:
        SuiteMissing: It can't be had.
    """
    python, suite = _launcher()
    done = subprocess.run(
        [python, "-E", "-c", LIST, str(suite)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise SuiteMissing(f"{REQUIREMENT} doesn't run:\n{done.stdout}{done.stderr}")
    return [str(name) for name in json.loads(done.stdout)]
