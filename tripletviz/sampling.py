"""Which images make up a batch: random batches, and batches of P classes x K images.

A batch is a pure function of (seed, epoch, step): nothing that was drawn before matters, so a
training that goes on from a checkpoint sees the very batches it would have seen undisturbed.
`random_plan` and `pk_plan` draw one epoch with NumPy, as one array of indices; `random_batches` and
`pk_batches` turn the plans into a `tf.data.Dataset` of images and labels.
"""

import numpy as np

from ._tensorflow import tf
from ._validation import class_labels, non_negative_integer, positive_integer


def random_plan(count, batch_size, seed=0, epoch=0):
    """Return the batches of one epoch of random sampling, as indices.

    Each image occurs at most once. The last, partial batch is left out: other images each epoch.

    Args:
        count: Number of images.
        batch_size: Images a batch.
        seed: Non-negative integer.
        epoch: Epoch number, from 0; each has another order.

    Returns:
        An `int64` array of shape `(steps, batch_size)` with `steps = count // batch_size`.

    Raises:
        TypeError: If an argument is not an integer.
        ValueError: If the batch is larger than the data, or an argument is out of range.

    Example:

    >>> random_plan(5, 2, seed=0, epoch=0).shape
    (2, 2)
    """
    steps = _random_steps(count, batch_size)
    return _generator(seed, epoch).permutation(count)[: steps * batch_size].reshape(steps, -1)


def pk_plan(labels, classes_per_batch, images_per_class, seed=0, epoch=0):
    """Return the batches of one epoch of P x K sampling, as indices.

    Each batch holds P different classes and K different images of each, class after class, so every
    anchor has K - 1 positives and (P - 1) K negatives. Classes are dealt in shuffled rounds: in an
    epoch every class occurs, and no class is in two batches more than another. A class's images are
    dealt in shuffled rounds too: none comes again before all the others have come.

    An epoch has as many batches as the data fill, `len(labels) // (P * K)`, or as many as it takes
    to cover all classes if that is more. Where classes differ in size, small ones are therefore
    seen more often an image, and large ones not entirely.

    Args:
        labels: Class of each image, integers of shape `(N,)` or `(N, 1)`.
        classes_per_batch: P; at 1 there are no negatives, and so no triplets.
        images_per_class: K; at 1 there are no positives, and so no triplets.
        seed: Non-negative integer.
        epoch: Epoch number, from 0; each has another order.

    Returns:
        An `int64` array of shape `(steps, P * K)`.

    Raises:
        TypeError: If P, K, the seed or the epoch is not an integer.
        ValueError: If there are fewer classes than P, a class has fewer images than K, or the
            labels are not one integer an image.

    Example:

    >>> labels = np.array([0, 0, 1, 1, 2, 2])
    >>> labels[pk_plan(labels, 2, 2)].shape
    (2, 4)

    Reference:

    - Hermans, Beyer and Leibe, *In Defense of the Triplet Loss for Person Re-Identification*,
      2017, section 2, https://arxiv.org/abs/1703.07737
    """
    members = _members(class_labels(labels), classes_per_batch, images_per_class)
    return _pk_plan(members, classes_per_batch, images_per_class, seed, epoch)


