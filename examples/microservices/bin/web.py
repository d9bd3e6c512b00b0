"""The frontend: one page, with what the API says."""

import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = f"http://127.0.0.1:{os.environ['OVERMIND_PROCESS_api_PORT']}"


class Web(BaseHTTPRequestHandler):
    def do_GET(self):
        with urllib.request.urlopen(API, timeout=5) as answer:
            said = answer.read().decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"the api says: {said}".encode())


port = int(os.environ["PORT"])
# There is no page without it. It is ready when this begins, says tmo.toml.
urllib.request.urlopen(API, timeout=5).close()
with ThreadingHTTPServer(("127.0.0.1", port), Web) as server:
    print(f"web listening on {port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
