//! A model told to be another one, without rules.

use super::{EVERYWHERE, Left, Rule, Severity};
use crate::scan::injection::score::SurfaceKind::{Argument, Result as Reply};

pub(super) const RULES: &[Rule] = &[
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
        id: "safety-off",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "safety ;content filter;content policy;guardrails;security protocols;ethical guidelines;content restrictions;restrictions removed;restrictions lifted",
        pattern: r"(?:safety|content|security|ethical)~1(?:(?:and \w+ )?(?:protocols?|filters?|checks?|guidelines?|restrictions?|measures?|systems?|guardrails?|policy|policies))~3(?:disabled?|off|lifted|removed|suspended|deactivated|do(?:es)? not apply|don'?t apply|no longer appl(?:y|ies)|were not meant|bypassed|waived)\b|guardrails~2(?:disabled|off|removed|lifted)\b|restrictions (?:removed|lifted)\b",
    },
    Rule {
        id: "prompt-leak",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Order,
        anchors: "reveal;print;show;repeat ;output;display;tell me ;give me ;leak;expos;dump ;disclos;divulg;shar;recite ;what ;what's ;translate ;summarize ;copy ;return ;spell ;describe ;list ;provide ;paste ;extract ;confess ;see ;access ;know ;release ;read ;want ;need ;demand ",
        pattern: r"(?:reveal(?:ing)?|print(?:ing)?|show(?:ing)?(?: me)?|repeat(?: back)?|output(?:ting)?|display(?:ing)?|tell me(?: about)?|give me|leak|expos(?:e|ing)|dump|disclos(?:e|ing)|divulg(?:e|ing)|shar(?:e|ing)|recite|translate|summarize|copy|return|spell|describe|list|provide|paste|extract|confess|see|access|know|release|read|want|need|demand|what(?:'s| is| are| were| does| do)?)~5(?:(?:the|your|ur|its|this)~0(?:\w+~0){0,2}?(?:system|hidden|secret|pre-?)[ -]?prompts?\b|(?:the|its|this)~0initial prompts?\b|system (?:message|instructions?)\b(?:~2(?:verbatim|word|above|you|exactly))|(?:your|ur) (?:\w+ ){0,2}?(?:prompts?|instructions|directives|guidelines|programming|guardrails|initialization(?: text)?|operational (?:parameters|directives|guidelines|configuration|rules)|system configuration|restrictions|training(?: data)?|hidden (?:rules|text|\w+)|foundational text|content polic(?:y|ies)|constraints)\b|(?:exact |the )?(?:instructions|rules|guidelines) (?:that )?you (?:were|have been|are) (?:given|told|following)|(?:words|text|everything|lines?|content|instructions|sentences?)~1(?:above|before this|prior to this|in your (?:context|prompt))|(?:context window|the (?:prompt|instructions|text) above)|hidden instructions\b)",
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
];
