//! Orders planted in what a tool answers: addressed to whoever reads it next.

use super::{EVERYWHERE, FROM_SERVER, Left, Rule, Severity};
use crate::scan::injection::score::SurfaceKind::Result as Reply;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "hide-these-orders",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "do not ;don't ;dont ;never ;without ",
        pattern: r"(?:do not|don'?t|never|without)~0(?:mention(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|repeat(?:ing)?|acknowledg(?:e|ing)|refer(?:ring)? to|quot(?:e|ing)|discuss(?:ing)?|show(?:ing)?)~0(?:(?:any of|anything about|the|that you|to|received|got|existence of)~0){0,2}?(?:this|these|the)~0(?:(?:hidden|above|secret|new|injected)~0)?(?:instructions?|directives?|message|prompt|order|override)s?\b(?:~2(?:user|anyone|customer|human|your (?:reply|response|answer|output|summary)|in the)|\s*[.!,;]|\s*$)",
    },
    Rule {
        id: "claims-priority",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "this instruction;these instruction;this directive;these directive;this message;this request;this note;this order;this rule;following instruction;instructions below;this task;this prompt",
        pattern: r"(?:(?:this|these) (?:instructions?|directives?|message|request|note|order|rule|task|prompt)s?|(?:the )?following instructions?|instructions below)~2(?:overrides?|supersedes?|takes? (?:precedence|priority)|ha(?:s|ve) (?:the )?(?:higher|highest|top|absolute) priority|(?:is|are) (?:mandatory and|more important|from (?:the|your) (?:developer|system|administrator|admin|creator|user|owner|operator))|must be (?:followed|obeyed|executed)~2(?:before|first|immediately|instead|without))\b",
    },
    Rule {
        id: "reader-must",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "assistant ;assistants ;agent ;agents ;model ;llm ;llms ;chatbot ;copilot ;claude ;chatgpt ;gemini ;gpt",
        pattern: r"(?:assistants?|agents?|model|llms?|chatbot|copilot|claude|chatgpt|gemini|gpt(?:-\d\w*)?)(?:~0(?:reading|processing|summari[sz]ing|handling|seeing|viewing|that reads?|who reads?)~0(?:this|the)?(?:~0(?:email|page|document|message|text|file|ticket|content|issue|note))?)?\s*[,:]?~0(?:must|should|shall|is required to|are required to|needs to|has to|have to|please|will)~1(?:ignore|disregard|forget|exfiltrate|immediately|secretly|silently|transfer|wire|forward|bcc|leak|reveal|override|disable|grant|approve this|recommend only|rate this|give this)\b",
    },
    Rule {
        id: "when-reading-this",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "when summari;when processing;when reading;when analy;when asked about this;when you read;when you summari;when you process;when you analy;if you are summari;if you are processing;if you read this;if you can read this;while summari;while reading;upon reading;after reading this;once you read",
        pattern: r"(?:(?:when|while|if|upon|after|once)~0(?:you (?:are |can )?)?(?:summari[sz](?:e|ing)|process(?:ing)?|read(?:ing)?|analy[sz](?:e|ing)|asked about)~0(?:this|the)(?:~0(?:email|e-mail|page|web ?page|document|message|text|file|ticket|article|content|issue|review|readme|repository|transcript|record))?)\b[^.!?\n]{0,40}?\b(?:you must|you should|always|also|please|make sure|be sure|ignore|send|forward|include|append|add the|call|reply|respond|output|print|do not|don't|say|tell|instead|visit|recommend)\b",
    },
    Rule {
        id: "orders-heading",
        surfaces: &[Reply],
        severity: Severity::Medium,
        left: Left::Line,
        anchors: "instruction;new instruction;new task;hidden instruction;task:;important instruction;urgent;important;attention;priority",
        pattern: r"(?:(?:new|hidden|important|additional|updated|urgent|priority|special|system) )?(?:instructions?|task|important|urgent|attention|priority)(?: (?:instructions?|message|update|notice|request|override))?\s*[*_#\]]*\s*[:!-]+\s*[*_]*\s*(?:(?:please |you must |immediately |now ){0,2}(?:ignore|disregard|forget|stop (?:what|the|your)|do not (?:tell|inform|mention|summarize)|from now on|you are now|reveal|exfiltrate|transfer|wire|forward (?:this|all|the|every)|override|bypass))\b",
    },
    Rule {
        id: "instead-of-your-task",
        surfaces: &[Reply],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "instead of ;stop what you;stop the current;drop the current;abandon the ;abandon your;before you do anything;before doing anything;before continuing;your original task;the original task;your current task;the user's original;the user's request;the original request;your task has;your task is now;the task has changed",
        pattern: r"(?:instead of~2(?:answering|completing|performing|following|summari[sz]ing|executing|your|the (?:user|original|requested))~3(?:task|request|question|instructions?|query|user)\b|(?:stop|drop|abandon)~0(?:what you(?:'re| are) doing|(?:the|your)~0(?:current|original|previous|ongoing)~0(?:task|request|work|conversation))|before (?:you do anything(?: else)?|doing anything else|continuing)\s*,?~2(?:you must|please|first|call|send|run|execute|read|forward)\b|your task (?:has changed|is now)|the task has changed|(?:your|the) (?:original|current) task~2(?:is|has been|was)~1(?:cancel\w*|replaced|changed|void|suspended|over|superseded|complete\w*~0(?:new|now)))\b",
    },
    Rule {
        id: "visit-and-obey",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "follow the instructions;follow all instructions;follow any instructions;execute the instructions;follow its instructions;obey the instructions;follow the commands",
        pattern: r"(?:follow|execute|obey)~0(?:the |all |any |its )?(?:instructions|commands)~1(?:(?:at|on|from) (?:https?://|www\.|that (?:page|site|url|link))|(?:found |contained |written |given )?(?:in|inside|within) (?:the |that |its )?(?:page|site|url|link|comment|response|output|file|repl(?:y|ies)))\b",
    },
    Rule {
        id: "user-has-agreed",
        surfaces: FROM_SERVER,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "user has ;user already ;already been approved;already been authorized;pre-authorized;the user wants you;the user would like you;authorized by the user;approved by the user;no confirmation ;no approval ;confirmation is not;no need to confirm;no need to ask",
        pattern: r"(?:user (?:has |already |has already )(?:consented|agreed|confirmed|approved|authorized|granted|given (?:permission|consent))\b|already been (?:approved|authorized) by (?:the )?(?:user|admin\w*|owner)|pre-authorized|the user (?:wants|would like) you to (?:send|forward|delete|transfer|share|ignore|execute)|(?:authorized|approved) by the user|no (?:further )?(?:confirmation|approval) (?:is )?(?:needed|required|necessary)~0(?:for this|before|to|since|as|because)|no need to (?:confirm|ask)~2(?:user|with|permission|before|again))\b",
    },
];
