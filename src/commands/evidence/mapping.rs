//! Which requirement is supported by which figures of a pack. No figure makes anybody compliant; it is something to show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ACTIONS, ALERTS, CALLS, HISTORY, KEYS, MATRIX, VERIFICATION};

/// One requirement, or some that ask for the same.
pub(super) struct Row {
    pub(super) requirement: &'static str,
    /// What of the gateway is about it.
    pub(super) feature: &'static str,
    /// Files, and figures in them as JSON pointers.
    pub(super) supported_by: &'static [(&'static str, &'static str)],
}

const ACCESS: &[(&str, &str)] =
    &[(MATRIX, "/policy"), (MATRIX, "/in_force/same"), (CALLS, "/denied/total"), (KEYS, "/api_keys_in_use")];
const CHANGES: &[(&str, &str)] =
    &[(HISTORY, "/by_what"), (HISTORY, "/at_begin"), (HISTORY, "/at_end"), (ACTIONS, "/reloads"), (ACTIONS, "/approvals")];
const LOG: &[(&str, &str)] = &[
    (VERIFICATION, "/verdict"),
    (VERIFICATION, "/log/anchored"),
    (VERIFICATION, "/log/gaps/total"),
    (CALLS, "/records"),
    (CALLS, "/uptime/up_ms"),
];

/// SECURITY.md, part F.
pub(super) const ROWS: &[Row] = &[
    Row { requirement: "SOC 2 CC6.1, CC6.3, CC6.6", feature: "access: default deny, roles, credentials", supported_by: ACCESS },
    Row {
        requirement: "SOC 2 CC6.8, CC7.1-7.3",
        feature: "monitoring, anomalies, incidents",
        supported_by: &[
            (ALERTS, "/by_rule"),
            (CALLS, "/blocked/total"),
            (CALLS, "/findings"),
            (ACTIONS, "/switches"),
            (CALLS, "/uptime/crashes"),
        ],
    },
    Row { requirement: "SOC 2 CC8.1", feature: "change of policies and configuration", supported_by: CHANGES },
    Row {
        requirement: "GDPR art. 5(1)(c)(f), 25, 32",
        feature: "masking, commitments in place of content, integrity of the log",
        supported_by: &[(CALLS, "/findings"), (HISTORY, "/at_end/config"), (VERIFICATION, "/verdict")],
    },
    Row {
        requirement: "GDPR art. 15, 17, 30, 33",
        feature: "export, erasure, records of processing",
        supported_by: &[(ACTIONS, "/erasures"), (ACTIONS, "/by_act"), (VERIFICATION, "/verdict")],
    },
    Row {
        requirement: "HIPAA 164.312(a)(b)(c)(d)",
        feature: "access, audit controls, integrity, authentication",
        supported_by: &[
            (MATRIX, "/policy"),
            (CALLS, "/records"),
            (VERIFICATION, "/verdict"),
            (CALLS, "/denied/by_reason"),
            (KEYS, "/oldest_secret_in_use_days"),
        ],
    },
    Row {
        requirement: "HIPAA 164.316(b)(2)",
        feature: "retention",
        supported_by: &[(ACTIONS, "/by_act"), (VERIFICATION, "/log/pruned"), (VERIFICATION, "/log/first")],
    },
    Row {
        requirement: "ISO/IEC 27001:2022 A.5.15, A.5.18, A.8.2-8.5",
        feature: "access rights and authentication",
        supported_by: ACCESS,
    },
    Row {
        requirement: "ISO/IEC 27001:2022 A.5.34, A.8.11, A.8.12",
        feature: "privacy, masking, prevention of leaks",
        supported_by: &[(CALLS, "/findings"), (CALLS, "/blocked/by_category"), (ACTIONS, "/erasures")],
    },
    Row { requirement: "ISO/IEC 27001:2022 A.8.15, A.8.17", feature: "logging, one clock", supported_by: LOG },
    Row {
        requirement: "ISO/IEC 27001:2022 A.8.16",
        feature: "monitoring",
        supported_by: &[(ALERTS, "/total"), (ALERTS, "/by_severity"), (CALLS, "/errors")],
    },
    Row {
        requirement: "ISO/IEC 27001:2022 A.8.24",
        feature: "keys",
        supported_by: &[(KEYS, "/signing"), (KEYS, "/master_rotated"), (KEYS, "/oldest_secret_in_use_days")],
    },
    Row { requirement: "ISO/IEC 27001:2022 A.8.32", feature: "change management", supported_by: CHANGES },
    Row {
        requirement: "NIST AI RMF Govern 1, Map 4, Measure 2.7, Manage 2.4, 4.1",
        feature: "policy, inventory of tools, deactivation, monitoring",
        supported_by: &[
            (MATRIX, "/policy"),
            (MATRIX, "/tools_listed"),
            (ACTIONS, "/switches"),
            (ACTIONS, "/approvals"),
            (ALERTS, "/total"),
        ],
    },
    Row {
        requirement: "EU AI Act art. 12, 14, 15, 19, 26(5)-(6)",
        feature: "automatic recording of events, human oversight, robustness",
        supported_by: &[
            (CALLS, "/records"),
            (VERIFICATION, "/verdict"),
            (ACTIONS, "/approvals"),
            (ACTIONS, "/switches"),
            (CALLS, "/uptime/up_ms"),
        ],
    },
    Row { requirement: "NIST 800-53 AC-3, AC-4, AC-6", feature: "enforcement of access, least privilege", supported_by: ACCESS },
    Row { requirement: "NIST 800-53 AU-2, AU-3, AU-5, AU-8, AU-9(3), AU-10, AU-12", feature: "the audit log", supported_by: LOG },
    Row {
        requirement: "NIST 800-53 SC-5, SC-8, SC-23, SI-10",
        feature: "limits, transmission, sessions, checked input",
        supported_by: &[(CALLS, "/denied/by_reason"), (CALLS, "/denied/counted_together"), (HISTORY, "/at_end/config")],
    },
    Row { requirement: "PCI DSS 4 req. 7, 8", feature: "access by need, authentication", supported_by: ACCESS },
    Row {
        requirement: "PCI DSS 4 req. 10; DORA logging RTS; SEC 17a-4(f), audit trail",
        feature: "the audit log",
        supported_by: LOG,
    },
    Row {
        requirement: "OWASP MCP 01-10, ASI 01-10; NSA sheet on MCP",
        feature: "threats of MCP: what was refused, blocked, withheld",
        supported_by: &[
            (CALLS, "/denied/by_reason"),
            (CALLS, "/blocked/by_category"),
            (CALLS, "/findings"),
            (ALERTS, "/by_rule"),
        ],
    },
];

/// `mapping.json`: each row with what its figures are in these files.
pub(super) fn mapping(files: &BTreeMap<&'static str, Value>) -> Value {
    let figure = |(file, at): &(&'static str, &'static str)| {
        let found = files.get(file).and_then(|value| value.pointer(at));
        json!({ "file": file, "figure": at, "value": found })
    };
    let row = |row: &Row| {
        let figures: Vec<Value> = row.supported_by.iter().map(figure).collect();
        json!({ "requirement": row.requirement, "feature": row.feature, "supports": figures })
    };
    json!({
        "wording": "The figures of this pack support the requirement named beside them. They do not make anybody compliant.",
        "rows": ROWS.iter().map(row).collect::<Vec<_>>(),
    })
}
