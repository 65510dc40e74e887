"""Trains the four models that `cargo xtask bench trees` measures, and writes them and rows to ask them about.

    python bench.py FOLDER

writes gbt.onnx, rf.onnx, xgb.onnx, lgbm.onnx, and rows.f32: 4,096 rows of 30 floats, little-endian, no two alike. Each model has 100 trees and learns the breast cancer data of scikit-learn: 30 numbers, two classes. What is needed is in
requirements.txt beside this file.
"""

import sys
from pathlib import Path

import lightgbm
import numpy
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

X, Y = load_breast_cancer(return_X_y=True)
X = X.astype(numpy.float32)
NUMBERS = [("X", FloatTensorType([None, X.shape[1]]))]


def scikit(model):
    model.fit(X, Y)
    return to_onnx(model, X[:1], options={id(model): {"zipmap": False}}, target_opset=17)


def main(folder):
    models = {
        "gbt": scikit(GradientBoostingClassifier(n_estimators=100, max_depth=6, random_state=0)),
        "rf": scikit(RandomForestClassifier(n_estimators=100, random_state=0)),
        "xgb": onnxmltools.convert_xgboost(
            xgboost.XGBClassifier(n_estimators=100, max_depth=6, random_state=0).fit(X, Y), initial_types=NUMBERS
        ),
        "lgbm": onnxmltools.convert_lightgbm(
            lightgbm.LGBMClassifier(n_estimators=100, random_state=0, verbose=-1).fit(X, Y),
            initial_types=NUMBERS,
            zipmap=False,
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    random = numpy.random.default_rng(0)
    rows = X[random.integers(0, len(X), 4096)] * (1 + 0.1 * random.standard_normal((4096, X.shape[1])))
    (folder / "rows.f32").write_bytes(rows.astype("<f4").tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
