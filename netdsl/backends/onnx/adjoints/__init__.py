"""The gradients of ONNX operators, from which those of most layers are derived.

`RULES` has a rule for each operator. A rule takes an emitter, a node and the gradients of the
results of the node, and gives for each input that can have a gradient a function that emits it. The
emitter calls only the functions that it needs, and adds up what was broadcast.
"""

from netdsl.backends.onnx.adjoints import (
    convolution,
    elementwise,
    movement,
    norm,
    pooling,
    products,
    recurrent,
)

RULES = {
    **elementwise.RULES,
    **products.RULES,
    **movement.RULES,
    **convolution.RULES,
    **pooling.RULES,
    **norm.RULES,
    **recurrent.RULES,
}
# Operators with infinite slopes.
POLES = frozenset({"Div", "Log", "LpPool", "Pow", "Reciprocal", "ReduceL2", "Sqrt"})
# Operators whose results do not depend smoothly on their inputs: the gradient is 0.
CONSTANT = frozenset({"Cast", "Equal", "EyeLike", "Floor", "Greater", "Less", "Shape", "Sign"})
