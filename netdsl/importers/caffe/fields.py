"""The fields of Caffe's messages (caffe.proto), and a check of a file against them.

Protobuf's own parser makes the same checks. It needs the compiled messages of one copy of Caffe,
and files are written for several.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.importers.caffe.prototxt import ProtoMessage, Scalar, is_flag, read_integer, read_number
from netdsl.importers.described import wrong
from netdsl.source import printable
from netdsl.words import either

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Fields = Mapping[str, str]

MOST = 20  # mistakes of a file that are listed
_AXES = "kernel_h:u kernel_w:u stride_h:u stride_w:u pad_h:u pad_w:u"
_ENGINE = "engine:DEFAULT|CAFFE|CUDNN"
_FILLERS = "weight_filler:Filler bias_filler:Filler"
_DATA = "source:s batch_size:u rand_skip:u scale:f mean_file:s crop_size:u mirror:b"
_LAYER = """
    bottom:s* top:s* name:s loss_weight:f* blobs:?* include:Rule* exclude:Rule*
    transform_param:Transform loss_param:? accuracy_param:? argmax_param:? concat_param:Concat
    contrastive_loss_param:? convolution_param:Convolution data_param:Data dropout_param:Dropout
    dummy_data_param:DummyData eltwise_param:Eltwise exp_param:? hdf5_data_param:?
    hdf5_output_param:? hinge_loss_param:? image_data_param:ImageData infogain_loss_param:?
    inner_product_param:InnerProduct lrn_param:LRN memory_data_param:MemoryData mvn_param:?
    pooling_param:Pooling power_param:Power relu_param:ReLU sigmoid_param:Engine
    slice_param:Slice softmax_param:Softmax tanh_param:Engine threshold_param:?
    window_data_param:WindowData
