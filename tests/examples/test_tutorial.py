"""Every step of the tutorial, as its reader takes it: in the reader's folder, with a real browser."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import pytest

from tests.examples.test_chat import CHROMIUM, run_node
from tests.interop.clients import install, link_client
from tests.interop.hosts import free_port, running
from tests.support.archives import build
from tests.support.tools import lacking

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {page.name: page.read_text() for page in sorted((ROOT / "docs" / "tutorial").glob("*.md"))}
FILES = ROOT / "examples" / "tutorial"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")

# What the reader types, by page; the tests below do the same, with the wheel of this tree.
COMMANDS = {
    "1-hello.md": [
        "mkdir chat",
        "cd chat",
        "python3 -m venv venv",
        ". venv/bin/activate",
        "pip install socketio_sync flask",
        "npm install socket.io-client",
        "mkdir static",
        "python app.py",
    ],
    "7-tests.md": ["pip install pytest", "python -m pytest"],
    "8-deploy.md": [
        "pip install gunicorn",
        "TRUSTED_PROXIES=1 gunicorn -k gevent --bind 127.0.0.1:8000 app:app",
    ],
}

pytestmark = pytest.mark.interop


def test_the_commands_are_those_that_are_tested() -> None:
    typed = {name: re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for name, page in PAGES.items()}
    assert {name: "".join(blocks).splitlines() for name, blocks in typed.items() if blocks} == COMMANDS


def test_every_file_is_shown_and_no_step_is_left_out() -> None:
    shown = re.findall(r"<!-- examples/tutorial/(\S+) -->", "".join(PAGES.values()))
    files = {path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    # The page itself stays the same, and is shown once.
    pages = {f"{step}/static/index.html" for step in range(2, 7)}
    assert sorted(shown) == sorted(files - pages)
    first = (FILES / "1" / "static" / "index.html").read_text()
    assert {(FILES / name).read_text() for name in pages} == {first}


def test_each_page_leads_to_the_next() -> None:
    names = [name for name in PAGES if name != "README.md"]
    assert re.findall(r"\((\d-\S+\.md)\)", PAGES["README.md"]) == names
    for name, following in pairwise(names):
        assert PAGES[name].rstrip().endswith(f"]({following})")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of the reader's environment, with nothing but what the pages install."""
    typed = [command for commands in COMMANDS.values() for command in commands]
    packages = " ".join(
        each.removeprefix("pip install ") for each in typed if each.startswith("pip install ")
    )
    made = tmp_path_factory.mktemp("reader")
    (wheel,) = build(made).glob("*.whl")
    interpreter = str(made / "venv" / "bin" / "python")
    install_all = [
        interpreter,
        "-m",
        "pip",
        "install",
        *packages.replace("socketio_sync", str(wheel)).split(),
    ]
    for command in ([sys.executable, "-m", "venv", "venv"], install_all):
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return interpreter


def folder(tmp_path: Path, step: int) -> Path:
    """Return the reader's folder at the end of a step."""
    chat = tmp_path / "chat"
    for earlier in range(1, step + 1):
        shutil.copytree(FILES / str(earlier), chat, dirs_exist_ok=True)
    link_client(chat)
    return chat


@contextmanager
def served(python: str, chat: Path) -> Iterator[str]:
    """Serve what the reader has, on another port than the tutorial's; yield its address."""
    port = free_port()
    app = chat / "app.py"
    app.write_text(app.read_text().replace("port=3000", f"port={port}"))
    log = chat / "log"
    with running([python, "app.py"], port, log, chat):
        yield f"http://127.0.0.1:{port}/"
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("step", range(1, 7))
def test_a_step_works_in_a_browser(python: str, tmp_path: Path, step: int) -> None:
    with served(python, folder(tmp_path, step)) as url:
        run_node("tutorial.mjs", url, str(step), CHROMIUM or lacking("Chromium", "chromium"))


def test_the_tests_of_step_7_pass(python: str, tmp_path: Path) -> None:
    command = [python, "-m", "pytest"]
    chat = folder(tmp_path, 7)
    ran = subprocess.run(command, cwd=chat, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "9 passed" in ran.stdout


@pytest.fixture
def deployed(python: str, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Run the chat as step 8 does, under gunicorn behind nginx; yield nginx's port and gunicorn's log."""
    nginx = NGINX or lacking("nginx", "nginx-light")
    chat = folder(tmp_path, 8)
    inner, outer = free_port(), free_port()
    *variables, name, worker, kind, bind, _, app = shlex.split(COMMANDS["8-deploy.md"][-1])
    assert name == "gunicorn"
    command = [python, "-m", "gunicorn", worker, kind, bind, f"127.0.0.1:{inner}", app]
    site = (FILES / "8" / "nginx.conf").read_text()
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{inner}").replace(
        "listen 80;", f"listen 127.0.0.1:{outer};"
    )
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log stderr; events {{}} "
        f"http {{ access_log off; {temporary} {site} }}"
    )
    log = chat / "log"
    with (
        running(command, inner, log, chat, **dict(each.split("=") for each in variables)),
        running([nginx, "-c", str(configuration)], outer, tmp_path / "nginx.log", tmp_path),
    ):
        yield outer, log


@pytest.mark.parametrize(
    ("transports", "arrived"),
    [("polling", "polling"), ("websocket", "websocket"), ("polling,websocket", "websocket")],
)
def test_clients_come_through_nginx_by_every_transport(
    deployed: tuple[int, Path], transports: str, arrived: str
) -> None:
    port, _ = deployed
    clients = install()
    run_node("deployed.cjs", f"http://127.0.0.1:{port}", transports, arrived, NODE_PATH=str(clients))


def test_the_server_behind_nginx_knows_page_and_client(deployed: tuple[int, Path]) -> None:
    port, log = deployed
    client = HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.5", 0))
    path = "/socket.io/?EIO=4&transport=polling"

    def ask(
        path: str, body: str | None = None, origin: str = f"http://127.0.0.1:{port}"
    ) -> tuple[int, bytes]:
        method = "GET" if body is None else "POST"
        client.request(method, path, body, {"Origin": origin, "X-Forwarded-For": "6.6.6.6"})
        answer = client.getresponse()
        return answer.status, answer.read()

    with closing(client):
        assert ask(path, origin="http://127.0.0.1:1")[0] == 403
        status, body = ask(path)
        assert status == 200
        path += f"&sid={json.loads(body[1:])['sid']}"
        assert ask(path, '40{"name":"Ann"}') == (200, b"ok")
        assert ask(path)[1].startswith(b"40")
    assert "Ann has come from 127.0.0.5\n" in log.read_text()


def test_the_unit_starts_what_the_page_says() -> None:
    unit = (FILES / "8" / "chat.service").read_text()
    variable, command = COMMANDS["8-deploy.md"][-1].split(" ", 1)
    assert f"Environment={variable}\n" in unit
    assert f"ExecStart=/srv/chat/venv/bin/{command}\n" in unit
