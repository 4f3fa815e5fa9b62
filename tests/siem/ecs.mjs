// Checks a file of ECS documents, one a line, with the published list of fields: every field but those of `yett` is in it, and where it lists
// the words that a field may hold, the words are of those.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const modules = join(process.env.YETT_PARTS, 'siem', 'node_modules');
const require = createRequire(join(modules, 'here.js'));
const { EcsFlat } = require('@elastic/ecs');

const wrong = [];
let documents = 0;

function check(number, path, value) {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    for (const [key, member] of Object.entries(value)) check(number, path ? `${path}.${key}` : key, member);
    return;
  }
  const field = EcsFlat[path];
  if (!field) {
    wrong.push(`line ${number}: no field ${path}`);
    return;
  }
  if (Array.isArray(value) !== field.normalize.includes('array')) wrong.push(`line ${number}: ${path} is ${Array.isArray(value) ? '' : 'no '}list`);
  const allowed = field.allowed_values?.map((word) => word.name);
  for (const word of [value].flat()) {
    if (allowed && !allowed.includes(word)) wrong.push(`line ${number}: ${path} is ${word}`);
    const is_number = ['long', 'integer', 'float'].includes(field.type);
    if (is_number !== (typeof word === 'number')) wrong.push(`line ${number}: ${path} is a ${typeof word}, not ${field.type}`);
  }
}

function checkTypes(number, event) {
  const categories = EcsFlat['event.category'].allowed_values.filter((each) => event.category.includes(each.name));
  for (const type of event.type) {
    if (!categories.some((category) => category.expected_event_types.includes(type))) {
      wrong.push(`line ${number}: event.type ${type} is none of ${event.category}`);
    }
  }
}

for (const [at, line] of readFileSync(process.argv[2], 'utf8').trimEnd().split('\n').entries()) {
  const { yett, ...document } = JSON.parse(line);
  if (!yett) wrong.push(`line ${at + 1}: nothing under yett`);
  check(at + 1, '', document);
  checkTypes(at + 1, document.event);
  documents += 1;
}
console.log(JSON.stringify({ documents, wrong: wrong.slice(0, 20) }));