"""
# The types of fields: s is a text, b a boolean, i an integer, u one that is not negative, f a
# number, A|B one of these words, and ? anything. Other names are those of messages; * is a list.
_MESSAGES = {
    "Net": """
        name:s input:s* input_shape:Shape* input_dim:i* force_backward:b state:? debug_info:b
        layer:Layer* layers:OldLayer*
    """,
    "Layer": f"""
        {_LAYER} type:s phase:TRAIN|TEST param:Param* propagate_down:b* batch_norm_param:BatchNorm
        bias_param:Bias clip_param:? crop_param:Crop elu_param:ELU embed_param:?
        flatten_param:Flatten input_param:Input log_param:? parameter_param:? prelu_param:PReLU
        python_param:? recurrent_param:? reduction_param:? reshape_param:Reshape
        scale_param:Scale spp_param:? swish_param:? tile_param:?
    """,
    "OldLayer": f"{_LAYER} type:? blobs_lr:f* weight_decay:f* param:s* blob_share_mode:?* layer:?",
    "Rule": "phase:TRAIN|TEST min_level:i max_level:i stage:s* not_stage:s*",
    "Param": "name:s share_mode:STRICT|PERMISSIVE lr_mult:f decay_mult:f",
    "Shape": "dim:i*",
    "Filler": """
        type:s value:f min:f max:f mean:f std:f sparse:i variance_norm:FAN_IN|FAN_OUT|AVERAGE
        file:s
    """,
    "Transform": """
        scale:f mirror:b crop_size:u crop_h:u crop_w:u mean_file:s mean_value:f* force_color:b
        force_gray:b resize_param:? noise_param:? distort_param:? expand_param:? emit_constraint:?
    """,
    "BatchNorm": "use_global_stats:b moving_average_fraction:f eps:f",
    "Bias": "axis:i num_axes:i filler:Filler",
    "Concat": "axis:i concat_dim:u",
    "Convolution": f"""
        num_output:u bias_term:b pad:u* kernel_size:u* stride:u* dilation:u* {_AXES} group:u
        {_FILLERS} {_ENGINE} axis:i force_nd_im2col:b
    """,
    "Crop": "axis:i offset:u*",
    "Data": f"{_DATA} backend:LEVELDB|LMDB force_encoded_color:b prefetch:u",
    "Dropout": "dropout_ratio:f scale_train:b",
    "DummyData": "data_filler:Filler* shape:Shape* num:u* channels:u* height:u* width:u*",
    "ELU": "alpha:f",
    "Eltwise": "operation:PROD|SUM|MAX coeff:f* stable_prod_grad:b",
    "Engine": _ENGINE,
    "Flatten": "axis:i end_axis:i",
    "ImageData": f"{_DATA} shuffle:b new_height:u new_width:u is_color:b root_folder:s",
    "InnerProduct": f"num_output:u bias_term:b {_FILLERS} axis:i transpose:b",
    "Input": "shape:Shape*",
    "LRN": f"""
        local_size:u alpha:f beta:f norm_region:ACROSS_CHANNELS|WITHIN_CHANNEL k:f {_ENGINE}
    """,
    "MemoryData": "batch_size:u channels:u height:u width:u",
    "PReLU": "filler:Filler channel_shared:b",
    "Pooling": f"""
        pool:MAX|AVE|STOCHASTIC pad:u kernel_size:u stride:u {_AXES} {_ENGINE} global_pooling:b
        round_mode:CEIL|FLOOR ceil_mode:b
    """,
    "Power": "power:f scale:f shift:f",
    "ReLU": f"negative_slope:f {_ENGINE}",
    "Reshape": "shape:Shape axis:i num_axes:i",
    "Scale": "axis:i num_axes:i filler:Filler bias_term:b bias_filler:Filler",
    "Slice": "axis:i slice_point:u* slice_dim:u",
    "Softmax": f"{_ENGINE} axis:i",
    "WindowData": f"""
        {_DATA} fg_threshold:f bg_threshold:f fg_fraction:f context_pad:u crop_mode:s
        cache_images:b root_folder:s
    """,
}
MESSAGES: Mapping[str, Fields] = MappingProxyType(
    {
        name: MappingProxyType(dict(part.split(":") for part in text.split()))
        for name, text in _MESSAGES.items()
    }
)


def check_fields(message: ProtoMessage, is_imported: Callable[[str], bool]) -> None:
    """Raise `NetdslError` for fields that Caffe's messages do not have, and for wrong values.

    `is_imported` tells whether netdsl imports a kind of layer: other kinds may come from copies of
    Caffe with parameters of their own.
    """
    errors = []
    for error in _errors(message, "Net", "the net", is_imported):
        errors.append(error.diagnostic)
        if len(errors) == MOST:
            break
    if errors:
        raise NetdslError.of(errors)


def _errors(
    message: ProtoMessage, kind: str, shown: str, is_imported: Callable[[str], bool]
) -> Iterator[NetdslError]:
    """The mistakes of a message of a kind; `shown` is what errors call it."""
    fields = MESSAGES[kind]
    known = kind != "Layer" or is_imported(_kind_of(message))
    for name, values in message.fields.items():
        declared = fields.get(name, "?*")
        wanted = declared.removesuffix("*")
        if name not in fields and (known or not name.endswith("_param")):
            fact = f"{shown} has no field `{printable(name)[:40]}`"
            yield wrong(fact, message.places[name], did_you_mean(name, fields))
            continue
        if wanted == declared and len(values) > 1:
            line = message.at(name).first.line
            fact = f"`{name}` is given twice, first on line {line}"
            yield wrong(fact, values[1].span, "delete one of the two: it has one value")
        for value in values:
            if wanted in MESSAGES and isinstance(value, ProtoMessage):
                inner = "a layer" if wanted in ("Layer", "OldLayer") else f"`{name}`"
                yield from _errors(value, wanted, inner, is_imported)
            elif wanted != "?":
                yield from _wrong_value(name, wanted, value)


def _kind_of(message: ProtoMessage) -> str:
    return "".join(v.text for v in message.fields.get("type", []) if isinstance(v, Scalar))


def _wrong_value(name: str, wanted: str, value: Scalar | ProtoMessage) -> Iterator[NetdslError]:
    """The error of a value that is not of the type of its field."""
    if isinstance(value, ProtoMessage):
        yield wrong(f"`{name}` takes a value, found fields in braces", value.span)
    elif wanted in MESSAGES:
        yield wrong(f"`{name}` takes fields in braces, found `{value.shown}`", value.span)
    elif wanted == "s" and value.kind != "string":
        help_ = f'write `{name}: "{value.shown}"`'
        yield wrong(f"`{name}` takes a string in quotation marks", value.span, help_)
    elif wanted == "b" and not is_flag(value):
        yield wrong(f"`{name}` takes true or false, found `{value.shown}`", value.span)
    elif wanted in ("i", "u", "f"):
        try:
            if wanted == "f":
                read_number(name, value)
            else:
                read_integer(name, value, 0 if wanted == "u" else None)
        except NetdslError as error:
            yield error
    elif "|" in wanted:
        words = wanted.split("|")
        if value.kind == "string" or value.text not in words + [str(i) for i in range(len(words))]:
            fact = f"`{name}` is `{value.shown}`, it must be {either(words)}"
            advice = did_you_mean(value.text, words)
            if value.text in words:
                advice = f"write `{name}: {value.text}`, without quotation marks"
            yield wrong(fact, value.span, advice)
