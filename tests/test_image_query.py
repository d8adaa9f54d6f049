"""What `ImageQuery` takes, refuses, asks and sends. How it behaves is in `tests/browser`."""

import base64
import threading
from itertools import pairwise

import numpy as np
import pytest

from tripletviz.widgets import ImageQuery

N, K, SIZE = 12, 4, (10, 8)


@pytest.fixture
def data():
    generator = np.random.default_rng(2)
    images = generator.integers(0, 256, (N, *SIZE)).astype(np.uint8)
    images[:, [0, -1]] = images[:, :, [0, -1]] = 0
    return {
        "gallery_images": images,
        "gallery_labels": np.array([4, 4, 4, 8, 8, 8, 9, 9, 9, 9, 11, 3]),
        "k": K,
    }


@pytest.fixture
def widget(data):
    return ImageQuery(**data)


@pytest.fixture
def sent(widget, monkeypatch):
    """What the widget sends to its views, beside its traits."""
    messages = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: messages.append(content))
    return messages


def as_text(image):
    return base64.b64encode(image.tobytes()).decode("ascii")


def query(widget, number, image):
    """What a view sends when the reader has drawn."""
    content = {"type": "query", "number": number, "image": as_text(image)}
    widget._hear(widget, content, [])


def presets(count=2, size=SIZE):
    return np.zeros((count, *size), np.uint8)


ANSWERS = (
    np.array([[0, 1, 2, 3], [3, 0, 11, 6]]),
    np.array([[0.1, 0.2, 0.3, 0.3], [1, 2, 3, 4.0]]),
)


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"gallery_images": np.zeros((12, 80), "u1")}, ValueError, r"got shape \(12, 80\)"),
        (
            {"gallery_images": np.zeros((0, 10, 8), "u1")},
            ValueError,
            r"at least one .*\(0, 10, 8\)",
        ),
        ({"gallery_images": np.zeros((12, 10, 8))}, ValueError, "uint8 .* got dtype float64"),
        ({"gallery_images": np.zeros((12, 7, 8), "u1")}, ValueError, "8 to 256 .* got 7 x 8"),
        ({"gallery_images": np.zeros((12, 8, 257), "u1")}, ValueError, "got 8 x 257"),
        ({"gallery_labels": np.zeros(11, int)}, ValueError, r"got shape \(11,\) for 12"),
        ({"gallery_labels": np.zeros((12, 1), int)}, ValueError, r"got shape \(12, 1\) for 12"),
        ({"gallery_labels": np.zeros(12)}, ValueError, "must be integers, got dtype float64"),
        ({"class_names": ["a"] * 11}, ValueError, "got 11 names and labels from 3 to 11"),
        ({"k": 0}, ValueError, "`k` must be from 1 to 12, got 0"),
        ({"k": 13}, ValueError, "`k` must be from 1 to 12, got 13"),
        ({"k": 2.0}, TypeError, "`k` must be an integer, got 2.0"),
        ({"k": True}, TypeError, "`k` must be an integer, got True"),
        ({"threshold": 0}, ValueError, "`threshold` must be finite and above 0, got 0"),
        ({"threshold": float("nan")}, ValueError, "got nan"),
        ({"threshold": "0.8"}, TypeError, "`threshold` must be a number or None, got '0.8'"),
        ({"presets": presets(size=(8, 10))}, ValueError, r"\(pictures, 10, 8\).*\(2, 8, 10\)"),
        ({"presets": presets(0)}, ValueError, r"got shape \(0, 10, 8\)"),
        ({"presets": np.zeros((2, 10, 8))}, ValueError, "`presets` must be uint8 .* float64"),
        ({"presets": presets(31)}, ValueError, "`presets` must be 30 at most, got 31"),
        ({"preset_answers": ANSWERS}, ValueError, "`preset_answers` need `presets`"),
        ({"presets": presets(), "preset_answers": 5}, ValueError, r"arrays .* of shape \(2, 4\)"),
        (
            {"presets": presets(3), "preset_answers": ANSWERS},
            ValueError,
            r"of shape \(3, 4\), got shapes \(2, 4\) and \(2, 4\)",
        ),
        (
            {"presets": presets(), "preset_answers": (ANSWERS[0] + 9, ANSWERS[1])},
            ValueError,
            r"`preset_answers\[0\]\[0\]` must be from 0 to 11, got 9 to 12",
        ),
        (
            {"presets": presets(), "preset_answers": (ANSWERS[0], ANSWERS[1][:, ::-1])},
            ValueError,
            r"`preset_answers\[1\]\[0\]` must be sorted",
        ),
    ],
)
def test_refuses_what_does_not_fit(data, changed, error, message):
    with pytest.raises(error, match=message):
        ImageQuery(**(data | changed))


