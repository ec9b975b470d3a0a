"""Whether a turn may bring images. No guard looks into them, so the policy has to let them, and some classes cannot."""

from regent_api.config import AgentConfig
from regent_api.types import Opinion
from regent_runtime.access.classes import Treatment
from regent_runtime.refusals import IMAGES_NOT_ALLOWED, Refused
from regent_runtime.wire.request import ChatRequest


def check_allowed(request: ChatRequest, config: AgentConfig) -> None:
    """Raises Refused (400) for images that the policy's guardrails.input.images does not let in."""
    if request.images and config.policy.guardrails.input.images is not Opinion.ALLOW:
        words = "The policy lets no caller send images to this agent; describe them in words."
        raise Refused(IMAGES_NOT_ALLOWED, words, param=request.image_field(), field="guardrails.input.images")


def check_class(request: ChatRequest, treatment: Treatment) -> None:
    """Raises Refused (400) where models may see placeholders alone: what an image shows cannot be replaced."""
    if request.images and treatment.anonymize:
        words = f"{treatment.sensitivity} data is anonymised before a model sees it, and an image cannot be."
        field = f"data.classes.{treatment.sensitivity}.anonymize"
        raise Refused(IMAGES_NOT_ALLOWED, words, param=request.image_field(), field=field)
