import type { Plugin } from 'esbuild';

/** What is used of undici. The rest of it (mocks, caches, WebSockets) takes longer to start than a whole command. */
const UNDICI = `
const Dispatcher = require('./lib/dispatcher/dispatcher');
const api = require('./lib/api');
const { parseURL } = require('./lib/core/util');
Object.assign(Dispatcher.prototype, api);
exports.Agent = require('./lib/dispatcher/agent');
exports.buildConnector = require('./lib/core/connect');
exports.fetch = (...args) => require('./lib/web/fetch').fetch(...args);
exports.request = (place, options = {}) => {
  const { dispatcher = require('./lib/global').getGlobalDispatcher(), method, ...rest } = options;
  const { origin, pathname, search } = parseURL(place);
  return api.request.call(dispatcher, { ...rest, origin, path: pathname + search, method: method ?? 'GET' });
};
`;

/** Modules that do much when they are loaded, of which little is needed. */
export const lightModules: Plugin = {
  name: 'light modules',
  setup: ({ onLoad, onResolve }) => {
    onLoad({ filter: /\/node_modules\/undici\/index\.js$/ }, () => ({ contents: UNDICI, loader: 'js' }));
    // An import of it asks for every name that it has, one of which loads another client.
    onResolve({ filter: /^node:http$/, namespace: 'file' }, () => ({ path: 'http', namespace: 'plain' }));
    onLoad({ filter: /^http$/, namespace: 'plain' }, () => ({
      contents: `module.exports = process.getBuiltinModule('node:http');`,
      loader: 'js',
    }));
  },
};
