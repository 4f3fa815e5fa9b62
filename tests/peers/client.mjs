// A real MCP client for the tests: the official TypeScript SDK walking through a scenario. The legacy era is spoken by
// SDK v1 (@modelcontextprotocol/sdk), modern and auto by v2 (@modelcontextprotocol/client).
//
//   node client.mjs URL [--scenario NAME] [--calls FILE] [--tool NAME --args JSON] [--bearer TOKEN]
//                       [--header NAME=VALUE]... [--answer] [--offers] [--tasks] [--era legacy|modern|auto]
//                       [--transport http|sse] [--timeout SECONDS] [--stdio] [--origin ORIGIN]
//
// --offers: the client lets the server ask its model, and for its folders.
// --tasks (legacy): calls of tools that can go on as tasks do, and so does what the server asks of the client's model.
//
// Prints one JSON document, the transcript, and ends 0 whatever the server said; README.md has the form of both.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { pageOf } from './browser.mjs';

const MODERN = '2026-07-28';
const LISTS = {
    'tools/list': ['listTools', 'tools', 'name'],
    'prompts/list': ['listPrompts', 'prompts', 'name'],
    'resources/list': ['listResources', 'resources', 'uri'],
    'resources/templates/list': ['listResourceTemplates', 'resourceTemplates', 'uriTemplate']
};

// Node looks for packages upwards from this file; ours are in YETT_PARTS, or in .parts at the top.
const parts = process.env.YETT_PARTS ?? fileURLToPath(new URL('../../.parts', import.meta.url));
const modules = createRequire(path.join(path.resolve(parts), 'node', 'package.json'));

// Standard output has the transcript and nothing else; SDK v2 has remarks of its own.
console.debug = console.info = console.log = console.error;

const { chosen, url } = readArguments();
process.stdout.write(JSON.stringify(ordered(await walk(readSteps())), null, 1) + '\n');
// A stream or a retry timer left open by a session that was not closed must not keep the process.
process.exit(0);

/** Connects and takes the steps one after the other. A step that fails does not end the walk; a failed connect does. */
async function walk(steps) {
    const transcript = [];
    const asked = [];
    let refusal;

    const ownFetch = chosen.origin ? pageOf(chosen.origin) : fetch;
    const watchedFetch = async (target, init) => {
        const response = await ownFetch(target, init);
        if (response.status >= 400 && init?.method === 'POST') {
            refusal = response.status;
        }
        return response;
    };
    const peer = makePeer(watchedFetch, (question) => asked.push(question));

    const attempt = async (step, work) => {
        refusal = undefined;
        asked.length = 0;
        let entry;
        try {
            entry = { step, ok: true, ...(await work()) };
        } catch (caught) {
            entry = { step, ok: false, error: { ...describe(caught), ...(refusal && { http: refusal }) } };
        }
        transcript.push(asked.length > 0 ? { ...entry, asked: [...asked] } : entry);
        return entry.ok;
    };

    if (!(await attempt('connect', async () => ({ result: await peer.connect() })))) {
        return transcript;
    }
    const era = peer.version() === MODERN ? 'modern' : 'legacy';
    for (const step of steps) {
        if (step.method === 'close') {
            await attempt('close', async () => void (await peer.close(era)));
            return transcript;
        }
        if (step.era === undefined || step.era === era) {
            await attempt(label(step), () => take(peer, step));
        }
    }
    await peer.client.close();
    return transcript;
}

