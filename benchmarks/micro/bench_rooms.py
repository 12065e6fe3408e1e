"""Rooms: choosing the recipients of a broadcast among 10,000 members, joining and leaving."""

from __future__ import annotations

import pyperf

from socketio_sync.adapters.rooms import Rooms

MEMBERS = 10_000


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    rooms: Rooms[int] = Rooms()
    for member in range(MEMBERS):
        rooms.join(member, ("all", f"tenth {member % 10}", f"own {member}"))

    def come_and_go() -> None:
        rooms.join(MEMBERS, ("lobby", "chat"))
        rooms.leave_all(MEMBERS)

    def select_changed() -> None:
        rooms.join(MEMBERS, ("tenth 0",))
        rooms.select(("tenth 0",), ())
        rooms.leave_all(MEMBERS)

    runner.bench_func("rooms select: 1 room of 10,000", rooms.select, ("all",), ())
    runner.bench_func("rooms select: 1 room of 1", rooms.select, ("own 7",), ())
    runner.bench_func("rooms select: 2 rooms of 1,000", rooms.select, ("tenth 1", "tenth 2"), ())
    runner.bench_func("rooms select: 10,000 but one", rooms.select, ("all",), ("own 7",))
    runner.bench_func("rooms select: 1 room of 1,000, changed since", select_changed)
    runner.bench_func("rooms join 2 and leave", come_and_go)


if __name__ == "__main__":
    main()
