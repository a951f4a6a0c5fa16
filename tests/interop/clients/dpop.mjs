// DPoP by client libraries: node dpop.mjs FOLDER LIBRARY RESOURCE, where LIBRARY is openid-client or oauth4webapi and RESOURCE the
// identifier of the protected resource, from which everything else is found. Prints what happened as JSON.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { outcome } from './outcome.mjs';

setTimeout(() => { console.error('no end after two minutes'); process.exit(1); }, 120_000).unref();
const [folder, library, resource] = process.argv.slice(2);
const { resolve } = createRequire(pathToFileURL(`${folder}/`));
const load = (name) => import(pathToFileURL(resolve(name)));
const oauth = await load('oauth4webapi');

const insecure = { [oauth.allowInsecureRequests]: true }; // plain http, on loopback
const parameters = { scope: 'read', resource };
const url = new URL(`${resource}/items`);
const sent = []; // the requests for the resource: their authorization, their proof, and the status
const traced = async (target, init) => {
  const response = await fetch(target, init);
  const headers = new Headers(init.headers);
  sent.push({ authorization: headers.get('authorization'), proof: headers.get('dpop'), status: response.status });
  return response;
};

// the resource's metadata names the authorization server (RFC 9728 §3.3: the library compares `resource`)
const identifier = new URL(resource);
const about = await oauth.resourceDiscoveryRequest(identifier, insecure);
const metadata = await oauth.processResourceDiscoveryResponse(identifier, about);
const issuer = new URL(metadata.authorization_servers[0]);

// once more where the server wants a nonce, which the library keeps
const withNonce = (ask) => ask().catch((error) => {
  if (oauth.isDPoPNonceError(error)) return ask();
  throw error;
});

async function byOauth4webapi() {
  const found = await oauth.discoveryRequest(issuer, insecure);
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: 'bound' };
  const key = () => oauth.generateKeyPair('ES256');
  const handle = async () => oauth.DPoP(client, await key());
  const get = (token, DPoP) => withNonce(() =>
    oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, { ...insecure, DPoP, [oauth.customFetch]: traced }));
  const own = await handle();
  const tokens = await withNonce(async () => {
    const authentication = oauth.ClientSecretBasic('app-secret');
    const options = { ...insecure, DPoP: own };
    const asked = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, options);
    return oauth.processClientCredentialsResponse(server, client, asked);
  });
  return { tokens, get: (token) => get(token, own), getAsThief: async (token) => get(token, await handle()) };
}

async function byOpenidClient() {
  const openid = await load('openid-client');
  const authentication = openid.ClientSecretBasic('app-secret');
  const options = { execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(issuer, 'bound', undefined, authentication, options);
  const handle = async () => openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
  const own = await handle();
  const tokens = await openid.clientCredentialsGrant(config, parameters, { DPoP: own });
  config[openid.customFetch] = traced;
  const get = (token, DPoP) => openid.fetchProtectedResource(config, token, url, 'GET', undefined, undefined, { DPoP });
  return { tokens, get: (token) => get(token, own), getAsThief: async (token) => get(token, await handle()) };
}

const { tokens, get, getAsThief } = await (library === 'openid-client' ? byOpenidClient() : byOauth4webapi());
const token = tokens.access_token;
const good = [await outcome(get(token)), await outcome(get(token))];
const calls = sent.map(({ status }) => status);
const used = sent.at(-1);
const as = (headers) => outcome(fetch(url, { headers }));
console.log(JSON.stringify({
  metadata,
  type: tokens.token_type.toLowerCase(),
  good,
  calls,
  asBearer: await as({ authorization: `Bearer ${token}` }),
  withoutProof: await as({ authorization: `DPoP ${token}` }),
  replayed: await as({ authorization: used.authorization, dpop: used.proof }),
  thief: await outcome(getAsThief(token)),
}));
process.exit(0);
