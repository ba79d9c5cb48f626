import { attacks, attempt, outcome, verdict } from './attacks.js';
import { called, Caller } from './caller.js';
import { copy, count, el, one } from './dom.js';
import * as server from './server.js';
import { forQuery, forToken } from './share.js';

const examples = [
  ['People', 'select name, email, role\nfrom users\norder by email'],
  ['Todos', 'select id, task, is_complete\nfrom todos\norder by id'],
  ['Tenant', 'select id, name\nfrom tenants'],
  ['Add a todo', "insert into todos (task)\nvalues ('Show this to a friend')\nreturning id, task"],
  ['Who am I', 'select auth.user_id(), auth.tenant()'],
];

const page = { callers: [], users: [], database: '', asked: '' };
const query = one('#query');

async function begin() {
  query.value = examples[0][1];
  one('#examples').append(...examples.map(([name, text]) => el('button', { type: 'button', onclick: () => choose(text) }, name)));
  const answer = await server.beginning();
  const refusal = server.wrong(answer);
  if (refusal || !answer.body.users.length) return nobody(refusal?.message, answer.body.explains);
  const { users, database, explains } = answer.body;
  page.database = database;
  const first = users[0];
  const second = users.find((u) => u.tenant_id !== first.tenant_id) ?? users[1] ?? first;
  page.users = users;
  page.callers = [new Caller('A', users, first, explains), new Caller('B', users, second, explains)];
  one('#callers').append(...page.callers.map((c) => c.root));
  for (const caller of page.callers) caller.select.addEventListener('change', () => picked(caller));
  openTogether(page.callers.map((c) => one('.token details', c.root)));
  setInterval(() => page.callers.forEach((c) => c.tick()), 1000);
  wire();
  drawAttacks();
  await run();
}

/** nobody says why there is nobody to pick; without the owner's login rowpass neither lists users nor explains. */
function nobody(refusal, owned) {
  const text = owned ? 'There is nobody to pick yet: rowpass seed fills an empty directory.' : 'Users are listed only where rowpass has the owner’s login: set database.url.';
  one('#callers').append(el('p', { class: 'card empty' }, refusal ?? text));
  for (const section of document.querySelectorAll('.attacks, .share')) section.hidden = true;
  for (const button of document.querySelectorAll('button')) button.disabled = true;
}

function wire() {
  one('#run').addEventListener('click', () => {
    if (!query.value.trim()) query.focus();
    run();
  });
  query.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  one('#try-all').addEventListener('click', tryAll);
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.addEventListener('click', () => copy(button, one(`#${button.dataset.copy}`).textContent));
  }
}

/** openTogether keeps the two tokens side by side. */
function openTogether(both) {
  for (const details of both) details.addEventListener('toggle', () => both.forEach((d) => (d.open = details.open)));
}

function choose(text) {
  query.value = text;
  run();
}

function picked(caller) {
  caller.become();
  one('#summary').textContent = '';
  shareQuery();
  drawAttacks();
  run();
}

let runs = 0;

/** run sends the query as both and says in a line what came of it. */
async function run() {
  const text = query.value.trim();
  const turn = (runs += 1);
  if (!text) return void (one('#summary').textContent = 'Type a query first, or pick one of the examples.');
  one('#summary').textContent = '';
  const answers = await Promise.all(page.callers.map((c) => c.run(text)));
  if (turn !== runs) return;
  one('#summary').textContent = compared(answers);
  page.asked = text;
  shareQuery();
}

const verbs = { INSERT: 'added ', UPDATE: 'changed ', DELETE: 'removed ' };

/** done is what an answer comes to in a word or three. */
function done(answer) {
  if (server.wrong(answer)) return server.failing(answer);
  const { command, rowCount, rows } = answer.body;
  return (verbs[command] ?? '') + count(rowCount ?? rows.length, 'row');
}

