"""What mutations begin with: valid input of every kind, and whatever has been a finding."""

from __future__ import annotations

import msgspec

from tests.support.ws_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

SOCKETIO: list[bytes] = [
    *(b"0", b'0{"token":"x"}', b"0/chat,", b'0/chat,{"a":[1]}', b"1", b"1/chat,", b"2[]", b'2["e"]'),
    *(
        b'2["e",1,null,true,"\xc3\xa9\\ud83d"]',
        b'2/chat,17["e",{"a":{"b":[1.5e3]}}]',
        b"30[]",
        b'3/chat,1["ok"]',
    ),
    *(
        b'4{"message":"no"}',
        b'51-["e",{"_placeholder":true,"num":0}]',
        b'61-9[{"_placeholder":true,"num":0}]',
    ),
    *(b'52-/chat,3["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', b"\x00\x01\xff"),
    *(b'2["__proto__",{"constructor":1}]', b'2["e",NaN]', b'2["e",1e400]', b"2" + b"[" * 130 + b"]" * 130),
    *(b'2["e",' + b"9" * 400 + b"]", b"3" + b"1" * 20 + b"[]", "2٣[]".encode(), b'2["\\ud800"]'),
]

MSGPACK: list[bytes] = [
    msgspec.msgpack.encode(packet)
    for packet in (
        {"type": 0, "nsp": "/"},
        {"type": 0, "nsp": "/chat", "data": {"token": "x"}},
        {"type": 1, "nsp": "/"},
        {"type": 2, "nsp": "/", "data": ["e", 1, None, True, b"binary", 1.5], "id": 7},
        {"type": 3, "nsp": "/", "data": [], "id": 0},
        {"type": 4, "nsp": "/", "data": {"message": "no"}},
        {"type": 2, "nsp": "/", "data": ["e", {"a": [[[[1]]]]}], "options": {"compress": True}},
    )
]

PAYLOAD_4: list[bytes] = [
    *(b"4hello", b"2", b"2probe", b"3", b"5", b"6", b"1", b"4a\x1e4b\x1ebAAEC", b"bAAEC", b"4\xc3\xa9"),
    *(b"\x1e", b"\x00", b"b=", b"bA", b"6:4hello"),
]

PAYLOAD_3: list[bytes] = [
    *(b"6:4hello10:b4AAECAwQ=", b"6:4hello", b"1:2", b"1:21:36:4hello", "3:4€é".encode(), b"6:2probe"),
    *(b"3:4\xf0\x9f\x98\x80", b"0:", "٣:4ab".encode(), b"99999999999999999999:4", b"4:4a"),
]

PAYLOAD_3_BINARY: list[bytes] = [
    *(b"\x00\x06\xff4hello\x01\x04\xff\x04\x00\x01\x02", b"\x00\x01\xff2", b"\x00\x01\x01\xff4123456789"),
    *(b"\x01\x02\xff\x04\x00\x00\x01\xff3", b"\x00\x06\xff2probe", b"\x01\x01\xff\x04", b"\x00\x0a\xff4"),
]

PAYLOAD = [*PAYLOAD_4, *PAYLOAD_3, *PAYLOAD_3_BINARY]

FRAMES: list[bytes] = [
    *(frame(TEXT, b"4hello"), frame(BINARY, b"\x00\x01"), frame(PING, b"x"), frame(PONG), frame(TEXT)),
    *(frame(CLOSE), frame(CLOSE, b"\x03\xe8bye"), frame(TEXT, "é€".encode()), frame(TEXT, b"4" + b"x" * 200)),
    frame(TEXT, b"4he", fin=False) + frame(PING, b"between") + frame(CONT, b"llo"),
    frame(BINARY, b"\x00" * 70_000),
    *(
        b"\x81\x05hello",
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xc1\x80\x00\x00\x00\x00",
        b"\x83\x80",
    ),
    *(
        frame(TEXT, b"\xed\xa0\x80"),
        frame(CLOSE, b"\x03"),
        frame(CLOSE, b"\x03\xed\xff"),
        b"\x89\xfe\x00\x80",
    ),
]

HEAD: list[bytes] = [
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a?b=c%20d HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\nCookie: a=b\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX:\r\nX: \t y \r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
]

CHUNKS: list[bytes] = [
    *(b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /", b"0000f\r\n"),
    *(
        b"fffffffffffffffff\r\n",
        b"3\r\nabcd\r\n",
        b"+3\r\nabc\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n",
        b"3\nabc\r\n",
    ),
]

QUERY: list[bytes] = [
    *(b"EIO=4&transport=polling", b"EIO=3&transport=websocket&sid=x", b"EIO=4&EIO=3&transport=polling"),
    *(
        b"transport=polling&j=0&b64=1",
        b"EIO=%34&transport=polling&t=abc",
        b"",
        b"&&=;",
        b"EIO=4&transport=%ff",
    ),
]
