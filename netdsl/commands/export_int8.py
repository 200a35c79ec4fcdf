"""`netdsl export --int8`: a model in 8-bit integers, calibrated and compared on images."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from netdsl.backends.onnx.export import export_onnx, metadata_of
from netdsl.backends.onnx.form import OPSET, Form
from netdsl.backends.onnx.manifest import check_place, write_manifest
from netdsl.commands.common import UsageError
from netdsl.commands.destinations import STANDARD_OUTPUT, destination
from netdsl.commands.export_metadata import as_texts, check_classes, given_by, numbers_for
from netdsl.commands.output import say
from netdsl.commands.trained import open_data, open_trained, placing
from netdsl.data.split import groups_of, spread
from netdsl.errors import NetdslError
from netdsl.files import replacing, scratch_folder
from netdsl.runtime.int8 import compare_models, quantise
from netdsl.runtime.session import open_session
from netdsl.train.records import shown
from netdsl.weights.checkpoints import read_weights

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from netdsl.commands.trained import NetWithWeights, TestedNet
    from netdsl.data.dataset import Split
    from netdsl.runtime.int8 import Comparison8

IMAGES = 512  # for the calibration, unless the user gives a number
_WITHOUT = (
    "input",
    "fp16",
    "bf16",
    "keep_io",
    "with_preprocess",
    "functions",
    "train_step",
    "verify",
)


def run(arguments: argparse.Namespace) -> int:
    """Write the model, if its agreement with the float32 model is as large as the user asks."""
    _check(arguments)
    given = given_by(arguments)
    net = open_trained(Namespace(**{**vars(arguments), "data": arguments.calibrate, "input": None}))
    with placing(net):
        tested = open_data(net, "`netdsl export --int8`")
    check_classes(net.compiled.graph, given.classes)
    if not tested.dataset.target.classes:
        message = f"{tested.dataset.name} has no classes; --int8 compares the classes of images"
        raise NetdslError("data-mismatch", message)
    with destination(arguments.output, ".onnx") as path, scratch_folder() as folder:
        check_place(path)
        exact, rounded = (Path(folder) / name for name in ("float32.onnx", "int8.onnx"))
        _export(arguments, net, tested, exact)
        calibrated = _calibrating(tested, arguments.calibration_images or IMAGES)
        names = [value.name for value in tested.compiled.graph.inputs]
        quantise(exact, rounded, names, calibrated, tested.dataset, full=arguments.full_range)
        before, after = (open_session(file, "cpu") for file in (exact, rounded))
        found = compare_models(before, after, tested.output, tested.dataset, net.config.metrics)
        _report(found, tested)
        _check_agreement(found, arguments)
        facts = _facts(found, len(calibrated), arguments, tested)
        sums = _write(rounded, path, facts)
        _finish(arguments, net, path, sums, (exact.stat().st_size, facts))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` unless the options go together."""
    missing = {
        "--weights W": arguments.weights is None,
        "--calibrate DATA": arguments.calibrate is None,
    }
    if any(missing.values()):
        names = " and ".join(name for name, is_missing in missing.items() if is_missing)
        raise UsageError(
            f"--int8 needs {names}, such as `--weights runs/NET --calibrate fashion_mnist`: the"
            " ranges of the numbers are measured with trained weights on images"
        )
    for name in _WITHOUT:
        if getattr(arguments, name):
            raise UsageError(f"--int8 and --{name.replace('_', '-')} exclude each other")
    if arguments.fold is False:
        raise UsageError("--int8 folds batch norms: remove --no-fold")


def _export(
    arguments: argparse.Namespace, net: NetWithWeights, tested: TestedNet, path: Path
) -> None:
    """Write the float32 model, with the normalisation and the classes of the data."""
    graph, dataset = net.compiled.graph, tested.dataset
    given = given_by(arguments)
    beside = dict(read_weights(arguments.weights).metadata)
    numbers = numbers_for(graph, beside, given)
    if not numbers and len(dataset.constants) == 1:
        numbers = {"mean": list(dataset.mean), "std": list(dataset.std)}
    classes = given.classes
    if classes is None and "classes" not in beside:
        classes = list(dataset.target.classes)
    metadata = metadata_of(net.compiled, beside | as_texts(numbers, classes))
    form = Form(arguments.opset or OPSET, fold=True, batch=arguments.batch)
    export_onnx(
        graph,
        path,
        net.weights,
        form,
        metadata=metadata,
        allow_nonfinite=arguments.allow_nonfinite,
    )


def _calibrating(tested: TestedNet, count: int) -> Split:
    """The training images that calibrate: those of all classes, in turn."""
    train = tested.dataset.train
    return train.take(spread(groups_of(tested.dataset, train))[:count])


def _report(found: Comparison8, tested: TestedNet) -> None:
    for key, value in found.before.items():
        name = key.replace("_", " ")
        say(f"{name}: {shown(key, value)} in float32, {shown(key, found.after[key])} in int8")
    say(
        f"agreement: {100 * found.agreement:.2f} % of {found.images:,} test images of"
        f" {tested.dataset.name}, at least {100 * found.at_least:.2f} % with 95 % confidence",
        f"signal to noise: {found.noise:.1f} dB",
    )


def _check_agreement(found: Comparison8, arguments: argparse.Namespace) -> None:
    least = arguments.min_agreement
    if least is not None and found.at_least < least:
        message = (
            f"the int8 model agrees with the float32 model on {found.agreement:.4f} of the test"
            f" images, at least {found.at_least:.4f} with 95 % confidence, expected {least}"
        )
        help_ = (
            "calibrate with more images (--calibration-images), on a processor with VNNI try"
            " --full-range, or test on more images"
        )
        raise NetdslError("low-agreement", message, help=help_)


def _facts(
    found: Comparison8, calibrated: int, arguments: argparse.Namespace, tested: TestedNet
) -> dict[str, object]:
    """What the metadata and the manifest record about the quantisation."""
    return {
        "data": tested.dataset.name,
        "calibration_images": calibrated,
        "full_range": arguments.full_range,
        "test_images": found.images,
        "float32": found.before,
        "int8": found.after,
        "agreement": found.agreement,
        "agreement_at_least": found.at_least,
        "signal_to_noise_db": min(found.noise, 1e3),
    }


def _write(source: Path, path: Path, facts: Mapping[str, object]) -> dict[Path, str]:
    """Write the model with what is known about it; returns its SHA-256 sum."""
    model = onnx.load(source)
    entry = model.metadata_props.add()
    entry.key, entry.value = "netdsl.int8", json.dumps(facts)
    data = model.SerializeToString(deterministic=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return {path: hashlib.sha256(data).hexdigest()}


def _finish(
    arguments: argparse.Namespace,
    net: NetWithWeights,
    path: Path,
    sums: Mapping[Path, str],
    about: tuple[int, Mapping[str, object]],
) -> None:
    """Write the manifest, and print what was written; there is none beside standard output."""
    if arguments.output == STANDARD_OUTPUT:
        return
    size_before, facts = about
    program = net.compiled.program
    imports = [f for f in program.loader.sources() if f is not program.source]
    entries: dict[str, object] = {"net": net.compiled.graph.name, "weights": arguments.weights}
    if arguments.batch is not None:
        entries["batch"] = arguments.batch
    entries["int8"] = facts
    manifest = write_manifest(path, sums, program.source, imports, entries)
    size = path.stat().st_size
    say(
        f"{path}: {net.compiled.graph.name} with {arguments.weights}, int8, batch norms folded,"
        f" {size:,} bytes in {path.name} ({size_before / size:.1f} times smaller),"
        f" {manifest.name}"
    )
