"""Request fields that callers may send on to some providers: a closed list, of which none moves what a policy caps.

Each is for the providers that know it. What could widen a cap, change the price, store something or instruct the model
(`n`, `min_tokens`, `ignore_eos`, `priority` as a service tier, `chat_template`, ...) is not in it and will not be.
"""

from enum import StrEnum


class PassedField(StrEnum):
    SERVICE_TIER = "service_tier"
    TOP_K = "top_k"
    MIN_P = "min_p"
    TYPICAL_P = "typical_p"
    REPETITION_PENALTY = "repetition_penalty"
    REPEAT_PENALTY = "repeat_penalty"
