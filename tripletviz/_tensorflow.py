"""TensorFlow and Keras, imported without start-up noise.

TensorFlow's C++ side writes notices (oneDNN, missing CUDA drivers) to file descriptor 2 while it is
being imported, before any Python or environment setting can filter them; the only setting that
hides the oneDNN one also turns oneDNN off and costs speed. So the descriptor points at a temporary
file during the import, and its content is shown only if the import fails.

The rooms write ``from ._tensorflow import keras, tf``.
"""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def _stderr_held_back():
    """Hold back what is written to file descriptor 2; write it out if the body raises."""
    try:
        saved = os.dup(2)
    except OSError:  # a process without a standard error has nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                held.seek(0)
                sys.stderr.write(held.read().decode(errors="replace"))


if "tensorflow" not in sys.modules:
    # Later notices (a missing GPU, and the like) do obey this; a value that is set already wins.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever else this computer uses Keras with
    with _stderr_held_back():
        import keras
        import tensorflow as tf

        # Listing the devices makes the GPU libraries say what they have to say now.
        tf.config.list_physical_devices()
else:
    import keras
    import tensorflow as tf

# TensorFlow warns of retracing when several networks are looked at in one notebook, as here.
tf.get_logger().setLevel("ERROR")

for _gpu in tf.config.list_physical_devices("GPU"):
    # Without this TensorFlow takes all of the GPU's memory, also from the next notebook. It is
    # refused once the GPU is in use, and then whoever uses it has decided.
    with contextlib.suppress(RuntimeError):
        tf.config.experimental.set_memory_growth(_gpu, True)


def describe_device():
    """The device that trains, in words: the GPUs by name if there are any, else the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"CPU ({os.cpu_count()} cores; TensorFlow sees no GPU)"
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
    ]
    return "GPU: " + ", ".join(names)


__all__ = ["describe_device", "keras", "tf"]
