"""The Socket.IO protocol, revisions 3 to 5, without I/O."""
