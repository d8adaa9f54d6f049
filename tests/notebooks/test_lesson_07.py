"""What lesson 07 says of its pictures, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks


@pytest.fixture
def records(executed):
    return read_records(nbformat.read(executed("07-visualize-embeddings.ipynb"), as_version=4))


def test_classes_lie_about_equally_far_apart_and_span_nine_dimensions(records):
    assert 1 < records["largest over smallest distance of two classes"] < 2
    assert records["share of the variance in two directions"] < 0.6
    assert records["share of the variance in nine directions"] > 0.97


def test_a_shadow_never_lengthens(records):
    assert records["largest ratio of drawn to true distance"] <= 1
    assert records["pairs drawn at less than half their distance"] > 0.15


def test_tsne_keeps_more_neighbours_than_pca_and_both_more_than_chance(records):
    for measure in ("neighbours kept", "trustworthiness"):
        chance, pca, tsne = (
            records[f"{measure}, {name}"] for name in ("strewn at random", "PCA", "t-SNE")
        )
        assert chance + 0.1 < pca < tsne < 1
    assert records["neighbours kept, strewn at random"] < 0.06
    assert records["trustworthiness, strewn at random"] == pytest.approx(0.5, abs=0.05)


def test_tsne_loses_sizes_and_gaps(records):
    assert records["width of group 2 in the data"] == pytest.approx(5, abs=0.4)
    assert records["width of group 2 as drawn"] < 1.5
    assert records["ratio of the gaps as drawn"] < 1.6  # 4 in the data


def test_noise_is_less_trustworthy_than_digits(records):
    noise = [value for name, value in records.items() if name.startswith("trustworthiness of no")]
    assert len(noise) == 5
    assert max(noise) < records["trustworthiness, t-SNE"] - 0.05


def test_a_picture_of_a_good_embedding_can_look_bad(records):
    assert records["R@1 untrained, embedding"] < records["R@1 trained, embedding"] - 0.2
    assert records["R@1 PCA, picture"] < records["R@1 trained, picture"] - 0.1
    assert records["R@1 untrained, picture"] > 0.3  # ten classes: chance is 0.1


def test_the_projector_gets_its_files(records):
    assert records["files for the projector"] == 4
