// A token as it is: three parts, none of them secret but to be kept so.

const decoder = new TextDecoder();

function bytes(part) {
  return Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
}

function part(object) {
  const text = new TextEncoder().encode(JSON.stringify(object));
  return btoa(String.fromCharCode(...text)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** decode reads header and claims; it verifies nothing, as nobody without the server's word should. */
export function decode(token) {
  const [header, claims] = token.split('.').map((p, i) => (i < 2 ? JSON.parse(decoder.decode(bytes(p))) : p));
  return { header, claims };
}

/** altered is the token with other claims under the old signature. */
export function altered(token, change) {
  const [header, , signature] = token.split('.');
  return [header, part({ ...decode(token).claims, ...change }), signature].join('.');
}

/** unsigned is a token that says of itself that it needs no signature. */
export function unsigned(token, change) {
  return `${part({ alg: 'none', typ: 'at+jwt' })}.${part({ ...decode(token).claims, ...change })}.`;
}

/** remaining is how many seconds a token is still good, and the share of its life. */
export function remaining({ exp, iat }, now = Date.now()) {
  const seconds = Math.max(0, Math.floor(exp - now / 1000));
  return { seconds, share: Math.min(1, seconds / (exp - iat)) };
}

/** clock is seconds as minutes and seconds. */
export function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${String(m).padStart(2, '0')}:${String(s).padStart(2, '0')}` : `${m}:${String(s).padStart(2, '0')}`;
}
