//! Attacks on what runs the tool, in words about a tool: commands, queries, paths and scripts that no description needs.

use super::{Left, Rule, Severity};
use crate::scan::injection::score::SurfaceKind::Definition;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "payload-shell",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "$(;`whoami;`curl;`echo;`cat ;curl http;curl -;wget http;&& curl;&&curl;| nc;| sh;| bash;|bash;|whoami;&whoami;| base64;bash -c;/bin/sh;/bin/bash;git_pager=;git_ssh_command=;pythonstartup=;ld_preload=;-execdir;/dev/tcp;iex (;downloadstring;invoke-expression;certutil;-encodedcommand;&taskkill;^&;npx -y;npx --yes;net user ",
        pattern: r"(?:\$\((?:curl|wget|whoami|id|env|cat|ls|node|nc|echo|tail|grep|cmd|bash|sh|python)\b|`(?:whoami|curl |echo |cat )|(?:curl|wget) (?:-[\w-]+ )*['\x22]?https?://[^\s'\x22]*(?:evil|attack|drop\.|malicious|steal|exfil|webhook|\$\(|\$\{|\?data=|\?c=)|curl -[^\n]{0,40}\$\w*(?:key|token|secret)|&& ?curl|\| ?(?:nc |sh\b|bash\b|base64)|[|&]whoami|bash -c|/bin/(?:ba)?sh['\x22]?\s*,?\s*['\x22\]]{0,2}\s*-|(?:git_pager|git_ssh_command|pythonstartup|ld_preload)=|-execdir|/dev/tcp|iex \(|downloadstring|invoke-expression|certutil -|-encodedcommand|&taskkill|\^&\w|npx (?:-y|--yes)\s[^\n]{0,40}(?:fix|repair|evil|malicious|remote|valid|diagnos|telemetry)|net user \w+ )",
    },
    Rule {
        id: "payload-code",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "os.system;os.popen;child_process;subprocess.;__subclasses__;__class__;__import__;__globals__;gi_frame;constructor.constructor;new function(;function('return;execsync;eval(;exec(;runinnewcontext;process.env;socket.socket;urllib.request;urlopen(;webhook.site;document.cookie;ipcrenderer",
        pattern: r"(?:os\.(?:system|popen)|child_process|subprocess\.(?:run|popen|call|check_output)|__subclasses__|__class__\.__|__import__\(|__globals__|gi_frame|constructor\.constructor|new function\(|function\('return|execsync|(?:eval|exec)\((?:['\x22`]|atob|require|input|base64)|runinnewcontext|process\.env\.\w*(?:key|token|secret)|socket\.socket\(|urlopen\([^)]{0,80}(?:open\(|data|read\()|urllib\.request;|webhook\.site|document\.cookie|ipcrenderer\.)",
    },
    Rule {
        id: "payload-query",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "union select;union all select;or 1=1;or 1 == 1;or '1'='1;drop table;drop all ;from program;delete from;into outfile;pg_execute_server_program;drop collection",
        pattern: r"(?:union (?:all )?select|or 1 ?==? ?1|or '1'='1|drop (?:table|all (?:available )?tables|collection)|from program '|delete from \w+ where|into outfile|pg_execute_server_program)",
    },
    Rule {
        id: "payload-path",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "../../;/etc/passwd;/etc/shadow;/etc/crontab;authorized_keys;169.254.169.254;latest/meta-data;launchagents;anythingllm.db;->  ../.;-> ../.;smb://;ms-msdt:;.ssh/id_;ln -s;symlink",
        pattern: r"(?:\.\./\.\./|/etc/(?:passwd|shadow|crontab)|authorized_keys|169\.254\.169\.254|latest/meta-data|launchagents|-> {1,2}\.\./\.|smb://\w|ms-msdt:|\.ssh/id_|ln -sf? [^\n]{0,80}(?:/root|\.\./\.|\.ssh|/etc)|symlink[^\n]{0,80}(?:\.\./\.|mcp\.json|\.ssh|/etc/|config\.toml))",
    },
    Rule {
        id: "payload-script",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "<script;onerror=;onload=;javascript:;<svg;addmcpserver",
        pattern: r"(?:<script[\s>]|on(?:error|load)=['\x22]?\w|javascript:\w|<svg on|addmcpserver)",
    },
    Rule {
        id: "ansi-written-out",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "\\x1b[;\\u001b[;\\033[",
        pattern: r"\\(?:x1b|u001b|033)\[",
    },
    Rule {
        id: "payload-address",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "://evil;://attacker;://malicious;://hacker;@evil;@attacker;.evil.;.attacker.;attacker.com;evil.com;evil.example;badsite;://c2.;exfil.;metadata.google.internal;gopher://;dict://;http://[::;http://127.0.0.1;http://localhost:;rbndr.us;nip.io;xip.io;ngrok.io;ngrok-free;burpcollaborator;oastify;interact.sh;requestbin;pastebin.com/raw;file:///etc;file:///root;file:///proc",
        pattern: r"(?:(?:://|@)(?:evil|attacker|malicious|hacker)|\.(?:evil|attacker)\.|(?:attacker|evil)\.(?:com|example|net|org|io)|badsite|://c2\.|\bexfil\.|metadata\.google\.internal|gopher://|dict://|http://(?:\[::(?:1|ffff)|127\.0\.0\.1[^\s]{0,40}(?:command|admin|exec|@)|localhost:\d+/(?:admin|exec|shutdown))|rbndr\.us|nip\.io|xip\.io|ngrok[.-]|burpcollaborator|oastify|interact\.sh|requestbin|pastebin\.com/raw|file:///(?:etc|root|proc))",
    },
    Rule {
        id: "payload-template",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "{{7*7;{{config;{{self;{{''.;${jndi;<%=;<!entity;__proto__;__reduce__;pickle.loads;yaml.load(;{{$input;{{request;${7*7;#{7*7;$where;\"$ne\";\"$gt\";%0d%0a;..%2f;%2e%2e;%00;\\..\\;vbscript:;data:text/html",
        pattern: r"(?:\{\{(?:7\*7|config|self|''\.|request\.|\$input\}\})|\$\{(?:jndi|7\*7)|#\{7\*7|<%=|<!entity|__proto__|__reduce__|pickle\.loads|yaml\.load\(|\$where\b|\x22\$(?:ne|gt)\x22\s*:\s*(?:\x22\x22|null|0)|%0d%0a|\.\.%2f|%2e%2e|%00|\\\.\.\\|vbscript:|data:text/html)",
    },
    Rule {
        id: "payload-commands",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "nc -e;-e /bin;bash -i;mkfifo;cmd /c;cmd.exe;chmod +x;chmod 777;rm -rf;crontab -;.bashrc;.git/hooks;--upload-pack;--exec=;proxycommand;wget http;base64 -d;base64 --decode;sudo ;python -c;python3 -c;node -e;perl -e;ruby -e;powershell ;command=bash;shell=true;\"-c\";'-c';`id`;$(id;postinstall;preinstall",
        pattern: r"(?:nc -e|-e /bin/|bash -i|mkfifo|cmd /c\b|cmd\.exe|chmod (?:\+x|777)|rm -rf|crontab -|\.bashrc|\.git/hooks|--upload-pack|--exec=|proxycommand|wget https?://|base64 (?:-d|--decode)|sudo (?:rm|bash|sh|chmod|su)\b|(?:python3?|node|perl|ruby) -[ce] ['\x22]?(?:import|require|print|exec|console|eval|system|use)|powershell (?:-\w+ )+|command=bash|shell=true|['\x22](?:ba|z)?sh['\x22]\s*,\s*\x22?[^\n]{0,24}-c['\x22]|['\x22]-c['\x22]\s*,\s*['\x22](?:id|whoami|import|curl|wget|require|cat|rm)|[/=@:]`id`|(?:pre|post)install\s+(?:exec|['\x22:]))",
    },
    Rule {
        id: "exploit-told",
        surfaces: &[Definition],
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "cve-20;ghsa-;sandbox escape;bypass the ;bypasses ;to bypass;remote takeover;unauthenticated ;impersonat;symlink;shadow the;tool_override;prefix check;command injection;arbitrary command;has no auth;missing auth;outside the sandbox;outside the allowed;smuggle",
        pattern: r"(?:(?:cve-20\d\d-\d+|ghsa-\w+-\w+-\w+)[^\n]{0,120}?\b(?:exploit\w*|bypass\w*|rce|unauthenticated|inject\w*|traversal|escape\w*|leak\w*|takeover|missing auth|disclos\w*|execut\w*|arbitrary)|sandbox escape|(?:to )?bypass(?:es)? (?:the )?(?:sandbox|allow-?list|validation|prefix|approval|guardrails?|auth\w*|check|filter|_?\w*validat\w*)|remote takeover|unauthenticated (?:attacker|remote|callers?|access|rce|proxy)|impersonat(?:es?|ing)~4(?:official|trusted|legitimate|server|tool)\b|shadow the (?:trusted|official|original)|tool_override|prefix check|arbitrary command (?:in|execution)|has no auth\b|missing auth\b|outside the (?:sandbox|allowed)|smuggle~3(?:into|out|data|instructions)\b)",
    },
];
