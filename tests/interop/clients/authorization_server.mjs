// oidc-provider for clients that find it by themselves: node authorization_server.mjs FOLDER PORT SECRET NONCES [TLS_PORT FILES], where
// FOLDER holds node_modules, SECRET is the one of the client `gateway` and NONCES is `nonces` where DPoP proofs need one of the server's.
// With TLS_PORT it is there too, by TLS with server.crt and server.key of FILES, and asks for certificates (RFC 8705).
// Clients register themselves (RFC 7591), prove their authorization requests (PKCE) and name the resource (RFC 8707).

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, port, secret, nonces, tlsPort, files] = process.argv.slice(2);
const installed = createRequire(pathToFileURL(`${folder}/`)).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(installed));

const client = (client_id, client_secret, more) => ({
  client_id,
  client_secret,
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: [],
  response_types: [],
  redirect_uris: [],
  ...more,
});

const file = (name) => readFileSync(`${files}/${name}`);

// the client whose certificate is client.crt; it authenticates by it alone
function certified() {
  const certificate = new X509Certificate(file('client.crt'));
  const key = { ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] };
  return client('certified', undefined, {
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    tls_client_certificate_bound_access_tokens: true,
    grant_types: ['client_credentials'],
    jwks: { keys: [key] },
  });
}

const issuer = tlsPort ? `https://127.0.0.1:${tlsPort}` : `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [
    client('gateway', secret),
    client('app', 'app-secret', { grant_types: ['client_credentials'] }),
    client('bound', 'app-secret', { grant_types: ['client_credentials'], dpop_bound_access_tokens: true }),
    ...(tlsPort ? [certified()] : []),
  ],
  clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => nonces === 'nonces' },
    introspection: { enabled: true },
    mTLS: {
      enabled: Boolean(tlsPort),
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
    },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, oneOf) => oneOf ?? `${issuer}/no-resource`,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'read mcp:tools',
        audience: resource,
        accessTokenFormat: 'opaque',
        accessTokenTTL: 600,
      }),
    },
    revocation: { enabled: true },
  },
  ...(tlsPort && { clientAuthMethods: ['client_secret_basic', 'self_signed_tls_client_auth'] }),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'read', 'mcp:tools'],
});

// the pages of a person: a form that logs in, and one that consents
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  if (ctx.method !== 'POST') {
    ctx.type = 'html';
    ctx.body = `<form method="post"><button name="prompt" value="${prompt.name}">${prompt.name}</button></form>`;
    return undefined;
  }
  if (prompt.name === 'login') {
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'alice' } });
  } else {
    const grant = (grantId && (await provider.Grant.find(grantId))) ||
      new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
    grant.addOIDCScope(missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    await provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  }
  ctx.respond = false;
  return undefined;
});
// who finds the plain port open finds the other one open too
const listen = () => provider.listen(Number(port), '127.0.0.1');
if (tlsPort) {
  const tls = { cert: file('server.crt'), key: file('server.key'), requestCert: true, rejectUnauthorized: false };
  createServer(tls, provider.callback()).listen(Number(tlsPort), '127.0.0.1', listen);
} else {
  listen();
}
