"""MLflow models of three kinds, as `autolog` and people log them."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel


def flowers(folder):
    """A scikit-learn pipeline on a frame with names, logged by autolog."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    iris = load_iris(as_frame=True)
    names = np.array(iris.target_names)[iris.target]
    mlflow.sklearn.autolog(log_datasets=False)
    with mlflow.start_run() as run:
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(iris.data, names)
    mlflow.sklearn.autolog(disable=True)
    logged = mlflow.search_logged_models(filter_string=f"source_run_id='{run.info.run_id}'", output_format="list")
    path = mlflow.artifacts.download_artifacts(logged[0].model_uri, dst_path=str(folder))
    return path, fitted, iris.data


def boosted(folder):
    """XGBoost on a matrix, with a signature of tensors."""
    import xgboost

    rng = np.random.default_rng(7)
    rows = rng.normal(size=(200, 3)).astype(np.float32)
    fitted = xgboost.XGBRegressor(n_estimators=5, max_depth=2).fit(rows, rows[:, 0] * 2)
    path = f"{folder}/boosted"
    mlflow.xgboost.save_model(fitted, path, signature=infer_signature(rows, fitted.predict(rows)))
    return path, fitted, rows


class Greeter(PythonModel):
    """Words out, by a frame and a parameter; it breaks in the ways that models break."""

    def predict(self, context, model_input, params=None):
        names = list(model_input["name"])
        if "fail" in names:
            raise ValueError("no such name")
        if "die" in names:
            import os

            os._exit(3)
        print("a model may print")
        mark = (params or {}).get("mark", "!")
        return pd.DataFrame({"greeting": [f"hello {name}{mark}" for name in names], "length": [len(name) for name in names]})


def greeter(folder):
    """A custom model without dependencies."""
    given = pd.DataFrame({"name": ["Ann"], "age": [7]})
    said = pd.DataFrame({"greeting": ["hello Ann!"], "length": [3]})
    path = f"{folder}/greeter"
    signature = infer_signature(given, said, params={"mark": "!"})
    # The class is in this file, which the model's own process does not see.
    mlflow.pyfunc.save_model(path, python_model=Greeter(), signature=signature, code_paths=[__file__])
    return path
