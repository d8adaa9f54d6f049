"""Hyperparameter search: one training for each combination of parameters, and a table of them.

The model dir of a search holds params.json, the base, and search.json, which says what to vary.
Either a grid, of which every combination is run:

  {"grid": {"margin": [0.2, 0.5, 1.0], "strategy": ["batch_all", "batch_hard"]}}

or a number of runs drawn at random, from lists of values and from ranges (both ends included; whole
numbers where the parameter is one; floats with three digits; the scale "linear" or "log"):

  {"random": {"learning_rate": {"low": 1e-4, "high": 1e-2, "scale": "log"},
              "margin": {"low": 0.1, "high": 1.0}, "batch_size": [64, 128]},
   "runs": 12, "seed": 0}

Any parameter can be varied. Some must fit together:
- Parameters that change together are objects in a list under a name of your own:
    "batches": [{"batch_size": 128, "learning_rate": 1e-3}, {"batch_size": 64}]
  What an object does not name is as in params.json.
- P x K batches: vary classes_per_batch and images_per_class and leave batch_size out; it becomes
  their product. {"grid": {"classes_per_batch": [5, 10], "images_per_class": [4, 8, 16]}}
- "grid" and "random" may also be a list of such objects, for values that only some others allow:
    "grid": [{"strategy": ["batch_all"], "margin": [0.2, 0.5]},
             {"strategy": ["batch_hard"], "margin": [0.2, 0.5, "soft"]}]

Each run has a sub-folder, named after what it sets, with its own params.json and log.txt; `train`,
`evaluate` and `visualize` take it as a model dir. The same search, started again, does only what is
missing, also after it was interrupted or killed, and after search.json got more values or runs.
With several workers each gets its share of the cores; a result can differ in its fourth digit where
the number of threads does. Runs are compared in search.csv and, as parallel coordinates, in
search.html. They are ranked by test images, so the best value is somewhat optimistic: judge what is
chosen on images that chose nothing, such as another data set's.
"""

import contextlib
import csv
import functools
import hashlib
import html
import json
import math
import os
import re
import signal
import statistics
import string
import subprocess
import sys
import threading
import time
import types
import typing
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from scipy import stats
from sklearn.model_selection import ParameterGrid, ParameterSampler

from . import figures
from ._files import only_one, whole
from .params import ExperimentError, Params, changed_params, load_params, parse_params

MEASURES = {
    "recall_at_k.1": "R@1",
    "knn_accuracy.1": "1-NN accuracy",
    "map_at_r": "MAP@R",
    "nmi": "NMI",
    "verification.roc_auc": "ROC AUC",
    "recall_at_k.2": "R@2",
    "recall_at_k.4": "R@4",
    "recall_at_k.8": "R@8",
    "knn_accuracy.5": "5-NN accuracy",
    "precision_at_1": "precision@1",
    "r_precision": "R-precision",
    "verification.equal_error_rate": "equal error rate",
    "verification.true_accept_rate": "true accept rate",
    "accuracy": "softmax accuracy",
}
"""What an evaluation measures, by its place in `metrics.json`, and how a table calls it."""

_MAIN = tuple(MEASURES)[:5]  # in every table, with their values before training
_LABELS = (
    MEASURES
    | {f"held_out.{name}": f"held-out {label}" for name, label in MEASURES.items()}
    | {f"seen.{name}": f"seen {label}" for name, label in MEASURES.items()}
    | {"steps": "steps", "seconds": "seconds"}
)
_LOWER_IS_BETTER = ("equal_error_rate", "steps", "seconds")

_MOST_RUNS = 10_000
_DRAWS_PER_RUN = 50  # before the values are said to allow no further combination
_NAME_LETTERS = 100  # of a folder's name; Windows allows a whole path no more than 260
_POLL_SECONDS = 0.1
_STOP_SECONDS = 60.0  # a training that is interrupted still evaluates what it has learnt
_TABLE_LETTERS, _CELL_LETTERS, _TABLE_RUNS = 100, 16, 30
_JSON_WORDS = ("true", "false", "null")
_LOGARITHMIC_FROM = 8  # times the smallest value is the largest, on a logarithmic axis

