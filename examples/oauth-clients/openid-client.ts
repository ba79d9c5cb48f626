import * as oidc from 'openid-client';
import { clientId, clientSecret, issuer, rowpass, show, user, userGrant, withoutTLS } from './settings';

// The only option: each check that the library has is on.
const execute = withoutTLS ? [oidc.allowInsecureRequests] : [];

export async function withOpenidClient() {
  // Unless it is told, the library looks for OpenID Connect's document; OAuth's is RFC 8414's. Either has to name the issuer that
  // was asked. The secret goes in the form: rowpass takes it that way or by HTTP Basic.
  const connect = await oidc.discovery(issuer, clientId, {}, oidc.ClientSecretPost(clientSecret), { execute });
  show('discovery, OpenID', connect.serverMetadata().issuer);
  const config = await oidc.discovery(issuer, clientId, {}, oidc.ClientSecretPost(clientSecret), { algorithm: 'oauth2', execute });
  show('discovery', config.serverMetadata().issuer);

  const own = await oidc.clientCredentialsGrant(config, { scope: 'read' });
  show('client_credentials', own.token_type, own.expires_in, own.scope);

  const first = await oidc.genericGrantRequest(config, userGrant, { subject: user, scope: 'read write offline_access' });
  show('user', first.scope);

  const second = await oidc.refreshTokenGrant(config, first.refresh_token!, { scope: 'read' });
  show('refresh', second.scope, second.refresh_token === first.refresh_token ? 'the same token' : 'another token');

  // A second tab that comes with the first token right away gets what the first tab got.
  const again = await oidc.refreshTokenGrant(config, first.refresh_token!);
  show('refresh, second tab', again.refresh_token === second.refresh_token ? 'the same successor' : 'another successor');

  const active = await oidc.tokenIntrospection(config, second.access_token);
  show('introspection', active.active, active.sub, active.scope);

  const me = new URL(`${rowpass}/api/users/me`);
  const answer = await oidc.fetchProtectedResource(config, second.access_token, me, 'GET');
  show('resource', answer.status, (await answer.json()).email);

  await oidc.tokenRevocation(config, second.access_token);
  show('revocation', await oidc.tokenIntrospection(config, second.access_token));

  await refused('more scope', oidc.clientCredentialsGrant(config, { scope: 'admin' }));
  const guess = await oidc.discovery(issuer, clientId, {}, oidc.ClientSecretPost('guessed'), { algorithm: 'oauth2', execute });
  await refused('wrong secret', oidc.clientCredentialsGrant(guess));
  await refused('unknown user', oidc.genericGrantRequest(config, userGrant, { subject: 'nobody@acme.example' }));
}

async function refused(what: string, attempt: Promise<unknown>) {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof oidc.ResponseBodyError)) throw error;
    return show(what, error.status, error.error);
  }
  throw new Error(`${what} was not refused`);
}
