import { withJose } from './jose';
import { withOauth4webapi } from './oauth4webapi';
import { withOpenidClient } from './openid-client';

console.log('oauth4webapi');
const token = await withOauth4webapi();
console.log('openid-client');
await withOpenidClient();
console.log('jose');
await withJose(token);
