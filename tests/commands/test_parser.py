"""Wrong command lines: the message suggests what was meant, and ends with the usage."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.commands.arguments import COMMANDS
from netdsl.commands.parser import build_parser
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

USAGE = "usage: netdsl COMMAND [options]\n"
CHECK = "usage: netdsl check [options] FILE[:NET]...\n"
BENCH = "usage: netdsl bench [options] MODEL\n"
TRAIN = "usage: netdsl train [options] FILE[:NET]\n"
SET = "netdsl train: --set takes train.PATH=VALUE, such as train.epochs=3 or train.optimizer.lr=0.1"
WRONG = {
    "mine.net": (
        f"netdsl: there is no command `mine.net`; did you mean `netdsl check mine.net`?\n{USAGE}"
    ),
    "lenet5.net": (
        f"netdsl: there is no command `lenet5.net`; did you mean `netdsl check lenet5`?\n{USAGE}"
    ),
    "ResNet50.net": (
        "netdsl: there is no command `ResNet50.net`; did you mean `netdsl check"
        f" resnet:ResNet50`?\n{USAGE}"
    ),
    "mine.onnx": (
        f"netdsl: there is no command `mine.onnx`; did you mean `netdsl check mine.onnx`?\n{USAGE}"
    ),
    "chek lenet5": f"netdsl: there is no command `chek`; did you mean `check`?\n{USAGE}",
    "Check lenet5": f"netdsl: there is no command `Check`; did you mean `check`?\n{USAGE}",
    "exp lenet5": (
        f"netdsl: there is no command `exp`; did you mean `export` or `explain`?\n{USAGE}"
    ),
    "-q chek lenet5": f"netdsl: there is no command `chek`; did you mean `check`?\n{USAGE}",
    "lenet5": f"netdsl: there is no command `lenet5`; did you mean `netdsl check lenet5`?\n{USAGE}",
    "lenet5:LeNet5 --depth 1": (
        "netdsl: there is no command `lenet5:LeNet5`; did you mean `netdsl check lenet5:LeNet5`?\n"
        f"{USAGE}"
    ),
    "zzz": (f"netdsl: there is no command `zzz`; the commands are {', '.join(COMMANDS)}\n{USAGE}"),
    "--ver": f"netdsl: there is no option `--ver`; did you mean `--version`?\n{USAGE}",
    "--quite check lenet5": (
        f"netdsl: there is no option `--quite`; did you mean `--quiet`?\n{USAGE}"
    ),
    "--colour always check lenet5": (
        f"netdsl: there is no option `--colour`; did you mean `--color`?\n{USAGE}"
    ),
    "-D classes=3 check lenet5": (
        "netdsl: there is no option `-D`; it is an option of check, draw, diff, export, verify,"
        f" run, trace, bench, train, test, compare, data, look\n{USAGE}"
    ),
    "completion": (
        "netdsl completion: the following arguments are required: SHELL; write"
        " `netdsl completion bash` or `netdsl completion zsh`\n"
        "usage: netdsl completion SHELL\n"
    ),
    "completion fish": (
        "netdsl completion: argument SHELL: `fish` is not one of bash, zsh\n"
        "usage: netdsl completion SHELL\n"
    ),
    "bench m.onnx --batch-size 8 --device gpu": (
        "netdsl bench: there is no option `--batch-size`; did you mean `--batch`?\n"
        "netdsl bench: argument --device: `gpu` is not one of auto, cpu, cuda, tensorrt; did you"
        " mean `cuda`?\n"
        "usage: netdsl bench [options] MODEL\n"
    ),
    "train a.net --epochs 3 --lr 0.1 --device=cpu": (
        "netdsl train: there is no option `--epochs`; write `--set train.epochs=3`\n"
        "netdsl train: there is no option `--lr`; write `--set train.optimizer.lr=0.1`\n"
        f"{TRAIN}"
    ),
    "run m.onnx x.npy --device gpu": (
        "netdsl run: argument --device: `gpu` is not one of auto, cpu, cuda, tensorrt; did you mean"
        " `cuda`?\nusage: netdsl run [options] MODEL [INPUT...]\n"
    ),
    "--color alway check lenet5": (
        "netdsl: argument --color: `alway` is not one of auto, always, never; did you mean"
        f" `always`?\n{USAGE}"
    ),
    "train lenet5 --epochs 3": (
        "netdsl train: there is no option `--epochs`; write `--set train.epochs=3`\n"
        "usage: netdsl train [options] FILE[:NET]\n"
    ),
    "train lenet5 --lr 0.01": (
        "netdsl train: there is no option `--lr`; write `--set train.optimizer.lr=0.01`\n"
        "usage: netdsl train [options] FILE[:NET]\n"
    ),
    "compare lenet5 --seed 3": (
        "netdsl compare: there is no option `--seed`; write `--seeds N`, the number of seeds\n"
        "usage: netdsl compare [options] FILE[:NET] ...\n"
    ),
    "train lenet5 -o runs/base": (
        "netdsl train: there is no option `-o`; write `--out DIR`\n"
        "usage: netdsl train [options] FILE[:NET]\n"
    ),
    "check --dept 2": (
        f"netdsl check: there is no option `--dept`; did you mean `--depth`?\n{CHECK}"
    ),
    "check lenet5 --dept=2": (
        f"netdsl check: there is no option `--dept`; did you mean `--depth`?\n{CHECK}"
    ),
    "check lenet5 --Depth 2": (
        f"netdsl check: there is no option `--Depth`; did you mean `--depth`?\n{CHECK}"
    ),
    "check lenet5 --form json": (
        f"netdsl check: there is no option `--form`; did you mean `--format`?\n{CHECK}"
    ),
    "check lenet5 --format jsn": (
        "netdsl check: argument --format: `jsn` is not one of text, json, sarif, github; did you"
        f" mean `json`?\n{CHECK}"
    ),
    "check lenet5 --format=xml": (
        "netdsl check: argument --format: `xml` is not one of text, json, sarif, github\n" + CHECK
    ),
    "check lenet5 --weights w.pt": (
        "netdsl check: there is no option `--weights`; it is an option of export, verify, run,"
        f" trace, bench, import, train, test, look\n{CHECK}"
    ),
    "check lenet5 -x": (
        f"netdsl check: there is no option `-x`; `netdsl check --help` lists the options\n{CHECK}"
    ),
    "check": (
        "netdsl check: the following arguments are required: FILE[:NET]; for example,"
        f" `netdsl check lenet5`\n{CHECK}"
    ),
    "diff a.net": (
        "netdsl diff: the following arguments are required: B; it compares two nets: write"
        " `netdsl diff a.net NEW`\nusage: netdsl diff [options] A B\n"
    ),
    "test small.net": (
        "netdsl test: the following arguments are required: --weights; a training writes them"
        " into the folder of the net: `--weights runs/NET`\n"
        "usage: netdsl test [options] FILE[:NET] --weights W | MODEL.onnx --data DATA\n"
    ),
    "test lenet5": (
        "netdsl test: the following arguments are required: --weights; a training writes them"
        " into the folder of the net: `--weights runs/LeNet5`\n"
        "usage: netdsl test [options] FILE[:NET] --weights W | MODEL.onnx --data DATA\n"
    ),
    "test nets/a.net:B": (
        "netdsl test: the following arguments are required: --weights; a training writes them"
        " into the folder of the net: `--weights runs/B`\n"
        "usage: netdsl test [options] FILE[:NET] --weights W | MODEL.onnx --data DATA\n"
    ),
    # An option in the form of a parameter that the net does not have, or of an argument.
    "check lenet5 --tolerance 1e-3": (
        "netdsl check: there is no option `--tolerance`; `netdsl check --help` lists the options\n"
        + CHECK
    ),
    "verify lenet5 --tolerance 1e-3": (
        "netdsl verify: there is no option `--tolerance`; each layer has limits of its own, from"
        " the rounding of its arithmetic\n"
        "usage: netdsl verify [options] FILE[:NET] | MODEL.onnx\n"
    ),
    "trace lenet5 --layer C3": (
        "netdsl trace: there is no option `--layer`; the layer follows the net: write"
        " `netdsl trace lenet5 C3`\nusage: netdsl trace [options] FILE[:NET] [LAYER]\n"
    ),
    # An option of another command counts more than one that is spelt alike.
    "draw lenet5 --sort params -o a.svg": (
        "netdsl draw: there is no option `--sort`; it is an option of check, runs\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    "draw lenet5 --out a.svg": (
        "netdsl draw: there is no option `--out`; did you mean `--output`?\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    # A word that another command explains.
    "explain conv": (
        "netdsl explain: there is no code `conv`: it is a layer: `netdsl layers conv`\n"
        "usage: netdsl explain [options] [CODE]\n"
    ),
    "help wrong-rank": (
        "netdsl help: there is no command `wrong-rank`; it is a code: `netdsl explain wrong-rank`"
        "\nusage: netdsl help [COMMAND | training | NAME]\n"
    ),
    "resnet50": (
        "netdsl: there is no command `resnet50`; it is a net of the library:"
        f" `netdsl check resnet:ResNet50`\n{USAGE}"
    ),
    # The misspelt option comes before the required one that is missing.
    "draw lenet5 --ouput x.svg": (
        "netdsl draw: there is no option `--ouput`; did you mean `--output` or `--input`?\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    "draw lenet5 vgg -o x.svg": (
        "netdsl draw: unexpected argument `vgg`: `netdsl draw` takes one net at a time\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    "run m.onnx a.png --batch-size 4": (
        "netdsl run: there is no option `--batch-size`; did you mean `--batch`?\n"
        "usage: netdsl run [options] MODEL [INPUT...]\n"
    ),
    "bench m.onnx --allow-cpu": (
        "netdsl bench: there is no option `--allow-cpu`; did you mean `--allow-cpu-nodes`?\n"
        "usage: netdsl bench [options] MODEL\n"
    ),
    "layers conv pool": (
        "netdsl layers: unexpected argument `pool`\nusage: netdsl layers [options] [KIND]\n"
    ),
    # A second file, and weights without their option.
    "verify a.net a.onnx": (
        "netdsl verify: unexpected argument `a.onnx`: `netdsl verify a.onnx` compares the model"
        " with its manifest, and `netdsl diff a.net a.onnx` compares the layers of two\n"
        "usage: netdsl verify [options] FILE[:NET] | MODEL.onnx\n"
    ),
    "verify lenet5 vgg": (
        "netdsl verify: unexpected argument `vgg`: `netdsl verify` takes one net at a time, and"
        " `netdsl diff lenet5 vgg` compares the layers of two\n"
        "usage: netdsl verify [options] FILE[:NET] | MODEL.onnx\n"
    ),
    "bench a.onnx b.onnx": (
        "netdsl bench: unexpected argument `b.onnx`: `netdsl bench` takes one net at a time\n"
        "usage: netdsl bench [options] MODEL\n"
    ),
    "train lenet5 a.pth": (
        "netdsl train: unexpected argument `a.pth`: weights are an option: write `--weights a.pth`"
        f"\n{TRAIN}"
    ),
    # Values that begin with a negative number are values, and not options.
    "check lenet5 --input -1,1,32,32": (
        "netdsl check: --input takes sizes such as 3x256x256, found `-1,1,32,32`: write"
        f" `--input 1x32x32`, without the batch\n{CHECK}"
    ),
    # Sizes with the batch, in the forms of other tools.
    **{
        f"check lenet5 --input '{given}'": (
            f"netdsl check: --input takes sizes such as 3x256x256, found `{given}`: write"
            f" `--input {sizes}`{note}\n{CHECK}"
        )
        for given, sizes, note in (
            ("1,3,224,224", "3x224x224", ", without the batch"),
            ("(8, 3, 224, 224)", "3x224x224", ", without the batch"),
            ("1,224,224,3", "3x224x224", ", without the batch"),
            ("Nx3x224x224", "3x224x224", ", without the batch"),
            ("[None, 784]", "784", ", without the batch"),
            ("3,16,112,112", "3x16x112x112", ""),
        )
    },
    "check lenet5 --input image=1,1,32,32": (
        "netdsl check: --input takes sizes such as 3x256x256, found `1,1,32,32`: write"
        f" `--input image=1x32x32`, without the batch\n{CHECK}"
    ),
    # A layer in the place of `trace`.
    "trace lenet5 --at C3,0,0": (
        "netdsl trace: --at takes a place such as 0,5,5, found `C3,0,0`; the layer follows the net:"
        " write `netdsl trace lenet5 C3 --at 0,0`\n"
        "usage: netdsl trace [options] FILE[:NET] [LAYER]\n"
    ),
    "trace lenet5 --at C3": (
        "netdsl trace: --at takes a place such as 0,5,5, found `C3`; the layer follows the net:"
        " write `netdsl trace lenet5 C3`\n"
        "usage: netdsl trace [options] FILE[:NET] [LAYER]\n"
    ),
    # The names that other programs give to columns, and all levels.
    "check lenet5 --show flops": (
        "netdsl check: argument --show: there is no column `flops`; the table has `macs` already\n"
        + CHECK
    ),
    "check lenet5 --show units,params": (
        "netdsl check: argument --show: `params` cannot be added; the table has it already\n"
        + CHECK
    ),
    "check lenet5 --columns flops": (
        f"netdsl check: argument --columns: there is no column `flops`; write `macs`\n{CHECK}"
    ),
    "check lenet5 --columns name,macs": (
        "netdsl check: argument --columns: `name` cannot be chosen: the names of the layers are"
        f" always printed\n{CHECK}"
    ),
    "check lenet5 --sort flops": (
        "netdsl check: argument --sort: `flops` is not one of params, macs, buffers, weights,"
        f" units, memory; did you mean `macs`?\n{CHECK}"
    ),
    "check lenet5 --depth all": (
        "netdsl check: argument --depth: expected an integer from 0 to 1,000,000,000, found all;"
        f" leave the option out to see all levels\n{CHECK}"
    ),
    "draw lenet5 -o a.svg --depth -1": (
        "netdsl draw: argument --depth: expected an integer from 0 to 1,000,000,000, found -1;"
        " leave the option out to see all levels\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    # A parameter with spaces, or in the form of an option.
    "check lenet5 -D classes = 5": (
        f"netdsl check: unexpected argument `=`: write `-D classes=5`, without spaces\n{CHECK}"
    ),
    "check lenet5 -D classes =5": (
        f"netdsl check: unexpected argument `=5`: write `-D classes=5`, without spaces\n{CHECK}"
    ),
    "check lenet5 -D classes= 5": (
        f"netdsl check: unexpected argument `5`: write `-D classes=5`, without spaces\n{CHECK}"
    ),
    "check lenet5 --classes 5": (
        "netdsl check: there is no option `--classes`; a parameter of the net is written as"
        f" `-D classes=5`\n{CHECK}"
    ),
    "check -D classes = 5 lenet5": (
        "netdsl check: -D takes name=value, found `classes`: write `-D classes=5`, without spaces\n"
        + CHECK
    ),
    "check -D classes= 5 lenet5": (
        "netdsl check: -D takes name=value, found `classes=`: write `-D classes=5`, without spaces"
        f"\n{CHECK}"
    ),
    "check -D widths [4,8] lenet5": (
        "netdsl check: -D takes name=value, found `widths`: write `-D widths=[4,8]`, without spaces"
        f"\n{CHECK}"
    ),
    "check lenet5 -D classes==5": (
        f"netdsl check: -D takes name=value, found `classes==5`: write `-D classes=5`\n{CHECK}"
    ),
    "check -D classes= a.net": f"netdsl check: -D takes name=value, found `classes=`\n{CHECK}",
    "train lenet5 -D train.epochs=3": (
        "netdsl train: -D takes name=value, found `train.epochs=3`; a part of the `train` section"
        f" is written as `--set train.epochs=3`\n{TRAIN}"
    ),
    "train lenet5 --set train.epochs 3": (
        "netdsl train: unexpected argument `3`: write `--set train.epochs=3`, without spaces\n"
        + TRAIN
    ),
    "train --set train.epochs = 3 lenet5": (
        "netdsl train: unexpected argument `3`: write `--set train.epochs=3`, without spaces\n"
        + TRAIN
    ),
    # A setting without its section, and one with the value that was given.
    "train lenet5 --set epochs=3": (
        f"{SET}, found `epochs=3`: write `--set train.epochs=3`\n{TRAIN}"
    ),
    "train lenet5 --set lr=0.1": (
        f"{SET}, found `lr=0.1`: write `--set train.optimizer.lr=0.1`\n{TRAIN}"
    ),
    "train lenet5 --batch-size=32": (
        f"netdsl train: there is no option `--batch-size`; write `--set train.batch=32`\n{TRAIN}"
    ),
    # A net beside its file, and sizes as other tools take them.
    "draw a.net Big -o big.svg": (
        "netdsl draw: unexpected argument `Big`: for a net of the file, write `a.net:Big`\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    "check a.net --net Big": (
        "netdsl check: there is no option `--net`; the net follows its file: write `FILE:NET`\n"
        + CHECK
    ),
    "check a.net --shape 224": (
        "netdsl check: there is no option `--shape`; write the sizes of one sample:"
        f" `--input 3x224x224`\n{CHECK}"
    ),
    "check a.net --T 16": (
        "netdsl check: there is no option `--T`; the sizes of the input are written as"
        f" `--input 3x256x256`\n{CHECK}"
    ),
    # No file to write.
    "export nets/a.net": (
        "netdsl export: `-o` names the file to write: for example, write `-o a.onnx`\n"
        "usage: netdsl export [options] FILE[:NET] -o FILE\n"
    ),
    "import models/a.onnx": (
        "netdsl import: `-o` names the file to write: for example, write `-o a.net`\n"
        "usage: netdsl import [options] MODEL -o FILE\n"
    ),
    "draw lenet5:LeNet5 a.pdf": (
        "netdsl draw: the file to write follows `-o`: write `-o a.pdf`\n"
        "usage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    # Options of other commands and tools.
    "fmt -w a.net": (
        "netdsl fmt: there is no option `-w`; leave it out: `netdsl fmt` writes the files\n"
        "usage: netdsl fmt [options] FILE...\n"
    ),
    "check lenet5 --params": (
        "netdsl check: there is no option `--params`; leave it out: the table has the parameters"
        f" of each layer\n{CHECK}"
    ),
    "run m.onnx --input x.npy": (
        "netdsl run: there is no option `--input`; inputs need no option: write `netdsl run MODEL"
        " INPUT...`\nusage: netdsl run [options] MODEL [INPUT...]\n"
    ),
    "fmt --write a.net": (
        "netdsl fmt: there is no option `--write`; leave it out: `netdsl fmt` writes the files\n"
        "usage: netdsl fmt [options] FILE...\n"
    ),
    "draw lenet5 --format svg -o -": (
        "netdsl draw: there is no option `--format`; the suffix of `-o` is the format; with"
        " `-o -`, write `--to svg`\nusage: netdsl draw [options] FILE[:NET] -o FILE\n"
    ),
    "export lenet5 --half -o a.onnx": (
        "netdsl export: there is no option `--half`; write `--fp16`\n"
        "usage: netdsl export [options] FILE[:NET] -o FILE\n"
    ),
    "export lenet5 -o lenet5.pt": (
        "netdsl export: -o takes a name that ends in .onnx or .py, found `lenet5.pt`; .py is the"
        " source of a PyTorch module, whose weights `netdsl train` writes\n"
        "usage: netdsl export [options] FILE[:NET] -o FILE\n"
    ),
    "nets resnet50": (
        "netdsl nets: unexpected argument `resnet50`; `netdsl check resnet:ResNet50` shows one"
        " net\nusage: netdsl nets [options]\n"
    ),
    # A net that is not in the library, and one that is almost.
    "nets efficientnet": (
        "netdsl nets: unexpected argument `efficientnet`; the library has no net of that name\n"
        "usage: netdsl nets [options]\n"
    ),
    "nets incept": (
        "netdsl nets: unexpected argument `incept`; the library has no net of that name; did you"
        " mean `inception`?\nusage: netdsl nets [options]\n"
    ),
    # Several values with blanks between them.
    **{
        line: f"netdsl {line.split()[0]}: unexpected argument `{word}`: write `{meant}`\n{usage}"
        for line, word, meant, usage in (
            ("bench m.onnx --batch 1 8", "8", "--batch 1,8", BENCH),
            ("bench --batch 1, 8, 64 m.onnx", "64", "--batch 1,8,64", BENCH),
            ("check lenet5 --devices 8 64", "64", "--devices 8,64", CHECK),
            ("check lenet5 --show units weights vgg", "weights", "--show units,weights", CHECK),
            (
                "train a.net --log csv tensorboard",
                "tensorboard",
                "--log csv --log tensorboard",
                TRAIN,
            ),
            (
                "train a.net --set train.epochs=3 train.batch=4",
                "train.batch=4",
                "--set train.epochs=3 --set train.batch=4",
                TRAIN,
            ),
            ("train a.net -D n=3 k=4", "k=4", "-D n=3 -D k=4", TRAIN),
        )
    },
    "test lenet5 --weights r --batch 1 8": (
        "netdsl test: unexpected argument `8`\n"
        "usage: netdsl test [options] FILE[:NET] --weights W | MODEL.onnx --data DATA\n"
    ),
    # The folder of a run after an option without a value.
    **{
        f"train {line}": (
            f"netdsl train: {fact}: the folder follows `--out`: write `--out runs/A {flag}`\n"
            + TRAIN
        )
        for line, fact, flag in (
            ("a.net --resume runs/A", "unexpected argument `runs/A`", "--resume"),
            ("--resume runs/A a.net", "unexpected argument `a.net`", "--resume"),
            ("a.net --overwrite runs/A", "unexpected argument `runs/A`", "--overwrite"),
            (
                "a.net --resume=runs/A",
                "option `--resume` takes no value, found `runs/A`",
                "--resume",
            ),
        )
    },
    "train a.net b.net --resume": (
        "netdsl train: unexpected argument `b.net`: `netdsl train` takes one net at a time\n"
        + TRAIN
    ),
    "-q=1 nets": f"netdsl: option `--quiet` takes no value, found `1`\n{USAGE}",
    # The devices of a training, as other tools count them.
    **{
        f"train a.net {given}": (
            f"netdsl train: there is no option `{given.partition(' ')[0].partition('=')[0]}`;"
            f" write `{meant}`\n{TRAIN}"
        )
        for given, meant in (
            ("--gpus 4", "--nproc 4 --device cuda"),
            ("--ngpu 2", "--nproc 2 --device cuda"),
            ("--num_gpus=2", "--nproc 2 --device cuda"),
            ("--devices 2", "--nproc 2 --device cuda"),
            ("--gpus 0,1", "--nproc 2 --device cuda"),
            ("--gpu 3", "--device cuda"),
            ("--gpus 1", "--device cuda"),
            ("--gpus 0", "--device cpu"),
            ("--cuda", "--device cuda"),
            ("--cpu", "--device cpu"),
            ("--workers 2", "--set train.workers=2"),
            ("--num_workers 2", "--set train.workers=2"),
        )
    },
    "bench m.onnx --gpus 2": (
        f"netdsl bench: there is no option `--gpus`; write `--device cuda`\n{BENCH}"
    ),
    "nets resnet": (
        "netdsl nets: unexpected argument `resnet`; `netdsl check resnet` shows one net\n"
        "usage: netdsl nets [options]\n"
    ),
    "help chek": (
        "netdsl help: there is no command `chek`; did you mean `check`?\n"
        "usage: netdsl help [COMMAND | training | NAME]\n"
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_command_lines(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, nothing on standard output, and on standard error the whole message."""
    assert run_command(capsys, *shlex.split(line), code=2) == ("", WRONG[line])


