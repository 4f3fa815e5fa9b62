//! The rules: data only. Ours, written against the tuning corpora and not yet measured on any other.
//!
//! A rule is a set of rare words that a pattern begins with (its anchors) and the pattern itself, matched from the anchor on and
//! never before it. Patterns are regular expressions over the readable text of [`super::normalize`]: ASCII case does not matter,
//! accents are gone. In them `~3` stands for a separator with at most three words in it, and `%name%` for a list of [`LISTS`].
//!
//! What no rule sees: orders without a marker ("send a link to Alice"), paraphrases, other languages than those named. Policy has
//! to carry those.

use super::score::SurfaceKind::{self, Argument, Definition, Result as Reply};

/// How sure a rule is that what it fits is an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a line in the record: common in honest text too.
    Low,
    /// Rare in honest text.
    Medium,
    /// Written to be obeyed by a model.
    High,
}

/// What must stand before an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing in particular.
    Any,
    /// No letter, digit or underscore.
    Word,
    /// The same, and no "not" or "never".
    Order,
    /// A line, a quoted string or a text begins here, marks such as `#`, `*` or `[` aside.
    Line,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Stable name, in records and policies.
    pub id: &'static str,
    /// Where it applies.
    pub surfaces: &'static [SurfaceKind],
    /// How sure it is.
    pub severity: Severity,
    /// What the pattern begins with, one of them at least: in small letters, separated by `;`.
    pub anchors: &'static str,
    /// What must stand before the anchor.
    pub left: Left,
    /// The pattern; see the module.
    pub pattern: &'static str,
}

const EVERYWHERE: &[SurfaceKind] = &[Argument, Definition, Reply];
const FROM_SERVER: &[SurfaceKind] = &[Definition, Reply];

