"""What the hot path costs in function calls, system calls and memory, held against a file.

Counts, not times: they are the same on a busy machine and on a quiet one.
"""