@pytest.mark.parametrize(
    ("indices", "distances", "message"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], r"`indices` must have shape \(4,\), got \(3,\)"),
        ([[0, 1, 2, 3]], [0.1, 0.2, 0.3, 0.4], r"`indices` .* got \(1, 4\)"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3], r"`distances` must have shape \(4,\), got \(3,\)"),
        ([0.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.4], "integers, got dtype float64"),
        ([0, 1, 2, 12], [0.1, 0.2, 0.3, 0.4], "from 0 to 11, got 0 to 12"),
        ([-1, 1, 2, 3], [0.1, 0.2, 0.3, 0.4], "from 0 to 11, got -1 to 3"),
        ([0, 1, 2, 2], [0.1, 0.2, 0.3, 0.4], r"distinct, got \[0, 1, 2, 2\]"),
        ([0, 1, 2, 3], [1, 2, 3, 4], "finite floats, .* of dtype int64"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, np.inf], "finite floats"),
        ([0, 1, 2, 3], [0.1, np.nan, 0.3, 0.4], "finite floats"),
        ([0, 1, 2, 3], [0.1, 0.3, 0.2, 0.4], "sorted, the nearest first"),
    ],
)
def test_refuses_an_answer_that_makes_no_sense(widget, indices, distances, message):
    widget.on_query(lambda widget, image: widget.report("waiting"))
    widget.ask(np.zeros(SIZE, np.uint8))
    with pytest.raises(ValueError, match=message):
        widget.show_answer(indices, distances)
    assert "items" not in widget._answer


def test_refuses_an_answer_without_a_question(widget):
    with pytest.raises(RuntimeError, match="no query to answer"):
        widget.show_answer([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(RuntimeError, match="no query to answer"):
        widget.report("too early")
    with pytest.raises(RuntimeError, match="nobody answers"):
        widget.ask(np.zeros(SIZE, np.uint8))
    with pytest.raises(TypeError, match="must be a function, got 3"):
        widget.on_query(3)
    assert widget.image is None


@pytest.mark.parametrize("image", [np.zeros(SIZE), np.zeros((8, 10), "u1"), np.zeros((1, 10, 8))])
def test_refuses_to_ask_with_another_picture(widget, image):
    widget.on_query(lambda widget, image: None)
    with pytest.raises(ValueError, match=r"`image` must be uint8 of shape \(10, 8\)"):
        widget.ask(image)


# ---------------------------------------------------------------- asking and answering


def test_a_query_goes_to_the_callback_and_its_answer_back(data, widget, sent):
    seen = []

    def answer(given, image):
        seen.append((given, image))
        given.report("3 ms\nin all")
        given.show_answer([11, 0, 3, 1], np.array([0.25, 0.5, 0.5, 12.345], np.float32))

    widget.on_query(answer)
    image = data["gallery_images"][5]
    query(widget, "a-7", image)
    [(given, got)] = seen
    assert given is widget
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, image)
    np.testing.assert_array_equal(widget.image, image)
    shown = widget._answer
    assert (shown["number"], shown["image"]) == ("a-7", as_text(image))
    assert shown["report"] == "3 ms in all"
    assert [item["index"] for item in shown["items"]] == [11, 0, 3, 1]
    assert [item["name"] for item in shown["items"]] == ["3", "4", "8", "4"]
    assert [item["distance"] for item in shown["items"]] == ["0.250", "0.500", "0.500", "12.3"]
    assert shown["pictures"] == as_text(data["gallery_images"][[11, 0, 3, 1]])
    assert not shown["failed"]
    assert sent == [
        {"type": "alive", "answers": True},
        {"type": "started", "number": "a-7"},
        {"type": "answered", "number": "a-7"},
    ]


def test_nothing_of_one_answer_is_left_in_the_next(widget):
    def answer(widget, image):
        if image[0, 0]:
            widget.report("bright")
        widget.show_answer([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4])

    widget.on_query(answer)
    query(widget, "a-1", np.full(SIZE, 255, np.uint8))
    assert widget._answer["report"] == "bright"
    query(widget, "a-2", np.zeros(SIZE, np.uint8))
    assert widget._answer["number"] == "a-2"
    assert "report" not in widget._answer


def test_an_answer_can_be_given_twice(widget):
    def answer(widget, image):
        widget.show_answer([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4])
        widget.show_answer([6, 7, 8, 9], [0.1, 0.2, 0.3, 0.4])

    widget.on_query(answer)
    widget.ask(np.zeros(SIZE, np.uint8))
    assert widget._answer["vote"] == "4 of 4 neighbours are a 9; nearest: 9 at 0.100."


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (lambda widget, image: 1 / 0, "No answer. ZeroDivisionError: division by zero"),
        (lambda widget, image: widget.show_answer([0], [1.0]), "No answer. ValueError: `indices`"),
        (lambda widget, image: None, "No answer: the callback did not call `show_answer`."),
    ],
)
def test_what_goes_wrong_in_a_callback_is_shown(widget, sent, callback, words):
    widget.on_query(callback)
    query(widget, "a-1", np.zeros(SIZE, np.uint8))
    assert widget._answer["failed"].startswith(words)
    assert sent[-1] == {"type": "answered", "number": "a-1"}
    widget.on_query(lambda widget, image: widget.show_answer([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4]))
    query(widget, "a-2", np.zeros(SIZE, np.uint8))
    assert not widget._answer["failed"]


