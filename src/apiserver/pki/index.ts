export {
  type CertificateRequest,
  loadPki,
  type Pki,
  rotateEncryptionKey,
  signCertificate,
  writeDurably,
} from './pki.ts';
