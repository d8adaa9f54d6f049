import numpy as np
import pytest

from tripletviz.gallery import Gallery, GalleryError, fingerprint
from tripletviz.lessons import image_search


class Network:
    """Its embedding of an image is the mean of its rows."""

    def __init__(self, weight=1.0):
        self.weight = np.float32(weight)

    def __call__(self, images, training):
        assert training is False
        return images.mean(axis=2) * self.weight

    def get_config(self):
        return {"name": "means"}

    def get_weights(self):
        return [np.array([self.weight])]


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(20, 8, 8), dtype=np.uint8)


@pytest.fixture
def gallery(images):
    network = Network()
    embeddings = network(images, training=False)
    names = ["cup", "key"]
    return Gallery(embeddings, np.arange(20) % 2, names, made_by=fingerprint(network))


def test_a_query_is_embedded_and_answered_by_the_gallery(gallery, images):
    widget = image_search(Network(), gallery, images, k=3)
    widget.ask(images[7])
    found = gallery.query(Network()(images[[7]], training=False), k=3)
    assert [each["index"] for each in widget._answer["items"]] == found.indices[0].tolist()
    assert widget._answer["items"][0]["index"] == 7
    assert widget._answer["items"][0]["name"] == "key"
    assert not widget._answer["failed"]


def test_ready_made_pictures_are_answered_before_anybody_asks(gallery, images):
    widget = image_search(Network(), gallery, images, presets=images[4:6], k=2, threshold=1.0)
    first, second = widget._preset_answers
    assert (first["items"][0]["index"], second["items"][0]["index"]) == (4, 5)
    assert "known" in first["verdict"]


def test_a_small_gallery_shows_all_it_has(gallery, images):
    small = Gallery(gallery.embeddings[:3], [0, 1, 0])
    widget = image_search(Network(), small, images[:3])
    widget.ask(images[0])
    assert len(widget._answer["items"]) == 3


def test_another_network_and_other_pictures_are_refused(gallery, images):
    with pytest.raises(GalleryError, match="another network"):
        image_search(Network(2.0), gallery, images)
    with pytest.raises(ValueError, match="one an item of the gallery, got 19 for 20"):
        image_search(Network(), gallery, images[1:])
