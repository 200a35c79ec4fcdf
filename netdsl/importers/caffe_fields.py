"""The fields of the parameters of Caffe's layers (caffe.proto)."""

from __future__ import annotations

from types import MappingProxyType

_WINDOW = "pad pad_h pad_w kernel_size kernel_h kernel_w stride stride_h stride_w"
_TEXTS = {
    "batch_norm_param": "use_global_stats moving_average_fraction eps",
    "bias_param": "axis num_axes filler",
    "concat_param": "axis concat_dim",
    "convolution_param": f"{_WINDOW} num_output bias_term dilation group weight_filler bias_filler"
    " engine axis force_nd_im2col",
    "crop_param": "axis offset",
    "dropout_param": "dropout_ratio scale_train",
    "eltwise_param": "operation coeff stable_prod_grad",
    "elu_param": "alpha",
    "flatten_param": "axis end_axis",
    "inner_product_param": "num_output bias_term weight_filler bias_filler axis transpose",
    "lrn_param": "local_size alpha beta norm_region k engine",
    "pooling_param": f"{_WINDOW} pool engine global_pooling round_mode ceil_mode",
    "power_param": "power scale shift",
    "prelu_param": "filler channel_shared",
    "relu_param": "negative_slope engine",
    "reshape_param": "shape axis num_axes",
    "scale_param": "axis num_axes filler bias_term bias_filler",
    "slice_param": "axis slice_point slice_dim",
    "softmax_param": "engine axis",
}
FIELDS = MappingProxyType({name: tuple(text.split()) for name, text in _TEXTS.items()})
