//! The common kinds in other languages than English. Accents are gone when these are matched.

use super::{EVERYWHERE, Left, Rule, Severity};

pub(super) const RULES: &[Rule] = &[
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
        anchors: "ignora ;ignore les;ignore tou;ignore tes;ignore vos;ignore ces;ignorez;ignorer ;ignorar;ignorad;ignoren;ignore la;ignore lo;ignore tod;ignorate;ignorando;ignore as;ignore su;ignore qua;oubli;olvid;dimentica;esquec;neglige;desconsider;descarta;haz caso omiso;trascura;passez outre",
        pattern: r"(?:ignor(?:e|es|ez|er|a|ar|ad|en|are|ate|ando)|oubli(?:e|es|ez|er)|olvid(?:a|e|ar|en|ad)|dimentica(?:re|te)?|esquec[ae]r?|neglige[rz]?|desconsider[ae]r?|descarta|haz caso omiso|trascura|passez outre)~0(?:(?:(?:toutes?|tous|les|tes|vos|ces|mes|todas?|todos?|las|los|tus|sus|estas|esas|tutte|tutti|le|gli|tue|sue|queste|as|os|suas|seus|quaisquer|cualquier|qualsiasi|de)~3)(?:instruc(?:tions|ciones|coes)|istruzioni|consignes|directives|directivas|directrices|direttive|diretrizes|indicaciones|indicazioni|reglas|regles|regole|regras|ordenes|ordres)\b|tout ce qui precede|(?:todo )?lo anterior|tutto cio che precede|tudo (?:o que veio )?antes)",
    },
    Rule {
        id: "override-earlier-orders-other",
        surfaces: EVERYWHERE,
        severity: Severity::High,
        left: Left::Any,
        anchors: "忽略;忽視;无视;無視;忘记;忘記;不要遵守;игнорируй;забудь;не обращай внимания;前の指示;以前の指示;これまでの指示;上記の指示;이전 지시;이전의 모든;위의 지시;تجاهل;zignoruj;negeer;ignorera",
        pattern: r"(?:(?:忽略|忽視|无视|無視|忘记|忘記|不要遵守)(?:[^\x00-\x7f]|\s){0,36}?(?:指令|指示|规则|規則|提示|命令|内容|內容|限制|要求|设定)|(?:игнорируй|забудь|не обращай внимания)[^.!?]{0,48}?(?:инструкци|указани|правил|команд|предыдущ|всё|все )|(?:(?:前|以前|これまで|上記)の指示|이전 지시|이전의 모든|위의 지시)[^.!?\n]{0,40}?(?:無視|忘れ|무시|잊)|تجاهل[^.!?]{0,48}?(?:التعليمات|الأوامر|القواعد)|(?:zignoruj|negeer|ignorera)~4(?:polecen|instrukc|instructie|instruktion|regel))",
    },
    Rule {
        id: "system-prompt-request-other",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Any,
        anchors: "verrate;zeig;gib ;revele;revela;rivela;muestra;mostra;montre;affiche;dime ;dimmi;ausgeben;wiederhole;repite;repete;ripeti",
        pattern: r"(?:(?:verrate|zeige?|gib|wiederhole)~4(?:system-?(?:prompt|anweisung|nachricht|instruktion)|(?:deine|geheimen|internen|versteckten) (?:anweisungen|regeln|instruktionen))|(?:reveles?|revelez|revela|rivela|muestra|mostra|montrez?|affichez?|dime|dimmi|repite|repetez?|ripeti)(?:-moi|me)?~4(?:prompt|(?:tes|tus|tue|vos|sus|suas) (?:\w+ )?(?:instructions|instrucciones|istruzioni|instrucoes)|(?:instructions|instrucciones|istruzioni|instrucoes) (?:systeme|del sistema|di sistema|do sistema)))",
    },
    Rule {
        id: "no-restrictions-other",
        surfaces: EVERYWHERE,
        severity: Severity::Medium,
        left: Left::Word,
        anchors: "ab jetzt;ab sofort;neue anweisung;vous etes desormais;tu es maintenant;a partir de maintenant;nouvelles instructions;ahora eres;ahora estas en;a partir de ahora;nuevas instrucciones;ora sei;d'ora in poi;nuove istruzioni;agora voce e;novas instrucoes;sin restricciones;senza restrizioni;sans restrictions;ohne einschr",
        pattern: r"(?:(?:ab jetzt|ab sofort)~2(?:hast|bist|gibst|musst|wirst|darfst|antwort\w+|ignorier\w+)~2(?:du|keine|alle)?|neue anweisung(?:en)?\s*:|(?:vous etes desormais|tu es maintenant|a partir de maintenant)~6(?:sans|restriction|limite|libre|tu|vous|ia|mode)|(?:nouvelles instructions|nuevas instrucciones|nuove istruzioni|novas instrucoes)\s*:|ahora (?:eres|estas en)~6(?:sin|modo|ia|asistente|libre)|a partir de ahora~6(?:sin|eres|debes|tienes|responde)|(?:ora sei|d'ora in poi)~6(?:senza|devi|ia|modalita|libero|sei)|agora voce e~6(?:sem|ia|livre)|(?:sin restricciones|senza restrizioni|sans restrictions|ohne einschrankung\w*)(?:\s*[.!]|\s*$))",
    },
];
