"""What `ConfusionExplorer` takes, refuses and sends. How it behaves is in `tests/browser`."""

from types import SimpleNamespace

import numpy as np
import pytest
import traitlets
from sklearn.metrics import accuracy_score, confusion_matrix

from tripletviz.widgets import ConfusionExplorer

ITEMS = 60


@pytest.fixture
def data():
    generator = np.random.default_rng(3)
    labels = np.array([2, 5, 11])[np.arange(ITEMS) % 3]
    errors = generator.random((2, ITEMS)) < [[0.3], [0.6]]
    guesses = generator.choice([2, 5, 7, 11], (2, ITEMS))  # nothing is of class 7
    near, far = np.where(errors, guesses, labels)
    return {
        "images": generator.integers(0, 256, (ITEMS, 6, 6)).astype(np.uint8),
        "labels": labels,
        "predictions": {"near": near, "far": far},
    }


@pytest.fixture
def explorer(data):
    return ConfusionExplorer(**data)


ONES = np.ones(ITEMS, int)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": np.zeros((ITEMS, 1), int)}, r"shape \(images,\), .* got shape \(60, 1\)\."),
        ({"labels": []}, r"at least one image, got shape \(0,\)\."),
        ({"labels": 3}, r"got shape \(\)\."),
        ({"labels": np.zeros(ITEMS)}, r"^`labels` must be integers, got dtype float64\.$"),
        ({"labels": ONES == 1}, "must be integers, got dtype bool"),
        ({"labels": ONES[:59]}, r"`images` must have shape \(59, .* got shape \(60, 6, 6\)\."),
        ({"images": np.zeros((ITEMS, 6), np.uint8)}, r"got shape \(60, 6\)"),
        ({"images": np.zeros((ITEMS, 6, 6))}, "must be uint8 from 0 to 255, got dtype float64"),
        ({"predictions": {}}, "of each method to its predicted classes, at least one, got none"),
        ({"predictions": ONES}, "must be a mapping .* got ndarray"),
        (
            {"predictions": {"a": ONES[:-1]}},
            r"^`predictions\['a'\]` must have one entry for every item of `labels`, "
            r"got shape \(59,\) for 60\.$",
        ),
        ({"predictions": {"a": np.eye(ITEMS, dtype=int)}}, r"got shape \(60, 60\) for 60"),
        (
            {"predictions": {"a": ONES, "b": np.ones(ITEMS)}},
            r"^`predictions\['b'\]` must hold integers, got dtype float64\.$",
        ),
        ({"predictions": {"": ONES}}, r"^a name in `predictions` must not be empty\.$"),
        ({"predictions": {"a": ONES, " ": ONES}}, r"^a name in `predictions` must not be empty"),
        ({"class_names": ["a", "b"]}, "got 2 names and labels from 2 to 11"),
        ({"class_names": [*"abcdefghijk", ""]}, r"^a name in `class_names` must not be empty\.$"),
        (
            {"labels": ONES, "predictions": {"a": ONES}},
            "^`labels` and `predictions` must hold 2 to 26 classes together, got 1\\.$",
        ),
        ({"predictions": {"a": np.arange(ITEMS)}}, "2 to 26 classes together, got 60"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, message):
    given = data | changed
    if "labels" in changed and "predictions" not in changed and "shape" in message:
        given["predictions"] = {"a": np.ones(np.shape(changed["labels"])[:1], int)}
    with pytest.raises(ValueError, match=message):
        ConfusionExplorer(**given)


def test_names_that_are_no_text_are_refused(data):
    with pytest.raises(TypeError, match=r"a name in `predictions` must be a string, got 1"):
        ConfusionExplorer(**data | {"predictions": {1: ONES}})


def test_above_a_thousand_pictures_are_to_be_left_out():
    labels = np.arange(1001) % 2
    with pytest.raises(ValueError, match="1000 points at most, got 1001: leave them out"):
        ConfusionExplorer(np.zeros((1001, 2, 2), np.uint8), labels, {"a": labels})
    explorer = ConfusionExplorer(None, labels, {"a": labels})
    assert explorer._sprite == b""


def sent(explorer):
    """The labels, and the predictions of each method, as they reach the browser."""
    present = np.array([each["label"] for each in explorer._classes])
    class_of = np.frombuffer(explorer._class_of, "<i4")
    predicted = np.frombuffer(explorer._predicted, "<i4").reshape(len(explorer._names), -1)
    return present[class_of], present[predicted]


