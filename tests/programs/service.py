"""A service: answers 200 on PORT while the file `well` is in its directory, else 503; `leave` ends it."""

import http.server
import os
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if os.path.exists("leave"):
            print("leaving", flush=True)
            os._exit(0)
        body = str(os.environ.get("FOO")).encode()
        self.send_response(200 if os.path.exists("well") else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


print("listening, attempt", os.environ["PRAISONRUN_ATTEMPT"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
sys.exit(1)
