import { count, el } from './dom.js';
import { failing, wrong } from './server.js';

/** waiting is what stands where an answer will. */
export const waiting = () => el('div', { class: 'waiting', role: 'img', 'aria-label': 'Waiting for the answer' }, el('span'), el('span'), el('span'));

/** shown is an answer to a statement: its rows, that there are none, or why it was refused or failed. */
export function shown(answer, label) {
  const refusal = wrong(answer);
  if (refusal) return [heading(failing(answer) === 'refused' ? 'Refused' : 'Failed', answer.ms, 'refused'), reason(refusal)];
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
