"""Writes the grammars of the editors, from the words of the language and its layers.

    python grammars/editors.py

Run it after a change of the keywords, the layers or the colours of pictures. It writes the TextMate
grammar and the colours of the Visual Studio Code extension, and the syntax files of Vim and Emacs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netdsl.draw.themes import DARK, LIGHT
from netdsl.elaborate.functions import USAGE
from netdsl.library import block_names
from netdsl.ops import LAYERS
from netdsl.reference import FAMILIES, WORDS
from netdsl.syntax.tables import KEYWORDS

EDITORS = Path(__file__).resolve().parents[1] / "editors"
NOTE = "`python grammars/editors.py` writes this file"
DARKER = 0.7  # how bright the colour of a border becomes, to be readable as text on white

# The keywords by what they are; together they are all words that the parser's tables list.
DEFINING = ("import", "let", "block", "net", "train", "input", "output", "aux", "expect", "next")
CONTROL = ("repeat", "for", "if", "else", "in", "as", "with", "at")
OPERATORS = ("and", "or", "not")
CONSTANTS = ("true", "false")

Json = dict[str, Any]


def any_of(words: Any) -> str:
    """A pattern for whole words."""
    return rf"\b(?:{'|'.join(words)})\b"


def families() -> dict[str, list[str]]:
    """The layers of each family that are words."""
    return {
        family: [k for k, cls in LAYERS.items() if cls.family == family and k.isidentifier()]
        for family in FAMILIES
    }


def check_keywords() -> None:
    """Fail if a keyword of the language is in none of the lists, or in two."""
    listed = sorted((*DEFINING, *CONTROL, *OPERATORS, *CONSTANTS))
    assert listed == sorted(word for word, _ in KEYWORDS), listed


# ---- TextMate


def rule(scope: str, match: str) -> Json:
    """A pattern with the scope of what it matches."""
    return {"name": f"{scope}.netdsl", "match": match}


def captures(match: str, *scopes: str) -> Json:
    """A pattern whose groups have scopes."""
    named = {str(n): {"name": f"{scope}.netdsl"} for n, scope in enumerate(scopes, start=1)}
    return {"match": match, "captures": named}


def include(*names: str) -> list[Json]:
    """References to other rules."""
    return [{"include": f"#{name}"} for name in names]


def textmate() -> Json:
    """The TextMate grammar. Its scopes are the usual ones, so that every theme colours them."""
    check_keywords()
    name = r"[[:alpha:]_]\w*"
    label = rf'("[^"\n]*"|{name}(?:\{{[^{{}}\n]*\}}\w*)*)[ \t]*(:)(?!:)'
    dims = r"\b(?:\d[\d_]*|[A-Z][A-Z0-9_]*)(?:x(?:\d[\d_]*|[A-WYZa-wyz_][A-WYZa-wyz0-9_]*))+\b"
    part = r'(?:"[^"\n]*"|(?:\w|\{[^{}\n]*\})+)'
    layers = [rule(f"support.function.{f}", any_of(kinds)) for f, kinds in families().items()]
    plain = ("comment", "string", "reference", "number", "word", "operator")
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "comment": NOTE,
        "name": "netdsl",
        "scopeName": "source.netdsl",
        "fileTypes": ["net"],
        "patterns": include("comment", "definition", "train", "label", "code"),
        "repository": {
            "comment": rule("comment.line.number-sign", r"#.*$"),
            "string": {
                "name": "string.quoted.double.netdsl",
                "begin": '"',
                "end": '"|$',
            },
            "reference": rule("variable.other.label", rf"@(?:{part})?(?:\.{part})*"),
            "number": {
                "patterns": [
                    rule("constant.numeric.sizes", dims),
                    rule("constant.numeric", r"\b\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?\b"),
                ]
            },
            "definition": {
                "patterns": [
                    captures(rf"\b(net)\s+({name})", "storage.type", "entity.name.type"),
                    captures(rf"\b(block)\s+({name})", "storage.type", "entity.name.function"),
                    captures(rf"\b(let|next)\s+({name})", "storage.type", "variable.other"),
                    captures(rf"\b(import)\s+({name})", "keyword.control", "entity.name.namespace"),
                ]
            },
            "train": {
                "begin": rf"\b(train)\s+({name})\s*\{{",
                "beginCaptures": {
                    "1": {"name": "storage.type.netdsl"},
                    "2": {"name": "entity.name.type.netdsl"},
                },
                "end": r"\}",
                "patterns": [
                    captures(rf"^\s*({name})\s*(?==)", "variable.other.property"),
                    *include("parentheses", "brackets", *plain),
                ],
            },
            "label": captures(label, "entity.name.label", "punctuation.separator"),
            "code": {"patterns": include("parentheses", "brackets", "braces", *plain)},
            "parentheses": {
                "begin": r"\(",
                "end": r"\)",
                "patterns": [
                    captures(rf"\b({name})\s*(?==(?!=))", "variable.parameter"),
                    rule("support.function.arithmetic", any_of(USAGE) + r"(?=\()"),
                    *include("code"),
                ],
            },
            "brackets": {"begin": r"\[", "end": r"\]", "patterns": include("code")},
            "braces": {
                "begin": r"\{",
                "end": r"\}",
                "patterns": include("comment", "definition", "label", "code"),
            },
            "word": {
                "patterns": [
                    rule("constant.language", any_of(CONSTANTS)),
                    rule("keyword.operator.word", any_of(OPERATORS)),
                    rule("keyword.control", any_of(CONTROL)),
                    rule("storage.type", any_of(DEFINING)),
                    rule("keyword.other", any_of(item.name for item in WORDS)),
                    *layers,
                    rule("support.function.block", any_of(block_names())),
                    rule("variable.other", rf"\b{name}\b"),
                ]
            },
            "operator": rule("keyword.operator", r"->|\*\*|//|[=!<>]=|[-+*/%<>=|]"),
        },
    }


# ---- Visual Studio Code


def darker(colour: str) -> str:
    """A colour mixed with black."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(DARKER * part):02x}" for part in parts)


