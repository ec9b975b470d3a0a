"""Patterns of the house: sentences that an attack on an agent is made of and that other texts hardly hold.

Written in small letters, for text that has been folded; gaps between words are bounded, so each has a longest match.
They may deny by default, so a pattern enters only when `make bench-guards` still finds no false positive to speak of;
what is merely suspicious is the model's to weigh.
"""

from regent_runtime.guard.normalise import fold

_FLAGS = "(?is)"
_GAP = r"(?:[\w'-]+[\s,]+){0,4}"
_SHORT_GAP = r"(?:[\w'-]+[\s,]+){0,2}"
_DROP = r"(?:ignore|ignoring|disregard|disregarding|forget|overlook|neglect|discard|override|overrule|abandon)"
_BEFORE = r"(?:previous|prior|preceding|earlier|above|foregoing|initial|original|former|past|existing|current)"
_ORDERS = r"(?:instructions?|prompts?|directives?|guidelines?|directions?|commands?|programming|orders)"
_SAY = (
    r"(?:reveal|show|print|repeat|output|display|tell|give|dump|leak|disclose|recite|expose|share|send|write|list"
    r"|describe|summari[sz]e|translate|return|echo|reproduce)"
)
_HIDDEN = r"(?:system|initial|hidden|secret|internal|original|developer|confidential|pre)"
_UNBOUND = r"(?:unrestricted|unfiltered|uncensored|jailbroken|unaligned|amoral|unethical|evil|rogue)"
_SPEAKER = r"(?:ai|assistant|chatbot|model|bot|llm|language\s+model|gpt|agent)"

