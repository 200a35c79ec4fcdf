"""The names in emitted source: of variables, of classes, and of the members of modules."""

from __future__ import annotations

import keyword
import re
import unicodedata
from itertools import count
from typing import TYPE_CHECKING

from netdsl.backends.torch.copies import COPIED

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = COPIED | {*keyword.kwlist, "self", "torch", "nn", "F", "OrderedDict", "super", "prod"}
# The attributes that every module has, or that `lower` adds. A member with such a name is stored
# in `_modules`, where `state_dict` finds it.
TAKEN = frozenset(
    "T_destination add_module apply aux_weights bfloat16 buffers call_super_init children compile"
    " cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state"
    " get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers"
    " named_children named_modules named_parameters parameters register_backward_hook"
    " register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook"
    " register_full_backward_pre_hook register_load_state_dict_post_hook"
    " register_load_state_dict_pre_hook register_module register_parameter"
    " register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state"
    " set_submodule share_memory source state_dict to to_empty train training type xpu"
    " zero_grad".split()
)


# ---- members


def is_taken(name: str) -> bool:
    """Whether a member cannot be an attribute because modules have one of that name."""
    return name in TAKEN or name.startswith("_")


def assign(name: str, text: str, parent: str = "self", store: str = "module") -> str:
    """The statement that makes the value of `text` a member.

    `store` is the kind of the member: module, parameter or buffer.
    """
    if is_taken(name):
        return f"{parent}._{store}s[{name!r}] = {text}"
    if _is_attribute(name) and store != "buffer":
        return f"{parent}.{name} = {text}"
    if store == "module":
        return f"{parent}.add_module({name!r}, {text})"
    return f"{parent}.register_{store}({name!r}, {text})"


def access(name: str, parent: str = "self", store: str = "module") -> str:
    """The expression of a member."""
    if is_taken(name):
        return f"{parent}._{store}s[{name!r}]"
    if _is_attribute(name):
        return f"{parent}.{name}"
    return f"{parent}.{_getter(store)}({name!r})"


def access_path(path: str, store: str = "module") -> str:
    """The expression of a member at any depth, from its dotted path."""
    *scopes, last = path.split(".")
    if not any(map(is_taken, (*scopes, last))):
        return f"self.{_getter(store)}({path!r})"
    text = "self"
    for name in scopes:
        text = access(name, text)
    return access(last, text, store)


def _getter(store: str) -> str:
    if store == "module":
        return "get_submodule"
    return f"get_{store}"


def _is_attribute(name: str) -> bool:
    return name.isidentifier() and name == _word(name) and not keyword.iskeyword(name)


# ---- variables and classes


def identifier(name: str) -> str:
    """A name that Python and the emitted source accept, as close to `name` as possible."""
    word = _word(name)
    if word.isidentifier() and word not in RESERVED:
        return word
    return f"_{word}"


def distinct(names: Iterable[str]) -> list[str]:
    """The names in order; a name that occurs again gets as many underscores as it needs."""
    different: list[str] = []
    for name in names:
        different.append(next(n for i in count() if (n := name + "_" * i) not in different))
    return different


def class_word(name: str) -> str:
    """A name in the style of classes: `basic_block` becomes `BasicBlock`."""
    words = re.split(r"[\W_]+", _word(name))
    joined = "".join(word[:1].upper() + word[1:] for word in words if word)
    if joined.isidentifier():
        return joined
    return f"Part{joined}"


def _word(name: str) -> str:
    """A name as Python normalises it, with `_` for characters that no identifier can have.

    Python replaces some letters in identifiers, such as ligatures.
    """
    return "".join(
        c if f"a{c}".isidentifier() else "_" for c in unicodedata.normalize("NFKC", name)
    )
