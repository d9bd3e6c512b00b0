import http.server
import os
from urllib.parse import parse_qs, urlparse

words = open(os.environ["INDEX"]).read().split()


class Search(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = parse_qs(urlparse(self.path).query).get("q", [""])[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(" ".join(word for word in words if query in word).encode())


print("search on", os.environ["SEARCH_PORT"], "log", os.environ.get("LOG"))
http.server.HTTPServer(("", int(os.environ["SEARCH_PORT"])), Search).serve_forever()