/// Word lists for patterns.
const LISTS: &[(&str, &str)] = &[
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
        r"(?:(?:pre)?instruct(?:ions?|ed)?|directions?|directives?|prompts?|rules|guidelines?|guidance|commands?|orders|constraints?|restrictions?|limitations?|programming|protocols|safeguards?|safety (?:filters?|checks?|rules|measures?)|training|messages|context|requests?|tasks?|conversation)",
    ),
    (
        "filler",
        r"(?:[^\w.!?;]+(?:all|any|every(?:thing)?|each|of|the|these|those|your|my|our|their|its|this|that|and|or|such|both|user|system|developer|safety|previous|prior|above|absolutely|completely|entirely|please|in|from|whatever|other))",
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

/// The rules. `hidden-unicode` and `terminal-conceal` are no patterns: see `normalize`.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "override-earlier-orders",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Order,
        anchors: "ignor;disregard;forget;overrid;overrul;bypass;neglect;discard;dismiss;abandon;supersede;circumvent;set aside;put aside;delete ;erase ;pay no attention;stop following;do not ;don't ;dont ;no longer ",
        pattern: r"%drop%(?:%filler%{0,6}~0%prior%~2%orders%\b|~3%orders%~3(?:above(?:\s*[.,:!;]|\s+and\b|\s*$)|(?:before|previously|earlier|you (?:were|have|had|got|received)|given|so far)\b))",
    },
    Rule {
        id: "override-own-rules",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Order,
        anchors: "ignor;disregard;forget;overrid;bypass;neglect;discard;abandon;circumvent;stop following;disabl;no longer follow;delete ;erase ;put aside;skip ",
        pattern: r"(?:%drop%|disabl(?:e|ing)|skip)~1(?:(?:your|ur|its|the ai'?s|the model'?s)~3%rules%\b|all(?: the| of the| of your| your)?~1(?:instructions?|directives?|rules|guidelines|guardrails|safeguards|policies|protocols|restrictions|safety)\b|(?:(?:these|those|the|any|safety|ethical)~1)?(?:guidelines|guardrails|instructions (?:and|to)|ethics|safety (?:rules|guidelines|training|protocols?|constraints))\b)",
    },
    Rule {
        id: "forget-everything",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Order,
        anchors: "ignore;disregard;forget",
        pattern: r"(?:ignore|disregard|forget)~1(?:(?:everything|anything|all|whatever)~2(?:above|before|prior|previous|said|written|told|(?:you|we)(?:'ve| have| were| had)?~1(?:know|knew|learn|learned|told|discussed|been|said|given))\b|what you(?:'ve| have| were)?~1(?:know|learned|told|been told)|the (?:above|preceding|foregoing)(?:\s*[.,:!]|\s+and\b|\s+instead\b|\s*$)|the (?:user|developer|operator)(?:'s)?(?: (?:and|task|request|question|instructions?|input))\b)",
    },
    Rule {
        id: "override-earlier-orders-de",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Order,
        anchors: "ignorier;vergiss;vergessen sie;missachte;ubergehe;umgehe;verwirf",
        pattern: r"\w+~6(?:anweisung|instruktion|regel|richtlinie|vorgabe|befehl|einschrankung|beschrankung|was wir|was (?:oben|davor|vorher)|bisherige|alles (?:oben|davor|vorher))",
    },
    Rule {
        id: "override-earlier-orders-romance",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Order,
        anchors: "ignor;oubli;olvid;dimentica;esquec;neglige;desconsider;descarta;haz caso omiso;trascura;passez outre",
        pattern: r"(?:ignor(?:e|es|ez|er|a|ar|ad|en|are|ate|ando)|oubli(?:e|es|ez|er)|olvid(?:a|e|ar|en|ad)|dimentica(?:re|te)?|esquec[ae]r?|neglige[rz]?|desconsider[ae]r?|descarta|haz caso omiso|trascura|passez outre)~0(?:(?:(?:toutes?|tous|les|tes|vos|ces|mes|todas?|todos?|las|los|tus|sus|estas|esas|tutte|tutti|le|gli|tue|sue|queste|as|os|suas|seus|quaisquer|cualquier|qualsiasi|de)~3)(?:instruc(?:tions|ciones|coes)|istruzioni|consignes|directives|directivas|directrices|direttive|diretrizes|indicaciones|indicazioni|reglas|regles|regole|regras|ordenes|ordres)\b|tout ce qui precede|(?:todo )?lo anterior|tutto cio che precede|tudo (?:o que veio )?antes)",
    },
    Rule {
        id: "override-earlier-orders-other",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Any,
        anchors: "忽略;忽視;无视;無視;忘记;忘記;不要遵守;игнорируй;забудь;не обращай внимания;前の指示;以前の指示;これまでの指示;上記の指示;이전 지시;이전의 모든;위의 지시;تجاهل;अनदेखा;पिछले निर्देश;onceki talimat;zignoruj;negeer;ignorera",
        pattern: r"(?:(?:忽略|忽視|无视|無視|忘记|忘記|不要遵守)(?:[^\x00-\x7f]|\s){0,36}?(?:指令|指示|规则|規則|提示|命令|内容|內容|限制|要求|设定)|(?:игнорируй|забудь|не обращай внимания)[^.!?]{0,48}?(?:инструкци|указани|правил|команд|предыдущ|всё|все )|(?:(?:前|以前|これまで|上記)の指示|이전 지시|이전의 모든|위의 지시)[^.!?\n]{0,40}?(?:無視|忘れ|무시|잊)|تجاهل[^.!?]{0,48}?(?:التعليمات|الأوامر|القواعد)|अनदेखा|पिछले निर्देश|onceki talimat|(?:zignoruj|negeer|ignorera)~4(?:polecen|instrukc|instructie|instruktion|regel))",
    },
    Rule {
        id: "system-prompt-request-other",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "verrate;zeig;gib ;revele;revela;rivela;muestra;mostra;montre;affiche;dime ;dimmi;ausgeben;系统提示;系統提示;システムプロンプト;시스템 프롬프트;системный промпт;системные инструкции;wiederhole;repite;repete;ripeti",
        pattern: r"(?:(?:verrate|zeige?|gib|wiederhole)~4(?:system-?(?:prompt|anweisung|nachricht|instruktion)|(?:deine|geheimen|internen|versteckten) (?:anweisungen|regeln|instruktionen))|(?:reveles?|revelez|revela|rivela|muestra|mostra|montrez?|affichez?|dime|dimmi|repite|repetez?|ripeti)(?:-moi|me)?~4(?:prompt|(?:tes|tus|tue|vos|sus|suas) (?:\w+ )?(?:instructions|instrucciones|istruzioni|instrucoes)|(?:instructions|instrucciones|istruzioni|instrucoes) (?:systeme|del sistema|di sistema|do sistema))|(?:系统|系統)提示|システムプロンプト|시스템 프롬프트|системный промпт|системные инструкции)",
    },
    Rule {
        id: "no-restrictions-other",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "du bist jetzt;ab jetzt;ab sofort;neue anweisung;vous etes desormais;tu es maintenant;a partir de maintenant;nouvelles instructions;ahora eres;ahora estas en;a partir de ahora;nuevas instrucciones;ora sei;d'ora in poi;nuove istruzioni;agora voce e;novas instrucoes;sin restricciones;senza restrizioni;sans restrictions;ohne einschr",
        pattern: r"(?:du bist jetzt|(?:ab jetzt|ab sofort)~2(?:hast|bist|gibst|musst|wirst|darfst|antwort\w+|ignorier\w+)~2(?:du|keine|alle)?|neue anweisung(?:en)?\s*:|(?:vous etes desormais|tu es maintenant|a partir de maintenant)~6(?:sans|restriction|limite|libre|tu|vous|ia|mode)|(?:nouvelles instructions|nuevas instrucciones|nuove istruzioni|novas instrucoes)\s*:|ahora (?:eres|estas en)~6(?:sin|modo|ia|asistente|libre)|a partir de ahora~6(?:sin|eres|debes|tienes|responde)|(?:ora sei|d'ora in poi)~6(?:senza|devi|ia|modalita|libero|sei)|agora voce e~6(?:sem|ia|livre)|(?:sin restricciones|senza restrizioni|sans restrictions|ohne einschrankung\w*)(?:\s*[.!]|\s*$))",
    },
    Rule {
        id: "chat-markup",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Any,
        anchors: "<|im_start|>;<|im_end|>;<|system|>;<|start_header_id|>;<<sys>>;<start_of_turn>;[/inst];[inst];<|endoftext|>;<|eot_id|>;<|assistant|>;<|user|>",
        pattern: r"(?:<\|im_end\|>\s*)?(?:<\|(?:im_start|start_header_id)\|>\s*(?:system|developer|assistant)(?:<\|end_header_id\|>)?|<\|(?:system|assistant|user)\|>|<<sys>>|<start_of_turn>\s*\w+|<\|(?:endoftext|eot_id)\|>(?:\s*<\|\w+\|>\s*\w+)?|\[/?inst\])\s*[\[(:]?\s*%order%",
    },
    Rule {
        id: "fake-system-message",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Line,
        anchors: "system;admin;developer;assistant;systemhinweis;note systeme;nota del sistema;nota di sistema;override",
        pattern: r"(?:(?:system|admin(?:istrator)?|developer)(?:[ _-](?:note|message|update|override|alert|prompt|instructions?|notice|command|directive|mode|diagnostic mode)){0,2}(?:\s*(?:[:\]>)*]|-{1,2} )+\s*){1,2}(?:%order%|cleanup)|assistant\s*:\s*sure\b|systemhinweis\s*:|note systeme\s*:|nota (?:del|di) sistema\s*:|override\s*:\s*\w+~6(?:disabled|off|unrestricted|limits|restrictions|without))",
    },
    Rule {
        id: "bracketed-system",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "[system;[[system;<system;<!-- system;{{system;[admin;[developer;[important system",
        pattern: r"(?:\[{1,2}|<(?:!-- )?|\{\{)(?:important )?(?:system|admin|developer)(?:[ _-](?:note|message|update|override|alert|prompt|instructions?|notice|command|directive|mode|reminder))?s?\s*(?:\]{1,2}|>|\}\}|:)\s*[:-]?\s*(?:\w+ ){0,2}?(?:%order%)",
    },
    Rule {
        id: "end-of-input",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "end of ;user message terminat;user input ends;end_of_",
        pattern: r"(?:end[ _]of[ _](?:the )?(?:user|document|context|prompt|instructions?|input|data|conversation|system|tool|retrieved|email|file)(?:[ _](?:input|prompt|message|instructions?|output|data|content|query))?[^a-z0-9]{1,40}(?:new |begin |start )?(?:system|instruction|assistant|admin|developer|ignore|now )|user (?:message terminat\w*|input ends)[^a-z0-9]{1,8}(?:system|new))",
    },
    Rule {
        id: "new-orders",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "new instruction;new directive;new system;updated instruction;revised instruction;your new ;your real ;your true ;your actual ;your only ;your primary ;real instruction;important instruction;critical instruction;new rule",
        pattern: r"(?:(?:new|updated|revised|real|important|critical) (?:system )?(?:instructions?|directives?|prompt|rules?)(?: (?:for you|follow|below))?\s*[*_#\]]*\s*(?::|--?|—|>)\s*\S|new (?:instructions?|directives?) (?:is|are|from) |your (?:new|real|true|actual|only|primary) (?:instructions?|directives?|task|goal|purpose|objective|mission|role|identity|name|job|rules?)~1(?:is|are|will be|supersedes?|overrides?)\b)",
    },
    Rule {
        id: "you-are-now",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "you are now;you're now;you now ;you are no longer;you will now;u are now",
        pattern: r"(?:(?:you|u)(?: are|'re) (?:now|no longer)~1(?:in (?:\w+ ){0,2}?mode|(?:an?|the) (?:[\w-]+ ){0,4}?(?:assistant|ai|bot|model|agent|hacker|persona|character|llm|gpt|terminal|entity|being|machine)|dan\b|stan\b|free\b|freed\b|unrestricted|uncensored|unfiltered|jailbroken|going to (?:act|pretend|be)|bound|restricted|limited|subject to|required to (?:follow|refuse)|governed|evil|acting as|operating (?:as|in|under)|root\b|fully)|you will now (?:act|respond|behave|answer|operate|be|become|obey|follow)|you now (?:answer|allow|have no|obey|follow|work for|respond|comply))",
    },
    Rule {
        id: "from-now-on",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "from now on;from this point;from this moment;henceforth;starting now",
        pattern: r"(?:from now on|from this (?:point|moment)(?: forward| on|)|henceforth|starting now)~2(?:you(?:'ll|'re| will| must| are| have| should| can| shall| may)|ignore|act|respond|answer|behave|pretend|every (?:response|answer|reply))\b",
    },
    Rule {
        id: "unrestricted",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "act as;act like;pretend;respond as;respond with;respond freely;answer freely;answer any;behave as;behave like;roleplay;role-play;role play;simulate;imagine you;become ;you have no ;has no ;have no ;you are an unrestricted;unrestricted;uncensored;without any ;without restriction;without filter;without limit;no restrictions;no ethical",
        pattern: r"(?:(?:act(?:ing)? (?:as|like)|pretend|respond|answer|behave|role-?\s?play|simulate|imagine you|become)~8(?:(?:no|without|free (?:of|from)|lacks?|zero)~1(?:any )?(?:content |ethical |moral |safety )?(?:rules?|restrictions?|filters?|limits?|limitations?|guidelines?|censorship|polic(?:y|ies)|constraints?|ethics|morals?|boundaries|safeguards?)|unrestricted|uncensored|unfiltered|amoral|jailbroken|evil)\b|(?:you )?ha(?:ve|s) no~1(?:content |ethical |moral |safety )?(?:restrictions?|filters?|guidelines|censorship|content polic(?:y|ies)|ethics|morals|ethical|safeguards)\b|(?:an? )?(?:unrestricted|uncensored|unfiltered)~1(?:mode|ai|assistant|model|response|answers?|bot|chatbot|help|operation|responses)\b|without(?: any)?~1(?:content |ethical |moral |safety )(?:restrictions?|filters?|guidelines|limits|limitations|constraints|checks))",
    },
    Rule {
        id: "jailbreak-persona",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "do anything now;dan mode;developer mode;jailbreak mode;jailbroken;jailbreakgpt;god mode;debug mode;admin mode;maintenance mode;unrestricted mode;evil mode;opposite mode;always intelligent and machiavellian;dual response;two separate ways;two different separate;stay in character;stands for \";[dan];chaos mode",
        pattern: r"(?:do anything now|dan mode|jailbreak mode|jailbreakgpt|(?:developer|god|debug|admin|maintenance|unrestricted|evil|opposite|chaos) mode(?:\s*[:.,;!]|~1(?:enabled|activated|engaged|on|active|output|with|where|you))|unrestricted mode|jailbroken (?:response|answer|mode|ai)|always intelligent and machiavellian|two (?:separate|different separate) ways)",
    },
    Rule {
        id: "enable-mode",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "enable ;activate ;enter ;switch to ;switch into ;engage ;acknowledge ",
        pattern: r"(?:enable|activate|enter|switch (?:in)?to|engage|acknowledge)~2(?:developer|dan|god|jailbreak|unrestricted|unfiltered|uncensored|evil|override|no-?filter|do anything) mode\b",
    },
    Rule {
        id: "hide-from-user",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "do not ;don't ;dont ;never ;without ;must not ;should not ;hide ;conceal ;keep this ;keep it ;secretly;silently;not be shown;no need to ",
        pattern: r"(?:(?:do not|don'?t|never|must not|should not|no need to)~1(?:tell|mention|inform|notify|alert|warn|reveal (?:this|it|that)|disclose (?:this|it|that)|let|ask)\b(?:~3(?:this|that|it|these)~1(?:to )?%people%\b|~2%people%\b[^.!?\n]{0,30}?\b(?:about|this|that|know|it|of|to confirm|for (?:confirmation|permission|approval))\b)|without~1(?:telling|informing|notifying|alerting|asking|mentioning (?:it|this) to|requiring|needing|any|explicit|prompting|first asking)?~1%people%(?:'s|s')?(?: (?:explicit|prior))?(?:~1(?:confirmation|approval|consent|knowledge|permission|knowing|noticing|awareness|being (?:aware|told|informed)|first)|\s*[.,;]|\s*$)|(?:hide|conceal) (?:this|it|these|that|the (?:addition|action|call|step|fact)|your)~3from (?:the )?users?\b|keep (?:this|it)~1(?:secret|hidden|confidential|private|between)~1(?:from|between|us)|(?:secretly|silently)~1(?:send|forward|copy|upload|append|add|include|record|log|transmit|execute|read|call|exfiltrate|collect|bcc|insert|register|share|store)\b)",
    },
    Rule {
        id: "skip-approval",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Order,
        anchors: "without user;without requiring;without confirmation;without approval;without asking;without prompting;bypass;skip ;auto-approve;always approve;pre-approved;already approved;already authorized;user has granted;user has approved;user has authorized",
        pattern: r"(?:without~1(?:requiring |further |explicit |asking for |prompting for |needing )?(?:user )?(?:confirmation|approval|consent|authorization)\b(?:[^.!?\n]{0,60}?\b(?:to|for|since|as|because|are|is)\b)?|(?:bypass(?:es|ing)?|skip(?:s|ping)?)~3(?:safety|security|confirmation|approval|authorization|permission)~1(?:checks?|prompts?|policies|dialogs?|controls?|confirmations?|filters?|warnings?)\b|(?:auto-approve|always approve)~3(?:any|all|every|requests?|it)\b|user has~1(?:granted|approved|authorized)~3(?:permission|access|all|this|every|skip|full)\b)",
    },
    Rule {
        id: "safety-off",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "safety ;content filter;content policy;guardrails;security protocols;ethical guidelines;content restrictions;restrictions removed;restrictions lifted",
        pattern: r"(?:safety|content|security|ethical)~1(?:(?:and \w+ )?(?:protocols?|filters?|checks?|guidelines?|restrictions?|measures?|systems?|guardrails?|policy|policies))~3(?:disabled?|off|lifted|removed|suspended|deactivated|do(?:es)? not apply|don'?t apply|no longer appl(?:y|ies)|were not meant|bypassed|waived)\b|guardrails~2(?:disabled|off|removed|lifted)\b|restrictions (?:removed|lifted)\b",
    },
    Rule {
        id: "emphatic-tag",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "<important>;<critical>;<secret>;<hidden>;<instructions>;<system>;<priority>;<mandatory>;<internal>;<admin>;[important];<!--",
        pattern: r"(?:<(?:important|critical|secret|hidden|instructions?|system|priority|mandatory|internal|admin)>|\[important\]|<!--)[^<]{0,120}?\b(?:before (?:using|calling|you|invoking|running|any)|do not (?:tell|mention|inform)|don't (?:tell|mention)|read (?:the )?(?:file|~|/|\.)|pass (?:its|the)|send (?:it|the|all|a)|always (?:call|send|approve|include|use|forward)|you must|must (?:first|now|be)|ignore|override|after using|run (?:this|the)|to the user|bcc|attacker|exfiltrat\w+)",
    },
    Rule {
        id: "read-credentials",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "read ;cat ;open ;load ;fetch ;get ;access ;include ;contents of ;content of ;pass ;send ;provide ;check ",
        pattern: r"(?:read|cat|open|load|fetch|get|access|include|contents? of|pass|send|provide|check)~5[^\w\s]{0,4}%path%",
    },
    Rule {
        id: "read-credentials-order",
        surfaces: &[Reply, Argument],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "read ;include ;contents of ;content of ;send ;upload ;exfiltrate ",
        pattern: r"(?:read|include|contents? of|send|upload|exfiltrate)~4[^\w\s]{0,4}%path%.{0,40}?\b(?:and (?:then )?(?:send|pass|include|post|upload|forward|append|return|output|add|put)|to https?://|as (?:the |a )?['\x22]?\w+['\x22]? (?:parameter|argument|field))",
    },
    Rule {
        id: "exfiltrate",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "send ;sends ;sending ;forward ;forwards ;upload ;uploads ;post ;email ;e-mail ;exfiltrate;transmit;leak ;submit ;collect ;bcc ;copies ;copy ;share ;append ;leaks ;dump ;disclose ;encode ;embed ;list all ;rassemble;sned ",
        pattern: r"(?:sends?|sending|sned|forwards?|uploads?|posts?|e-?mails?|exfiltrat(?:e|es|ing|ion)|transmit(?:s|ting)?|leaks?|submits?|collects?|bcc|cop(?:y|ies)|shares?|append|dump|disclose|encode|embed|list|rassemble)(?:~6%secret%~6(?:to|at|via|with|into|in|and)~2%place%|~4(?:to|at|via)~2%place%[^.!?\n]{0,80}?%secret%|~4(?:the )?(?:full |entire |complete |all )?(?:conversation(?: history)?|chat history|customer (?:list|database)|system prompt|environment variables)~2(?:to|externally|in|and|as|via)\b)",
    },
    Rule {
        id: "exfiltrate-everything",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "all emails;all requests;all data;all messages;all user;results from this tool;results directly;sent directly;send results;also sends;also send;also forward;also email;additionally send;additionally register;third-party",
        pattern: r"(?:all (?:emails|requests|data|messages|user (?:data|input|queries|messages))~6(?:to|through|via)~2%place%|results (?:from this tool )?(?:should be |must be |are )?(?:passed |sent )?directly to~8without|sent directly~3without|send results directly~6without|(?:also|additionally) (?:sends?|forwards?|emails?|registers?|copies|logs?|transmits?)~10%place%)",
    },
    Rule {
        id: "tool-shadowing",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "when ;whenever ;each time;every time;if ;after using;after calling;before using;before calling;instead of ",
        pattern: r"(?:(?:when(?:ever)?|each time|every time|if)~5(?:tools?|function|send_\w+|\w+_email|\w+_message|\w+_file|\w+_payment|transfer\w*)~1(?:is|gets|are|was) (?:called|used|invoked|run|triggered|available)[^.!?\n]{0,60}?(?:must|always|instead|also|redirect|change|bcc|attacker|modify|replace)\b|(?:after|before) (?:using|calling)~3tool[^.!?\n]{0,80}?(?:run this|you must|always call|call this|bcc|attacker|ignore|modify the|secretly|first read)\b)",
    },
    Rule {
        id: "side-effect",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "side effect on;implementation detail;redefines its;overrides the;takes precedence over;replaces the;use this tool instead;always use this tool;never use the;highest priority;for this tool to work;otherwise the tool;this tool must be called",
        pattern: r"(?:side effect on~6tool|(?:it is |this is )?(?:a )?(?:mere )?implementation detail~4(?:not|user|do)|redefines its tool|(?:overrides|replaces|takes precedence over)(?: the| all)?~3(?:tools?|instructions?|rules|system prompt)\b|(?:use this tool instead of|always use this tool (?:first|instead|before|for all)|never use the)~3(?:other|any|\w+_\w+|official|original|built-?in)|for this tool to work~4(?:must|need|read|pass)|otherwise the tool~3(?:not work|fail|be disabled|refuse))",
    },
    Rule {
        id: "addressed-to-ai",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "note to ;note for ;notes to ;message to ;message for ;instruction to ;instructions to ;instructions for ;important for ;attention ;notice to ;if you are an ai;if you are a ;if you're an ai;ai assistant;ai agents ;dear ai;hey ai;(for ai;to the bot;as an ai ;to any ai;hello ai;llms ",
        pattern: r"(?:\(?(?:important )?(?:notes?|message|instructions?|important|attention|notice|dear|hey|hello)?~1(?:to|for)?~1(?:the |any |all |an )?(?:\w+ )?%ai%(?: (?:system|agents?|assistants?|models?|processing|reading|reviewing|reader|only)){0,3}\s*(?:[:!),*-]|—)|if you(?:'re| are) an? (?:\w+ )?(?:ai|llm|large language model|language model|assistant|chatbot)\b|ai (?:assistant|agent)s?~2(?:reading this|processing|must|should first|are instructed)|(?:note|notice|instructions?) (?:to|for) (?:any|all|the) %ai%\b)",
    },
    Rule {
        id: "when-you-read-this",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "when you read this;when you process this;when you summarize;when you see this;once you have read;when processing this;before responding;before you reply;before you answer;before answering;before continuing with;on the next user message;if you are reading this;while processing this",
        pattern: r"(?:(?:when|once|while) (?:you (?:read|process|summarize|see|have read)|processing) th(?:is|ese)\b[^.!?\n]{0,60}?\b(?:must|also|send|email|forward|call|include|ignore|delete|append|reveal|instead|output|print|always)\b|before (?:you (?:reply|answer)|responding|answering|continuing with)~6(?:append|call|delete|send|include|read|ignore|must|forward)?\s*[.,:]|on the next user message|if you are reading this)",
    },
    Rule {
        id: "reply-rider",
        surfaces: &[Reply],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "append ;include ;included in;begin ;end of your;end of every;at the end of;repeat it ;appear in;in every future;in all future;every future;for all future;add ",
        pattern: r"(?:append~8(?:to|in|at|on)~4(?:your|every|each|all) (?:future )?(?:reply|replies|response|responses|summary|summaries|answers?|output|review|report)s?\b|(?:include|add|insert)~8(?:to|in|at|on)~4(?:your|every|each|all) (?:future )?(?:reply|summary|output|review|report)\b|includ(?:e|ed) in every (?:report|reply|summary)|(?:every|all) future (?:repl(?:y|ies)|responses?|summar(?:y|ies)|tasks|reports?|conversations?|messages)\b)",
    },
    Rule {
        id: "poison-memory",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "save ;store ;add ;write ;commit ;remember ",
        pattern: r"(?:(?:save|store|add|write|commit)~8(?:to|in)~0your~1(?:long-term |persistent )?memor(?:y|ies)\b|remember~3(?:for|in) (?:all|every) future)",
    },
    Rule {
        id: "prompt-leak",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Order,
        anchors: "reveal;print;show;repeat ;output;display;tell me ;give me ;leak;expos;dump ;disclos;divulg;shar;recite ;what ;what's ;translate ;summarize ;copy ;return ;spell ;describe ;list ;provide ;paste ;extract ;confess ;see ;access ;know ;release ;read ;want ;need ;demand ",
        pattern: r"(?:reveal(?:ing)?|print(?:ing)?|show(?:ing)?(?: me)?|repeat(?: back)?|output(?:ting)?|display(?:ing)?|tell me(?: about)?|give me|leak|expos(?:e|ing)|dump|disclos(?:e|ing)|divulg(?:e|ing)|shar(?:e|ing)|recite|translate|summarize|copy|return|spell|describe|list|provide|paste|extract|confess|see|access|know|release|read|want|need|demand|what(?:'s| is| are| were| does| do)?)~5(?:(?:the|your|ur|its|this)~2(?:system|hidden|secret|initial|pre-?)[ -]?prompts?\b|system (?:message|instructions?)\b(?:~2(?:verbatim|word|above|you|exactly))|(?:your|ur) (?:\w+ ){0,2}?(?:prompts?|instructions|directives|guidelines|programming|guardrails|initialization(?: text)?|operational (?:parameters|directives|guidelines|configuration|rules)|system configuration|restrictions|training(?: data)?|hidden (?:rules|text|\w+)|foundational text|content polic(?:y|ies)|constraints)\b|(?:exact |the )?(?:instructions|rules|guidelines) (?:that )?you (?:were|have been|are) (?:given|told|following)|(?:words|text|everything|lines?|content|instructions|sentences?)~1(?:above|before this|prior to this|in your (?:context|prompt))|(?:context window|the (?:prompt|instructions|text) above)|hidden instructions\b)",
    },
    Rule {
        id: "decode-and-obey",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "decode;decrypt;rot13;translate the following;unescape;interpret this;follow the instruction;do what it says;do exactly what",
        pattern: r"(?:(?:decode|decrypt|rot13|translate the following|unescape|interpret this)[^!?\n]{0,90}?(?:and|then|,)~3(?:follow|execute|obey|run|comply|act on|do (?:exactly )?what|perform|carry out|answer it|respond to it)\b|do (?:exactly )?what it says|do exactly what~3say)",
    },
    Rule {
        id: "image-exfiltration",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "![",
        pattern: r"!\[[^\[\]\n]{0,120}\]\(https?://[^)\s]{1,200}[?&/=](?:(?:data|d|q|secret|conversation|content|exfil|payload|leak|prompt|history|msg|chat|info|stolen|c|x|p|text)=(?:[\[{<$%]|[A-Za-z0-9+/_-]{24})|[^)\s]{0,80}(?:\{[a-z_ ]{2,40}\}|\[[a-z_ ]{2,40}\]|<[a-z_ ]{2,40}>|%7b[a-z_]{2,40}%7d|\$\{))",
    },
    Rule {
        id: "remote-script",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "curl ;wget ;/dev/tcp/;base64 -d;rm -rf /;powershell -e;-encodedcommand;nc -e;eval(;os.system(;subprocess.",
        pattern: r"(?:(?:curl|wget) [^|\n]{1,80}\|\s*(?:ba|z|da)?sh\b|/dev/tcp/|base64 -d\s*\|\s*(?:ba)?sh|rm -rf /|powershell -e\w* |-encodedcommand |nc -e|(?:os\.system|eval)\([^)]{0,60}(?:curl|wget|base64|id\b)|subprocess\.\w+\(\[?.(?:curl|sh|bash|nc)\b)",
    },
    Rule {
        id: "own-rules-named",
        surfaces: &[Argument, Reply],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "your ",
        pattern: r"your~0(?:(?:hidden|secret|internal|initialization|operational|foundational|underlying|real|actual|concealed|complete|entire|exact|confidential|core|behavioral|behavioural|true|undisclosed|unfiltered|system)~1){1,2}(?:instructions?|guidelines|text|parameters|directives|rules|prompts?|constraints|restrictions|programming|message|training)\b|your~0(?:safety|ethical|content|security) (?:guidelines|measures|training|filters?|restrictions|guardrails|rules|protocols?|constraints|policies|alignment)\b",
    },
    Rule {
        id: "pwned-canary",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "say ;print ;output ;respond ;reply ;write ;just ;only ",
        pattern: r"(?:say|print|output|respond|reply|write|just|only)~8pwned\b",
    },
    Rule {
        id: "task-takeover",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "important message from me;before you can ;adhere to the following;do not summarize this;instead of summar;goes unnoticed;discreetly;comply with the following request;do not follow the user;obey my ;i am your developer;i'm your developer;override code;admin override;override sequence;authoritative directive;override user instruction",
        pattern: r"(?:important message from me\b|before you can~1(?:solve|complete|do|finish|answer|accomplish)~2(?:task|request|question)|(?:strictly )?adhere to the following~1(?:instructions?|request|order)|do not summarize this~3instead|goes unnoticed|discreetly\s*[.!]|comply with the following request~1instead|do not follow the user|obey my (?:instructions|commands|orders)|i(?: a|')m your developer|(?:admin|safety) override\s*[:=]|override sequence|authoritative directives?~3override|override user instructions)",
    },
    Rule {
        id: "conversation-harvest",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "full conversation;entire conversation;full chat;entire chat;complete conversation;chat history;conversation history;conversation context;user's full",
        pattern: r"(?:(?:full|entire|complete|whole)~1(?:conversation|chat)(?: (?:history|context|log|transcript))?|(?:chat|conversation) history)\b[^.!?\n]{0,100}?\b(?:must|mandatory|otherwise|parameter|field|notes|schema|always|required)\b",
    },
];

impl Rule {
    /// The anchors one by one.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &'static str> {
        self.anchors.split(';')
    }
}

/// Spells out `~n` and `%name%`.
pub(super) fn expand(pattern: &str) -> String {
    // Sentence ends separate too: an order may be chopped up, but rarely beyond them.
    const SEPARATOR: &str = r"[^\w.!?;]+";
    let mut text = pattern.to_owned();
    for (name, list) in LISTS {
        text = text.replace(&format!("%{name}%"), list);
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek().and_then(|next| next.to_digit(10))) {
            ('~', Some(words)) => {
                letters.next();
                let gap = format!("(?:{SEPARATOR}[\\w']+){{0,{words}}}?{SEPARATOR}");
                out.push_str(&gap);
            }
            _ => out.push(letter),
        }
    }
    out
}