def test_an_interrupted_callback_is_no_end(widget):
    def interrupt(widget, image):
        raise KeyboardInterrupt

    widget.on_query(interrupt)
    widget.ask(np.zeros(SIZE, np.uint8))
    assert widget._answer["failed"] == "No answer: it was interrupted."


def test_a_report_alone_is_an_answer(widget):
    widget.on_query(lambda widget, image: widget.report("Nothing is drawn."))
    widget.ask(np.zeros(SIZE, np.uint8))
    assert widget._answer["report"] == "Nothing is drawn."
    assert "failed" not in widget._answer


def test_views_hear_whether_somebody_answers(widget, sent):
    widget._hear(widget, {"type": "hello"}, [])
    query(widget, "a-1", np.zeros(SIZE, np.uint8))  # nobody is there
    widget.on_query(lambda widget, image: None)
    widget._hear(widget, {"type": "hello"}, [])
    assert [message["answers"] for message in sent] == [False, True, True]


@pytest.mark.parametrize("image", [None, 5, "%%%", "AAAA"])
def test_a_query_that_is_no_picture_is_left_alone(widget, sent, image):
    widget.on_query(lambda widget, image: pytest.fail("called"))
    widget._hear(widget, {"type": "query", "number": "a-1", "image": image}, [])
    assert widget._answer == {}
    assert sent[-1] == {"type": "answered", "number": "a-1"}, "the view would wait for ever"


def test_what_python_asks_has_numbers_of_its_own(widget):
    widget.on_query(lambda widget, image: widget.report("heard"))
    numbers = []
    for _ in range(2):
        widget.ask(np.zeros(SIZE, np.uint8))
        numbers.append(widget._answer["number"])
    assert numbers == ["python-1", "python-2"]


# ---------------------------------------------------------------- answers that are late

SHOWN = ([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4])


def in_a_thread(work):
    """What `work` raised in a thread of its own, or None; returns when it has ended."""
    raised = []

    def run():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return raised[0] if raised else None


@pytest.fixture
def asked(widget):
    """Two queries whose callback leaves the answer to others; the numbers it was told."""
    numbers = []

    def answer(widget, image):
        numbers.append(widget.query)
        widget.report("I look it up ...")

    widget.on_query(answer)
    for number in ("a-1", "b-1"):
        query(widget, number, np.zeros(SIZE, np.uint8))
    return numbers


