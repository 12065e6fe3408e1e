"""The interfaces between a transport and the session above it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from socketio_sync.engine.probe import Probe
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.transports.base import Transport, TransportHandler
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.websocket import WebSocketTransport
from tests.support.transport_handler import Handler


def methods(protocol: type) -> list[str]:
    return [name for name, member in vars(protocol).items() if inspect.isfunction(member) and name[0] != "_"]


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    """The parameters as a caller sees them: name, kind, default."""
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


@pytest.mark.parametrize("transport", [PollingTransport, WebSocketTransport])
def test_a_transport_has_every_method_with_the_same_parameters(transport: type) -> None:
    for name in methods(Transport):
        assert shape(getattr(transport, name)) == shape(getattr(Transport, name)), name


@pytest.mark.parametrize("transport", [PollingTransport, WebSocketTransport])
def test_a_transport_has_every_attribute(transport: type) -> None:
    properties = [name for name, member in vars(Transport).items() if isinstance(member, property)]
    for name in [*properties, *Transport.__annotations__]:
        assert hasattr(transport, name), name


@pytest.mark.parametrize("handler", [EngineSocket, Probe, Handler])
def test_a_handler_has_every_method_with_the_same_parameters(handler: type) -> None:
    for name in methods(TransportHandler):
        assert shape(getattr(handler, name)) == shape(getattr(TransportHandler, name)), name


@pytest.mark.parametrize("transport", [PollingTransport, WebSocketTransport])
def test_a_connection_carries_no_dictionary(transport: type) -> None:
    assert all("__slots__" in vars(base) for base in transport.__mro__[:-1])


def test_the_names_are_those_of_the_protocol() -> None:
    assert (PollingTransport.name, WebSocketTransport.name) == ("polling", "websocket")
