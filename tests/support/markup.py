"""Names of layers that look like markup, which pictures and pages must escape."""

from __future__ import annotations

HOSTILE = [
    '"]; x[click',
    "<b>bold</b><img src=x onerror=alert(1)>",
    "\\n \\N",
    "#quot; &lt;script&gt;",
    '%%{init: {"theme": "forest"}}%%',
    "`**b** __init__ _x_`",
    "1. list",
    "- item",
    "$$x^2$$",
    "fa:fa-car",
    "end",
    "style a:#x;",
    "ﬂ°°60¶ß",
    "[a](javascript:1)",
    "--> n1",
    "a|b",
    "{x}@{shape: circle}",
    "a\nb\x00\u202e",
    "--><script>",
    "</code></style></svg>",
    "' onload='x",
]
