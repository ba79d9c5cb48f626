import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless';

const rowpass = process.env.ROWPASS_URL ?? 'http://localhost:8080';

// The one line that is not in code written for Neon.
neonConfig.fetchEndpoint = () => `${rowpass}/sql`;

// The role is the user of the connection string. Host and password count for nothing: the token decides.
const url = 'postgresql://authenticated@localhost/rowpass';

// A demo gives tokens away. In earnest this is what your login gives you.
async function tokenOf(user: string): Promise<string> {
  const response = await fetch(`${rowpass}/api/token?user=${user}`, { headers: { Accept: 'text/plain' } });
  if (!response.ok) throw new Error(`no token for ${user}: ${await response.text()}`);
  return (await response.text()).trim();
}

const acme = neon(url, { authToken: await tokenOf('admin@acme.example') });
const globex = neon(url, { authToken: () => tokenOf('admin@globex.example') });

// The same statement, other rows.
const everybody = 'select name from users order by name';
for (const sql of [acme, globex]) {
  const users = await sql.query(everybody);
  console.log(users.map((user) => user.name).join(', '));
}

// Whose todo it is the database knows.
const task = 'Read the docs';
const [todo] = await acme`insert into todos (task) values (${task}) returning task, user_id = auth.user_id() as mine, inserted_at`;
console.log(`${todo.task}: mine ${todo.mine}, a date ${todo.inserted_at instanceof Date}`);

// One transaction, which sees one state of the database.
const [count, list] = await acme.transaction(
  [acme`select count(*)::int as n from todos where task = ${task}`, acme`select task from todos where task = any(${[task, 'another']})`],
  { isolationLevel: 'RepeatableRead', readOnly: true },
);
console.log(`${count[0].n} of ${list.length}`);

// Nobody else sees it, nor removes it.
const foreign = await globex.query('delete from todos where task = $1', [task], { fullResults: true });
const own = await acme.query('delete from todos where task = $1', [task], { fullResults: true });
console.log(`Globex removed ${foreign.rowCount}, Acme ${own.rowCount}`);

// Errors are PostgreSQL's own, and so are those for what callers may not do.
for (const statement of ["insert into todos (task) values ('')", "select set_config('role', 'none', true)"]) {
  try {
    await acme.query(statement);
  } catch (error) {
    if (!(error instanceof NeonDbError)) throw error;
    console.log(`${error.code} ${error.message}`);
  }
}
