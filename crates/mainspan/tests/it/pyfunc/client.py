"""MLflow's own client asks each service, and finds what the registered model answers when it is loaded here."""

import os

import mlflow
import numpy as np
import pandas as pd
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from sklearn.datasets import load_iris

host, port = os.environ["DATA"].split(":")
rng = np.random.default_rng(11)
rows = rng.normal(size=(64, 3)).astype(np.float32)
people = pd.DataFrame({"name": ["Ann", "Bo"], "age": [7, 8]})
asked = {"flowers": load_iris(as_frame=True).data, "boosted": rows, "greeter": people}
for name, given in asked.items():
    expect = mlflow.pyfunc.load_model(f"models:/{name}/1").predict(given)
    # The client puts a colon between the two; a service has a path of its own.
    got = ScoringServerClient(host, f"{port}/{name}").invoke(given).get_predictions()
    if isinstance(expect, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expect)
    else:
        # JSON has no width of floats: as numbers of the model's kind they are the same.
        column = got.to_numpy().ravel().astype(expect.dtype)
        np.testing.assert_array_equal(column, expect)
    print(name, len(got))

answer = get_deploy_client(f"http://{host}:{port}").predict(
    endpoint="greeter", inputs={"dataframe_records": [{"name": "Cy", "age": 9}]}
)
assert answer["predictions"] == [{"greeting": "hello Cy!", "length": 2}], answer
