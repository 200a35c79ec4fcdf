"""The errors for a data set whose shape or classes do not fit the net."""

import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.images import check_outputs, check_shape
from netdsl.errors import SettingError


def test_shape_mismatch_advises_padding() -> None:
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    check_shape(data, (1, 28, 28))
    with pytest.raises(SettingError, match="are 1x28x28, but the net takes 1x32x32") as caught:
        check_shape(data, (1, 32, 32))
    assert caught.value.code == "data-mismatch"
    assert "fashion_mnist_sample(pad = 2)" in (caught.value.help or "")
    for expects in [(3, 32, 32), (1, 27, 27), (1, 30, 32), (784,)]:
        with pytest.raises(SettingError) as caught:
            check_shape(data, expects)
        assert "pad" not in (caught.value.help or "")


def test_class_mismatch_is_explained() -> None:
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    check_outputs(data, (10,), "label")
    with pytest.raises(SettingError, match=r"gives 1000 numbers .* has 10 classes"):
        check_outputs(data, (1000,), "label")