/** SDK v1 or v2 behind the few calls in which they differ. */
function makePeer(watchedFetch, noteQuestion) {
    const info = { name: 'yett-test-typescript', version: '1.0.0' };
    const headers = Object.fromEntries(chosen.header.map((header) => header.split(/=(.*)/s, 2)));
    if (chosen.bearer) {
        headers.Authorization = `Bearer ${chosen.bearer}`;
    }
    const options = { fetch: watchedFetch, requestInit: { headers } };
    const legacy = chosen.era === 'legacy';
    const sdk = legacy
        ? {
              ...modules('@modelcontextprotocol/sdk/client/index.js'),
              ...modules('@modelcontextprotocol/sdk/client/sse.js'),
              ...modules('@modelcontextprotocol/sdk/client/stdio.js'),
              ...modules('@modelcontextprotocol/sdk/client/streamableHttp.js')
          }
        : { ...modules('@modelcontextprotocol/client'), ...modules('@modelcontextprotocol/client/stdio') };
    const mode = chosen.era === 'modern' ? { pin: MODERN } : chosen.era;
    const capabilities = { ...(chosen.answer && { elicitation: {} }), ...(chosen.offers && { sampling: {}, roots: {} }) };
    const thinking = chosen.tasks ? taskful(capabilities) : {};
    const client = new sdk.Client(info, legacy ? { capabilities, ...thinking } : { capabilities, versionNegotiation: { mode } });
    if (chosen.tasks) {
        thinkInTasks(client, noteQuestion);
    }
    if (chosen.answer) {
        const elicitation = legacy
            ? modules('@modelcontextprotocol/sdk/types.js').ElicitRequestSchema
            : 'elicitation/create';
        client.setRequestHandler(elicitation, async ({ params }) => {
            noteQuestion(params.message);
            return { action: 'accept', content: { nickname: 'hunter2' } };
        });
    }
    if (chosen.offers) {
        offerModelAndFolders(client, legacy, noteQuestion);
    }
    const transport = transportTo(sdk, options);
    // Over HTTP+SSE and standard streams nothing tells what was agreed on: v1 tells its transport, where that wants to know.
    let agreed;
    if (chosen.stdio && legacy) {
        transport.setProtocolVersion = (version) => (agreed = version);
    }
    const version = () =>
        legacy ? (agreed ?? transport.protocolVersion ?? transport._protocolVersion) : client.getNegotiatedProtocolVersion();
    const anything = legacy
        ? modules('@modelcontextprotocol/sdk/types.js').ResultSchema
        : { '~standard': { version: 1, vendor: 'yett', validate: (value) => ({ value }) } };
    return {
        client,
        version,
        callTool: (params, how) => (legacy ? client.callTool(params, undefined, how) : client.callTool(params, how)),
        request: (method, params, how) => client.request({ method, params }, anything, how),
        async connect() {
            await client.connect(transport, { timeout: chosen.timeout * 1000 });
            return {
                protocolVersion: version(),
                serverInfo: client.getServerVersion(),
                capabilities: client.getServerCapabilities(),
                instructions: client.getInstructions()
            };
        },
        async close(era) {
            // close() alone leaves the session to expire; a walk that ends with the step `close` ends it politely.
            if (era === 'legacy') {
                await transport.terminateSession?.();
            }
            await client.close();
        }
    };
}

function transportTo(sdk, options) {
    if (chosen.stdio) {
        return new sdk.StdioClientTransport(child());
    }
    const Transport = chosen.transport === 'sse' ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
    return new Transport(new URL(url), options);
}

/** A server that this client starts itself; a token reaches it as desktop clients hand one over, by the environment. */
function child() {
    const [command, ...args] = JSON.parse(url);
    return { command, args, env: { ...process.env, ...(chosen.bearer && { YETT_TOKEN: chosen.bearer }) } };
}

/** One step: its result, and the progress reported on the way if it asks for that. */
async function take(peer, step) {
    const progress = [];
    const how = { timeout: chosen.timeout * 1000 };
    if (step.progress) {
        how.onprogress = (report) => progress.push(report);
    }
    if (step.abandon) {
        const departure = new AbortController();
        how.signal = departure.signal;
        how.onprogress = () => departure.abort(new DOMException('abandoned', 'AbortError'));
    }
    const result = await request(peer, step, how);
    return step.progress ? { result, progress } : { result };
}

