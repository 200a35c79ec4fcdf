;;; netdsl-mode.el --- Networks as texts  -*- lexical-binding: t -*-

;; `python grammars/editors.py` writes this file

;;; Code:

(defvar netdsl-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?_ "w" table)
    (modify-syntax-entry ?@ "_" table)
    table))

(defconst netdsl-font-lock-keywords
  (list
   '("@[[:word:].{}]*" . font-lock-variable-name-face)
   '("\\_<\\([[:alpha:]_][[:word:]{}]*\\)[ \t]*:" 1 font-lock-constant-face)
   '("\\_<\\(?:net\\|train\\)[ \t]+\\([[:word:]]+\\)" 1 font-lock-type-face)
   '("\\_<block[ \t]+\\([[:word:]]+\\)" 1 font-lock-function-name-face)
   (cons (regexp-opt '("import" "let" "block" "net" "train" "input" "output" "aux" "expect" "next" "repeat" "for" "if" "else" "in" "as" "with" "at" "and" "or" "not" "residual" "identity" "frozen") 'symbols) 'font-lock-keyword-face)
   (cons (regexp-opt '("true" "false") 'symbols) 'font-lock-constant-face)
   (cons (regexp-opt
          '("conv" "depthwise" "deconv" "maxpool" "avgpool" "sumpool" "l2pool" "gap" "gmp" "adaptive_avgpool" "adaptive_maxpool" "spp" "subsample" "bn" "lrn" "layernorm" "rmsnorm" "groupnorm" "instancenorm" "dropout" "dropout2d" "droppath" "dense" "flatten" "embedding" "rbf" "relu" "sigmoid" "tanh" "softplus" "hard_swish" "mish" "selu" "relu6" "leaky_relu" "elu" "prelu" "gelu" "silu" "hard_sigmoid" "scaled_tanh" "glu" "softmax" "log_softmax" "matmul" "float" "exp" "log" "sqrt" "abs" "sign" "sin" "cos" "erf" "square" "clamp" "reduce_sum" "reduce_mean" "reduce_max" "reduce_min" "reduce_norm" "concat" "add" "mul" "sub" "max" "upsample" "pixel_shuffle" "pixel_unshuffle" "reshape" "permute" "tokens" "roll" "pad" "crop" "slice" "split" "channel_shuffle" "select" "param" "const" "positions" "attention" "rnn" "lstm" "gru" "gcn" "cheb" "sage" "roi_pool" "roi_align" "basicblock" "bottleneck" "dense_block" "fire" "inception" "inception_naive" "inverted_residual" "se")
          'symbols)
         'font-lock-builtin-face)))

;;;###autoload
(define-derived-mode netdsl-mode prog-mode "netdsl"
  "Major mode for networks in `.net' files."
  (setq-local comment-start "# ")
  (setq-local font-lock-defaults '(netdsl-font-lock-keywords)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.net\\'" . netdsl-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(netdsl-mode "netdsl" "lsp")))

(provide 'netdsl-mode)
;;; netdsl-mode.el ends here
