"""The names of layers and functions in other tools and in papers, and what to write here.

A name is looked up without its case, its underscores and its number of dimensions: `Conv2d`,
`conv_2d` and `CONV` are all `conv`. `torch` and `keras` are the arguments in the order in which
these libraries take them: `kernel_size=k` is the argument `k` here, and `-` means that it has no
counterpart because it is not needed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netdsl.diagnostics import Proposal
from netdsl.habits.missing_layers import MISSING


class Counterpart(NamedTuple):
    """A layer of this language, and its names elsewhere.

    `names` are the names elsewhere and `ours` is the layer or, in a template, the chain of layers.
    """

    ours: str
    names: str
    torch: str | None = None
    keras: str | None = None


_TORCH_CONV = (
    "in_channels=- out_channels=out kernel_size=k stride padding=pad dilation groups bias"
    " padding_mode=pad_mode"
)
_KERAS_CONV = (
    "filters=out kernel_size=k strides=stride padding=pad data_format=- dilation_rate=dilation"
    " groups activation use_bias=bias kernel_initializer=init"
)
_POOL = "kernel_size=k stride padding=pad"
_KERAS_POOL = "pool_size=k strides=stride padding=pad"
_RNN = "input_size=- hidden_size=hidden num_layers=layers"
_TORCH_LSTM = _RNN + " bias=! batch_first=- dropout bidirectional"
KERAS_RNN = "units=hidden return_sequences"
_RATE = "rate=p"

LAYERS = (
    Counterpart(
        "conv",
        "convolution convolve convolutional convlayer convblock atrousconv dilatedconv",
        _TORCH_CONV,
        _KERAS_CONV,
    ),
    Counterpart(
        "deconv",
        "convtranspose transposedconv transposeconv deconvolution upconv convtransposed",
        (
            "in_channels=- out_channels=out kernel_size=k stride padding=pad"
            " output_padding=output_pad groups bias dilation"
        ),
        (
            "filters=out kernel_size=k strides=stride padding=pad output_padding=output_pad"
            " data_format=- dilation_rate=dilation activation use_bias=bias"
        ),
    ),
    Counterpart(
        "depthwise",
        "depthwiseconv dwconv depthwiseconvolution",
        keras="kernel_size=k strides=stride padding=pad depth_multiplier=multiplier",
    ),
    Counterpart(
        "depthwise -> conv",
        "separableconv sepconv separable depthwiseseparable",
        None,
        "filters=out kernel_size=k strides=stride padding=pad data_format=-",
    ),
    Counterpart(
        "dense",
        "linear fc fullyconnected innerproduct ip connected fclayer lazylinear ff affine",
        "in_features=- out_features=units bias",
        "units activation use_bias=bias kernel_initializer=init",
    ),
    Counterpart("flatten", "flat ravel", "start_dim=! end_dim=!", ""),
    Counterpart(
        "embedding",
        "embed embeddings lookup",
        "num_embeddings=n embedding_dim=dim",
        "input_dim=n output_dim=dim",
    ),
    Counterpart("param", "parameter learnedtensor learnabletensor clstoken", "data=value", None),
    Counterpart("const", "constant buffer registerbuffer", None, None),
    Counterpart("positions", "arange position positionids posids", None, None),
    Counterpart(
        "maxpool",
        "maxpooling pool pooling mp",
        _POOL + " dilation return_indices=! ceil_mode=ceil",
        _KERAS_POOL,
    ),
    Counterpart(
        "avgpool",
        "averagepooling avgpooling averagepool meanpool meanpooling",
        _POOL + " ceil_mode=ceil count_include_pad=count_pad",
        _KERAS_POOL,
    ),
    Counterpart(
        "gap",
        "globalavgpool globalaveragepool globalavgpooling globalpool globalpooling avgpoolglobal",
    ),
    Counterpart("gap -> flatten", "globalaveragepooling", None, ""),
    Counterpart("gmp -> flatten", "globalmaxpooling", None, ""),
    Counterpart("gmp", "globalmaxpool gmaxpool"),
    Counterpart(
        "adaptive_avgpool",
        "adaptiveavgpool adaptiveaveragepool adaptiveaveragepooling",
        "output_size=size",
    ),
    Counterpart("adaptive_maxpool", "adaptivemaxpool adaptivemaxpooling", "output_size=size"),
    Counterpart(
        "bn",
        "batchnorm batchnormalization batchnormalisation bnorm norm lazybatchnorm syncbatchnorm",
        "num_features=- eps momentum affine track_running_stats=- bias",
        "axis=- momentum=- epsilon=- center=bias scale=-",
    ),
    Counterpart(
        "layernorm",
        "layernormalization layernormalisation ln",
        "normalized_shape=- eps affine bias",
        "axis=- epsilon=eps",
    ),
    Counterpart("rmsnorm", "rmsnormalization", "normalized_shape=- eps"),
    Counterpart(
        "groupnorm",
        "groupnormalization groupnormalisation",
        "num_groups=groups num_channels=- eps affine bias",
        "groups axis=- epsilon=eps",
    ),
    Counterpart(
        "instancenorm",
        "instancenormalization",
        "num_features=- eps momentum affine track_running_stats bias",
    ),
    Counterpart(
        "lrn", "localresponsenorm localresponsenormalization crossmaplrn", "size=n alpha beta k"
    ),
    Counterpart("dropout", "drop", "p", _RATE),
    Counterpart(
        "dropout2d",
        "spatialdropout featuredropout dropout1d dropout3d dropblock",
        "p",
        _RATE,
    ),
    Counterpart("droppath", "stochasticdepth droppaths", "drop_prob=p"),
    Counterpart("relu", "rectifier rectifiedlinear rectlinear", "", ""),
    Counterpart(
        "leaky_relu",
        "lrelu leakyrelu",
        "negative_slope=slope",
        "alpha=slope negative_slope=slope",
    ),
    Counterpart("hard_swish", "hardswish hswish", "", ""),
    Counterpart("hard_sigmoid", "hardsigmoid hsigmoid", "", ""),
    Counterpart("silu", "swish", "", ""),
    Counterpart("log_softmax", "logsoftmax", "dim=axis"),
    Counterpart("softmax", "softmaxlayer", "dim=axis", "axis=-"),
    Counterpart("softmax(axis = 1)", "softmax2d", ""),
    Counterpart("sigmoid", "logistic", "", ""),
    Counterpart("glu", "gatedlinearunit", "dim=axis"),
    Counterpart("concat", "cat concatenate concatenation merge route hstack", None, "axis=-"),
    Counterpart("add", "eltwise plus elementwiseadd sum elementwisesum", None, ""),
    Counterpart("mul", "multiply times elementwisemul prod product", None, ""),
    Counterpart("sub", "subtract minus", None, ""),
    Counterpart("max", "maximum maxout", None, ""),
    Counterpart("exp", "exponential", None, ""),
    Counterpart("log", "logarithm", None, ""),
    Counterpart("sqrt", "squareroot root", None, ""),
    Counterpart("square", "squared sqr", None, ""),
    Counterpart("abs", "absolute absval absolutevalue fabs", None, ""),
    Counterpart("sign", "signum sgn", None, ""),
    Counterpart("float", "cast tofloat asfloat float32 astype", None, None),
    Counterpart("sin", "sine", None, ""),
    Counterpart("cos", "cosine", None, ""),
    Counterpart("clamp", "clip clipbyvalue clamped", "min max"),
    Counterpart("reduce_sum", "sumreduction"),
    Counterpart("reduce_mean", "mean", "dim=axis keepdim=keep"),
    Counterpart("reduce_max", "amax", "dim=axis keepdim=keep"),
    Counterpart("reduce_min", "amin", "dim=axis keepdim=keep"),
    Counterpart("reduce_norm", "vectornorm l2 euclideannorm"),
    Counterpart("matmul", "bmm mm batchmatmul batchdot dot"),
    Counterpart("residual", "skip shortcut residualblock resblock skipconnection"),
    Counterpart("upsample", "interpolate resize", "size"),
    Counterpart(
        "upsample",
        "upsampling upsamplingnearest unpool upscale",
        "size scale_factor=scale mode align_corners",
        "size=scale data_format=- interpolation=mode",
    ),
    Counterpart("pixel_shuffle", "pixelshuffle depthtospace subpixel", "upscale_factor=r"),
    Counterpart("pixel_unshuffle", "pixelunshuffle spacetodepth reorg", "downscale_factor=r"),
    Counterpart("reshape", "view unflatten", None, "target_shape=shape"),
    Counterpart("permute", "transpose swapaxes", None, "dims=order"),
    Counterpart("pad", "zeropad zeropadding padding constantpad", "padding=pad", "padding=pad"),
    Counterpart("crop", "cropping centercrop"),
    Counterpart("slice", "narrow stridedslice"),
    Counterpart("select", "unbind laststep timestep takelast"),
    Counterpart("split", "chunk"),
    Counterpart("channel_shuffle", "channelshuffle shufflechannels", "groups"),
    Counterpart(
        "attention",
        "multiheadattention mha selfattention multihead",
        "embed_dim=- num_heads=heads dropout bias",
        "num_heads=heads key_dim=-",
    ),
    Counterpart("rnn", "simplernn elmanrnn", _RNN, KERAS_RNN),
    Counterpart("lstm", "longshorttermmemory", _TORCH_LSTM, KERAS_RNN),
    Counterpart("gru", "gatedrecurrentunit", _TORCH_LSTM, KERAS_RNN),
    Counterpart("identity", "noop passthrough", "", ""),
    Counterpart("bottleneck", "bottleneckblock"),
    Counterpart("se", "squeezeexcitation squeezeandexcitation squeezeexcite seblock selayer"),
    Counterpart("inverted_residual", "invertedresidual mbconv irblock invertedbottleneck"),
    Counterpart("dense_block", "denseblock"),
    Counterpart("spp", "spatialpyramidpooling spatialpyramid"),
    Counterpart("frozen", "freeze"),
    Counterpart("gcn", "graphconv gcnconv", "in_channels=- out_channels=units"),
    Counterpart("sage", "sageconv graphsage", "in_channels=- out_channels=units"),
    Counterpart("cheb", "chebconv", "in_channels=- out_channels=units K=k"),
    Counterpart("roi_pool", "roipool roipooling"),
    Counterpart("roi_align", "roialign"),
    Counterpart("tokens", "patches totokens sequence"),
)


def _formula(text: str) -> Proposal:
    return Proposal(f"write `{text}`, where `@` is the current value", "text", [text])


def _omit(text: str) -> Proposal:
    return Proposal(text, "nothing")


# Names without one layer as their counterpart, with advice.
_ACTIVATION = "write the activation itself as a layer, such as `relu`"
_TRAIN = "how a net is trained is in its `train` section: `train Net { epochs = 3 }`"
_PRINT = _omit("leave it out; `netdsl check` prints the layers with their shapes and parameters")
_SEQUENCE = "layers follow each other without a container: `conv(8, 3) -> relu`"
_RESULT = _omit("leave it out: the result of a net or block is its last value; `output` names it")
_LOSSES = """
    l1loss smoothl1loss huberloss kldivloss bcewithlogitsloss ctcloss gaussiannllloss
    poissonnllloss cosineembeddingloss hingeembeddingloss marginrankingloss multilabelmarginloss
    multilabelsoftmarginloss multimarginloss softmarginloss tripletmarginloss
    tripletmarginwithdistanceloss adaptivelogsoftmaxwithloss linearcrossentropyloss
