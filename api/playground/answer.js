import { block, count, el } from './dom.js';
import { wrong } from './server.js';

/** waiting is what stands where an answer will. */
export const waiting = () => el('div', { class: 'waiting', role: 'img', 'aria-label': 'Waiting for the answer' }, el('span'), el('span'), el('span'));

/** shown is an answer to a statement: its rows, that there are none, or why it was refused. */
export function shown(answer, label) {
  const refusal = wrong(answer);
  if (refusal) return [heading('Refused', answer.ms, 'refused'), reason(refusal)];
  const { fields, rows, command, rowCount } = answer.body;
  if (!fields.length) return [heading(`${command} ${count(rowCount ?? 0, 'row')}`, answer.ms), el('p', { class: 'empty' }, changed(rowCount))];
  if (!rows.length) {
    return [heading('No rows', answer.ms), el('p', { class: 'empty' }, 'The query ran. The policies, or its own conditions, left nothing.')];
  }
  return [heading(count(rows.length, 'row'), answer.ms), table(fields, rows, label)];
}

const changed = (n) => (n ? 'Done, and committed.' : 'It ran and found no row that this caller may change.');

const heading = (text, ms, className = '') => el('h3', { class: className }, el('span', {}, text), el('span', { class: 'ms muted' }, ms ? `${ms} ms` : ''));

function reason({ code, message, hint }) {
  return el('div', { class: 'refusal' }, code ? el('code', { class: 'code' }, code) : '', el('p', {}, message), hint ? el('p', { class: 'muted' }, hint) : '');
}

// most is how many rows are drawn: more are nobody's to read here.
const most = 100;

function table(fields, rows, label) {
  const head = el('tr', {}, ...fields.map(({ name }) => el('th', { scope: 'col' }, name)));
  const body = rows.slice(0, most).map((row) => el('tr', {}, ...row.map(cell)));
  const wide = el('div', { class: 'wide', tabindex: '0', role: 'group', 'aria-label': label }, el('table', {}, el('thead', {}, head), el('tbody', {}, ...body)));
  return rows.length > most ? el('div', {}, wide, el('p', { class: 'muted more' }, `and ${rows.length - most} more`)) : wide;
}

// longest is how many characters of a value are drawn: beyond, it hides the rows below it.
const longest = 1000;

function cell(value) {
  if (value === null) return el('td', { class: 'null' }, 'null');
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const kind = typeof value !== 'string' ? 'mono' : /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value) ? 'mono id' : '';
  const rest = text.length > longest ? el('span', { class: 'muted' }, ` … and ${count(text.length - longest, 'more character')}`) : null;
  return el('td', { class: kind }, el('div', { class: 'value' }, text.slice(0, longest), rest));
}

/** explained is why a caller sees which rows: the policies that decided on a command, the plan, and a question about one row, which may have failed. */
export function explained(found, command, askRow, { row, failed } = {}) {
  const [decided, others] = split(found.policies ?? [], command);
  const judged = found.row && !found.unread;
  return [
    el('h3', {}, 'Why'),
    el('p', { class: 'because' }, found.answer),
    share(found),
    ...decided.map((p) => policy(p, judged)),
    ...(found.typos ?? []).map(typo),
    others.length ? el('details', {}, el('summary', {}, count(others.length, 'other policy').replace('policys', 'policies')), ...others.map((p) => policy(p, judged))) : null,
    found.plan?.length ? el('details', {}, el('summary', {}, 'Plan'), block('The plan of reading the table', found.plan.join('\n'))) : null,
    rowQuestion(row ?? found.row?.key ?? '', failed?.message ?? seen(found), askRow),
  ].filter(Boolean);
}

const split = (policies, command) => {
  const decides = (p) => p.applies && ['ALL', 'SELECT', command].includes(p.command);
  return [policies.filter(decides), policies.filter((p) => !decides(p))];
};

function share({ counts: { seen, all }, table }) {
  if (seen === null || all === null) return null;
  const part = el('span');
  part.style.width = `${(100 * seen) / Math.max(all, 1)}%`;
  return el('div', { class: 'of' }, el('div', { class: 'bar', 'aria-hidden': 'true' }, part), el('span', { class: 'muted' }, `${seen} of ${count(all, 'row')} of ${table}`));
}

function policy(p, row) {
  const says = [];
  if (p.using) says.push(['using', p.using, p.sees]);
  if (p.with_check && p.with_check !== p.using) says.push(['with check', p.with_check, p.writes]);
  const kind = `${p.permissive ? '' : 'restrictive, '}${p.command.toLowerCase()}${p.applies ? '' : ', not for this role'}`;
  return el('div', { class: 'policy' },
    el('p', {}, el('code', {}, p.name), el('span', { class: 'muted' }, kind)),
    ...says.map(([word, text, verdict]) => el('p', { class: 'says' }, el('span', { class: 'muted' }, word), el('code', {}, text), row ? mark(verdict) : null)),
    p.error ? el('p', { class: 'muted' }, p.error) : null);
}

const mark = (verdict) => el('span', { class: `pill ${verdict ? 'good' : 'bad'}` }, verdict ? 'true' : verdict === false ? 'false' : 'null');

const typo = ({ policy, claim, meant }) =>
  el('p', { class: 'note' }, `Policy ${policy} asks for the claim ${claim}, which this token does not have.${meant ? ` Did it mean ${meant}?` : ''}`);

let questions = 0;

function rowQuestion(row, verdict, askRow) {
  const id = `row-${(questions += 1)}`;
  const input = el('input', { id, type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'its primary key' });
  input.value = row;
  const ask = () => askRow(input.value.trim());
  input.addEventListener('keydown', (event) => event.key === 'Enter' && ask());
  return el('details', { class: 'question', open: Boolean(verdict) }, el('summary', {}, 'Ask about a row'),
    el('div', { class: 'ask-row' }, el('label', { for: id }, 'Row'), input, el('button', { type: 'button', onclick: ask }, 'Ask')), verdict ? el('p', { class: 'muted' }, verdict) : null);
}

function seen({ row, unread }) {
  if (!row) return '';
  if (unread && !row.seen) return `This caller does not see a row ${row.key}; whether there is one was not looked for.`;
  if (!row.exists) return `There is no row ${row.key}, for anybody.`;
  return `Row ${row.key} is there, and this caller ${row.seen ? 'sees it' : 'does not see it'}.`;
}
