import http.server, os, sys

want = {"REGION": "eu-1", "SHARED": "local", "QUOTED": "it's \"fine\" \\ here", "API_TOKEN": "t-123",
        "HOME_DIR": os.environ["HOME"] + "/x"}
for name, value in want.items():
    if os.environ.get(name) != value:
        print("WRONG", name, repr(os.environ.get(name)), "instead of", repr(value))
        sys.exit(9)
print("environment as expected")
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ["PORT"]), bind="127.0.0.1")
