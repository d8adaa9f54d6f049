"""Be the miner: a game of picking negatives by eye, and an album of triplets that miners picked."""

import numbers
from collections.abc import Sequence

import numpy as np
import traitlets

from . import _triplets
from ._triplets import CATEGORIES, METRICS, STRATEGIES, categories
from ._widget import (
    Widget,
    check_images,
    check_labels,
    check_steps,
    describe_classes,
    load_script,
    make_sprite,
)

CANDIDATES = 8
GAMES = 3

_QUESTION = "Which negative would the miner pick?"
_RIGHT, _NEARLY = 10, 5  # points
# Two candidates whose distances differ by less than this share are too close to be told apart, and
# so is a candidate nearer than this share of the margin to the edge of a zone.
_TIE = 0.05
_MOST_ROUNDS = 20  # their pictures still fit on one sheet
_ATTEMPTS = 400  # triplets tried for one round
_SEMI_HARD_EVERY = 3  # rounds
_ALBUM_CLASSES, _ALBUM_IMAGES = 8, 8  # the album's batch: P x K
_ALBUM_ROWS = 4  # pictures of one kind of triplet


class BeTheMiner(Widget):
    """A game: find the negative that a miner would pick; beside it an album of mined triplets.

    A round shows an anchor, a positive and eight real candidate negatives, and asks either for the
    *hardest* negative, the one nearest to the anchor, or for *a semi-hard* one, farther than the
    positive by less than the margin. Then all nine distances appear on a number line, with what
    the miner picks, what distances between raw pixels would have picked, and what another network
    sees in the same digits. The rounds follow the training: the first asks the first snapshot, the
    last two the last one; every third asks for a semi-hard negative, if there are any.

    A right pick gives 10 points. A near miss gives 5: the second nearest of the eight, or a hard
    negative where a semi-hard one is asked for.

    The album shows the same P x K batch before and after training: what batch all, batch hard and
    batch semi-hard pick from it, as real pictures with distances and losses.

    All rounds are drawn when the widget is made, with NumPy, and no two candidates that decide a
    round are nearly tied. Everything goes on without a kernel.

    Keys: 1 to 8 pick, the arrows choose a candidate and Enter picks it, Enter goes on.

    Args:
        embeddings: float array of shape `(S, N, D)`: `S` snapshots, at least 2, of `N` items.
        labels: class of every item, integer array of shape `(N,)`.
        images: picture of every item, `uint8` array of shape `(N, H, W)`.
        steps: training step of every snapshot, `S` increasing integers.
        margin: number, at least 0, in the units of the metric.
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        rounds: rounds of one game, from 1 to 20.
        seed: integer seed of all that is drawn.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        tab: `"game"` or `"album"`.
        game: which of the 3 sets of rounds is played, from 1. Changed after the widget was made,
            the new game starts with round 1 and no picks.
        round: the round on display, from 1; `rounds + 1` for the result.
        picks: the candidate picked in each round, a list of `rounds` integers from 1 to 8, 0 where
            none was picked yet. A shorter list is filled with 0.
        album_strategy: `"batch_all"`, `"batch_hard"` or `"batch_semi_hard"`.
        album_snapshot: `"before"` or `"after"` training: the first or the last snapshot.
        title: heading.
        score: points of this game so far. Like the next two it follows from `game` and `picks` and
            can be observed, but not set.
        streak: right picks in a row, up to the last answered round.
        result: dictionary of `answered`, `right`, `score` and `longest_streak`; `chance`, the
            right picks to be expected from picking blindly in the answered rounds; `pixels`, the
            right picks of raw-pixel distance in them; and `fooled`, one dictionary for each wrong
            pick with its `round`, `task`, `anchor`, `picked` and `miner` (labels all three).

    Raises:
        ValueError: if an array has the wrong shape or type or does not fit the others; if an
            argument is out of range; or if a snapshot holds no round that can be decided, as when
            the embedding has collapsed.

    Example:
        >>> game = BeTheMiner(embeddings, labels, images, steps=[0, 10, 100], margin=0.5)
        >>> game.picks = [3, 8]
        >>> game.result["right"]
        1
    """

    _esm = load_script("be_the_miner")

    tab = traitlets.Enum(("game", "album"), "game").tag(sync=True)
    game = traitlets.Int(1).tag(sync=True)
    round = traitlets.Int(1).tag(sync=True)
    picks = traitlets.List(traitlets.Int()).tag(sync=True)
    album_strategy = traitlets.Enum(STRATEGIES, "batch_hard").tag(sync=True)
    album_snapshot = traitlets.Enum(("before", "after"), "before").tag(sync=True)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)
    score = traitlets.Int(0, read_only=True)
    streak = traitlets.Int(0, read_only=True)
    result = traitlets.Dict(read_only=True)

    _games = traitlets.List().tag(sync=True)
    _album = traitlets.Dict().tag(sync=True)
    _margin = traitlets.Float().tag(sync=True)
    _metric = traitlets.Unicode().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        embeddings,
        labels,
        images,
        *,
        steps,
        margin,
        metric="euclidean",
        rounds=10,
        seed=0,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        embeddings = _check_embeddings(embeddings)
        count = embeddings.shape[1]
        labels = check_labels(labels, count, "item of `embeddings`")
        images = check_images(images, count, "item of `embeddings`")
        if metric not in METRICS:
            raise ValueError(f"`metric` must be one of {METRICS}, got {metric!r}.")
        if not isinstance(rounds, numbers.Integral) or not 1 <= rounds <= _MOST_ROUNDS:
            raise ValueError(
                f"`rounds` must be an integer from 1 to {_MOST_ROUNDS}, got {rounds!r}."
            )
        source = _Source(
            embeddings,
            labels,
            images.reshape(count, -1) / 255.0,
            check_steps(steps, len(embeddings), "embeddings"),
            _check_margin(margin),
            metric,
        )
        generator = np.random.default_rng(seed)
        games = _draw_games(source, int(rounds), generator)
        album = _draw_album(source, generator)
        pictured = _renumber(games, album)
        present, class_of = np.unique(labels, return_inverse=True)
        sprite, layout = make_sprite(images[pictured], len(pictured), "picture of a round")
        super().__init__(
            _games=games,
            _album=album,
            _margin=source.margin,
            _metric=metric,
            _classes=describe_classes(present.tolist(), class_names),
            _class_of=class_of[pictured].astype("<i4").tobytes(),
            _sprite=sprite,
            _sprite_layout=layout,
            title=_QUESTION if title is None else title,
            **({"picks": []} | traits),
        )
        self.observe(lambda change: self._restart(), "game")
        self.observe(lambda change: self._keep_score(), ["game", "picks"])
        self._keep_score()

    @classmethod
    def from_recording(cls, recording, *, margin=0.5, **options) -> "BeTheMiner":
        """The game on a recorded training.

        Args:
            recording: a `tripletviz.recordings.Recording`.
            margin: as above; by default that of the training kept with the code.
            **options: other arguments of the class.

        Example:
            >>> BeTheMiner.from_recording(Recording.load("data/mnist-recording.npz"))
        """
        return cls(
            recording.embeddings,
            recording.labels,
            recording.images,
            steps=recording.steps,
            margin=margin,
            **options,
        )

    @traitlets.validate("game")
    def _check_game(self, proposal):
        if not 1 <= proposal.value <= GAMES:
            raise traitlets.TraitError(f"`game` must be from 1 to {GAMES}, got {proposal.value}.")
        return proposal.value

    @traitlets.validate("round")
    def _check_round(self, proposal):
        rounds = len(self._games[0])
        if not 1 <= proposal.value <= rounds + 1:
            raise traitlets.TraitError(
                f"`round` must be from 1 to {rounds}, or {rounds + 1} for the result, "
                f"got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("picks")
    def _check_picks(self, proposal):
        rounds = len(self._games[0])
        picks = proposal.value
        if len(picks) > rounds or not all(0 <= pick <= CANDIDATES for pick in picks):
            raise traitlets.TraitError(
                f"`picks` must be at most {rounds} integers from 1 to {CANDIDATES}, or 0 for none, "
                f"got {picks}."
            )
        return [*picks, *[0] * (rounds - len(picks))]

    def _restart(self):
        with self.hold_sync():
            self.picks = []
            self.round = 1

    def _keep_score(self):
        result, streak = self._judge()
        self.set_trait("result", result)
        self.set_trait("score", result["score"])
        self.set_trait("streak", streak)

    def _judge(self) -> tuple[dict, int]:
        labels = np.array([entry["label"] for entry in self._classes])
        labels = labels[np.frombuffer(self._class_of, "<i4")]
        result = {"answered": 0, "right": 0, "score": 0, "longest_streak": 0}
        result |= {"chance": 0.0, "pixels": 0, "fooled": []}
        streak = 0
        for number, (played, pick) in enumerate(
            zip(self._games[self.game - 1], self.picks, strict=True), start=1
        ):
            if pick == 0:
                continue
            right = _right_picks(played, self._margin)
            points = _points(played, pick - 1, self._margin)
            streak = streak + 1 if pick - 1 in right else 0
            result["answered"] += 1
            result["right"] += pick - 1 in right
            result["score"] += points
            result["longest_streak"] = max(result["longest_streak"], streak)
            result["chance"] += len(right) / CANDIDATES
            result["pixels"] += _pick(played, "pixels") in right
            if pick - 1 not in right:
                miner = _pick(played, "network")
                shown = played["anchor"], *(played["candidates"][k] for k in (pick - 1, miner))
                names = zip(("anchor", "picked", "miner"), shown, strict=True)
                fooled = {name: int(labels[index]) for name, index in names}
                result["fooled"].append({"round": number, "task": played["task"]} | fooled)
        return result, streak

    def __repr__(self) -> str:
        rounds = len(self._games[0])
        return f"BeTheMiner({GAMES} games of {rounds} rounds, margin {self._margin:g})"


# ---------------------------------------------------------------- checks


def _check_embeddings(embeddings) -> np.ndarray:
    embeddings = np.asarray(embeddings)
    if embeddings.ndim != 3 or 0 in embeddings.shape or len(embeddings) < 2:
        raise ValueError(
            "`embeddings` must have shape (snapshots, items, dimensions) with at least two "
            f"snapshots, before and after training; got shape {embeddings.shape}."
        )
    if not np.issubdtype(embeddings.dtype, np.floating):
        raise ValueError(f"`embeddings` must hold floats, got dtype {embeddings.dtype}.")
    if not np.isfinite(embeddings).all():
        snapshot = int(np.argwhere(~np.isfinite(embeddings))[0, 0])
        raise ValueError(
            f"`embeddings` must be finite, got NaN or infinity, first in snapshot {snapshot}."
        )
    return embeddings


def _check_margin(margin) -> float:
    number = isinstance(margin, numbers.Real) and not isinstance(margin, bool)
    if not number or not 0 <= margin < np.inf:
        raise ValueError(
            f"`margin` must be a finite number, at least 0, got {margin!r}: "
            "without one there is no semi-hard ring."
        )
    return float(margin)


class _Source:
    """What rounds and album are drawn from, checked."""

    def __init__(self, embeddings, labels, pixels, steps, margin, metric):
        self.embeddings = embeddings
        self.labels = labels
        self.pixels = pixels
        self.steps = steps
        self.margin = margin
        self.metric = metric

    def distances(self, snapshot: int, anchor: int, items=slice(None)) -> np.ndarray:
        """Float64 distances of one item to others at a snapshot."""
        points = self.embeddings[snapshot]
        return _triplets.distances(points[[anchor]], points[items], self.metric)[0]


# ---------------------------------------------------------------- judging


def _right_picks(played: dict, margin: float) -> list[int]:
    """The candidates, from 0, that answer a round."""
    if played["task"] == "hardest":
        return [_pick(played, "network")]
    network = played["network"]
    kinds = categories(network["positive"], np.array(network["candidates"]), margin)
    return np.flatnonzero(kinds == "semi-hard").tolist()


def _pick(played: dict, by: str) -> int:
    """What a miner picks by one of the two kinds of distances, `"network"` or `"pixels"`.

    The hardest negative; or semi-hard's choice, the nearest one farther than the positive, else
    the farthest.
    """
    distances = np.array(played[by]["candidates"])
    if played["task"] == "hardest":
        return int(np.argmin(distances))
    farther = distances > played[by]["positive"]
    if farther.any():
        return int(np.argmin(np.where(farther, distances, np.inf)))
    return int(np.argmax(distances))


def _points(played: dict, pick: int, margin: float) -> int:
    if pick in _right_picks(played, margin):
        return _RIGHT
    network = played["network"]
    distance = network["candidates"][pick]
    if played["task"] == "hardest":
        nearly = sum(other < distance for other in network["candidates"]) == 1
    else:
        nearly = distance <= network["positive"]
    return _NEARLY if nearly else 0


# ---------------------------------------------------------------- drawing


def _draw_games(source: _Source, rounds: int, generator) -> list[list[dict]]:
    # Steps of a recording grow geometrically, so snapshots in even steps are a fair journey.
    last = len(source.steps) - 1
    journey = np.rint(np.linspace(0, last, max(rounds - 1, 1))).astype(int).tolist()
    journey = [*journey, last][:rounds]
    used: set[int] = set()
    games = []
    for _ in range(GAMES):
        games.append([])
        for number, snapshot in enumerate(journey, start=1):
            semi_hard = number % _SEMI_HARD_EVERY == 0 and source.margin > 0
            played = semi_hard and _draw_round(source, snapshot, "semi-hard", used, generator)
            played = played or _draw_round(source, snapshot, "hardest", used, generator)
            if not played:
                raise ValueError(
                    f"No round can be decided at step {source.steps[snapshot]}: it needs a class "
                    f"of at least two and {CANDIDATES} negatives, of which one is clearly the "
                    "nearest to the anchor. (Has the embedding collapsed?)"
                )
            used.add(played["anchor"])
            games[-1].append(played)
    return games


def _draw_round(source: _Source, snapshot: int, task: str, used: set, generator) -> dict | None:
    """One round with an anchor not used before, or None if no decidable one was found."""
    count = len(source.labels)
    fresh = np.setdiff1d(np.arange(count), list(used))
    anchors = generator.permutation(fresh if len(fresh) else count)
    for attempt in range(_ATTEMPTS):
        anchor = int(anchors[attempt % len(anchors)])
        same = source.labels == source.labels[anchor]
        positives = np.flatnonzero(same & (np.arange(count) != anchor))
        negatives = np.flatnonzero(~same)
        if not len(positives) or len(negatives) < CANDIDATES:
            continue
        positive = int(generator.choice(positives))
        distances = source.distances(snapshot, anchor)
        draw = _draw_hardest if task == "hardest" else _draw_semi_hard
        chosen = draw(source, distances, positive, negatives, generator)
        if chosen is not None:
            chosen = generator.permutation(chosen)
            return _describe_round(source, snapshot, task, anchor, positive, chosen, distances)
    return None


def _draw_hardest(source, distances, positive, negatives, generator) -> np.ndarray | None:
    """Eight negatives, of which one is clearly the nearest: it and three more are rather near."""
    nearest_first = negatives[np.argsort(distances[negatives], kind="stable")]
    near = max(len(nearest_first) // 20, 1)
    middle = max(len(nearest_first) * 2 // 5, near + 3)
    first = generator.choice(nearest_first[:near], 1)
    others = generator.permutation(nearest_first[near:middle])
    chosen = _take(source.labels, first, others, 4)
    chosen = _take(source.labels, chosen, generator.permutation(negatives), CANDIDATES)
    if len(chosen) < CANDIDATES:
        return None
    nearest, second = np.sort(distances[chosen])[:2]
    return chosen if second > (1 + _TIE) * nearest else None


def _draw_semi_hard(source, distances, positive, negatives, generator) -> np.ndarray | None:
    """Eight negatives: one to three semi-hard, up to two hard, the rest easy, none on an edge."""
    inner, margin = distances[positive], source.margin
    edges = np.array([inner, inner + margin])
    apart = np.abs(distances[negatives][:, None] - edges).min(axis=1)
    clear = negatives[apart > _TIE * margin]
    kinds = categories(inner, distances[clear], margin)
    pools = {kind: generator.permutation(clear[kinds == kind]) for kind in CATEGORIES}
    wanted = int(generator.integers(1, 4))
    chosen = _take(source.labels, np.array([], int), pools["semi-hard"], wanted)
    if not len(chosen):
        return None
    wanted = len(chosen) + int(generator.integers(1, 3))
    chosen = _take(source.labels, chosen, pools["hard"], wanted)
    chosen = _take(source.labels, chosen, pools["easy"], CANDIDATES)
    return chosen if len(chosen) == CANDIDATES else None


def _take(labels, chosen, pool, wanted: int) -> np.ndarray:
    """Adds items of `pool` in its order up to `wanted`, not too many of one class."""
    classes = max(len(np.unique(labels)) - 1, 1)
    most = -(-CANDIDATES // classes) + 1
    chosen = chosen.tolist()
    for item in pool.tolist():
        if len(chosen) >= wanted:
            break
        if item not in chosen and np.sum(labels[chosen] == labels[item]) < most:
            chosen.append(item)
    return np.array(chosen, int)


def _describe_round(source, snapshot, task, anchor, positive, chosen, distances) -> dict:
    """One round for the browser; pictures are indices of items until `_renumber`."""
    last = len(source.steps) - 1
    other = last if snapshot <= last // 2 else 0
    shown = [positive, *chosen.tolist()]
    pixels = np.linalg.norm(source.pixels[shown] - source.pixels[anchor], axis=1)
    return {
        "step": source.steps[snapshot],
        "task": task,
        "anchor": anchor,
        "positive": positive,
        "candidates": chosen.tolist(),
        "network": _split(distances[shown]),
        "pixels": _split(pixels),
        "other_step": source.steps[other],
        "other_hardest": int(np.argmin(source.distances(other, anchor, chosen))),
    }


def _split(distances) -> dict:
    """Distances to the anchor of a positive and, after it, of the candidates."""
    positive, *candidates = distances.tolist()
    return {"positive": positive, "candidates": candidates}


def _draw_album(source: _Source, generator) -> dict:
    """What each strategy picks from one P x K batch, at the first and at the last snapshot."""
    batch, classes, size = _draw_batch(source.labels, generator)
    labels = source.labels[batch]
    album = {"classes": classes, "images": size, "items": batch.tolist()}
    for name, snapshot in [("before", 0), ("after", len(source.steps) - 1)]:
        distances = _triplets.distances(source.embeddings[snapshot][batch], metric=source.metric)
        mined = {
            strategy: _describe_mined(
                _triplets.mine(distances, labels, source.margin, strategy),
                distances,
                source.margin,
                generator,
            )
            for strategy in STRATEGIES
        }
        counts = _triplets.count_triplets(distances, labels, source.margin, "batch_all")
        valid = {kind: counts[kind.replace("-", "_")] for kind in CATEGORIES}
        album[name] = {"step": source.steps[snapshot], "valid": valid, "strategies": mined}
    return album


def _draw_batch(labels, generator) -> tuple[np.ndarray, int, int]:
    """Indices of a P x K batch, sorted by class, and its P and K."""
    present, counts = np.unique(labels, return_counts=True)
    fit = present[counts >= 2]  # not empty: every round has a positive
    classes = min(_ALBUM_CLASSES, len(fit))
    chosen = np.sort(generator.choice(fit, classes, replace=False))
    size = int(min(_ALBUM_IMAGES, *counts[np.isin(present, chosen)]))
    members = [
        generator.choice(np.flatnonzero(labels == label), size, replace=False) for label in chosen
    ]
    return np.concatenate(members), classes, size


def _describe_mined(triplets, distances, margin: float, generator) -> dict[str, dict]:
    """For each kind, how many there are, and some: anchor, positive, negative, d(a,p), d(a,n)."""
    inner = distances[triplets[:, 0], triplets[:, 1]]
    outer = distances[triplets[:, 0], triplets[:, 2]]
    kinds = categories(inner, outer, margin)
    described = {}
    for kind in CATEGORIES:
        members = generator.permutation(np.flatnonzero(kinds == kind))
        # Each anchor once, where there are enough of them.
        _, first = np.unique(triplets[members, 0], return_index=True)
        shown = [*members[np.sort(first)], *np.delete(members, first)][:_ALBUM_ROWS]
        shown.sort(key=lambda k: outer[k] - inner[k])
        rows = [[*triplets[k].tolist(), float(inner[k]), float(outer[k])] for k in shown]
        described[kind] = {"count": len(members), "rows": rows}
    return described


def _renumber(games: list[list[dict]], album: dict) -> list[int]:
    """Turns indices of items into places on the sheet of pictures; gives the items in its order."""
    items = set(album["items"])
    for played in (played for game in games for played in game):
        items.update([played["anchor"], played["positive"], *played["candidates"]])
    pictured = sorted(items)
    place = {item: k for k, item in enumerate(pictured)}
    for played in (played for game in games for played in game):
        played["anchor"] = place[played["anchor"]]
        played["positive"] = place[played["positive"]]
        played["candidates"] = [place[item] for item in played["candidates"]]
    album["items"] = [place[item] for item in album["items"]]
    return pictured
