import os
import urllib.request

urllib.request.urlopen(f"http://127.0.0.1:{os.environ['SEARCH_PORT']}/").read()
