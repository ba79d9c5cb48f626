// To the letter what the issuer calls itself: rowpass's public_url.
export const rowpass = process.env.ROWPASS_URL ?? 'http://localhost:8080';
export const issuer = new URL(rowpass);

// As `rowpass clients new` printed them.
export const clientId = process.env.ROWPASS_CLIENT_ID ?? 'client_example';
export const clientSecret = process.env.ROWPASS_CLIENT_SECRET ?? '';
if (clientSecret === '') throw new Error('ROWPASS_CLIENT_SECRET is missing; README.md says how to get one');

// Whom tokens are for: rowpass's issuer.audience.
export const audience = 'rowpass';

// A user for whom the client acts, by a grant of rowpass's own.
export const userGrant = 'urn:rowpass:grant-type:user';
export const user = 'admin@acme.example';

// Strict clients refuse to send secrets without TLS. The exception is this machine, which they don't leave, and where the demo has
// no certificate.
export const withoutTLS = ['localhost', '127.0.0.1', '[::1]'].includes(issuer.hostname);

export const show = (what: string, ...found: unknown[]) => console.log(`  ${what.padEnd(20)}`, ...found.filter((part) => part !== undefined));