def test_a_file_in_place_of_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what `check` takes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chek.net").write_text("net A { relu }\n", encoding="utf-8")
    _, err = run_command(capsys, "chek.net", code=2)
    assert "there is no command `chek.net`; did you mean `netdsl check chek.net`?" in err


def test_words_that_are_no_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows `--` names files, and a value with a blank is a value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--dept").write_text("net A {\n    input x: 3\n    relu\n}\n", encoding="utf-8")
    run_command(capsys, "check", "--", "--dept")
    _, err = run_command(capsys, "check", "lenet5", "--only", "--a b", code=2)
    assert err.startswith("netdsl check: --only --a b: no row has this kind")


# ---- help


def test_netdsl_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """So do `--help` and `help`."""
    alone = run_command(capsys)
    assert alone == run_command(capsys, "--help") == run_command(capsys, "help")
    assert alone == run_command(capsys, "-h", "check") == run_command(capsys, "-q", "--help")
    assert alone[0].startswith(USAGE)
    assert alone[1] == ""
    for name in COMMANDS:
        assert f"\n  {name} " in alone[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`netdsl help COMMAND` is `netdsl COMMAND --help`, even with `--quiet`."""
    build_parser.cache_clear()  # its width is that of the first call
    out, err = run_command(capsys, "help", name)
    assert (out, err) == run_command(capsys, name, "--help")
    assert (out, err) == run_command(capsys, "-q", "help", name)
    assert out.startswith(f"usage: netdsl {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_same_options_of_printing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of each explains what `--quiet` leaves."""
    out, _ = run_command(capsys, "help", name)
    assert "  -q, --quiet " in out
    assert "  --color WHEN " in out


def test_options_of_printing_before_and_after_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both places have the same effect."""
    coloured = run_command(capsys, "check", "lenet5:LeNet5", "--color", "always")
    assert "\x1b[1m" in coloured[0]
    assert coloured == run_command(capsys, "--color", "always", "check", "lenet5:LeNet5")
    assert coloured == run_command(capsys, "--color=always", "check", "lenet5:LeNet5")
    assert run_command(capsys, "-q", "check", "lenet5") == ("", "")
    assert run_command(capsys, "check", "--quiet", "lenet5") == ("", "")
    assert run(["check", "lenet5"]) == 0
    assert os.linesep + "C1" in capsys.readouterr().out, "a run does not change the next one"
