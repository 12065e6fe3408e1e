"""What the bytes mean: no sockets, no clock, no locks, no logging."""
