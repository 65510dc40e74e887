"""Sends the same calls to a real `mlflow server` and to Mainspan, and compares the answers. Run by `make test`.

    target/test-python/bin/python tests/mlflow/compare.py target/debug/mainspan [TOPIC …] [-v]

The calls are in `scenarios/`, a file per topic, each a list of

    - METHOD PATH: body                 # for GET the query; a path without a leading / is below /api/2.0/mlflow/
      save: {name: path.in.answer}      # `$name` stands for that value in all later calls of the file
      bytes: text                       # the body as it is, in place of JSON
      base64: text                      # the same, for bytes that are no text
      headers: {Name: value}            # sent with the call
      query: {…}                        # for methods with a body
      see: [Name]                       # headers of the answer that are compared, too
      as: name:password                 # sent as basic authentication
      meant: why                        # the answers differ, and should

`{times: N, of: X}` is the text X repeated, or a list of N copies of X with `$n` counting from 0. Prints each call that is
answered differently, and ends with 1 when there is one. What is not compared is in `normal.py`, nothing else. Topics in
`scenarios/auth/` are sent to two servers that let in users with a password only; `admin` is there, as `servers.ADMIN`.
"""
import argparse
import base64
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import yaml

from normal import normal, of_refusal
from servers import both

HERE = pathlib.Path(__file__).parent
BASE = "/api/2.0/mlflow/"
CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (\S+)")


class Call:
    """One call of a scenario."""

    def __init__(self, entry, where):
        heads = [key for key in entry if CALL.fullmatch(key)]
        others = set(entry) - {"save", "bytes", "base64", "headers", "query", "see", "as", "meant", *heads}
        if len(heads) != 1 or others:
            raise SystemExit(f"{where}: not a call: {entry}")
        self.method, path = CALL.fullmatch(heads[0]).groups()
        self.path = path if path.startswith("/") else BASE + path
        self.body = entry[heads[0]]
        self.save, self.bytes, self.base64 = entry.get("save", {}), entry.get("bytes"), entry.get("base64")
        self.headers, self.query = entry.get("headers", {}), entry.get("query")
        self.see, self.user = entry.get("see", []), entry.get("as")
        self.meant, self.where = entry.get("meant"), where


def load(topics):
    """The calls of each topic, in the order of their files."""
    folder = HERE / "scenarios"
    files = {file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob("*.yaml"))}
    unknown = set(topics) - set(files)
    if unknown:
        raise SystemExit(f"no such topic: {', '.join(sorted(unknown))}")
    return {
        topic: [Call(entry, f"{topic}[{n}]") for n, entry in enumerate(yaml.safe_load(file.read_text()))]
        for topic, file in files.items()
        if not topics or topic in topics
    }


def filled(value, saved, n=None):
    """The value with its `$names` and repetitions written out."""
    if isinstance(value, str):
        if value == "$n" and n is not None:
            return n
        if n is not None:
            value = value.replace("$n", str(n))
        return re.sub(r"\$([a-z][a-z0-9_]*)", lambda m: str(saved.get(m[1], m[0])), value)
    if isinstance(value, dict) and set(value) == {"times", "of"}:
        if isinstance(value["of"], str):
            return value["of"] * value["times"]
        return [filled(value["of"], saved, n) for n in range(value["times"])]
    if isinstance(value, dict):
        return {filled(k, saved, n): filled(v, saved, n) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, saved, n) for v in value]
    return value


def send(base, call, saved):
    """The status, body and headers of the answer; a JSON body is read."""
    path, body = filled(call.path, saved), filled(call.body, saved)
    data, headers = None, {}
    query = filled(call.query, saved) if call.query else None
    if call.bytes is not None:
        data, headers = filled(call.bytes, saved).encode(), {"Content-Type": "application/octet-stream"}
    elif call.base64 is not None:
        data, headers = base64.b64decode(call.base64), {"Content-Type": "application/octet-stream"}
    elif call.method in ("GET", "HEAD"):
        query = body
    elif body is not None:
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    if query:
        path += "?" + urllib.parse.urlencode(query, doseq=True)
    headers |= filled(call.headers, saved)
    if call.user:
        headers["Authorization"] = "Basic " + base64.b64encode(filled(call.user, saved).encode()).decode()
    request = urllib.request.Request(base + path, data, headers, method=call.method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, text, head = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        status, text, head = error.code, error.read(), error.headers
    try:
        return status, json.loads(text), head
    except ValueError:
        return status, text.decode(errors="replace"), head


def found(answer, path):
    """What is under a dotted path of an answer; digits are places in lists."""
    for key in path.split("."):
        try:
            answer = answer[int(key)] if isinstance(answer, list) else answer[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return answer


def answers(base, calls):
    """Of each call the status, the normalised body with the headers to see, and the words of its error."""
    saved, all_answers = {}, []
    for call in calls:
        status, answer, head = send(base, call, saved)
        for name, path in call.save.items():
            value = found(answer, path)
            if value is not None:
                saved[name] = str(value)
        message = answer.get("message") if isinstance(answer, dict) else None
        body = of_refusal(status, normal(answer, saved))
        seen = {name: head[name] for name in call.see}
        all_answers.append((status, {"body": body, **seen} if seen else body, message))
    return all_answers


def compare(theirs, ours, topics, verbose=False):
    """Prints what differs and returns how many calls were sent, and how many answered differently."""
    sent = different = 0
    for calls in topics.values():
        sent += len(calls)
        for call, a, b in zip(calls, answers(theirs, calls), answers(ours, calls)):
            if a[:2] == b[:2] and call.meant:
                print(f"{call.where}: is answered alike although it says `meant`")
                different += 1
            elif a[:2] != b[:2] and not call.meant:
                different += 1
                print(f"{call.where}: {call.method} {call.path} {json.dumps(call.body)[:200]}")
                print(f"  mlflow   {a[0]} {json.dumps(a[1])} {a[2] or ''}")
                print(f"  mainspan {b[0]} {json.dumps(b[1])} {b[2] or ''}")
            elif verbose and a[2] != b[2]:
                print(f"{call.where}: words differ\n  mlflow   {a[2]}\n  mainspan {b[2]}")
    return sent, different


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="the mainspan to compare")
    parser.add_argument("topics", nargs="*", help="files of scenarios/, all unless named")
    parser.add_argument("-v", action="store_true", help="show where the words of an error differ, too")
    asked = parser.parse_args()
    topics = load(asked.topics)
    sent = different = 0
    for auth in (False, True):
        group = {topic: calls for topic, calls in topics.items() if topic.startswith("auth/") == auth}
        if group:
            with both(asked.binary, auth) as (theirs, ours):
                counts = compare(theirs, ours, group, asked.v)
            sent, different = sent + counts[0], different + counts[1]
    print(f"{sent} calls, {different} answered differently")
    return 1 if different or not sent else 0


if __name__ == "__main__":
    sys.exit(main())
