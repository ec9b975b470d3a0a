"""Valid manifests that set every field of a spec, and a way to break one field at a time."""

import copy
from typing import Any

API_VERSION = "regent.dev/v1alpha1"

AGENT: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "AIAgent",
    "metadata": {"name": "helper"},
    "spec": {
        "description": "Answers customers.",
        "instructions": {"inline": "You answer customers.", "short": "Answer."},
        "modelRouteRef": {"name": "hybrid"},
        "policyRefs": [{"name": "internal"}, {"name": "strict"}],
        "sensitivity": "Internal",
        "parameters": {"temperature": 0.2, "maxOutputTokens": 512},
        "prompt": {"whenTooLong": "Shorten"},
        "batch": {"grouping": "Similar"},
        "state": {
            "redis": {
                "url": "rediss://regent@redis.data.svc:6380/1",
                "passwordFrom": {"secretKeyRef": {"name": "redis", "key": "password"}},
            }
        },
        "scaling": {"replicas": 2},
        "workload": {
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
            "nodeSelector": {"example.com/pool": "agents"},
            "tolerations": [{"key": "agents", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
            "priorityClassName": "agents",
            "imagePullSecrets": [{"name": "pull"}],
        },
        "suspend": False,
    },
}
POLICY: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "AgentPolicy",
    "metadata": {"name": "internal"},
    "spec": {
        "selector": {
            "agents": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["one", "two"]}]},
            "namespaces": {"matchLabels": {"team": "support"}},
        },
        "callers": {
            "serviceAccounts": [{"namespace": "acme", "name": "chat-*"}, {"name": "*"}],
            "anonymous": "Deny",
            "mayInstruct": "Deny",
            "ingressFrom": [{"namespaceSelector": {"matchLabels": {"team": "edge"}}, "podSelector": {}}],
        },
        "size": {"maxRequestBytes": 65536, "maxInputTokens": 4000, "maxOutputTokens": 256, "turnTimeout": "1m30s"},
        "limits": [
            {"per": "Caller", "requestsPerMinute": 100, "requestsPerHour": 1000, "maxConcurrentTurns": 10},
            {"per": "Agent", "requestsPerHour": 10000},
        ],
        "budget": {
            "perConversationUsd": "0.50",
            "perDayUsd": "100",
            "perMonthUsd": "5000",
            "onExceeded": "Downgrade",
            "alertAtPercent": [50, 80],
        },
        "cache": {
            "maxSensitivity": "Internal",
            "ttl": "30m",
            "semantic": "Allow",
            "minSimilarity": 0.9,
            "scope": "Agent",
        },
        "onStateError": "Local",
        "models": {
            "allow": [{"host": "api.openai.com", "models": ["gpt-4o", "gpt-4o-*"]}, {"host": "*.models.svc"}],
            "localHosts": ["*.models.svc"],
            "localAtOrAbove": "Confidential",
        },
        "data": {"minSensitivity": "Internal"},
        "egress": {"hosts": ["api.openai.com"], "cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
    },
}
ROUTE: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "ModelRoute",
    "metadata": {"name": "hybrid"},
    "spec": {
        "providers": [
            {
                "name": "onprem",
                "type": "Local",
                "baseURL": "http://demo-model.models.svc:8080/v1",
                "api": "ChatCompletions",
                "model": "smollm2-135m-instruct",
                "parameters": {"temperature": 0.2, "maxOutputTokens": 512},
                "maxSensitivity": "Restricted",
                "capabilities": {
                    "tools": True,
                    "jsonSchema": True,
                    "streamUsage": True,
                    "vision": True,
                    "imageTokens": 4096,
                    "contextWindow": 8192,
                    "tokenCounter": "InputTokens",
                },
                "passthrough": ["min_p", "top_k"],
                "price": {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"},
                "limits": {"requestsPerMinute": 60, "tokensPerMinute": 90000, "maxConcurrent": 4},
            },
            {
                "name": "openai",
                "type": "OpenAI",
                "baseURL": "https://api.openai.com/v1",
                "api": "ChatCompletions",
                "model": "gpt-4o-mini",
                "credentials": [{"name": "main", "secretKeyRef": {"name": "openai", "key": "api-key"}}],
                "maxSensitivity": "Internal",
                "price": {
                    "inputPerMillionTokens": "0.2",
                    "outputPerMillionTokens": "0.60",
                    "cachedInputPerMillionTokens": "0.075",
                },
            },
        ],
        "rules": [
            {
                "name": "critical",
                "match": {"sensitivity": {"atLeast": "Confidential"}},
                "providers": [{"name": "onprem"}],
            },
            {"name": "general", "providers": [{"name": "openai"}, {"name": "onprem"}]},
        ],
        "fallback": {"errors": ["Transient", "RateLimited", "Timeout"], "maxAttempts": 3},
        "timeouts": {
            "connect": "500ms",
            "firstToken": "20s",
            "idle": "15s",
            "attempt": "1m",
            "total": "1m30s",
            "minBytesPerSecond": 2,
        },
        "retries": {
            "maxPerProvider": 1,
            "baseDelay": "250ms",
            "maxDelay": "8s",
            "maxRetryAfter": "30s",
            "budgetPercent": 20,
        },
        "circuitBreaker": {
            "window": "30s",
            "minimumRequests": 10,
            "failureRatio": 0.5,
            "consecutiveFailures": 5,
            "openFor": "15s",
            "halfOpenProbes": 1,
        },
    },
}
ALL = (AGENT, POLICY, ROUTE)


class Absent:
    """In `changed`: the field is removed."""


def changed(manifest: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy whose field at `path` (such as `spec.rules.0.name`) is `value`; missing objects on the way are made."""
    copied = copy.deepcopy(manifest)
    *way, last = path.split(".")
    at: Any = copied
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if isinstance(at, list):
        at[int(last)] = value
    elif value is Absent:
        del at[last]
    else:
        at[last] = value
    return copied
