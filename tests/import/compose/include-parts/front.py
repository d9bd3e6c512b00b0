import argparse
import http.server
import os
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=8000)


class Front(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = urllib.request.urlopen(os.environ["SEARCH_URL"] + "/?q=x").read()
        docs = urllib.request.urlopen(os.environ["DOCS_URL"]).read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"search: " + found + b"\ndocs: " + docs[:40])


port = parser.parse_args().port
print("front on", port)
http.server.ThreadingHTTPServer(("", port), Front).serve_forever()