def random_batches(images, labels, batch_size, *, seed=0, epochs=1, first_epoch=0, first_step=0):
    """Return random batches as a dataset: epoch after epoch of `random_plan`.

    The dataset runs through all epochs once and knows its length. To let Keras count epochs, say
    how long one is; without `steps_per_epoch`, Keras would start the dataset anew for each of its
    epochs and see the same order again:

    ```python
    dataset = random_batches(images, labels, 64, seed=0, epochs=5)
    network.fit(dataset, epochs=5, steps_per_epoch=len(labels) // 64, shuffle=False)
    ```

    To go on where a training stopped, repeat the call with the position of the next batch.

    Args:
        images: Array of shape `(N, …)`; its dtype is kept.
        labels: Class of each image, integers of shape `(N,)` or `(N, 1)`.
        batch_size: Images a batch; a last, partial one is left out.
        seed: Non-negative integer.
        epochs: Number of epochs of the whole training, counted from epoch 0.
        first_epoch: Epoch of the first batch, less than `epochs`.
        first_step: Step of the first batch within that epoch.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`, shapes `(batch_size, …)` and `(batch_size,)`,
        labels in `int64`. Its cardinality is the number of batches left.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If images and labels differ in length, the batch is larger than the data, or the
            first batch lies beyond the last one.
    """
    labels = class_labels(labels, len(images), of="images")
    shape = (_random_steps(len(labels), batch_size), batch_size)

    def plan(epoch):
        return random_plan(len(labels), batch_size, seed, epoch)

    return _batches(images, labels, plan, shape, seed, epochs, first_epoch, first_step)


def pk_batches(
    images,
    labels,
    classes_per_batch,
    images_per_class,
    *,
    seed=0,
    epochs=1,
    first_epoch=0,
    first_step=0,
):
    """Return batches of P classes x K images as a dataset: epoch after epoch of `pk_plan`.

    Epochs, resuming and the use with Keras are as in `random_batches`; an epoch has
    `len(pk_plan(labels, classes_per_batch, images_per_class))` steps.

    Args:
        images: Array of shape `(N, …)`; its dtype is kept.
        labels: Class of each image, integers of shape `(N,)` or `(N, 1)`.
        classes_per_batch: P, as in `pk_plan`.
        images_per_class: K, as in `pk_plan`.
        seed: Non-negative integer.
        epochs: Number of epochs of the whole training, counted from epoch 0.
        first_epoch: Epoch of the first batch, less than `epochs`.
        first_step: Step of the first batch within that epoch.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`, shapes `(P * K, …)` and `(P * K,)`, labels in
        `int64`. Its cardinality is the number of batches left.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If images and labels differ in length, there are fewer classes than P, a class
            has fewer images than K, or the first batch lies beyond the last one.
    """
    labels = class_labels(labels, len(images), of="images")
    members = _members(labels, classes_per_batch, images_per_class)
    steps = _pk_steps(members, classes_per_batch, images_per_class)
    shape = (steps, classes_per_batch * images_per_class)

    def plan(epoch):
        return _pk_plan(members, classes_per_batch, images_per_class, seed, epoch)

    return _batches(images, labels, plan, shape, seed, epochs, first_epoch, first_step)


def _generator(seed, epoch):
    return np.random.default_rng(
        [non_negative_integer(seed, "seed"), non_negative_integer(epoch, "epoch")]
    )


def _random_steps(count, batch_size):
    count = positive_integer(count, "count")
    batch_size = positive_integer(batch_size, "batch_size")
    if batch_size > count:
        raise ValueError(f"batch_size must be at most the {count} images, got {batch_size}.")
    return count // batch_size


def _members(labels, classes_per_batch, images_per_class):
    """Return one array of image indices a class, having checked that P and K can be met."""
    classes_per_batch = positive_integer(classes_per_batch, "classes_per_batch")
    images_per_class = positive_integer(images_per_class, "images_per_class")
    classes, counts = np.unique(labels, return_counts=True)
    if classes_per_batch > len(classes):
        raise ValueError(
            f"classes_per_batch must be at most the number of classes, {len(classes)}, got "
            f"{classes_per_batch}."
        )
    too_small = np.flatnonzero(counts < images_per_class)
    if too_small.size:
        named = ", ".join(f"class {classes[i]} has {counts[i]}" for i in too_small[:5])
        more = f" and {too_small.size - 5} more have too few" if too_small.size > 5 else ""
        raise ValueError(
            f"Every class needs at least images_per_class={images_per_class} images, but "
            f"{named}{more}."
        )
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])


