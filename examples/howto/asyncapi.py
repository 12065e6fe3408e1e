import json

from typed_events import Order, io

io.describe("ready", Order, ack=bool, summary="An order can be fetched; the client says whether it will be.")

if __name__ == "__main__":
    print(json.dumps(io.asyncapi(title="Orders", version="1.2", host="orders.example.com"), indent=2))
