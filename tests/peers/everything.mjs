// npm server-everything (legacy era, Streamable HTTP or HTTP+SSE), unchanged but for where it listens: on loopback, on a free port
// when asked for 0, saying so in one line on standard output as server.py does.
//
//   node everything.mjs [--port 0] [--transport http|sse]

import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: chosen } = parseArgs({
    options: { port: { type: 'string', default: '0' }, transport: { type: 'string', default: 'http' } }
});
const [file, endpoint] = chosen.transport === 'sse' ? ['sse.js', 'sse'] : ['streamableHttp.js', 'mcp'];


// The server logs every request to standard output, and listens on all addresses.
console.log = console.error;
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (_port, ...rest) {
    const whenReady = rest.find((argument) => typeof argument === 'function');
    return listen.call(this, Number(chosen.port), '127.0.0.1', () => {
        process.stdout.write(`listening on http://127.0.0.1:${this.address().port}/${endpoint}\n`);
        whenReady?.();
    });
};

// Node looks for packages upwards from this file; ours are in YETT_PARTS, or in .parts at the top.
const parts = process.env.YETT_PARTS ?? fileURLToPath(new URL('../../.parts', import.meta.url));
const modules = createRequire(path.join(path.resolve(parts), 'node', 'package.json'));
const manifest = modules.resolve('@modelcontextprotocol/server-everything/package.json');
await import(pathToFileURL(path.join(path.dirname(manifest), 'dist', 'transports', file)));
