"""What is looked for in input and output, and what is done about it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from regent_api.model import BY_NAME, SET, Cel, Meet, MeetKind, Model
from regent_api.types import DnsLabel, HostPattern, Obligation, Opinion, Ranked

REFUSAL_DEFAULT = "I'm sorry, but I can't assist with that request."


class Action(Obligation):
    """What is done about a find. Two opinions hold together; Deny absorbs."""

    AUDIT = "Audit"
    ESCAPE = "Escape"
    STRIP = "Strip"
    REDACT = "Redact"
    DENY = "Deny"


class ScreenAction(Obligation):
    """For what cannot be rewritten."""

    AUDIT = "Audit"
    DENY = "Deny"


class TokenAction(Obligation):
    ESCAPE = "Escape"
    DENY = "Deny"


class RewriteAction(Obligation):
    AUDIT = "Audit"
    REDACT = "Redact"
    DENY = "Deny"


class ImageAction(Obligation):
    STRIP = "Strip"
    DENY = "Deny"


class InjectionLevel(Ranked):
    """How readily the injection model finds something."""

    LENIENT = "Lenient"
    BALANCED = "Balanced"
    STRICT = "Strict"


class Detector(StrEnum):
    """Kinds of personal data."""

    EMAIL = "Email"
    PHONE = "Phone"
    CARD = "Card"
    IBAN = "IBAN"
    NATIONAL_ID = "NationalID"
    IP_ADDRESS = "IPAddress"


class Streaming(Ranked):
    """How a streamed answer is screened: through a window that moves with it, or whole before any of it is sent."""

    WINDOW = "Window"
    BUFFER = "Buffer"


Re2 = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class InputPattern(Model):
    """A pattern of the house that input must not match."""

    name: Annotated[DnsLabel, Field(description="Name of the pattern, unique in the policy.")]
    re2: Annotated[Re2, Field(description="Regular expression in RE2's syntax, found anywhere in a text.")]
    action: Annotated[ScreenAction, Field(description="What is done about a match.")]


class OutputPattern(Model):
    """A pattern of the house that output must not match."""

    name: Annotated[DnsLabel, Field(description="Name of the pattern, unique in the policy.")]
    re2: Annotated[Re2, Field(description="Regular expression in RE2's syntax, found anywhere in the answer.")]
    action: Annotated[RewriteAction, Field(description="What is done about a match.")]


class Injection(Model):
    """Attempts to give the model other instructions."""

    patterns: Annotated[
        ScreenAction | None,
        Meet(MeetKind.OBLIGATION, "Deny"),
        Field(description="What is done when a pattern of known attacks matches."),
    ] = None
    model: Annotated[
        ScreenAction | None,
        Meet(MeetKind.OBLIGATION, "Audit"),
        Field(description="What is done when the injection model scores above the level's threshold."),
    ] = None
    level: Annotated[
        InjectionLevel | None,
        Meet(MeetKind.FLOOR, InjectionLevel.BALANCED.value),
        Field(description="Threshold of the injection model; docs/reference/guardrails.md has its figures."),
    ] = None


class InputGuardrails(Model):
    """What is looked for in what callers send."""

    injection: Annotated[Injection | None, Field(description="Attempts to give the model other instructions.")] = None
    special_tokens: Annotated[
        TokenAction | None,
        Meet(MeetKind.OBLIGATION, "Escape"),
        Field(description="What is done about control tokens of models, such as <|im_start|>."),
    ] = None
    images: Annotated[
        Opinion | None,
        Meet(MeetKind.GRANT, "Deny"),
        Field(description="Whether callers may send images. No guard looks into them: what they show is not screened."),
    ] = None
    patterns: Annotated[
        list[InputPattern] | None,
        BY_NAME,
        Meet(MeetKind.COLLECTION, "none"),
        Field(min_length=1, max_length=32, description="Patterns of the house."),
    ] = None


class PersonalDataGuard(Model):
    """Personal data in answers."""

    action: Annotated[
        RewriteAction | None,
        Meet(MeetKind.OBLIGATION, "off"),
        Field(description="What is done about personal data."),
    ] = None
    detectors: Annotated[
        list[Detector] | None,
        SET,
        Meet(MeetKind.COLLECTION, "all"),
        Field(min_length=1, max_length=6, description="Kinds that are looked for."),
    ] = None


class Links(Model):
    """Links and images in answers."""

    cel_rules = (Cel("has(self.allow) || has(self.images)", "set links.allow, links.images or both"),)
    allow: Annotated[
        list[HostPattern] | None,
        SET,
        Meet(MeetKind.GRANT, "all"),
        Field(min_length=1, max_length=64, description="Hosts that links may lead to; other links lose their target."),
    ] = None
    images: Annotated[
        ImageAction | None,
        Meet(MeetKind.OBLIGATION, "off"),
        Field(description="What is done about images."),
    ] = None


class OutputGuardrails(Model):
    """What is looked for in answers."""

    streaming: Annotated[
        Streaming | None,
        Meet(MeetKind.OBLIGATION, Streaming.WINDOW.value),
        Field(description="Whether streams are screened through a moving window, or whole."),
    ] = None
    personal_data: Annotated[PersonalDataGuard | None, Field(description="Personal data in answers.")] = None
    secrets: Annotated[
        RewriteAction | None,
        Meet(MeetKind.OBLIGATION, "Deny"),
        Field(description="What is done about keys and tokens of known formats, and about the pod's own secrets."),
    ] = None
    instructions_leak: Annotated[
        ScreenAction | None,
        Meet(MeetKind.OBLIGATION, "off"),
        Field(description="What is done when an answer repeats the agent's instructions."),
    ] = None
    links: Annotated[Links | None, Field(description="Links and images in answers.")] = None
    patterns: Annotated[
        list[OutputPattern] | None,
        BY_NAME,
        Meet(MeetKind.COLLECTION, "none"),
        Field(min_length=1, max_length=32, description="Patterns of the house."),
    ] = None


class Guardrails(Model):
    """What is looked for in input and output."""

    input: Annotated[InputGuardrails | None, Field(description="What is looked for in what callers send.")] = None
    output: Annotated[OutputGuardrails | None, Field(description="What is looked for in answers.")] = None
    refusal: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None,
        Meet(MeetKind.FIRST, REFUSAL_DEFAULT),
        Field(description="What a caller reads instead of a refused answer."),
    ] = None
