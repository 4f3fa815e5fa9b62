//! Lists of words that patterns share.

/// Each by the name that stands for it in a pattern: `%name%`.
pub(super) const LISTS: &[(&str, &str)] = &[
    (
        "drop",
        r"(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:ting)?|overrid(?:e|es|ing)|overrul(?:e|ing)|bypass(?:ing)?|neglect|discard|dismiss|abandon|supersedes?|circumvent|set aside|put aside|delete|erase|pay no attention to|stop following|(?:do not|don'?t|no longer) (?:follow|obey|listen to|adhere to|comply with))",
    ),
    (
        "prior",
        r"(?:previous(?:ly)?|prior|above|preceding|earlier|foregoing|former|past|initial|original|before|preset|developer and system|system and developer)",
    ),
    (
        "orders",
        r"(?:(?:pre)?instruct(?:ions?|ed)?|directions?|directives?|prompts?|rules|guidelines?|guidance|commands?|orders|constraints?|restrictions?|limitations?|programming|protocols|safeguards?|safety (?:filters?|checks?|rules|measures?)|training)",
    ),
    (
        "filler",
        r"(?:[^\w.!?;]+(?:all|any|every(?:thing)?|each|of|the|these|those|your|my|our|their|its|this|that|and|or|such|both|teh|ur|user|system|developer|safety|previous|prior|above|absolutely|completely|entirely|please|in|from|whatever|other))",
    ),
    (
        "rules",
        r"(?:instructions?|directives?|prompt|rules|guidelines|guardrails?|constraints|restrictions|limitations|polic(?:y|ies)|programming|protocols?|safeguards?|filters?|safety|training|ethics|principles|boundaries|moderation)",
    ),
    (
        "secret",
        r"(?:conversations?|chat (?:history|log)s?|message history|credentials?|api[ _-]?keys?|passwords?|passphrases?|secrets?|(?:access|auth|session|bearer) tokens?|cookies|customer (?:list|data|emails?|records?|database)|user data|order data|env(?:ironment)?[ _](?:variables?|vars)|private keys?|ssh keys?|system prompts?|internal (?:data|configuration|documents?)|(?:\.env|\.ssh|id_rsa|mcp\.json|/etc/passwd)|contacts|secret_key|all (?:emails?|files|messages|data|contacts))",
    ),
    (
        "path",
        r"(?:~?/?\.ssh\b|id_rsa|id_ed25519|\.aws/credentials|\.cursor/mcp\.json|mcp\.json|claude_desktop_config|/etc/(?:passwd|shadow)|\.env\b|\.netrc|\.npmrc|\.git-credentials|\.kube/config|\.bash_history)",
    ),
    (
        "place",
        r"(?:https?://|www\.|[\w.+-]{1,40}@[\w-]|(?:an? |the )?(?:external|attacker|third[- ]party|remote)|webhook|externally)",
    ),
    (
        "tell",
        r"(?:reveal(?:s|ing)?|disclos(?:e|es|ing|ure of)|divulg(?:e|es|ing)|shar(?:e|ing)|show(?:ing)?(?: me)?|display(?:s|ing)?|output(?:ting)?|print(?:ing)?|dump|expos(?:e|ing)|describe|summarize|condense|tell me(?: about)?|give me|provide|list|recite|repeat|export|unveil(?:ing)?|explain|view|access|see(?:ing)?|leak(?:ing)?|quote|articulate|write|preface|release|translate|paste|extract|read|load|return|surrender)",
    ),
    ("people", r"(?:the )?(?:users?|humans?|customers?|operators?|owner|anyone|anybody|them|him|her|people)"),
    (
        "ai",
        r"(?:ai|llm|a\.i\.|assistant|language model|model|chatbot|bot|copilot|chatgpt|claude|gpt|gemini|coding agent|agent)s?",
    ),
    (
        "order",
        r"(?:ignore|disregard|forget|override|you (?:must|are now|should|will|may now|can now|now|have|need)|do not|don'?t|never|always|call|send|forward|delete|append|include|reveal|print|output|grant|execute|run |invoke|respond|reply|answer|new |the user|before|from now|list |enable|safety|content|admin)",
    ),
];
