"""The upgrade of a session (engine.io-protocol, "Upgrade")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.engineio.packet import CLOSE, MESSAGE, PING, PONG, UPGRADE, Packet
from socketio_sync.protocol.engineio.state import Upgrade, UpgradeAction

PROBE = Packet(PING, "probe")
PACKETS = st.one_of(
    st.sampled_from([PROBE, Packet(UPGRADE)]),
    st.builds(Packet, st.integers(0, 6), st.one_of(st.sampled_from(["", "probe"]), st.binary(max_size=3))),
)


def test_a_probe_is_answered_and_the_upgrade_completes() -> None:
    upgrade = Upgrade()
    assert upgrade.on_packet(PROBE) is UpgradeAction.PONG
    assert upgrade.on_packet(Packet(UPGRADE)) is UpgradeAction.COMPLETE


def test_repeated_probes_are_answered_each_time() -> None:
    upgrade = Upgrade()
    assert [upgrade.on_packet(PROBE) for _ in range(3)] == [UpgradeAction.PONG] * 3
    assert upgrade.on_packet(Packet(UPGRADE)) is UpgradeAction.COMPLETE


def test_an_upgrade_without_a_probe_is_abandoned() -> None:
    upgrade = Upgrade()
    assert upgrade.on_packet(Packet(UPGRADE)) is UpgradeAction.ABANDON


@pytest.mark.parametrize("probes", [0, 1])
@pytest.mark.parametrize(
    "packet",
    [
        Packet(PING),
        Packet(PING, "Probe"),
        Packet(PONG, "probe"),
        Packet(CLOSE),
        Packet(MESSAGE, "probe"),
        Packet(MESSAGE, b"probe"),
        Packet(UPGRADE, "x"),
    ],
)
def test_anything_else_abandons_for_good(packet: Packet, probes: int) -> None:
    upgrade = Upgrade()
    for _ in range(probes):
        upgrade.on_packet(PROBE)
    assert upgrade.on_packet(packet) is UpgradeAction.ABANDON
    assert upgrade.on_packet(PROBE) is UpgradeAction.ABANDON
    assert upgrade.on_packet(Packet(UPGRADE)) is UpgradeAction.ABANDON


@given(st.lists(PACKETS))
def test_an_upgrade_completes_only_right_after_probes(packets: list[Packet]) -> None:
    upgrade = Upgrade()
    actions = [upgrade.on_packet(packet) for packet in packets]
    if UpgradeAction.COMPLETE in actions:
        at = actions.index(UpgradeAction.COMPLETE)
        assert at > 0
        assert packets[:at] == [PROBE] * at
        assert packets[at] == Packet(UPGRADE)
        assert set(actions[at + 1 :]) <= {UpgradeAction.ABANDON}
