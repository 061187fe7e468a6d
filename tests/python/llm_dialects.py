#!/usr/bin/env python3
"""Lets programs call models with each of the libraries that instrument such calls, and holds the columns,
the tokens and the cost of every call against those that it has whoever tells of it.

    llm_dialects.py HTTP OTLP_HTTP [NODE]

HTTP and OTLP_HTTP are addresses of a running server, such as 127.0.0.1:8080. NODE is what runs scripts of
../javascript; without it, the Vercel AI SDK is left out. Exits 1 when something is not as it should be.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import llm_server

HERE = os.path.dirname(os.path.abspath(__file__))


def openai(operation="chat", **others):
    return {
        "provider": "openai",
        "gen_ai_operation": operation,
        "token_convention": "included",
        "status": None,
        "cost_source": True,
    } | others


MINI = openai(
    request_model="gpt-4o-mini",
    response_model="gpt-4o-mini-2024-07-18",
    model_name="gpt-4o-mini-2024-07-18",
    input_tokens=1000,
    output_tokens=500,
    cached_tokens=0,
    reasoning_tokens=0,
    finish_reason="stop",
    response_id="chatcmpl-1",
    cost=0.00045,
)
CLAUDE = {
    "provider": "anthropic",
    "gen_ai_operation": "chat",
    "request_model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5-20250929",
    "model_name": "claude-sonnet-4-5-20250929",
    "input_tokens": 1200,
    "output_tokens": 350,
    "cached_tokens": 800,
    "cache_write_tokens": 100,
    "token_convention": "included",
    "finish_reason": "stop",
    "response_id": "msg_1",
    # 300 at 3, 800 at 0.3, 100 at 3.75 and 350 at 15 dollars a million.
    "cost": 0.006765,
    "cost_source": True,
}

# What every call is, whichever library tells of it.
CALLS = {
    "plain": MINI,
    "cached": MINI
    | {
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "model_name": "gpt-4o-2024-08-06",
        "input_tokens": 1200,
        "output_tokens": 350,
        "cached_tokens": 800,
        "reasoning_tokens": 120,
        # 400 at 2.5, 800 at 1.25 and 350 at 10 dollars a million.
        "cost": 0.0055,
    },
    "streamed": MINI,
    "tool": MINI | {"finish_reason": "tool_call"},
    "embedding": openai(
        "embeddings",
        request_model="text-embedding-3-small",
        response_model="text-embedding-3-small",
        model_name="text-embedding-3-small",
        input_tokens=9,
        cost=0.00000018,
    ),
    "refused": {
        "provider": "openai",
        "gen_ai_operation": "chat",
        "request_model": "no-such-model",
        "model_name": "no-such-model",
        "status": "error",
    },
    "claude": CLAUDE,
    "claude streamed": CLAUDE,
    "priced": {
        "gen_ai_operation": "chat",
        "model_name": "ours",
        "input_tokens": 10,
        "output_tokens": 20,
        "token_convention": "included",
        "cost": 0.75,
        "cost_source": "reported",
    },
}
COLUMNS = sorted({column for call in CALLS.values() for column in call} - {"status"})
COLUMNS += ["conversation_id", "user_id", "tool_name", "agent_name"]

SOMEBODY = {"conversation_id": "conversation-1", "user_id": "user-1"}

# How libraries differ in what they tell: None is what they do not. The key "" is for all calls.
TOLD = {
    "openai-v2": {
        # It passes neither cached nor reasoning tokens on, so that cached ones cost as much as others.
        "": {"cached_tokens": None, "reasoning_tokens": None},
        "cached": {"cost": 0.0065},
        "streamed": {"finish_reason": None},
    },
    "openinference": {
        "": SOMEBODY | {"response_id": None},
    },
    "openllmetry": {
        # Of streams it does not pass reasoning tokens on.
        "streamed": {"reasoning_tokens": None},
        "embedding": {"cached_tokens": 0},
        # It adds the token that the first event announces to the total that the last one tells.
        "claude streamed": {"output_tokens": 351, "cost": 0.00678},
    },
    "langfuse": {
        # One model, and not who serves it.
        "": SOMEBODY
        | dict.fromkeys(["provider", "request_model", "response_model", "response_id"])
        | {"finish_reason": None},
        "streamed": {"finish_reason": "stop"},
        "claude": {"token_convention": "beside"},
        # Of a failed call it says that it cost nothing.
        "refused": {"cost": 0.0, "cost_source": "reported"},
    },
    "vercel": {
        "": SOMEBODY,
        "embedding": {"response_model": None},
    },
}


def get(url):
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def spans_of(http, trace):
    """The spans of a trace and its summary, once its root is there."""
    for _ in range(200):
        try:
            answer = get(f"http://{http}/traces/{trace}")
            if any("parent_span_id" not in span for span in answer["spans"]):
                return answer["spans"], answer["summary"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        time.sleep(0.05)
    sys.exit(f"trace {trace} did not come")


def expected(library, case):
    call = CALLS[case]
    told = TOLD[library]
    of_all = {
        column: value
        for column, value in told.get("", {}).items()
        if column in call or value is not None
    }
    return call | of_all | told.get(case, {})


def differences(span, call):
    for column in COLUMNS:
        found, wanted = span.get(column), call.get(column)
        if wanted is True:
            same = isinstance(found, str) and found != "reported"
        elif isinstance(wanted, float) and found is not None:
            same = abs(found - wanted) < 1e-12
        else:
            same = found == wanted
        if not same:
            yield f"{column} is {found!r}, not {wanted!r}"
    if call.get("status") == "error" and span["status_code"] != "error":
        yield f"status_code is {span['status_code']!r}, not 'error'"


def is_call(span):
    operations = {"chat", "embeddings"}
    return span.get("gen_ai_operation") in operations


def check(library, case, spans, summary):
    """What is not as it should be."""
    calls = [span for span in spans if is_call(span)]
    wrong = list(check_sums("its trace", calls, summary, "model_calls"))
    if case == "agent":
        return wrong + check_agent(spans)
    if case == "tools":
        return wrong + check_tools(spans, calls)
    if len(calls) != 1:
        return [f"{len(calls)} calls of a model among {[s['operation_name'] for s in spans]}"]
    return wrong + list(differences(calls[0], expected(library, case)))


def check_sums(where, calls, sums, name_of_calls):
    """Sums are those of the calls: what surrounds a call repeats its tokens."""
    wanted = {name_of_calls: len(calls)}
    for column in ["input_tokens", "output_tokens"]:
        wanted[column] = sum(call.get(column, 0) for call in calls)
    for name, number in wanted.items():
        if sums.get(name) != number:
            yield f"{name} of {where} is {sums.get(name)!r}, not {number}"
    cost = sum(call.get("cost", 0) for call in calls)
    if abs(sums.get("cost", 0) - cost) > 1e-12:
        yield f"cost of {where} is {sums.get('cost')!r}, not {cost}"


def check_agent(spans):
    agents = [span.get("agent_name") for span in spans if span.get("gen_ai_operation") == "invoke_agent"]
    tools = [span.get("tool_name") for span in spans if span.get("gen_ai_operation") == "execute_tool"]
    return [] if (agents, tools) == (["planner"], ["weather"]) else [f"{agents}, {tools}"]


def check_tools(spans, calls):
    """Two calls, the tool between them, and around them a span that has the sum of their tokens."""
    tools = [span.get("tool_name") for span in spans if span.get("gen_ai_operation") == "execute_tool"]
    outer = [span["input_tokens"] for span in spans if span.get("gen_ai_operation") == "chain"]
    found = (len(calls), tools, outer)
    wanted = (2, ["weather"], [2000])
    return [] if found == wanted else [f"{found}, not {wanted}"]


def main(http, otlp_http, node=None):
    models = llm_server.serve()
    program = os.path.join(HERE, "llm_program.py")
    commands = {
        library: [sys.executable, program, library] for library in TOLD if library != "vercel"
    }
    if node is not None:
        commands["vercel"] = [node, "llm_program.js"]
    wrong = []
    for library, command in commands.items():
        run = subprocess.run([*command, models, otlp_http], stdout=subprocess.PIPE, check=True)
        traces, calls = json.loads(run.stdout), []
        for case, trace in traces.items():
            spans, summary = spans_of(http, trace)
            calls += filter(is_call, spans)
            for difference in check(library, case, spans, summary):
                wrong.append(f"{library}, {case}: {difference}")
        groups = get(f"http://{http}/costs?by=service")["groups"]
        of_service = next((group for group in groups if group["service"] == library), {})
        wrong += (f"{library}, {sums}" for sums in check_sums("/costs", calls, of_service, "calls"))
        if not wrong:
            print(f"{library}: {len(traces)} calls are as they should be")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