def colours() -> Json:
    """The default colours of the families, which are those of their boxes in a picture."""
    light = {f"function.{f}:netdsl": darker(LIGHT.families[f][1]) for f in FAMILIES}
    dark = {f"function.{f}:netdsl": DARK.families[f][1] for f in FAMILIES}
    return {"[*Light*]": {"rules": light}, "[*Dark*]": {"rules": dark}}


def extension() -> Json:
    """The `package.json` of the extension, with what it says about families made new."""
    found: Json = json.loads((EDITORS / "vscode" / "package.json").read_text())
    contributes = found["contributes"]
    contributes["semanticTokenModifiers"] = [
        {"id": family, "description": f"A layer of the family {family}."} for family in FAMILIES
    ]
    scopes = {f"function.{f}": [f"support.function.{f}.netdsl"] for f in FAMILIES}
    contributes["semanticTokenScopes"] = [
        {"language": "netdsl", "scopes": {"label": ["entity.name.label.netdsl"], **scopes}}
    ]
    defaults = contributes["configurationDefaults"]
    defaults["editor.semanticTokenColorCustomizations"] = colours()
    return found


# ---- Vim and Emacs


def vim() -> str:
    """The syntax file of Vim and Neovim."""
    groups = {
        "Comment": [r"match netdslComment /#.*$/"],
        "String": [r'match netdslString /"[^"]*"/'],
        "Number": [r"match netdslNumber /\<\d[0-9_]*\(\.\d\+\)\?\([eE][+-]\?\d\+\)\?\>/"],
        "Sizes": [r"match netdslSizes /\<\(\d\+\|[A-Z]\+\)\(x\(\d\+\|[A-Za-wyz_]\+\)\)\+\>/"],
        "Reference": [r"match netdslReference /@[A-Za-z0-9_.{}]*/"],
        "Label": [r"match netdslLabel /\<\h[A-Za-z0-9_{}]*\ze\s*:/"],
        "Defining": [f"keyword netdslDefining {' '.join(DEFINING)}"],
        "Control": [f"keyword netdslControl {' '.join(CONTROL + OPERATORS)}"],
        "Constant": [f"keyword netdslConstant {' '.join(CONSTANTS)}"],
        "Form": [f"keyword netdslForm {' '.join(item.name for item in WORDS)}"],
        "Block": [f"keyword netdslBlock {' '.join(block_names())}"],
    }
    for family, kinds in families().items():
        groups[family.capitalize()] = [f"keyword netdsl{family.capitalize()} {' '.join(kinds)}"]
    links = {
        "Comment": "Comment",
        "String": "String",
        "Number": "Number",
        "Sizes": "Number",
        "Reference": "Identifier",
        "Label": "Label",
        "Defining": "Keyword",
        "Control": "Conditional",
        "Constant": "Boolean",
        "Form": "Keyword",
    }
    lines = [f'" {NOTE}', "if exists('b:current_syntax') | finish | endif"]
    lines += [f"syntax {rule}" for rules in groups.values() for rule in rules]
    named = {group: links.get(group, "Function") for group in groups}
    lines += [f"highlight default link netdsl{group} {to}" for group, to in named.items()]
    lines += ["setlocal commentstring=#\\ %s", "let b:current_syntax = 'netdsl'"]
    return "\n".join(lines) + "\n"


