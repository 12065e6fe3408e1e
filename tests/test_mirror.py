"""Every module has its test file at the same place, and every test folder is a package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"

# Where the packages are, and the folder of tests that mirrors each.
PACKAGES = {
    ROOT / "socketio_sync": TESTS,
    ROOT / "contrib" / "flask" / "flask_socketio_sync": TESTS / "flask_socketio_sync",
}

UNTESTABLE = ("__init__", "_version", "__main__")

# Modules without a test file of their own, each with the reason.
EXCEPTIONS = {
    "socketio_sync/types.py": "names of types, no code",
    "contrib/flask/flask_socketio_sync/running.py": "test_hosts and test_reloader, which run",
    "contrib/flask/flask_socketio_sync/sending.py": "test_functions, which send",
    "socketio_sync/option_groups.py": "test_options, which gives them",
    "socketio_sync/adapters/base.py": "an interface; test_memory holds its one implementation to it",
    "socketio_sync/testing/channel.py": "test_client, which is one",
    "socketio_sync/testing/factory.py": "test_plugin, whose fixture is one",
    "socketio_sync/testing/link.py": "test_client, over both transports",
    "socketio_sync/testing/ports.py": "test_plugin, whose fixture serves there",
    "socketio_sync/testing/wire.py": "test_client, over both transports",
    "socketio_sync/transports/deflated.py": "tests/wire/test_deflate.py, over a real server",
    "socketio_sync/engine/handler.py": "an interface, and what test_watched and test_rates have before it",
    "socketio_sync/server/hooks.py": "tables without behaviour; test_dynamic shows that they are copied",
    "socketio_sync/server/signatures.py": "test_typed and test_asyncapi, for which they are read",
    "socketio_sync/server/remote.py": "test_endpoint, which fetches them",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module's path from the root and the test file that it must have."""
    for package, tests in PACKAGES.items():
        for path in sorted(package.rglob("*.py")):
            if path.stem not in UNTESTABLE:
                folder = tests / path.relative_to(package).parent
                yield path.relative_to(ROOT).as_posix(), folder / f"test_{path.name}"


def test_every_module_has_its_test_file() -> None:
    missing = [
        f"{module} lacks {test.relative_to(ROOT)}"
        for module, test in modules()
        if module not in EXCEPTIONS and not test.is_file()
    ]
    assert missing == []


def test_every_exception_is_a_module_without_a_test_file() -> None:
    without = {module for module, test in modules() if not test.is_file()}
    assert [module for module in EXCEPTIONS if module not in without] == []


def test_every_folder_with_tests_is_a_package() -> None:
    folders = {path.parent for path in TESTS.rglob("test_*.py") if "node_modules" not in path.parts}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