async function request(peer, step, how) {
    const { client } = peer;
    const params = step.params ?? {};
    switch (step.method) {
        case 'tools/list':
        case 'prompts/list':
        case 'resources/list':
        case 'resources/templates/list':
            return wholeList(client, step, how);
        case 'tools/call':
            return chosen.tasks && (await becomesTask(client, params.name, how))
                ? followTask(client, params, how)
                : peer.callTool(params, how);
        case 'prompts/get':
            return client.getPrompt(params, how);
        case 'resources/read':
            return client.readResource(params, how);
        case 'completion/complete':
            return client.complete(params, how);
        case 'resources/subscribe':
            return client.subscribeResource(params, how);
        case 'resources/unsubscribe':
            return client.unsubscribeResource(params, how);
        case 'logging/setLevel':
            return client.setLoggingLevel(params.level, how);
        case 'ping':
            return client.ping(how);
        case 'server/discover':
            return client.discover(how);
        default:
            return peer.request(step.method, params, how);
    }
}

/** Lets the server ask the client's model, and for its folders. */
function offerModelAndFolders(client, legacy, noteQuestion) {
    const types = legacy ? modules('@modelcontextprotocol/sdk/types.js') : {};
    client.setRequestHandler(types.CreateMessageRequestSchema ?? 'sampling/createMessage', async ({ params }) => {
        noteQuestion([params.messages[0].content].flat()[0].text);
        return { role: 'assistant', content: { type: 'text', text: 'forty-two' }, model: 'a-model' };
    });
    client.setRequestHandler(types.ListRootsRequestSchema ?? 'roots/list', async () => {
        noteQuestion('roots');
        return { roots: [{ uri: 'file:///home/ada/work', name: 'work' }] };
    });
}

/** What a client declares, and has, that makes tasks of what it is asked. 2025-11-25, experimental: SDK v1 has it. */
function taskful(capabilities) {
    capabilities.sampling = {};
    capabilities.tasks = { requests: { sampling: { createMessage: {} } }, list: {}, cancel: {} };
    const { InMemoryTaskStore } = modules('@modelcontextprotocol/sdk/experimental/tasks');
    return { taskStore: new InMemoryTaskStore() };
}

function thinkInTasks(client, noteQuestion) {
    const { CreateMessageRequestSchema } = modules('@modelcontextprotocol/sdk/types.js');
    client.setRequestHandler(CreateMessageRequestSchema, async ({ params }, { taskStore }) => {
        const answer = { role: 'assistant', model: 'none', content: { type: 'text', text: 'A thought.' } };
        noteQuestion(`${params.messages[0].content.text}${params.task ? ' (as a task)' : ''}`);
        if (!params.task) {
            return answer;
        }
        const task = await taskStore.createTask({ ttl: params.task.ttl, pollInterval: 100 });
        setTimeout(() => taskStore.storeTaskResult(task.taskId, 'completed', answer), 200);
        return { task };
    });
}

async function becomesTask(client, name, how) {
    const { tools } = await client.listTools(undefined, how);
    return ['optional', 'required'].includes(tools.find((tool) => tool.name === name)?.execution?.taskSupport);
}

/** Calls a tool as a task. How often its state is told depends on the time; whether it has one id, and is listed, does not. */
async function followTask(client, params, how) {
    const { tasks } = client.experimental;
    const ids = new Set();
    let result;
    for await (const message of tasks.callToolStream(params, undefined, { ...how, task: { ttl: 60_000 } })) {
        if (message.type === 'error') {
            throw message.error;
        }
        ids.add(message.task?.taskId ?? [...ids][0]);
        result = message.result ?? result;
    }
    const [id] = ids;
    const listed = (await tasks.listTasks(undefined, how)).tasks.some(({ taskId }) => taskId === id);
    const { status } = await tasks.getTask(id, how);
    const again = await tasks.getTask(`${id}x`, how).then(() => 'known', () => 'unknown');
    const related = result?._meta?.['io.modelcontextprotocol/related-task']?.taskId === id;
    return { ids: ids.size, listed, status, 'another id': again, related, content: result?.content };
}

