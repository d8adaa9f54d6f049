"""What all widgets share: one script each, and the checks of what they are given."""

import re

import numpy as np
import pytest

from tripletviz import palette
from tripletviz.widgets import _widget
from tripletviz.widgets._widget import check_images, check_labels, describe_classes, make_sprite


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_widget, "_FOLDER", tmp_path)
    return tmp_path


def test_an_import_becomes_the_file_it_names(folder):
    (folder / "base.js").write_text("export const two = 2;\n")
    (folder / "shared.js").write_text(
        'import { two } from "./base.js";\nexport function four() {\n  return two + two;\n}\n'
    )
    (folder / "own.js").write_text(
        'import {\n  four,\n} from "./shared.js";\nimport { two } from "./base.js";\n'
        "export const six = four() + two;\nexport default { six };\n"
    )
    assert _widget.load_script("own") == (
        "const two = 2;\nfunction four() {\n  return two + two;\n}\n"
        "export const six = four() + two;\nexport default { six };\n"
    )


def test_colors_of_the_scripts_are_those_of_the_palette():
    script = _widget.load_script("shared")
    for name, colors in [
        ("ROLE_COLORS", palette.ROLE_COLORS | {"anchor": "currentColor"}),
        ("CATEGORY_COLORS", palette.CATEGORY_COLORS),
    ]:
        written = re.search(rf"{name} = {{(.*?)}};", script)[1]
        assert dict(re.findall(r'"?([a-z-]+)"?: "([^"]+)"', written)) == colors


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((4, 1), int), np.zeros(4)])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(ValueError, match=r"`labels` must"):
        check_labels(labels, 4, "point")


@pytest.mark.parametrize(
    "images", [np.zeros((3, 2, 2), "u1"), np.zeros((4, 4), "u1"), np.ones((4, 2, 2))]
)
def test_images_that_do_not_fit(images):
    with pytest.raises(ValueError, match=r"`images` must"):
        check_images(images, 4, "point")


def test_no_images_is_no_sheet():
    assert make_sprite(None, 4, "point") == (b"", {})


def test_classes_are_described_by_label_name_and_color():
    described = describe_classes([1, 3], ["a", "b", "c", "d"])
    assert [(entry["label"], entry["mark"], entry["name"]) for entry in described] == [
        (1, "1", "b"),
        (3, "3", "d"),
    ]
    assert [entry["color"] for entry in described] == [palette.CLASS_COLORS[k] for k in (1, 3)]
