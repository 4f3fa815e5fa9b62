// `fetch` as a page of some origin has it: Node's own, with the CORS protocol that browsers put around it (Fetch, sections 3.2, 4.1 and 4.9).
// A request that is not simple is asked for beforehand; an answer that is not for this origin is a network error; and of an answer that is,
// a page reads the headers that Fetch or the server lets it read. Nothing is cached, so every preflight is sent.

const SAFE_METHODS = new Set(['GET', 'HEAD', 'POST']);
const SAFE_REQUEST_HEADERS = new Set(['accept', 'accept-language', 'content-language']);
const SAFE_RESPONSE_HEADERS = new Set([
    'cache-control',
    'content-language',
    'content-length',
    'content-type',
    'expires',
    'last-modified',
    'pragma'
]);
const SIMPLE_TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*(;|$)/i;

/** A page's `fetch`. */
export function pageOf(origin) {
    return async (target, init = {}) => {
        const method = (init.method ?? 'GET').toUpperCase();
        const headers = new Headers(init.headers);
        const asked = [...headers].filter(([name, value]) => !isSafe(name, value)).map(([name]) => name);
        if (!SAFE_METHODS.has(method) || asked.length > 0) {
            await preflight(target, origin, method, asked.sort());
        }
        headers.set('Origin', origin);
        const response = await fetch(target, { ...init, headers });
        check(response, origin);
        return readable(response);
    };
}

async function preflight(target, origin, method, asked) {
    const headers = { Origin: origin, 'Access-Control-Request-Method': method };
    if (asked.length > 0) {
        headers['Access-Control-Request-Headers'] = asked.join(',');
    }
    const response = await fetch(target, { method: 'OPTIONS', headers });
    check(response, origin);
    if (!response.ok) {
        refuse(`a preflight was answered by ${response.status}`);
    }
    const allowed = list(response, 'access-control-allow-headers');
    const missing = asked.find((name) => !allowed.includes(name) && (name === 'authorization' || !allowed.includes('*')));
    if (missing) {
        refuse(`the header ${missing} may not be sent`);
    }
    const methods = list(response, 'access-control-allow-methods');
    if (!SAFE_METHODS.has(method) && !methods.includes(method.toLowerCase()) && !methods.includes('*')) {
        refuse(`the method ${method} may not be used`);
    }
}

function check(response, origin) {
    const allowed = response.headers.get('access-control-allow-origin');
    if (allowed !== origin && allowed !== '*') {
        refuse(`an answer (${response.status}) is for ${allowed ?? 'no page'}`);
    }
}

/** What the page gets to see of an answer. */
function readable(response) {
    const exposed = list(response, 'access-control-expose-headers');
    const seen = [...response.headers].filter(
        ([name]) => SAFE_RESPONSE_HEADERS.has(name) || exposed.includes(name) || exposed.includes('*')
    );
    const { status, statusText } = response;
    return new Response([101, 204, 205, 304].includes(status) ? null : response.body, { status, statusText, headers: seen });
}

function isSafe(name, value) {
    return name === 'content-type' ? SIMPLE_TYPES.test(value) : SAFE_REQUEST_HEADERS.has(name);
}

function list(response, name) {
    return (response.headers.get(name) ?? '').split(',').map((item) => item.trim().toLowerCase());
}

function refuse(reason) {
    throw new TypeError('Failed to fetch', { cause: new Error(`CORS: ${reason}`) });
}
