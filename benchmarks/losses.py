"""Time and memory of the losses, beside the plain B x B x B formulation in TensorFlow.

Run ``python -m benchmarks.losses`` from the top of the repository; ``--cube-1024`` adds the cube
at B = 1,024, which needs 22 GB of memory.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tripletviz._tensorflow import tf
from tripletviz.losses import batch_all_triplet_loss, batch_semi_hard_triplet_loss

MARGIN = 0.5
DIMENSION = 64
CLASSES = 10
REPEATS = 5


def cube_batch_all(labels, embeddings, margin):
    """Batch all as it is usually written: one B x B x B tensor of all triplets, in float32."""
    products = tf.matmul(embeddings, embeddings, transpose_b=True)
    norms = tf.linalg.diag_part(products)
    squared = tf.maximum(norms[:, None] - 2.0 * products + norms[None, :], 0.0)
    zero = tf.cast(tf.equal(squared, 0.0), tf.float32)
    distances = tf.sqrt(squared + zero * 1e-16) * (1.0 - zero)
    same = tf.equal(labels[:, None], labels[None, :])
    positive = same & ~tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    valid = tf.cast(positive[:, :, None] & ~same[:, None, :], tf.float32)
    losses = tf.maximum((distances[:, :, None] - distances[:, None, :] + margin) * valid, 0.0)
    active = tf.reduce_sum(tf.cast(losses > 1e-16, tf.float32))
    return tf.reduce_sum(losses) / (active + 1e-16), active / (tf.reduce_sum(valid) + 1e-16)


def batch(size, *, duplicate=False):
    """A batch of `size` embeddings in ten classes, part way to being separated.

    With `duplicate`, two embeddings coincide, which makes the distances take their slow path.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(size) % CLASSES
    centres = rng.normal(size=(CLASSES, DIMENSION))
    embeddings = 0.1 * (centres[labels] + rng.normal(size=(size, DIMENSION)))
    if duplicate:
        embeddings[1] = embeddings[0]
    return tf.constant(labels), tf.constant(embeddings, tf.float32)


def losses():
    """The three contestants: name -> function of (labels, embeddings) giving a scalar."""
    return {
        "cube": lambda labels, embeddings: cube_batch_all(labels, embeddings, MARGIN)[0],
        "batch_all": lambda labels, embeddings: batch_all_triplet_loss(labels, embeddings, MARGIN)[
            0
        ],
        "semi_hard": lambda labels, embeddings: batch_semi_hard_triplet_loss(
            labels, embeddings, MARGIN
        ),
    }


def forward_backward(loss, *, jit_compile=False):
    """`loss` with its gradient with respect to the embeddings, as a graph."""

    @tf.function(jit_compile=jit_compile)
    def step(labels, embeddings):
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            value = loss(labels, embeddings)
        return value, tape.gradient(value, embeddings)

    return step


def seconds(size, names):
    """Median seconds of a call for each of the named losses at one batch size.

    The losses take turns, so that whatever else the machine does meets all alike, and a turn lasts
    at least a twentieth of a second.
    """
    arguments = batch(size)
    steps = {name: forward_backward(losses()[name]) for name in names}
    calls, times = {}, {name: [] for name in names}
    for name, step in steps.items():
        _run(step, arguments, 2)  # traces the graph
        calls[name] = max(1, round(0.05 / _run(step, arguments, 1)))
    for _ in range(REPEATS):
        for name, step in steps.items():
            times[name].append(_run(step, arguments, calls[name]) / calls[name])
    return {name: statistics.median(each) for name, each in times.items()}


def _run(step, arguments, calls):
    start = time.perf_counter()
    for _ in range(calls):
        value, gradient = step(*arguments)
        value.numpy()
        gradient.numpy()
    return time.perf_counter() - start


def peak_memory(size, *, jit_compile=False, duplicate=False):
    """Peak memory in bytes of a process of its own that runs batch all once at this size."""
    script = (
        "from benchmarks import losses\n"
        f"step = losses.forward_backward(losses.losses()['batch_all'], jit_compile={jit_compile})\n"
        f"step(*losses.batch({size}, duplicate={duplicate}))[0].numpy()\n"
        "print(losses.peak_of_this_process())\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return int(process.stdout)


def peak_of_this_process():
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux `ru_maxrss` would also count the parent as it was when it started this process.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes


def measure(*, cube_1024=False):
    """Every number of the table of losses: seconds by size, and bytes of peak memory."""
    times = {}
    for size in (64, 256, 512, 1024, 4096):
        with_cube = size <= 512 or (size == 1024 and cube_1024)
        times[size] = seconds(size, ["cube"] * with_cube + ["batch_all", "semi_hard"])
    return {
        "seconds": times,
        "peak_bytes_4096": peak_memory(4096),
        "peak_bytes_4096_duplicate": peak_memory(4096, duplicate=True),
        "peak_bytes_xla_1024": peak_memory(1024, jit_compile=True),
    }


def rows(measured):
    """Markdown table rows (what, bar, measured)."""
    times = measured["seconds"]
    bars = {64: ">= 2x", 256: ">= 6x", 512: ">= 15x", 1024: "aim for 100x"}
    for size, bar in bars.items():
        if "cube" in times[size]:
            cube, ours = times[size]["cube"], times[size]["batch_all"]
            yield (
                f"batch all against the cube, forward + backward, B = {size:,}",
                bar,
                f"{cube / ours:.1f}x ({1e3 * ours:.1f} ms against {1e3 * cube:,.1f} ms)",
            )
    large, small = times[4096]["batch_all"], times[1024]["batch_all"]
    yield (
        "batch all, time at B = 4,096 / 1,024",
        "<= 26",
        f"{large / small:.1f} ({large:.2f} s / {1e3 * small:.0f} ms)",
    )
    for what, bar, key in (
        ("batch all, peak process memory at B = 4,096", "< 2 GB", "peak_bytes_4096"),
        ("the same with some embeddings identical", "< 2 GB", "peak_bytes_4096_duplicate"),
        ("batch all under XLA, peak process memory at 1,024", "< 1.5 GB", "peak_bytes_xla_1024"),
    ):
        yield what, bar, f"{measured[key] / 1e9:.2f} GB"
    ratios = {size: each["semi_hard"] / each["batch_all"] for size, each in times.items()}
    yield (
        "semi-hard against batch all, B = 64, 256, 512, 1,024, 4,096",
        "<= 1.5x",
        ", ".join(f"{ratio:.2f}x" for ratio in ratios.values()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cube-1024", action="store_true", help="needs 22 GB of memory")
    parser.add_argument("--json", action="store_true", help="print the raw numbers")
    arguments = parser.parse_args()
    measured = measure(cube_1024=arguments.cube_1024)
    if arguments.json:
        print(json.dumps(measured))
        return
    for row in rows(measured):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
