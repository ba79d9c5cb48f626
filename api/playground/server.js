// What the page asks of rowpass. Every address is relative, so that a path before it does not matter.

const here = new URL('.', document.baseURI);

/** address is the whole one, for lines that are pasted elsewhere. */
export const address = (path) => new URL(path, here).href;

/** ask sends a request and gives {status, body, ms}; body is JSON, or text where it is none. Without an answer, status is 0. */
async function ask(path, options) {
  const start = performance.now();
  try {
    const response = await fetch(address(path), { cache: 'no-store', ...options });
    const text = await response.text();
    return { status: response.status, body: parsed(text), ms: Math.round(performance.now() - start) };
  } catch {
    return { status: 0, body: { message: 'The server cannot be reached. Is it still running?' }, ms: 0 };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}

/** beginning is what the page starts with: {users, database, explains}. */
export const beginning = () => ask('playground/users', {});

/** tokenOf is a demo's token for any user. */
export const tokenOf = (user) => ask(`api/token?user=${encodeURIComponent(user)}`, {});

/** runSQL sends a statement as the token's user. Rows come as arrays, since two columns may have one name. */
export const runSQL = (token, query) =>
  ask('sql', {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      'Neon-Connection-String': 'postgresql://authenticated@localhost',
      'Neon-Array-Mode': 'true',
    },
    body: JSON.stringify({ query }),
  });

/** readUsers asks the API with any text as the token. */
export const readUsers = (token) => ask('api/users', { headers: { Authorization: `Bearer ${token}` } });

/** explain asks why the token's user sees which rows of a table. */
export const explain = (token, table, row) =>
  ask('playground/explain', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(row ? { table, row } : { table }),
  });

/** failing is how an answer that went wrong did: refused, by rights, policies or what rowpass lets callers send at all, or failed. */
export function failing({ status, body }) {
  const unsent = body.code === '0A000' && !body.routine; // rowpass's own word: PostgreSQL names a routine
  return body.code === '42501' || unsent || status === 401 || status === 403 || (status === 400 && !body.code) ? 'refused' : 'failed';
}

/** wrong is what an answer says went wrong: {code, message, hint}, or null where nothing did. */
export function wrong({ status, body }) {
  if (status >= 200 && status < 300) return null;
  return {
    code: body.code ?? (status ? String(status) : ''),
    message: body.message ?? body.detail ?? body.title ?? 'No reason given.',
    hint: body.hint ?? '',
  };
}
