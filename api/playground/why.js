import { block, count, el, sentence } from './dom.js';

/** explained is why a caller sees which rows of a table: the policies that decided on a command, the plan, and a question about one row, which may have failed. */
export function explained(found, command, askRow, { row, failed } = {}) {
  const [decided, others] = split(found.policies ?? [], command);
  const judged = found.row && !found.unread;
  return [
    el('p', { class: 'because' }, found.answer),
    share(found),
    ...decided.map((p) => policy(p, judged)),
    ...(found.typos ?? []).map(typo),
    others.length ? el('details', {}, el('summary', {}, count(others.length, 'other policy').replace('policys', 'policies')), ...others.map((p) => policy(p, judged))) : null,
    found.plan?.length ? el('details', {}, el('summary', {}, 'Plan'), block('The plan of reading the table', found.plan.join('\n'))) : null,
    rowQuestion(row ?? found.row?.key ?? '', failed ? sentence(failed.message) : seen(found), askRow),
  ].filter(Boolean);
}

const split = (policies, command) => {
  const decides = (p) => p.applies && ['ALL', 'SELECT', command].includes(p.command);
  return [policies.filter(decides), policies.filter((p) => !decides(p))];
};

/** unexplained says why there is no explanation; again asks for it once more, where that may help. */
export const unexplained = (text, again) =>
  [el('p', { class: 'muted' }, text), again ? el('p', {}, el('button', { type: 'button', class: 'quiet', onclick: again }, 'Ask again')) : null].filter(Boolean);

function share({ counts, table }) {
  const { seen = null, all = null } = counts ?? {};
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
    p.error ? el('p', { class: 'muted' }, sentence(`it fails: ${p.error}`)) : null);
}

const mark = (verdict) => el('span', { class: `pill ${verdict ? 'good' : 'bad'}` }, verdict ? 'true' : verdict === false ? 'false' : 'null');

const typo = ({ policy, claim, meant }) =>
  el('p', { class: 'note' }, `Policy ${policy} asks for the claim ${claim}, which this token does not have.${meant ? ` Did it mean ${meant}?` : ''}`);

let questions = 0;

function rowQuestion(row, verdict, askRow) {
  const id = `row-${(questions += 1)}`;
  const input = el('input', { id, type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'its primary key', 'aria-describedby': `${id}-said` });
  const said = el('p', { id: `${id}-said`, class: 'muted', role: 'status' }, verdict);
  input.value = row;
  const ask = () => {
    if (input.value.trim()) return askRow(input.value.trim());
    said.textContent = 'Type the value of the row’s primary key, then ask.';
    return input.focus();
  };
  input.addEventListener('keydown', (event) => event.key === 'Enter' && ask());
  return el('details', { class: 'question', open: Boolean(verdict) }, el('summary', {}, 'Ask about a row'),
    el('div', { class: 'ask-row' }, el('label', { for: id }, 'Row'), input, el('button', { type: 'button', onclick: ask }, 'Ask')), said);
}

function seen({ row, unread }) {
  if (!row) return '';
  if (unread && !row.seen) return `This caller does not see a row ${row.key}; whether there is one was not looked for.`;
  if (!row.exists) return `There is no row ${row.key}, for anybody.`;
  return `Row ${row.key} is there, and this caller ${row.seen ? 'sees it' : 'does not see it'}.`;
}
