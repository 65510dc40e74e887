"""Trains the delay model and writes it as ONNX, one input per column.

A flight that is about to leave already carries most of its delay; the model
learns the rest from where it goes, with whom, and when.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # this step asks for one CPU

import mlflow
import onnx
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

# What each request brings. Callers rely on it, so every version takes all of it, also what it learns nothing from.
REQUEST = ["distance", "hour", "planned_minutes", "recent_lost", "dep_delay"]

NAMES = ["carrier", "origin", "dest"]
NUMBERS = ["distance", "hour", "dep_delay"]


def main():
    settings = {
        "loss": "squared_error",
        "max_iter": int(os.environ["MAINSPAN_PARAM_TREES"]),
        "max_depth": int(os.environ["MAINSPAN_PARAM_DEPTH"]),
    }
    flights = pd.read_csv(os.environ["MAINSPAN_IN_TRAIN"])
    # Parameters, training metrics and the data; the model goes out as ONNX below.
    mlflow.sklearn.autolog(log_models=False, silent=True)
    with mlflow.start_run():
        mlflow.log_params({**settings, "features": " ".join(NAMES + NUMBERS)})
        model = fit(flights, settings)
        error = (model.predict(flights) - flights.arr_delay).abs().mean()
        mlflow.log_metrics({"train_mae": error, "train_rows": len(flights)})

        graph = to_onnx(model)
        onnx.helper.set_model_props(graph, {
            "trained_from": flights.flown_at.min(),
            "trained_to": flights.flown_at.max(),
        })
        path = os.environ["MAINSPAN_OUT_MODEL"]
        onnx.save(graph, path)
        mlflow.log_artifact(path)
    print(f"fitted {settings} on {len(flights)} flights: MAE {error:.2f} minutes on the rows it has seen")


def fit(flights, settings):
    """Returns a pipeline from raw columns to minutes of arrival delay."""
    columns = ColumnTransformer([
        ("names", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), NAMES),
        ("numbers", "passthrough", NUMBERS),
    ])
    trees = HistGradientBoostingRegressor(random_state=0, **settings)
    return Pipeline([("columns", columns), ("trees", trees)]).fit(flights, flights.arr_delay)


def to_onnx(model):
    """Converts the pipeline: every column of a request is an input of its own, shaped [rows, 1]."""
    inputs = [(name, StringTensorType([None, 1])) for name in NAMES]
    inputs += [(name, FloatTensorType([None, 1])) for name in REQUEST]
    return convert_sklearn(model, "delay", inputs, target_opset={"": 17, "ai.onnx.ml": 3})


if __name__ == "__main__":
    main()
