#!/usr/bin/env python3
"""Checks a model file with the tools of other people: onnx, onnxruntime, numpy.

    python3 -m venv target/conformance-venv
    target/conformance-venv/bin/pip install onnx onnxruntime numpy
    target/conformance-venv/bin/python conformance/check.py MODEL [--bench]
    ... check.py MODEL --view record --inputs FILE.csv --residuals FILE.csv

One line a check, `ok` or `FAIL`; exit code 0 if all are ok, 1 if one is not, 2 on wrong usage.
A difference counts relative to the expected value, or as it is where that is below 1: at most 1e-5.
CSV files have one record a line and one feature a column; a header line is skipped.
"""

import argparse
import csv
import json
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.utils import Extractor

TOLERANCE = 1e-5
OPS = {"Div", "Gemm", "Mul", "Reshape", "Sub", "Tanh", "Tile"}
BATCHES = (1, 3, 64, 257)
BENCH_BATCHES = (64, 256, 1024)


class Failed(Exception):
    """A check that found something; the text says what."""


def main():
    args = arguments()
    try:
        model = onnx.load(args.model)
    except Exception as error:  # a damaged file has many ways to be refused
        print(f"FAIL load: {args.model}: {error}")
        return 1
    views = [value.name for value in model.graph.input]
    checks = [
        ("checker", lambda: check_full(model)),
        ("shapes", lambda: check_shapes(model, views)),
        ("operators", lambda: check_operators(model)),
        *((f"numpy {view}", lambda view=view: check_numpy(model, view)) for view in views),
        *((f"golden {view}", lambda view=view: check_golden(model, view)) for view in views),
    ]
    if args.inputs:
        checks.append((f"detector {args.view}", lambda: check_detector(model, args)))
    if args.bench:
        checks.extend((f"bench {view}", lambda view=view: bench(model, view)) for view in views)
    results = [report(name, check) for name, check in checks]
    return 0 if all(results) else 1


def arguments():
    parser = argparse.ArgumentParser(description="Check a model file.")
    parser.add_argument("model")
    parser.add_argument("--view", default="record", help="the view of the CSV files")
    parser.add_argument("--inputs", help="raw features, CSV")
    parser.add_argument("--residuals", help="the detector's residuals for them, CSV")
    parser.add_argument("--bench", action="store_true", help="time onnxruntime on one thread")
    args = parser.parse_args()
    if bool(args.inputs) != bool(args.residuals):
        parser.error("--inputs and --residuals belong together")
    return args


def report(name, check):
    try:
        print(f"ok   {name}: {check()}")
        return True
    except Exception as error:  # a library's refusal is a finding like our own
        print(f"FAIL {name}: {' '.join(str(error).split())}")
        return False


def check_full(model):
    onnx.checker.check_model(model, full_check=True)
    opset = ", ".join(str(o.version) for o in model.opset_import)
    return f"ir {model.ir_version}, opset {opset}, {model.ByteSize()} bytes"


def check_shapes(model, views):
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    outputs = {value.name: shape(value) for value in model.graph.output}
    for value in model.graph.input:
        want, got = shape(value), outputs.get(f"{value.name}_residual")
        if want[:1] != ["N"] or got != want:
            raise Failed(f"{value.name} is {want}, {value.name}_residual is {got}")
    return f"views {', '.join(views)}"


