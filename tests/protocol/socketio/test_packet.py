"""Rules of packets that hold whatever the codec."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.packet import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    MAX_EVENT_NAME,
    MAX_ID_DIGITS,
    MAX_NAMESPACE,
    MAX_NAMESPACE_QUERY,
    RESERVED_EVENTS,
    Packet,
    check_data,
    check_event,
    check_namespace,
    checked,
)


def test_types_have_the_numbers_of_the_specification() -> None:
    assert (CONNECT, DISCONNECT, EVENT, ACK) == (0, 1, 2, 3)
    assert (CONNECT_ERROR, BINARY_EVENT, BINARY_ACK) == (4, 5, 6)


def test_a_packet_has_neither_data_nor_id_unless_given() -> None:
    assert Packet(CONNECT, "/") == (0, "/", None, None)


@pytest.mark.parametrize("name", ["ev", "", "*", "__class__", "connection", "error", "message", 0, -1, 1.5])
def test_event_names_that_pass(name: Any) -> None:
    check_event([name, 1])


@pytest.mark.parametrize("name", [True, False, None, [], {}, b"ev", *sorted(RESERVED_EVENTS)])
def test_event_names_that_are_refused(name: Any) -> None:
    with pytest.raises(PacketError):
        check_event([name])


def test_event_names_are_limited() -> None:
    check_event(["x" * MAX_EVENT_NAME])
    with pytest.raises(PacketError):
        check_event(["x" * (MAX_EVENT_NAME + 1)])


FITTING: list[tuple[int, list[Any]]] = [
    (CONNECT, [None, {}]),
    (DISCONNECT, [None]),
    (EVENT, [["e"], ["e", 1]]),
    (ACK, [None, [], [1]]),
    (CONNECT_ERROR, [None, "no", {"message": "no"}, 1, []]),
]
UNFIT: list[tuple[int, list[Any]]] = [
    (CONNECT, [[], "x", 1, True]),
    (DISCONNECT, [{}, [], 0]),
    (EVENT, [None, [], {}, "e", 1]),
    (ACK, [{}, "e", 1, True]),
]


@pytest.mark.parametrize(("type_", "allowed"), FITTING)
def test_data_that_fits_its_type(type_: int, allowed: list[Any]) -> None:
    for data in allowed:
        check_data(type_, data)


@pytest.mark.parametrize(("type_", "refused"), UNFIT)
def test_data_that_does_not_fit_its_type(type_: int, refused: list[Any]) -> None:
    for data in refused:
        with pytest.raises(PacketError):
            check_data(type_, data)


@pytest.mark.parametrize("type_", [CONNECT, DISCONNECT, EVENT, ACK])
def test_namespaces_are_limited(type_: int) -> None:
    longest = "/" + "n" * (MAX_NAMESPACE - 1)
    check_namespace(type_, longest)
    with pytest.raises(PacketError):
        check_namespace(type_, longest + "n")


def test_the_query_of_a_connect_counts_apart() -> None:
    name = "/" + "n" * (MAX_NAMESPACE - 1)
    check_namespace(CONNECT, f"{name}?{'q' * MAX_NAMESPACE_QUERY}")
    for namespace in (f"{name}?{'q' * (MAX_NAMESPACE_QUERY + 1)}", f"{name}n?q"):
        with pytest.raises(PacketError):
            check_namespace(CONNECT, namespace)
    with pytest.raises(PacketError):
        check_namespace(EVENT, f"{name}?q")


@pytest.mark.parametrize(
    "packet",
    [
        Packet(7, "/"),
        Packet(-1, "/"),
        Packet(EVENT, "/", ["a"], -1),
        Packet(EVENT, "/", ["a"], 10**MAX_ID_DIGITS),
        Packet(EVENT, "/other", ["a"]),
        Packet(EVENT, "/", []),
        Packet(CONNECT, "/" * 300),
        Packet(ACK, "/", {}),
    ],
)
def test_a_packet_of_another_codec_is_held_to_the_same_rules(packet: Packet) -> None:
    with pytest.raises(PacketError):
        checked(packet, {"/"})


def test_a_good_packet_of_another_codec_passes() -> None:
    assert checked(Packet(EVENT, "/", ["a"], 5), {"/"}) == Packet(EVENT, "/", ["a"], 5)
    assert checked(Packet(CONNECT, "/new", {}, 5), {"/"}) == Packet(CONNECT, "/new", {}, None)
