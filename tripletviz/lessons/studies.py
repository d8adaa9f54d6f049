"""Long studies with several seeds: read from tables, shown beside a lesson's short live runs.

Importing it does not import TensorFlow.
"""

import csv
import math
from pathlib import Path

from IPython.display import Markdown, display

from ..figures import dot_chart
from ..widgets._question import as_markdown
from .records import show

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "studies"

STUDIES = {
    "l2-or-cosine": "Which distance, and which margin?",
    "mining-strategies": "Batch all, batch hard or semi-hard?",
    "classification": "Triplet embedding or classifier?",
    "scale": "What does a larger network, data set or machine bring?",
}
"""The studies there may be: name -> the question that each answers."""

_MISSING = (
    "The study is not there yet; the numbers above are of one short run each, and another seed "
    "may order them otherwise."
)


def study(name):
    """Show the table of a long study with several seeds, if it is there.

    The table is `experiments/studies/NAME.csv`, UTF-8, with a header and one row for each setting:

    - `setting`: its name, different for each row.
    - `seeds`: number of trainings with different seeds, an integer of at least 1.
    - for each measure M three columns `M mean`, `M low` and `M high`: its mean over the seeds, and
      the ends of an interval around it (`low <= mean <= high`). At least one measure.
    - lines that begin with `#` before the header say, in words, how the numbers came about and
      what the interval is; they are shown under the table as its source.

    ```
    # 10 epochs of MNIST, P x K = 8 x 8; low and high: smallest and largest of the seeds.
    setting,seeds,R@1 mean,R@1 low,R@1 high
    untrained,5,0.934,0.931,0.938
    "Euclidean, margin 0.5",5,0.988,0.986,0.990
    ```

    It is shown as dots with their intervals, and as a table. Where it is not there yet, one line
    says so.

    Args:
        name: one of `STUDIES`.

    Returns:
        A list with a dictionary for each row: `"setting"`, `"seeds"`, and for each measure a tuple
        `(low, mean, high)`. `None` if the study is not there.

    Raises:
        ValueError: if there is no such study, or its file is not as above.

    Example:

    >>> study("l2-or-cosine");
    """
    if name not in STUDIES:
        raise ValueError(f"name must be one of {', '.join(STUDIES)}; got {name!r}")
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        display({"text/markdown": _MISSING, "text/plain": _MISSING}, raw=True)
        return None
    rows, source = read_study(path)
    for measure in _measures(rows):
        values = {row["setting"]: {measure: row[measure]} for row in rows}
        show(dot_chart(values, _finding(rows, measure), value_title=measure))
    display(Markdown(_table(rows, source)))
    return rows


def read_study(path):
    """Read a table as `study` describes it.

    Args:
        path: of the file.

    Returns:
        The rows, as `study` returns them; and what the comment lines say, in one line.

    Raises:
        ValueError: if something about the file is wrong; the message says what, and where.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    if len(body) < 2:
        raise ValueError(f"{path.name} must hold a header and at least one row.")
    header, *rows = csv.reader(body)
    header = [name.strip() for name in header]
    measures = [name.removesuffix(" mean") for name in header[2::3]]
    wanted = ["setting", "seeds"]
    wanted += [f"{measure} {part}" for measure in measures for part in ("mean", "low", "high")]
    if header != wanted or not measures or len(set(header)) < len(header):
        raise ValueError(
            f"{path.name} must have the columns setting, seeds, and for each measure M three, "
            f"M mean, M low, M high; got {', '.join(header)}."
        )
    read = [_row(path.name, number, header, cells) for number, cells in enumerate(rows, 1)]
    settings = [row["setting"] for row in read]
    if len(set(settings)) < len(settings):
        raise ValueError(f"{path.name} must name each setting once, got {', '.join(settings)}.")
    return read, " ".join(line.lstrip("# ").strip() for line in comments)


def _row(file, number, header, cells):
    where = f"{file}, row {number}"
    if len(cells) != len(header):
        raise ValueError(f"{where}: must have {len(header)} values, got {len(cells)}.")
    setting, seeds, *numbers = (cell.strip() for cell in cells)
    if not setting:
        raise ValueError(f"{where}: the setting has no name.")
    if not seeds.isdecimal() or int(seeds) < 1:
        raise ValueError(f"{where}: seeds must be an integer of at least 1, got {seeds!r}.")
    row = {"setting": setting, "seeds": int(seeds)}
    for place in range(0, len(numbers), 3):
        measure, texts = header[2 + place].removesuffix(" mean"), numbers[place : place + 3]
        try:
            mean, low, high = map(float, texts)
        except ValueError:
            raise ValueError(f"{where}: {measure} must be numbers, got {texts}.") from None
        if not all(map(math.isfinite, (mean, low, high))) or not low <= mean <= high:
            raise ValueError(
                f"{where}: {measure} must be finite, with low <= mean <= high, got mean {mean}, "
                f"low {low}, high {high}."
            )
        row[measure] = (low, mean, high)
    return row


def _measures(rows):
    return [key for key in rows[0] if key not in ("setting", "seeds")]


def _finding(rows, measure):
    """What the numbers say, without a claim where intervals overlap or a measure has no better."""
    lowest = min(rows, key=lambda row: row[measure][1])
    highest = max(rows, key=lambda row: row[measure][1])
    if len(rows) == 1:
        return f"{measure} of {rows[0]['setting']}: {rows[0][measure][1]:.3f}"
    ends = f"{lowest[measure][1]:.3f} ({lowest['setting']}) to {highest[measure][1]:.3f} "
    return f"{measure}: from {ends}({highest['setting']})"


def _table(rows, source):
    measures = _measures(rows)
    lines = [
        f"| setting | seeds | {' | '.join(map(as_markdown, measures))} |",
        f"| --- | ---: |{' ---: |' * len(measures)}",
    ]
    for row in rows:
        cells = [f"{mean:.3f} ({low:.3f} to {high:.3f})" for low, mean, high in _values(row)]
        lines.append(f"| {as_markdown(row['setting'])} | {row['seeds']} | {' | '.join(cells)} |")
    told = f"{source.rstrip('.')}. " if source else ""
    return "\n".join([*lines, "", f"Mean of the seeds, and in brackets its interval. {told}"])


def _values(row):
    return [value for key, value in row.items() if key not in ("setting", "seeds")]