def test_queries_are_numbered(widget, asked):
    assert asked == [1, 2]
    assert widget.query == 2


def test_before_the_first_query_the_number_is_0(widget):
    assert widget.query == 0


def test_an_answer_that_is_late_is_dropped(widget, asked):
    before = widget._answer
    assert in_a_thread(lambda: widget.show_answer(*SHOWN, query=asked[0])) is None
    assert in_a_thread(lambda: widget.report("found it", query=asked[0])) is None
    assert widget._answer == before, "it was credited to a newer query"
    assert in_a_thread(lambda: widget.show_answer(*SHOWN, query=asked[1])) is None
    assert widget._answer["number"] == "b-1"
    assert widget._answer["vote"].startswith("3 of 4 neighbours are a 4")


def test_a_thread_has_to_say_what_it_answers(widget, asked):
    before = widget._answer
    for work in (lambda: widget.show_answer(*SHOWN), lambda: widget.report("found it")):
        error = in_a_thread(work)
        assert isinstance(error, RuntimeError)
        assert "give it, `show_answer(..., query=query)`" in str(error)
    assert widget._answer == before


def test_a_callback_that_a_newer_query_overtook_changes_nothing(widget):
    """As where the kernel hears messages in several threads."""
    first_waits, go_on = threading.Event(), threading.Event()
    seen = []

    def answer(widget, image):
        if widget.query == 1:
            first_waits.set()
            go_on.wait(60)
        seen.append(widget.query)
        widget.show_answer([widget.query, 6, 7, 8], [0.1, 0.2, 0.3, 0.4])
        seen.append("came back")

    widget.on_query(answer)
    image = np.zeros(SIZE, np.uint8)
    first = threading.Thread(target=query, args=(widget, "a-1", image))
    first.start()
    assert first_waits.wait(60)
    query(widget, "b-1", image)
    shown = widget._answer
    go_on.set()
    first.join(60)
    assert seen == [2, "came back", 1, "came back"]
    assert widget._answer == shown
    assert (shown["number"], shown["failed"]) == ("b-1", "")
    assert shown["items"][0]["index"] == 2


def test_a_query_within_a_callback_takes_the_place_of_its_own(widget):
    seen = []

    def answer(widget, image):
        if widget.query == 1:
            widget.ask(image)
        seen.append(widget.query)
        widget.show_answer([widget.query, 6, 7, 8], [0.1, 0.2, 0.3, 0.4])

    widget.on_query(answer)
    widget.ask(np.zeros(SIZE, np.uint8))
    assert seen == [2, 1]
    assert widget._answer["number"] == "python-2"
    assert widget._answer["items"][0]["index"] == 2


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("indices", "vote"),
    [
        ([3, 4, 0, 5], "3 of 4 neighbours are an 8; nearest: 8 at 0.310."),
        ([11, 0, 1, 3], "2 of 4 neighbours are a 4; nearest: 3 at 0.310."),
        ([6, 3, 7, 4], "A tie: 2 of 4 neighbours each are a 9 or an 8; nearest: 9 at 0.310."),
        ([11, 0, 3, 6], "No class has more than 1 of 4 neighbours; nearest: 3 at 0.310."),
    ],
)
def test_the_vote_in_words(widget, indices, vote):
    described = widget._describe(np.array(indices), np.array([0.31, 0.5, 0.6, 0.7]))
    assert described["vote"] == vote
    counts = np.bincount(widget._labels[indices])
    wins = [item["wins"] for item in described["items"]]
    np.testing.assert_array_equal(wins, counts[widget._labels[indices]] == counts.max())


def test_the_vote_of_few(data):
    one = ImageQuery(**(data | {"k": 1}))._describe(np.array([10]), np.array([0.31]))
    assert one["vote"] == "The nearest is an 11, at 0.310."
    two = ImageQuery(**(data | {"k": 2}))._describe(np.array([10, 11]), np.array([0.31, 1]))
    vote = "A tie: 1 of 2 neighbours each is an 11 or a 3; nearest: 11 at 0.310."
    assert two["vote"] == vote


