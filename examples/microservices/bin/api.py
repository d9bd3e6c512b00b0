"""The API: /health tells whether both databases answer, POST /jobs/NAME gives the worker a job."""

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from queue_client import Queue, port_of


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/health":
            return self.answer(200, "hello from the api\n")
        try:
            socket.create_connection(("127.0.0.1", port_of("postgres")), timeout=1).close()
            with Queue():
                pass
        except OSError as error:
            return self.answer(503, f"{error}\n")
        return self.answer(200, "ok\n")

    def do_POST(self):
        head, _, job = self.path.rpartition("/")
        if head != "/jobs" or not job.isalnum():
            return self.answer(404, "POST /jobs/NAME\n")
        with Queue() as queue:
            queue.put(job)
        with open(f"tmp/uploads/{job}", "w") as file:
            file.write(job)
        print(f"queued {job}", flush=True)
        return self.answer(202, "queued\n")

    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, code="-", size="-"):
        if self.path != "/health":
            super().log_request(code, size)


port = int(os.environ["PORT"])
# Its stop signal, says tmo.toml.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with ThreadingHTTPServer(("127.0.0.1", port), Api) as server:
    print(f"api listens on {port}", flush=True)
    server.serve_forever()
