// What a statement names, as far as its words tell. The server reads it by PostgreSQL's own grammar; here it is only about which
// tables to ask for reasons of.

const name = '(?:"[^"]+"|[\\p{L}_][\\p{L}\\p{N}_$]*)';
const names = new RegExp(`^${name}`, 'u');
const parts = new RegExp(`${name}(?:\\s*\\.\\s*${name})*|\\S`, 'gu');
const made = new RegExp(`(${name})\\s*(?:\\([^()]*\\)\\s*)?\\bas\\s+(?:(?:not\\s+)?materialized\\s+)?\\(`, 'giu');

const bare = (query) => query.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/g, " '' ");
const folded = (table) => table.replace(/\s*\.\s*/g, '.').replace(/"[^"]+"|[^".]+/g, (part) => (part.startsWith('"') ? part : part.toLowerCase()));

/** tablesOf are the tables that a statement names, each once: {name, command}, where command is what is done to it, as policies name it. */
export function tablesOf(query) {
  const text = bare(query);
  const own = new Set([...text.matchAll(made)].map(([, table]) => folded(table))); // by WITH
  const found = new Map();
  for (const [table, command] of named(text.match(parts) ?? [])) {
    if (!own.has(table) && (found.get(table) ?? 'SELECT') === 'SELECT') found.set(table, command);
  }
  return [...found].map(([table, command]) => ({ name: table, command }));
}

// One for each parenthesis that is open: whether a table comes next, whether commas stand between tables, and whether a FROM is a
// statement's here and not a function's, as in extract(year from …).
const level = (wants = false) => ({ wants, lists: wants, reads: false });

function* named(words) {
  const levels = [level()];
  let command = 'SELECT';
  for (const [i, word] of words.entries()) {
    const here = levels.at(-1);
    if (word === '(') {
      levels.push(level(here.wants));
      here.wants = false;
    } else if (word === ')') {
      if (levels.length > 1) levels.pop();
      levels.at(-1).wants = false;
    } else {
      const begun = read(here, word.toLowerCase(), (words[i - 1] ?? '').toLowerCase(), (words[i + 1] ?? '').toLowerCase());
      command = begun ?? command;
      if (begun || !here.wants || passed.has(word.toLowerCase())) continue;
      here.wants = word === ',';
      const calls = words[i + 1] === '(' && command !== 'INSERT';
      if (names.test(word) && !calls) yield [folded(word), command];
    }
  }
}

const passed = new Set(['only', 'lateral']);
const statements = new Set(['select', 'insert', 'update', 'delete', 'merge']);
const clauses = new Set(['values', 'where', 'group', 'order', 'having', 'window', 'limit', 'offset', 'fetch', 'union', 'intersect', 'except', 'returning', 'set', 'for']);

/** read takes a word into account and gives, where tables follow it, what is done to them. */
function read(here, word, before, after) {
  if (statements.has(word)) here.reads = true;
  if (statements.has(word) || clauses.has(word)) here.wants = here.lists = false;
  const from = word === 'from' && here.reads && before !== 'distinct';
  if (from || (word === 'using' && after !== '(')) here.wants = here.lists = true;
  else if (word === 'join' || word === 'into') here.wants = true;
  else if (word === 'update' && after !== 'set' && before !== 'for' && before !== 'key') here.wants = true;
  else if (word === ',') return void (here.wants = here.lists);
  else return undefined;
  if (word === 'into' && before === 'insert') return 'INSERT';
  if (word === 'update') return 'UPDATE';
  return from && before === 'delete' ? 'DELETE' : 'SELECT';
}