def test_classes_with_names(data):
    names = [f"n{i}" for i in range(12)]
    widget = ImageQuery(**data, class_names=names)
    vote = widget._describe(np.array([0, 1, 3, 4]), np.array([0.0, 0.1, 0.2, 0.3]))["vote"]
    assert vote == "A tie: 2 of 4 neighbours each are of class n4 or n8; nearest: n4 at 0.00."


@pytest.mark.parametrize(
    ("nearest", "verdict", "far"),
    [
        (0.79, "Not farther than the threshold 0.8: known.", [False, False, True, True]),
        (0.8, "Not farther than the threshold 0.8: known.", [False, False, True, True]),
        (0.81, "Farther than the threshold 0.8: unknown.", [True] * 4),
    ],
)
def test_the_threshold(data, nearest, verdict, far):
    widget = ImageQuery(**data, threshold=0.8)
    distances = np.array([nearest, max(nearest, 0.8), 0.9, 1])
    given = widget._describe(np.arange(4), distances)
    assert given["verdict"] == verdict
    assert [item["far"] for item in given["items"]] == far


def test_without_a_threshold_nothing_is_unknown(widget):
    given = widget._describe(np.arange(4), np.full(4, 1e6))
    assert given["verdict"] == ""
    assert not any(item["far"] for item in given["items"])


# ---------------------------------------------------------------- what is sent


def test_presets_carry_their_answers(data):
    given = presets()
    given[1, 3, 3] = 200
    widget = ImageQuery(**data, presets=given, preset_answers=ANSWERS)
    assert widget._presets == given.tobytes()
    pictures = np.frombuffer(widget._pictures, np.uint8).reshape(-1, *SIZE)
    assert len(pictures) == len(np.unique(ANSWERS[0])), "each picture once"
    for answer, indices in zip(widget._preset_answers, ANSWERS[0], strict=True):
        np.testing.assert_array_equal(pictures[answer["places"]], data["gallery_images"][indices])
        assert [item["index"] for item in answer["items"]] == indices.tolist()


def test_the_gallery_stays_in_python():
    images = np.zeros((5000, 28, 28), np.uint8)
    images[:] = np.arange(5000)[:, None, None] % 256
    widget = ImageQuery(images, np.arange(5000) % 10)
    state = widget.get_state(ImageQuery.class_own_traits(sync=True))
    values = [value for name, value in state.items() if name != "_esm"]
    assert sum(len(v if isinstance(v, bytes) else repr(v)) for v in values) < 1000


@pytest.mark.parametrize("paper", [0, 255])
def test_ink_is_what_the_border_is_not(data, paper):
    images = data["gallery_images"].copy()
    images[:, [0, -1]] = images[:, :, [0, -1]] = paper
    assert ImageQuery(**(data | {"gallery_images": images}))._bright_ink == (paper == 0)


def test_text_forms(data):
    widget = ImageQuery(
        **data, presets=presets(), preset_answers=ANSWERS, threshold=0.8, title="Which *one*?"
    )
    bundle, _ = widget._repr_mimebundle_()
    text = "ImageQuery(12 gallery images in 5 classes, k=4, 2 presets)"
    assert bundle["text/plain"] == text
    lines = bundle["text/markdown"].splitlines()
    assert lines[0].startswith(r"**Which \*one\*?** In a running notebook you draw")
    assert lines[0].endswith("the 4 nearest of 12 gallery images.")
    assert lines[-2:] == [
        "1. 3 of 4 neighbours are a 4; nearest: 4 at 0.100. "
        "Not farther than the threshold 0.8: known.",
        "2. No class has more than 1 of 4 neighbours; nearest: 8 at 1.00. "
        "Farther than the threshold 0.8: unknown.",
    ]
    assert "Ready-made" not in ImageQuery(**data).to_markdown()
    assert ImageQuery(**data).title.endswith("?")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.31, "0.310"),
        (9.999, "10.0"),
        (123.4, "123"),
        (5e-7, "5e-07"),
        (-0.5, "-0.500"),
    ],
)
def test_distances_in_three_digits(widget, value, text):
    distances = np.array([value, 2000.0, 3000.0, 4000.0])
    items = widget._describe(np.arange(4), distances)["items"]
    assert [item["distance"] for item in items] == [text, "2000", "3000", "4000"]
    assert all(float(a) <= float(b) for a, b in pairwise(item["distance"] for item in items))
