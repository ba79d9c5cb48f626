// The lines that do outside what was just done here. They are pasted into a shell, so that nothing in them may be read as
// anything but text.

import { address } from './server.js';

const shell = (text) => (/^[\w.@%+:/-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);
const inAddress = (text) => encodeURIComponent(text).replace(/%40/g, '@');
const template = (text) => '`' + text.replace(/[\\`]|\$(?=\{)/g, '\\$&') + '`';
const literal = (text) => (/^[\x20-\x7e]*$/.test(text) && !/['\\]/.test(text) ? `'${text}'` : JSON.stringify(text));

/** forQuery gives the lines that send query as each of users, who are named as GET /api/token takes them. */
export function forQuery(query, users, database) {
  const server = `postgresql://authenticated@localhost/${encodeURIComponent(database || 'app')}`;
  return {
    curl: `for WHO in ${users.map((u) => shell(inAddress(u))).join(' ')}; do
  TOKEN=$(curl -s -H 'Accept: text/plain' ${shell(address('api/token?user='))}"$WHO")
  curl -s ${shell(address('sql'))} -H "Authorization: Bearer $TOKEN" \\
    -H ${shell(`Neon-Connection-String: ${server}`)} \\
    -d ${shell(JSON.stringify({ query }))}
done`,
    typescript: `import { neon, neonConfig } from '@neondatabase/serverless';

neonConfig.fetchEndpoint = () => ${literal(address('sql'))};

for (const who of [${users.map((u) => literal(inAddress(u))).join(', ')}]) {
  const url = \`${address('api/token')}?user=\${who}\`;
  const token = await fetch(url, { headers: { Accept: 'text/plain' } });
  const sql = neon(${literal(server)}, { authToken: await token.text() });
  console.log(await sql.query(${template(query)}));
}`,
  };
}

/** forToken gives the lines that ask the API with a token as it is. */
export function forToken(token) {
  return {
    curl: `curl -s ${shell(address('api/users'))} \\
  -H ${shell(`Authorization: Bearer ${token}`)}`,
    typescript: `const answer = await fetch(${literal(address('api/users'))}, {
  headers: { Authorization: ${literal(`Bearer ${token}`)} },
});
console.log(answer.status, await answer.json());`,
  };
}
