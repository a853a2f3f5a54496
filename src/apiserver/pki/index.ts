export {
  type CertificateRequest,
  loadPki,
  type Pki,
  readPkiFiles,
  rotateEncryptionKey,
  signCertificate,
  writeDurably,
} from './pki.ts';
