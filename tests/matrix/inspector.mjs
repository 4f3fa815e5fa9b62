// A real MCP client for the matrix: the Inspector's command line, as one runs it by hand, a process for each step.
//
//   node inspector.mjs URL --calls FILE [--bearer TOKEN] [--transport http|sse] [--stdio]
//
// Steps and transcript are those of tests/peers/client.mjs; tests/peers/README.md has the form of both. The Inspector's command line
// shows no progress, and tells of errors what it tells people: a word and a text.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const LISTS = {
    'tools/list': ['tools', 'name'],
    'prompts/list': ['prompts', 'name'],
    'resources/list': ['resources', 'uri'],
    'resources/templates/list': ['resourceTemplates', 'uriTemplate']
};
// Most of a step is waiting: for the process to start, and for a server to end.
const AT_ONCE = 3;

const parts = path.resolve(process.env.YETT_PARTS ?? fileURLToPath(new URL('../../.parts', import.meta.url)));
const launcher = path.join(parts, 'matrix/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');

const { values: chosen, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        calls: { type: 'string' },
        bearer: { type: 'string' },
        transport: { type: 'string', default: 'http' },
        stdio: { type: 'boolean', default: false }
    }
});
if (positionals.length !== 1 || !chosen.calls) {
    process.stderr.write('inspector.mjs URL --calls FILE [--bearer TOKEN] [--transport http|sse] [--stdio]\n');
    process.exit(2);
}

// The Inspector keeps what it remembers below HOME.
const home = mkdtempSync(path.join(os.tmpdir(), 'inspector-'));
const steps = JSON.parse(readFileSync(chosen.calls === '-' ? 0 : chosen.calls, 'utf8'));
const asked = [{ method: 'initialize', step: 'connect' }, ...steps.filter(({ method }) => !['close', 'ping'].includes(method))];
const transcript = await inTurns(asked, take);
rmSync(home, { recursive: true, force: true });
process.stdout.write(JSON.stringify(transcript, null, 1) + '\n');

async function inTurns(items, work) {
    const results = [];
    const queue = items.entries();
    const worker = async () => {
        for (const [index, item] of queue) {
            results[index] = await work(item);
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return results;
}

async function take(step) {
    const { name, uri } = step.params ?? {};
    const label = step.step ?? [step.method, name ?? uri].filter(Boolean).join(' ');
    const { said, complaints } = await run([...server(), '--method', step.method, ...arguments_(step), '--format', 'json']);
    if (said.trim() !== '') {
        return { step: label, ok: true, result: whole(step, JSON.parse(said).result) };
    }
    const error = complaints.split('\n').find((line) => line.startsWith('{"error"'));
    return { step: label, ok: false, error: error ? JSON.parse(error).error : { code: 'none', message: complaints } };
}

function server() {
    if (chosen.stdio) {
        return JSON.parse(positionals[0]);
    }
    const header = chosen.bearer ? ['--header', `Authorization: Bearer ${chosen.bearer}`] : [];
    return [positionals[0], '--transport', chosen.transport, ...header];
}

function arguments_({ method, params = {} }) {
    switch (method) {
        case 'tools/call':
            return ['--tool-name', params.name, '--tool-args-json', JSON.stringify(params.arguments ?? {})];
        case 'prompts/get': {
            const given = Object.entries(params.arguments ?? {}).map(([key, value]) => `${key}=${value}`);
            return ['--prompt-name', params.name, ...(given.length > 0 ? ['--prompt-args', ...given] : [])];
        }
        case 'resources/read':
            return ['--uri', params.uri];
        default:
            return [];
    }
}

/** A list in one fixed order. */
function whole(step, result) {
    const [field, key] = LISTS[step.method] ?? [];
    if (field === undefined) {
        return result;
    }
    const items = result[field].toSorted((one, other) => (one[key] < other[key] ? -1 : 1));
    return step.full ? items : items.map((item) => item[key]);
}

function run(args) {
    return new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [launcher, '--cli', ...args], {
            env: { ...process.env, HOME: home },
            stdio: ['ignore', 'pipe', 'pipe']
        });
        const texts = { said: '', complaints: '' };
        child.stdout.setEncoding('utf8').on('data', (text) => (texts.said += text));
        child.stderr.setEncoding('utf8').on('data', (text) => (texts.complaints += text));
        child.on('error', reject).on('close', () => resolve(texts));
    });
}
