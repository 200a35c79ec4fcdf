"""The arguments of the commands that write ONNX models and run them; see `arguments`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from netdsl.commands.options import (
    add_constants,
    add_device,
    add_format,
    add_input,
    add_labels,
    add_net,
    add_output,
    add_parameters,
    add_weights,
    natural,
    positive,
    share,
    thread_count,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.commands.options import Add


def _export(add: Add) -> None:
    command = add(
        "export",
        "write a net as an ONNX model or as PyTorch source",
        "[options] FILE[:NET] -o FILE",
        "Write a net as an ONNX model (.onnx), with a manifest beside it, or as PyTorch source that"
        " runs without netdsl (.py). PyTorch source contains no weights: of the options, only -D"
        " and --input apply to it.",
        """
        netdsl export resnet:ResNet50 -o resnet50.onnx --weights resnet50.safetensors
        netdsl export lenet5 -o lenet5.onnx --weights runs/LeNet5 --fp16 --verify
        netdsl export lenet5 -o step.onnx --train-step --batch 64
        netdsl export lenet5 -o lenet5.py
        netdsl export lenet5 -o - --to py
        """,
    )
    add_net(command)
    add_output(command, (".onnx", ".py"))
    add_input(command)
    command.add_argument(
        "--opset",
        type=positive,
        metavar="N",
        help="ONNX opset, from 18 to 23 (default: 20, or 22 with --bf16)",
    )
    command.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="number of samples that the model takes (default: any number; for a training step,"
        " that of the `train` section)",
    )
    command.add_argument(
        "--train-step",
        action="store_true",
        help="write a training step: forward, loss, backward and optimizer of the `train` section,"
        " with the weights as inputs, and beside it a file with the weights to begin with",
    )
    _add_graph_options(command)
    weights = command.add_argument_group("weights")
    add_weights(weights, "fresh weights")
    weights.add_argument(
        "--seed", type=natural, metavar="N", help="seed of fresh weights (default: 0)"
    )
    _add_number_types(command)
    _add_int8(command)
    _add_preprocessing(command)


def _add_graph_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        help="fold batch norms into the layers before them (default: --fold)",
    )
    command.add_argument(
        "--functions",
        action="store_true",
        help="write each block as an ONNX function, which viewers show as one box",
    )
    command.add_argument(
        "--verify",
        action="store_true",
        help="run ONNX's full check, and compare the outputs of onnxruntime and PyTorch",
    )


def _add_number_types(command: argparse.ArgumentParser) -> None:
    numbers = command.add_argument_group("number types")
    half = numbers.add_mutually_exclusive_group()
    half.add_argument(
        "--fp16",
        action="store_true",
        help="use float16 for weights, arithmetic, inputs and outputs",
    )
    half.add_argument(
        "--bf16",
        action="store_true",
        help="use bfloat16 for weights and arithmetic; inputs and outputs stay float32, because"
        " NumPy and onnxruntime's Python API have no bfloat16",
    )
    numbers.add_argument(
        "--keep-io", action="store_true", help="with --fp16: keep float32 inputs and outputs"
    )


def _add_int8(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("8-bit integers")
    group.add_argument(
        "--int8",
        action="store_true",
        help="quantise weights and activations to 8 bits; prints accuracy and agreement with"
        " float32 on the test images",
    )
    group.add_argument(
        "--calibrate",
        metavar="DATA",
        help="the data set whose training images calibrate, such as fashion_mnist or"
        " 'cifar10(root = \"DIR\")'",
    )
    group.add_argument(
        "--calibration-images",
        type=positive,
        metavar="N",
        help="calibrate with N images (default: 512)",
    )
    group.add_argument(
        "--full-range",
        action="store_true",
        help="use all 8 bits of the weights, for processors with VNNI; on others, sums saturate",
    )
    group.add_argument(
        "--min-agreement",
        type=share,
        metavar="SHARE",
        help="write nothing if the two models agree on less than this share of the test images,"
        " such as 0.99, with 95 %% confidence",
    )


def _add_preprocessing(command: argparse.ArgumentParser) -> None:
    pictures = command.add_argument_group("pictures and classes")
    pictures.add_argument(
        "--with-preprocess",
        action="store_true",
        help="let the model take pictures of any size as bytes (N x height x width x channels),"
        " and resize and normalise them itself",
    )
    add_constants(pictures, "the mean stored with the weights")
    add_labels(pictures, "those stored with the weights")


def _verify(add: Add) -> None:
    command = add(
        "verify",
        "compare a net in PyTorch and ONNX, layer by layer",
        "[options] FILE[:NET] | MODEL.onnx",
        "Compare every shape, count and value of a net in PyTorch, ONNX and onnxruntime. If they"
        " disagree, the report names the first layer that differs, and its line.\n\n"
        "Given a .onnx file, compare it with the manifest that `netdsl export` wrote beside it. If"
        " it has none, compare each of its layers with what onnxruntime computes.",
        """
        netdsl verify resnet:ResNet50
        netdsl verify lenet5 --weights runs/LeNet5
        netdsl verify lenet5.onnx
        """,
    )
    add_net(command)
    add_weights(command, "random weights")
    add_input(command)
    command.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of random weights and inputs (default: 0)",
    )
    add_format(command)


def _run(add: Add) -> None:
    command = add(
        "run",
        "run a model on pictures or arrays in onnxruntime",
        "[options] MODEL [INPUT...]",
        "Run a model in onnxruntime. Prints the most probable classes of each input, or a summary"
        " of outputs that are not classes. If an input cannot be read, the others still run, and"
        " the exit code is 1.\n\n"
        "A net whose text gives all weights needs no --weights, and one whose inputs have examples"
        " needs no input.",
        """
        netdsl run resnet50.onnx cat.jpg pictures/
        netdsl run lenet5 digit.png --weights runs/LeNet5 --top 3
        netdsl run model.onnx batch.npz -o outputs.npz
        netdsl run kernels:SobelX photo.png -o edges.png
        """,
    )
    _add_model(command, "a .onnx file, or FILE[:NET] with --weights")
    command.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="a picture, a folder or pattern of pictures, or a .npy or .npz file (default: the"
        " examples in the text of the net)",
    )
    command.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="run N samples at a time (default: 16 pictures, or 64 samples of an array)",
    )
    command.add_argument(
        "--top", type=positive, default=5, metavar="N", help="print the N best classes (default: 5)"
    )
    add_labels(command, "those stored in the model")
    add_format(command, alias=True, lines=True)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write all outputs to a .npz file; - writes them to standard output, and nothing"
        " else. A .png or .jpg file is the picture that a net from image to image gives",
    )
    command.add_argument(
        "--scale",
        choices=["auto", "clip", "signed", "stretch"],
        help="the numbers of a written picture that are black and white: 0 and 1 (clip), numbers"
        " equally far from 0 (signed), or the smallest and the largest (stretch); auto, the"
        " default, takes clip unless much is outside 0 to 1",
    )
    command.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help="also run the pictures in the subfolders of a folder",
    )


def _trace(add: Add) -> None:
    command = add(
        "trace",
        "work one output of a layer by hand",
        "[options] FILE[:NET] [LAYER]",
        "Work one output of a layer by hand: window, kernel, products, sums and result. The result"
        " is compared with PyTorch's. With -o, write a page that animates the whole layer.\n\n"
        "The input is the example in the text, unless --input names a file.",
        """
        netdsl trace kernels:RGB --at 0,0
        netdsl trace kernels:Volume --at 1,0,2 --backward
        netdsl trace kernels:RGB -o trace.html
        netdsl trace my.net norm --train --input batch.npy
        netdsl trace lenet5 C3 --weights runs/LeNet5 --input digit.png --at 0,3,4
        """,
    )
    add_net(command)
    command.add_argument(
        "layer",
        nargs="?",
        metavar="LAYER",
        help="the layer, by its name in the table of `netdsl check` (default: the only one that can"
        " be worked by hand)",
    )
    command.add_argument(
        "--at",
        metavar="PLACE",
        help="the place in the result, counted from 0, such as 0,3,4 for channel, row and column;"
        " leading numbers can be left out (default: the first place)",
    )
    command.add_argument(
        "--input",
        action="append",
        metavar="FILE",
        help="a picture, a .npy or .npz file, or a text file of numbers; NAME=FILE for one of"
        " several inputs (default: the example in the text)",
    )
    command.add_argument(
        "--resize",
        action="store_true",
        help="resize a picture to the size of the input",
    )
    command.add_argument(
        "--backward",
        action="store_true",
        help="also print the gradients of this output",
    )
    command.add_argument(
        "--train",
        action="store_true",
        help="work a batch norm as in training, with the mean and the variance of the mini-batch"
        " that --input has; the place then begins with the number of the sample",
    )
    add_weights(command, "those in the text, and random ones")
    add_format(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a page, a .html file, that shows all outputs of the layer step by step",
    )


def _bench(add: Add) -> None:
    command = add(
        "bench",
        "measure the latency and throughput of a model",
        "[options] MODEL",
        "Measure the latency (median and 95th percentile) and the throughput of a model in"
        " onnxruntime. Also prints which provider runs how many nodes, and which share of the"
        " measured peak of the device the model reaches.",
        """
        netdsl bench resnet50.onnx --device cuda
        netdsl bench resnet:ResNet50 --batch 1,32 --vs torch
        """,
    )
    _add_model(command, "a .onnx file, or FILE[:NET]", "fresh weights")
    command.add_argument(
        "--batch",
        metavar="SIZES",
        help="batch sizes, separated by commas (default: 1,8,64, or the one that the model takes)",
    )
    add_input(command)
    command.add_argument(
        "--vs",
        choices=["torch", "torch-compile"],
        help="also measure the net in PyTorch, in turns with onnxruntime",
    )
    command.add_argument(
        "--rounds",
        type=positive,
        default=20,
        metavar="N",
        help="time each engine N times (default: 20; fewer if a round takes long)",
    )
    add_format(command, alias=True)


def _add_model(command: argparse.ArgumentParser, help_: str, without: str = "") -> None:
    """Add the model that onnxruntime runs, and where it runs."""
    command.add_argument("model", metavar="MODEL", help=help_)
    add_weights(command, without)
    add_parameters(command)
    add_device(command, "cpu", ("auto", "cpu", "cuda", "tensorrt"))
    command.add_argument(
        "--allow-cpu-nodes",
        action="store_true",
        help="run nodes on the CPU that the GPU does not support; otherwise they are an error",
    )
    command.add_argument(
        "--threads", type=thread_count, metavar="N", help="CPU threads (default: one for each core)"
    )


MODEL_COMMANDS: dict[str, Callable[[Add], None]] = {
    "export": _export,
    "verify": _verify,
    "run": _run,
    "trace": _trace,
    "bench": _bench,
}
