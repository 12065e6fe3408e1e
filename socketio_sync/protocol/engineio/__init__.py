"""The Engine.IO protocol, revisions 3 and 4, without I/O."""
