// Judges texts with Agent Threat Rules, by the engine of its own package: node agent_threat_rules.mjs PACKAGE SECONDS
// Reads JSON lines {"text", "direction"}, prints one JSON line about the rules, then one a text: whether it is flagged, in a list of one
// column, or null where the engine had not ended after SECONDS.

import { createInterface } from "node:readline";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const [folder, seconds] = process.argv.slice(2);
const { ATREngine } = await import(pathToFileURL(join(folder, "dist/index.js")));
const rulesDir = join(folder, "rules");

// All else is what the engine does where nobody says otherwise.
const engine = new ATREngine({ rulesDir });
const loaded = await engine.loadRules();
const files = readdirSync(rulesDir, { recursive: true }).filter((name) => /\.ya?ml$/.test(name)).length;
if (loaded === 0 || loaded !== files) {
  throw new Error(`the engine loaded ${loaded} rules of ${files} files`);
}
console.log(JSON.stringify({ columns: ["ATR, high or critical"], rules: loaded }));

// The fields are those that the package's own tool `atr_scan` fills. The engine has no kind of event for a definition: it is something that a
// server says, with the field that rules about descriptions read.
function event({ text, direction }) {
  const fields = { user_input: text, agent_output: text, tool_response: text, content: text };
  if (direction === "definition") fields.tool_description = text;
  return { type: direction === "request" ? "llm_input" : "tool_response", timestamp: new Date().toISOString(), content: text, fields };
}

// Some of the expressions take time exponential in the length of a text. Only a script of `vm` can be stopped inside one.
const judge = new vm.Script("evaluate()");

function flagged(row) {
  globalThis.evaluate = () => engine.evaluate(event(row));
  try {
    const matches = judge.runInThisContext({ timeout: 1000 * Number(seconds) });
    return [matches.some(({ rule }) => rule.severity === "high" || rule.severity === "critical")];
  } catch (error) {
    if (error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return null;
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(flagged(JSON.parse(line))));
}
