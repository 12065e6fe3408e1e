import msgspec

from socketio_sync import PacketError, Server
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import Packet, checked


class LineCodec:
    """Each packet is one text message: a JSON array of type, namespace, data and id."""

    def encode(self, packet):
        return Encoded(msgspec.json.encode(packet))

    def decoder(self, joined):
        return LineDecoder(joined)


class LineDecoder:
    pending = False

    def __init__(self, joined):
        self.joined = joined

    def feed(self, message):
        try:
            packet = msgspec.json.decode(message, type=Packet)
        except msgspec.MsgspecError as error:
            raise PacketError(str(error)) from None
        return checked(packet, self.joined)


io = Server(parser=LineCodec(), cors_allowed_origins="*")


@io.on("echo")
def echo(socket, *values):
    return values


if __name__ == "__main__":
    io.run(port=3000)
