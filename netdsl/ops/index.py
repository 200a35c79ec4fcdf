"""Where each layer kind is defined, so that a net imports only the kinds that it uses.

`tests/ops/test_index.py` compares it with the modules.
"""

from __future__ import annotations

# fmt: off
# The kinds of each module of this package.
MODULES = {
    "activation": (
        "relu",
        "sigmoid",
        "tanh",
        "softplus",
        "hard_swish",
        "mish",
        "selu",
        "relu6",
        "leaky_relu",
        "elu",
        "prelu",
        "gelu",
        "silu",
        "hard_sigmoid",
        "scaled_tanh",
        "glu",
        "softmax",
        "log_softmax",
    ),
    "join": ("concat", "add", "mul", "sub", "max"),
    "arithmetic": ("+", "-", "*", "/", "**", "matmul"),
    "attention": ("attention",),
    "cast": ("float",),
    "conv": ("conv", "depthwise"),
    "deconv": ("deconv",),
    "dense": ("dense", "flatten", "embedding", "rbf"),
    "dropout": ("dropout", "dropout2d", "droppath"),
    "functions": ("exp", "log", "sqrt", "abs", "sign", "sin", "cos", "erf", "square", "clamp"),
    "graph": ("gcn", "cheb", "sage"),
    "norm": ("bn", "lrn"),
    "pool": ("maxpool", "avgpool", "sumpool", "l2pool"),
    "pool_global": ("gap", "gmp", "adaptive_avgpool", "adaptive_maxpool", "spp"),
    "pool_subsample": ("subsample",),
    "recurrent": ("rnn", "lstm", "gru"),
    "reduction": ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_norm"),
    "region": ("roi_pool", "roi_align"),
    "resample": ("upsample", "pixel_shuffle", "pixel_unshuffle"),
    "reshape": ("reshape", "permute", "tokens"),
    "roll": ("roll",),
    "sample_norm": ("layernorm", "rmsnorm", "groupnorm", "instancenorm"),
    "size": ("pad", "crop"),
    "slicing": ("slice", "split", "channel_shuffle", "select"),
    "tensor": ("param", "const", "positions"),
}
# The words that arguments of these kinds take.
WORDS = frozenset(
    (
        "area",
        "bicubic",
        "bilinear",
        "circular",
        "constant",
        "default",
        "edge",
        "float32",
        "he_normal",
        "he_uniform",
        "int64",
        "linear",
        "nearest",
        "nearest_exact",
        "none",
        "normal",
        "ones",
        "reflect",
        "relu",
        "same",
        "tanh",
        "trilinear",
        "xavier_normal",
        "xavier_uniform",
        "zeros",
    )
)
