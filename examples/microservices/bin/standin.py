"""Listens at PORT in the place of a database: postgres takes connections, redis has a queue."""

import os
import socketserver
import sys
from collections import defaultdict

QUEUES = defaultdict(list)


class Postgres(socketserver.StreamRequestHandler):
    """Takes a connection and says nothing, until it is closed."""

    def handle(self):
        self.rfile.read()


class Redis(socketserver.StreamRequestHandler):
    """A few commands, one a line, answered as Redis answers them."""

    def handle(self):
        for line in self.rfile:
            words = line.decode().split()
            if words:
                self.wfile.write(self.answer(words[0].upper(), words[1:]).encode())

    def answer(self, verb, words):
        if verb == "RPUSH":
            QUEUES[words[0]].append(words[1])
            return f":{len(QUEUES[words[0]])}\r\n"
        if verb == "LPOP":
            queue = QUEUES[words[0]]
            return f"${len(queue[0].encode())}\r\n{queue.pop(0)}\r\n" if queue else "$-1\r\n"
        if verb == "FLUSHALL":
            QUEUES.clear()
        return "+OK\r\n"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


name = sys.argv[1]
handler = {"postgres": Postgres, "redis": Redis}[name]
with Server(("127.0.0.1", int(os.environ["PORT"])), handler) as server:
    print(f"a stand-in for {name} listens on {os.environ['PORT']}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("closed", flush=True)
