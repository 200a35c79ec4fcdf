"""How the net of the Python API is trained."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from netdsl.api_arguments import checked, settings_of
from netdsl.api_pictures import DrawnNet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from netdsl.diagnostics import Diagnostic
    from netdsl.train.loop import Result


class TrainableNet(DrawnNet):
    """A net that can be trained."""

    @checked
    def train(
        self,
        out: str | PathLike[str] | None = None,
        *,
        data: str | None = None,
        device: str = "cpu",
        resume: bool = False,
        overwrite: bool = False,
        allow_changes: bool = False,
        log: Sequence[str] = (),
        quiet: bool = False,
        **entries: object,
    ) -> Result:
        """Train the net as its `train` section specifies, as `netdsl train` does.

        `out` is the folder of the results, by default `runs/NET`. `entries` replace those of the
        section: numbers, lists, or texts as the section has them, such as `epochs=3` and
        `optimizer="adam(lr = 0.001)"`. A dict replaces parts of an entry: `optimizer={"lr": 0.1}`,
        or `**{"optimizer.lr": 0.1}`. `data` names the data set, as the section does:
        "fashion_mnist", 'cifar10(root = "DIR")' or 'npz("data.npz")'; arrays must be in such a
        file, as `x` and `y`. Without it, the data are those of the section, or else the sample of
        Fashion-MNIST that comes with netdsl. Some entries are `epochs`, `batch`, `loss`,
        `optimizer`, `schedule`, `augment`, `metrics` and `seed`; `netdsl help training` lists all
        and what they can name, and `netdsl help adam` the arguments of one name. Open sizes are
        those of the data.
        `resume` continues from the last checkpoint in the folder, with `allow_changes` even if the
        net, the settings or the data have changed. `overwrite` replaces the run in the folder.
        `log` is a list of other logs than JSON lines to write: "csv", "tensorboard". `quiet` prints
        nothing. `device` is cpu, cuda or auto.

        Returns the result: `weights` is the path of the trained weights, `history` has a dict for
        each epoch, `final` is the last of them, and `warnings` are those about the data and the
        recipe. The keys of an epoch are `epoch`, `train_loss`, `train_accuracy`, `test_loss`, the
        metrics, such as `accuracy`, from 0 to 1, `lr`, `seconds` and `images_per_second`; with
        validation data, also `val_loss` and the metrics with `val_` before them. `lr` is that of
        the last step, near 0 at the end of a cosine.

        Raises `CompileError` for a wrong entry, for data that do not fit, for a folder that has a
        run, unless `resume` or `overwrite` is set, and for a run that diverges; `TypeError` and
        `ValueError` for wrong arguments; `OSError` if a file cannot be written.

        >>> import netdsl, tempfile
        >>> net = netdsl.load("lenet5")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = net.train(folder, data="fashion_mnist_sample", epochs=1, quiet=True)
        ...     module = net.torch(weights=result.weights)
        >>> result.final["accuracy"] > 0.3
        True
        """
        from os import environ, fspath

        from rich.console import Console

        if device == "tensorrt":
            raise ValueError('device must be one of "cpu", "cuda", "auto", not "tensorrt"')
        start, section = map(import_module, ("netdsl.train.start", "netdsl.train.section"))
        if out in import_module("netdsl.data.catalog").DATASETS:
            raise ValueError(f"out is the folder of the results: write train(data={out!r})")
        settings = settings_of(entries)
        folder = None if out is None else fspath(out)
        if overwrite and resume:
            raise ValueError(
                "`resume` continues a run and `overwrite` removes it: give one of them"
            )
        begin = start.StartMode.of(resume, overwrite, allow_changes)
        wishes = start.Wishes(data, settings, folder, device, begin, section.PYTHON, tuple(log))
        console = Console(highlight=False, markup=False, emoji=False, quiet=quiet)
        warnings: list[Diagnostic] = []

        def warn(found: list[Diagnostic]) -> None:
            warnings.extend(found)
            start.print_warnings(console, found)

        with start.meeting(environ) as processes:
            result: Result = start.train_net(self._compiled, wishes, console, warn, processes)
        return replace(result, warnings=tuple(warnings))
