# A provider for one story. It answers what the text [[usage=PROMPT,COMPLETION
# latency=6s]] in a request says, and prints every body that it receives.
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = {"ms": 0.001, "s": 1, "m": 60}


def usage(path, prompt, completion):
    if path.endswith("/responses"):
        return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def response(model, status, used=None):
    part = {"type": "output_text", "text": "ok", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part]}
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": model, "usage": used,
            "output": [item] if used else [], "error": None, "incomplete_details": None, "instructions": None,
            "metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1, "top_p": 1}


def answer(path, model, used):
    if path.endswith("/responses"):
        return response(model, "completed", used)
    if path.endswith("/embeddings"):
        return {"object": "list", "model": model, "usage": used,
                "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]}
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
        return {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": used}
    choice = {"index": 0, "finish_reason": "stop", "text": "ok"}
    return {"id": "c1", "object": "text_completion", "created": 1, "model": model, "choices": [choice], "usage": used}


def events(path, model, used, asked):
    if path.endswith("/responses"):
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        steps = [("created", {"response": response(model, "in_progress")}),
                 ("output_text.delta", {"delta": "ok", "logprobs": [], **at}),
                 ("output_text.done", {"text": "ok", "logprobs": [], **at}),
                 ("completed", {"response": response(model, "completed", used)})]
        return [{"type": "response." + kind, "sequence_number": i, **more} for i, (kind, more) in enumerate(steps)]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
    chunks = [{**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "ok"}, "finish_reason": None}]},
              {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    return chunks + ([{**chunk, "choices": [], "usage": used}] if asked else [])


class Provider(BaseHTTPRequestHandler):
    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        print(self.path, text, flush=True)
        body = json.loads(text)
        said = re.search(r"\[\[(.*?)\]\]", text)
        words = dict(word.split("=") for word in said[1].split()) if said else {}
        used = usage(self.path, *map(int, words.get("usage", "1,1").split(",")))
        time.sleep(sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([\d.]+)(ms|s|m)", words.get("latency", ""))))
        stream = body.get("stream") is True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if stream else "application/json")
        self.end_headers()
        if not stream:
            self.wfile.write(json.dumps(answer(self.path, body["model"], used)).encode())
            return
        asked = (body.get("stream_options") or {}).get("include_usage")
        for event in events(self.path, body["model"], used, asked):
            name = "event: " + event["type"] + "\n" if "type" in event else ""
            self.wfile.write((name + "data: " + json.dumps(event) + "\n\n").encode())
        if not self.path.endswith("/responses"):
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # bursts


Server(("127.0.0.1", int(sys.argv[1])), Provider).serve_forever()
