"""The views of a net by name, and what each needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.look.filters import filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.data.dataset import InputData
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet
    from netdsl.look.parts import View
    from netdsl.look.pictures import Pictures


class Looked(NamedTuple):
    """A net, the pictures of a data set, a picture of the user, and what is to be shown.

    Without a picture of the user, views of a picture take one of the data set.
    """

    net: LayeredNet
    pictures: Pictures | None
    own: Pictures | None
    choice: UnitChoice
    given: InputData  # how images are normalised


def _filters(subject: Looked) -> View:
    return filters(subject.net, subject.choice)


VIEWS: dict[str, Callable[[Looked], View]] = {
    "filters": _filters,
}
OF_DATA = ("excite", "shift", "errors")  # views of many pictures
OF_PICTURE = ("maps", "reconstruct", "saliency")  # views of one picture
