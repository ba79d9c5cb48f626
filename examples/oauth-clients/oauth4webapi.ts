import * as oauth from 'oauth4webapi';
import { audience, clientId, clientSecret, issuer, rowpass, show, user, userGrant, withoutTLS } from './settings';

// The only option: each check that the library has is on.
const options = { [oauth.allowInsecureRequests]: withoutTLS };

const client: oauth.Client = { client_id: clientId };
const secret = oauth.ClientSecretBasic(clientSecret);

// Returns a token of the client's own, which others can verify.
export async function withOauth4webapi(): Promise<string> {
  // RFC 8414. The answer has to name the issuer that was asked.
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options }));
  show('discovery', as.issuer);

  // RFC 9728: whose tokens the API takes, as the API itself says.
  const api = await oauth.processResourceDiscoveryResponse(issuer, await oauth.resourceDiscoveryRequest(issuer, options));
  show('protected resource', ...(api.authorization_servers ?? []));

  const own = await oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, secret, { scope: 'read' }, options));
  show('client_credentials', own.token_type, own.expires_in, own.scope);

  // RFC 9068: what a service does with the request that brings the token.
  const request = new Request('https://service.example/', { headers: { Authorization: `Bearer ${own.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, audience, { signingAlgorithms: ['ES256'], ...options });
  show('validation', claims.sub, 'for', claims.aud);
  await refused('another service', oauth.validateJwtAccessToken(as, request, 'https://billing.example', options));

  const grant = { subject: user, scope: 'read write offline_access' };
  const first = await oauth.processGenericTokenEndpointResponse(as, client, await oauth.genericTokenEndpointRequest(as, client, secret, userGrant, grant, options));
  show('user', first.scope);

  const refresh = async (token: string, parameters = {}) =>
    oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, secret, token, { additionalParameters: parameters, ...options }));
  const second = await refresh(first.refresh_token!, { scope: 'read' });
  show('refresh', second.scope, second.refresh_token === first.refresh_token ? 'the same token' : 'another token');

  const introspect = async (token: string) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, secret, token, options));
  const active = await introspect(second.access_token);
  show('introspection', active.active, active.sub, active.scope);

  const me = new URL(`${rowpass}/api/users/me`);
  const answer = await oauth.protectedResourceRequest(second.access_token, 'GET', me, undefined, undefined, options);
  show('resource', answer.status, (await answer.json()).email);

  // RFC 7009. The refresh token takes along what it gave.
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, secret, second.refresh_token!, options));
  show('revocation', await introspect(second.access_token));
  await refused('refresh after it', refresh(second.refresh_token!));
  await refused('resource after it', oauth.protectedResourceRequest(second.access_token, 'GET', me, undefined, undefined, options));

  const guess = await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretBasic('guessed'), {}, options);
  await refused('wrong secret', oauth.processClientCredentialsResponse(as, client, guess));
  return own.access_token;
}

// refused shows why, as the library understood it.
async function refused(what: string, attempt: Promise<unknown>) {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return show(what, error.status, error.error);
    if (error instanceof oauth.OperationProcessingError) return show(what, error.message);
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    const [{ scheme, parameters }] = error.cause;
    return show(what, error.status, scheme, parameters.error, parameters.resource_metadata);
  }
  throw new Error(`${what} was not refused`);
}
