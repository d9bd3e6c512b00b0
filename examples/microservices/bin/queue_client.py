"""Enough of Redis's protocol for a queue."""

import os
import socket


def port_of(name):
    """Where another process of the Procfile listens; tmo tells each of them."""
    return int(os.environ[f"OVERMIND_PROCESS_{name}_PORT"])


class Queue:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", port_of("redis")), timeout=5)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.socket.close()

    def ask(self, *words):
        self.socket.sendall((" ".join(words) + "\r\n").encode())
        head = self.file.readline().decode().strip()
        if not head:
            raise ConnectionError("redis has closed the connection")
        if head.startswith("$-"):
            return None
        return self.file.readline().decode().strip() if head.startswith("$") else head[1:]

    def put(self, job):
        self.ask("RPUSH", "jobs", job)

    def take(self):
        return self.ask("LPOP", "jobs")

    def clear(self):
        self.ask("FLUSHALL")
