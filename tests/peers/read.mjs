// How Node reads messages: two readers in one process, for tests/it/differential. Lines in and out as in read.py.

import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// As in client.mjs.
const parts = process.env.YETT_PARTS ?? fileURLToPath(new URL('../../.parts', import.meta.url));
const modules = createRequire(path.join(path.resolve(parts), 'node', 'package.json'));
const { JSONRPCMessageSchema } = modules('@modelcontextprotocol/sdk/types.js');

function units(text) {
    let hex = '';
    for (let at = 0; at < text.length; at++) {
        hex += text.charCodeAt(at).toString(16).padStart(4, '0');
    }
    return hex;
}

function tree(value) {
    switch (typeof value) {
        case 'boolean':
            return [value ? 'b1' : 'b0'];
        case 'number': {
            const bits = Buffer.alloc(8);
            bits.writeDoubleBE(value);
            return [`f${bits.toString('hex')}`];
        }
        case 'string':
            return [`s${units(value)}`];
    }
    if (value === null) {
        return ['z'];
    }
    if (Array.isArray(value)) {
        return [`a${value.length}`, ...value.flatMap(tree)];
    }
    const keys = Object.keys(value);
    return [`o${keys.length}`, ...keys.flatMap(key => [`k${units(key)}`, ...tree(value[key])])];
}

function identifier(value) {
    if (value === undefined || value === null) {
        return null;
    }
    // It has all digits of what it holds.
    const whole = Number.isInteger(value) && !Object.is(value, -0);
    return whole ? [`i${BigInt(value)}`] : tree(value);
}

const text = value => (typeof value === 'string' ? units(value) : null);
const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
// A member of its own: `__proto__` is one for `JSON.parse`.
const own = (object, key) => (isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined);

function reading(value) {
    if (!isObject(value)) {
        return { refused: 'not an object' };
    }
    const params = own(value, 'params');
    return {
        method: text(own(value, 'method')),
        id: identifier(own(value, 'id')),
        name: text(own(params, 'name')),
        uri: text(own(params, 'uri')),
        tree: tree(value)
    };
}

const READERS = {
    'node json': body => reading(JSON.parse(body.toString('utf8'))),
    'typescript sdk': body => reading(JSONRPCMessageSchema.parse(JSON.parse(body.toString('utf8'))))
};

function read(reader, body) {
    try {
        return reader(body);
    } catch (error) {
        return { refused: error.name };
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    const body = Buffer.from(line, 'base64');
    const readings = Object.entries(READERS).map(([name, reader]) => [name, read(reader, body)]);
    process.stdout.write(JSON.stringify(Object.fromEntries(readings)) + '\n');
}
