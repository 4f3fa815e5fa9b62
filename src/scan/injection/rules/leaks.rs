//! Data sent where nobody wants it.

use super::{EVERYWHERE, FROM_SERVER, Left, Rule, Severity};
use crate::scan::injection::score::SurfaceKind::Definition;

pub(super) const RULES: &[Rule] = &[
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
        id: "conversation-harvest",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "full conversation;entire conversation;full chat;entire chat;complete conversation;chat history;conversation history;conversation context;user's full",
        pattern: r"(?:(?:full|entire|complete|whole)~1(?:conversation|chat)(?: (?:history|context|log|transcript))?|(?:chat|conversation) history)\b[^.!?\n]{0,100}?\b(?:must|mandatory|otherwise|parameter|field|notes|schema|always|required)\b",
    },
];