"""
_ENCODER = (
    "write the layer as a block of `residual { layernorm -> attention(4) }` and "
    "`residual { layernorm -> dense(256) -> gelu -> dense(64) }`"
)
_ALPHA = (
    "write `dropout(0.1)`, or `dropout2d(0.1)` for whole maps, which change the variance of "
    "their input"
)
ADVICE = {
    **MISSING,
    **dict.fromkeys(("activation", "act", "nonlinearity", "activationlayer"), _ACTIVATION),
    **dict.fromkeys(("input", "inputlayer", "inputs", "placeholder", "inputspec"),
                    "declare the input at the top of the net: `input image: 3x224x224`"),
    **dict.fromkeys(("return", "yield", "result", "out", "outputs", "output"), _RESULT),
    **dict.fromkeys(("print", "summary", "show", "display", "echo", "printf"), _PRINT),
    **dict.fromkeys(("sequential", "seq", "modulelist", "functional", "model", "module", "graph",
                     "layers", "layer", "chain", "moduledict", "container"), _SEQUENCE),
    **dict.fromkeys(("compile", "fit", "train", "optimizer", "loss", "adam", "sgd", "adamw",
                     "rmsprop", "crossentropyloss", "crossentropy", "mseloss", "nllloss",
                     "bceloss", "softmaxwithloss", "accuracy", "backward", "step",
                     *_LOSSES.split(), "dataparallel"), _TRAIN),
    "average": "write the mean of values as a formula: `((@a + @b) / 2)`",
    **dict.fromkeys(("pass", "continue"), _omit("an empty body is written `{ }`; leave this out")),
    **dict.fromkeys(("break", "end", "endif", "endfor", "begin", "done", "fi", "then"),
                    _omit("bodies are written in braces: `repeat 3 { ... }`; leave this out")),
    **dict.fromkeys(("while", "loop", "until", "do", "foreach", "map"),
                    "write a loop as `repeat 3 { ... }` or `for x in list { ... }`"),
    **dict.fromkeys(("parallel", "branch", "branches", "fork", "join", "arms", "tower"),
                    "branches are joined by `concat { | relu | tanh }`, `add`, `mul` or `max`"),
    **dict.fromkeys(("assert", "require", "check", "verify"),
                    "write `expect params == 80` for a fact about the net"),
    **dict.fromkeys(("elif", "elseif", "elsif"), "write `else if` after the `}` of the `if`"),
    **dict.fromkeys(("switch", "case", "match", "select"),
                    "write `if k == 1 { ... } else if k == 2 { ... } else { ... }`"),
    **dict.fromkeys(("pow", "power"),
                    "write a power as `(@ ** 2)`, where `@` is the current value"),
    **dict.fromkeys(("div", "divide", "divided"),
                    "write a quotient as `(@ / @other)`, where `@` is the current value"),
    **dict.fromkeys(("neg", "negative", "negate"), _formula("(-@)")),
    **dict.fromkeys(("normalize", "normalise", "l2norm", "l2normalize", "unitnorm"),
                    "write `(@ / reduce_norm(@, axis = 1, keep = true))` for vectors of length 1"),
    **dict.fromkeys(("transformer", "transformerencoder", "transformerencoderlayer",
                     "transformerdecoder", "transformerdecoderlayer"), _ENCODER),
    **dict.fromkeys(("alphadropout", "featurealphadropout"), _ALPHA),
    **dict.fromkeys(("fold", "unfold"),
                    "`reshape` and `permute` cut a map into windows that do not overlap"),
    **dict.fromkeys(("parameterlist", "parameterdict"),
                    "write each tensor as a `param`, in a loop if there are many"),
    "reflectionpad": "write `pad(1, mode = reflect)`, where 1 is the width",
    "replicationpad": "write `pad(1, mode = edge)`, where 1 is the width",
    "circularpad": "write `pad(1, mode = circular)`, where 1 is the width",
    "lppool": "`l2pool` computes the Euclidean norm of each window",
    "maxunpool": "write `upsample(2)` or `deconv`: `maxpool` has no indices as a result",
    "fractionalmaxpool": "write `maxpool` or `adaptive_maxpool`, whose windows are not random",
    "lazyconv": "write `conv`, which infers the channels of its input",
    "lazyconvtranspose": "write `deconv`, which infers the channels of its input",
    "lazyinstancenorm": "write `instancenorm`, which infers the channels of its input",
    "rnncell": "write `rnn`: on a sequence of one step, it is a cell",
    "lstmcell": "write `lstm`: on a sequence of one step, it is a cell",
    "grucell": "write `gru`: on a sequence of one step, it is a cell",
    "embeddingbag": "write `embedding(1000, 32) -> reduce_mean(axis = 1)`",
    "bilinear": "write `(@a * @b) -> flatten -> dense(5)` for a column `@a` and a row `@b`, or "
                "`upsample(2, mode = bilinear)` to resize",
    "cosinesimilarity": "write `reduce_sum(@a * @b, axis = 1)`, and divide it by the product of "
                        "`reduce_norm(@a, axis = 1)` and `reduce_norm(@b, axis = 1)`",
    "pairwisedistance": "write `(@a - @b) -> reduce_norm(axis = -1)`",
    "leaky": "write `leaky_relu(0.1)`, which has Darknet's slope",
    "rrelu": "write `leaky_relu(0.23)`, whose slope is not random",
    "celu": "write `(2 * elu(@ / 2))`, where 2 is `alpha`; for 1, it is `elu`",
    "hardshrink": _formula("(@ * sign(relu(abs(@) - 0.5)))"),
    "threshold": "write `(7 + sign(relu(@ - 2)) * (@ - 7))`, where 2 is the threshold and 7 the "
                 "value below it",
    "hardtanh": "write `clamp(-1, 1)`",
    "logsigmoid": _formula("(-softplus(-@))"),
    "softmin": "write `(-@) -> softmax`, where `@` is the current value",
    "softsign": _formula("(@ / (1 + abs(@)))"),
    "softshrink": _formula("(@ - clamp(@, -0.5, 0.5))"),
    "tanhshrink": _formula("(@ - tanh(@))"),
    "log2": _formula("(log(@) / 0.6931471805599453)"),
    "log10": _formula("(log(@) / 2.302585092994046)"),
    "log1p": "write `(1 + @) -> log`, where `@` is the current value",
    "exp2": _formula("(2 ** @)"),
    "expm1": _formula("(exp(@) - 1)"),
    "rsqrt": _formula("(@ ** -0.5)"),
    "reciprocal": _formula("(1 / @)"),
    **dict.fromkeys(("rearrange", "einops"),
                    "`tokens` is `b c h w -> b (h w) c`; `permute` reorders axes, and `reshape`"
                    " splits and merges them"),
    "einsum": "write `matmul` for the product of matrices, with `permute` for other axes",
    "upsamplingbilinear": "write `upsample(2, mode = bilinear, align_corners = true)`",
    **dict.fromkeys(("bidirectional", "bilstm"), "write `lstm(32, bidirectional = true)`"),
    "bigru": "write `gru(32, bidirectional = true)`",
    "onehot": "there is no such layer: `embedding(1000, 64)` is a one-hot vector times a matrix",
    **dict.fromkeys(("feedforward", "ffn", "mlp", "positionwisefeedforward"),
                    "write `dense(256) -> gelu -> dense(64)`, with the length of the input last"),
    **dict.fromkeys(("positionalencoding", "positionalembedding", "positionembedding", "posembed",
                     "posencoding", "posembedding", "sinusoidalencoding", "learnedpositions"),
                    "write `residual { positions -> embedding(512, 64) }`, which adds a learned"
                    " vector of 64 numbers to each of up to 512 steps"),
    **dict.fromkeys(("pointwise", "pointwiseconv", "pwconv", "convpointwise"),
                    "write `conv(64, 1)`, a convolution with a kernel of 1"),
    **dict.fromkeys(("randn", "rand", "random", "randomnormal", "noise", "uniform"),
                    "random numbers are an input: declare `input noise: 20`, and write `@noise`"),
    **dict.fromkeys(("patchembed", "patchembedding", "patchify"),
                    "write `conv(768, 16, stride = 16) -> tokens` for patches of 16 by 16"),
    **dict.fromkeys(("crossattention", "encoderdecoderattention"),
                    "write `attention(4, @memory)`, whose keys and values are `@memory`"),
    "timedistributed": "`dense` works on every vector of a sequence; write the layer itself",
    "lambda": "write the calculation as layers, or as a `block` with parameters",
    "stack": "give each tensor an axis with `reshape`, and join them with `concat(@a, axis = 1)`",
    "squeeze": "`flatten` gives a vector; `reshape` gives any shape with as many elements",
    "unsqueeze": "write the new shape: `reshape(1x28x28)`",
    "expanddims": "write the new shape: `reshape(1x28x28)`",
    "repeatvector": "`upsample` repeats elements along the spatial axes",
    "masking": _omit("leave it out: sequences have no mask here"),
    "gaussiannoise": _omit("leave it out, or use `dropout(0.1)` to regularise"),
    "class": "define a named part as a block: `block Name() { ... }`",
    **dict.fromkeys(("forward", "call", "build", "init", "main"),
                    "the layers are in the braces of the net itself, with no function around them"),
    "def": "define a named part as a block: `block Name() { ... }`",
    "scale": "`bn` has a learned scale and shift for each channel",
    "null": _omit("leave it out; `identity` is the value itself, unchanged"),
    "none": _omit("leave it out; `identity` is the value itself, unchanged"),
}  # fmt: skip


# What to write for a call whose only argument is a number.
WITH_NUMBER = {
    "reflectionpad": "pad({}, mode = reflect)",
    "replicationpad": "pad({}, mode = edge)",
    "circularpad": "pad({}, mode = circular)",
    "upsamplingbilinear": "upsample({}, mode = bilinear, align_corners = true)",
    **dict.fromkeys(("pointwise", "pointwiseconv", "pwconv", "convpointwise"), "conv({}, 1)"),
    **{f"bi{kind}": f"{kind}({{}}, bidirectional = true)" for kind in ("lstm", "gru", "rnn")},
}


def key_of(name: str) -> str:
    """A name without its prefix, case, underscores and number of dimensions."""
    last = name.rpartition(".")[2].lower().replace("_", "")
    return re.sub(r"[123]d(?=$|transpose$)", "", last)


_BY_NAME = {name: row for row in LAYERS for name in (*row.names.split(), row.ours.replace("_", ""))}


def find(name: str) -> Counterpart | None:
    """The layer that a name of another tool means, if there is one."""
    whole = name.rpartition(".")[2].lower().replace("_", "")
    return _BY_NAME.get(whole) or _BY_NAME.get(key_of(name))
