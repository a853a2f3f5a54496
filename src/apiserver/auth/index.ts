export { ADMIN, ANONYMOUS, Authenticator } from './authenticate.ts';
export { defaultRoles } from './default-roles.ts';
export { type Access, type PolicyRule, Rbac } from './rbac.ts';
export { accountGroups, AdminToken, ISSUER, ServiceAccountTokens } from './tokens.ts';
