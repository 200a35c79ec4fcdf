"""Words of other languages for values, functions and types, and what to write here."""

from __future__ import annotations

# Words for values in other languages.
VALUES = {
    "True": "true",
    "TRUE": "true",
    "yes": "true",
    "on": "true",
    "False": "false",
    "FALSE": "false",
    "no": "false",
    "off": "false",
}
NOTHING = frozenset(("None", "none", "null", "nil", "NULL", "undefined", "nullptr"))

# Functions of other languages.
FUNCTIONS = {
    "int": "`floor(a)` rounds down; `a // b` divides and rounds down",
    "pow": "write a power as `a ** b`",
    "str": "only labels contain values: `stage{i}: conv(8, 3)`",
    "float": "leave it out: `a / b` gives a fraction",
    "list": "leave it out: `range(3)` is a list already",
    "tuple": "leave it out: lists and tuples are the same",
    "log2": "write the number itself",
    "size": "the sizes of a value are `shape(@label)`, those of a block's input `in.shape`",
    "zip": "count with `enumerate(list)` or `range(n)`, and index: `list[i]`",
    "reversed": "`range(2, -1, -1)` counts down from 2 to 0; `[a[-1 - i] for i in range(len(a))]`"
    " is the list `a` backwards",
    "sorted": "write the list in that order",
}

# Numbers that have a name in other languages.
NUMBERS = {"pi": "3.141592653589793"}

# What is written for a tensor, by the names of functions.
OF_TENSORS = {
    "sum": "`reduce_sum(@, axis = 1)` adds up along an axis",
    "mean": "`reduce_mean(@, axis = 1, keep = true)` is the mean along an axis, which it keeps",
    "norm": "`reduce_norm(@, axis = 1)` is the Euclidean norm along an axis",
    "min": "`reduce_min(@, axis = 1)` is the smallest along an axis; `clamp(@, max = 1)` bounds",
    "len": "`shape(@)` has the sizes of a tensor",
    "round": "tensors are not rounded",
    "pow": "write `@ ** 2`",
    "transpose": "`permute` reorders axes; `matmul(@a, @b, transpose = true)` transposes `@b`",
    "dot": "write `matmul(@a, @b)`",
    "minimum": "write `-max(-@a, -@b)`; `clamp(@, max = 1)` bounds a tensor by a number",
}

# Types of elements in other languages.
TYPES = {
    "float": "float32", "float32": "float32", "f32": "float32", "real": "float32",
    "double": "float64", "f64": "float64", "half": "float16", "fp16": "float16", "f16": "float16",
    "int": "int64", "long": "int64", "integer": "int64", "i64": "int64", "i32": "int32",
    "byte": "uint8", "u8": "uint8", "uchar": "uint8", "boolean": "bool",
}  # fmt: skip
# Packages of Python, which people import out of habit.
PACKAGES = frozenset(
    "torch tensorflow keras numpy torchvision jax flax mxnet paddle netdsl nn math os sys".split()
)

# How other tools call the random numbers that weights begin with.
INITS = {
    "kaiming_normal": "he_normal", "kaiming_uniform": "he_uniform", "msra": "he_normal",
    "glorot_uniform": "xavier_uniform", "glorot_normal": "xavier_normal",
    "random_normal": "normal", "gaussian": "normal",
    "zero": "zeros", "one": "ones",
}  # fmt: skip

# The same for names that do not say how the numbers are distributed.
FAMILIES_OF_INITS = {
    "kaiming": ("he_normal", "he_uniform"), "he": ("he_normal", "he_uniform"),
    "xavier": ("xavier_normal", "xavier_uniform"), "glorot": ("xavier_normal", "xavier_uniform"),
}  # fmt: skip

# What other tools call a mask that hides the later steps of a sequence.
CAUSAL = frozenset("true causal tril triu lookahead look_ahead autoregressive subsequent".split())

# Names for the sizes of the value at hand.
IN = {
    "in_channels": "in.channels", "channels": "in.channels", "in_features": "in.size",
    "c_in": "in.channels", "inplanes": "in.channels", "in_planes": "in.channels",
    "input_channels": "in.channels", "height": "in.height", "width": "in.width",
    "length": "in.length",
}  # fmt: skip
