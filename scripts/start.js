import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureDependencies } from './ensure.js';

const root = ensureDependencies();
process.argv.splice(2, 0, 'up');
await import(pathToFileURL(join(root, 'bin', 'dispatch')).href);
