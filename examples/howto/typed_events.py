from typing import Annotated

import msgspec

from socketio_sync import Server, Socket

io = Server(cors_allowed_origins="*")


class Order(msgspec.Struct):
    product: str
    count: Annotated[int, msgspec.Meta(ge=1, le=100)]
    note: str | None = None


@io.on("order")
def order(socket: Socket, order: Order, express: bool = False) -> dict[str, int]:
    return {"price": order.count * (15 if express else 10)}


@io.on("error")
def error(socket: Socket, description: str) -> None:
    print(socket.id, description)


if __name__ == "__main__":
    io.run(port=3000)