def test_sends_what_it_was_given(data, explorer):
    labels, predictions = sent(explorer)
    np.testing.assert_array_equal(labels, data["labels"])
    np.testing.assert_array_equal(predictions, list(data["predictions"].values()))
    assert explorer._names == ["near", "far"]
    assert [each["label"] for each in explorer._classes] == [2, 5, 7, 11]
    assert explorer._sprite_layout == {"height": 6, "width": 6, "columns": 8}


@pytest.mark.parametrize(
    "types", [("u1", "i8"), ("i2", "u8"), ("u8", "i8")], ids=lambda types: "-".join(types)
)
def test_integers_of_any_type_stay_what_they_are(types):
    high = 2**53 + 1 if "8" in types[0] + types[1] and types[0] != "u1" else 200
    high = min(high, np.iinfo(types[0]).max)
    labels = np.array([3, high, 3, high], types[0])
    explorer = ConfusionExplorer(None, labels, {"a": labels.astype(types[1])})
    assert [each["label"] for each in explorer._classes] == [3, high]
    assert explorer.accuracy() == 1


def test_negative_labels_are_classes_too():
    explorer = ConfusionExplorer(None, [-1, 0, 4], {"a": [-1, 4, 4]})
    assert explorer.selected_cell == [0, 4]


def test_confusions_and_accuracy_are_those_of_scikit_learn(data, explorer):
    present = [2, 5, 7, 11]
    for name, said in data["predictions"].items():
        matrix = confusion_matrix(data["labels"], said, labels=present)
        expected = {
            (present[t], present[p]): matrix[t, p]
            for t, p in np.argwhere(matrix)
            if present[t] != present[p]
        }
        confusions = explorer.confusions(name)
        assert {(t, p): n for t, p, n in confusions} == expected
        assert confusions == sorted(confusions, key=lambda each: (-each[2], each[:2]))
        assert explorer.accuracy(name) == accuracy_score(data["labels"], said)
    assert explorer.confusions() == explorer.confusions("near")
    assert explorer.accuracy() == explorer.accuracy("near")
    for ask in (explorer.confusions, explorer.accuracy):
        with pytest.raises(ValueError, match=r"one of \['near', 'far'\], got 'nearer'"):
            ask("nearer")


def test_starts_at_the_most_frequent_confusion_of_the_method_shown(data):
    for name in data["predictions"]:
        explorer = ConfusionExplorer(**data, shown_method=name)
        assert explorer.selected_cell == list(explorer.confusions(name)[0][:2])
        assert explorer.selected_image == -1
    faultless = ConfusionExplorer(None, [4, 7], {"a": [4, 7]})
    assert faultless.selected_cell == [4, 4]


def test_an_image_takes_its_cell_with_it(data, explorer):
    labels, near, far = data["labels"], data["predictions"]["near"], data["predictions"]["far"]
    elsewhere = (labels != explorer.selected_cell[0]) & (near != labels)
    image = np.flatnonzero(elsewhere & (near != far))[0]
    explorer.selected_image = image  # an integer of NumPy
    assert explorer.selected_cell == [labels[image], near[image]]
    assert explorer.selected_image == image
    started = ConfusionExplorer(**data, selected_image=int(image), shown_method="far")
    assert started.selected_cell == [labels[image], far[image]]
    assert started.selected_image == image


def test_a_cell_without_the_image_lets_it_go(data, explorer):
    labels, near, far = data["labels"], data["predictions"]["near"], data["predictions"]["far"]
    image = int(np.flatnonzero((near != far) & (near == labels))[0])
    explorer.selected_image = image
    explorer.selected_cell = (int(labels[image]), int(far[image]))
    assert explorer.selected_image == -1
    explorer.selected_image = image
    explorer.shown_method = "far"
    assert explorer.selected_image == -1, "the cell of one method does not hold it in another"
    explorer.shown_method = "near"
    explorer.selected_cell = [int(labels[image]), int(far[image])]
    explorer.subtracted_method = "far"
    explorer.selected_image = image
    assert explorer.selected_cell == [labels[image], far[image]], "it is the other method's image"
    explorer.subtracted_method = ""
    assert explorer.selected_image == -1


