import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless';
import { asc, DrizzleQueryError, eq, inArray, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import * as schema from './schema';
import { type Todo, todos } from './schema';

const rowpass = process.env.ROWPASS_URL ?? 'http://localhost:8080';

// The one line that is not in code written for Neon.
neonConfig.fetchEndpoint = () => `${rowpass}/sql`;

const url = process.env.DATABASE_AUTHENTICATED_URL ?? 'postgresql://authenticated@localhost/rowpass';

// Stands for the session of your provider. In earnest this is what your login gives you.
async function sessionOf(user: string): Promise<string> {
  const response = await fetch(`${rowpass}/api/token?user=${user}`, { headers: { Accept: 'text/plain' } });
  if (!response.ok) throw new Error(`no session for ${user}: ${await response.text()}`);
  return (await response.text()).trim();
}

// One for each request of yours, never one for all: execute() keeps the last token that it was given.
const databaseOf = (user: string) => drizzle(neon(url, { authToken: () => sessionOf(user) }), { schema });

type Database = ReturnType<typeof databaseOf>;

// The WHERE is optional because of row-level security.
const todoList = (db: Database): Promise<Todo[]> =>
  db.select().from(todos).where(eq(todos.userId, sql`(select auth.user_id())`)).orderBy(asc(todos.insertedAt), asc(todos.id));

const show = (title: string, list: Todo[]) =>
  console.log(`${title}: ${list.map((todo) => `[${todo.isComplete ? 'x' : ' '}] ${todo.task}`).join('  ')}`);

const mine = ['Water the plants', 'Feed the cat'];
const ada = databaseOf('admin@acme.example');
const gil = databaseOf('admin@globex.example');

const before = await ada.$count(todos);
show('Ada before', await todoList(ada));

// No user is named: the column's default is who asks.
await ada.insert(todos).values(mine.map((task) => ({ task })));
await ada.update(todos).set({ isComplete: true }).where(eq(todos.task, mine[0]));
show('Ada after', await todoList(ada));

// Another user, by a token for one query.
const anybody = drizzle(neon(url), { schema });
const found = await anybody.$withAuth(await sessionOf('admin@globex.example')).query.todos.findMany({ where: inArray(todos.task, mine) });
console.log(`Gil finds ${found.length} of them`);

// Naming somebody else is refused by the policy.
const [first] = await todoList(ada);
try {
  await gil.insert(todos).values({ userId: first.userId, task: 'For Ada' });
} catch (error) {
  if (!(error instanceof DrizzleQueryError && error.cause instanceof NeonDbError)) throw error;
  console.log(`${error.cause.code} ${error.cause.message}`);
}

// A batch is one transaction.
const [removed, left] = await ada.batch([ada.delete(todos).where(inArray(todos.task, mine)).returning({ task: todos.task }), ada.select().from(todos)]);
console.log(`removed ${removed.length}, ${left.length === before ? 'and all is as before' : 'and something is left'}`);
