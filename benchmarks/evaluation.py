"""Time and memory of evaluating the embeddings of all of MNIST.

Run ``python -m benchmarks.evaluation`` from the top of the repository. The embeddings are those of
an untrained `conv_net`, whose clusters are the least clear, so k-means takes longest.
"""

import json
import statistics
import subprocess
import sys
import time

from tripletviz.datasets import load_mnist
from tripletviz.evaluation import evaluate_embeddings
from tripletviz.networks import conv_net, settle_batch_norm

from .losses import peak_of_this_process

REPEATS = 3


def evaluate_mnist():
    """Seconds of each evaluation, and this process's peak memory in bytes."""
    (x_train, y_train), (x_test, y_test) = load_mnist()
    network = conv_net()
    settle_batch_norm(network, x_train)
    gallery, queries = (
        network.predict(images, batch_size=1000, verbose=0) for images in (x_train, x_test)
    )
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        evaluate_embeddings(queries, y_test, gallery, y_train)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak_bytes": peak_of_this_process()}


def measure():
    """What `evaluate_mnist` finds in a process of its own, whose memory nothing else has used."""
    script = (
        "import json\n"
        "from benchmarks import evaluation\n"
        "print(json.dumps(evaluation.evaluate_mnist()))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def rows(measured):
    """Markdown table rows (what, bar, measured)."""
    what = "all measures of 10,000 queries and 60,000 training items, 64 dimensions"
    yield f"{what}, after embedding", "<= 5 s", f"{statistics.median(measured['seconds']):.1f} s"
    peak = f"{measured['peak_bytes'] / 1e9:.2f} GB"
    yield f"{what}: peak process memory, with embedding and TensorFlow", "< 1.5 GB", peak


if __name__ == "__main__":
    for row in rows(measure()):
        print("| " + " | ".join(row) + " |")
