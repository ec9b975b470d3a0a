import pytest

from regent_api.types import Sensitivity
from regent_runtime.access.classes import Treatment
from regent_runtime.access.pictures import check_allowed, check_class
from regent_runtime.refusals import Refused
from regent_runtime.wire.images import Image
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs


def image() -> Image:
    return Image("image/png", "AAAA", 1, 1, "digest")


def asked(*images: Image) -> ChatRequest:
    """The images stand in the second message."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "user", "content": ["Look", *images]}]
    return ChatRequest(messages[: 1 + bool(images)], False, False, None, None, {}, images)


def treated(*, anonymize: bool) -> Treatment:
    label = Sensitivity.INTERNAL
    return Treatment(label, label, frozenset(), anonymize=anonymize, retention_seconds=None)


def test_images_come_in_where_the_policy_lets_them() -> None:
    check_allowed(asked(image()), configs.config(policy={"guardrails": {"input": {"images": "Allow"}}}))
    check_allowed(asked(), configs.config())
    with pytest.raises(Refused) as refused:
        check_allowed(asked(image()), configs.config())
    assert (refused.value.refusal.code, refused.value.param, refused.value.field) == (
        "images_not_allowed",
        "messages[1].content",
        "guardrails.input.images",
    )


def test_no_image_goes_where_models_may_see_placeholders_alone() -> None:
    check_class(asked(image()), treated(anonymize=False))
    check_class(asked(), treated(anonymize=True))
    with pytest.raises(Refused) as refused:
        check_class(asked(image()), treated(anonymize=True))
    assert (refused.value.refusal.code, refused.value.param, refused.value.field) == (
        "images_not_allowed",
        "messages[1].content",
        "data.classes.Internal.anonymize",
    )
