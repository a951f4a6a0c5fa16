// Certificate-bound tokens by client libraries: node certificates.mjs FOLDER LIBRARY RESOURCE FILES, where LIBRARY is openid-client or
// oauth4webapi, RESOURCE the identifier of the protected resource, and FILES a folder with ca.pem, client.crt, client.key, other.crt and
// other.key. Prints what happened as JSON.

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { outcome } from './outcome.mjs';

setTimeout(() => { console.error('no end after two minutes'); process.exit(1); }, 120_000).unref();
const [folder, library, resource, files] = process.argv.slice(2);
const { resolve } = createRequire(pathToFileURL(`${folder}/`));
const load = (name) => import(pathToFileURL(resolve(name)));
const oauth = await load('oauth4webapi');

const file = (name) => readFileSync(`${files}/${name}`);
const identity = (name) => ({ cert: file(`${name}.crt`), key: file(`${name}.key`) });
const ca = file('ca.pem');

// `fetch` by connections that show this certificate, or none: the built-in one shows none
const fetchAs = (shown) => (target, init = {}) => new Promise((fulfil, reject) => {
  const headers = Object.fromEntries(new Headers(init.headers));
  const sent = request(new URL(target), { method: init.method ?? 'GET', headers, ca, agent: false, ...shown }, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('error', reject);
    answer.on('end', () => {
      const lines = new Headers();
      for (let i = 0; i < answer.rawHeaders.length; i += 2) lines.append(answer.rawHeaders[i], answer.rawHeaders[i + 1]);
      fulfil(new Response(Buffer.concat(parts), { status: answer.statusCode, headers: lines }));
    });
  });
  sent.on('error', reject);
  sent.end(init.body?.toString());
});
const own = fetchAs(identity('client'));
const parameters = { scope: 'read', resource };
const url = new URL(`${resource}/items`);

const identifier = new URL(resource);
const about = await oauth.resourceDiscoveryRequest(identifier, { [oauth.customFetch]: own });
const metadata = await oauth.processResourceDiscoveryResponse(identifier, about);
const issuer = new URL(metadata.authorization_servers[0]);

async function byOauth4webapi() {
  const options = { [oauth.customFetch]: own };
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const client = { client_id: 'certified', use_mtls_endpoint_aliases: true };
  const asked = await oauth.clientCredentialsGrantRequest(server, client, oauth.TlsClientAuth(), parameters, options);
  const tokens = await oauth.processClientCredentialsResponse(server, client, asked);
  const get = (by) => oauth.protectedResourceRequest(tokens.access_token, 'GET', url, undefined, undefined, { [oauth.customFetch]: by });
  return { get };
}

async function byOpenidClient() {
  const openid = await load('openid-client');
  const client = { use_mtls_endpoint_aliases: true };
  const config = await openid.discovery(issuer, 'certified', client, openid.TlsClientAuth(), { [openid.customFetch]: own });
  const tokens = await openid.clientCredentialsGrant(config, parameters);
  const get = (by) => {
    config[openid.customFetch] = by;
    return openid.fetchProtectedResource(config, tokens.access_token, url, 'GET');
  };
  return { get };
}

const { get } = await (library === 'openid-client' ? byOpenidClient() : byOauth4webapi());
console.log(JSON.stringify({
  metadata,
  good: await outcome(get(own)),
  without: await outcome(get(fetchAs({}))),
  other: await outcome(get(fetchAs(identity('other')))),
  again: await outcome(get(own)),
}));
process.exit(0);