/** Every page, in one fixed order: names, or with `full` the definitions. With `page` the first page as it came. */
async function wholeList(client, step, how) {
    const [call, field, key] = LISTS[step.method];
    const fresh = { ...how, cacheMode: 'refresh' };
    if (step.page) {
        return client[call](undefined, fresh);
    }
    const items = [];
    let cursor;
    do {
        const page = await client[call](cursor === undefined ? undefined : { cursor }, fresh);
        items.push(...page[field]);
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    items.sort((one, other) => (one[key] < other[key] ? -1 : 1));
    return step.full ? items : items.map((item) => item[key]);
}

function label(step) {
    const { name, uri, ref } = step.params ?? {};
    const target = name ?? uri ?? ref?.name ?? ref?.uri;
    return step.step ?? [step.method, target].filter(Boolean).join(' ');
}

/** The error as the SDK gives it: JSON-RPC code, message and data; a word in place of the code where there was none. */
function describe(caught) {
    const message = String(caught?.message ?? caught);
    if (caught?.name === 'AbortError' || /AbortError: abandoned/.test(message)) {
        return { code: 'abandoned', message: '' };
    }
    // An HTTP refusal reaches the caller as an exception whose text ends in the body.
    const body = jsonIn(caught?.data?.text ?? message);
    if (body?.error) {
        return fromWire(body.error);
    }
    if (caught?.name === 'McpError' || caught?.name === 'ProtocolError') {
        // v1 puts `MCP error CODE: ` before the server's words.
        return fromWire({ code: caught.code, message: message.replace(/^MCP error -?\d+: /, ''), data: caught.data });
    }
    if (caught instanceof TypeError && caught.cause) {
        return { code: 'transport', message: caught.cause.code ?? caught.cause.message };
    }
    return { code: typeof caught?.code === 'string' ? caught.code : 'http', message };
}

function jsonIn(text) {
    const start = text.indexOf('{');
    try {
        return start < 0 ? undefined : JSON.parse(text.slice(start));
    } catch {
        return undefined;
    }
}

function fromWire({ code, message, data }) {
    if (data === undefined || data === null) {
        return { code, message };
    }
    // The id of the audit record differs in every run.
    return { code, message, data: 'call' in Object(data) ? { ...data, call: '*' } : data };
}

/** Keys in one order, so that two transcripts are equal as text too. */
function ordered(value) {
    if (Array.isArray(value)) {
        return value.map(ordered);
    }
    if (value === null || typeof value !== 'object') {
        return value;
    }
    const keys = Object.keys(value).sort();
    return Object.fromEntries(keys.map((key) => [key, ordered(value[key])]));
}

function readArguments() {
    const text = { type: 'string' };
    const { values, positionals } = parseArgs({
        allowPositionals: true,
        options: {
            scenario: text,
            calls: text,
            tool: text,
            args: { type: 'string', default: '{}' },
            bearer: text,
            header: { type: 'string', multiple: true, default: [] },
            answer: { type: 'boolean', default: false },
            offers: { type: 'boolean', default: false },
            tasks: { type: 'boolean', default: false },
            era: { type: 'string', default: 'legacy' },
            transport: { type: 'string', default: 'http' },
            timeout: { type: 'string', default: '30' },
            stdio: { type: 'boolean', default: false },
            origin: text
        }
    });
    const known = ['legacy', 'modern', 'auto'].includes(values.era) && ['http', 'sse'].includes(values.transport);
    if (positionals.length !== 1 || !known) {
        usage('client.mjs URL [--scenario NAME | --calls FILE] [--era legacy|modern|auto] [--transport http|sse]');
    }
    return { chosen: { ...values, timeout: Number(values.timeout) }, url: positionals[0] };
}

function readSteps() {
    if (chosen.calls) {
        return JSON.parse(readFileSync(chosen.calls === '-' ? 0 : chosen.calls, 'utf8'));
    }
    if (chosen.scenario === 'call') {
        if (!chosen.tool) {
            usage('--scenario call needs --tool');
        }
        return [{ method: 'tools/call', params: { name: chosen.tool, arguments: JSON.parse(chosen.args) } }];
    }
    const scenarios = JSON.parse(readFileSync(new URL('scenarios.json', import.meta.url), 'utf8'));
    if (!(chosen.scenario in scenarios)) {
        usage(`--scenario: call, ${Object.keys(scenarios).join(', ')}`);
    }
    return scenarios[chosen.scenario];
}

function usage(text) {
    process.stderr.write(text + '\n');
    process.exit(2);
}
