// Signs the messages on standard input, one JSON object a line, with each of the vendors' libraries, and prints the signatures.
import { createInterface } from "node:readline";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, id, seconds, body } = JSON.parse(line);
  const at = new Date(seconds * 1000);
  console.log(JSON.stringify({
    standardwebhooks: new Standard(secret).sign(id, at, body),
    svix: new Svix(secret).sign(id, at, body),
  }));
}
