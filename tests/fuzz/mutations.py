"""Input that is almost right, made by chance from what is right."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

# What parsers stumble over, wherever it stands.
TOKENS = (
    *(
        b"\x00",
        b"\xff",
        b"\x80",
        b"\r\n",
        b"\n",
        b"\x1e",
        b":",
        b",",
        b"-",
        b"/",
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
    ),
    *(b"0", b"1", b"9" * 20, b"-1", b"1e400", b"NaN", b"null", b"\\ud800", b"\xed\xa0\x80", "٣".encode()),
    *(b'{"_placeholder":true,"num":0}', b'{"_placeholder":true,"num":-1}', b"51-", b"4", b"b", b" ", b"\t"),
    *(b"\x81\x80\x00\x00\x00\x00", b"\x88\x82\x00\x00\x00\x00\x03\xe8", b"\x7f\xff\xff\xff\xff\xff\xff\xff"),
)


def mutated(corpus: Sequence[bytes], random: Random) -> bytes:
    """Return one of the corpus, most often with something wrong."""
    data = bytearray(random.choice(corpus))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
        _MUTATIONS[random.randrange(len(_MUTATIONS))](data, corpus, random)
    return bytes(data)


def pieces(data: bytes, random: Random) -> list[bytes]:
    """Return ``data`` cut at up to four places."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 4)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _flip(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _replace(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _insert(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    place = random.randint(0, len(data))
    data[place:place] = random.choice(TOKENS) * random.choice((1, 1, 1, 2, 50))


def _cut(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    start, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    del data[start:end]


def _shorten(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    del data[random.randint(0, len(data)) :]


def _double(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    start, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    data[end:end] = data[start:end]


def _splice(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    other = random.choice(corpus)
    data[random.randint(0, len(data)) :] = other[random.randint(0, len(other)) :]


def _append(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    data += random.choice(corpus)


_MUTATIONS = (_flip, _replace, _insert, _cut, _shorten, _double, _splice, _append)
