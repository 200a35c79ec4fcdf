"""What captum computes: guided back-propagation, integrated gradients and Grad-CAM.

The package is optional; importing it takes a second, so this happens only when it is used.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from netdsl.look.net import fetched

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from netdsl.ir.graph import Node
    from netdsl.look.net import LayeredNet

STEPS = 32  # of the path to the picture
TOGETHER = 16  # images that run at once


def is_installed() -> bool:
    """Whether captum is installed."""
    return find_spec("captum") is not None


def guided(net: LayeredNet, images: Tensor, classes: Tensor) -> Tensor:
    """Guided back-propagation (Springenberg et al. 2014): ReLU passes only positive gradients."""
    from captum.attr import GuidedBackprop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its hooks
        return _detached(GuidedBackprop(net).attribute(images.clone(), target=classes))


def integrated(net: LayeredNet, images: Tensor, classes: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017) from the grey of zeros to the image."""
    from captum.attr import IntegratedGradients

    method, together = IntegratedGradients(net), max(len(images), TOGETHER)
    return _detached(
        method.attribute(
            images.clone(), target=classes, n_steps=STEPS, internal_batch_size=together
        )
    )


def grad_cam(net: LayeredNet, images: Tensor, classes: Tensor, node: Node) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017) of a layer with maps, N x rows x columns, from 0 on."""
    from captum.attr import LayerGradCam

    method = LayerGradCam(net, net.layer(node))
    heat = method.attribute(images.clone().requires_grad_(), target=classes, relu_attributions=True)
    found: np.ndarray = _detached(heat)[:, 0].numpy()
    return found


def _detached(values: Any) -> Tensor:
    return fetched(values.detach())
