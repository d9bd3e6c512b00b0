import http.server
import os
import time

todo = os.path.join(os.environ["QUEUE_DIR"], "todo")
port = int(os.environ["PORT"])


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/add":
            open(os.path.join(todo, str(time.time_ns())), "w").close()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["BANNER"].encode())

    def log_message(self, *_):
        pass


names = ("BANNER", "EMPTY", "FLAG", "NUMBER", "RATIO", "API_TOKEN")
print("api on", port, {name: os.environ.get(name) for name in names})
http.server.ThreadingHTTPServer(("", port), Api).serve_forever()
