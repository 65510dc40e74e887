"""Asks the model three questions, as a client would, and counts the answers that are right."""

import json
import os
import sys
import time
import urllib.request

import mlflow

sys.path.insert(0, os.environ["MAINSPAN_IN_MODEL"])
import serve

QUESTIONS = {
    "What is the capital of France? Answer with one word.": "paris",
    "Which colour is the sky on a clear day? Answer with one word.": "blue",
    "What is the opposite of hot? Answer with one word.": "cold",
}


def ask(address, question):
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": 24, "temperature": 0}
    request = urllib.request.Request(f"{address}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


server = serve.start(os.environ["MAINSPAN_IN_MODEL"], "127.0.0.1", 0)
began, right = time.monotonic(), 0
for question, word in QUESTIONS.items():
    answer = ask(server.listening_address, question)
    right += word in answer.lower()
    print(f"{question} {answer!r}")
with mlflow.start_run():
    mlflow.log_metrics({"right": right, "seconds": time.monotonic() - began})
