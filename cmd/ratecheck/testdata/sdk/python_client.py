# Plays the official Python client against a base URL and prints what it made
# of the answers, as one JSON object. A client counts the requests it sends.
import json
import sys
import time

import openai

BASE, KEYS = sys.argv[1] + "/v1", json.loads(sys.argv[2])
HI = [{"role": "user", "content": "hi [[usage=7,5]]"}]
TIMEOUT = 60


class Counted:
    def __init__(self, key, retries):
        self.sent = 0
        self.client = openai.OpenAI(
            base_url=BASE,
            api_key=KEYS[key],
            max_retries=retries,
            timeout=TIMEOUT,
            http_client=openai.DefaultHttpxClient(event_hooks={"request": [self.count]}),
        )

    def count(self, _):
        self.sent += 1


def complete(key, retries):
    c = Counted(key, retries)
    began = time.monotonic()
    answer = c.client.chat.completions.create(model="m", messages=HI, max_tokens=10)
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "tokens": answer.usage.total_tokens,
        "sent": c.sent,
        "ms": (time.monotonic() - began) * 1000,
    }


def stream(key):
    c = Counted(key, 0)
    text, chunks, finish, tokens = "", 0, "", 0
    for chunk in c.client.chat.completions.create(
        model="m", messages=HI, max_tokens=10, stream=True, stream_options={"include_usage": True}
    ):
        chunks += 1
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        if chunk.usage:
            tokens += chunk.usage.total_tokens
    return {"text": text, "finish": finish, "tokens": tokens, "chunks": chunks, "sent": c.sent}


def embed(key):
    c = Counted(key, 0)
    answer = c.client.embeddings.create(model="m", input="hi [[usage=7,0]]")
    return {"numbers": list(answer.data[0].embedding), "tokens": answer.usage.total_tokens, "sent": c.sent}


def respond(key):
    c = Counted(key, 0)
    answer = c.client.responses.create(model="m", input="hi [[usage=7,5]]", max_output_tokens=10)
    return {"text": answer.output_text, "tokens": answer.usage.total_tokens, "sent": c.sent}


def respond_streamed(key):
    c = Counted(key, 0)
    text, tokens, finish = "", 0, ""
    for event in c.client.responses.create(model="m", input="hi [[usage=7,5]]", max_output_tokens=10, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            tokens, finish = event.response.usage.total_tokens, event.response.status
    return {"text": text, "tokens": tokens, "finish": finish, "sent": c.sent}


def refused(key, retries, **more):
    c = Counted(key, retries)
    try:
        c.client.chat.completions.create(model="m", messages=HI, **{"max_tokens": 10, **more})
    except openai.APIStatusError as e:
        return {
            "class": type(e).__name__,
            "status": e.status_code,
            "code": e.code,
            "type": e.type,
            "message": e.body["message"],
            "retry_after": e.response.headers.get("retry-after", ""),
            "retry_after_ms": e.response.headers.get("retry-after-ms", ""),
            "should_retry": e.response.headers.get("x-should-retry", ""),
            "sent": c.sent,
        }
    return {"class": "none", "sent": c.sent}


json.dump(
    {
        "version": openai.__version__,
        "complete": complete("open", 0),
        "stream": stream("open"),
        "embed": embed("open"),
        "respond": respond("open"),
        "respond_streamed": respond_streamed("open"),
        "nobody": refused("nobody", 2),
        "never": refused("small", 2, max_tokens=1000),
        "first": complete("once", 0),
        "refused": refused("once", 0),
        "refused_stream": refused("once", 0, stream=True),
        "retried": complete("once", 1),
    },
    sys.stdout,
)