/** compared is the sentence under the query. What was changed is each one's own, and not compared. */
function compared([a, b]) {
  const [first, second] = page.callers.map((c) => called(c.user));
  const wrong = server.wrong(a) || server.wrong(b);
  if (server.wrong(a) && server.wrong(b) && done(a) === done(b)) return done(a) === 'refused' ? 'Refused for both.' : 'Failed for both.';
  const text = `${first}: ${done(a)}. ${second}: ${done(b)}.`;
  if (wrong || verbs[a.body.command] || !a.body.rows.length || !b.body.rows.length) return text;
  const rows = new Set(b.body.rows.map((row) => JSON.stringify(row)));
  const same = a.body.rows.filter((row) => rows.has(JSON.stringify(row))).length;
  return `${text} ${same ? `${same} the same.` : 'None the same.'}`;
}

/** named is how a user is asked for: by address, or by id where several have that address. */
const named = (user) => (page.users.filter((u) => u.email === user.email).length === 1 ? user.email : user.id);

/** shareQuery shows the lines of the query that was run last. */
function shareQuery() {
  if (page.asked) share('the query, as both callers', forQuery(page.asked, page.callers.map((c) => named(c.user)), page.database));
}

function share(what, { curl, typescript }) {
  one('#shared').textContent = `For a terminal and for an editor: ${what}.`;
  one('#curl').textContent = curl;
  one('#typescript').textContent = typescript;
}

/** sides are who attacks, and somebody of another tenant: caller B, or whoever is. */
function sides() {
  const [me, other] = page.callers.map((c) => c.user);
  return [me, [other, ...page.users].find((u) => u.tenant_id !== me.tenant_id)];
}

function drawAttacks() {
  const [me, them] = sides();
  one('#score').textContent = '';
  one('#try-all').disabled = !them;
  one('#against').textContent = them
    ? `As ${called(me)}, against ${called(them)}. Each sends a real request; what you read is its answer.`
    : 'This takes a user of another tenant, and there is none.';
  one('#attacks').replaceChildren(...(them ? attacks.map(line) : []));
}

function line(attack) {
  const place = el('div', { class: 'outcome-place', 'aria-live': 'polite' });
  const button = el('button', { type: 'button', 'aria-label': `Try: ${attack.name}`, onclick: () => tryOne(attack, place, true) }, 'Try');
  return el('li', {}, el('div', { class: 'attack' }, el('div', {}, el('h3', {}, attack.name), el('p', { class: 'muted' }, attack.wins)), button), place);
}

/** tryOne sends an attack, shows how it ended, and gives that as a word. */
async function tryOne(attack, place, open) {
  const [me, them] = sides();
  const tried = await page.callers[0].token().then((token) => attempt(attack, me, token, them), (answer) => ({ answer }));
  if (!place.isConnected) return null; // somebody else was picked meanwhile
  const shown = outcome(attack, tried, open);
  const shareThis = () => shareAttack(attack, tried, me);
  shown.addEventListener('toggle', () => shown.open && shareThis());
  place.replaceChildren(shown);
  if (open) shareThis();
  return verdict(tried);
}

function shareAttack(attack, { query: sent, forged }, me) {
  const what = `“${attack.name}”, as ${called(me)}`;
  if (sent) share(what, forQuery(sent, [named(me)], page.database));
  if (forged) share(what, forToken(forged));
}

/** tryAll leaves the query in the lines that are taken along: which of the attacks is meant, opening its outcome says. */
async function tryAll() {
  const places = [...document.querySelectorAll('.outcome-place')];
  const ended = [];
  shareQuery();
  one('#score').textContent = '';
  one('#try-all').disabled = true;
  for (const [i, attack] of attacks.entries()) {
    ended.push(await tryOne(attack, places[i], false));
    if (!places[i].isConnected) return;
    one('#score').textContent = `${ended.filter((e) => e === 'held').length} of ${attacks.length} held`;
  }
  one('#try-all').disabled = false;
}

begin();