_say = functools.partial(print, flush=True)  # also when the output is a file that somebody watches


@dataclass(frozen=True, eq=False)
class Run:
    """One training of a search.

    Attributes:
        name: name of its folder, made of `settings`.
        settings: dictionary of the parameters that the search sets.
        params: all its `Params`.
        folder: its model dir.
    """

    name: str
    settings: dict
    params: Params
    folder: Path


def train_command(folder):
    """The command that trains the model dir `folder`, as a list of arguments."""
    return [sys.executable, "-m", "tripletviz", "train", "--model-dir", str(folder)]


def search(model_dir, *, workers=None, sort_by="recall_at_k.1", say=_say, command=train_command):
    """Train all runs of a search that are not trained yet, and compare all of them.

    Nothing is written unless every combination of parameters is valid. A run that fails does not
    stop the others. On Ctrl-C the trainings keep what they have learnt, and the same search goes on
    there later.

    Args:
        model_dir: path of a folder with `params.json` and `search.json`; see `tripletviz.search`.
        workers: trainings at a time; half as many as there are cores if `None`.
        sort_by: measure that the best run is best in: one of `MEASURES`, with "held_out." or
            "seen." before it if classes were held out; or "seconds" or "steps".
        say: function that is given each line worth telling.
        command: function from the folder of a run to the command that trains it.

    Returns:
        The rows of `search.csv`, best first: dictionaries with `"run"`, `"state"` ("finished",
        "diverged", "failed" or "unfinished"), what is varied, and for finished runs what was
        measured, such as `"recall_at_k.1"` and `"untrained.recall_at_k.1"`, `"steps"` and
        `"seconds"`.

    Raises:
        ExperimentError: if the search cannot be run as it is described, before anything is written;
            if another one runs in this folder; and at its end, if it was interrupted or if a run
            failed.
        OSError: if files cannot be written.
    """
    if workers is not None and workers < 1:
        raise ExperimentError(f"workers must be at least 1, got {workers}")
    if sort_by not in _LABELS:
        raise ExperimentError(f'cannot sort by "{sort_by}"; allowed: {", ".join(_LABELS)}')
    model_dir = Path(model_dir)
    runs = plan(model_dir)
    _refuse_other_runs(runs)
    with only_one(model_dir):
        for run in runs:
            _write_params(run)
        trainings = _Trainings(runs, workers or max(1, _cores() // 2), sort_by, command, say)
        trainings.run()
        rows, varied = _sorted_rows(runs, trainings.failures, sort_by), _varied(runs)
        _write_csv(model_dir / "search.csv", rows, varied, sort_by)
        _summarise(model_dir, rows, varied, trainings.failures, sort_by, say)
    finished = sum(row["state"] == "finished" for row in rows)
    if trainings.interrupted:
        raise ExperimentError(
            f"interrupted: {finished} of {len(runs)} runs are finished; the same search goes on "
            "where it was"
        )
    if trainings.failures:
        name, reason = next(iter(trainings.failures.items()))
        raise ExperimentError(
            f"{len(trainings.failures)} of {len(runs)} runs failed, the first one {name}: {reason}"
        )
    if not finished:
        raise ExperimentError(f"all {len(runs)} runs diverged; a lower learning rate may help")
    if not any(sort_by in row for row in rows):
        raise ExperimentError(f'cannot sort by "{sort_by}": no run has it')
    return rows


# What to run -------------------------------------------------------------------------------------


def plan(model_dir):
    """The runs that a model dir's `search.json` asks for; nothing is written.

    Args:
        model_dir: path of a folder with `params.json` and `search.json`; see `tripletviz.search`.

    Returns:
        List of `Run`, no two with the same parameters. The same files give the same list, and more
        `"runs"` of a random search add to it.

    Raises:
        ExperimentError: if a file is missing or says something that is not allowed, or if a
            combination of parameters is not valid; it is named.
    """
    model_dir = Path(model_dir)
    base = load_params(model_dir).model_dump(mode="json")
    path = model_dir / "search.json"
    combinations, wanted = _combinations(path)
    runs, problems = {}, {}
    for settings in combinations:
        try:
            run = _run(model_dir, base, settings)
        except ExperimentError as error:
            problems[run_name(settings)] = str(error).partition(". Allowed keys")[0]
            continue
        runs.setdefault(json.dumps(run.params.model_dump(mode="json")), run)
        if len(runs) == wanted:
            break
    if problems:
        name, reason = next(iter(problems.items()))
        others = f" (and {len(problems) - 1} more are not)" if len(problems) > 1 else ""
        raise ExperimentError(f"{path}: {name} is not valid{others}: {reason}")
    if len(runs) < wanted:
        raise ExperimentError(
            f"{path} asks for {wanted} runs, but its values allow only {len(runs)} different ones"
        )
    return list(runs.values())


def run_name(settings):
    """A name for the folder of a run, made of what it sets.

    It is safe on every system, also where upper and lower case are the same, and another one for
    other settings: what is long or odd ends in a hash.

    Args:
        settings: dictionary of parameters, ready for JSON.

    Returns:
        A string of at most 100 characters.

    Example:

    >>> run_name({"strategy": "batch_all", "margin": 0.2})
    'margin=0.2,strategy=batch_all'
    """
    name = ",".join(f"{key}={_short(settings[key])}" for key in sorted(settings)) or "base"
    if len(name) <= _NAME_LETTERS:
        return name
    digest = _digest(settings, 8)
    return f"{name[: _NAME_LETTERS - len(digest) - 1]}-{digest}"


def _run(model_dir, base, settings):
    values = base | settings
    pair = [values["classes_per_batch"], values["images_per_class"]]
    varies = {"classes_per_batch", "images_per_class"} & settings.keys()
    if varies and "batch_size" not in settings and all(isinstance(n, int) for n in pair):
        values["batch_size"] = math.prod(pair)
    source = values["pretrained_from"]
    if isinstance(source, str) and not Path(source).is_absolute():
        # It is said as seen from the model dir; the folder of the run is one deeper.
        values["pretrained_from"] = (Path("..") / source).as_posix()
    name = run_name(settings)
    return Run(name, settings, parse_params(values), model_dir / name)


def _combinations(path):
    """What `search.json` asks for.

    Returns:
        `(combinations, wanted)`: an iterable of dictionaries of parameters, possibly with some
        twice, and how many different ones are wanted of it, or 0 for all there are.
    """
    values = _read_object(path)
    kind = "grid" if "grid" in values else "random"
    allowed = {"grid": {"grid"}, "random": {"random", "runs", "seed"}}[kind]
    if kind not in values or values.keys() - allowed:
        raise ExperimentError(
            f'{path} must have the key "grid", or the keys "random", "runs" and "seed"; got '
            f"{', '.join(values) or 'none'}"
        )
    spaces = values[kind] if isinstance(values[kind], list) else [values[kind]]
    if not spaces or not all(isinstance(space, dict) and space for space in spaces):
        raise ExperimentError(
            f'{path}: "{kind}" must be an object of at least one parameter to vary, or a list of '
            f"such objects; got {json.dumps(values[kind])}"
        )
    for space in spaces:
        _check_keys(path, space)
    if kind == "grid":
        return _grid(path, spaces), 0
    runs, seed = values.get("runs"), values.get("seed", 0)
    for name, number, least, most in (
        ("runs", runs, 1, _MOST_RUNS),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not _is_whole(number) or not least <= number <= most:
            raise ExperimentError(
                f'{path}: "{name}" must be a whole number from {least} to {most:,}; got '
                f"{json.dumps(number)}"
            )
    return _drawn(path, spaces, runs, seed), runs


def _read_object(path):
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ExperimentError(
            f"{path.parent} has no search.json, which says what to vary"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ExperimentError(f"{path} must hold a JSON object; got {json.dumps(values)}")
    return values


def _check_keys(path, space):
    """Refuse what is no parameter, and parameters that are set twice."""
    seen = set()
    for key, values in space.items():
        names = {key} if key in Params.model_fields else _names_in_objects(path, key, values)
        if names & seen:
            raise ExperimentError(f'{path} sets "{min(names & seen)}" by two keys')
        seen |= names


def _names_in_objects(path, key, values):
    """Names of the parameters that change together under a name of the reader's own."""
    objects = isinstance(values, list) and values and all(isinstance(v, dict) for v in values)
    unknown = set().union(*values) - Params.model_fields.keys() if objects else {key}
    if unknown:
        raise ExperimentError(
            f'{path}: "{min(unknown)}" is not a parameter, nor a list of objects of parameters '
            f"that change together; parameters: {', '.join(Params.model_fields)}"
        )
    return set().union(*values)


def _grid(path, spaces):
    for space in spaces:
        for key, values in space.items():
            if not isinstance(values, list) or not values:
                raise ExperimentError(
                    f'{path}: "{key}" must be a list of values, of which a grid takes every one; '
                    f"got {json.dumps(values)}"
                )
    grid = ParameterGrid(spaces)
    if len(grid) > _MOST_RUNS:
        raise ExperimentError(f"{path} asks for {len(grid):,} runs; at most {_MOST_RUNS:,}")
    return map(_flat_settings, grid)


def _drawn(path, spaces, runs, seed):
    # Lists too are drawn from one by one; else more runs would change the first ones.
    drawers = [{key: _drawer(path, key, space[key]) for key in space} for space in spaces]
    sampler = ParameterSampler(drawers, runs * _DRAWS_PER_RUN, random_state=seed)
    return map(_flat_settings, sampler)


def _flat_settings(combination):
    settings = {}
    for key, value in combination.items():
        settings |= {key: value} if key in Params.model_fields else value
    return settings


def _drawer(path, key, values):
    """What draws a value of a parameter: from a list, or from a range."""
    if isinstance(values, list) and values:
        return _Choice(values)
    kinds = _number_types(Params.model_fields[key].annotation)
    if not kinds or not isinstance(values, dict):
        ranges = ' or a range {"low": ..., "high": ...}' if kinds else ", since it is no number"
        raise ExperimentError(
            f'{path}: "{key}" must be a list of values{ranges}; got {json.dumps(values)}'
        )
    whole = float not in kinds
    low, high, scale = values.get("low"), values.get("high"), values.get("scale", "linear")
    if (
        values.keys() - {"low", "high", "scale"}
        or not all(_is_whole(end) or (_is_finite(end) and not whole) for end in (low, high))
        or not low < high
        or scale not in ("linear", "log")
        or (scale == "log" and low <= 0)
    ):
        raise ExperimentError(
            f'{path}: the range of "{key}" must have a "low" below its "high"'
            f'{", both whole numbers," if whole else ""} and the "scale" "linear", or "log" for '
            f'a "low" above 0; got {json.dumps(values)}'
        )
    return _Range(low, high, scale == "log", whole)


def _number_types(annotation):
    """`int` and `float`, as far as a parameter may be one."""
    if annotation in (int, float):
        return {annotation}
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return set().union(*map(_number_types, typing.get_args(annotation)))
    return set()


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value):
    return isinstance(value, float) and math.isfinite(value)


@dataclass(frozen=True)
class _Choice:
    """Draws one of several values, each of them as likely as another."""

    values: list

    def rvs(self, random_state):
        return self.values[random_state.randint(len(self.values))]


@dataclass(frozen=True)
class _Range:
    """Draws from a range with its ends: whole numbers, or numbers of three digits."""

    low: float
    high: float
    logarithmic: bool
    whole: bool

    def rvs(self, random_state):
        # A whole number n stands for all numbers from n up to n + 1.
        low, high = self.low, self.high + self.whole
        spread = stats.loguniform(low, high) if self.logarithmic else stats.uniform(low, high - low)
        value = float(spread.rvs(random_state=random_state))
        value = math.floor(value) if self.whole else float(f"{value:.3g}")
        return min(max(value, self.low), self.high)


def _short(value):
    """A value in the name of a folder."""
    word = _word(value)
    if isinstance(value, str):
        # A text that reads like another JSON value must not look like it.
        plain = re.fullmatch("[a-z][a-z0-9_-]{0,23}", word) and word not in _JSON_WORDS
    else:
        plain = not isinstance(value, list | dict) and len(word) <= 24
    if plain:
        return word
    slug = re.sub("[^a-z0-9]+", "-", word.lower())[:20].strip("-")
    return f"{slug}-{_digest(value, 6)}".lstrip("-")


def _word(value):
    """A value as it stands in a table."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return " ".join(_word(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_word, value)) or "none"
    return json.dumps(value).removesuffix(".0")


def _digest(value, letters):
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:letters]


# Folders of runs ---------------------------------------------------------------------------------


def _refuse_other_runs(runs):
    """Refuse folders that hold a training with other parameters than this search's."""
    for run in runs:
        if not (run.folder / "params.json").exists():
            continue
        there, wanted = load_params(run.folder).model_dump(), run.params.model_dump()
        changed = [key for key in wanted if there[key] != wanted[key]]
        if changed:
            before, now = (json.dumps(found[changed[0]]) for found in (there, wanted))
            raise ExperimentError(
                f"{run.folder} holds a run with other parameters ({changed[0]} {before}, here "
                f"{now}); move it away, or search in another model dir"
            )


def _write_params(run):
    run.folder.mkdir(exist_ok=True)
    path = run.folder / "params.json"
    if not path.exists():
        with whole(path) as partial:
            text = json.dumps(run.params.model_dump(mode="json"), indent=2)
            partial.write_text(text + "\n", encoding="utf-8")


def _metrics(run):
    """What is in the `metrics.json` of a run, if it was trained with these parameters."""
    metrics = _read_json(run.folder / "metrics.json")
    return {} if changed_params(run.params, metrics.get("params")) else metrics


def _state(run):
    metrics = _metrics(run)
    if metrics.get("finished") is True and "trained" in metrics:
        return "finished"
    # An interrupted training leaves a checkpoint; one that diverged would do so again.
    ended = bool(metrics) and not (run.folder / "checkpoint.npz").exists()
    return "diverged" if ended and "trained" not in metrics else "unfinished"


def _read_json(path):
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


# Running -----------------------------------------------------------------------------------------


class _Trainings:
    """Runs what is not done yet, several at a time, and says how it goes.

    Attributes:
        failures: name of each run that ended without being finished -> why.
        interrupted: whether somebody stopped it before all runs were done.
    """

    def __init__(self, runs, workers, sort_by, command, say):
        self.waiting = deque(run for run in runs if _state(run) == "unfinished")
        self.numbers = {run.name: f"{number} of {len(runs)}" for number, run in enumerate(runs, 1)}
        self.workers = min(workers, len(self.waiting))
        self.sort_by, self.command, self.say = sort_by, command, say
        self.active, self.seconds = {}, []
        self.failures, self.interrupted = {}, False

    def run(self):
        self._announce()
        with _Interrupts() as interrupts:
            try:
                while (self.waiting or self.active) and not interrupts.count:
                    while self.waiting and len(self.active) < self.workers:
                        self._start(self.waiting.popleft())
                    time.sleep(_POLL_SECONDS)
                    for run in [run for run in self.active if not self._is_alive(run)]:
                        self._end(run)
                self.interrupted = bool(self.waiting or self.active)
                self._stop(interrupts)
            finally:
                for process, _ in self.active.values():
                    process.kill()
                    process.wait()

    def _announce(self):
        total, missing = len(self.numbers), len(self.waiting)
        line = f"{_count(total, 'run')}, {total - missing} done already"
        if missing:
            line += f"; {self.workers} at a time"
        if self.workers > 1:
            line += f", each with {_count(_threads(self.workers), 'thread')}"
        self.say(line)

    def _start(self, run):
        variables = os.environ | {"PYTHONIOENCODING": "utf-8"}
        if self.workers > 1:
            threads = str(_threads(self.workers))
            for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
                variables.setdefault(name, threads)
        # A group of its own: then on Ctrl-C a training gets one interrupt, from us, and not a
        # second one from the terminal. Windows has no groups; there the console sends the only one.
        apart = {} if os.name == "nt" else {"process_group": 0}
        with (run.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                self.command(run.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                **apart,
            )
        self.active[run] = process, time.monotonic()
        self.say(f"Started {self.numbers[run.name]}: {run.name}")

    def _is_alive(self, run):
        return self.active[run][0].poll() is None

    def _end(self, run):
        process, start = self.active.pop(run)
        seconds, state, result = time.monotonic() - start, _state(run), ""
        # A training that diverged says so by its status too; that is a result, not a failure.
        if state != "diverged" and (process.returncode != 0 or state == "unfinished"):
            state = "failed"
            result = f"{_status(process.returncode)}: {_last_line(run.folder / 'log.txt')}"
            self.failures[run.name] = result
        else:
            self.seconds.append(seconds)
            result = self._result(run) if state == "finished" else "nothing to compare"
        what = f"{state.capitalize()} {self.numbers[run.name]} after {_duration(seconds)}"
        self.say(f"{what}: {run.name}: {result}; {self._left()}")

    def _result(self, run):
        found = _results(run)
        if self.sort_by not in found:
            return "done"
        before = found.get(f"untrained.{self.sort_by}")
        without = "" if before is None else f" (untrained {_number(self.sort_by, before)})"
        return f"{_LABELS[self.sort_by]} {_number(self.sort_by, found[self.sort_by])}{without}"

    def _left(self):
        left = len(self.waiting) + len(self.active)
        if not left or not self.seconds:
            return f"{left} left"
        each, now = statistics.fmean(self.seconds), time.monotonic()
        work = each * len(self.waiting)
        work += sum(max(each - (now - start), 0) for _, start in self.active.values())
        return f"{left} left, about {_duration(work / self.workers)}"

    def _stop(self, interrupts):
        """Interrupt what runs and wait for it; whoever interrupts again need not wait."""
        if not self.active:
            return
        self.say(f"Stopping {_count(len(self.active), 'training')}; what is learnt is kept")
        if os.name != "nt":
            for process, _ in self.active.values():
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        while any(map(self._is_alive, self.active)):
            if interrupts.count > 1 or time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)


class _Interrupts:
    """Counts Ctrl-C, requests to end the program and closed terminals, in place of what they do.

    Nothing is torn apart by an exception, and no training goes on without the search.
    """

    def __enter__(self):
        self.count, self.before = 0, {}
        # Python allows it nowhere else; and what is ignored, as by nohup, is to stay so.
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has not all of them
                if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                    self.before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.count += 1

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def _cores():
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(workers):
    return max(1, _cores() // workers)


def _status(returncode):
    if returncode >= 0:
        return f"status {returncode}" if returncode else "ended before it was finished"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-returncode).name}"
    return f"ended by signal {-returncode}"


def _last_line(path):
    """The last line of a log that says something."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 10_000))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    said = [line.rpartition("\r")[2].strip() for line in lines]
    said = [line for line in said if line] or ["nothing in log.txt"]
    return said[-1].removeprefix("tripletviz: ")


def _duration(seconds):
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _count(number, singular):
    return f"{number} {singular}{'s' * (number != 1)}"


# Comparing ---------------------------------------------------------------------------------------


def _results(run):
    """What a finished run has reached, flat: `{"recall_at_k.1": 0.99, ...}`."""
    metrics = _metrics(run)
    found = dict(_flat(metrics["trained"]))
    found |= {f"untrained.{name}": value for name, value in _flat(metrics.get("untrained", {}))}
    found["steps"] = metrics.get("steps")
    found["seconds"] = _read_json(run.folder / "run.json").get("seconds")
    known = _LABELS.keys() | {f"untrained.{name}" for name in _LABELS}
    return {name: value for name, value in found.items() if name in known and value is not None}


def _flat(values, prefix=""):
    """Numbers of nested dictionaries, each with the way to it."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value


def _varied(runs):
    return sorted(set().union(*(run.settings for run in runs)))


def _sorted_rows(runs, failures, sort_by):
    varied, rows = _varied(runs), []
    for run in runs:
        state = "failed" if run.name in failures else _state(run)
        # As the search says them: a path is another one as seen from the folder of the run.
        settings = run.params.model_dump(mode="json") | run.settings
        row = {"run": run.name, "state": state} | {name: settings[name] for name in varied}
        rows.append(row | (_results(run) if state == "finished" else {}))
    sign = 1 if _lower_is_better(sort_by) else -1
    return sorted(
        rows, key=lambda row: (sort_by not in row, sign * row.get(sort_by, 0), row["run"])
    )


def _lower_is_better(name):
    return name.endswith(_LOWER_IS_BETTER)


def _write_csv(path, rows, varied, sort_by):
    found = set().union(*rows)
    measures = [name for name in _LABELS if name in found or name in _MAIN]
    before = [f"untrained.{name}" for name in dict.fromkeys([*_MAIN, sort_by])]
    columns = ["run", "state", *varied, *measures, *[name for name in before if name in found]]
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            cells = {
                name: value if isinstance(value, str) else json.dumps(value)
                for name, value in row.items()
            }
            writer.writerow(cells)


def _summarise(model_dir, rows, varied, failures, sort_by, say):
    """Print the table of finished runs, and write the page of them."""
    shown = [row for row in rows if row["state"] == "finished"]
    if shown:
        say("")
        for line in _table(*_columns(shown[:_TABLE_RUNS], varied, sort_by)):
            say(line)
        if len(shown) > _TABLE_RUNS:
            say(f"and {len(shown) - _TABLE_RUNS} more, in search.csv")
        say("")
    for row in rows:
        if row["state"] != "finished":
            reason = failures.get(row["run"], "")
            say(f"{row['state'].capitalize()}: {row['run']}" + (f": {reason}" if reason else ""))
    _write_page(
        model_dir / "search.html", [row for row in shown if sort_by in row], varied, sort_by
    )
    if shown:
        say(f"Best run: {model_dir / shown[0]['run']}")
    written = [model_dir / "search.csv", *model_dir.glob("search.html")]
    say(f"All runs: {', '.join(map(str, written))}")


def _columns(rows, varied, sort_by):
    """What a table of finished runs shows, each column as `(heading, cells)`.

    Returns:
        Columns that it needs, and columns that it may leave out, the more important ones first.
    """

    def column(name):
        cells = [_number(name, row[name]) if name in row else "" for row in rows]
        return _LABELS.get(name, "untrained"), cells

    settings = [(name, [_word(row[name]) for row in rows]) for name in _changing(rows, varied)]
    found = set().union(*rows)
    first = [name for name in (sort_by, f"untrained.{sort_by}") if name in found]
    others = [name for name in (*_MAIN, "seconds") if name in found and name not in first]
    return settings + [column(name) for name in first], [column(name) for name in others]


def _table(needed, optional, width=_TABLE_LETTERS):
    """Lines of an aligned table, as many columns of it as fit."""
    if _table_width(needed) > width:
        # Most headings are longer than what stands below them: set them over several lines.
        needed = [
            (re.sub("([_ ])", r"\1\n", heading), list(map(_cut, cells)))
            for heading, cells in needed
        ]
    columns = list(needed)
    for column in optional:
        if _table_width([*columns, column]) <= width:
            columns.append(column)
    height = max(len(heading.split("\n")) for heading, _ in columns)
    laid_out = []
    for heading, cells in columns:
        lines = heading.split("\n")
        lines = [""] * (height - len(lines)) + [line.strip() for line in lines] + cells
        across = max(map(len, lines))
        aligned = str.rjust if all(map(_reads_as_number, cells)) else str.ljust
        laid_out.append([aligned(line, across) for line in lines])
    return ["  ".join(line).rstrip() for line in zip(*laid_out, strict=True)]


def _changing(rows, varied):
    """Those of the varied parameters that differ between these runs; all of them if none does."""
    changing = [name for name in varied if len({json.dumps(row[name]) for row in rows}) > 1]
    return changing or varied


def _table_width(columns):
    across = [
        max(len(line) for line in (*heading.split("\n"), *cells)) for heading, cells in columns
    ]
    return sum(across) + 2 * (len(across) - 1)


def _cut(text):
    """A long text without its middle."""
    return (
        text
        if len(text) <= _CELL_LETTERS
        else f"{text[: _CELL_LETTERS // 2]}…{text[-_CELL_LETTERS // 2 + 1 :]}"
    )


def _reads_as_number(cell):
    return re.fullmatch(r"[-+.,e\d]*|null", cell) is not None


def _number(name, value):
    """A result as a table shows it."""
    if name in ("steps", "seconds"):
        return f"{value:,.0f}"
    return f"{value:.4f}"


# The page ----------------------------------------------------------------------------------------

_PAGE = string.Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 16px; max-width: 1400px; background: #fff; color: #222;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; }
.wide { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; text-align: left; white-space: nowrap; }
th { border-bottom: 1px solid #888; vertical-align: bottom; white-space: normal; }
tbody tr { border-bottom: 1px solid #ddd; }
.number { text-align: right; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$caption</p>
<div class="wide" tabindex="0" role="group" aria-label="$alt">
<div style="min-width: ${least_width}px">$plot</div>
</div>
<div class="wide" tabindex="0" role="group" aria-label="The same runs as a table">
<table>$table</table>
</div>
</body>
</html>
""")


def _write_page(path, rows, varied, sort_by):
    """Write the page of the runs that have the measure to sort by, or remove it if none has."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    figure = _figure(rows, varied, sort_by)
    title = figure.layout.title.text.replace("<br>", " ")
    above = 50  # the labels of the axes; the title stands in the page
    height = figure.layout.height - figure.layout.margin.t + above
    figure.update_layout(title=None, margin_t=above, height=height)
    label = _LABELS[sort_by]
    page = _PAGE.substitute(
        title=html.escape(title),
        caption=html.escape(
            f"{_count(len(rows), 'run')}, each a line: the darker, the better its {label}. Drag "
            "along an axis to see only the runs that cross it there; drag an axis by its name to "
            "move it. The runs are ranked by test images, so the best value is somewhat "
            "optimistic: judge what is chosen on images that chose nothing."
        ),
        alt=html.escape(figures.alt_text(figure)),
        least_width=figure.layout.meta["least_width"],
        plot=figure.to_html(
            full_html=False, include_plotlyjs=True, div_id="plot", config={"displaylogo": False}
        ),
        table=_html_table(rows, varied, sort_by),
    )
    with whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _figure(rows, varied, sort_by):
    measures = [name for name in ("knn_accuracy.1", "map_at_r", "recall_at_k.1") if name != sort_by]
    measures = [name for name in measures if all(name in row for row in rows)]
    # The first axis has the most room for the words at its ticks.
    parameters = sorted(
        _changing(rows, varied), key=lambda name: -max(len(_word(row[name])) for row in rows)
    )
    plain = [
        {name: v if isinstance(v, int | float) else _word(v) for name, v in row.items()}
        for row in rows
    ]
    return figures.parallel_coordinates(
        plain,
        parameters,
        {name: _LABELS[name] for name in (*measures, sort_by)},
        logarithmic=[name for name in parameters if _spans_much(row[name] for row in rows)],
        lower_is_better=_lower_is_better(sort_by),
        baseline=rows[0].get(f"untrained.{sort_by}"),
    )


def _spans_much(values):
    values = list(values)
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and v > 0 for v in values):
        return False
    return max(values) >= _LOGARITHMIC_FROM * min(values)


def _html_table(rows, varied, sort_by):
    needed, optional = _columns(rows, varied, sort_by)
    columns = [*needed, *optional, ("folder", [row["run"] for row in rows])]
    kinds = [' class="number"' if all(map(_reads_as_number, cells)) else "" for _, cells in columns]
    head = "".join(
        f'<th scope="col"{kind}>{html.escape(heading.replace("_", " "))}</th>'
        for (heading, _), kind in zip(columns, kinds, strict=True)
    )
    lines = [
        "".join(
            f"<td{kind}>{html.escape(cell)}</td>" for cell, kind in zip(line, kinds, strict=True)
        )
        for line in zip(*(cells for _, cells in columns), strict=True)
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
