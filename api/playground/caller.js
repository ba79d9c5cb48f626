import { shown, waiting } from './answer.js';
import { block, el, one, sentence } from './dom.js';
import * as server from './server.js';
import { tablesOf } from './statement.js';
import { clock, decode, remaining } from './token.js';
import { explained, unexplained } from './why.js';

// most is how many tables of a statement are explained: each takes the server a while.
const most = 4;

/** called is what a user goes by: with the tenant, which a name need not tell. */
export function called({ name, email, tenant }) {
  const own = name || email;
  return own.includes(tenant) ? own : `${own} of ${tenant}`;
}

/** Caller is one of the two: who it is, its token, and what it was answered. */
export class Caller {
  constructor(letter, users, picked, explains) {
    this.letter = letter;
    this.users = users;
    this.explains = explains;
    this.turn = 0; // counts what was asked: an answer that comes late is not shown
    this.asked = 0; // counts the explanations likewise
    this.root = one('#caller').content.cloneNode(true).firstElementChild;
    this.root.classList.add(`caller-${letter.toLowerCase()}`);
    one('.mark', this.root).textContent = letter;
    one('h2', this.root).textContent = `Caller ${letter}`;
    this.select = one('select', this.root);
    this.select.setAttribute('aria-label', `Caller ${letter}`);
    this.offer(picked);
  }

  offer(picked) {
    const tenants = Map.groupBy(this.users, (u) => u.tenant_id);
    for (const members of tenants.values()) {
      const options = members.map((u) => el('option', { value: u.id }, `${called(u)}, ${u.role}`));
      this.select.append(el('optgroup', { label: members[0].tenant }, ...options));
    }
    this.select.value = picked.id;
    this.show();
  }

  get user() {
    return this.users.find((u) => u.id === this.select.value);
  }

  show() {
    one('.role', this.root).textContent = `${this.user.email} · ${this.user.tenant}`;
  }

  /** become is somebody else: nothing that was another's stays under the new name. */
  become() {
    this.turn += 1;
    this.asked += 1;
    this.forget('');
    one('.kid', this.root).hidden = true;
    for (const selector of ['.answer', '.why', '.decoded']) show(one(selector, this.root), []);
    this.show();
  }

  /** forget drops the token, so that the next run fetches another. */
  forget(why) {
    this.raw = this.of = this.claims = undefined;
    one('.left', this.root).textContent = why;
    one('progress', this.root).value = 0;
  }

  /** token is a good one, fetched where there is none or it is about to end. */
  async token() {
    if (this.raw && this.of === this.user.id && remaining(this.claims).seconds > 5) return this.raw;
    const of = this.user.id;
    const answer = await server.tokenOf(of);
    if (server.wrong(answer)) throw answer;
    if (of !== this.user.id) return answer.body.access_token; // somebody else was picked meanwhile
    this.of = of;
    this.raw = answer.body.access_token;
    ({ header: this.header, claims: this.claims } = decode(this.raw));
    this.showToken();
    return this.raw;
  }

  showToken() {
    const kid = one('.kid', this.root);
    kid.replaceChildren(`kid ${this.header.kid.slice(0, 8)}…`, el('span', { class: 'unseen' }, ', in the public key set'));
    kid.hidden = false;
    kid.title = `Signed by ${this.header.kid}; the public key set has it`;
    const parts = this.raw.split('.').map((p, i) => [i ? '.' : '', el('span', { class: `part-${i}` }, p)]);
    const raw = block('The token as it is sent', '', 'raw');
    raw.append(...parts.flat());
    one('.decoded', this.root).replaceChildren(raw,
      el('h3', { class: 'small' }, 'Header'), block('The header', JSON.stringify(this.header, null, 2)),
      el('h3', { class: 'small' }, 'Claims'), block('The claims', JSON.stringify(this.claims, null, 2)));
    this.tick();
  }

  /** tick shows how long the token is still good. */
  tick() {
    if (!this.claims) return;
    const { seconds, share } = remaining(this.claims);
    one('.left', this.root).textContent = seconds ? `Good for ${clock(seconds)}` : 'Expired: the next run fetches another';
    const bar = one('progress', this.root);
    bar.value = share;
    bar.setAttribute('aria-label', `What is left of the token of caller ${this.letter}`);
  }

