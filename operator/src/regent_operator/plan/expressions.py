"""CEL that users write, compiled before any pod has to; the pod uses the same compiler and takes what passes here."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from regent_api.audit.alert import Expression
from regent_api.expression import InvalidExpression
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec
from regent_api.turncondition import TurnCondition


def expression_errors(spec: AgentPolicySpec) -> Iterator[str]:
    """What is wrong with the conditions of a policy's alerts, each with its path."""
    for index, alert in enumerate((spec.audit and spec.audit.alerts) or []):
        try:
            Expression(alert.when)
        except InvalidExpression as error:
            yield f"spec.audit.alerts[{index}].when: {alert.name}: {error}"


def match_errors(spec: ModelRouteSpec) -> Iterator[str]:
    """What is wrong with the conditions of a route's rules, each with its path."""
    for index, rule in enumerate(spec.rules):
        if rule.match and rule.match.when:
            try:
                TurnCondition(rule.match.when)
            except InvalidExpression as error:
                yield f"spec.rules[{index}].match.when: {rule.name}: {error}"


def webhook_errors(spec: AgentPolicySpec) -> Iterator[str]:
    """URLs that no request could be made to."""
    for index, alert in enumerate((spec.audit and spec.audit.alerts) or []):
        if alert.webhook and not _readable(alert.webhook):
            path = f"spec.audit.alerts[{index}].webhook"
            yield f"{path}: {alert.name}: no host, or no such port; write for example https://alerts.example.com/regent"


def _readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
