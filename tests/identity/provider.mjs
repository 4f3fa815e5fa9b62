// A certified OpenID provider (npm `oidc-provider`) for tests: real tokens, real metadata, real keys that rotate.
//
// Says `{"issuer": ...}` on standard output once it listens, then obeys one JSON object a line on standard input, and answers each
// with one line: see `commands`. It ends with its standard input, so it outlives no test.
//
// Clients that it knows from the start, all with the secret `secret-of-<id>`:
//   machine          client_credentials; JWT access tokens (RFC 9068) for any `resource`
//   machine-<alg>    the same, signed by that algorithm: RS256, PS256, ES256, EdDSA, Ed25519
//   opaque           client_credentials; opaque access tokens, to be asked about (RFC 7662)
//   web              authorization_code with PKCE and refresh tokens, redirected to loopback
//   gateway          may ask about any token, and get none itself
// Clients of `options.clients` may name the grant type of token exchange (RFC 8693): a token of this issuer becomes one for `resource`, or
// `invalid_grant`; for a `resource` that ends in `/forbidden` it is `invalid_target`.
// Any other client may register itself (RFC 7591). People sign in by any name; what a name is in stands in `people`.
import { createServer as plain } from "node:http";
import { createServer as secured } from "node:https";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";

// What it remarks of its own settings is no answer of ours.
console.info = console.error;
console.warn = console.error;

const require = createRequire(join(process.env.YETT_PARTS, "issuer", "package.json"));
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const { errors, Provider } = await load("oidc-provider");
const { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } = await load("jose");

const options = JSON.parse(process.argv[2] ?? "{}");
const lifetime = options.lifetime ?? 600;

// Claims of people and of clients that are nobody's tool.
const people = {
  ada: { groups: ["staff"], tenant: "acme" },
  grace: { groups: ["guests"], tenant: "other" },
  ...options.people,
};

// Every key that signs, the newest first.
let generation = 0;
let keys = [];

async function makeKeys() {
  generation += 1;
  const kinds = [["RS256", "rsa", undefined], ["ES256", "ec", undefined], ["Ed25519", "ed", { crv: "Ed25519" }]];
  return Promise.all(
    kinds.map(async ([algorithm, name, more]) => {
      const { privateKey } = await generateKeyPair(algorithm, { extractable: true, ...more });
      return { ...(await exportJWK(privateKey)), kid: `${name}-${generation}`, use: "sig" };
    }),
  );
}

// What is issued outlives a rotation: a new provider over the same store.
const store = new Map();
const members = new Map();
class Store {
  constructor(model) {
    this.model = model;
  }
  place(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload, seconds) {
    store.set(this.place(id), { ...payload, until: seconds ? Date.now() / 1000 + seconds : Infinity });
    if (payload.grantId) members.set(payload.grantId, [...(members.get(payload.grantId) ?? []), this.place(id)]);
  }
  async find(id) {
    const found = store.get(this.place(id));
    return found && found.until > Date.now() / 1000 ? found : undefined;
  }
  async findByUid(uid) {
    return [...store].find(([place, payload]) => place.startsWith(`${this.model}:`) && payload.uid === uid)?.[1];
  }
  async findByUserCode(userCode) {
    return [...store.values()].find((payload) => payload.userCode === userCode);
  }
  async consume(id) {
    store.get(this.place(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    store.delete(this.place(id));
  }
  async revokeByGrantId(grantId) {
    for (const place of members.get(grantId) ?? []) store.delete(place);
    members.delete(grantId);
  }
}

const algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const client = (client_id, grant_types, more) => ({
  client_id,
  client_secret: `secret-of-${client_id}`,
  grant_types,
  response_types: grant_types.includes("authorization_code") ? ["code"] : [],
  redirect_uris: [],
  ...more,
});
const clients = [
  client("machine", ["client_credentials"]),
  ...algorithms.map((algorithm) => client(`machine-${algorithm}`, ["client_credentials"])),
  client("opaque", ["client_credentials"]),
  client("web", ["authorization_code", "refresh_token"], {
    application_type: "native",
    redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback"],
  }),
  client("gateway", ["client_credentials"]),
  ...(options.clients ?? []),
];

function configuration() {
  return {
    adapter: Store,
    clients,
    jwks: { keys },
    cookies: { keys: ["for a test alone"] },
    clientDefaults: { id_token_signed_response_alg: "RS256" },
    // Scopes of resources are not named in its metadata: clients that find no others ask for all that are.
    scopes: ["openid", "offline_access"],
    // ID tokens say of people what access tokens do.
    claims: { openid: ["sub", "groups", "tenant"] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    // A client that is nobody's tool speaks for itself. What is asked about carries the same claims as what is signed.
    extraTokenClaims: (_ctx, token) =>
      token.accountId ? people[token.accountId] : { sub: token.clientId, groups: ["staff"], tenant: "acme" },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    ttl: { AccessToken: lifetime, ClientCredentials: lifetime, Interaction: 600, Grant: 3600, Session: 3600, RefreshToken: 3600 },
    enabledJWA: { idTokenSigningAlgValues: algorithms, requestObjectSigningAlgValues: algorithms },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_ctx, asking) => asking.clientId === "gateway" },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, asking) => ({
          scope: (options.scopes ?? ["crm.read", "crm.write"]).join(" "),
          audience: resource,
          accessTokenTTL: lifetime,
          accessTokenFormat: asking.clientId === "opaque" ? "opaque" : "jwt",
          jwt: { sign: { alg: algorithms.find((alg) => asking.clientId === `machine-${alg}`) ?? "RS256" } },
        }),
      },
    },
  };
}

