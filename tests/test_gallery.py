import numpy as np
import pytest

from tripletviz.evaluation import nearest_neighbors
from tripletviz.gallery import UNKNOWN, Gallery, GalleryError, fingerprint


class Network:
    """What a fingerprint asks of a network."""

    def __init__(self, weights=(1.0, 2.0), **config):
        self.weights, self.config = weights, config

    def get_config(self):
        return {"name": "net", **self.config}

    def get_weights(self):
        return [np.array(self.weights, np.float32)]


@pytest.fixture
def gallery(rng):
    return Gallery(
        rng.normal(size=(12, 4)),
        np.arange(12) % 3,
        ["cup", "key", "shoe\0"],
        [f"{i}.png" for i in range(12)],
        made_by=fingerprint(Network()),
    )


def test_a_query_is_answered_exactly_and_in_order(gallery, rng):
    queries = rng.normal(size=(5, 4))
    found = gallery.query(queries, k=4)
    distances, indices = nearest_neighbors(queries.astype(np.float32), gallery.embeddings, 4)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.distances, distances)
    np.testing.assert_array_equal(found.labels, gallery.labels[indices])


def test_an_item_finds_itself_at_distance_0(gallery):
    found = gallery.query(gallery.embeddings)
    assert found.indices[:, 0].tolist() == list(range(12))
    assert not found.distances.any()


def test_equally_far_items_come_in_their_order():
    gallery = Gallery([[1.0], [-1.0], [1.0]], [0, 1, 2])
    assert gallery.query([[0.0]], k=3).indices.tolist() == [[0, 1, 2]]


def test_far_queries_are_unknown_and_the_threshold_itself_is_near():
    gallery = Gallery([[0.0], [10.0]], [0, 1])
    queries = [[1.0], [7.0], [-4.0]]
    assert gallery.recognise(queries).tolist() == [0, 1, 0]
    assert gallery.recognise(queries, threshold=3).tolist() == [0, 1, UNKNOWN]
    assert gallery.recognise(queries, threshold=0.5).tolist() == [UNKNOWN] * 3


def test_a_class_is_added_and_the_old_gallery_stays(gallery):
    larger = gallery.with_items(np.full((2, 4), 9.0), "bell")
    assert larger.class_names == ("cup", "key", "shoe\0", "bell")
    assert larger.recognise([[9.0] * 4]).tolist() == [3]
    assert larger.items[-2:] == ("12", "13")
    assert larger.made_by == gallery.made_by
    assert len(gallery) == 12
    assert gallery.class_names == ("cup", "key", "shoe\0")
    assert gallery.with_items(np.zeros((1, 4)), "key").labels[-1] == 1
    with pytest.raises(ValueError, match="4 dimensions"):
        gallery.with_items(np.zeros((1, 3)), "key")


def test_it_cannot_be_changed_by_accident(gallery):
    with pytest.raises(ValueError, match="read-only"):
        gallery.embeddings[0] = 0


@pytest.mark.parametrize("name", ["gallery.npz", "gallery", "my.gallery"])
def test_what_is_saved_comes_back(gallery, tmp_path, rng, name):
    path = gallery.save(tmp_path / name)
    assert path.suffix == ".npz"
    again = Gallery.load(path, Network())
    assert again.class_names == gallery.class_names
    assert again.items == gallery.items
    assert (again.made_by, again.metric) == (gallery.made_by, gallery.metric)
    np.testing.assert_array_equal(again.embeddings, gallery.embeddings)
    np.testing.assert_array_equal(again.labels, gallery.labels)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_another_network_is_refused(gallery, tmp_path):
    path = gallery.save(tmp_path / "gallery")
    for other in (Network((1.0, 2.1)), Network(normalize=True)):
        with pytest.raises(GalleryError, match="made by another network"):
            Gallery.load(path, other)
    nobody = Gallery([[0.0]], [0]).save(tmp_path / "nobody")
    Gallery.load(nobody)
    with pytest.raises(GalleryError, match="does not say"):
        Gallery.load(nobody, Network())


def test_what_is_no_gallery_is_refused(gallery, tmp_path):
    path = gallery.save(tmp_path / "gallery")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(GalleryError, match="damaged"):
        Gallery.load(path)
    np.savez(tmp_path / "other.npz", embeddings=np.array([object()]), labels=[0], texts=[0])
    with pytest.raises(GalleryError, match="no gallery"):
        Gallery.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        Gallery.load(tmp_path / "nothing.npz")


def test_an_interrupted_save_leaves_the_old_file(gallery, tmp_path, monkeypatch):
    path = gallery.save(tmp_path / "gallery")
    before = path.read_bytes()

    def killed(partial, **arrays):
        partial.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", killed)
    with pytest.raises(KeyboardInterrupt):
        gallery.with_items(np.zeros((1, 4)), "x").save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[np.nan]], [0]), "finite"),
        (([[0.0]], [0, 1]), "same length"),
        (([[0.0]], [-1]), "0 or more"),
        (([[0.0]], [1], ["a"]), "below the number of class names"),
        (([[0.0]], [0], ["a"], ["x", "y"]), "items must be one an embedding"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gallery(*arguments)


def test_a_fingerprint_outlives_saving_and_notices_training(tmp_path):
    from tripletviz._tensorflow import keras
    from tripletviz.networks import conv_net

    network = conv_net(image_shape=(8, 8), channels=2, embedding_size=2)
    before = fingerprint(network)
    network.save(tmp_path / "net.keras")
    assert fingerprint(keras.saving.load_model(tmp_path / "net.keras")) == before
    network.get_layer("embedding").bias.assign_add([0.0, 1e-6])
    assert fingerprint(network) != before
    plain, unit = (
        conv_net(image_shape=(8, 8), channels=2, embedding_size=2, normalize=n)
        for n in (False, True)
    )
    assert fingerprint(plain) != fingerprint(unit)
