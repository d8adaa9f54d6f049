"""The command line of lectures and sharing: ``python -m tripletviz.lessons.publishing``."""

import argparse
import sys
from pathlib import Path

from . import AssetError, ExecutedError, badges, make_site, make_slides, make_student

EXECUTED = Path("build/workbook")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (
        ("slides", "a reveal.js deck a lesson, from its slide-tagged cells"),
        ("site", "all lessons as static pages, with an index"),
        ("student", "the notebooks without outputs and solutions, for a graded course"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--output", type=Path, default=Path("build") / name)
        if name != "student":
            command.add_argument("--executed", type=Path, default=EXECUTED)
    words = "Markdown of badges that open each notebook on Binder or Colab"
    command = commands.add_parser("badges", help=words, description=words)
    command.add_argument("repository", help="the project on GitHub: owner/name")
    command.add_argument("--branch", default="main")
    options = parser.parse_args(arguments)
    try:
        if options.command == "slides":
            make_slides(options.executed, options.output, say=print)
        elif options.command == "site":
            make_site(options.executed, options.output, say=print)
        elif options.command == "badges":
            try:
                print(badges(options.repository, options.branch))
            except ValueError as error:
                parser.error(str(error))
        else:
            make_student(options.output, say=print)
    except (AssetError, ExecutedError) as error:
        return f"{parser.prog} {options.command}: {error}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
