"""Who is in which room, and how a broadcast gets there."""
