" `python grammars/editors.py` writes this file
if exists('b:current_syntax') | finish | endif
syntax match netdslComment /#.*$/
syntax match netdslString /"[^"]*"/
syntax match netdslNumber /\<\d[0-9_]*\(\.\d\+\)\?\([eE][+-]\?\d\+\)\?\>/
syntax match netdslSizes /\<\(\d\+\|[A-Z]\+\)\(x\(\d\+\|[A-Za-wyz_]\+\)\)\+\>/
syntax match netdslReference /@[A-Za-z0-9_.{}]*/
syntax match netdslLabel /\<\h[A-Za-z0-9_{}]*\ze\s*:/
syntax keyword netdslDefining import let block net train input output aux expect next
syntax keyword netdslControl repeat for if else in as with at and or not
syntax keyword netdslConstant true false
syntax keyword netdslForm residual identity frozen
syntax keyword netdslBlock basicblock bottleneck dense_block fire inception inception_naive inverted_residual se
syntax keyword netdslConvolution conv depthwise deconv
syntax keyword netdslPooling maxpool avgpool sumpool l2pool gap gmp adaptive_avgpool adaptive_maxpool spp subsample
syntax keyword netdslNormalisation bn lrn layernorm rmsnorm groupnorm instancenorm
syntax keyword netdslRegularisation dropout dropout2d droppath
syntax keyword netdslDense dense flatten embedding rbf
syntax keyword netdslActivation relu sigmoid tanh softplus hard_swish mish selu relu6 leaky_relu elu prelu gelu silu hard_sigmoid scaled_tanh glu softmax log_softmax
syntax keyword netdslArithmetic matmul float exp log sqrt abs sign sin cos erf square clamp reduce_sum reduce_mean reduce_max reduce_min reduce_norm
syntax keyword netdslJoin concat add mul sub max
syntax keyword netdslShape upsample pixel_shuffle pixel_unshuffle reshape permute tokens roll pad crop slice split channel_shuffle select param const positions
syntax keyword netdslSequence attention rnn lstm gru
syntax keyword netdslGraph gcn cheb sage
syntax keyword netdslRegions roi_pool roi_align
highlight default link netdslComment Comment
highlight default link netdslString String
highlight default link netdslNumber Number
highlight default link netdslSizes Number
highlight default link netdslReference Identifier
highlight default link netdslLabel Label
highlight default link netdslDefining Keyword
highlight default link netdslControl Conditional
highlight default link netdslConstant Boolean
highlight default link netdslForm Keyword
highlight default link netdslBlock Function
highlight default link netdslConvolution Function
highlight default link netdslPooling Function
highlight default link netdslNormalisation Function
highlight default link netdslRegularisation Function
highlight default link netdslDense Function
highlight default link netdslActivation Function
highlight default link netdslArithmetic Function
highlight default link netdslJoin Function
highlight default link netdslShape Function
highlight default link netdslSequence Function
highlight default link netdslGraph Function
highlight default link netdslRegions Function
setlocal commentstring=#\ %s
let b:current_syntax = 'netdsl'