def shape(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check_operators(model):
    ops = {node.op_type for node in model.graph.node}
    if ops - OPS:
        raise Failed(f"not on the list: {', '.join(sorted(ops - OPS))}")
    return " ".join(sorted(ops))


def check_numpy(model, view):
    """Residuals from the file's weights, by the definition, in 64 bits."""
    weights = read_weights(model, view)
    rng = np.random.default_rng(7)
    worst = 0.0
    for n in BATCHES:
        x = rng.normal(size=(n, weights["width"])) * rng.uniform(0.5, 4, size=(n, 1))
        x = (weights["center"] + weights["scale"] * x).astype(np.float32)
        worst = max(worst, compare(run(model, view, x), residuals(weights, x)))
    return f"batches {BATCHES}, largest difference {worst:.1e}"


def read_weights(model, view):
    values = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
    nodes = {node.name for node in model.graph.node}
    layers = []
    while f"{view}_l{len(layers)}" in nodes:
        name = f"{view}_l{len(layers)}"
        layers.append((values[f"{name}_weight"], values[f"{name}_bias"], f"{name}_tanh" in nodes))
    if not layers:
        raise Failed("no layers found")
    center, scale = values[f"{view}_center"], values[f"{view}_scale"]
    leave_one_out = f"{view}_wide_weight" in nodes
    return dict(center=center, scale=scale, width=len(center), layers=layers, loo=leave_one_out)


def residuals(weights, x):
    z = (x.astype(np.float64) - weights["center"]) / weights["scale"]
    if not weights["loo"]:
        return z - forward(weights, z)
    result = np.empty_like(z)
    for j in range(weights["width"]):
        masked = z.copy()
        masked[:, j] = 0.0
        result[:, j] = z[:, j] - forward(weights, masked)[:, j]
    return result


def forward(weights, x):
    for weight, bias, tanh in weights["layers"]:
        x = x @ weight + bias
        x = np.tanh(x) if tanh else x
    return x


def check_golden(model, view):
    metadata = {p.key: p.value for p in model.metadata_props}
    if "oddline.golden" not in metadata:
        raise Failed("no oddline.golden in the metadata")
    golden = json.loads(metadata["oddline.golden"]).get(view)
    if not golden or not golden["inputs"]:
        raise Failed("oddline.golden has no vectors of this view")
    x = np.array(golden["inputs"], dtype=np.float32)
    worst = compare(run(model, view, x), np.array(golden["outputs"], dtype=np.float64))
    return f"{len(x)} vectors, largest difference {worst:.1e}"


def check_detector(model, args):
    x, want = read_csv(args.inputs).astype(np.float32), read_csv(args.residuals)
    worst = compare(run(model, args.view, x), want)
    return f"{len(x)} records, largest difference {worst:.1e}"


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not is_number(rows[0][0]):
        rows = rows[1:]
    if not rows:
        raise Failed(f"{path}: no records")
    return np.array(rows, dtype=np.float64)


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


def compare(got, want):
    if got.shape != want.shape:
        raise Failed(f"shape {got.shape}, expected {want.shape}")
    difference = np.abs(got - want) / np.maximum(1.0, np.abs(want))
    worst = float(difference.max())
    if not worst <= TOLERANCE:  # also when it is not a number
        row, column = np.unravel_index(int(np.nanargmax(difference)), difference.shape)
        found, expected = got[row, column], want[row, column]
        raise Failed(f"record {row}, feature {column}: {found}, expected {expected}")
    return worst


def run(model, view, x):
    return session(model).run([f"{view}_residual"], feeds(model, view, x))[0].astype(np.float64)


def feeds(model, view, x):
    """All views of a file share the batch size; the others get zeros."""
    n = len(x)
    zeros = {v.name: np.zeros((n, shape(v)[1]), np.float32) for v in model.graph.input}
    return zeros | {view: x}


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


def bench(model, view):
    """The best of several rounds: other work on the machine only ever adds."""
    alone = Extractor(model).extract_model([view], [f"{view}_residual"])
    timed = session(alone)
    rng = np.random.default_rng(7)
    figures = []
    for n in BENCH_BATCHES:
        x = rng.normal(size=(n, shape(alone.graph.input[0])[1])).astype(np.float32)
        seconds = min(best_of(timed, {view: x}, 200) for _ in range(10))
        figures.append(f"{n}: {seconds / n * 1e6:.3f}")
    return f"us a record at batch {', '.join(figures)}"


def best_of(timed, x, calls):
    start = time.perf_counter()
    for _ in range(calls):
        timed.run(None, x)
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    sys.exit(main())
