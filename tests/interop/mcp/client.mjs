// An MCP client of the TypeScript SDK: node client.mjs FOLDER URL. It knows nothing but the URL of the MCP server, and the person who
// logs in is played here. Prints what happened as JSON.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

setTimeout(() => { console.error('no end after two minutes'); process.exit(1); }, 120_000).unref();
const [folder, url] = process.argv.slice(2);
const { resolve } = createRequire(pathToFileURL(`${folder}/`));
const load = (name) => import(pathToFileURL(resolve(name)));
const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { UnauthorizedError } = await load('@modelcontextprotocol/sdk/client/auth.js');

const asked = []; // every request of the client: method, URL, status
const kept = {};

const provider = {
  redirectUrl: 'http://127.0.0.1:9/callback',
  clientMetadata: {
    client_name: 'interop',
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1:9/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: async (authorization) => { kept.code = await person(authorization); },
};

// a browser with cookies, and a person who presses every button
async function person(authorization) {
  const cookies = new Map();
  let next = new URL(authorization);
  for (let step = 0; step < 20; step += 1) {
    const header = () => ({ cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') });
    let page = await fetch(next, { redirect: 'manual', headers: header() });
    const keep = () => page.headers.getSetCookie().forEach((line) => {
      const [name, value] = line.split(';')[0].split('=');
      if (value) cookies.set(name, value); else cookies.delete(name);
    });
    keep();
    if (page.status === 200) {
      page = await fetch(next, { method: 'POST', redirect: 'manual', headers: header() });
      keep();
    }
    if (page.status < 300 || page.status > 399) throw new Error(`${next}: ${page.status} ${await page.text()}`);
    next = new URL(page.headers.get('location'), next);
    if (next.href.startsWith(provider.redirectUrl)) {
      if (!next.searchParams.has('code')) throw new Error(`${next}`);
      kept.resource = authorization.searchParams.get('resource');
      kept.scope = authorization.searchParams.get('scope');
      return next.searchParams.get('code');
    }
  }
  throw new Error('the login does not end');
}

const traced = async (target, init) => {
  const response = await fetch(target, init);
  asked.push([init?.method ?? 'GET', `${target}`, response.status]);
  return response;
};
const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, fetch: traced });

const first = transport();
let refused = false;
try {
  await new Client({ name: 'interop', version: '1' }).connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  refused = true;
}
await first.finishAuth(kept.code);

const client = new Client({ name: 'interop', version: '1' });
await client.connect(transport());
const { tools } = await client.listTools();
const answer = await client.callTool({ name: 'whoami', arguments: { greeting: 'hello' } });
await client.close();
console.log(JSON.stringify({
  refused,
  asked,
  resource: kept.resource,
  scope: kept.scope,
  token: kept.tokens.access_token,
  tools: tools.map((tool) => tool.name),
  answer: answer.content[0].text,
}));
process.exit(0);