  /** run sends a statement and shows its answer, and then why. It gives the answer, or null where a later run overtook it. */
  async run(query) {
    const turn = (this.turn += 1);
    this.asked += 1;
    const [place, why] = [one('.answer', this.root), one('.why', this.root)];
    const tables = this.explains ? tablesOf(query) : [];
    wait(place);
    if (tables.length) wait(why);
    else show(why, []);
    const answer = await this.token().then((token) => server.runSQL(token, query), (failed) => failed);
    if (turn !== this.turn) return null;
    show(place, shown(answer, `Rows of caller ${this.letter}`));
    if (answer.status === 400 && !answer.body.code) this.forget('Refused: the next run fetches another');
    if (tables.length) this.explain(tables, server.wrong(answer));
    return answer;
  }

  /**
   * explain says of each table why the statement was answered so. Of a refusal that policies and rights had no part in, they are
   * no reason. One table is asked for at a time: the server makes few explanations at once.
   */
  async explain(tables, refused) {
    const place = one('.why', this.root);
    const byRights = refused?.code === '42501';
    if (refused && !byRights) show(place, []);
    if (refused && !fromPostgres(refused)) return;
    const reasons = [];
    for (const table of tables.slice(0, most)) {
      const answer = await this.explanation(table.name);
      if (!answer) return;
      if (!refused || byRights || tells(answer, refused)) reasons.push(this.reason(table, answer, tables.length > 1));
    }
    if (!reasons.length) return;
    if (tables.length === 1) return show(place, [el('h3', {}, 'Why'), ...reasons]);
    const rest = tables.length > most ? ` ${tables.slice(most).map((t) => t.name).join(', ')}: not explained.` : '';
    show(place, [el('h3', {}, 'Why'), el('p', { class: 'muted' }, `Each table by itself; what the query makes of them comes on top.${rest}`), ...reasons]);
  }

  /** reason is what is to say of one table, under its name where there are several, and goes on from there where it is asked. */
  reason({ name, command }, answer, several) {
    const part = el('div', { class: 'reason' }, several ? el('h4', {}, name) : null);
    const fill = (next) => part.replaceChildren(...[one('h4', part), ...next].filter(Boolean));
    const explain = (found) => {
      const failed = server.wrong(found);
      if (failed) return fill(found.status === 400 ? unexplained(unknown(name)) : unexplained(sentence(`not explained: ${failed.message}`), again));
      const ask = async (row) => {
        const asked = await this.explanation(name, row);
        if (!asked) return;
        const wrong = server.wrong(asked);
        fill(wrong ? explained(found.body, command, ask, { row, failed: wrong }) : explained(asked.body, command, ask));
        one('.question input', part).focus();
      };
      return fill(explained(found.body, command, ask));
    };
    const again = async () => {
      const found = await this.explanation(name);
      if (found) explain(found);
    };
    explain(answer);
    return part;
  }

  /** explanation is the server's, or null where something else was asked meanwhile. */
  async explanation(table, row) {
    const asked = (this.asked += 1);
    const answer = await this.token().then((token) => server.explain(token, table, row), (failed) => failed);
    return asked === this.asked ? answer : null;
  }
}

/** fromPostgres says whether a refusal is the database's: its codes are SQLSTATEs. */
const fromPostgres = ({ code }) => /^[0-9A-Z]{5}$/.test(code);

/** tells says whether an explanation has the error that PostgreSQL refused with. */
const tells = ({ status, body }, { code }) => status === 200 && body.answer.includes(`SQLSTATE ${code}`);

/** unknown is what to say of a table that nothing is explained of. */
const unknown = (name) => (/^(pg_|information_schema\.)/.test(name)
  ? `${name} is PostgreSQL’s own: rights decide on it, and no policies.` : `Not explained: this caller may read no table ${name}.`);

/** wait leaves what was there, paler and out of reach, so that nothing jumps; where nothing was, it shows that something will be. */
function wait(place) {
  place.inert = true;
  if (place.childElementCount) place.classList.add('stale');
  else place.replaceChildren(waiting());
}

function show(place, parts) {
  place.inert = false;
  place.classList.remove('stale');
  place.replaceChildren(...parts);
}
