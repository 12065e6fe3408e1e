"""The client bundle: its files and no others, with an ETag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from socketio_sync import Server
from socketio_sync.bundle import NAMES, ClientBundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_text(f"// {name}")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


def ask(bundle: ClientBundle, name: str, **environ: str) -> Any:
    return bundle.answer({"REQUEST_METHOD": "GET", "PATH_INFO": f"/socket.io/{name}", **environ})


def test_there_are_the_eight_files_of_node() -> None:
    assert len(NAMES) == 8


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_file_is_served_with_its_type(folder: Path, name: str) -> None:
    answer = ask(ClientBundle(str(folder), "/socket.io"), name)
    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (200, f"// {name}".encode())
    kind = "application/json" if name.endswith(".map") else "application/javascript"
    assert headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert headers["Cache-Control"] == "public, max-age=0"
    assert headers["ETag"].startswith('"')


@pytest.mark.parametrize("weak", ["", "W/"])
def test_an_unchanged_file_is_304(folder: Path, weak: str) -> None:
    bundle = ClientBundle(str(folder), "/socket.io")
    etag = dict(ask(bundle, "socket.io.js").headers)["ETag"]
    answer = ask(bundle, "socket.io.js", HTTP_IF_NONE_MATCH=f'"other", {weak}{etag}')
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize(
    "name", ["", "secret.txt", "../socket.io.js", "socket.io.js/", "socket.io.min.js.map.map"]
)
def test_nothing_else_is_served(folder: Path, name: str) -> None:
    assert ask(ClientBundle(str(folder), "/socket.io"), name) is None


def test_a_file_that_the_folder_lacks_is_left_to_the_engine(folder: Path) -> None:
    (folder / "socket.io.msgpack.min.js").unlink()
    assert ask(ClientBundle(str(folder), "/socket.io"), "socket.io.msgpack.min.js") is None


def test_the_files_can_only_be_read(folder: Path) -> None:
    answer = ask(ClientBundle(str(folder), "/socket.io"), "socket.io.js", REQUEST_METHOD="POST")
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "GET, HEAD")


def test_a_folder_without_the_bundle_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"npm install socket\.io-client"):
        Server(serve_client=str(tmp_path))
