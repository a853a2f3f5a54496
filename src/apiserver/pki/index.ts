export {
  addEncryptionKey,
  type CertificateRequest,
  keepNewestEncryptionKey,
  loadPki,
  type Pki,
  readPkiFiles,
  signCertificate,
  writeDurably,
} from './pki.ts';
