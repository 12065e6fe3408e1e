"""The bytes of a connection that belongs to us. TLS is tested where it comes from, in test_takeover.py."""

from __future__ import annotations

import contextlib
import os
import socket

import pytest

from tests.support.transport_handler import TINY, Wires, tcp_pair, unix_pair

PAIRS = pytest.mark.parametrize("pair", [unix_pair, tcp_pair])


@PAIRS
def test_receiving_never_waits(wires: Wires, pair) -> None:
    stream, peer = wires.stream(pair())
    with pytest.raises(BlockingIOError):
        stream.recv(10)
    peer.send(b"abc")
    assert stream.recv(10) == b"abc"


@PAIRS
def test_sending_takes_what_fits_and_never_waits(wires: Wires, pair) -> None:
    stream, peer = wires.stream(pair(TINY))
    data = bytes(1_000_000)
    taken = stream.send(data)
    assert 0 < taken < len(data)
    with contextlib.suppress(BlockingIOError):
        while taken < len(data):
            taken += stream.send(data)
    assert taken < len(data)
    stream.close()
    assert len(peer.rest()) == taken


@PAIRS
def test_the_end_of_the_peers_stream_is_zero_bytes(wires: Wires, pair) -> None:
    stream, peer = wires.stream(pair())
    peer.close()
    assert stream.recv(10) == b""


def test_a_peer_that_has_gone_is_an_error_of_the_system(wires: Wires) -> None:
    stream, peer = wires.stream(unix_pair())
    peer.close()
    with pytest.raises(BrokenPipeError):
        stream.send(b"x")


def test_nothing_waits_for_nagles_algorithm(wires: Wires) -> None:
    stream, _ = wires.stream(tcp_pair())
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_descriptor_is_the_one_that_was_given(wires: Wires) -> None:
    descriptor, peer = unix_pair()
    stream, _ = wires.stream((descriptor, peer))
    assert stream.fileno() == descriptor
    assert stream.gettimeout() == 0
    stream.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
