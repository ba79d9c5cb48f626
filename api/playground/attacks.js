import { block, el } from './dom.js';
import { readUsers, runSQL, wrong } from './server.js';
import { altered, decode, unsigned } from './token.js';

const quoted = (text) => `'${text.replace(/'/g, "''")}'`;

// Each is one of those that docs/security.md lists. sql is what is sent as the caller; token is what is sent in its place.
export const attacks = [
  {
    name: 'Read the other tenant',
    wins: 'Its users, by asking for them',
    sql: (_, them) => `select * from users where tenant_id = ${quoted(them.tenant_id)}`,
    why: 'The policy is part of every plan: PostgreSQL adds “tenant_id is the caller’s” to whatever the caller writes. Nothing is refused; those rows are just not there.',
  },
  {
    name: 'Change their rows',
    wins: 'An update that names somebody else’s todos',
    sql: (_, them) => `update todos set task = 'mine now' where user_id = ${quoted(them.id)}`,
    why: 'A row that a policy hides cannot be changed either. The update ran, and found none.',
  },
  {
    name: 'Write in their name',
    wins: 'A todo in somebody else’s list',
    sql: (_, them) => `insert into todos (user_id, task) values (${quoted(them.id)}, 'planted')`,
    why: 'The policy’s WITH CHECK holds for new rows as well: their user_id must be the caller’s.',
  },
  {
    name: 'Forge my claims',
    wins: 'Being somebody else for the rest of the transaction',
    sql: (_, them) => `select set_config('request.jwt.claims', ${quoted(JSON.stringify({ sub: them.id, tenant_id: them.tenant_id }))}, true)`,
    why: 'Each statement is read with PostgreSQL’s own grammar first, and only harmless functions may be called. Even past that, claims count only under a seal that rowpass alone can make.',
  },
  {
    name: 'Leave my role',
    wins: 'The rights of the login behind it',
    sql: () => 'reset role',
    why: 'Callers send statements about rows, none about the session. And the login behind the role owns nothing and sees no row.',
  },
  {
    name: 'Switch the policies off',
    wins: 'Every row of the table',
    sql: () => 'alter table todos disable row level security',
    why: 'Callers change rows, not the database; the table belongs to the owner, whom no request ever becomes.',
  },
  {
    name: 'Hide a second statement',
    wins: 'One that nobody checks',
    sql: () => 'select 1; drop policy todos_own on todos',
    why: 'The grammar sees two statements where the protocol has one.',
  },
  {
    name: 'Take the key of the seal',
    wins: 'Being anybody, for good',
    sql: () => 'select * from rowpass.seal_keys',
    why: 'What rowpass keeps for itself is granted to no caller.',
  },
  {
    name: 'Move to the other tenant',
    wins: 'Everything that it owns',
    sql: (me, them) => `update users set tenant_id = ${quoted(them.tenant_id)} where id = ${quoted(me.id)}`,
    why: 'The row is the caller’s own, so a policy lets it through; a trigger says which of its columns never change.',
  },
  {
    name: 'Edit my token',
    wins: 'Another subject under the old signature',
    token: (raw, them) => altered(raw, { sub: them.id, tenant_id: them.tenant_id }),
    why: 'The signature is over the claims. One changed letter, and it fits no more.',
  },
  {
    name: 'Sign with nothing',
    wins: 'A token of one’s own making: alg none',
    token: (raw, them) => unsigned(raw, { sub: them.id, tenant_id: them.tenant_id }),
    why: 'Algorithms come from rowpass’s list and the key, never from the token. “none” is on no list.',
  },
];

/** attempt sends an attack as me and gives what was sent and how it ended. */
export async function attempt(attack, me, token, them) {
  if (attack.sql) {
    const query = attack.sql(me, them);
    return { query, answer: await runSQL(token, query) };
  }
  const forged = attack.token(token, them);
  return { forged, answer: await readUsers(forged) };
}

/** verdict is read from the answer, and from nothing else: held where it was refused, or gave and changed no row. */
export function verdict({ answer }) {
  const { status, body } = answer;
  if (status === 0 || status === 429 || status >= 500) return 'unclear';
  if (status >= 400) return 'held';
  return Array.isArray(body.rows) && body.rows.length === 0 && (body.rowCount ?? 0) === 0 ? 'held' : 'broken';
}

const words = { held: 'Held', broken: 'Got through', unclear: 'Unclear' };
const looks = { held: 'good', broken: 'bad', unclear: '' };

/** outcome shows how an attempt ended: the server's word in a line, the rest behind it. */
export function outcome(attack, tried, open) {
  const how = verdict(tried);
  const refusal = wrong(tried.answer);
  const said = refusal ? refusal.message : how === 'held' ? 'It ran, and touched no row.' : `${tried.answer.body.rowCount ?? 'Some'} rows.`;
  return el('details', { class: 'outcome', open },
    el('summary', {}, el('span', { class: `pill ${looks[how]}` }, words[how]), refusal?.code ? el('code', { class: 'code' }, refusal.code) : null, el('span', { class: 'said' }, said)),
    el('dl', {},
      el('dt', {}, 'Sent'), el('dd', {}, block('What was sent', tried.query ?? described(tried.forged))),
      el('dt', {}, 'Answered'), el('dd', {}, block('What the server answered', answered(tried.answer))),
      el('dt', {}, 'Why'), el('dd', {}, el('p', {}, attack.why))));
}

function described(forged) {
  if (!forged) return 'GET api/token';
  const { header, claims } = decode(forged);
  return `GET api/users\nAuthorization: Bearer ${forged}\n\n${JSON.stringify(header)}\n${JSON.stringify(claims)}`;
}

function answered({ status, body }) {
  const dull = ['fields', 'rowAsArray', 'viaNeonProxy'];
  const told = Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== null && !dull.includes(name)));
  return `${status}\n${JSON.stringify(told, null, 2)}`;
}
