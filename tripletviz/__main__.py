"""The command line: ``python -m tripletviz train|evaluate|fetch``."""

import argparse
import sys

from .datasets import DatasetUnavailableError, load_mnist
from .params import ExperimentError, Params, load_params


def main(arguments=None):
    """Run a command; return the exit status (2 for something the user can mend)."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ExperimentError, DatasetUnavailableError) as error:
        return _refuse(error)
    except OSError as error:
        return _refuse(f"{error.strerror}: {error.filename}" if error.strerror else error)
    return 0


def _refuse(reason):
    print(f"tripletviz: {reason}", file=sys.stderr)
    return 2


def _parser():
    keys = [f"  {name}: {field.description}" for name, field in Params.model_fields.items()]
    parser = argparse.ArgumentParser(prog="python -m tripletviz", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("train", _train, "train from params.json, evaluate, and write model and metrics"),
        ("evaluate", _evaluate, "evaluate a trained model on all test images"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog="\n".join(["keys of params.json, all required:", *keys]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--model-dir", required=True, help="folder with params.json")
        command.set_defaults(run=run)
    command = commands.add_parser("fetch", help="fetch MNIST into the data folder")
    command.set_defaults(run=_fetch)
    return parser


def _train(options):
    _experiments(options).train(options.model_dir)


def _evaluate(options):
    _experiments(options).evaluate(options.model_dir)


def _experiments(options):
    """The room that runs experiments, once the parameters are known to be right."""
    load_params(options.model_dir)
    from . import experiments  # imports TensorFlow, which takes seconds
    from ._tensorflow import describe_device

    print(f"Device: {describe_device()}")
    return experiments


def _fetch(options):
    (x_train, _), (x_test, _) = load_mnist()
    print(f"MNIST is here: {len(x_train):,} training and {len(x_test):,} test images.")


if __name__ == "__main__":
    sys.exit(main())
