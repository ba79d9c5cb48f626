import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { audience, rowpass, show } from './settings';

// What a service needs that takes the token. It finds out nothing of revocation: that is what introspection is for.
export async function withJose(token: string) {
  // Fetched when a token names a key that isn't there yet, and when they are as old as rowpass's Cache-Control allows; then a
  // revoked one is forgotten.
  const keys = createRemoteJWKSet(new URL(`${rowpass}/.well-known/jwks.json`), { cacheMaxAge: 5 * 60_000 });

  // Only what is named here is checked. Without audience, tokens that are meant for others are good; without typ, other kinds.
  const rules = {
    issuer: rowpass,
    audience,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  };
  const { payload, protectedHeader } = await jwtVerify(token, keys, rules);
  show('jwtVerify', payload.sub, 'for', payload.aud, protectedHeader.typ, protectedHeader.alg);

  await refused('another service', jwtVerify(token, keys, { ...rules, audience: 'https://billing.example' }));
  await refused('another issuer', jwtVerify(token, keys, { ...rules, issuer: 'https://issuer.example' }));

  const [header, , signature] = token.split('.');
  const forged = Buffer.from(JSON.stringify({ ...payload, sub: 'somebody else' })).toString('base64url');
  await refused('altered', jwtVerify(`${header}.${forged}.${signature}`, keys, rules));
}

async function refused(what: string, attempt: Promise<unknown>) {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    return show(what, error.code, error.message);
  }
  throw new Error(`${what} was not refused`);
}
