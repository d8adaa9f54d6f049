"""Train, evaluate, visualize and compare experiments with the triplet loss."""

import argparse
import sys
import textwrap

from .datasets import DatasetUnavailableError, load_fashion_mnist, load_mnist
from .params import ExperimentError, describe_params, load_params


def main(arguments=None):
    """Run a command; return the exit status (2 for something the user can mend)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(explains_search=arguments[:1] == ["search"]).parse_args(arguments)
    try:
        options.run(options)
    except (ExperimentError, DatasetUnavailableError) as error:
        return _refuse(error)
    except OSError as error:
        told = error.strerror and error.filename
        return _refuse(f"{error.strerror}: {error.filename}" if told else error)
    except KeyboardInterrupt:
        return _refuse("interrupted")
    return 0


def _refuse(reason):
    print(f"tripletviz: {reason}", file=sys.stderr)
    return 2


def _parser(*, explains_search):
    parser = argparse.ArgumentParser(prog="python -m tripletviz", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    train = _add(
        commands,
        "train",
        _train,
        "train from params.json, evaluate, and write model and metrics; go on where a training "
        "was interrupted or killed",
    )
    train.epilog = _keys()
    train.add_argument(
        "--restart", action="store_true", help="throw away what is trained there and begin anew"
    )
    _add(commands, "evaluate", _evaluate, "evaluate a trained model on all test images")
    visualize = _add(
        commands,
        "visualize",
        _visualize,
        "write TensorBoard's projector and a t-SNE page of the test images' embeddings",
    )
    visualize.add_argument(
        "--perplexity",
        type=_positive,
        default=25,
        help="perplexity of t-SNE: roughly, how many neighbours count as near (default: 25)",
    )
    search = _add(
        commands,
        "search",
        _search,
        "train one run for each combination of parameters that search.json asks for",
    )
    if explains_search:
        from . import search as room  # brings Plotly and scikit-learn, which take a second

        search.epilog = f"{room.__doc__}\n{_keys()}"
    search.add_argument(
        "--workers",
        type=_positive_whole,
        default=None,
        help="trainings at once (default: half the number of cores, at least 1)",
    )
    search.add_argument(
        "--sort-by",
        default="recall_at_k.1",
        help="metric of the table by which to sort, best first (default: recall_at_k.1)",
    )
    fetch = commands.add_parser("fetch", help="fetch a data set into the data folder")
    fetch.add_argument(
        "--dataset",
        choices=("mnist", "fashion_mnist"),
        default="mnist",
        help="which one (default: mnist)",
    )
    fetch.set_defaults(run=_fetch)
    return parser


def _add(commands, name, run, text):
    command = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog="The keys of params.json are explained by: python -m tripletviz train --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--model-dir", required=True, help="folder with params.json")
    command.set_defaults(run=run)
    return command


def _keys():
    lines = ["parameters, to be set in params.json, with their defaults:"]
    for name, default, meaning in describe_params():
        default = default if default == "required" else f"default: {default}"
        text = f"  {name}: {meaning} [{default}]"
        lines += textwrap.wrap(text, 96, subsequent_indent=" " * 6, break_on_hyphens=False)
    return "\n".join(lines)


def _positive(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number; got {text}")
    return value


def _positive_whole(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number; got {text}")
    return int(text)


def _train(options):
    experiment = _experiments(options).train(options.model_dir, restart=options.restart)
    if not experiment.finished:
        interrupted = "trained" in experiment.metrics
        raise ExperimentError(
            f"{options.model_dir}: training was interrupted; the same command goes on"
            if interrupted
            else f"{options.model_dir}: training diverged; a lower learning rate may help"
        )


def _evaluate(options):
    _experiments(options).evaluate(options.model_dir)


def _visualize(options):
    _experiments(options).visualize(options.model_dir, perplexity=options.perplexity)


def _search(options):
    from .search import search

    search(options.model_dir, workers=options.workers, sort_by=options.sort_by)


def _experiments(options):
    """The room that runs experiments, once the parameters are known to be right."""
    load_params(options.model_dir)
    from . import experiments  # imports TensorFlow, which takes seconds
    from ._tensorflow import describe_device

    print(f"Device: {describe_device()}", flush=True)
    return experiments


def _fetch(options):
    load, name = {
        "mnist": (load_mnist, "MNIST"),
        "fashion_mnist": (load_fashion_mnist, "Fashion-MNIST"),
    }[options.dataset]
    (x_train, _), (x_test, _) = load()
    print(f"{name} is here: {len(x_train):,} training and {len(x_test):,} test images.")


if __name__ == "__main__":
    sys.exit(main())
