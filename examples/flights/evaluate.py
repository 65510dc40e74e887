"""Measures a model on the test flights, as the gateway would run it: from its ONNX file.

It runs once for the candidate and once for the champion, on the same rows, and
refuses rows that are not later than everything the model was trained on.
"""

import os
import sys

import mlflow
import numpy as np
import onnxruntime
import pandas as pd


def main():
    flights = pd.read_csv(os.environ["MAINSPAN_IN_TEST"])
    session = onnxruntime.InferenceSession(os.environ["MAINSPAN_IN_MODEL"])
    about = session.get_modelmeta().custom_metadata_map
    trained_from, trained_to = about["trained_from"], about["trained_to"]
    first, last = flights.flown_at.min(), flights.flown_at.max()
    if first <= trained_to:
        sys.exit(f"the test flights begin at {first}, but the model has seen flights up to {trained_to}")

    error = np.abs(predict(session, flights) - flights.arr_delay)
    with mlflow.start_run():
        mlflow.log_params({"trained_from": trained_from, "trained_to": trained_to, "test_from": first, "test_to": last})
        mlflow.log_metrics({"mae": error.mean(), "p90": np.quantile(error, 0.9), "rows": len(flights)})
    print(f"MAE {error.mean():.3f} minutes on {len(flights)} flights from {first} to {last}; "
          f"the model was trained on flights from {trained_from} to {trained_to}")


def predict(session, flights):
    columns = {}
    for tensor in session.get_inputs():
        kind = object if tensor.type == "tensor(string)" else np.float32
        columns[tensor.name] = flights[tensor.name].to_numpy(kind).reshape(-1, 1)
    return session.run(None, columns)[0].ravel()


if __name__ == "__main__":
    main()
