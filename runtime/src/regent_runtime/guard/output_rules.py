"""What `guardrails.output` looks for in an answer, as rules with what becomes of their matches.

Two passes: what must not be said (secrets, personal data, the house's patterns), and then, in what is left, where links
lead and what images fetch, so that no replacement of the first can build a link or an image for the second.
"""

from collections.abc import Iterator, Sequence

from regent_api.effective import EffectiveOutput
from regent_api.policy import Action
from regent_runtime.guard import mounted, personal_data, secrets
from regent_runtime.guard.links import image_rules, link_rules
from regent_runtime.guard.scan import Rule
from regent_runtime.guard.window import Treatment

_FIELD = "guardrails.output"
PERSONAL_DATA = f"{_FIELD}.personalData.action"
SECRETS = f"{_FIELD}.secrets"
INSTRUCTIONS_LEAK = f"{_FIELD}.instructionsLeak"
LINKS = f"{_FIELD}.links.allow"
IMAGES = f"{_FIELD}.links.images"
PATTERNS = f"{_FIELD}.patterns"

_MARKERS = {"NationalID": b"[NATIONAL_ID]", "IPAddress": b"[IP_ADDRESS]"}
_SECRET = b"[SECRET]"
_REDACTED = b"[REDACTED]"


def words(policy: EffectiveOutput, mounted_values: frozenset[bytes]) -> Iterator[Treatment]:
    """The first pass, in order of precedence."""
    if policy.secrets:
        replacement = _SECRET if Action.REDACT in policy.secrets else None
        if mounted_values:
            yield Treatment(
                mounted.rule(mounted_values), SECRETS, "mounted-secret", _plain(policy.secrets), replacement
            )
        for rule, tail in secrets.RULES:
            yield Treatment(rule, SECRETS, rule.name, _plain(policy.secrets), replacement, tail)
    if policy.personal_data.action:
        actions = _plain(policy.personal_data.action)
        for detector in policy.personal_data.detectors:
            marker = _MARKERS.get(detector, f"[{detector.upper()}]".encode())
            for rule in personal_data.RULES[detector]:
                yield Treatment(
                    rule, PERSONAL_DATA, detector, actions, marker if Action.REDACT.value in actions else None
                )
    for pattern in policy.patterns:
        rule = Rule(pattern.name, pattern.re2, is_utf8=True)
        actions = (pattern.action.value,)
        replacement = _REDACTED if Action.REDACT.value in actions else None
        yield Treatment(rule, PATTERNS, pattern.name, actions, replacement, policies=(pattern.policy,))


def addresses(policy: EffectiveOutput) -> Iterator[Treatment]:
    """The second pass. Images come first: one that is stripped takes its address along."""
    images = policy.links.images
    if images:
        for rule, replacement, tail in image_rules():
            yield Treatment(rule, IMAGES, rule.name, _plain(images), replacement, tail)
    if policy.links.allow is not None:
        for rule, replacement, tail in link_rules(policy.links.admits):
            yield Treatment(rule, LINKS, rule.name, (Action.STRIP.value,), replacement, tail)


def _plain(actions: Sequence[Action]) -> tuple[str, ...]:
    return tuple(action.value for action in actions)
