"""A model server on loopback that answers as OpenAI's and Anthropic's do, always with the same numbers.

A model that it does not have is refused with 400, so that there are failed calls too.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EMBEDDINGS_ANSWER = "text-embedding-3-small"
ANTHROPIC_ANSWERS = "claude-sonnet-4-5-20250929"


def openai_usage(prompt, completion, cached, reasoning):
    """OpenAI counts cached and reasoning tokens inside its totals, Anthropic counts cached ones beside them."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


# By the model that is asked for: which one answers, and what it uses.
OPENAI = {
    "gpt-4o-mini": ("gpt-4o-mini-2024-07-18", openai_usage(1000, 500, 0, 0)),
    "gpt-4o": ("gpt-4o-2024-08-06", openai_usage(1200, 350, 800, 120)),
}
ANTHROPIC_USAGE = {
    "input_tokens": 300,
    "cache_read_input_tokens": 800,
    "cache_creation_input_tokens": 100,
    "output_tokens": 350,
}
EMBEDDING_USAGE = {"prompt_tokens": 9, "total_tokens": 9}


class Refused(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = {
            "/v1/chat/completions": chat,
            "/v1/embeddings": embeddings,
            "/v1/messages": messages,
        }.get(self.path)
        try:
            if answer is None:
                raise Refused
            kind, body = answer(asked)
            self.answer(200, kind, body)
        except Refused:
            error = {"type": "invalid_request_error", "message": f"{self.path} cannot do that"}
            self.answer(400, "application/json", json.dumps({"type": "error", "error": error}))

    def answer(self, status, kind, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def told(answer):
    return "application/json", json.dumps(answer)


def streamed(parts, end=""):
    """Parts are (event or None, data)."""
    text = ""
    for event, data in parts:
        text += f"event: {event}\n" if event else ""
        text += f"data: {json.dumps(data)}\n\n"
    return "text/event-stream", text + end


def chat(asked):
    if asked["model"] not in OPENAI:
        raise Refused
    model, usage = OPENAI[asked["model"]]
    head = {"id": "chatcmpl-1", "created": 1700000000, "model": model}
    if asked.get("stream"):
        head["object"] = "chat.completion.chunk"
        deltas = [{"role": "assistant", "content": ""}, {"content": "It rains"}, {"content": "."}, {}]
        parts = [
            (None, head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
            for delta, reason in zip(deltas, [None, None, None, "stop"])
        ]
        if (asked.get("stream_options") or {}).get("include_usage"):
            parts.append((None, head | {"choices": [], "usage": usage}))
        return streamed(parts, "data: [DONE]\n\n")
    message = {"role": "assistant", "content": "It rains.", "refusal": None}
    reason = "stop"
    if asked.get("tools") and asked["messages"][-1]["role"] == "user":
        call = {"name": "weather", "arguments": '{"city": "Bergen"}'}
        message["content"] = None
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
        reason = "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return told(head | {"object": "chat.completion", "choices": [choice], "usage": usage})


def embeddings(asked):
    vector = [0.25, -0.5]
    if asked.get("encoding_format") == "base64":
        vector = "AACAPgAAAL8="
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return told(
        {"object": "list", "data": data, "model": EMBEDDINGS_ANSWER, "usage": EMBEDDING_USAGE}
    )


def messages(asked):
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": ANTHROPIC_ANSWERS}
    text = {"type": "text", "text": "It rains."}
    if not asked.get("stream"):
        end = {"content": [text], "stop_reason": "end_turn", "stop_sequence": None}
        return told(head | end | {"usage": ANTHROPIC_USAGE})
    begun = {"content": [], "stop_reason": None, "stop_sequence": None}
    begun["usage"] = ANTHROPIC_USAGE | {"output_tokens": 1}
    parts = [
        {"type": "message_start", "message": head | begun},
        {"type": "content_block_start", "index": 0, "content_block": text | {"text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": text | {"type": "text_delta"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 350},
        },
        {"type": "message_stop"},
    ]
    return streamed([(part["type"], part) for part in parts])


def serve():
    """Starts a server, and gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    print(serve(), flush=True)
    threading.Event().wait()
