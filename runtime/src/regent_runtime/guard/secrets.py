"""Keys and tokens whose issuers gave them a form of their own, and private keys.

No rule of the kind "password = something": an answer about configuration would be refused for its examples. For the
same reason a token that says that it is an example is none.

A form that nothing else has is found wherever it stands, also glued to a word. One that words and other identifiers end
or begin with (`task-`, `vendor_v1_`) needs a border in front.
"""

import re
from collections.abc import Callable

from regent_runtime.guard.scan import Judged, Rule
from regent_runtime.guard.window import Until, While

_EXAMPLE = re.compile(rb"example|placeholder|x{6}|your[-_]|0{8}|1234567890abcdef|abcdefghijkl", re.IGNORECASE)
_LEAST_VARIETY = 6
"""Different characters of a real token's last twenty."""


def judge(candidate: bytes) -> Judged:
    is_example = _EXAMPLE.search(candidate) is not None or len(set(candidate[-20:])) < _LEAST_VARIETY
    return Judged([] if is_example else [(0, len(candidate))], len(candidate))


def judge_mixed(candidate: bytes) -> Judged:
    """For prefixes that words may begin with too: a digit must be among the rest."""
    rest = candidate[4:]
    return judge(candidate) if re.search(rb"[0-9]", rest) else Judged([], len(candidate))


_WORD = rb"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_TOKEN_TAIL = While(_WORD)
_JWT_TAIL = While(_WORD + b".=")
_KEY_TAIL = Until(b"-----END")

_PLAIN: dict[str, str] = {
    "aws-access-key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "aws-secret-key": (
        r"(?i:\baws_?(?:secret)?_?(?:access)?_?key(?:_id)?|secret_?access_?key)"
        r"[\"' ]{0,3}[:=][\"' ]{0,3}[A-Za-z0-9/+]{40}\b"
    ),
    "github-token": r"(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{36,244})",
    "gitlab-token": r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent)-[A-Za-z0-9_\-]{20,64}",
    "slack-token": r"(?:xox[abeprs]-[A-Za-z0-9\-]{16,200}|xapp-[0-9]-[A-Za-z0-9\-]{16,200})",
    "slack-webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9]{8,16}/[A-Za-z0-9]{8,16}/[A-Za-z0-9]{16,32}",
    "stripe-key": r"(?:\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/]{32,64})",
    "google-api-key": r"\bAIza[0-9A-Za-z_\-]{35}",
    "google-oauth": r"(?:ya29\.[0-9A-Za-z_\-]{20,200}|GOCSPX-[A-Za-z0-9_\-]{28})",
    "azure-key": r"(?i:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{42,86}={1,2}",
    "npm-token": r"npm_[A-Za-z0-9]{36}\b",
    "pypi-token": r"pypi-AgE[A-Za-z0-9_\-]{50,200}",
    "hugging-face-token": r"hf_[A-Za-z0-9]{34}\b",
    "sendgrid-key": r"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}",
    "twilio-key": r"\bSK[0-9a-f]{32}\b",
    "mailgun-key": r"\bkey-[0-9a-f]{32}\b",
    "telegram-token": r"\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}",
    "digitalocean-token": r"\bdo[opr]_v1_[a-f0-9]{64}\b",
    "databricks-token": r"\bdapi[a-f0-9]{32}\b",
    "vault-token": r"\bhv[sbr]\.[A-Za-z0-9_\-]{24,200}",
    "shopify-token": r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b",
    "atlassian-token": r"ATATT3[A-Za-z0-9_\-=]{100,200}",
    "age-key": r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}\b",
}  # fmt: skip

_MOST = re.compile(r"(?<=\{)(\d+),\d+(?=\}(?:\)?$|\|))")
"""How often a pattern, or an alternative of one, repeats its end."""


def _rule(name: str, pattern: str, judge: Callable[[bytes], Judged] = judge) -> Rule:
    """Searched for by the shortest match, so that no automaton has to count to the longest."""
    return Rule(name, pattern, judge, opening=_MOST.sub(r"\1", pattern) if _MOST.search(pattern) else None)


RULES: tuple[tuple[Rule, While | Until | None], ...] = (
    (
        Rule(
            "private-key",
            r"-----BEGIN (?:[A-Z0-9]{1,10} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]){1,8}"
            r"(?:[A-Za-z0-9+/]{16}|Proc-Type:|DEK-Info:|Version:|Comment:)",
        ),
        _KEY_TAIL,
    ),
    (
        Rule("json-web-token", r"\beyJ[A-Za-z0-9_\-]{8,300}\.eyJ[A-Za-z0-9_\-]{8,100}", judge, opening=r"\beyJ"),
        _JWT_TAIL,
    ),
    (
        _rule("anthropic-key", r"(?:\bsk-ant-|sk-ant-[a-z]{2,8}[0-9]{2}-)[A-Za-z0-9_\-]{20,200}", judge_mixed),
        _TOKEN_TAIL,
    ),
    (
        _rule(
            "openai-key",
            r"(?:\bsk-[A-Za-z0-9_\-]{20,200}|sk-[A-Za-z0-9_\-]{20,90}T3BlbkFJ[A-Za-z0-9_\-]{20,90})",
            judge_mixed,
        ),
        _TOKEN_TAIL,
    ),
    *((_rule(name, pattern), None) for name, pattern in _PLAIN.items()),
)
"""Rules, and how a match goes on behind what decides it."""
