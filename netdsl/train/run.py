"""One training run: the steps on its module, and the test of each epoch."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, TargetData
from netdsl.data.metrics import scores_for
from netdsl.errors import SettingError
from netdsl.train.augment import build_input, mixes
from netdsl.train.balance import with_class_weights
from netdsl.train.checkpoint import Parts, Progress
from netdsl.train.config import TrainConfig
from netdsl.train.feed import Batch, Feed
from netdsl.train.finite import Watch
from netdsl.train.freezing import Freezing, frozen_until
from netdsl.train.numerics import Scaler, averaged, clip_values, outputs_of
from netdsl.train.objective import Objective
from netdsl.train.optimizers import RATE, build_optimizer, check_trainable
from netdsl.train.order import TrainStep, seed_draws, steps_of
from netdsl.train.parallel import Parallel, has_batch_norm, synchronised, total_norm, whole
from netdsl.train.pieces import Microbatch, pieces_of
from netdsl.train.portion import Portion
from netdsl.train.processes import ALONE, Processes
from netdsl.train.rates import rate_factor
from netdsl.train.recipe.losses import parts_of
from netdsl.train.recipe.options import FP16, SHARDED
from netdsl.train.records import NORM, Record
from netdsl.train.selection import ANY, NetNames, Selection
from netdsl.train.testing import Tester
from netdsl.words import counted

MOST_OVERFLOWS = 20  # in a row; the scale of the loss is then below 0.1

AfterStep = Callable[[], None]
Forward = Callable[..., Any]  # from the inputs to a tensor, or a tuple of tensors


class Run:
    """One run: the module, its loss and optimizer, and the dataset on the device."""

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        ends: NetNames = ANY,
        processes: Processes = ALONE,
    ) -> None:
        self.module = module.to(device)
        self.dataset, self.config, self.device, self.processes = dataset, config, device, processes
        self.batch_processes, self.layer_processes = self._divide(processes)
        self.has_classes = bool(dataset.classes)
        self._whole_batches = self.batch_processes.are_many and mixes(config.augment)
        self._portion: Portion | None = None
        if self.batch_processes.are_many and not self._whole_batches:
            self._portion = Portion()
        self.prepare = build_input(config.augment, dataset, device, self._portion)
        self._build(ends)
        self.feed = Feed(dataset.train, device, config.workers)
        self.tester = self._tester()
        self.tester.probe(self.tested)

    def _divide(self, processes: Processes) -> tuple[Processes, Processes]:
        """The processes that divide each batch, and those that divide the layers of the net."""
        return processes, ALONE

    def _tester(self) -> Tester:
        return Tester(self.dataset, self.config, self.device, self.loss, self.processes)

    def _kinds(self, ends: NetNames) -> Mapping[str, str]:
        """The kinds of the layers by the weights of the net."""
        return {name: ends.kinds.get(name, "") for name, _ in self.module.named_parameters()}

    def _build(self, ends: NetNames) -> None:
        """Build the parts that the recipe names."""
        config, module = self.config, self.module
        if config.sync_bn and self.processes.are_many:
            self.module = module = synchronised(module)
        if config.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shards = config.strategy == SHARDED and self.batch_processes.are_many
        self.parallel = Parallel(module, self.batch_processes, shards=shards)
        parameters = dict(module.named_parameters())
        selection = Selection(self._kinds(ends))
        self.freezing = Freezing(module, frozen_until(config, selection))
        # PyTorch has no fused SGD for shards.
        fused = config.precision != FP16 and not config.freeze and not shards
        self.optimizer = build_optimizer(config.optimizer, parameters, selection, fused=fused)
        heads = getattr(module, "aux_weights", ())
        parts = with_class_weights(parts_of(config.loss, ends.outputs), self.dataset)
        self.loss = Objective(parts, ends.outputs, self.dataset.targets, heads, self.dataset.name)
        self.scaler = Scaler(config.precision, self.device)
        self.average = averaged(module, config.ema) if config.ema else None
        self.forward = self._compiled(module)

    def _compiled(self, module: nn.Module) -> Forward:
        return torch.compile(module) if self.config.compile else module

    @property
    def keys(self) -> list[str]:
        """The keys of the metrics that are numbers."""
        return [m.key for m in scores_for(self.config.metrics, classes=self.has_classes)]

    @property
    def tested(self) -> nn.Module:
        """The module that is tested and saved: that with averaged weights, if there is one."""
        return self.module if self.average is None else self.average.module

    @property
    def parts(self) -> Parts:
        """What the steps change."""
        return Parts(self.module, self.optimizer, self.average, self.scaler, self.layer_processes)

    def steps(self, epoch: int) -> Sequence[TrainStep]:
        """The steps of an epoch, counted from 0."""
        samples = self.config.batch * self.config.accumulate
        steps = steps_of(self.config.seed, epoch, len(self.dataset.train), samples)
        least = 2 * self.batch_processes.count  # that batch norms need
        is_small = self.batch_processes.are_many and len(steps[-1].indices) < least
        if is_small and len(steps) > 1 and has_batch_norm(self.module):
            return steps[:-1]
        return steps

    def begin_epoch(self, epoch: int) -> None:
        """Put the module into training mode, and its frozen parts into evaluation mode."""
        self.module.train()
        self.freezing.apply(epoch)
        check_trainable(dict(self.module.named_parameters()))
        wrapped, is_new = self.parallel.wrapped()
        if is_new:
            self.forward = self._compiled(wrapped)

    def train_epoch(self, progress: Progress, watch: Watch, after_step: AfterStep) -> None:
        """Train the steps of the epoch at hand that are not done yet.

        `after_step` is called after each; what it raises ends the epoch.
        """
        epoch, steps = progress.epoch, self.steps(progress.epoch)
        start = time.perf_counter() - progress.seconds
        left = steps[progress.step :]
        batches = self.feed.batches([self._read(step.indices) for step in left])
        for index, (step, batch) in enumerate(zip(left, batches, strict=True), progress.step):
            self._set_rate(progress, index, len(steps))
            is_last = index + 1 == len(steps)
            place = f"in step {index + 1} of epoch {epoch + 1}"
            again = partial(self._repeat, step, batch)
            check = partial(watch.check_loss, place=place, again=again)
            loss, hits = self._step(step, batch, check, progress if is_last else None)
            if self.scaler.overflows:
                fact = self._overflows(progress, place, is_last=is_last)
                if fact is not None:
                    raise watch.overflow_error(fact, again)
            else:
                watch.check(loss, place)
                progress.total.add_(loss, alpha=len(step.indices))
                progress.correct += hits
                progress.seen += len(step.indices)
            progress.step += 1
            self.parallel.end_step()
            self.processes.has_done_step()
            progress.seconds = time.perf_counter() - start
            after_step()

    def _overflows(self, progress: Progress, place: str, *, is_last: bool) -> str | None:
        """How often gradients have overflowed fp16, if that is too often for the run to go on."""
        if self.scaler.overflows >= MOST_OVERFLOWS:
            count = self.scaler.overflows
            return f"the gradients overflow fp16 in {count} steps in a row, {place}"
        if is_last and not progress.seen:
            return f"the gradients overflow fp16 in every step of epoch {progress.epoch + 1}"
        return None

    def close(self) -> None:
        """End the processes that read samples."""
        self.feed.close()
        self.tester.close()

    def _set_rate(self, progress: Progress, index: int, count: int) -> None:
        config, step = self.config, progress.epoch * count + index
        losses = [record.get("val_loss", record["train_loss"]) for record in progress.history]
        factor = rate_factor(config.schedule, step, count, config.epochs, losses)
        for group in self.optimizer.param_groups:
            group["lr"] = group[RATE] * factor

    def _pieces(self, samples: int) -> list[Microbatch]:
        """The pieces of a batch, each with the samples of this process."""
        whole = self._whole_batches
        return pieces_of(samples, self.config.batch, self.batch_processes, whole=whole)

    def _read(self, indices: np.ndarray) -> np.ndarray:
        """The samples of a batch that this process reads."""
        if not self.batch_processes.are_many:
            return indices
        return np.concatenate([indices[piece.read] for piece in self._pieces(len(indices))])

    def _step(
        self,
        step: TrainStep,
        batch: Batch,
        check: Callable[[Tensor], None],
        progress: Progress | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Train on a batch; gives the results of `_forward` for the samples of all processes.

        `check` gets the loss before the weights change, except in fp16, whose overflows are left
        out. The norms of the gradients are noted in the progress, if it is given.
        """
        self.optimizer.zero_grad()
        self.parallel.begin_step()
        samples = len(step.indices)
        totals = torch.zeros(2, device=self.device)
        pieces = self._pieces(samples)
        for piece in pieces:
            with self.parallel.piece(is_last=piece is pieces[-1]):
                totals += torch.stack(self._train_piece(step, piece, batch, samples))
        self.scaler.scaler.unscale_(self.optimizer)
        total, right = self.processes.sum(totals)
        if self.config.precision != FP16:
            check(total)
        if progress is not None and self.config.gradient_norms:
            norms = json.dumps(gradient_norms(self.module))
            for own in self.layer_processes.texts(norms):
                progress.norms |= json.loads(own)
        self._clip()
        if self.scaler.take(self.optimizer) and self.average is not None:
            self.average.update_parameters(self.module)
        return total, right

    def _train_piece(
        self, step: TrainStep, piece: Microbatch, batch: Batch, samples: int
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of a piece of a batch; gives the part of this process in its results.

        `samples` is the number of samples in the whole batch.
        """
        loss, hits = self._forward(step, piece, batch, self.forward)
        share, count = piece.share.samples / samples, self.batch_processes.count
        if share * count != 1:
            loss = loss * (share * count)  # gradients are means over the processes
        self.processes.begins_to_talk()
        torch.autograd.backward(self.scaler.scaler.scale(loss))
        loss = loss.detach()
        if count > 1:
            loss = loss / count
        return loss, hits

    def _clip(self) -> None:
        if self.config.clip_value is None and self.config.clip_norm is None:
            return
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.config.clip_value is not None:
            clip_values(gradients, self.config.clip_value)
        if self.config.clip_norm is not None:
            norm = total_norm(gradients, self.layer_processes)
            if not whole(norm).isnan():  # it would make all gradients NaN, and none could be named
                nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, norm)

    def _repeat(self, step: TrainStep, batch: Batch) -> None:
        """Repeat the forward passes of a step, without compiled code, which has no layers."""
        for piece in self._pieces(len(step.indices)):
            self._forward(step, piece, batch, self.module)

    def _forward(
        self, step: TrainStep, piece: Microbatch, batch: Batch, forward: Forward
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of a piece of a batch, and how many samples are classified correctly.

        If no sample of it counts, both are 0.
        """
        inputs, targets = self._prepared(step, piece, batch)
        outputs = outputs_of(forward, inputs, self.config, self.device)
        loss = self.loss(outputs, targets)
        if not self.has_classes or not piece.share.samples:
            return loss, loss.new_zeros(())
        scores = outputs[self.loss.main].detach()
        return loss, hits_of(scores, targets[self.loss.target], self.dataset.target)

    def _prepared(
        self, step: TrainStep, piece: Microbatch, batch: Batch
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The inputs of a piece of a batch, and its targets; the draws of the layers come next."""
        seed_draws(step.seed_of(piece.number), self.device)
        if self._portion is not None:
            self._portion.whole, self._portion.own = piece.samples, piece.share.read
        inputs, targets = self.prepare(batch.part(piece.start, piece.end))
        if self.processes.are_many:
            seed_draws(step.seed_of(piece.number, self.processes.rank), self.device)
            if self._whole_batches:
                inputs = [values[piece.share.read] for values in inputs]
                targets = {name: values[piece.share.read] for name, values in targets.items()}
        return inputs, targets

    def record(self, progress: Progress, check_stop: AfterStep) -> Record:
        """Test the module, and give the record of the epoch whose steps are all done.

        `check_stop` is called before each batch; what it raises ends the test.
        """
        start = time.perf_counter()
        count = len(self.steps(progress.epoch))
        self._set_rate(progress, count - 1, count)  # a resumed run may have no step left
        tested: Record = {}
        if self.has_classes:
            tested["train_accuracy"] = progress.correct.item() / progress.seen
        self.parallel.share_buffers(self.tested)
        tested |= self.tester.test(self.tested, check_stop)
        seconds = progress.seconds + time.perf_counter() - start
        return {
            "epoch": progress.epoch + 1,
            "train_loss": progress.total.item() / progress.seen,
            **tested,
            **{f"{NORM}{layer}": norm for layer, norm in progress.norms.items()},
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
            "images_per_second": round(progress.seen / progress.seconds, 1),
        }


def hits_of(scores: Tensor, targets: Tensor, target: TargetData) -> Tensor:
    """How many samples are classified correctly; for masks, the sum of the shares of their pixels.

    `scores` are N x K x ..., and `targets` classes N x ..., or the shares of the classes N x K.
    """
    guesses = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
    if targets.is_floating_point():
        targets = targets.argmax(1)
    hits = guesses == targets
    if hits.dim() == 1:
        return hits.sum()
    pixels = torch.ones_like(hits) if target.ignored is None else targets != target.ignored
    pixels = pixels.flatten(1)
    return ((hits.flatten(1) & pixels).sum(1) / pixels.sum(1).clamp(min=1)).sum()


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """The Euclidean norm of the gradients of each layer that has any."""
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            layers.setdefault(name.rpartition(".")[0], []).append(parameter.grad)
    return {layer: whole(nn.utils.get_total_norm(own)).item() for layer, own in layers.items()}


def torch_device(name: str, number: int = 0) -> torch.device:
    """The device for `cpu`, `cuda` or `auto`; `number` is that of a GPU.

    Raises SettingError `no-device` if torch does not find that CUDA device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and number >= count:
        help = "use `--device cpu`, or `--device auto`, which uses a GPU if there is one"
        message = "torch finds no CUDA device here"
        if count:
            found = f"{counted(count, 'CUDA device')} here"
            message = f"torch finds {found}, but there are more processes on this machine"
            help = f"start only {counted(count, 'process')} on it"
        raise SettingError("no-device", message, "device", help)
    if name == "cpu" or number >= count:
        return torch.device("cpu")
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
