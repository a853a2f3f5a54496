import { ApiServer } from '../../src/apiserver/index.ts';
import { SILENT } from '../../src/kube/index.ts';

/** The API of a data directory and nothing around it: what kube-apiserver and etcd are together. */
const dataDir = process.argv[2] ?? '';
const api = await ApiServer.start({ dataDir, host: '127.0.0.1', port: 0, log: SILENT, now: Date.now });
console.log(JSON.stringify({ url: api.url, ca: api.pki.caCertificate, token: api.pki.adminToken }));
process.once('SIGTERM', () => void api.close());
