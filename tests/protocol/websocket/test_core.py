"""Fragments, control frames and what the rules forbid."""

from __future__ import annotations

import pytest

from socketio_sync.protocol.websocket.core import Core
from socketio_sync.protocol.websocket.events import Closed, Event, Ping, Pong, Violation
from tests.protocol.websocket.client import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_frame, frame


def core(max_message: int = 1000, max_fragments: int = 10) -> Core:
    return Core(max_message=max_message, max_fragments=max_fragments)


def take(subject: Core, data: bytes) -> Event | None:
    """Do with a short frame what the reader does."""
    subject.check_start(data[0], data[1] & 0x7F)
    subject.check_length(data[0], data[1] & 0x7F)
    return subject.receive(data)


def test_fragments_are_joined_and_control_frames_pass_between_them() -> None:
    subject = core()
    assert take(subject, frame(TEXT, b"Hel", fin=False)) is None
    assert (subject.fragmented, subject.size) == (True, 3)
    assert take(subject, frame(PING, b"Hello")) == Ping(b"Hello")
    assert take(subject, frame(PONG, b"!")) == Pong(b"!")
    assert take(subject, frame(CONT, fin=False)) is None
    assert take(subject, frame(CONT, b"lo")) == "Hello"
    assert (subject.fragmented, subject.size) == (False, 0)
    assert take(subject, frame(BINARY, b"\xff", fin=False)) is None
    assert take(subject, frame(CONT, b"\xfe")) == b"\xff\xfe"


def test_characters_may_be_cut_by_fragments() -> None:
    subject = core()
    beetle = "\N{BEETLE}".encode()
    assert take(subject, frame(TEXT, beetle[:1], fin=False)) is None
    assert take(subject, frame(CONT, beetle[1:3], fin=False)) is None
    assert take(subject, frame(CONT, beetle[3:])) == "\N{BEETLE}"


def test_bad_text_ends_in_the_fragment_that_holds_it() -> None:
    subject = core()
    take(subject, frame(TEXT, b"\xce", fin=False))
    with pytest.raises(UnicodeDecodeError):
        take(subject, frame(CONT, b"x", fin=False))


def test_text_must_not_end_within_a_character() -> None:
    subject = core()
    take(subject, frame(TEXT, b"\xce", fin=False))
    with pytest.raises(UnicodeDecodeError):
        take(subject, frame(CONT))


@pytest.mark.parametrize("head", [0xC1, 0xA1, 0x91, 0xC9, 0x83, 0x87, 0x8B, 0x8F, 0x80, 0x08, 0x09, 0x0A])
def test_bad_heads_are_told_from_two_bytes(head: int) -> None:
    with pytest.raises(Violation) as caught:
        core().check_start(head, 0)
    assert caught.value.code == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_long_control_frames_are_told_from_two_bytes(opcode: int) -> None:
    core().check_start(0x80 | opcode, 125)
    with pytest.raises(Violation):
        core().check_start(0x80 | opcode, 126)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_must_not_begin_within_another(opcode: int) -> None:
    subject = core()
    take(subject, frame(TEXT, fin=False))
    with pytest.raises(Violation):
        subject.check_start(0x80 | opcode, 0)


def test_the_sum_of_the_fragments_is_limited() -> None:
    subject = core(max_message=10)
    take(subject, frame(TEXT, b"1234", fin=False))
    take(subject, frame(CONT, b"5678", fin=False))
    subject.check_length(CONT, 2)
    with pytest.raises(Violation) as caught:
        subject.check_length(CONT, 3)
    assert caught.value.code == 1009
    assert take(subject, frame(PING, bytes(125))) == Ping(bytes(125))


def test_the_number_of_fragments_is_limited() -> None:
    subject = core(max_fragments=3)
    for _ in range(2):
        take(subject, frame(TEXT, fin=False))
        take(subject, frame(CONT, fin=False))
        assert take(subject, frame(CONT)) == ""
    take(subject, frame(TEXT, fin=False))
    take(subject, frame(CONT, fin=False))
    take(subject, frame(CONT, fin=False))
    with pytest.raises(Violation) as caught:
        take(subject, frame(CONT))
    assert caught.value.code == 1008


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_may_be_sent_are_taken(code: int) -> None:
    assert take(core(), close_frame(code, b"bye")) == Closed(code, "bye")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_codes_that_may_not_be_sent_are_refused(code: int) -> None:
    with pytest.raises(Violation) as caught:
        take(core(), close_frame(code))
    assert caught.value.code == 1002


def test_a_close_frame_holds_no_or_at_least_two_bytes() -> None:
    assert take(core(), frame(CLOSE)) == Closed(1005, "")
    with pytest.raises(Violation):
        take(core(), frame(CLOSE, b"\x03"))


def test_a_close_frame_may_stand_between_fragments() -> None:
    subject = core()
    take(subject, frame(TEXT, fin=False))
    assert take(subject, close_frame(1001)) == Closed(1001, "")


def test_a_close_reason_must_be_utf_8() -> None:
    with pytest.raises(UnicodeDecodeError):
        take(core(), close_frame(1000, b"\xff"))
