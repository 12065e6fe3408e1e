"""Hostile input against a server in a process of its own, beside a client that must notice nothing of it.

The rows are those of the project's list of limits; what each test shows is what the server must answer.
"""