const asked = new Map();
let handle;
let trouble;
let port = options.port ?? 0;
let server;
const scheme = options.tls ? "https" : "http";
const issuer = () => options.issuer ?? `${scheme}://${options.host ?? "127.0.0.1"}:${port}`;

// RFC 8693, which the provider leaves to its users.
const exchangeType = "urn:ietf:params:oauth:grant-type:token-exchange";
const exchangeFields = ["subject_token", "subject_token_type", "requested_token_type", "resource", "audience", "scope"];
const exchange = (provider) => async (ctx) => {
  const { client, params } = ctx.oidc;
  const published = createLocalJWKSet({ keys: keys.map(({ d, p, q, dp, dq, qi, ...open }) => open) });
  const { payload } = await jwtVerify(params.subject_token, published, { issuer: issuer() }).catch(() => {
    throw new errors.InvalidGrant("the subject token is not good");
  });
  if (params.resource?.endsWith("/forbidden")) throw new errors.InvalidTarget();
  const info = await configuration().features.resourceIndicators.getResourceServerInfo(ctx, params.resource, client);
  const token = new provider.AccessToken({ client, accountId: payload.sub, scope: params.scope, gty: "token_exchange" });
  token.resourceServer = new provider.ResourceServer(params.resource, info);
  const access_token = await token.save();
  const issued_token_type = "urn:ietf:params:oauth:token-type:access_token";
  ctx.body = { access_token, issued_token_type, token_type: "Bearer", expires_in: token.expiration };
};

function renew() {
  const provider = new Provider(issuer(), configuration());
  provider.registerGrantType(exchangeType, exchange(provider), exchangeFields);
  provider.on("server_error", (_ctx, error) => console.error(error));
  handle = provider.callback();
}

function answer(request, response) {
  const path = new URL(request.url, "http://localhost").pathname;
  asked.set(path, (asked.get(path) ?? 0) + 1);
  if (trouble?.path && trouble.path !== path) return handle(request, response);
  switch (trouble?.kind) {
    case "silent":
      return undefined;
    case "status":
      response.writeHead(trouble.status, { "content-type": "text/html" });
      return response.end("<h1>trouble</h1>");
    case "body":
      response.writeHead(trouble.status ?? 200, { "content-type": "application/json" });
      return response.end(trouble.body);
    case "slow":
      return setTimeout(() => handle(request, response), trouble.milliseconds);
    default:
      return handle(request, response);
  }
}

function listen() {
  const tls = options.tls && { cert: readFileSync(options.tls.cert), key: readFileSync(options.tls.key) };
  server = tls ? secured(tls, answer) : plain(answer);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, options.address ?? "127.0.0.1", () => {
      port = server.address().port;
      resolve();
    });
  });
}

const commands = {
  // New keys sign; the old ones stay published if `keep` is true.
  async rotate({ keep }) {
    const fresh = await makeKeys();
    keys = keep ? [...fresh, ...keys] : fresh;
    renew();
    return { kids: keys.map((key) => key.kid) };
  },
  // Nobody listens any more; whoever is connected is cut off.
  async stop() {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    return {};
  },
  // On the same port.
  async start() {
    await listen();
    return {};
  },
  // What goes wrong from now on, on every path or on one; nothing without a `kind`.
  async trouble(what) {
    trouble = what.kind ? what : undefined;
    return {};
  },
  // How often each path was asked for.
  async asked() {
    return Object.fromEntries(asked);
  },
};

keys = await makeKeys();
await listen();
renew();
console.log(JSON.stringify({ issuer: issuer(), port }));
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  console.log(JSON.stringify(await commands[command](rest)));
}
process.exit(0);
