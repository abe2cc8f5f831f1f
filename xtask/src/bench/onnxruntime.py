# CPU-seconds of onnxruntime for a million rows of the first input, in batches of 64 on one thread.
import sys
import time

import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
rows = numpy.random.default_rng(1).standard_normal((64, given.shape[1])).astype(numpy.float32)
feed = {given.name: rows}
for _ in range(100):
    session.run(None, feed)
start = time.process_time()
for _ in range(1_000_000 // 64):
    session.run(None, feed)
print(time.process_time() - start)
