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

`{times: N, of: X}` is the text X repeated, or a list of N copies of X with `$n` counting from 0; `{items: N, of: X}` is such a
list of texts, too. Prints each call that is answered differently, and ends with 1 when there is one. What is not compared is
in `normal.py`, nothing else: each field of each answer of MLflow is changed in turn (`mutations.py`), and a change that the
comparison would not notice fails, too. Topics in `scenarios/auth/` are sent to two servers that let in users with a password
only, those in `scenarios/workspaces/` to two that have workspaces besides; `admin` is there, as `servers.ADMIN`.
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

from mutations import mutations
from normal import normal, of_refusal, opened
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
            value = re.sub(r"\$n(?![a-z])", str(n), value)
        return re.sub(r"\$([a-z][a-z0-9_]*)", lambda m: str(saved.get(m[1], m[0])), value)
    if isinstance(value, dict) and set(value) == {"times", "of"} and isinstance(value["of"], str):
        return value["of"] * value["times"]
    if isinstance(value, dict) and set(value) in ({"times", "of"}, {"items", "of"}):
        count = value.get("times", value.get("items"))
        return [filled(value["of"], saved, n) for n in range(count)]
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
            answer = answer[int(key)] if isinstance(answer, list) else opened(answer[key], key)
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return answer


class Answer:
    """What a server said to a call: the status, the body, the names that were saved until then, and the headers to see."""

    def __init__(self, status, body, saved, headers):
        self.status, self.body, self.saved, self.headers = status, body, saved, headers

    def seen(self):
        """What is compared of it."""
        body = of_refusal(self.status, normal(self.body, self.saved))
        return self.status, {"headers": self.headers, "body": body} if self.headers else body

    def words(self):
        """The words of an error."""
        return self.body.get("message", "") if isinstance(self.body, dict) else ""

    def __str__(self):
        status, body = self.seen()
        return f"{status} {json.dumps(body)} {self.words()}"


def answers(base, calls):
    """What the server says to each call."""
    saved, all_answers = {}, []
    for call in calls:
        status, answer, head = send(base, call, saved)
        for name, path in call.save.items():
            value = found(answer, path)
            if value is not None:
                saved[name] = str(value)
        all_answers.append(Answer(status, answer, dict(saved), {name: head[name] for name in call.see}))
    return all_answers


def difference(a, b):
    """Both answers where they differ: of two bodies only the fields that are not the same."""
    (status, body), (other_status, other) = a.seen(), b.seen()
    if status != other_status or not (isinstance(body, dict) and isinstance(other, dict)):
        return f"  mlflow   {str(a)[:500]}\n  mainspan {str(b)[:500]}"
    left, right = leaves(body), leaves(other)
    paths = [path for path in {**left, **right} if left.get(path) != right.get(path)]
    lines = [f"  {path}: mlflow {left.get(path, 'has none')!r:.200}, mainspan {right.get(path, 'has none')!r:.200}" for path in paths[:8]]
    return "\n".join([f"  {status}", *lines, *["  …"][: len(paths) > 8]])


def leaves(value, path=""):
    """The fields of an answer by their dotted paths."""
    if not isinstance(value, (dict, list)) or not value:
        return {path: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    return {p: v for key, one in inside for p, v in leaves(one, f"{path}.{key}".lstrip(".")).items()}


def compare(theirs, ours, topics, verbose=False):
    """Prints what differs, and a change of MLflow's answers that would not be noticed; returns how many calls were sent, how
    many were answered differently, and how many changes were tried."""
    sent = different = tried = 0
    for calls in topics.values():
        sent += len(calls)
        for call, a, b in zip(calls, answers(theirs, calls), answers(ours, calls)):
            if a.seen() == b.seen() and call.meant:
                print(f"{call.where}: is answered alike although it says `meant`")
                different += 1
            elif a.seen() != b.seen() and not call.meant:
                different += 1
                print(f"{call.where}: {call.method} {call.path} {json.dumps(call.body)[:200]}")
                print(difference(a, b))
            elif verbose and a.words() != b.words():
                print(f"{call.where}: words differ\n  mlflow   {a.words()}\n  mainspan {b.words()}")
            # Of those that turn a caller away only the status is compared.
            for change in mutations(a.body) if a.status not in (401, 403) else ():
                tried += 1
                if not change.noticed(a):
                    different += 1
                    print(f"{call.where}: the comparison does not notice {change}")
    return sent, different, tried


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="the mainspan to compare")
    parser.add_argument("topics", nargs="*", help="files of scenarios/, all unless named")
    parser.add_argument("-v", action="store_true", help="show where the words of an error differ, too")
    asked = parser.parse_args()
    topics = load(asked.topics)
    sent = different = tried = 0
    for kind in ("", "auth", "workspaces"):
        group = {topic: calls for topic, calls in topics.items() if topic.rpartition("/")[0] == kind}
        if group:
            with both(asked.binary, kind) as (theirs, ours):
                counts = compare(theirs, ours, group, asked.v)
            sent, different, tried = sent + counts[0], different + counts[1], tried + counts[2]
    print(f"{sent} calls, {different} answered differently; {tried} changes of MLflow's answers would each be noticed")
    return 1 if different or not sent else 0


if __name__ == "__main__":
    sys.exit(main())
