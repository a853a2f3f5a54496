import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureReady } from './ensure.js';

const root = ensureReady();
process.argv.splice(2, 0, 'up');
await import(pathToFileURL(join(root, 'bin', 'dispatch')).href);
