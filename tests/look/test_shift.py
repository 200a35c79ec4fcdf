"""Changed pictures against NumPy, and the accuracy of unchanged ones."""

from __future__ import annotations

import numpy as np
import torch

from netdsl.look.errors import errors, probabilities
from netdsl.look.parts import Curves, Grid
from netdsl.look.shift import changes_for, shift
from netdsl.train.confusion import ConfusionMatrix
from tests.support.looking import layered, pictures

NET = "input image: 1x9x9\nconv(4, 3) -> relu -> gap -> flatten -> dense(3)"


def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def test_moved_by_whole_pixels() -> None:
    """Pictures move to the right; what comes in repeats the border."""
    move = changes_for(9)[0]
    found = move.apply(pixels(), 2).numpy()
    own = pixels().numpy()
    np.testing.assert_allclose(own[..., :-2], found[..., 2:], atol=1e-5)
    np.testing.assert_allclose(np.repeat(own[..., :1], 2, 3), found[..., :2], atol=1e-5)
    assert (-2, 2) == (move.values[0], move.values[-1])


def test_turned_by_right_angles() -> None:
    """Pictures turn counterclockwise around their middle."""
    turn = changes_for(9)[1]
    for degrees, times in ((90, 1), (180, 2), (-90, 3)):
        expected = np.rot90(pixels().numpy(), times, (2, 3))
        np.testing.assert_allclose(expected, turn.apply(pixels(), degrees).numpy(), atol=1e-5)


def test_scaled_from_the_middle() -> None:
    """At twice the size, every second pixel is one of the middle of the picture."""
    found = changes_for(9)[2].apply(pixels(), 2.0).numpy()
    np.testing.assert_allclose(pixels().numpy()[..., 2:7, 2:7], found[..., ::2, ::2], atol=1e-5)


def test_lit() -> None:
    """Light multiplies pixels, up to white."""
    found = changes_for(9)[3].apply(pixels(), 1.5).numpy()
    np.testing.assert_allclose((pixels().numpy() * 1.5).clip(0, 1), found)


def test_curves() -> None:
    """Where nothing is changed, each curve has the accuracy of the net; a guess has a third."""
    net, shown = layered(NET), pictures(60, (1, 9, 9))
    (part,) = shift(net, shown).parts
    assert isinstance(part, Curves)
    with torch.inference_mode():
        guesses = net(shown.prepared(slice(None))).argmax(1).numpy()
    own = 100 * float((guesses == shown.labels).mean())
    assert 4 == len(part.curves)
    for curve in part.curves:
        assert abs(curve.ys[list(curve.xs).index(curve.still)] - own) < 1e-9
    assert abs(part.lowest - 100 / 3) < 1e-9


def test_errors() -> None:
    """The matrix counts answers; the worst error has the least probability of its class."""
    net, shown = layered(NET), pictures(60, (1, 9, 9))
    with torch.inference_mode():
        scores = net(shown.prepared(slice(None))).numpy()
    matrix, grid = errors(shown, scores).parts
    assert isinstance(matrix, ConfusionMatrix) and isinstance(grid, Grid)
    labels, guesses = shown.labels, scores.argmax(1)
    assert labels is not None
    for own in range(3):
        for guess in range(3):
            count = ((labels == own) & (guesses == guess)).sum()
            assert count == matrix.counts[own, guess]
    shares = torch.from_numpy(scores).softmax(1).numpy()[np.arange(60), labels]
    wrong = np.flatnonzero(labels != guesses)
    order = wrong[np.argsort(shares[wrong], kind="stable")][:16]
    tiles = [tile for row in grid.rows for tile in row.tiles]
    for number, tile in zip(order, tiles, strict=True):
        np.testing.assert_array_equal(shown.shown(number), tile.values)
        truth, answer = tile.caption.split("\n")
        assert truth.startswith(f"{shown.true_class(number)} {100 * shares[number]:.0f} %")
        assert answer.startswith(shown.class_of(int(guesses[number])))


def test_probabilities() -> None:
    """A softmax; a single score is that of the second class; probabilities stay as they are."""
    scores = np.array([[1.0, -2.0, 0.5], [300.0, 0.0, 1.0]])
    expected = torch.from_numpy(scores).softmax(1).numpy()
    np.testing.assert_allclose(expected, probabilities(scores))
    np.testing.assert_allclose(expected, probabilities(expected), atol=1e-12)
    single = probabilities(np.array([[2.0], [-1.0]]))[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp([-2.0, 1.0])), single)
