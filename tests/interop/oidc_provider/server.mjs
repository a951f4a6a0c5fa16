// oidc-provider as an authorization server: node server.mjs FOLDER PORT SECRET JWK, where FOLDER holds node_modules, SECRET is the one
// of the gateway's clients and JWK the gateway's public key. Tokens live in memory; a new start has new keys.

import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, port, secret, jwk] = process.argv.slice(2);
const installed = createRequire(pathToFileURL(`${folder}/`)).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(installed));

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const gateway = JSON.parse(jwk);
const client = (client_id, token_endpoint_auth_method, more) => ({
  client_id,
  token_endpoint_auth_method,
  ...(token_endpoint_auth_method.startsWith('client_secret') && { client_secret: secret }),
  grant_types: [],
  response_types: [],
  redirect_uris: [],
  ...more,
});
const app = (client_id) =>
  client(client_id, 'client_secret_post', { client_secret: 'app-secret', grant_types: ['client_credentials'] });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    app('app'),
    app('brief'),
    client('basic', 'client_secret_basic'),
    client('post', 'client_secret_post'),
    client('secret-jwt', 'client_secret_jwt'),
    client('key-jwt', 'private_key_jwt', { jwks: { keys: [gateway] } }),
    client('signed', 'client_secret_basic', { introspection_signed_response_alg: 'RS256' }),
    client('encrypted', 'client_secret_basic', {
      introspection_signed_response_alg: 'RS256',
      introspection_encrypted_response_alg: 'ECDH-ES',
      introspection_encrypted_response_enc: 'A128CBC-HS256',
      jwks: { keys: [gateway] },
    }),
  ],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
  enabledJWA: { introspectionEncryptionAlgValues: ['ECDH-ES', 'ECDH-ES+A256KW'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    encryption: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
  },
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'RS256' }] },
  scopes: ['read', 'write'],
  ttl: { ClientCredentials: (ctx, token) => (token.clientId === 'brief' ? 5 : 600) },
});
provider.listen(Number(port), '127.0.0.1');
