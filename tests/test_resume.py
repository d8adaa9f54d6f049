"""A training that is killed again and again ends equal to one that is not."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tripletviz._tensorflow import keras
from tripletviz.checkpoints import Checkpoint
from tripletviz.networks import CountedDropout
from tripletviz.recordings import Recording

SCRIPT = Path(__file__).with_name("small_mnist.py")
KILLS = 10

# Everything that has a state: moments of Adam, moving averages, dropout, augmentation, a schedule
# with warm-up, stages of the strategy, several epochs.
PARAMS = {
    "profile": "ci",
    "channels": 4,
    "embedding_size": 8,
    "dropout": 0.2,
    "strategy": [{"until_step": 300, "name": "batch_all"}, {"name": "batch_hard"}],
    "margin": 0.5,
    "batch_size": 40,
    "epochs": 60,
    "learning_rate": 3e-4,
    "learning_rate_schedule": "cosine",
    "warmup_steps": 50,
    "max_shift": 2,
    "max_rotation": 10,
    "augmented_epochs": 40,
    "snapshots": 12,
    "seed": 5,
}
STEPS = 1500 // 40 * PARAMS["epochs"]


def start(model_dir, **environment):
    return subprocess.Popen(
        [sys.executable, SCRIPT, "train", "--model-dir", model_dir],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def made(folder):
    folder.mkdir()
    (folder / "params.json").write_text(json.dumps(PARAMS))
    return folder


def kill_while_it_trains(model_dir, delay):
    """Start, wait until it has got on by some steps and for `delay` seconds more, and kill.

    Returns the step of the checkpoint that is left.
    """
    before = reached(model_dir)
    process = start(model_dir, CHECKPOINT_SECONDS="0.05")
    while process.poll() is None and reached(model_dir) <= before:
        time.sleep(0.05)
    time.sleep(delay)
    assert process.poll() is None, f"it ended before it could be killed: {process.communicate()}"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return reached(model_dir)


def reached(model_dir):
    """The step of the checkpoint in a model dir; 0 if there is none."""
    path = model_dir / "checkpoint.npz"
    return step_of(path, path.stat().st_mtime_ns) if path.exists() else 0


@functools.lru_cache
def step_of(path, written):
    return Checkpoint.load(path).step


def scalars(model_dir):
    events = EventAccumulator(str(model_dir / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        found[tag] = [(event.step, event.tensor_proto) for event in events.Tensors(tag)]
    return found


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 on Windows")
def test_killed_at_ten_random_moments_it_ends_equal(tmp_path):
    undisturbed, killed = made(tmp_path / "undisturbed"), made(tmp_path / "killed")
    process = start(undisturbed)
    said, complaints = process.communicate()
    assert process.returncode == 0, complaints
    # No seed: each time the test runs it tries other moments.
    delays = np.random.default_rng().uniform(0, 0.4, KILLS)
    steps = [kill_while_it_trains(killed, delay) for delay in delays]
    assert all(later > earlier for earlier, later in itertools.pairwise([0, *steps, STEPS]))
    process = start(killed)
    said, complaints = process.communicate()
    assert process.returncode == 0, complaints
    assert f"Going on at step {steps[-1]:,} of {STEPS:,}" in said

    expected, found = ((each / "metrics.json").read_bytes() for each in (undisturbed, killed))
    assert expected == found
    untrained, trained = (
        json.loads(expected)[when]["recall_at_k"]["1"] for when in ("untrained", "trained")
    )
    assert trained > untrained, "what has collapsed ends equal whatever was forgotten"
    expected, found = (
        Recording.load(each / "recording.npz").to_arrays() for each in (undisturbed, killed)
    )
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], err_msg=name)
    assert len(found["step curve loss"]) == STEPS
    expected, found = (
        keras.models.load_model(each / "model.keras") for each in (undisturbed, killed)
    )
    assert any(isinstance(layer, CountedDropout) for layer in found.layers)
    for one, other in zip(expected.weights, found.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    assert scalars(undisturbed) == scalars(killed)
    names = [{path.name for path in each.iterdir()} for each in (undisturbed, killed)]
    assert names[0] == names[1]
    assert "checkpoint.npz" not in names[0]
    assert not list(killed.rglob(".part-*"))
