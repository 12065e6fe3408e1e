"""What a wheel and an sdist hold is what the tree holds."""

from __future__ import annotations

import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.support.archives import build

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "socketio_sync": ROOT / "socketio_sync",
    "flask_socketio_sync": ROOT / "contrib" / "flask" / "flask_socketio_sync",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both archives; return their folder."""
    return build(tmp_path_factory.mktemp("packaging"))


def package_files() -> set[str]:
    """Return the files of all packages, as an installed package has them."""
    return {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.suffix in (".py", ".typed") and (folder / "__init__.py").is_file()
    }


def test_the_wheel_holds_exactly_the_packages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == package_files()
    assert "socketio_sync/py.typed" in names


def test_the_sdist_holds_packages_tests_and_project_files(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py") if kept(path)}
    wanted |= {path.relative_to(ROOT).as_posix() for path in PACKAGES["socketio_sync"].rglob("*.py")}
    wanted |= {"socketio_sync/py.typed", "setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "Makefile"}
    wanted |= {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert sorted(wanted - members) == []


def kept(path: Path) -> bool:
    """Tell whether a file belongs to the project, not to what was installed into it."""
    return "node_modules" not in path.parts


def test_no_archive_holds_what_was_made_by_running(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert [name for name in names if "__pycache__" in name or "node_modules" in name or "/." in name] == []


def test_the_license_travels_with_the_wheel(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("/LICENSE") for name in archive.namelist())


def test_comments_in_setup_cfg_stand_on_their_own_lines() -> None:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    for section in parser.sections():
        if section not in ("tool:pytest", "mypy"):
            values = [value for _, value in parser.items(section, raw=True)]
            assert not any("#" in value for value in values), section
