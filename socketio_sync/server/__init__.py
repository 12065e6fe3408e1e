"""The Socket.IO server: namespaces, sockets, events, acknowledgements and rooms."""
