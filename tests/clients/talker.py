"""A server that speaks OpenAI's protocol without a model: it says the words back, one by one.

What it does and sees is told at `/seen`, so that a test can ask whether it heard that its client went away.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEEN = {"requests": 0, "broken": 0, "headers": {}, "paths": []}
READY_AT = time.monotonic() + 0.3


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def send(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        SEEN["paths"].append(self.path)
        if self.path == "/health":
            self.send(200 if time.monotonic() > READY_AT else 503, {"status": "ok"})
        elif self.path == "/seen":
            self.send(200, SEEN)
        else:
            self.send(404, {"error": {"message": f"nothing at {self.path}", "type": "not_found_error"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        SEEN["requests"] += 1
        SEEN["headers"] = dict(self.headers)
        SEEN["paths"].append(self.path)
        if self.path == "/v1/embeddings":
            vectors = [{"object": "embedding", "index": at, "embedding": [float(len(text))]} for at, text in enumerate(body["input"])]
            return self.send(200, {"object": "list", "model": body["model"], "data": vectors, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        if self.path == "/v1/chat/completions":
            return self.talk(body, body["messages"][-1]["content"], "chat.completion")
        if self.path == "/v1/completions":
            return self.talk(body, body["prompt"], "text_completion")
        return self.send(404, {"error": {"message": f"nothing at {self.path}", "type": "not_found_error"}})

    def talk(self, body, text, kind):
        if text == "exit":
            os._exit(4)
        words = text.split()
        chat = kind == "chat.completion"
        card = {"id": "x-1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            usage = {"prompt_tokens": len(words), "completion_tokens": len(words), "total_tokens": 2 * len(words)}
            return self.send(200, {**card, "object": kind, "choices": [{"index": 0, "finish_reason": "stop", **said}], "usage": usage})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for word in words * body.get("n", 1):
                said = {"delta": {"content": f"{word} "}} if chat else {"text": f"{word} "}
                self.event({**card, "object": kind + ".chunk" * chat, "choices": [{"index": 0, **said}]})
                if word == "break":
                    self.connection.close()
                    return None
                time.sleep(body.get("temperature") or 0)
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")
        except OSError:
            SEEN["broken"] += 1
            self.close_connection = True

    def event(self, event):
        self.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


threading.stack_size(1 << 18)
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