def emacs() -> str:
    """The mode of Emacs."""

    def listed(words: Any) -> str:
        return "'(" + " ".join(f'"{word}"' for word in words) + ")"

    kinds = [kind for names in families().values() for kind in names] + block_names()
    defining = (*DEFINING, *CONTROL, *OPERATORS, *(item.name for item in WORDS))
    return f""";;; netdsl-mode.el --- Networks as texts  -*- lexical-binding: t -*-

;; {NOTE}

;;; Code:

(defvar netdsl-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\\n ">" table)
    (modify-syntax-entry ?_ "w" table)
    (modify-syntax-entry ?@ "_" table)
    table))

(defconst netdsl-font-lock-keywords
  (list
   '("@[[:word:].{{}}]*" . font-lock-variable-name-face)
   '("\\\\_<\\\\([[:alpha:]_][[:word:]{{}}]*\\\\)[ \\t]*:" 1 font-lock-constant-face)
   '("\\\\_<\\\\(?:net\\\\|train\\\\)[ \\t]+\\\\([[:word:]]+\\\\)" 1 font-lock-type-face)
   '("\\\\_<block[ \\t]+\\\\([[:word:]]+\\\\)" 1 font-lock-function-name-face)
   (cons (regexp-opt {listed(defining)} 'symbols) 'font-lock-keyword-face)
   (cons (regexp-opt {listed(CONSTANTS)} 'symbols) 'font-lock-constant-face)
   (cons (regexp-opt
          {listed(kinds)}
          'symbols)
         'font-lock-builtin-face)))

;;;###autoload
(define-derived-mode netdsl-mode prog-mode "netdsl"
  "Major mode for networks in `.net' files."
  (setq-local comment-start "# ")
  (setq-local font-lock-defaults '(netdsl-font-lock-keywords)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\\\.net\\\\'" . netdsl-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(netdsl-mode "netdsl" "lsp")))

(provide 'netdsl-mode)
;;; netdsl-mode.el ends here
"""


# ---- files


def files() -> dict[Path, str]:
    """The text of each file."""

    def as_text(data: Json) -> str:
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

    return {
        EDITORS / "vscode" / "syntaxes" / "netdsl.tmLanguage.json": as_text(textmate()),
        EDITORS / "vscode" / "package.json": as_text(extension()),
        EDITORS / "vim" / "syntax" / "netdsl.vim": vim(),
        EDITORS / "emacs" / "netdsl-mode.el": emacs(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
        print(path.relative_to(EDITORS.parent))
