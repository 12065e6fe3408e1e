"""What the library costs: in calls, in nanoseconds, and beside other servers."""