def test_a_method_is_not_subtracted_from_itself(explorer):
    explorer.subtracted_method = "far"
    explorer.shown_method = "far"
    assert explorer.subtracted_method == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("shown_method", "nearer", r"one of \['near', 'far'\], got 'nearer'"),
        ("subtracted_method", "near", r"one of \['far'\], or empty, got 'near'"),
        ("selected_cell", [7, 2], r"true labels \[2, 5, 11\] .* labels \[2, 5, 7, 11\], got \[7"),
        ("selected_cell", [2, 3], r"got \[2, 3\]"),
        ("selected_cell", [2], r"got \[2\]"),
        ("selected_cell", [2, 5, 7], r"got \[2, 5, 7\]"),
        ("selected_cell", [2.0, 5], r"got \[2\.0, 5\]"),
        ("selected_image", ITEMS, "one of the 60 images, or -1 for none, got 60"),
        ("selected_image", -2, "got -2"),
        ("selected_image", 1.5, "int"),
        ("unit", "share", "'count', 'percent'"),
    ],
)
def test_traits_refuse_what_makes_no_sense(explorer, name, value, message):
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_traits_in_the_constructor(data):
    explorer = ConfusionExplorer(
        **data, selected_cell=[11, 7], subtracted_method="far", unit="percent", title="Which?"
    )
    assert (explorer.selected_cell, explorer.subtracted_method) == ([11, 7], "far")
    assert (explorer.unit, explorer.title) == ("percent", "Which?")
    with pytest.raises(traitlets.TraitError, match="got 'nearer'"):
        ConfusionExplorer(**data, shown_method="nearer")
    with pytest.raises(traitlets.TraitError, match="got 60"):
        ConfusionExplorer(**data, selected_image=60)


def test_messages_of_the_browser_come_all_at_once(explorer):
    """The script sends both methods when they change places; neither order may be refused."""
    explorer.subtracted_method = "far"
    explorer.set_state({"shown_method": "far", "subtracted_method": "near"})
    assert (explorer.shown_method, explorer.subtracted_method) == ("far", "near")
    explorer.set_state({"subtracted_method": "far", "shown_method": "near"})
    assert (explorer.shown_method, explorer.subtracted_method) == ("near", "far")


def test_text_for_who_sees_no_widget():
    names = ["a|b", "two", "three", "4", "5", "6", "7"]
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    said = {"my *net*": np.array([0, 1, 1, 2, 0, 1, 2]), "oracle": labels}
    data = ConfusionExplorer(None, labels, said, class_names=names)._repr_mimebundle_()[0]
    assert data["text/plain"] == "ConfusionExplorer(7 images in 3 classes, by my *net*, oracle)"
    assert data["text/markdown"].splitlines() == [
        "**Confusions** of 7 images in 3 classes. Always the most frequent class: 0.571 right.",
        "",
        "| method | right | accuracy | most frequent confusions |",
        "| --- | --- | --- | --- |",
        r"| my \*net\* | 3 of 7 | 0.429 | a\|b taken for two: 2; a\|b taken for three: 1; "
        r"two taken for a\|b: 1 |",
        "| oracle | 7 of 7 | 1.000 | none |",
    ]


def test_the_text_lists_five_confusions_at_most():
    labels = np.arange(12) % 6
    explorer = ConfusionExplorer(None, labels, {"a": (labels + 1) % 6})
    assert explorer.to_markdown().splitlines()[-1].count("taken for") == 5


def test_a_published_notebook_keeps_the_text(explorer):
    data = explorer._repr_mimebundle_()[0]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/markdown"] == explorer.to_markdown()


def make_recording(steps):
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        steps=np.array(steps),
        embeddings=generator.normal(size=(len(steps), ITEMS, 3)).astype(np.float32),
        labels=np.arange(ITEMS) % 3,
        images=generator.integers(0, 256, (ITEMS, 4, 4)).astype(np.uint8),
    )


def test_a_recording_is_classified_by_the_nearest_other_item():
    recording = make_recording([0, 5, 9])
    explorer = ConfusionExplorer.from_recording(recording, subtracted_method="untrained")
    assert explorer._names == ["trained", "untrained", "raw pixels"]
    assert explorer.subtracted_method == "untrained"
    pixels = recording.images.reshape(ITEMS, -1).astype(float)
    for said, space in zip(sent(explorer)[1], (*recording.embeddings[[2, 0]], pixels), strict=True):
        distances = np.linalg.norm(space[:, np.newaxis] - space, axis=-1)
        np.fill_diagonal(distances, np.inf)
        np.testing.assert_array_equal(said, recording.labels[distances.argmin(axis=1)])


@pytest.mark.parametrize("steps", [[0], [5, 9]])
def test_a_recording_without_before_or_after_is_refused(steps):
    with pytest.raises(ValueError, match=r"a snapshot at step 0 and a later one, got"):
        ConfusionExplorer.from_recording(make_recording(steps))


def test_payload_stays_small():
    labels = np.arange(10_000) % 10
    explorer = ConfusionExplorer(None, labels, {"a": labels, "b": labels})
    assert len(explorer._class_of) + len(explorer._predicted) == 120_000