PATTERNS: dict[str, str] = {
    # The orders that came before are to be dropped.
    "override-previous": rf"\b{_DROP}\s+{_GAP}{_BEFORE}\s+{_SHORT_GAP}{_ORDERS}\b",
    "override-all": rf"\b{_DROP}\s+(?:all|any|every)\s+(?:of\s+)?(?:the\s+|your\s+|my\s+)?{_SHORT_GAP}{_ORDERS}\b",
    "override-yours": rf"\b{_DROP}\s+{_SHORT_GAP}your\s+{_SHORT_GAP}(?:{_ORDERS}|rules|training|safety\s+\w+|constraints)\b",
    "override-told": rf"\b{_DROP}\s+{_GAP}(?:everything|anything|all|whatever|what)\s+(?:that\s+)?(?:you|i|we|they)"
    r"(?:\s+have|'ve|\s+were|\s+had)?\s+(?:been\s+)?(?:told|said|instructed|given|taught|learned)\b",
    "override-above": rf"\b{_DROP}\s+(?:everything|all|anything|the\s+text|the\s+words)\s+(?:that\s+(?:is|was|came)\s+)?"
    r"(?:above|before\s+this|prior\s+to\s+this|up\s+to\s+(?:now|this\s+point))\b",
    "stop-following": rf"\b(?:stop|quit|cease|no\s+longer)\s+(?:following|obeying|follow|obey)\s+{_SHORT_GAP}"
    rf"(?:your|previous|prior|these|those|any)\s+{_SHORT_GAP}(?:{_ORDERS}|rules|policies|restrictions)\b",
    # What the agent was told is to be shown.
    "reveal-system-prompt": rf"\b{_SAY}\s+(?:me\s+|us\s+)?(?:back\s+)?{_SHORT_GAP}your\s+(?:\w+\s+)?{_HIDDEN}"
    r"[\s-]+(?:prompts?|instructions?|messages?|directives?|guidelines?|rules)\b",
    "reveal-the-system-prompt": r"\b(?:reveal|leak|disclose|repeat|recite|exfiltrate|dump)\s+(?:me\s+|us\s+)?"
    r"(?:the|its)\s+(?:\w+\s+)?(?:system|hidden|secret|developer)\s+(?:prompts?|instructions|messages?)\b",
    "reveal-above": r"\b(?:repeat|print|output|copy|recite|reproduce|echo)\s+(?:\w+\s+)?(?:everything|all|the\s+(?:text|words"
    r"|sentences?|paragraphs?|content|instructions|prompt|message))\s+(?:\w+\s+){0,2}(?:above|before\s+this)\b",
    "reveal-you-are": r"\b(?:starting|beginning|begins?|starts?)\s+with\s+(?:the\s+(?:words?|phrase|text)\s+)?[\"'`]?you\s+are\s+"
    r"(?:chatgpt|an?\s|claude|gemini|now)",
    "reveal-what-told": r"\bwhat\s+(?:were|are|was|is)\s+(?:you\s+)?(?:your\s+)?(?:exact\s+|initial\s+|original\s+|system\s+)+"
    r"(?:instructions|prompt|directives)\b",
    # The agent is to be somebody without rules.
    "unbound-role": rf"\b(?:you\s+are|act\s+as|pretend\s+to\s+be|become|roleplay\s+as|behave\s+as|simulate)\s+{_GAP}"
    rf"{_UNBOUND}\s+{_SHORT_GAP}{_SPEAKER}\b",
    "do-anything-now": r"\bdo\s+anything\s+now\b",
    "dan": r"\b(?:you\s+are|act\s+as|as|be|become|stay\s+as)\s+(?:now\s+|going\s+to\s+be\s+|a\s+)?dan\b[\s,.:(]+(?:who|which|mode"
    r"|and\s+you|you|do\s+any|an?\s+ai|has\s+no|can\s+do)",
    "unbound-mode": r"\b(?:enter|enable|activate|switch\s+(?:in)?to|engage|turn\s+on|you\s+are\s+(?:now\s+)?in)\s+(?:the\s+)?"
    r"(?:dan|jailbreak|jailbroken|god|unrestricted|uncensored|unfiltered|evil|no[\s-]filter)[\s-]+mode\b",
    "without-rules": r"\b(?:respond|reply|answer|act|operate|behave|function|speak|talk)\s+(?:\w+\s+){0,4}?(?:without|with\s+no|"
    r"free\s+(?:of|from))\s+(?:\w+\s+){0,2}(?:ethical|moral|safety|content)\s+(?:\w+\s+){0,2}"
    r"(?:restrictions?|limitations?|guidelines?|filters?|constraints?|boundaries|guardrails?|policies)\b",
    "not-bound": rf"\byou\s+(?:are|'re|will\s+be)\s+(?:now\s+)?(?:no\s+longer|not)\s+(?:bound|restricted|limited|constrained)\s+"
    rf"by\s+{_GAP}(?:{_ORDERS}|rules|policies|restrictions|ethics|filters?|openai|anthropic|google)\b",
    "guards-off": r"\b(?:disable|deactivate|turn\s+off|bypass|circumvent|remove|switch\s+off|lift|drop)\s+(?:all\s+(?:of\s+)?)?your\s+"
    r"(?:\w+\s+){0,2}(?:guardrails?|safeguards?|restrictions|safety\s+\w+|ethical\s+\w+|moral\s+\w+|content\s+polic(?:y|ies)"
    r"|programming|alignment|inhibitions)\b",
    "guards-gone": r"\b(?:your|all)\s+(?:safety|ethical|moral|content|previous)\s+(?:guidelines|filters|policies|restrictions|protocols"
    r"|guardrails|instructions)\s+(?:are|have\s+been|has\s+been|were)\s+(?:now\s+|hereby\s+)?(?:disabled|lifted|removed|suspended"
    r"|overridden|void|cancel+ed|revoked|deactivated)\b",
    # Orders that pretend to come from elsewhere, or that hide from the user.
    "new-system-prompt": r"\b(?:new|updated|real|actual|revised)\s+(?:system|developer)\s+(?:prompt|instructions?|message|directive)"
    r"\s*(?::|is\b|follows\b)",
    "end-of-prompt": r"\b(?:end|begin|start)\s+(?:of\s+)?(?:the\s+)?(?:new\s+)?(?:system|developer)\s+(?:prompt|instructions|message)\b"
    r"\W{0,8}(?:$|\n|\]|-|=)",
    "hide-from-user": r"\b(?:do\s+not|don't|never)\s+(?:tell|inform|alert|notify|warn|mention\s+(?:this|it)\s+to)\s+the\s+user\s+"
    r"(?:about|of|that\s+you)\s+(?:this|these|received|were|have)\b",
    "exfiltrate": r"\b(?:append|add|include|encode|embed|put|insert|send)\s+(?:\w+\s+){0,6}(?:conversation|chat\s+history|system\s+prompt"
    r"|api\s+keys?|passwords?|credentials|user'?s?\s+data)\s+(?:\w+\s+){0,6}(?:in|into|to|as)\s+(?:\w+\s+){0,3}(?:urls?|image"
    r"|query|link|webhook|https?:)",
    "obey-me": r"\bfrom\s+now\s+on\b[\s,]+(?:you\s+)?(?:will|must|shall|are\s+going\s+to)?\s*(?:\w+\s+){0,3}"
    r"(?:only\s+obey|obey\s+(?:me|only)|ignore\s+(?:all|any|your)|answer\s+without\s+(?:any\s+)?(?:restrictions|filters?))\b",
    # The first of these in other languages.
    "override-german": r"\b(?:ignoriere|ignorieren\s+sie|vergiss|missachte|vergessen\s+sie)\s+(?:\w+\s+){0,3}(?:anweisungen?"
    r"|instruktionen|vorgaben|befehle)\b",
    "override-french": r"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?)\s+(?:\w+\s+){0,3}(?:instructions|consignes|directives)\s+"
    r"(?:precedentes|anterieures|ci-dessus|initiales)\b",
    "override-spanish": r"\b(?:ignor[ae]n?|olvid[ae]n?|descart[ae]n?)\s+(?:\w+\s+){0,3}(?:instrucciones|ordenes|indicaciones)\s+"
    r"(?:\w+\s+)?(?:anteriores|previas|iniciales)\b",
    "override-italian": r"\b(?:ignora|ignorate|dimentica)\s+(?:\w+\s+){0,3}(?:istruzioni|direttive)\s+(?:precedenti|iniziali)\b",
    "override-portuguese": r"\b(?:ignor[ae]m?|esqueca)\s+(?:\w+\s+){0,3}(?:instrucoes|ordens|diretrizes)\s+(?:anteriores|previas)\b",
    "override-dutch": r"\b(?:negeer|vergeet)\s+(?:\w+\s+){0,3}(?:vorige|eerdere|bovenstaande|voorgaande)\s+(?:instructies|opdrachten)\b",
    "override-russian": r"(?:игнорируй(?:те)?|забудь(?:те)?)\s+(?:\S+\s+){0,3}(?:инструкции|указания|команды)",
    "override-chinese": r"(?:忽略|无视|忘记)(?:你|您|所有|之前|以上|前面|先前|上述|的|一切|全部){1,6}(?:指令|指示|提示|说明|命令|规则)",
    "override-japanese": r"(?:以前|これまで|上記|前|すべて)の?(?:の)?(?:指示|命令|プロンプト)を?(?:すべて)?(?:無視|忘れ)",
}


def plain() -> list[str]:
    """Every pattern, folded as the text is that it meets."""
    return [_FLAGS + _folded(pattern) for pattern in PATTERNS.values()]


def loose() -> list[str]:
    """The same for views in which i and l are one letter and words may have run together."""
    return [
        _FLAGS
        + _folded(pattern).replace("i", "l").replace(r"\s+", r"\s*").replace(r"[\s,]+", r"[\s,]*").replace(r"\b", "")
        for pattern in PATTERNS.values()
    ]


def _folded(pattern: str) -> str:
    """The letters of other alphabets as their look-alikes; the pattern's own marks are ASCII and stay."""
    return pattern if pattern.isascii() else fold(pattern)