def _pk_steps(members, classes_per_batch, images_per_class):
    images = sum(map(len, members))
    # Rounded up: the batches it takes until every class has come once.
    covering = -(-len(members) // classes_per_batch)
    return max(images // (classes_per_batch * images_per_class), covering)


def _pk_plan(members, classes_per_batch, images_per_class, seed, epoch):
    generator = _generator(seed, epoch)
    steps = _pk_steps(members, classes_per_batch, images_per_class)
    classes = _deal(len(members), steps, classes_per_batch, generator)
    plan = np.empty((*classes.shape, images_per_class), np.int64)
    # The places of each class, in order of class: sorted once rather than searched for each class.
    places = np.argsort(classes, axis=None, kind="stable")
    counts = np.bincount(classes.ravel(), minlength=len(members))
    for images, where in zip(members, np.split(places, np.cumsum(counts)[:-1]), strict=True):
        hands = _deal(len(images), len(where), images_per_class, generator)
        plan.reshape(-1, images_per_class)[where] = images[hands]
    return plan.reshape(steps, -1)


def _deal(cards, hands, hand_size, generator):
    """Deal numbered cards from shuffled decks, one deck after another, no hand with a card twice.

    Every card is dealt once from a deck before the next deck starts, so how often two cards occur
    differs by at most one. A hand that takes the rest of one deck and the start of the next could
    get a card twice; there, the start of the new deck is drawn from the cards not in that rest.

    Returns:
        An `int64` array of shape `(hands, hand_size)`, numbers from 0 to `cards - 1`.
    """
    decks = np.empty((-(-hands * hand_size // cards), cards), np.int64)
    decks[:] = np.arange(cards)
    decks = generator.permuted(decks, axis=1)
    for number in range(1, len(decks)):
        rest = number * cards % hand_size
        if rest:
            _move_back(decks[number], decks[number - 1, -rest:], hand_size - rest)
    return decks.ravel()[: hands * hand_size].reshape(hands, hand_size)


def _move_back(deck, barred, head):
    """Reorder `deck` in place so that none of `barred` is among its first `head` cards."""
    is_barred = np.zeros(len(deck), bool)
    is_barred[barred] = True
    allowed = np.flatnonzero(~is_barred[deck])[:head]
    in_head = np.zeros(len(deck), bool)
    in_head[allowed] = True
    # The others keep their order, which is random, so the deck is as well shuffled as it can be.
    deck[:] = np.concatenate([deck[allowed], deck[~in_head]])


def _batches(images, labels, plan, shape, seed, epochs, first_epoch, first_step):
    """Return the dataset of what `plan(epoch)` lists: indices, `shape` (steps, batch size)."""
    steps, _ = shape
    epochs = positive_integer(epochs, "epochs")
    non_negative_integer(seed, "seed")
    first_epoch = non_negative_integer(first_epoch, "first_epoch")
    first_step = non_negative_integer(first_step, "first_step")
    if first_epoch >= epochs or first_step >= steps:
        raise ValueError(
            f"The first batch must lie within {epochs} epochs of {steps} steps, counted from 0, "
            f"got first_epoch={first_epoch} and first_step={first_step}."
        )
    # Beside the pipeline, which runs on the CPU: elsewhere each batch would be copied back first.
    with tf.device("CPU:0"):
        images = tf.convert_to_tensor(images)
        labels = tf.convert_to_tensor(labels)

    def indices_of(epoch):
        # One call into Python an epoch; all else is TensorFlow's own threads.
        indices = tf.numpy_function(lambda number: plan(int(number)), [epoch], tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(indices, shape))

    def gather(indices):
        return tf.gather(images, indices), tf.gather(labels, indices)

    batches_left = (epochs - first_epoch) * steps - first_step
    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(indices_of)
        .skip(first_step)
        .map(gather)
        .apply(tf.data.experimental.assert_cardinality(batches_left))
        .prefetch(tf.data.AUTOTUNE)
    )
