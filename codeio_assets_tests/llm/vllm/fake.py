"""A stand-in for vLLM: a server process with an engine process in a session of its own, as vLLM starts them.

It answers every chat with the folder of its weights and the prompt, a prompt that holds `TOO LONG` as vLLM answers one
beyond its context, and one that holds `BROKEN` with 500.
"""

import sys
from pathlib import Path

_PROGRAM = """\
import http.server, json, os, subprocess, sys
given = dict(zip(sys.argv, sys.argv[1:]))
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("engine", engine.pid, flush=True)
if "--fail" in sys.argv:
    sys.exit("CUDA is out of luck")
def answer(asked):
    prompt = asked["messages"][-1]["content"]
    if "TOO LONG" in prompt:
        return 400, {"error": {"message": "This model's maximum context length is 9 tokens.", "code": 400}}
    if "BROKEN" in prompt:
        return 500, {"error": {"message": "the engine is gone"}}
    said = {"role": "assistant", "content": given["--model"] + " was asked: " + prompt}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    return 200, {"object": "chat.completion", "model": asked["model"], "choices": [choice], "usage": usage}
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        if self.path == "/die": os._exit(3)
        models = json.dumps({"object": "list", "data": [{"id": given["--served-model-name"]}]}).encode()
        known = {"/metrics": b"vllm:generation_tokens_total 5.0\\n", "/v1/models": models}
        self.send(200, known.get(self.path, b"{}"))
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, reply = answer(asked)
        self.send(status, json.dumps(reply).encode())
    def send(self, status, body):
        self.send_response(status); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(given["--port"])), Handler).serve_forever()
"""


def fake_vllm(folder: Path) -> Path:
    """Return an interpreter in whose environment the stand-in is installed as vLLM."""
    package = folder / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(_PROGRAM)
    interpreter = folder / "python"
    interpreter.write_text(f'#!/bin/sh\nexport PYTHONPATH={folder}\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    return interpreter
