"""The command `tacha`: what it can be asked. The work is in `tacha.commands`, imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from tacha import __version__
from tacha.errors import TachaError
from tacha.words import LANGUAGES

ENGINES = ("openvino", "onnxruntime", "torch")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="tacha", description="Learn what good parts look like, find every flaw, know how sure you are."
    )
    top.add_argument("--version", action="version", version=f"tacha {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    demo = verbs.add_parser("demo", help="train, evaluate and report on the embedded sample set")
    demo.add_argument("--out", metavar="DIR", help="run folder (default: runs/<date>_demo)")
    _language(demo)

    # What else follows `train` is Hydra's, its --help too; nothing may be abbreviated, or --cfg would be --config.
    train = verbs.add_parser(
        "train",
        add_help=False,
        allow_abbrev=False,
        help="fit, calibrate, evaluate and report: Hydra overrides, -m for a sweep",
    )
    train.add_argument("--config-dir", metavar="DIR")
    train.add_argument("--config", metavar="FILE")
    for option in ("--mode", "--test_path", "--model_path", "--output_dir"):
        train.add_argument(option)

    init = verbs.add_parser("init", help="write the tree of configs to a folder, to edit and train with --config-dir")
    init.add_argument("root", metavar="DIR")

    inspect = verbs.add_parser("inspect", help="judge images with an artefact")
    inspect.add_argument("artefact", help="a .tacha file")
    inspect.add_argument("images", nargs="+", help="images, folders, or quoted patterns such as 'parts/*.png'")
    inspect.add_argument("--csv", metavar="FILE", help="write a row an image")
    inspect.add_argument("--json", metavar="FILE", help="write everything but the maps")
    inspect.add_argument("--overlays", metavar="DIR", help="write a picture an image: original and heat map")
    _language(inspect)
    inspect.add_argument(
        "--fail-on-flaw", action="store_true", help="exit with 1 when an image is flawed or cannot be judged"
    )
    inspect.add_argument("--quiet", action="store_true", help="print the summary only")
    _engine(inspect)

    evaluate = verbs.add_parser("evaluate", help="measure an artefact on labelled images")
    evaluate.add_argument("artefact", help="a .tacha file")
    evaluate.add_argument("data", metavar="DIR", help="a data set with test images")
    evaluate.add_argument("--layout", default="auto", help="mvtec, ok_ko, classes, csv (default: told by looking)")
    evaluate.add_argument("--category", help="the category to use, where there are several (default: the artefact's)")
    evaluate.add_argument("--out", metavar="DIR", help="write a run folder: metrics, predictions, report")
    evaluate.add_argument("--oracle", action="store_true", help="also print the threshold that best F1 would pick")
    evaluate.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    _language(evaluate)
    _engine(evaluate)

    check = verbs.add_parser("check", help="is an artefact whole, and do the engines agree on it here?")
    check.add_argument("artefact", help="a .tacha file")
    check.add_argument("images", nargs="*", help="images to compare on (default: four of seeded noise)")
    check.add_argument("--precision", choices=("f32", "bf16"), help="(default: what it was calibrated at)")
    check.add_argument("--probe", action="store_true", help="instead, measure anew which engine is to judge here")

    bench = verbs.add_parser("bench", help="artefacts and engines side by side: accuracy, latency, size, memory")
    bench.add_argument("artefacts", nargs="+", metavar="ARTEFACT", help=".tacha files of one product")
    bench.add_argument("--data", metavar="DIR", help="a data set with test images, for accuracy too")
    bench.add_argument("--category", help="the category to use, where there are several (default: the artefacts')")
    bench.add_argument("--images", nargs="+", help="images to measure on (default: those of --data)")
    _measuring(bench)
    bench.add_argument("--out", metavar="DIR", help="where to write (default: runs/<date>_bench)")
    _language(bench)

    profile = verbs.add_parser("profile", help="where a verdict's time goes: stages, operators, layers, memory")
    profile.add_argument("source", metavar="ARTEFACT|RUN", help="a .tacha file, or a run folder with one")
    profile.add_argument("images", nargs="*", help="images to profile on (default: the run's test images)")
    profile.add_argument("--count", type=int, default=8, help="images a round at most, evenly picked (default: 8)")
    profile.add_argument("--rounds", type=int, default=5, help="after one that warms up (default: 5)")
    profile.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of features and scorer in torch")
    profile.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of what is written for people (default: en)"
    )
    profile.add_argument("--out", metavar="DIR", help="where to write (default: runs/<date>_profile)")
    _engine(profile)

    compress = verbs.add_parser("compress", help="smaller and faster variants of a run's artefacts, each checked")
    compress.add_argument("source", metavar="RUN|ARTEFACT", help="a run folder, or a .tacha file in one")
    compress.add_argument(
        "--kinds", metavar="LIST", default="f16,int8", help="f16, bf16, bank8, int8 (default: f16,int8)"
    )
    compress.add_argument("--bank", type=int, metavar="N", help="variants with at most N rows in each memory bank")
    compress.add_argument("--dimensions", type=int, metavar="N", help="... and with at most N dimensions a row")
    compress.add_argument(
        "--budget", type=float, default=0.5, help="AUROC points on drawn flaws that int8 may cost (default: 0.5)"
    )
    compress.add_argument("--quantiser", help="of int8: nncf (extra quantize; the default with it) or onnxruntime")
    compress.add_argument("--out", metavar="DIR", help="where to write (default: beside the artefact)")

    distill = verbs.add_parser("distill", help="a small student net learns what a run's detectors find, and is judged")
    distill.add_argument("source", metavar="RUN|ARTEFACT", help="a run folder, or a .tacha file in one")
    distill.add_argument("--backbone", default="tf_efficientnet_lite0", help="any timm name that can be cut")
    distill.add_argument("--weights", default="packaged", help="packaged, hub, a path, none (default: packaged)")
    distill.add_argument("--layers", metavar="LIST", default="2,3", help="its layers, 0 the shallowest (default: 2,3)")
    distill.add_argument("--rows", type=int, default=1024, help="learned rows a view (default: 1024)")
    distill.add_argument("--draws", type=int, default=6, help="pictures made of each good image (default: 6)")
    distill.add_argument("--epochs", type=int, default=6, help="at most (default: 6)")
    distill.add_argument("--patience", type=int, default=2, help="epochs without a gain before it stops (default: 2)")
    distill.add_argument("--lr", type=float, default=3e-2, help="learning rate (default: 0.03)")
    distill.add_argument("--seed", type=int, default=0, help="(default: 0)")
    distill.add_argument("--test", action="store_true", help="at the end, both on the run's test images")
    distill.add_argument("--out", metavar="DIR", help="where to write (default: beside the artefact)")

    data = verbs.add_parser("data", help="look at a data set, fetch one, or write the sample set").add_subparsers(
        dest="what", metavar="WHAT", required=True
    )
    look = data.add_parser("check", help="counts, sizes, unreadable files, leaks, masks, what is unusual")
    look.add_argument("root", metavar="DIR")
    look.add_argument("--layout", default="auto", help="mvtec, ok_ko, classes, folder, csv (default: told by looking)")
    look.add_argument("--json", metavar="FILE", help="write what was found")
    look.add_argument("--page", metavar="FILE", help="write it as one HTML page with pictures")
    _language(look)
    sample = data.add_parser("sample", help="write the embedded sample set in MVTec AD's layout")
    sample.add_argument("root", metavar="DIR")
    sample.add_argument("--seed", type=int, default=0)

    fetch = data.add_parser("download", help="fetch a public set: checked, unpacked, in a layout that tacha reads")
    fetch.add_argument("name", metavar="NAME", nargs="?", help="such as mvtec_ad, mvtec_ad/screw, visa (see --list)")
    fetch.add_argument("--list", action="store_true", help="the sets there are, their sizes and licences")
    fetch.add_argument("--to", metavar="DIR", help="where to: the set becomes DIR/NAME")
    fetch.add_argument(
        "--accept-licence",
        "--accept-license",
        action="store_true",
        help="you have read the set's licence and keep to it",
    )
    fetch.add_argument("--mirror", metavar="URL|FILE", help="the same archive elsewhere, or on this machine")
    fetch.add_argument("--sha256", metavar="HEX", help="what the archive must have (default: what is known of it)")
    fetch.add_argument("--resume", action="store_true", help="go on with what an earlier try left")

    compare = verbs.add_parser("compare", help="one table, page and set of plots over several runs")
    compare.add_argument("runs", nargs="+", metavar="RUN", help="run folders; a sweep's folder stands for its runs")
    compare.add_argument("--metric", default="image_auroc", help="what to rank by (default: image_auroc)")
    compare.add_argument("--out", metavar="DIR", help="where to write (default: runs/<date>_compare)")
    _language(compare)
    compare.add_argument(
        "--bench", type=int, nargs="?", const=3, metavar="N", help="put the best N through `tacha bench` (default: 3)"
    )
    _measuring(compare.add_argument_group("with --bench"))

    cluster = verbs.add_parser("cluster", help="embeddings of test images, in two planes, clustered without labels")
    cluster.add_argument("source", metavar="RUN|ARTEFACT", help="a run folder, or a .tacha file")
    cluster.add_argument("--data", metavar="DIR", help="a data set with test images (default: the run's own)")
    cluster.add_argument("--layout", default="auto", help="of --data (default: told by looking)")
    cluster.add_argument("--category", help="of --data, where there are several (default: the artefact's)")
    cluster.add_argument("--images", nargs="+", help="images without labels instead: files, folders, patterns")
    cluster.add_argument("--min-samples", type=int, default=5, help="images that make a place dense (default: 5)")
    cluster.add_argument("--eps", type=float, help="reach of DBSCAN (default: the knee of the k-distances)")
    cluster.add_argument("--components", type=int, default=2, help="principal components clustered (default: 2)")
    cluster.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE (default: 30)")
    cluster.add_argument("--seed", type=int, default=0, help="of t-SNE and the bootstrap (default: 0)")
    _language(cluster)
    cluster.add_argument("--out", metavar="DIR", help="where to write (default: clusters/ in the run folder)")

    report = verbs.add_parser("report", help="one scientific report over runs: a page, Markdown and PDF")
    report.add_argument("runs", nargs="+", metavar="RUN", help="run folders; a sweep's folder stands for its runs")
    _language(report)
    report.add_argument("--format", metavar="LIST", default="html,md,pdf", help="html, md, pdf (default: all)")
    report.add_argument("--title", default="", help="(default: made of the categories)")
    report.add_argument("--authors", default="", help="named under the title")
    report.add_argument("--out", metavar="DIR", help="where to write (default: runs/<date>_report)")

    watch = verbs.add_parser("watch", help="judge images as they come: a folder, a camera, a video")
    watch.add_argument("artefact", help="a .tacha file")
    watch.add_argument("source", help="a folder, rtsp://…, http://…, /dev/video0, or a video file")
    watch.add_argument("--csv", metavar="FILE", help="append a row an image; it goes on from what is there")
    watch.add_argument("--jsonl", metavar="FILE", help="append a JSON object a line; it goes on from what is there")
    watch.add_argument("--webhook", metavar="URL", help="POST each row as JSON")
    watch.add_argument("--overlays", metavar="DIR", help="write a picture of each flawed image: original and heat map")
    _language(watch)
    watch.add_argument("--every", type=float, default=1.0, help="seconds between looks, or frames (default: 1)")
    watch.add_argument("--settle", type=float, default=1.0, help="seconds that a file must have rested (default: 1)")
    watch.add_argument("--give-up", type=float, default=30.0, help="seconds given to a damaged file (default: 30)")
    watch.add_argument("--recursive", action="store_true", help="folders below the folder too")
    watch.add_argument("--once", action="store_true", help="end when all that is there is judged")
    watch.add_argument("--limit", type=int, help="end after so many images")
    watch.add_argument("--fail-on-flaw", action="store_true", help="exit with 1 when an image was flawed")
    watch.add_argument("--quiet", action="store_true", help="print the summary only")
    _engine(watch)

    serve = verbs.add_parser("serve", help="judge over HTTP: POST /v1/inspect, health, metrics, /docs")
    serve.add_argument("artefacts", nargs="+", metavar="ARTEFACT", help=".tacha files, or NAME=FILE to name them apart")
    _address(serve, 8000)
    _serving(serve)
    _engine(serve)

    verbs.add_parser("list", help="the models, scorers, engines and presets there are")
    return top


def _address(command: argparse.ArgumentParser, port: int) -> None:
    command.add_argument("--host", default="127.0.0.1", help="(default: 127.0.0.1, this machine alone)")
    command.add_argument("--port", type=int, default=port, help=f"0 takes a free one and says which (default: {port})")


def _serving(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-mb", type=float, default=64, help="MiB of a request (default: 64)")
    command.add_argument("--max-images", type=int, default=32, help="images of a request (default: 32)")
    command.add_argument("--max-megapixels", type=float, default=50, help="of an image (default: 50)")
    command.add_argument("--queue", type=int, default=64, help="images that may wait; beyond, 503 (default: 64)")
    command.add_argument("--upload-timeout", type=float, default=30, help="seconds to send a request (default: 30)")
    command.add_argument("--timeout", type=float, default=60, help="seconds to its answer (default: 60)")
    command.add_argument("--window-ms", type=float, default=3, help="that an image waits for company (default: 3)")
    command.add_argument("--together", type=int, default=8, help="images through the engine at once (default: 8)")
    command.add_argument("--reload-seconds", type=float, default=1, help="between looks at the files (default: 1)")
    command.add_argument("--keep", metavar="DIR", help="keep the images called flawed")
    command.add_argument("--keep-mb", type=int, default=500, help="MiB kept at most, the oldest go (default: 500)")
    command.add_argument("--keep-all", action="store_true", help="keep those called good too")


def _measuring(command: argparse._ActionsContainer) -> None:
    command.add_argument("--engines", metavar="LIST", help="such as openvino,torch (default: all)")
    command.add_argument("--precisions", metavar="LIST", help="such as f32,bf16 (default: what each was calibrated at)")
    command.add_argument("--count", type=int, default=50, help="images a round at most (default: 50)")
    command.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    command.add_argument("--batch", type=int, default=8, help="images at once for the throughput (default: 8)")
    command.add_argument("--threads", type=int, help="cores an engine may use (default: all that this process may)")
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")


def _language(command: argparse.ArgumentParser) -> None:
    command.add_argument("--language", default="en", choices=LANGUAGES, help="of the page (default: en)")


def _engine(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--engine", default="auto", choices=("auto", *ENGINES), help="(default: auto, the fastest, measured once)"
    )
    command.add_argument(
        "--precision", default="auto", choices=("auto", "f32", "bf16"), help="(default: auto, the calibration's)"
    )
    command.add_argument("--threads", type=int, help="cores the engine may use (default: its own choice)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0; 1 for a flaw with --fail-on-flaw; 2 for a bad input; 130 when interrupted."""
    asked, rest = parser().parse_known_args(arguments)
    if rest and asked.verb != "train":
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        command = importlib.import_module(f"tacha.commands.{asked.verb}")
        asked.rest = rest
        code: int = command.run(asked)
        return code
    except TachaError as error:
        print(f"tacha: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, but Python would print one at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Compiled modules turn a Ctrl-C that comes while they are imported into errors of their own.
        if _came_of_ctrl_c(error):
            return _interrupted()
        raise


def _interrupted() -> int:
    print("tacha: interrupted; nothing half written was left", file=sys.stderr)
    return 130


def _came_of_ctrl_c(error: BaseException | None) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main())
