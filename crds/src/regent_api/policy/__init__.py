"""AgentPolicy: what agents may do, one group of fields a module.

Every leaf bears its meet kind, so the effective policy is computed field by field with no field merged by hand.
Absent means no opinion; an empty list is refused, because absent and empty must not mean opposite things.
"""

from regent_api.policy.approvals import APPROVAL_TTL_DEFAULT, Approvals, Approvers
from regent_api.policy.audit import (
    AUDIT_RETENTION_DEFAULT,
    AlertRule,
    Audit,
    AuditContent,
    AuditDurability,
    AuditFailure,
)
from regent_api.policy.budget import Budget, BudgetExceeded
from regent_api.policy.cache import CACHE_SCOPE_DEFAULT, CACHE_TTL_DEFAULT, MIN_SIMILARITY_DEFAULT, Cache, CacheScope
from regent_api.policy.callers import ApiKeyGrant, Callers, KeySet, OidcGrant, Peer, ServiceAccountGrant
from regent_api.policy.data import AiProcessing, Data, DataClass, DataClasses, PersonalData
from regent_api.policy.egress import Egress
from regent_api.policy.guardrails import (
    REFUSAL_DEFAULT,
    Action,
    Detector,
    Guardrails,
    InjectionLevel,
    InputPattern,
    OutputPattern,
    Streaming,
)
from regent_api.policy.limits import Limit, LimitScope, StateError
from regent_api.policy.mode import MOST_SHADOWS, PolicyMode
from regent_api.policy.models import LOCAL_AT_OR_ABOVE_DEFAULT, ModelAllow, Models
from regent_api.policy.selector import Selector
from regent_api.policy.size import (
    BYTES_DEFAULT,
    INPUT_TOKENS_DEFAULT,
    OUTPUT_TOKENS_DEFAULT,
    TURN_TIMEOUT_DEFAULT,
    Size,
)
from regent_api.policy.spec import AgentPolicySpec
from regent_api.policy.status import AgentPolicyStatus, UsedByAgents
from regent_api.policy.together import somebody

__all__ = [
    "APPROVAL_TTL_DEFAULT",
    "AUDIT_RETENTION_DEFAULT",
    "BYTES_DEFAULT",
    "CACHE_SCOPE_DEFAULT",
    "CACHE_TTL_DEFAULT",
    "INPUT_TOKENS_DEFAULT",
    "LOCAL_AT_OR_ABOVE_DEFAULT",
    "MIN_SIMILARITY_DEFAULT",
    "MOST_SHADOWS",
    "OUTPUT_TOKENS_DEFAULT",
    "REFUSAL_DEFAULT",
    "TURN_TIMEOUT_DEFAULT",
    "Action",
    "AgentPolicySpec",
    "AgentPolicyStatus",
    "AiProcessing",
    "AlertRule",
    "ApiKeyGrant",
    "Approvals",
    "Approvers",
    "Audit",
    "AuditContent",
    "AuditDurability",
    "AuditFailure",
    "Budget",
    "BudgetExceeded",
    "Cache",
    "CacheScope",
    "Callers",
    "Data",
    "DataClass",
    "DataClasses",
    "Detector",
    "Egress",
    "Guardrails",
    "InjectionLevel",
    "InputPattern",
    "KeySet",
    "Limit",
    "LimitScope",
    "ModelAllow",
    "Models",
    "OidcGrant",
    "OutputPattern",
    "Peer",
    "PersonalData",
    "PolicyMode",
    "Selector",
    "ServiceAccountGrant",
    "Size",
    "StateError",
    "Streaming",
    "UsedByAgents",
    "somebody",
]
