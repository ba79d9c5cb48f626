import { sql } from 'drizzle-orm';
import { authenticatedRole, crudPolicy } from 'drizzle-orm/neon';
import { type AnyPgColumn, bigint, boolean, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

// Says what authUid(column) says, but asks for the user once a query instead of once a row.
const own = (column: AnyPgColumn) => sql`(${column} = (select auth.user_id()))`;

// rowpass's own table, as its migrations make it.
export const todos = pgTable(
  'todos',
  {
    id: bigint('id', { mode: 'bigint' }).generatedAlwaysAsIdentity(),
    userId: text('user_id').notNull().default(sql`auth.user_id()`),
    task: text('task').notNull(),
    isComplete: boolean('is_complete').notNull().default(false),
    insertedAt: timestamp('inserted_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    // The user leads: an id can be neither taken ahead of another user nor probed.
    primaryKey({ columns: [table.userId, table.id] }),
    crudPolicy({ role: authenticatedRole, read: own(table.userId), modify: own(table.userId) }),
  ],
);

export type Todo = typeof todos.$inferSelect;
