"""The views of a net by name, and what each needs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.look.attribution import is_installed
from netdsl.look.errors import errors, pixel_errors
from netdsl.look.excite import excite, layers_to_excite
from netdsl.look.filters import filters
from netdsl.look.maps import layers_with_maps, maps
from netdsl.look.maximise import maximise
from netdsl.look.parts import View
from netdsl.look.reconstruct import reconstruct
from netdsl.look.saliency import saliency
from netdsl.look.shift import shift
from netdsl.look.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.data.dataset import InputData
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

ROWS = 5  # pictures with their saliency


class Looked:
    """A net, the pictures of a data set, a picture of the user, and what is to be shown.

    `given` is how images are normalised, and `classes` are the names of the classes, if they are
    known. Without a picture of the user, views of a picture take one of the data set.
    """

    def __init__(
        self,
        net: LayeredNet,
        pictures: Pictures | None,
        own: Pictures | None,
        choice: UnitChoice,
        given: InputData,
        classes: tuple[str, ...],
    ) -> None:
        self.net, self.pictures, self.own, self.choice = net, pictures, own, choice
        self.given, self.classes = given, classes

    @property
    def many(self) -> Pictures:
        """The pictures of the data set, which views of many pictures need."""
        assert self.pictures is not None
        return self.pictures

    @property
    def some(self) -> Pictures:
        """The picture of the user, or else those of the data set."""
        return self.many if self.own is None else self.own

    @cached_property
    def survey(self) -> Survey:
        """The layers that the views show, over all pictures of the data set."""
        nodes = [
            *layers_to_excite(self.net, self.choice),
            *layers_with_maps(self.net, self.choice),
        ]
        return survey(self.net, self.many, list({id(n): n for n in nodes}.values()))


def _filters(looked: Looked) -> View:
    return filters(looked.net, looked.choice)


def _maps(looked: Looked) -> View:
    found = None if looked.pictures is None else looked.survey
    return maps(looked.net, looked.some, 0, looked.choice, found)


def _excite(looked: Looked) -> View:
    return excite(looked.net, looked.many, looked.survey, looked.choice)


def _reconstruct(looked: Looked) -> View:
    return reconstruct(looked.net, looked.some, 0, looked.choice)


def _maximise(looked: Looked) -> View:
    return maximise(looked.net, looked.given, looked.choice, looked.classes)


def _saliency(looked: Looked) -> View:
    numbers = looked.some.of_each_class(ROWS)
    return saliency(looked.net, looked.some, numbers, looked.choice, captum=is_installed())


def _shift(looked: Looked) -> View:
    _check_classified(looked.many, "shift")
    return shift(looked.net, looked.many)


def _errors(looked: Looked) -> View:
    _check_classified(looked.many, "errors")
    if looked.many.masks is not None:
        return pixel_errors(looked.net, looked.many)
    return errors(looked.many, looked.survey.scores)


def _check_classified(pictures: Pictures, view: str) -> None:
    if not pictures.is_classified:
        message = f"`{view}` needs a class for each picture, and those of {pictures.name} have none"
        help_ = "use data with classes or masks, or another view, such as `excite`"
        raise NetdslError("data-mismatch", message, help=help_)


# In the order of the page.
VIEWS: dict[str, Callable[[Looked], View]] = {
    "filters": _filters,
    "maps": _maps,
    "excite": _excite,
    "reconstruct": _reconstruct,
    "maximise": _maximise,
    "saliency": _saliency,
    "shift": _shift,
    "errors": _errors,
}
OF_DATA = ("excite", "shift", "errors")  # views of many pictures
OF_CLASSES = ("shift", "errors")  # views of pictures of the classes that the net tells apart
OF_PICTURE = ("maps", "reconstruct", "saliency")  # views of one picture


def all_views(looked: Looked, names: list[str]) -> list[View]:
    """Several views; one that this net or these pictures do not permit has only the reason."""
    made = []
    for name in names:
        try:
            made.append(VIEWS[name](looked))
        except NetdslError as error:
            made.append(View(name, name.capitalize(), [f"{error.message}."], []))
    return made
